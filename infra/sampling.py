"""When does a prompt have enough samples? The stopping rule, as one pure function.

Judged in index order, never in order of arrival: short answers finish first, and taking the first
`enough` to finish would publish 2.9k tokens on average in place of 6.3k (simulated, R1-like
lengths). The scheduler and `build` call the same function, so timing cannot change what is chosen.
"""

from collections.abc import Collection
from typing import NamedTuple

from schemas.recipe import SampleCounts


class Bits(NamedTuple):
    """A prompt's samples, as bit sets over sample indexes."""

    done: int = 0
    judged: int = 0
    kept: int = 0
    wrong: int = 0
    """Complete, and its answer is not right."""


class Need(NamedTuple):
    """What a prompt must have to be settled before `max`."""

    probe: int
    max: int
    kept: int
    """So many samples that pass the rules."""
    wrong: int = 0
    """So many complete ones with a wrong answer."""

    @classmethod
    def of(cls, counts: SampleCounts, outputs: Collection[str]) -> "Need":
        """By the outputs: `sft` needs `enough` kept samples, `preference` a kept and a wrong one,
        `rl` the probe alone, by which its prompts are sorted."""
        pair = int("preference" in outputs)
        kept = counts.enough if "sft" in outputs else pair
        return cls(counts.probe, counts.max, kept, pair)


class Prefix(NamedTuple):
    """The eligible indexes of a prompt are 0 … length-1."""

    length: int
    settled: bool
    """No further sample can change what is eligible."""


def judged_prefix(judged: int) -> int:
    """How many indexes from 0 on are judged without a gap; `judged` is a bit set."""
    return (~judged & (judged + 1)).bit_length() - 1


def below(index: int) -> int:
    """The bit set of all indexes below this one."""
    return (1 << index) - 1


def eligible_prefix(judged: int, kept: int, wrong: int, need: Need) -> Prefix:
    """The shortest prefix of indexes, not shorter than the probe, that has what is needed.

    `judged`, `kept` and `wrong` are bit sets over sample indexes. An unsettled prompt has its
    judged prefix.
    """
    available = min(judged_prefix(judged), need.max)
    if available < need.probe:
        return Prefix(available, settled=False)
    for length in range(need.probe, available + 1):
        has_kept = (kept & below(length)).bit_count() >= need.kept
        if has_kept and (wrong & below(length)).bit_count() >= need.wrong:
            return Prefix(length, settled=True)
    return Prefix(available, settled=available == need.max)
