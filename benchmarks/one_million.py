"""A million samples through the service: samples per second, memory, and how soon it resumes.

    python -m benchmarks.one_million --prompts 125000 --probe 8

The simulated engine answers at once, and the only scorer is `format`, so that what is measured is
the service itself: leases, files, commits, scoring, verdicts and compaction on the cores at hand.
Every process's resident memory is noted every five seconds. Then the samples of the last prompts
are wanted, and the time from the start of the command to their first lease is measured, five times.
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

EVERY_S = 5.0
RESUMES = 5


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
    """Resident megabytes of every process below this one, by samples committed so far.

    Processes of one kind count together, as the largest of them: merges come and go.
    """

    def __init__(self, pool: Path) -> None:
        self._pool = Pool(pool)
        self._stopped = threading.Event()
        self._seen: dict[str, list[tuple[int, float]]] = {}
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._stopped.wait(EVERY_S):
            rows = sum(file.rows for file in self._pool.files("samples"))
            largest: dict[str, float] = {}
            for process in psutil.Process().children(recursive=True):
                try:
                    kind = _kind(process)
                    megabytes = process.memory_info().rss / 2**20
                except psutil.NoSuchProcess:
                    continue
                for name in (kind, "the largest at a time"):
                    largest[name] = max(megabytes, largest.get(name, 0))
            for name, megabytes in largest.items():
                self._seen.setdefault(name, []).append((rows, megabytes))

    def stop(self) -> None:
        """Ends the watch."""
        self._stopped.set()
        self._thread.join()

    def report(self, first: int) -> list[tuple[float, float, str]]:
        """Peak megabytes, least-squares megabytes per 100,000 samples from `first` samples on, and
        the kind of process, the largest first."""
        found = []
        for kind, seen in self._seen.items():
            points = [(rows / 1e5, megabytes) for rows, megabytes in seen if rows >= first]
            if len({x for x, _ in points}) > 3:
                found.append((max(megabytes for _, megabytes in seen), _slope(points), kind))
        return sorted(found, reverse=True)


def _kind(process: psutil.Process) -> str:
    """Ray's title of an actor or task without what runs in it just now, or the program's file."""
    words = process.cmdline()
    title = words[0] if words else ""
    if title.startswith("ray::"):
        return title.partition(".")[0]
    return " ".join(Path(word).name for word in words[:3])


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


def first_lease_s(recipe: Path, folder: Path, probe: int, attempt: int) -> tuple[float, float]:
    """Seconds from the command to the first lease and, of those, until Ray is up, when every
    prompt wants one sample more."""
    events = f"store/pools/million/attempts/a{attempt:06d}/events/*.jsonl"
    started = time.time()
    more = f"samples={{probe: {probe + 1}, max: {probe + 1}, enough: {probe + 1}}}"
    process = subprocess.Popen(
        [sys.executable, "-m", "jobs.cli", "generate", str(recipe), "--json", "--set", more],
        stdout=subprocess.DEVNULL,
    )
    moments: dict[str, float] = {}
    while "first_lease" not in moments and process.poll() is None:
        time.sleep(0.2)
        for path in sorted(folder.glob(events)):
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
        for attempt in range(2, 2 + RESUMES):
            seconds, ray = first_lease_s(recipe, folder, probe, attempt)
            print(f"resume: first lease {seconds:.1f} s after the command, Ray up at {ray:.1f} s")


if __name__ == "__main__":
    main()
