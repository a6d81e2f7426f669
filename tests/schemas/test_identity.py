"""Identities are part of what is stored for years: they must not move."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.identity import (
    Messages,
    canonical_json,
    identity,
    messages_json,
    prompt_id,
    reference_id,
    sample_seed,
)

TEXT = st.text(st.characters())
MESSAGES = ({"role": "user", "content": "What is 2 + 2? 二"},)


def id_of(messages: Messages) -> str:
    return prompt_id(messages_json(messages))


def test_identities_are_the_same_for_ever() -> None:
    assert id_of(MESSAGES) == "p1_60b8a5a939750834df0b11cbac23cc2c"
    assert reference_id(None) == "r1_74234e98afe7498fb5daf1f36ac2d78a"


@given(st.lists(st.fixed_dictionaries({"role": TEXT, "content": TEXT})), TEXT)
def test_json_that_is_put_together_is_canonical(
    messages: list[dict[str, str]], reference: str
) -> None:
    assert messages_json(messages).encode() == canonical_json(messages)
    assert id_of(messages) == identity("p", messages)
    assert reference_id(reference) == identity("r", reference)


def test_a_prompt_is_its_messages_alone() -> None:
    assert id_of(MESSAGES) == id_of([{"content": MESSAGES[0]["content"], "role": "user"}])
    assert id_of(MESSAGES) != id_of([{**MESSAGES[0], "role": "system"}, *MESSAGES])


def test_a_missing_reference_is_not_an_empty_one() -> None:
    assert reference_id(None) != reference_id("") != reference_id("null")


def test_lone_surrogates_have_an_identity() -> None:
    assert identity("p", "\ud800") != identity("p", "\udc00")


def test_nan_has_none() -> None:
    with pytest.raises(ValueError, match="JSON"):
        canonical_json(float("nan"))


def test_seeds_fit_into_31_bits_and_differ_between_siblings() -> None:
    seeds = {sample_seed("p", "t", index) for index in range(1000)}
    assert len(seeds) == 1000
    assert all(0 <= seed < 2**31 for seed in seeds)
