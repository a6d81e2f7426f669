"""A program and its test in two sandboxes, as root and as an ordinary user."""

import json
import subprocess
import sys

import pytest

from tests.infra.sandbox.judging import PROGRAMS
from tests.infra.sandbox.test_attacks import IS_ROOT, ORDINARY, ROOT, USERS


@pytest.mark.parametrize("user", USERS)
def test_who_is_right_and_who_is_hostile(user: str) -> None:
    command = [sys.executable, "-m", "tests.infra.sandbox.judging"]
    if user == "ordinary" and IS_ROOT:
        readable = {sys.base_prefix, sys.prefix, str(ROOT)}
        command = [sys.executable, str(ORDINARY), *readable, "--", *command]
    ran = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert ran.returncode == 0, ran.stderr
    isolation, verdicts = json.loads(ran.stdout)
    assert isolation.startswith("bubblewrap")
    assert verdicts == ["true", *["false"] * (len(PROGRAMS) - 1)]
