"""A million samples through the service: samples per second, memory, and how soon it resumes.

    python -m benchmarks.one_million --prompts 125000 --probe 8

The simulated engine answers at once, and the only scorer is `format`, so that what is measured is
the service itself: leases, files, commits, scoring, verdicts and compaction on the cores at hand.
Every process's resident memory is noted every two seconds. Then the samples of the last prompts
are wanted, and the time from the start of the command to their first lease is measured.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil
import yaml

from infra.pool import Pool

EVERY_S = 2.0


def write_prompts(path: Path, count: int) -> None:
    """Sums that the simulated engine can answer."""
    with path.open("w") as file:
        for i in range(count):
            row = {"question": f"What is {i} + {i % 97}?", "answer": str(i + i % 97)}
            file.write(f"{json.dumps(row)}\n")


def write_recipe(folder: Path, samples: dict[str, int]) -> Path:
    """A recipe with trivial scorers over those prompts."""
    recipe = {
        "name": "million",
        "store": str(folder / "store"),
        "prompts": [
            {
                "path": str(folder / "prompts.jsonl"),
                "fields": {"prompt": "question", "reference": "answer"},
            }
        ],
        "teacher": {
            "model": "million",
            "engine": "simulated",
            "engine_args": {"max_num_seqs": 256, "mean_tokens": 30},
        },
        "samples": samples,
        "scorers": {"*": ["format"]},
        "keep": {"finished": "format.complete"},
    }
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe))
    return path


class Memory:
    """Resident megabytes of every process below this one, by samples committed so far."""

    def __init__(self, pool: Path) -> None:
        self._pool = Pool(pool)
        self._stopped = threading.Event()
        self._titles: dict[int, str] = {}
        self._seen: dict[int, list[tuple[int, float]]] = {}
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._stopped.wait(EVERY_S):
            rows = sum(file.rows for file in self._pool.files("samples"))
            for process in psutil.Process().children(recursive=True):
                try:
                    # Ray puts the call that runs into the title; a process is its number.
                    title = " ".join(process.cmdline()[:6])[:60]
                    megabytes = process.memory_info().rss / 2**20
                except psutil.NoSuchProcess:
                    continue
                self._titles.setdefault(process.pid, title)
                if "IDLE" in self._titles[process.pid]:
                    self._titles[process.pid] = title
                self._seen.setdefault(process.pid, []).append((rows, megabytes))

    def stop(self) -> None:
        """Ends the watch."""
        self._stopped.set()
        self._thread.join()

    def report(self, first: int) -> list[tuple[float, float, str]]:
        """Peak megabytes, least-squares megabytes per 100,000 samples from `first` samples on, and
        title of each process, the largest first."""
        found = []
        for pid, seen in self._seen.items():
            points = [(rows / 1e5, megabytes) for rows, megabytes in seen if rows >= first]
            if len({x for x, _ in points}) > 3:
                peak = max(megabytes for _, megabytes in seen)
                found.append((peak, _slope(points), f"{pid} {self._titles[pid]}"))
        return sorted(found, reverse=True)


def _slope(points: list[tuple[float, float]]) -> float:
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / sum(
        (x - mean_x) ** 2 for x, _ in points
    )


def generate(recipe: Path, *more: str) -> tuple[dict[str, float], float]:
    """`stillhouse generate` as a user runs it: what it says, and its wall time."""
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "jobs.cli", "generate", str(recipe), "--json", *more],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    result: dict[str, float] = json.loads(done.stdout)
    return result, time.monotonic() - started


def first_lease_s(recipe: Path, folder: Path, probe: int) -> tuple[float, float]:
    """Seconds from the command to the first lease and, of those, until Ray is up, when every
    prompt wants one sample more."""
    started = time.time()
    more = f"samples={{probe: {probe + 1}, max: {probe + 1}, enough: {probe + 1}}}"
    process = subprocess.Popen(
        [sys.executable, "-m", "jobs.cli", "generate", str(recipe), "--json", "--set", more],
        stdout=subprocess.DEVNULL,
    )
    moments: dict[str, float] = {}
    while "first_lease" not in moments and process.poll() is None:
        time.sleep(0.2)
        for path in sorted(folder.glob("store/pools/million/attempts/a000002/events/*.jsonl")):
            for line in path.read_text().splitlines():
                event = json.loads(line)
                at = time.mktime(time.strptime(event["at"][:19], "%Y-%m-%dT%H:%M:%S"))
                moments.setdefault(event["event"], at + float(event["at"][19:23]) - time.timezone)
    process.terminate()
    process.wait()
    return moments["first_lease"] - started, moments["attempt_started"] - started


def main() -> None:
    """Runs, measures, prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prompts", type=int, default=125_000)
    parser.add_argument("--probe", type=int, default=8, help="samples of each prompt")
    arguments = parser.parse_args()
    probe = arguments.probe
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_prompts(folder / "prompts.jsonl", arguments.prompts)
        recipe = write_recipe(folder, {"probe": probe, "max": probe, "enough": probe})
        memory = Memory(folder / "store" / "pools" / "million")
        result, wall_s = generate(recipe)
        memory.stop()
        drawn = int(result["drawn"])
        print(f"{os.cpu_count()} cores, {drawn:,} samples, {wall_s:,.0f} s wall")
        print(f"{drawn / result['working_s']:,.0f} samples/s from the first replica to the end")
        print(f"{drawn / wall_s:,.0f} samples/s from the command to its end")
        for peak, slope, title in memory.report(drawn // 5)[:6]:
            print(f"  peak {peak:6,.0f} MB, {slope:6.2f} MB per 100,000 samples: {title}")
        seconds, until_ray = first_lease_s(recipe, folder, probe)
        print(f"resume: first lease {seconds:.1f} s after the command, Ray up at {until_ray:.1f} s")


if __name__ == "__main__":
    main()
