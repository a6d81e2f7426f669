"""Groups count what is started in them, and none is left behind."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra.sandbox.cgroup import MOUNTS, control_group, remove_leftovers

PREFIX = "stillhouse-test-"
MIB = 2**20
EAT = f"import sys; sys.stdin.read(); held = bytearray({256 * MIB}); print(len(held))"


def folders(name: str) -> list[Path]:
    return [path for path in MOUNTS.glob(f"**/{name}") if path.is_dir()]


@pytest.fixture(autouse=True)
def groups_can_be_had() -> None:
    group = control_group(f"{PREFIX}{os.getpid()}-x", 64 * MIB, 10)
    if group is None:
        pytest.skip("this user may not make control groups here")
    group.remove()


def test_memory_is_counted_and_the_group_removed() -> None:
    name = f"{PREFIX}{os.getpid()}-0"
    group = control_group(name, 64 * MIB, 10)
    assert group is not None
    eater = subprocess.Popen(
        [sys.executable, "-c", EAT], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    group.add(eater.pid)
    said, _ = eater.communicate(b"")
    assert (said, eater.returncode) == (b"", -9)
    assert folders(name)
    group.remove()
    assert not folders(name)


def test_groups_of_the_dead_are_removed_and_those_of_the_living_stay() -> None:
    ended = subprocess.Popen(["/bin/true"])
    ended.wait()
    dead, alive = f"{PREFIX}{ended.pid}-0", f"{PREFIX}{os.getpid()}-0"
    groups = [control_group(name, 64 * MIB, 10) for name in (dead, alive)]
    remove_leftovers(PREFIX)
    assert not folders(dead)
    assert folders(alive)
    for group in groups:
        assert group is not None
        group.remove()
