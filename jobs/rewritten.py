"""Prompts of today's list that say what others said for the last version: other fields of the
recipe, other texts in its files, other references."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice

import polars as pl

from filters.words import word_numbers
from infra.data_file import scan_file
from infra.pool import reading
from infra.rows import find_files, read_rows
from jobs.changed_fields import Change, SourceChange, source_changes
from jobs.prompts import PromptList, prompt_id_of
from jobs.questions import questions
from jobs.recipe import Job
from schemas.arrow import TABLES
from schemas.errors import RecipeError, StoreError, StoreUnavailableError
from schemas.manifest import Manifest
from schemas.sample import DONE

REWORDED_FROM = 0.05
"""The share of the list that has to be new before new prompts are compared with those that left:
below it they cannot be many, and texts of the pool are read for it."""
ROWS_AT_ONCE = 8192
"""Texts that are in memory together, beside those of the list."""
PAIRS = pl.Schema({"before": pl.String(), "prompt_id": pl.String()})
Group = tuple[Sequence[Change], pl.DataFrame]
"""Changes that had prompts get another identity, and these: `before` and `prompt_id` as it is now.
Prompts that nothing was drawn for before are not in it."""
REWORDED = "with the words of others that left, in other blanks, case or punctuation"


@dataclass(frozen=True)
class Rewritten:
    """Today's list beside the last version's pool. Looks into the pool as it is asked."""

    job: Job
    prompts: PromptList
    last: Manifest

    @cached_property
    def known(self) -> pl.DataFrame:
        """`prompt_id` and `reference_id` of what the pool knew when the last version was made; of
        what it knows now, where it has forgotten that."""
        try:
            return self._known(self.last.cut.tables.get("prompts"))
        except StoreUnavailableError:
            raise
        except StoreError:  # a table that was begun anew
            return self._known(None)

    def _known(self, version: int | None) -> pl.DataFrame:
        if self.last.recipe.get("pool") != self.job.recipe.pool:
            version = None
        with reading(self.job.pool):
            known = self.job.pool.scan("prompts", version).select("prompt_id", "reference_id")
            return known.unique().collect()

    @cached_property
    def corrected(self) -> pl.Series:
        """Prompts that had other references."""
        own = self.prompts.frame.select("prompt_id", "reference_id")
        others = own.join(self.known, on=["prompt_id", "reference_id"], how="anti")
        return others.join(self.known, on="prompt_id", how="semi")["prompt_id"]

    @cached_property
    def sources(self) -> list[SourceChange]:
        """Sources that are read in another way."""
        return source_changes(self.job, self.last)

    @cached_property
    def groups(self) -> list[Group]:
        """Each prompt is in one of them, and once."""
        found: list[Group] = []
        taken = pl.DataFrame(schema=PAIRS)
        for source in self.sources:
            if source.changes:
                pairs = _apart(self._by_fields(source), taken)
                found.append((source.changes, pairs))
                taken = pl.concat([taken, pairs])
        own = self.prompts.frame.select("prompt_id")
        fresh = own.join(self.known, on="prompt_id", how="anti")
        fresh = fresh.join(taken, on="prompt_id", how="anti")
        if fresh.height > REWORDED_FROM * own.height:
            pairs = _apart(self._reworded(fresh["prompt_id"]), taken)
            if pairs.height:
                change = Change("prompts", why=f"{pairs.height:,} {REWORDED}", identity="prompt_id")
                found.append(([change], pairs))
        return [
            ([replace(change, prompts=pairs.height) for change in changes], pairs)
            for changes, pairs in found
        ]

    @cached_property
    def _gone(self) -> pl.DataFrame:
        """`before`: prompts with samples of the last version's teacher that are in the list no
        more."""
        teacher = pl.col("teacher_id") == self.last.teacher.get("id")
        with reading(self.job.pool):
            drawn = self.job.pool.scan("samples").filter(teacher, pl.col("outcome") == DONE)
            ids = drawn.select(before="prompt_id").unique().collect()
        listed = self.prompts.with_left_out.frame
        return ids.join(listed, left_on="before", right_on="prompt_id", how="anti")

    def _by_fields(self, source: SourceChange) -> pl.DataFrame:
        """What the rows of today's files would be by the last recipe, and are by this one."""
        found = [pl.DataFrame(schema=PAIRS)]
        rows = _both_ways(source)
        while some := [*islice(rows, ROWS_AT_ONCE)]:
            pairs = pl.DataFrame(some, schema=PAIRS, orient="row")
            pairs = pairs.join(self._gone, on="before", how="semi")
            found.append(pairs.join(self.prompts.frame, on="prompt_id", how="semi"))
        return pl.concat(found)

    def _reworded(self, fresh: pl.Series) -> pl.DataFrame:
        new = self.prompts.frame.filter(pl.col("prompt_id").is_in(fresh.implode()))
        words = pl.concat(map(_words, new.iter_slices(ROWS_AT_ONCE)))
        pairs = [pl.DataFrame(schema=PAIRS)]
        for texts in self._texts_of_gone():
            gone = _words(texts).rename({"prompt_id": "before"})
            pairs.append(gone.join(words, on="words").select("before", "prompt_id"))
        return pl.concat(pairs)

    def _texts_of_gone(self) -> Iterator[pl.DataFrame]:
        if self._gone.is_empty():
            return
        pool, ids = self.job.pool, self._gone["before"]
        for file in pool.files("prompts"):
            with reading(pool):
                rows = scan_file(f"{pool.folder('prompts')}/{file.name}", TABLES["prompts"])
                own = rows.filter(pl.col("prompt_id").is_in(ids.implode()))
                texts = own.select("prompt_id", "messages").collect()
            yield from texts.iter_slices(ROWS_AT_ONCE)


def _both_ways(source: SourceChange) -> Iterator[tuple[str, str]]:
    """Identities of the rows by the last recipe and by this one, where they differ."""
    for file in find_files(source.now.path):
        for row in read_rows(file):
            try:
                before = prompt_id_of(source.before, row)
            except RecipeError:  # such as a column that is there no more
                continue
            if before != (now := prompt_id_of(source.now, row)):
                yield before, now


def _apart(pairs: pl.DataFrame, taken: pl.DataFrame) -> pl.DataFrame:
    """Each prompt once on either side."""
    for column in PAIRS:
        pairs = pairs.join(taken, on=column, how="anti").unique(column, maintain_order=True)
    return pairs


def _words(prompts: pl.DataFrame) -> pl.DataFrame:
    """`prompt_id` and a hash of all words, numbers and signs of the messages; prompts without any
    are left out."""
    numbers = word_numbers(questions(prompts["messages"], ()))
    bounds = zip(numbers.starts, numbers.starts[1:], strict=False)
    hashes = [
        hash(numbers.flat[start:end].tobytes()) if end > start else None for start, end in bounds
    ]
    return prompts.select("prompt_id", words=pl.Series(hashes, dtype=pl.Int64)).drop_nulls()
