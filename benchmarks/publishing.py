"""Build and publish a version of a million samples: time, memory, and a bare scan and write.

    python -m benchmarks.publishing --samples 1000000

A pool of made-up samples with real scores is written first; nothing of that is measured. Then the
command is run as a user runs it, run again with one changed threshold, and the rows that it wrote
are read, sorted and written by Polars alone. Memory is that of all processes of a command together,
proportional (PSS: what processes share, such as Ray's objects, counts once), looked at three times
a second. Processor time says more than wall time where others use the machine too. With `--folder`,
the pool stays there and is used again. With `--all-outputs`, what is measured is `sft` alone beside
all five outputs, and `verify` of both; samples have signatures then, which pairs need.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import psutil

from benchmarks.made_pool import SCORERS, write_pool, write_recipe
from infra.catalog import Catalog
from infra.store import open_store
from infra.version import open_version
from schemas.outputs import OUTPUTS

EVERY_S = 0.3
CHANGED = "keep.short=reasoning_tokens < 600"
BARE = """
import sys
import polars as pl
rows = pl.scan_parquet(sys.argv[1]).sort("prompt_id", "sample_index")
rows.sink_parquet(sys.argv[2], compression="zstd", compression_level=3, row_group_size=2000)
"""


class Measured(NamedTuple):
    """One command."""

    wall_s: float
    cpu_s: float
    peak_bytes: int


def measured(*command: str) -> Measured:
    """Runs a command and looks at the memory of all its processes. CalledProcessError if it
    fails."""
    started, peak = time.monotonic(), 0
    cpu: dict[int, float] = {}
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as running:
        while running.poll() is None:
            peak = max(peak, _look(running.pid, cpu))
            time.sleep(EVERY_S)
    if running.returncode:
        raise subprocess.CalledProcessError(running.returncode, command)
    return Measured(time.monotonic() - started, sum(cpu.values()), peak)


def _look(pid: int, cpu: dict[int, float]) -> int:
    """Bytes of all processes below this one now; notes the processor time of each."""
    total = 0
    try:
        processes = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    for process in processes:
        try:
            total += process.memory_full_info().pss
            cpu[process.pid] = sum(process.cpu_times()[:2])
        except psutil.NoSuchProcess:
            continue
    return total


def build(recipe: Path, *more: str) -> Measured:
    """`stillhouse build`, which publishes too."""
    command = (sys.executable, "-m", "jobs.cli", "build", str(recipe), "--allow-simulated")
    return measured(*command, *more)


def bare(folder: Path) -> Measured:
    """Polars alone: the newest version's rows read, sorted and written again."""
    newest = open_version("made", folder / "store").location
    rows = f"{newest}/sft/*.parquet"
    return measured(sys.executable, "-c", BARE, rows, str(folder / "bare.parquet"))


def verify(folder: Path) -> Measured:
    """`stillhouse verify` of the newest version."""
    store = ("--store", str(folder / "store"))
    return measured(sys.executable, "-m", "jobs.cli", "verify", "made", *store)


def compare_outputs(folder: Path, recipe: Path) -> None:
    """`sft` alone, and all outputs."""
    outputs = f"outputs=[{', '.join(OUTPUTS)}]"
    one = [build(recipe), verify(folder)]
    every = [build(recipe, "--set", outputs), verify(folder)]
    for what, alone, whole in zip(("build and publish", "verify"), one, every, strict=True):
        for name, (wall_s, cpu_s, peak) in (("sft", alone), ("all outputs", whole)):
            print(
                f"{wall_s:6.1f} s, {cpu_s:5.1f} of a core, at most {peak / 1e9:4.2f} GB: "
                f"{what}, {name}"
            )
        ratios = (b / a for a, b in zip(alone, whole, strict=True))
        print(f"{what}, ratios: " + ", ".join(f"{ratio:.2f}" for ratio in ratios))


def main() -> None:
    """Makes, measures, prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, help="where the pool stays; default: nowhere")
    parser.add_argument("--all-outputs", action="store_true")
    arguments = parser.parse_args()
    scorers = (*SCORERS, "signature") if arguments.all_outputs else SCORERS
    with tempfile.TemporaryDirectory() as name:
        folder = arguments.folder or Path(name)
        recipe = folder / "recipe.yaml"
        if not recipe.exists():
            folder.mkdir(parents=True, exist_ok=True)
            started = time.monotonic()
            text_bytes = write_pool(write_recipe(folder, arguments.samples, scorers))
            seconds = time.monotonic() - started
            print(
                f"{arguments.samples:,} samples, {text_bytes / 1e9:.2f} GB, made in {seconds:.0f} s"
            )
        print(f"{os.cpu_count()} cores")
        if arguments.all_outputs:
            compare_outputs(folder, recipe)
            _report_version(folder)
            return
        done = {"build and publish": build(recipe)}
        done["a bare scan, sort and write"] = bare(folder)
        done["one changed threshold"] = build(recipe, "--set", CHANGED)
        done["a bare scan, sort and write of that"] = bare(folder)
        for what, (wall_s, cpu_s, peak) in done.items():
            print(f"{wall_s:6.1f} s, {cpu_s:5.1f} of a core, at most {peak / 1e9:4.2f} GB: {what}")
        for field in ("wall_s", "cpu_s"):
            whole, alone, again, alone_again = (getattr(one, field) for one in done.values())
            print(f"{field}: alone {alone / whole:.0%}, then {alone_again / again:.0%} of a build")
        _report_version(folder)


def _report_version(folder: Path) -> None:
    catalog = Catalog(open_store(folder / "store"), "made")
    versions = [catalog.manifest(version) for version in catalog.versions()]
    for manifest in versions[-2:]:
        sizes = ", ".join(f"{f.bytes / 1e6:.0f}" for f in manifest.files if f.rows is not None)
        rows = ", ".join(f"{rows:,} of {output}" for output, rows in manifest.rows.items())
        print(f"{manifest.version}: rows: {rows}; parts of {sizes} MB")


if __name__ == "__main__":
    main()
