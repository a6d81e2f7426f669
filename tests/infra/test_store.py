"""Conditional writes of a folder, alone and in a race."""

import multiprocessing as mp
from pathlib import Path

import pytest

from infra.store import FolderStore
from schemas.errors import StoreError


def test_put_if_absent_writes_once(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    assert store.put_if_absent("a/b.json", b"1")
    assert not store.put_if_absent("a/b.json", b"2")
    assert store.get("a/b.json") == b"1"
    assert [p.name for p in (tmp_path / "a").iterdir()] == ["b.json"], "nothing is left behind"


def test_replace_if_compares(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    assert not store.replace_if("x", b"1", expected=b"0")
    assert store.replace_if("x", b"1", expected=None)
    assert not store.replace_if("x", b"2", expected=None)
    assert store.replace_if("x", b"2", expected=b"1")
    assert store.get("x") == b"2"


def test_missing_things_are_null(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "not there")
    assert store.get("a/b") is None
    assert store.folders("a") == []


@pytest.mark.parametrize("key", ["../out", "a/../../out", "/etc/passwd"])
def test_no_key_leads_out(key: str, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="leads out"):
        FolderStore(tmp_path).put_if_absent(key, b"")


def count_up(root: Path, times: int) -> None:
    store = FolderStore(root)
    for _ in range(times):
        while True:
            before = store.get("counter")
            after = str(int(before or b"0") + 1).encode()
            if store.replace_if("counter", after, expected=before):
                break


def claim(root: Path, winners: "mp.Queue[int]", name: int) -> None:
    if FolderStore(root).put_if_absent("claim", str(name).encode()):
        winners.put(name)


def test_races(tmp_path: Path) -> None:
    context = mp.get_context("spawn")
    winners: mp.Queue[int] = context.Queue()
    counting = [context.Process(target=count_up, args=(tmp_path, 25)) for _ in range(4)]
    claiming = [context.Process(target=claim, args=(tmp_path, winners, i)) for i in range(4)]
    for process in [*counting, *claiming]:
        process.start()
    for process in [*counting, *claiming]:
        process.join()
        assert process.exitcode == 0
    assert FolderStore(tmp_path).get("counter") == b"100"
    assert FolderStore(tmp_path).get("claim") == str(winners.get(timeout=5)).encode()
    assert winners.empty()
