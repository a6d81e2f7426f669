"""The recipe: everything that a run is told, as small frozen models.

Whatever is not a field here is an error, so a typing mistake never becomes a default.
"""

import re
import string
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from schemas.choosing import Choose, Mix, Pairs
from schemas.gates import Gates
from schemas.recipe_part import Count, Part
from schemas.refreshing import Notify, Refresh
from schemas.spending import Budget, Price

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
BUCKET = re.compile(r"s3://[a-z0-9][a-z0-9.-]{2,62}(/[A-Za-z0-9!_.*'()-]+)*/?$")
ADDRESS = "must be a folder or s3://bucket/prefix, with letters, digits and !_.*'()- alone"
"""With the characters that S3 calls safe: delta-rs does not find its checkpoints below others."""


class PromptSource(Part):
    """Where prompts come from, and how a row becomes one."""

    path: str
    """A jsonl, json, csv or parquet file, a folder of them, or a glob."""
    fields: dict[Literal["prompt", "reference"], str] = Field({"prompt": "prompt"})
    """Names of the columns. `prompt` holds a text or a list of chat messages; `reference` is what
    the domain's verifier compares with."""

    @field_validator("fields")
    @classmethod
    def _prompt_column(cls, fields: dict[str, str]) -> dict[str, str]:
        return {"prompt": "prompt", **fields}

    domain: str = "general"
    """Chooses the scorers, and with them the verifier."""
    template: str = "{prompt}"
    """The user message, around `{prompt}`; `{{` and `}}` are literal braces. Changing it makes
    other prompts: their samples are generated again."""
    source: str | None = None
    """Named in every row, on the card and in the funnel."""
    license: str | None = None
    """Of the prompts; named in every row and on the card."""

    @field_validator("template")
    @classmethod
    def _only_prompt(cls, template: str) -> str:
        names = [name for _, name, _, _ in string.Formatter().parse(template) if name is not None]
        if names != ["prompt"]:
            raise ValueError(
                f"must contain {{prompt}} exactly once and no other field (found: {names}); "
                "write {{ and }} for literal braces"
            )
        return template


class EvaluationSet(Part):
    """Questions that no prompt may be. A path alone stands for it in a recipe."""

    path: str
    """A jsonl, json, csv or parquet file, a folder of them, or a glob."""
    field: str = "question"
    """Name of the column that holds the question, a text."""
    name: str = ""
    """In flags, on the card. Default: the file's name without its suffix."""

    @model_validator(mode="before")
    @classmethod
    def _path_alone(cls, given: Any) -> Any:
        return {"path": given} if isinstance(given, str) else given


class Replicas(Part):
    """How many engines run side by side."""

    min: Count = 1
    """The run stops when fewer than this many can still work."""
    max: Count = 1
    """Asked for at once; each works as soon as there is room for it and its engine is ready."""
    start_seconds: float = Field(3600, gt=0)
    """An engine that is not ready after so long is given up and started again."""
    stall_seconds: float = Field(600, gt=0)
    """An engine that makes no token for so long, though requests run in it, hangs: it is killed,
    its samples are drawn by others, and it is started again."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min > self.max:
            raise ValueError(f"min ({self.min}) is greater than max ({self.max})")
        return self


class Teacher(Part):
    """The model that writes the samples."""

    model: str
    """A Hub id or a folder."""
    revision: str | None = None
    """The commit of a Hub model; a folder is identified by its content."""
    license: str | None = None
    """What its outputs may be used for; said on the card."""
    engine: Literal["vllm", "simulated"] = "vllm"
    """`simulated` writes made-up samples at any speed; they are never published unasked."""
    system: str | None = None
    """System prompt. DeepSeek-R1 is meant to be used without one."""
    replicas: Replicas = Replicas()
    engine_args: dict[str, Any] = Field({})
    """Arguments of vLLM's AsyncEngineArgs. Set `max_num_seqs` to the number of samples that one
    engine decodes at once."""

    @model_validator(mode="after")
    def _no_own_fields(self) -> Self:
        taken = sorted({"model", "revision", "seed"} & self.engine_args.keys())
        if taken:
            raise ValueError(f"engine_args must not set {taken}: the recipe has fields for them")
        return self


class RepetitionDetection(Part):
    """Ends a sample that goes round in circles: one whose last tokens are the same few, again and
    again. Its row then says `finish_reason: repetition`, and it is never `format.complete`.

    Sizes and count must let honest text pass: `1 + 1 + 1 +` has a pattern of a few tokens three
    times, and a row of dashes one token many times.
    """

    max_pattern_size: Count
    """Tokens of the longest pattern that is looked for, at every token anew."""
    min_pattern_size: Count = 1
    """Tokens of the shortest one."""
    min_count: int = Field(ge=2)
    """So many times in a row ends the sample."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min_pattern_size > self.max_pattern_size:
            raise ValueError(
                f"min_pattern_size ({self.min_pattern_size}) is greater than max_pattern_size "
                f"({self.max_pattern_size})"
            )
        return self


class SamplingParameters(Part):
    """How tokens are drawn. DeepSeek-R1's own advice is temperature 0.5-0.7 and top_p 0.95."""

    temperature: float = Field(0.6, ge=0, le=2)
    top_p: float = Field(0.95, gt=0, le=1)
    top_k: int = Field(0, ge=0)
    """0: all tokens."""
    min_p: float = Field(0.0, ge=0, le=1)
    repetition_penalty: float = Field(1.0, gt=0)
    stop: tuple[str, ...] = ()
    max_tokens: Count = 32768
    """A longer sample is cut and its row says `finish_reason: length`. Not part of the teacher's
    identity."""
    repetition_detection: RepetitionDetection | None = None
    """Null: samples run until they end or are truncated."""
    thinking_token_budget: Count | None = None
    """After so many tokens of thinking the closing tag is forced, and the model goes on with its
    answer. What the chat template writes behind the opening tag counts too; R1's writes one token.
    The row of such a sample says `thinking_cut`. It may well be `format.complete`; the rule
    `not thinking_cut` keeps only thinking that the model ended by itself. Null: no budget."""

    @model_validator(mode="after")
    def _budget_before_the_end(self) -> Self:
        budget = self.thinking_token_budget
        if budget is not None and budget >= self.max_tokens:
            raise ValueError(
                f"thinking_token_budget ({budget}) must be less than max_tokens "
                f"({self.max_tokens}), or no answer can follow"
            )
        return self


PolicyName = Literal["posterior", "enough"]
Output = Literal["sft", "preference", "rl", "reward", "raw"]
TRAIN = "train"
SPLIT = re.compile(r"(?!all$)[a-z][a-z0-9_]{0,62}")
"""It begins the names of files. `all` is what `datasets` calls all of them together: with a split
of that name it loads nothing."""


class SampleCounts(Part):
    """How many samples a prompt gets; see DESIGN "Sampling without bias"."""

    probe: Count = 4
    """Indexes 0 … probe-1 are always drawn and judged to their end."""
    max: Count = 16
    """A prompt that has not got enough goes on up to here; then it is settled as it is."""
    enough: Count = 4
    """Kept samples after which a prompt is settled."""
    policy: PolicyName = "posterior"
    """How many are drawn at once after the probe. `posterior`: those that will be needed with a
    probability of 0.9, by how the prompt and its source went so far; what turns out to be surplus
    is cancelled. `enough`: only those that are needed for sure, which takes more rounds."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.probe > self.max:
            raise ValueError(f"probe ({self.probe}) is greater than max ({self.max})")
        return self


class Flush(Part):
    """When samples become durable. Smaller values lose less to a crash and write more files."""

    seconds: float = Field(30, gt=0)
    megabytes: float = Field(8, gt=0)
    patience_seconds: float = Field(300, ge=0)
    """How long a store that cannot be written is waited for; then the run stops with exit 75."""


class Target(Part):
    """When the dataset is large enough."""

    published: Count | None = None
    """Rows of the `sft` output. Prompts are drawn in the order of their hash, and the version is
    the shortest prefix of settled prompts that has so many rows."""


class ReportPage(Part):
    """The page that shows a version to people."""

    samples: int = Field(2000, ge=0, le=100_000)
    """How many are in it with their texts, of all fates, sources and domains; 2,000 make a file of
    up to 5 MB."""


class Recipe(Part):
    """One dataset: where its prompts come from, who answers, who judges, what is kept."""

    name: str
    """Of the dataset; versions are published under it."""
    store: str
    """A folder, or `s3://bucket/prefix`."""
    pool: str = ""
    """Recipes with the same pool share its samples. Default: the name."""
    prompts: tuple[PromptSource, ...] = Field(min_length=1)
    teacher: Teacher
    sampling: SamplingParameters = SamplingParameters()
    samples: SampleCounts = SampleCounts()
    preset: str | None = None
    """What `scorers`, `keep`, `choose` and `pairs` are where the recipe does not say it:
    `sft-keep-all`, `sft-strict`, `deepseek-r1`, `rl` or `dpo`; see `filters/presets.py`."""
    scorers: dict[str, tuple[str, ...]] = Field({"*": ("format",)}, min_length=1)
    """Scorers by domain; `*` is for all of them."""
    keep: dict[str, str] = Field({"finished": "format.complete"})
    """Named rules: a sample is kept if all are true. A rule that is null is `undecided`. Nothing is
    drawn for a prompt that a rule about `prompt.duplicate`, `prompt.near_duplicate`,
    `prompt.conflicting_reference` or leaks leaves out."""
    decontaminate: tuple[EvaluationSet, ...] = ()
    """Evaluation sets that the prompts are compared with; rules then have `prompt.leaked` and what
    goes with it. Without a rule that asks for them there is `decontaminated: not prompt.leaked`.
    The scorer `leaks` compares samples with them."""
    choose: Choose = Choose()
    pairs: Pairs = Pairs()
    mix: Mix | None = None
    """Null: all that are chosen."""
    outputs: tuple[Output, ...] = Field(("sft",), min_length=1)
    """What the version has, and so when a prompt has enough samples: `sft` needs `samples.enough`
    kept ones, `preference` a kept one and a complete one with a wrong answer, the others the probe.
    `rl` are prompts with their pass rates, `reward` all samples that are right or wrong, `raw` all
    samples whatever."""
    splits: dict[str, float] = Field({})
    """Name -> share of the prompts, by a hash of their cluster of near-duplicates, which holds for
    ever; the rest are `train`."""
    target: Target = Target()
    budget: Budget = Budget()
    price: Price = Price()
    gates: Gates = Gates()
    refresh: Refresh = Refresh()
    notify: Notify | None = None
    egress: Literal["deny", "allow"] = "deny"
    """Whether anything may be sent beyond this machine and the store; see `notify`."""
    report: ReportPage = ReportPage()
    flush: Flush = Flush()
    max_failed: float = Field(0.05, ge=0, le=1)
    """The run stops when more than this share of its samples fails for one reason."""

    @field_validator("name", "pool")
    @classmethod
    def _plain(cls, name: str) -> str:
        if name and not NAME.fullmatch(name):
            raise ValueError("use lower-case letters, digits, '.', '_' and '-', at most 63 of them")
        return name

    @field_validator("store")
    @classmethod
    def _address(cls, store: str) -> str:
        if "://" in store and not BUCKET.fullmatch(store):
            raise ValueError(ADDRESS)
        if "%" in store:
            raise ValueError("must not contain '%': Delta tables below it could not be opened")
        return store

    @field_validator("keep")
    @classmethod
    def _rule_names(cls, keep: dict[str, str]) -> dict[str, str]:
        bad = [name for name in keep if not re.fullmatch(r"[a-z][a-z0-9_]*", name)]
        if bad:
            raise ValueError(f"rule names must be snake_case, they become reasons: {bad}")
        return keep

    @model_validator(mode="after")
    def _spending(self) -> Self:
        for name, budget in (("budget", self.budget), ("refresh.budget", self.refresh.budget)):
            if budget.usd is not None and self.price.gpu_hour is None:
                raise ValueError(f"{name}.usd needs price.gpu_hour")
        if self.target.published is not None and "sft" not in self.outputs:
            raise ValueError("target.published counts rows of the output sft")
        if "sft" not in self.outputs and (asked := self.gates.about_sft):
            raise ValueError(f"gates.{asked[0]} is about rows of the output sft")
        if self.gates.no_leaks and not self.decontaminate:
            raise ValueError("gates.no_leaks needs evaluation sets: set decontaminate")
        if self.mix is not None and "sft" not in self.outputs:
            raise ValueError("mix: says what the output sft consists of")
        if self.mix is not None and self.target.published is not None:
            raise ValueError("mix: a target counts rows before they are mixed; use mix.total")
        return self

    @field_validator("splits")
    @classmethod
    def _splits(cls, splits: dict[str, float]) -> dict[str, float]:
        bad = [name for name in splits if TRAIN in name.split("_") or not SPLIT.fullmatch(name)]
        if bad:
            raise ValueError(
                "names must be snake_case, of at most 63 characters, and not all, nor have the "
                f"word {TRAIN}, which is what is left: {bad}"
            )
        if not all(0 < share < 1 for share in splits.values()) or sum(splits.values()) > 1 - 1e-9:
            raise ValueError("shares must be between 0 and 1, and leave something to train on")
        return splits

    @model_validator(mode="before")
    @classmethod
    def _default_pool(cls, given: Any) -> Any:
        if isinstance(given, dict) and not given.get("pool"):
            return {**given, "pool": given.get("name", "")}
        return given
