"""No attack gets through, as root and as an ordinary user; each would without the sandbox."""

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.infra.sandbox.attacks import ATTACKS

ROOT = Path(__file__).parents[3]
ORDINARY = Path(__file__).with_name("ordinary_user.py")
IS_ROOT = os.geteuid() == 0
USERS = ["root", "ordinary"] if IS_ROOT else ["ordinary"]


def said(user: str, module: str, *arguments: str) -> Any:
    """What a module of these tests prints when that user runs it."""
    command = [sys.executable, "-m", f"tests.infra.sandbox.{module}", *arguments]
    if user == "ordinary" and IS_ROOT:
        readable = {sys.base_prefix, sys.prefix, str(ROOT)}
        command = [sys.executable, str(ORDINARY), *readable, "--", *command]
    ran = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


@cache
def all_made(user: str, sandbox: str) -> dict[str, Any]:
    """What came of all attacks."""
    return said(user, "attacking", sandbox)  # type: ignore[no-any-return]


def test_there_are_enough() -> None:
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS) >= 30


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
@pytest.mark.parametrize("user", USERS)
def test_it_is_held(user: str, attack: Any) -> None:
    made = all_made(user, "bubblewrap")["made"][attack.name]
    assert not made["escaped"], made["how"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("user", "attack"),
    [
        (user, attack)
        for user in USERS
        for attack in ATTACKS
        if user == "root" or not attack.as_root
    ],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_it_succeeds_without_a_sandbox(user: str, attack: Any) -> None:
    """Or the test above could not fail."""
    made = all_made(user, "none")["made"][attack.name]
    assert made["escaped"], made["how"]
