"""What `changes.parquet` of a version of a million rows takes: processor time and memory.

    python -m benchmarks.changes --rows 1000000

Versions of made-up rows of `sft` are published, with short texts, since nobody reads those here: a
first one, one with a hundredth of its prompts replaced, as after a night, and one in which a column
of every row is another. What the file of each takes is then measured in a process of its own: in
its processor time, beyond the imports, and at most in its memory, also
before; and what `verify` takes to ask about it.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa

from infra.catalog import CHANGES_FILE, Catalog
from infra.checksum import file_sha256
from infra.store import open_store
from infra.version import Version
from jobs.build import write_parquet
from jobs.changes import with_changes
from jobs.publish import commit
from jobs.verify_changes import problems_of_changes
from schemas.manifest import Cut, File, Manifest, content_digest
from schemas.outputs import SFT
from schemas.recipe import Recipe

SAMPLES_PER_PROMPT = 8
PARTS = 4
ROWS_PER_GROUP = 2_000


def rows(count: int, seed: int) -> pl.DataFrame:
    """Narrow columns of samples of random prompts."""
    random = np.random.default_rng(seed)
    prompts = [f"p1_{random.bytes(16).hex()}" for _ in range(count // SAMPLES_PER_PROMPT)]
    return pl.DataFrame(
        {
            "prompt_id": np.repeat(prompts, SAMPLES_PER_PROMPT),
            "sample_index": np.tile(np.arange(SAMPLES_PER_PROMPT, dtype=np.int32), len(prompts)),
            "id": [f"y1_{random.bytes(16).hex()}" for _ in range(count)],
            "text_digest": [f"x1_{random.bytes(16).hex()}" for _ in range(count)],
            "reasoning_tokens": random.integers(100, 4000, count, dtype=np.int32),
            "answer": random.integers(0, 10**6, count).astype(str),
            "pass_rate": np.repeat(random.random(len(prompts)), SAMPLES_PER_PROMPT),
        }
    )


def tables(own: pl.DataFrame) -> Iterator[pa.Table]:
    """With all columns of `sft` and two scorers', in row groups."""
    known = {field.name: field.type for field in SFT}
    texts = pl.lit("said", pl.String)
    filled = {name: texts for name, kind in known.items() if pa.types.is_string(kind)}
    message = pl.concat_list(pl.struct(role=pl.lit("user"), content=texts))
    scores = pl.struct(
        math=pl.struct(verdict=pl.lit("true"), answer="answer", reason=pl.lit(None, pl.String)),
        language=pl.struct(share=pl.col("pass_rate") / 2, reason=pl.lit(None, pl.String)),
    )
    for start in range(0, own.height, ROWS_PER_GROUP):
        some = own[start : start + ROWS_PER_GROUP]
        columns = [
            pl.col(name)
            if name in own.columns
            else filled.get(name, message if name == "messages" else pl.lit(1)).alias(name)
            for name in known
        ]
        full = some.select(*columns, scores.alias("scores"))
        yield full.rechunk().to_arrow(compat_level=pl.CompatLevel.oldest())


def publish(catalog: Catalog, own: pl.DataFrame, folder: Path) -> str:
    """The next version, with its changes and its card."""
    own = own.sort("prompt_id", "sample_index")
    size, files, staging = -(-own.height // PARTS), [], catalog.staging()
    for number in range(PARTS):
        part = own[number * size : (number + 1) * size]
        path = folder / "part.parquet"
        write_parquet(path, tables(part))
        digest, place = file_sha256(path), f"{staging}/sft-train-{number:05d}.parquet"
        with catalog.store.new_file(place) as target:
            path.rename(target)
        name = f"sft/train-{number:05d}-of-{PARTS:05d}-{digest[:8]}.parquet"
        bytes_ = catalog.store.size(place) or 0
        files.append((File(path=name, bytes=bytes_, sha256=digest, rows=part.height), place))
    every = tuple(file for file, _ in files)
    version = catalog.claim(content_digest(every))
    for file, place in files:
        catalog.add_file(version, place, file.path)
    return commit(catalog, _manifest(version, every, own)).version


def _manifest(version: str, files: tuple[File, ...], own: pl.DataFrame) -> Manifest:
    recipe = {
        "name": "made",
        "store": "x",
        "prompts": [{"path": "x"}],
        "teacher": {"model": "x", "engine": "simulated"},
    }
    return Manifest(
        name="made",
        version=version,
        content_digest=content_digest(files),
        files=files,
        rows={"sft": own.height},
        prompts=own["prompt_id"].n_unique(),
        funnel={"published": own.height},
        cut=Cut(tables={}, prompts="l", recipe="e", code="c"),
        recipe=Recipe.model_validate(recipe).model_dump(mode="json"),
        teacher={"id": "t", "name": "m"},
        scorers={},
        unsettled=0,
        provenance={"created_at": "2026-01-01", "attempts": []},
    )


def measure(store: str, version: str) -> None:
    """Makes the changes of a version again, which must be the same bytes, and asks about them."""
    catalog = Catalog(open_store(store), "made")
    manifest = catalog.manifest(version)
    files = tuple(file for file in manifest.files if file.rows is not None)
    bare = manifest.model_copy(update={"files": files, "changes": {}})
    at_first = _peak_bytes()
    before, started = time.process_time(), time.monotonic()
    made = with_changes(catalog, bare)
    cpu_s, wall_s = time.process_time() - before, time.monotonic() - started
    assert made.changes == manifest.changes
    assert {*made.files} <= {*manifest.files}, "the same bytes"
    peak = _peak_bytes()
    before = time.process_time()
    assert not list(problems_of_changes(Version(manifest, catalog), lambda _: None, print))
    size = next(file.bytes for file in manifest.files if file.path == CHANGES_FILE)
    told = {
        "cpu_s": cpu_s,
        "wall_s": wall_s,
        "peak_bytes": peak,
        "at_first_bytes": at_first,
        "verify_cpu_s": time.process_time() - before,
        "bytes": size,
        "changes": manifest.changes,
    }
    print(json.dumps(told))


def _peak_bytes() -> int:
    """The most that was resident in this process; `ru_maxrss` is also that of the one it was
    forked from."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def main() -> None:
    """Makes, measures, prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--measure", nargs=2, metavar=("STORE", "VERSION"), help="one version")
    arguments = parser.parse_args()
    if arguments.measure:
        measure(*arguments.measure)
        return
    with tempfile.TemporaryDirectory() as name:
        store = open_store(Path(name) / "store")
        store.create()
        catalog = Catalog(store, "made")
        first, more = rows(arguments.rows, 0), rows(arguments.rows // 100, 1)
        night = pl.concat([first[: first.height - more.height], more])
        other = night.with_columns(pass_rate=pl.col("pass_rate") / 2)
        for own in (first, night, other):
            version = publish(catalog, own, Path(name))
            command = (sys.executable, "-m", "benchmarks.changes", "--measure", store.url, version)
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            told = json.loads(done.stdout)
            at_first = told["at_first_bytes"] / 1e6
            print(
                f"{told['cpu_s']:5.1f} s of a core ({told['wall_s']:.1f} s wall), at most "
                f"{told['peak_bytes'] / 1e6:,.0f} MB ({at_first:,.0f} before), "
                f"{told['bytes'] / 1e6:.2f} MB; verify "
                f"{told['verify_cpu_s']:.1f} s: {told['changes']}"
            )


if __name__ == "__main__":
    main()
