"""Results come back as the values that they were, or not at all."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.programs.sameness import same_value
from filters.programs.values import Opaque, Undecided, as_json, read_value
from infra.sandbox.runner import _encoded  # the other half, which runs inside

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(st.text() | st.integers(), inner)
        | st.sets(st.integers() | st.text(), max_size=1)
    ),
    max_leaves=20,
)


@given(VALUES)
def test_there_and_back(value: Any) -> None:
    read = read_value("".join(_encoded(value)))
    assert repr(read) == repr(value)
    assert same_value(value, read)


@given(VALUES, VALUES)
def test_same_is_same_both_ways(one: Any, other: Any) -> None:
    assert same_value(one, other) == same_value(other, one)


def test_keys_that_are_made_to_collide() -> None:
    keys = [f'["int","{n * (2**61 - 1):x}"]' for n in range(1000)]
    with pytest.raises(ValueError, match="collide"):
        read_value(f'["set",{",".join(keys)}]')
    assert len(read_value('["set",' + ",".join(map(str, range(50_000))) + "]")) == 50_000


@given(st.text())
def test_anything_else_is_a_value_error(text: str) -> None:
    try:
        read_value(text)
    except ValueError:
        return


@pytest.mark.parametrize(
    "text",
    ["", "[]", '["list"', '["what",1]', '["int","x"]', '["int",3]', '["set",["list"]]',
     '["dict",1]', '["float"]', "[" * 100_000, '["list",' * 300 + "1" + "]" * 300, '[["list"]]'],
)  # fmt: skip
def test_what_is_no_result(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        read_value(text)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (1, 1.0, True),
        (True, 1, True),
        (0.1 + 0.2, 0.3, True),
        (0.3, 0.31, False),
        (123456789012, 123456789013.0, False),
        (3.0, 3, True),
        (1e300, 1e300 * (1 + 1e-10), True),
        (math.nan, math.nan, True),
        (math.inf, 10**400, False),
        (10**400, 10**400, True),
        ([1, 2], (1, 2), False),
        ([1, 2], [1], False),
        ((1,), (1, 2), False),
        ([], [1], False),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ({"a": 0.3}, {"a": 0.1 + 0.2}, True),
        ({"a": 1}, {"b": 1}, False),
        ("1", 1, False),
    ],
)
def test_sameness(one: Any, other: Any, same: bool) -> None:
    assert same_value(one, other) is same


def test_as_json() -> None:
    assert as_json((1, {2: (3,)}, [{4}])) == [1, {"2": [3]}, [{4}]]
    assert json.dumps(as_json(((1, 2), {1: None}))) == '[[1, 2], {"1": null}]'


@pytest.mark.parametrize("other", [1, [1], Opaque("x")])
def test_an_object_is_neither_the_same_nor_another(other: Any) -> None:
    with pytest.raises(Undecided):
        same_value(Opaque("x"), other)
    with pytest.raises(Undecided):
        bool(Opaque("x"))
    assert isinstance(read_value('["set",["object","x"]]'), Opaque)
