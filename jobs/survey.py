"""What the pool already has of a recipe's prompts: the base of plan, generate, build and peek."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from filters.choose import index_bits
from filters.scored import SEPARATOR, TEXT_KEY, with_reasons, with_scores
from infra.data_file import DataFile
from infra.goal import Goal
from infra.messages import Known, Place, ScoreTask, ToScore
from infra.pool import reading
from infra.sampling import Bits, below, eligible_prefix
from infra.scheduler import Key
from jobs.judge import JUDGED_COLUMNS
from jobs.prompts import PromptList
from jobs.recipe import Job
from schemas.arrow import TABLES
from schemas.sample import DONE

FILL_ROWS = 64
MEASURED_FROM = 20
"""Fewer finished samples than this say too little about their length."""
POOL_KEY = ("prompt_id", "reference_id", "domain", "source")
"""Of the prompts table. Recipes that share a pool may differ in how they name a prompt's domain and
source, and rules may ask for both."""


@dataclass(frozen=True)
class Survey:
    """The samples of one teacher for one list of prompts, at given table versions."""

    samples: pl.DataFrame
    """A row a sample: narrow columns, its place, all score columns, `missing`, `judged`,
    `reason`, `extensible`."""
    settled: int
    """Prompts that need nothing more."""
    missing: int
    """Samples to be drawn, or to be gone on with, at least: what is left of the probes, and one
    more of each other prompt that is not settled."""
    bits: Mapping[str, Bits]
    """Of each prompt with samples."""
    files: Mapping[str, Sequence[DataFile]]
    """Of each table, when it was read."""
    tokens_per_sample: float | None
    """Mean length of the finished samples, if they are many."""
    truncated: pl.DataFrame
    """Samples of prompts that are not settled, to be gone on with: `prompt_id, sample_index, path,
    row`."""

    def is_still_true(self, job: Job) -> bool:
        """Whether nothing was added to the pool since, and nothing taken away."""
        return self.files == _files(job)

    @property
    def complete(self) -> bool:
        """There is nothing to draw and nothing to score."""
        return self.missing == 0 and self.unscored == 0

    @property
    def unscored(self) -> int:
        """Finished samples that lack a score."""
        return self.samples.filter(pl.col("missing") != "").height


def surely_incomplete(job: Job, prompts: PromptList) -> bool:
    """Whether the pool has fewer samples than the probes of all prompts are, as its log alone says;
    if not, only a survey can tell."""
    if job.goal.target is not None:
        return False
    rows = sum(file.rows for file in job.pool.files("samples"))
    return rows < prompts.frame.height * job.recipe.samples.probe


def survey(job: Job, prompts: PromptList, goal: Goal | None = None) -> Survey:
    """Reads narrow columns only; no text is touched. The goal is the recipe's if none is given."""
    goal = goal or job.goal
    files = _files(job)
    samples = _samples(job, prompts, job.pool.versions())
    bits = {prompt_id: Bits(*own) for prompt_id, own in index_bits(samples).items()}
    untouched = prompts.frame.height - len(bits)
    settled, missing = 0, untouched * goal.need.probe
    for (done, *verdicts), prompt_count in Counter(bits.values()).items():
        if job.eligible(*verdicts).settled:
            settled += prompt_count
        else:
            missing += prompt_count * max(1, _left_of_probe(done, goal.need.probe))
    if goal.target is not None:
        missing = min(missing, _missing_to_target(prompts, bits, goal))
    truncated = _truncated(job, samples, bits)
    return Survey(samples, settled, missing, bits, files, _mean_length(samples), truncated)


def _truncated(job: Job, samples: pl.DataFrame, bits: Mapping[str, Bits]) -> pl.DataFrame:
    own = samples.filter("extensible").select(
        pl.col("prompt_id").cast(pl.String),
        "sample_index",
        "path",
        "row",
    )
    settled = [job.eligible(*bits[prompt_id][1:]).settled for prompt_id in own["prompt_id"]]
    return own.filter(~pl.Series(settled, dtype=pl.Boolean))


def _missing_to_target(prompts: PromptList, bits: Mapping[str, Bits], goal: Goal) -> int:
    """Samples that the prompts before the target still lack, at least: if all were kept."""
    wanted, missing = goal.target or 0, 0
    for prompt_id in prompts.frame["prompt_id"]:
        if wanted <= 0:
            break
        own = bits.get(prompt_id, Bits())
        settled = eligible_prefix(own.judged, own.kept, own.wrong, goal.need).settled
        wanted -= goal.rows_of(own) if settled else goal.rows
        missing += 0 if settled else max(1, _left_of_probe(own.done, goal.need.probe))
    return missing


def _mean_length(samples: pl.DataFrame) -> float | None:
    done = samples.filter(pl.col("outcome") == DONE)
    if done.height < MEASURED_FROM:
        return None
    length = pl.col("reasoning_tokens") + pl.col("answer_tokens")
    mean: float | None = done.select(length.mean()).item()
    return mean


def _files(job: Job) -> dict[str, list[DataFile]]:
    return {name: job.pool.files(name) for name in TABLES}


def _left_of_probe(done: int, probe: int) -> int:
    return probe - (done & below(probe)).bit_count()


def narrow_samples(
    job: Job, prompts: PromptList, versions: Mapping[str, int | None]
) -> pl.DataFrame:
    """Samples of the prompts with scores and reasons, without their texts, in no order."""
    return _samples(job, prompts, versions).with_columns(pl.col("prompt_id").cast(pl.String))


def _samples(job: Job, prompts: PromptList, versions: Mapping[str, int | None]) -> pl.DataFrame:
    # An Enum is a number that looks like a text: what joins and filters by it takes half the time.
    present = prompts.frame["prompt_id"]
    # Row groups without any of them are not read: a shard's prompts lie near each other.
    near = pl.col("prompt_id").is_between(pl.lit(present.min()), pl.lit(present.max()))
    prompt_id = pl.col("prompt_id").cast(pl.Enum(present), strict=False)

    def rows(table: str) -> pl.LazyFrame:
        return (
            job.pool.scan(table, versions[table])
            .filter(pl.col("teacher_id") == job.teacher_id, near)
            .with_columns(prompt_id)
            .drop_nulls("prompt_id")
        )

    def of_prompt(column: str, rows: pl.DataFrame) -> pl.Series:
        return prompts.frame[column].gather(rows["prompt_id"].to_physical())

    with reading(job.pool):
        samples = rows("samples").select(*JUDGED_COLUMNS, "engine_version", "path", "row").collect()
        scores = (
            rows("scores")
            .filter(pl.col("scorer_id").is_in(list(job.scorer_ids.values())))
            .select(*TEXT_KEY, "reference_id", "scorer_id", "values", "verdict", "reason")
            .collect()
        )
    samples = samples.with_columns(
        of_prompt(column, samples) for column in ("reference_id", "domain", "source")
    )
    scores = scores.filter(scores["reference_id"] == of_prompt("reference_id", scores))
    wide = with_scores(samples, scores, job.scorers, job.recipe.scorers)
    return with_reasons(wide, job.rules.samples, job.recipe.sampling.max_tokens)


def known(job: Job, prompts: PromptList, found: Survey) -> Known:
    """What the coordinator has to know of the prompts, in the order in which they are drawn: of
    where they lie, or of their hash where a target counts them."""
    placed = _placed_prompts(job, prompts)
    if job.goal.target is not None:
        placed = placed.sort("prompt_id")
    paths = placed["path"].unique(maintain_order=True)
    numbers = pl.DataFrame({"path": paths, "file": range(len(paths))})
    files = placed.join(numbers, on="path", maintain_order="left")["file"]
    return Known.of(
        paths.to_list(),
        files.cast(pl.UInt32).to_numpy(),
        placed["row"].cast(pl.UInt32).to_numpy(),
        (placed["source"].fill_null("").rank("dense") - 1).cast(pl.UInt16).to_numpy(),
        (found.bits.get(prompt_id, Bits()) for prompt_id in placed["prompt_id"]),
        found.tokens_per_sample,
        _known_truncated(placed["prompt_id"], found.truncated),
    )


def _known_truncated(prompt_ids: pl.Series, truncated: pl.DataFrame) -> dict[Key, Place]:
    numbers = {prompt_id: number for number, prompt_id in enumerate(prompt_ids)}
    return {
        Key(numbers[prompt_id], index): Place(path, row)
        for prompt_id, index, path, row in truncated.iter_rows()
    }


def _placed_prompts(job: Job, prompts: PromptList) -> pl.DataFrame:
    key = list(POOL_KEY)
    with reading(job.pool):
        return (
            job.pool.scan("prompts")
            .select(*key, "path", "row")
            .join(prompts.frame.lazy().select(key), on=key, how="inner", nulls_equal=True)
            .collect()
            .sort("path", "row")
        )


def fill_tasks(job: Job, prompts: PromptList, samples: pl.DataFrame) -> list[ScoreTask]:
    """Tasks that compute only the scores that are missing, file by file."""
    places = {
        prompt_id: Place(path, row)
        for prompt_id, path, row in _placed_prompts(job, prompts)
        .select("prompt_id", "path", "row")
        .iter_rows()
    }
    lacking = samples.filter(pl.col("missing") != "").sort("path", "row")
    tasks = []
    for _, group in lacking.group_by("path", "missing", maintain_order=True):
        for rows in group.iter_slices(FILL_ROWS):
            todo = tuple(
                # The key is not used: nothing is leased, and no verdict is given.
                ToScore(Key(-1, index), row, places[prompt_id])
                for prompt_id, index, row in rows.select(
                    "prompt_id", "sample_index", "row"
                ).iter_rows()
            )
            tasks.append(
                ScoreTask(0, rows["path"][0], todo, tuple(rows["missing"][0].split(SEPARATOR)))
            )
    return tasks
