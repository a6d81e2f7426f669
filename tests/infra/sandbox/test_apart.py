"""A program and its test in two sandboxes, as root and as an ordinary user."""

import pytest

from tests.infra.sandbox.judging import PROGRAMS
from tests.infra.sandbox.test_attacks import USERS, said


@pytest.mark.parametrize("user", USERS)
def test_who_is_right_and_who_is_hostile(user: str) -> None:
    isolation, verdicts = said(user, "judging")
    assert isolation.startswith("bubblewrap")
    assert verdicts == ["true", *["false"] * (len(PROGRAMS) - 1)]
