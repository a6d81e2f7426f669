"""What a prompt's further samples would bring: published rows per sample, expected.

For when the budget is not enough for everything. The chances are upper tails of the Beta-binomial
distribution (`infra/policy.py`), as if one sample were drawn after the other; what is drawn ahead
costs a little more.
"""

from infra.policy import Beta, Outlook
from infra.sampling import Bits, Need


def gain_per_sample(need: Need, rows: int, prior: Outlook, bits: Bits) -> float:
    """Of an unsettled prompt, of which `bits` are known, and `prior` of its source.

    `rows` kept samples of a prompt are published at most, and, where `need` asks for wrong ones, a
    kept and a wrong one together are a row too.
    """
    judged, kept, wrong = bits.judged, bits.kept & bits.judged, bits.wrong & bits.judged
    drawn = judged.bit_count()
    left, sure = need.max - drawn, max(0, need.probe - drawn)
    chance = prior.after(judged, kept, wrong)
    has_kept, has_wrong = kept.bit_count(), wrong.bit_count()

    def unmet(after: int) -> float:
        met_kept = _chance(chance.kept, need.kept - has_kept, after)
        return min(1.0, 2 - met_kept - _chance(chance.wrong, need.wrong - has_wrong, after))

    # At least one: what is needed may be there behind a gap.
    cost = max(1.0, sure + sum(unmet(after) for after in range(sure, left)))
    gain = sum(
        # Beyond what is needed a kept sample is there only if it is one of the probe's.
        _chance(chance.kept, more, left if has_kept + more <= need.kept else sure)
        for more in range(1, rows - has_kept + 1)
    )
    if need.wrong and not (has_kept and has_wrong):
        both = _chance(chance.kept, 1 - has_kept, left) + _chance(chance.wrong, 1 - has_wrong, left)
        gain += max(0.0, both - 1)
    return gain / cost


def _chance(rate: Beta, missing: int, samples: int) -> float:
    """Of at least so many among so many."""
    if missing <= 0:
        return 1.0
    return rate.at_least(missing, samples) if missing <= samples else 0.0
