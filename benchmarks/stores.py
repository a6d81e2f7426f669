"""What the operations of a store take: in a folder, and on a real S3 server of this machine.

    python -m benchmarks.stores

Milliseconds are medians. SeaweedFS runs on the same cores, so that its figures are those of a
server that has nothing of its own; a bucket of Amazon's answers in 20 to 100 ms.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path

from infra.data_file import DataFile
from infra.pool import Pool
from infra.pool_writer import PoolWriter
from infra.spool import write_file
from infra.store import Store, open_store
from schemas.arrow import SAMPLES
from tests.builders import make_sample
from tests.s3_servers import SeaweedFS

TIMES = 50
MEGABYTES = 128
FILES = 200


def milliseconds(act: Callable[[int], object]) -> float:
    """The median of many calls with another number each."""
    took = []
    for number in range(TIMES):
        started = time.perf_counter()
        act(number)
        took.append(time.perf_counter() - started)
    return 1000 * statistics.median(took)


def seconds(act: Callable[[], object]) -> float:
    """Of one call."""
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


def small(store: Store) -> dict[str, float]:
    """Claims, leases and manifests."""
    turns = count(1)
    store.put_if_absent("lease", b"0")

    def beat(_: int) -> None:
        turn = next(turns)
        assert store.replace_if("lease", b"%d" % turn, expected=b"%d" % (turn - 1))

    return {
        "put_if_absent, ms": milliseconds(lambda i: store.put_if_absent(f"new/{i}", b"x" * 500)),
        "put_if_absent of what is there, ms": milliseconds(
            lambda i: store.put_if_absent("lease", b"")
        ),
        "get, ms": milliseconds(lambda i: store.get(f"new/{i}")),
        "replace_if, ms": milliseconds(beat),
    }


def large(store: Store) -> dict[str, float]:
    """Parts of a version."""
    content = os.urandom(2**20) * MEGABYTES

    def write() -> None:
        with store.new_file("large") as path:
            path.write_bytes(content)

    def read() -> None:
        with store.open("large") as file:
            while file.read(8 * 2**20):
                pass

    return {
        "new_file, MB/s": MEGABYTES / seconds(write),
        "read, MB/s": MEGABYTES / seconds(read),
        "move, ms": 1000 * seconds(lambda: store.move("large", "moved")),
    }


def tables(store: Store) -> dict[str, float]:
    """The pool."""
    pool = Pool(store.uri("pools/p"))
    writer = PoolWriter(pool, epoch=1)
    folder = pool.folder("samples")

    def written(number: int) -> DataFile:
        row = make_sample(sample_index=number).to_row()
        return write_file(f"{folder}/{number:06d}.parquet", SAMPLES, [row])

    files = [written(number) for number in range(FILES)]
    commits = milliseconds(lambda i: writer.commit("samples", [files[i]]))
    writer.commit("samples", files[TIMES:])
    narrow = pool.scan("samples").select("prompt_id", "sample_index")
    return {
        "commit, ms": commits,
        f"scan of two columns of {FILES} files, s": seconds(narrow.collect),
    }


def main() -> None:
    """Prints one table."""
    with tempfile.TemporaryDirectory() as folder:
        weed = SeaweedFS(Path(folder) / "seaweedfs")
        weed.start()
        os.environ.update(weed.server.environment)
        stores = {
            "folder": open_store(Path(folder) / "store"),
            "SeaweedFS": open_store(f"s3://{weed.server.make_bucket()}/store"),
        }
        found: dict[str, dict[str, float]] = {}
        for name, store in stores.items():
            store.create()
            found[name] = small(store) | large(store) | tables(store)
        weed.kill()
    print(f"{'':44} {'folder':>10} {'SeaweedFS':>10}")
    for what in found["folder"]:
        print(f"{what:44} {found['folder'][what]:>10,.1f} {found['SeaweedFS'][what]:>10,.1f}")


if __name__ == "__main__":
    main()
