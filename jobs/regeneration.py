"""What a recipe would buy again: which field changed which identity since the last version, and
what each change costs.

Manifest and job are compared first; the pool is looked into only where they differ, and no text of
a sample is ever read.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import polars as pl

from filters.scored import SEPARATOR
from infra.placement import gpus
from infra.pool import reading
from jobs.changed_fields import Bought, Change, scorer_changes, teacher_changes
from jobs.estimate import hours_per_token
from jobs.prompts import PromptList
from jobs.recipe import Job
from jobs.rewritten import Group, Rewritten
from jobs.survey import Survey, survey
from schemas.manifest import Manifest
from schemas.sample import DONE

ACCEPTED_SHARE = 0.1
"""Of the tokens that exist for the last version, how many a refresh draws again unasked, because an
identity changed. A tenth is a prompt file in which somebody mended some texts; more is a
temperature or a template, which nobody should buy by a slip at night."""
KEY = ["prompt_id", "sample_index"]
"""Of a sample, among those of one teacher."""
NOTHING = Bought(0, 0, None, None)


@dataclass(frozen=True)
class Regeneration:
    """Changes since the last version, and what they buy again together.

    What was removed costs nothing, and what is new was never paid for: neither is counted. Nor is
    what exists already under the new identities, such as that of an interrupted run.
    """

    last: str | None = None
    """The version that is compared with; null without one."""
    changes: Sequence[Change] = ()
    """Those that an identity hangs on."""
    again: Bought = NOTHING
    """What exists for the last version, and would be drawn again; each sample once, however many
    changes it is drawn again for."""
    paid: Bought | None = None
    """What exists of the last version's teacher for the prompts that are still wanted; null where
    no identity of samples changed, and nobody looked."""

    @property
    def share(self) -> float:
        """Of the tokens that were paid, those that would be drawn again."""
        return self.again.tokens / self.paid.tokens if self.paid and self.paid.tokens else 0.0

    @property
    def refused(self) -> bool:
        """Whether that is more than a refresh buys unasked."""
        return self.share > ACCEPTED_SHARE

    @property
    def message(self) -> str:
        """Why a refresh refuses: what changed, what that would buy again, and the ways out."""
        named = [one for one in self.changes if one.drawn is not None and one.drawn.samples]
        told = "; ".join(f"{one.what} ({one.identity})" for one in named)
        back = ", ".join(dict.fromkeys(one.field for one in named))
        of = 0 if self.paid is None else self.paid.samples
        return (
            f"what was paid for {self.last} has another identity now: {told}. "
            f"{self.again.text} of {of:,} would be drawn again, {self.share:.0%} of the tokens; "
            f"a refresh draws at most {ACCEPTED_SHARE:.0%} again unasked. Set {back} back to what "
            f"{self.last} has; or accept it with --accept-regeneration; or leave this dataset as "
            "it is and give the recipe another `name` or `pool`"
        )

    @property
    def as_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "last": self.last,
            "changes": [change.as_json for change in self.changes],
            **{f"{name}_again": value for name, value in self.again._asdict().items()},
            "samples_paid": self.paid and self.paid.samples,
            "tokens_paid": self.paid and self.paid.tokens,
            "share": round(self.share, 6),
            "refused": self.refused,
        }


def regeneration(
    job: Job, prompts: PromptList, last: Manifest | None, found: Survey | None = None
) -> Regeneration:
    """Compares a job and its list with the last version. `found` is the survey of this list, where
    there is one already. RecipeError and StoreError as reading prompts and pool."""
    if last is None:
        return Regeneration()
    return _Comparison(job, prompts, last, found).result()


@dataclass(frozen=True)
class _Comparison:
    """Of a job and its list with a version. Looks into the pool as it is asked."""

    job: Job
    prompts: PromptList
    last: Manifest
    given: Survey | None

    def result(self) -> Regeneration:
        """What changed, with its price."""
        version, teacher = self.last.version, teacher_changes(self.job, self.last)
        groups: Sequence[Group] = []
        others: list[Change] = []
        if self.last.cut.prompts != self.prompts.digest:
            rewritten = Rewritten(self.job, self.prompts, self.last)
            groups, others = rewritten.groups, self._references(rewritten)
        for change in scorer_changes(self.job, self.last):
            others.append(replace(change, scores=self._scores_of(change.scorer)))
        if not teacher and not groups:
            return Regeneration(version, others)
        paid = self._paid(groups)
        again = self._again(paid if teacher else paid.filter(pl.col("group").is_not_null()))
        changes = [replace(change, drawn=self._bought(again)) for change in teacher]
        for number, (own, _) in enumerate(groups):
            drawn = self._bought(again.filter(pl.col("group") == number))
            changes += [replace(change, drawn=drawn) for change in own]
        return Regeneration(version, [*changes, *others], self._bought(again), self._bought(paid))

    def _paid(self, groups: Sequence[Group]) -> pl.DataFrame:
        """A row a sample of the last version's teacher that is still wanted: `prompt_id` as it is
        now, `sample_index`, `tokens`, and the number of the `group` by which that is another."""
        group = pl.lit(None, pl.Int32)
        wanted = [self.prompts.frame.select(before="prompt_id", now="prompt_id", group=group)]
        for number, (_, pairs) in enumerate(groups):
            group = pl.lit(number, pl.Int32)
            wanted.append(pairs.select("before", now="prompt_id", group=group))
        tokens = pl.sum_horizontal("reasoning_tokens", "answer_tokens").cast(pl.Int64)
        found = self._samples(
            self.last.teacher.get("id"), pl.concat(wanted), tokens.alias("tokens")
        )
        if groups:  # two prompts may have become one
            found = found.unique(KEY, keep="first", maintain_order=True)
        return found

    def _again(self, lost: pl.DataFrame) -> pl.DataFrame:
        """Of samples that have another identity now those that are not there under it yet. Settled
        prompts need no more, whatever they had before."""
        own = lost.select(before="prompt_id", now="prompt_id").unique()
        exist = self._samples(self.job.teacher_id, own)
        if exist.is_empty():
            return lost
        settled = pl.Series(self._settled(), dtype=pl.String)
        left = lost.filter(~pl.col("prompt_id").is_in(settled.implode()))
        return left.join(exist, on=KEY, how="anti")

    def _samples(
        self, teacher_id: str | None, wanted: pl.DataFrame, *more: pl.Expr
    ) -> pl.DataFrame:
        """Finished samples of a teacher for the prompts that `wanted` has as `before`, under their
        identity of `now`; not those beyond `samples.max`."""
        before = wanted["before"]
        rows = (
            self.job.pool.scan("samples")
            .filter(
                pl.col("teacher_id") == teacher_id,
                pl.col("outcome") == DONE,
                pl.col("sample_index") < self.job.goal.need.max,
                # Row groups without any of them are not read.
                pl.col("prompt_id").is_between(pl.lit(before.min()), pl.lit(before.max())),
            )
            .select(pl.col("prompt_id").alias("before"), "sample_index", *more)
        )
        with reading(self.job.pool):
            found = rows.join(wanted.lazy(), on="before").drop("before").collect()
        return found.rename({"now": "prompt_id"})

    def _settled(self) -> Iterator[str]:
        for prompt_id, bits in self._survey.bits.items():
            if self.job.eligible(*bits[1:]).settled:
                yield prompt_id

    def _bought(self, samples: pl.DataFrame) -> Bought:
        tokens = int(samples["tokens"].sum())
        if not tokens or self._hours_per_token is None:
            return Bought(samples.height, tokens, None, None)
        gpu_hours = tokens * self._hours_per_token * gpus(self.job.recipe.teacher)
        price = self.job.recipe.price.gpu_hour
        return Bought(samples.height, tokens, gpu_hours, price and gpu_hours * price)

    @cached_property
    def _hours_per_token(self) -> float | None:
        """By this teacher's speed or, before it has written anything, by that of the last one."""
        own = hours_per_token(self.job, self.job.teacher_id)
        return own or hours_per_token(self.job, self.last.teacher.get("id", ""))

    @cached_property
    def _survey(self) -> Survey:
        return self.given or survey(self.job, self.prompts)

    def _references(self, rewritten: Rewritten) -> list[Change]:
        """By the fields of the sources or, where these are the same, by the file."""
        corrected = rewritten.corrected
        if corrected.is_empty():
            return []
        # Of few prompts it takes a second where that of a million samples takes four.
        found = self.given or survey(self.job, self.prompts.among(corrected))
        own = pl.col("prompt_id").cast(pl.String).is_in(corrected.implode())
        scores = sum(count for _, count in _missing(found.samples.filter(own)))
        named = [change for source in rewritten.sources for change in source.references]
        why = f"{len(corrected):,} with another reference"
        return [
            replace(change, why=why, scores=scores, prompts=len(corrected))
            for change in named or [Change("prompts", identity="reference_id")]
        ]

    def _scores_of(self, scorer: str | None) -> int:
        return sum(count for name, count in _missing(self._survey.samples) if name == scorer)


def _missing(samples: pl.DataFrame) -> Iterator[tuple[str, int]]:
    """Scorers and how many samples lack their scores, in parts."""
    for names, count in samples["missing"].value_counts().iter_rows():
        for name in names.split(SEPARATOR) if names else ():
            yield name, count
