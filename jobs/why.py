"""Why one sample has the fate that it has, in a sentence."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import polars as pl

from filters.choose import (
    BEYOND,
    NEAR_DUPLICATE,
    NOT_CONTINUED,
    NOT_SCORED,
    PUBLISHED,
    SURPLUS,
    TRIMMED_LONG,
    TRIMMED_SHORT,
    WHERE_NOT_MET,
    index_bits,
)
from filters.distinct import compared
from filters.mix import BEYOND_MIX, IN_NO_STRATUM
from filters.target import BEYOND_TARGET
from infra.sampling import Bits, below, eligible_prefix, judged_prefix
from jobs.fates import with_texts
from jobs.plain import brief
from jobs.recipe import Job
from jobs.what_if import Trials, ordered
from schemas.sample import FAILED

BEYOND_THE_PROMPT = {
    BEYOND_TARGET: "chosen, but the target was reached with prompts before this one",
    BEYOND_MIX: "chosen, but the stratum of its prompt is full",
    IN_NO_STRATUM: "chosen, but its prompt fits no stratum of the mix",
}


@dataclass(frozen=True)
class Standing:
    """How far a prompt is."""

    settled: bool
    eligible: int
    """Indexes below this count."""
    needs: tuple[str, ...]
    """What it still lacks, or did not get."""

    @classmethod
    def of(cls, job: Job, samples: pl.DataFrame, left_out: str | None) -> "Standing":
        """By the samples that there are, as `fated` has them."""
        need = job.goal.need
        bits = [Bits(*own) for own in index_bits(samples).values()] if samples.height else []
        own = bits[0] if bits else Bits()
        prefix = eligible_prefix(own.judged, own.kept, own.wrong, need)
        if left_out is not None:
            return cls(prefix.settled, prefix.length, ())
        needs = []
        if (probed := (own.judged & below(need.probe)).bit_count()) < need.probe:
            needs.append(f"its probe: {probed} of {need.probe} samples are there and judged")
        counted = {"kept": (own.kept, need.kept), "wrong": (own.wrong, need.wrong)}
        for what, (found, wanted) in counted.items():
            if (has := (found & below(prefix.length)).bit_count()) < wanted:
                needs.append(f"{what} samples: {has} of {wanted}")
        if not prefix.settled and judged_prefix(own.judged) < own.judged.bit_length():
            needs.append(f"sample {judged_prefix(own.judged)}, which later ones wait for")
        return cls(prefix.settled, prefix.length, tuple(needs))


@dataclass(frozen=True)
class Why:
    """The samples of a prompt, and what each lost by."""

    trials: Trials
    standing: Standing

    @cached_property
    def ranked(self) -> pl.DataFrame:
        """What `choose` orders, best first, without what it trims."""
        every = ordered(self.trials.job, self.trials.samples)
        return every.filter(~pl.col("fate").is_in([TRIMMED_LONG, TRIMMED_SHORT]))

    @cached_property
    def twins(self) -> Mapping[int, tuple[int, float]]:
        """Of each near-duplicate the better sample that it is most like, and how much."""
        similar = self.trials.job.chooser.distinct
        if similar is None:
            return {}
        texts = partial(with_texts, self.trials.job)
        found: dict[int, tuple[int, float]] = {}
        indexes, fates = self.ranked["sample_index"], self.ranked["fate"]
        pairs = (side.tolist() for side in compared(self.ranked, similar, texts))
        for better, worse, jaccard in zip(*pairs, strict=True):
            if jaccard < similar or fates[better] == NEAR_DUPLICATE:
                continue
            if jaccard > found.get(indexes[worse], (0, 0.0))[1]:
                found[indexes[worse]] = (indexes[better], jaccard)
        return found

    def __call__(self, row: Mapping[str, Any], fate: str) -> str:
        """Of a row of the samples and the fate that it ends with."""
        told = {
            NOT_SCORED: f"not scored yet by {row['missing']}",
            NOT_CONTINUED: f"truncated at max_tokens {row['max_tokens']}, fewer than the recipe's; "
            "a run goes on with it",
            WHERE_NOT_MET: f"kept, but choose.where is {self.trials.job.recipe.choose.where}",
            **BEYOND_THE_PROMPT,
        }
        if fate in told:
            return told[fate]
        if row["outcome"] == FAILED:
            return f"it failed: {row['failure_reason']}"
        if fate in (PUBLISHED, BEYOND):
            return self._ordered(row, fate)
        if fate == SURPLUS:
            return self._surplus()
        if fate == NEAR_DUPLICATE:
            other, jaccard = self.twins[row["sample_index"]]
            return f"kept, but says nearly what the better sample {other} says ({jaccard:.2f})"
        if fate in (TRIMMED_SHORT, TRIMMED_LONG):
            return self._trimmed(fate)
        if self.trials.now.left_out is not None:
            return "its prompt is left out"
        return "not kept, by the first rule that is not true"

    def _surplus(self) -> str:
        eligible = self.standing.eligible
        if not self.standing.settled:
            return f"waits for sample {eligible}, which is not judged yet: they count in order"
        return f"the {eligible} samples before it have what is needed, whatever it is worth"

    def _trimmed(self, fate: str) -> str:
        trim, which = self.trials.job.recipe.choose.trim, "shortest"
        share = trim.shortest
        if fate == TRIMMED_LONG:
            share, which = trim.longest, "longest"
        count = ordered(self.trials.job, self.trials.samples).height
        return f"kept, but among the {which} of {count}: choose.trim.{which} is {share}"

    def _ordered(self, row: Mapping[str, Any], fate: str) -> str:
        choose = self.trials.job.recipe.choose
        own = self.ranked.filter(pl.col("fate") != NEAR_DUPLICATE)
        place = own["sample_index"].to_list().index(row["sample_index"]) + 1
        by = ", ".join([*choose.order_by, "a hash"])
        told = f"place {place} of {own.height} by {by}"
        if choose.diverse:
            told += "; after the best one those count that are least like it"
        if fate == PUBLISHED:
            return told
        told = f"kept, but {told}; choose.per_prompt is {choose.per_prompt}"
        last = own.filter(pl.col("fate") == PUBLISHED).sort("rank").tail(1)
        if choose.diverse or last.is_empty():
            return told
        return f"{told}. {self._against(row['sample_index'], last['sample_index'][0])}"

    def _against(self, index: int, last: int) -> str:
        """What the two were ordered by: the first expression in which they differ."""
        job = self.trials.job
        for text, (expression, _) in zip(
            job.recipe.choose.order_by, job.chooser.order, strict=True
        ):
            values = self.ranked.select("sample_index", value=expression)
            own, other = (
                values.filter(pl.col("sample_index") == which)["value"][0]
                for which in (index, last)
            )
            if own != other:
                name = text.removeprefix("-")
                return f"{name} is {brief(own)}, and {brief(other)} of sample {last}, the last one"
        return f"it equals sample {last}, the last one; their hashes decide"
