"""Diverse samples: each one is the one that is least like those before it."""

import base64
from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.made_texts import Texts
from filters import diverse
from filters.distinct import SIGNATURE
from filters.diverse import diverse_places
from filters.near_duplicates import PERMUTATIONS
from filters.scorer import Response
from filters.signature import SignatureScorer, in_common, signature_bytes

MADE = Texts(5)
Signed = bytes | None


def signature(levels: Sequence[int]) -> bytes:
    """Two of them have so many 32nds in common as levels agree."""
    return b"".join(bytes([level]) * (PERMUTATIONS // len(levels)) for level in levels)


SIGNATURES = st.none() | st.lists(st.integers(0, 2), min_size=4, max_size=4).map(signature)
POOLS = st.lists(st.lists(SIGNATURES, min_size=1, max_size=6), min_size=1, max_size=6)


def frame(prompts: Sequence[Sequence[Signed]]) -> pl.DataFrame:
    rows = [
        (f"p{n}", None if own is None else base64.b64encode(own).decode())
        for n, samples in enumerate(prompts)
        for own in samples
    ]
    return pl.DataFrame(rows, {"prompt_id": pl.String, SIGNATURE: pl.String}, orient="row")


def likeness(left: Signed, right: Signed) -> int:
    if left is None or right is None:
        return 0
    return sum(one == other for one, other in zip(left, right, strict=True))


def places(samples: Sequence[Signed], per_prompt: int) -> list[int | None]:
    """One prompt's, as the definition has them."""
    taken = [0]
    while len(taken) < min(per_prompt, len(samples)):
        left = [n for n in range(len(samples)) if n not in taken]
        taken.append(min(left, key=lambda n: max(likeness(samples[n], samples[t]) for t in taken)))
    return [taken.index(n) + 1 if n in taken else None for n in range(len(samples))]


@pytest.mark.parametrize("cached", [1, 7, 16_384])
@given(prompts=POOLS, per_prompt=st.integers(1, 7))
@settings(max_examples=60)
def test_the_greatest_likeness_is_least(
    cached: int, prompts: list[list[Signed]], per_prompt: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(diverse, "CACHED_ROWS", cached)
        found = diverse_places(frame(prompts), per_prompt)
    assert found.to_list() == [place for own in prompts for place in places(own, per_prompt)]


def test_no_prompts() -> None:
    assert diverse_places(frame([]), 3).to_list() == []


def test_texts_that_differ_come_before_copies() -> None:
    one, other = MADE.text(80), MADE.text(80)
    texts = [one, MADE.edited(one, 1), MADE.edited(one, 4), other, [*one[:40], *other[:40]]]
    scorer = SignatureScorer()
    own = [scorer(Response("", None, " ".join(text), "stop")).values["minhash"] for text in texts]
    samples = pl.DataFrame({"prompt_id": ["p"] * 5, SIGNATURE: own})
    assert diverse_places(samples, 3).to_list() == [1, None, None, 2, 3]


def test_numbers_in_common_are_counted_one_by_one() -> None:
    random = np.random.Generator(np.random.PCG64(1))
    left = random.integers(0, 256, (300, PERMUTATIONS), np.uint8)
    right = np.where(random.random(left.shape) < random.random((300, 1)), left, left + np.uint8(1))
    right[0], right[1] = left[0], left[1] + np.uint8(1)
    texts = [pl.Series([base64.b64encode(row).decode() for row in rows]) for rows in (left, right)]
    found = in_common(*(signature_bytes(column) for column in texts))
    assert found.tolist() == (left == right).sum(axis=1).tolist()
    assert (found[0], found[1]) == (PERMUTATIONS, 0)
