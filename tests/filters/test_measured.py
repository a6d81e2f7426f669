"""What is said of a scorer's errors is said of the scorer there is, and is what was measured."""

import re
from pathlib import Path

import pytest

from filters.measured import MEASURED, NOT_MEASURED, OF_TEXTS, measured_errors
from filters.scorers import SCORERS

BENCHMARKS = Path(__file__).parent.parent.parent / "docs" / "benchmarks.md"


@pytest.mark.parametrize("name", sorted(SCORERS))
def test_every_scorer_of_this_version_is_spoken_of(name: str) -> None:
    assert MEASURED[name].version == SCORERS[name].version, "measure it again"
    assert measured_errors(name, SCORERS[name].version) == MEASURED[name].fact


@pytest.mark.parametrize("name", sorted({*OF_TEXTS, "leaks"}))
def test_numbers_are_those_of_the_benchmark(name: str) -> None:
    row = re.search(rf"^\| {name}\b.*?\| (0 of \d+) \| (0 of \d+) \|", BENCHMARKS.read_text(), re.M)
    assert row is not None
    wrong, sound = row.groups()
    assert f"{wrong} wrong ones accepted, {sound} sound ones rejected" in MEASURED[name].fact


def test_another_version_is_not_what_was_measured() -> None:
    for version in (None, 3):
        assert measured_errors("math", version) == f"of version 4: {MEASURED['math'].fact}"
        assert measured_errors("choice", version) == NOT_MEASURED
    assert measured_errors("of_a_later_release", 1) == NOT_MEASURED
