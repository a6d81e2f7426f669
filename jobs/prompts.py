"""The prompts of a recipe: rows of its files, made into messages with identities."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import polars as pl

from infra.data_file import DataFile
from infra.rows import Row, find_files, read_rows
from jobs.clusters import Clusters
from schemas.arrow import PROMPTS
from schemas.errors import RecipeError
from schemas.identity import identity_of, messages_json, prompt_id, reference_id
from schemas.recipe import PromptSource, Recipe


@dataclass(frozen=True)
class PromptList:
    """The recipe's current prompts, each once, in the order of their identities.

    That order is the order of a hash, so any first part of it is a random sample of them.
    """

    frame: pl.DataFrame
    """The columns of the prompts table."""
    dropped: dict[str, int]
    """Rows of the files that gave no prompt, by reason."""
    origin: str | None = None
    """Identity of the files and the recipe, where this is all of what was read from them."""
    left_out: pl.DataFrame = field(default_factory=pl.DataFrame)
    """Prompts that no samples are drawn for, by the rules about prompts: the same columns, those of
    `filters.leaks` and `filters.duplicates`, as far as they are known, and `reason`. No rows and no
    columns where there are no such rules."""
    splits: pl.DataFrame = field(default_factory=pl.DataFrame)
    """`prompt_id`, `cluster` and `split` (an Enum) of each prompt, also of those that are left out,
    in their order. No rows and no columns where the recipe has no splits: then all are `train`."""
    clusters: Clusters | None = None
    """Where splits or a rule rest on them, and they were looked for just now."""
    compared_with: Mapping[str, Sequence[DataFile]] = field(default_factory=dict)
    """Files of the pool's tables, where a rule rests on them and was just asked."""

    @property
    def left_out_counts(self) -> dict[str, int]:
        """How many are left out, by reason."""
        if self.left_out.is_empty():
            return {}
        return dict(self.left_out["reason"].value_counts().sort("reason").iter_rows())

    @property
    def with_left_out(self) -> "PromptList":
        """All of them, as if samples were drawn for all."""
        if self.left_out.is_empty():
            return self
        every = pl.concat([self.frame, self.left_out.select(self.frame.columns)])
        return PromptList(every.sort("prompt_id"), self.dropped, splits=self.splits)

    @property
    def digest(self) -> str:
        """Identity of the list, and of its splits. Its JSON is put together in columns: of 125,000
        prompts an encoder takes 0.15 s, and every refresh compares lists."""
        columns, rows = ["prompt_id", "reference_id"], self.frame
        if self.splits.width:
            rows = rows.join(self.splits, on="prompt_id", how="left", maintain_order="left")
            rows = rows.with_columns(pl.col("split").cast(pl.String))
            columns.append("split")
        quoted = pl.format("[" + ",".join(['"{}"'] * len(columns)) + "]", *columns)
        return identity_of("l", f"[{','.join(rows.select(quoted).to_series())}]")

    def first(self, count: int | None) -> "PromptList":
        """At most `count` of them, and what is left out among these."""
        if count is None or count >= self.frame.height:
            return self
        frame = self.frame.head(count)
        return self._of(frame, pl.col("prompt_id") <= frame["prompt_id"].last())

    def among(self, prompt_ids: pl.Series) -> "PromptList":
        """Those of them that have one of these identities, and what is left out among these."""
        own = pl.col("prompt_id").is_in(prompt_ids.implode())
        return self._of(self.frame.filter(own), own)

    def _of(self, frame: pl.DataFrame, among: pl.Expr) -> "PromptList":
        left_out, splits = (
            own.filter(among) if own.width else own for own in (self.left_out, self.splits)
        )
        return PromptList(frame, self.dropped, left_out=left_out, splits=splits)


def read_prompts(recipe: Recipe) -> PromptList:
    """Reads all prompt files; RecipeError where a file or a row is not what the recipe says.

    The same prompt twice is taken once. With different references it is not taken at all: nobody
    can say which one is right.
    """
    # Plain tuples of texts: the collector of cycles passes over them. Walking 125,000 objects of
    # any other kind again and again took a third of the time.
    prompts: dict[str, tuple[str | None, ...]] = {}
    references: dict[str, str] = {}
    dropped: Counter[str] = Counter()
    conflicting: set[str] = set()
    for prompt in _all_prompts(recipe):
        key = prompt.prompt_id
        if key not in prompts:
            prompts[key] = tuple(prompt)
            references[key] = prompt.reference_id
        elif references[key] != prompt.reference_id:
            conflicting.add(key)
            dropped["conflicting_reference"] += 1
        else:
            dropped["duplicate_prompt"] += 1
    dropped["conflicting_reference"] += len(conflicting)
    rows = [prompts[key] for key in sorted(prompts.keys() - conflicting)]
    if not rows:
        raise RecipeError(
            f"prompts: no prompt is left to answer (dropped: {dict(+dropped)}); "
            f"files: {', '.join(source.path for source in recipe.prompts)}"
        )
    return PromptList(_frame(rows), dict(+dropped))


class _Prompt(NamedTuple):
    """A row of the prompts table, its messages as JSON."""

    prompt_id: str
    reference_id: str
    messages: str
    reference: str | None
    domain: str
    source: str | None
    license: str | None


def _frame(rows: Sequence[tuple[str | None, ...]]) -> pl.DataFrame:
    columns = dict(zip(_Prompt._fields, zip(*rows, strict=True), strict=True))
    texts = pl.DataFrame(columns, schema=dict.fromkeys(_Prompt._fields, pl.String()))
    dtype = pl.Schema(PROMPTS)["messages"]
    return texts.with_columns(pl.col("messages").str.json_decode(dtype))


def _all_prompts(recipe: Recipe) -> Iterator[_Prompt]:
    for source in recipe.prompts:
        for file in find_files(source.path):
            for row in read_rows(file):
                yield _prompt(source, row, recipe.teacher.system)


def prompt_id_of(source: PromptSource, row: Row) -> str:
    """Identity of the prompt that a row of this source is. RecipeError as `read_prompts`."""
    return prompt_id(
        messages_json(prompt_messages(_field(source.fields["prompt"], row), source, row))
    )


def _prompt(source: PromptSource, row: Row, system: str | None) -> _Prompt:
    given = _field(source.fields["prompt"], row)
    messages = prompt_messages(given, source, row)
    if system is not None and messages[0]["role"] == "system":
        raise RecipeError(f"{row.where}: has a system message, and teacher.system gives another")
    reference = None
    if "reference" in source.fields:
        reference = reference_text(_field(source.fields["reference"], row))
        check_text(reference or "", row)
    canonical = messages_json(messages)
    return _Prompt(
        prompt_id(canonical),
        reference_id(reference),
        canonical,
        reference,
        source.domain,
        source.source,
        source.license,
    )


def reference_text(value: Any) -> str | None:
    """A reference as text; lists and objects, such as tests, as JSON."""
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False, sort_keys=True)
    return None if value is None else str(value)


def _field(name: str, row: Row) -> Any:
    if name not in row.values:
        raise RecipeError(
            f"{row.where}: has no field {name!r}; it has {', '.join(map(str, row.values))}. "
            "See prompts[].fields in the recipe"
        )
    return row.values[name]


def prompt_messages(given: Any, source: PromptSource, row: Row) -> tuple[dict[str, str], ...]:
    """The messages of a text or of a chat; the template goes around the last user message.
    RecipeError for what is neither, with the place of `row`."""
    chat = [{"role": "user", "content": given}] if isinstance(given, str) else given
    if not isinstance(chat, list) or not chat:
        raise RecipeError(f"{row.where}: the prompt must be a text or a list of messages")
    for message in chat:
        if not isinstance(message, dict) or not (
            isinstance(message.get("role"), str) and isinstance(message.get("content"), str)
        ):
            raise RecipeError(f"{row.where}: every message needs a role and a content, both texts")
        check_text(message["content"], row)
    messages = [{"role": m["role"], "content": m["content"]} for m in chat]
    if messages[-1]["role"] != "user" or not messages[-1]["content"].strip():
        raise RecipeError(f"{row.where}: the last message must be the user's, and not be empty")
    messages[-1]["content"] = source.template.format(prompt=messages[-1]["content"])
    return tuple(messages)


def check_text(text: str, row: Row) -> None:
    """RecipeError for a text that UTF-8 cannot hold."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise RecipeError(f"{row.where}: the text is not Unicode: {error}") from error
