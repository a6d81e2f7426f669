"""What every store holds to: a folder, an imitation of S3, and a real S3 server."""

import multiprocessing as mp
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from infra.catalog import Catalog
from infra.folder_store import FolderStore
from infra.s3_store import PART_BYTES
from infra.store import Store, locate, open_store, open_uri
from schemas.errors import StoreError


def test_put_if_absent_writes_once(store: Store) -> None:
    assert store.put_if_absent("a/b.json", b"1")
    assert not store.put_if_absent("a/b.json", b"2")
    assert not store.put_if_absent("a/b.json", b"1"), "the same words of another are his"
    assert store.get("a/b.json") == b"1"
    assert [entry.key for entry in store.walk("a")] == ["a/b.json"], "nothing is left behind"


def test_replace_if_compares(store: Store) -> None:
    assert not store.replace_if("x", b"1", expected=b"0")
    assert store.replace_if("x", b"1", expected=None)
    assert not store.replace_if("x", b"2", expected=None)
    assert not store.replace_if("x", b"2", expected=b"0")
    assert store.replace_if("x", b"2", expected=b"1")
    assert store.get("x") == b"2"


def test_missing_things_are_null(store_url: str) -> None:
    store = open_store(store_url)
    assert store.get("a/b") is None
    assert store.size("a/b") is None
    assert store.folders("a") == []
    assert store.files("a") == []
    assert list(store.walk("a")) == []
    with pytest.raises(FileNotFoundError):
        store.open("a/b")
    store.create()
    store.delete(["a/b"])


@pytest.mark.parametrize("key", ["../out", "a/../../out"])
def test_no_key_leads_out(key: str, store: Store) -> None:
    with pytest.raises(StoreError, match="leads out"):
        store.put_if_absent(key, b"")


def test_a_new_file_appears_whole_or_not_at_all(store: Store) -> None:
    with store.new_file("a/b.bin") as path:
        path.write_bytes(b"some")
        assert store.get("a/b.bin") is None
    assert store.get("a/b.bin") == b"some"
    with pytest.raises(ZeroDivisionError), store.new_file("a/c.bin") as path:
        path.write_bytes(bytes([1, 1 // 0]))
    assert store.files("a") == ["a/b.bin"]
    assert [entry.key for entry in store.walk("a")] == ["a/b.bin"]


def test_no_file_is_overwritten(store: Store) -> None:
    for _ in range(2):  # the same again may be a try whose end nobody heard of
        with store.new_file("a") as path:
            path.write_bytes(b"1")
    with pytest.raises(StoreError, match="exists already"), store.new_file("a") as path:
        path.write_bytes(b"2")
    assert store.get("a") == b"1"


@pytest.mark.parametrize("size", [PART_BYTES, 2 * PART_BYTES + 1])
def test_large_files(size: int, store: Store) -> None:
    content = os.urandom(1024) * (size // 1024) + b"x" * (size % 1024)
    with store.new_file("large") as path:
        path.write_bytes(content)
    assert store.size("large") == size
    with store.open("large") as file:
        file.seek(size - 1500)
        assert file.read(500) == content[-1500:-1000]
        assert file.read() == content[-1000:]
        assert file.read(1) == b""
    with pytest.raises(StoreError, match="exists already"), store.new_file("large") as path:
        path.write_bytes(content[:-1] + b"y")
    assert store.get("large") == content
    store.move("large", "moved/large")
    assert store.get("large") is None
    assert store.size("moved/large") == size


def test_listings(store: Store) -> None:
    keys = ["a/b/1", "a/b/2", "a/c/d/3", "a/e", "ab/4", "a%20 b+c=é/5"]
    for key in keys:
        store.put_if_absent(key, key.encode())
    assert store.folders("a") == ["b", "c"]
    assert store.files("a") == ["a/e"]
    assert store.files("a/b") == ["a/b/1", "a/b/2"]
    assert [entry.key for entry in store.walk("a")] == ["a/b/1", "a/b/2", "a/c/d/3", "a/e"]
    assert [entry.bytes for entry in store.walk("a/b")] == [5, 5]
    assert store.get(keys[-1]) == keys[-1].encode()
    assert set(store.folders("")) == {"a", "ab", "a%20 b+c=é"}
    store.put_if_absent("top", b"")
    assert "top" in store.files("")
    assert {*keys, "top"} <= {entry.key for entry in store.walk("")}
    store.delete([entry.key for entry in store.walk("a")])
    assert list(store.walk("a")) == []
    assert [entry.key for entry in store.walk("ab")] == ["ab/4"]


def test_more_than_a_page(store: Store) -> None:
    keys = [f"many/{i:04d}" for i in range(1005)]
    for key in keys:
        store.put_if_absent(key, b"")
    assert store.files("many") == keys
    store.delete(keys)
    assert store.files("many") == []


def test_an_address_is_enough_for_another_process(store: Store) -> None:
    store.put_if_absent("a/b", b"1")
    uri = store.uri("a/b")
    with open_uri(uri) as file:
        assert file.read() == b"1"
    other, key = locate(uri)
    assert other.get(key) == b"1"
    assert uri.startswith(store.url)


def test_folders_that_come_and_go(store: Store) -> None:
    """Several write and delete files of one folder, which is empty now and then."""

    def write(number: int) -> None:
        for turn in range(20 if isinstance(store, FolderStore) else 4):
            assert store.put_if_absent(f"a/b/{number}-{turn}", b"1")
            assert all(entry.bytes == 1 for entry in store.walk("a") if entry.key[4] != ".")
            store.delete([f"a/b/{number}-{turn}"])

    with ThreadPoolExecutor(4) as beside:
        list(beside.map(write, range(4)))
    assert list(store.walk("a")) == []


@pytest.mark.parametrize("said", [FileExistsError, FileNotFoundError])
def test_a_folder_that_goes_while_it_is_made(
    said: type[OSError], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FolderStore(tmp_path)
    mkdir, refusals = Path.mkdir, [said("gone"), said("gone")]

    def gone_at_first(path: Path, *how: Any, **more: Any) -> None:
        if refusals:
            raise refusals.pop()
        mkdir(path, *how, **more)

    monkeypatch.setattr(Path, "mkdir", gone_at_first)
    assert store.put_if_absent("a/b/c", b"1")
    assert store.get("a/b/c") == b"1"


def test_a_file_in_a_folder_s_place_is_told(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")
    with pytest.raises(StoreError, match="cannot be written now"):
        FolderStore(tmp_path).put_if_absent("a/b", b"1")


def count_up(url: str, times: int) -> None:
    store = open_store(url)
    for _ in range(times):
        while True:
            before = store.get("counter")
            count = int((before or b"0").split()[0]) + 1
            after = f"{count} {os.getpid()}".encode()  # the same words of two would be both's
            if store.replace_if("counter", after, expected=before):
                break


def claim(url: str, winners: "mp.Queue[int]", name: int) -> None:
    if open_store(url).put_if_absent("claim", str(name).encode()):
        winners.put(name)


def test_races(store: Store) -> None:
    # A contended write takes SeaweedFS a second, by a lock of its own.
    times = 25 if isinstance(store, FolderStore) else 4
    context = mp.get_context("spawn")
    winners: mp.Queue[int] = context.Queue()
    runs: list[tuple[Callable[..., None], tuple[object, ...]]] = [
        (count_up, (store.url, times)) for _ in range(4)
    ]
    runs += [(claim, (store.url, winners, i)) for i in range(4)]
    processes = [context.Process(target=target, args=given) for target, given in runs]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert (store.get("counter") or b"").split()[0] == str(4 * times).encode()
    assert store.get("claim") == str(winners.get(timeout=5)).encode()
    assert winners.empty()


def test_what_is_gone_cannot_be_moved(store: Store) -> None:
    with pytest.raises(FileNotFoundError):
        store.move("gone", "there")


def test_relative_paths_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("x").write_bytes(b"1")
    for uri in ("x", "./x", str(tmp_path / "x")):
        with open_uri(uri) as file:
            assert file.read() == b"1"


def test_a_folder_that_is_away_is_not_made_anew(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "away")
    with pytest.raises(StoreError, match="is not there"):
        store.put_if_absent("a", b"")
    with pytest.raises(StoreError, match="is not there"):
        Catalog(store, "data").claim("c")
    assert list(tmp_path.iterdir()) == []
