"""What it costs to watch: a run with and without an open page, and a look at a pool of a million.

    python -m benchmarks.watching --pairs 5
    python -m benchmarks.watching --folder FOLDER     # of benchmarks.publishing --folder

A run of the simulated engine on real Ray, whose slots decode at a fixed pace, is alternately
watched and not: by `stillhouse watch` in a process of its own, and a page that asks for the feed as
often as the real one does. The ratio is that of tokens per second; processor time of the watcher is
measured too, since it says more where others use the machine. With a folder, nothing is run: a
watcher looks at the attempt that made its pool, from the first look to one that finds nothing new.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import yaml

from infra.store import open_store
from jobs.generate import generate
from jobs.prompts import read_prompts
from jobs.recipe import load_job

POLL = """
import sys, time, urllib.request
while True:
    urllib.request.urlopen(sys.argv[1] + "feed.json").read()
    time.sleep(4)
"""
LOOKS = 10


def write_recipe(folder: Path, prompts: int) -> Path:
    """A run of half a minute or so."""
    questions = folder / "prompts.jsonl"
    rows = (
        {"question": f"What is {i} + {i % 97}?", "answer": str(i + i % 97)} for i in range(prompts)
    )
    questions.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    recipe = {
        "name": "watched",
        "store": str(folder / "store"),
        "prompts": [
            {"path": str(questions), "fields": {"prompt": "question", "reference": "answer"}}
        ],
        "teacher": {
            "model": "made",
            "engine": "simulated",
            "engine_args": {"max_num_seqs": 64, "tokens_per_second": 100},
        },
        "sampling": {"max_tokens": 512},
        "samples": dict.fromkeys(("probe", "max", "enough"), 4),
        "scorers": {"*": ["exact_match", "format"]},
        "keep": {"finished": "format.complete", "correct": "correct"},
        "flush": {"seconds": 5},
    }
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe, sort_keys=False))
    return path


@contextmanager
def watched(recipe: Path) -> Iterator[psutil.Process]:
    """A watcher at work, and a page that asks it."""
    command = [sys.executable, "-m", "jobs.cli", "watch", str(recipe)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as watcher:
        assert watcher.stderr is not None
        url = next(line.strip() for line in watcher.stderr if "http://" in line)
        with subprocess.Popen([sys.executable, "-c", POLL, url]) as page:
            yield psutil.Process(watcher.pid)
            page.kill()
        watcher.terminate()


def run(recipe: Path) -> tuple[float, float]:
    """Tokens per second, and seconds from the first replica to the last verdict."""
    job = load_job(str(recipe))
    done = generate(job, read_prompts(job.recipe))
    return done.tokens / done.working_s, done.working_s


def pair(prompts: int, *, first: bool) -> tuple[float, float, float]:
    """Tokens per second without and with a watcher, and its share of a core while it was there;
    `first`: the watched one comes first."""
    rates, share = {}, 0.0
    for is_watched in (first, not first):
        with tempfile.TemporaryDirectory() as name:
            recipe = write_recipe(Path(name), prompts)
            if is_watched:
                with watched(recipe) as process:
                    time.sleep(1)  # its start-up is not the run's
                    before, began = sum(process.cpu_times()[:2]), time.monotonic()
                    rates[True], _ = run(recipe)
                    used = sum(process.cpu_times()[:2]) - before
                    share = used / (time.monotonic() - began)
            else:
                rates[False], _ = run(recipe)
    return rates[False], rates[True], share


def pairs(count: int, prompts: int) -> None:
    """Prints each, and the medians."""
    ratios, shares = [], []
    for number in range(count):
        alone, beside, share = pair(prompts, first=number % 2 == 1)
        ratios.append(beside / alone)
        shares.append(share)
        print(
            f"pair {number + 1}: alone {alone:,.0f} tokens/s, watched {beside:,.0f}, "
            f"{ratios[-1]:.4f}; watcher {share:.2%} of a core",
            flush=True,
        )
    print(
        f"median ratio {statistics.median(ratios):.4f}, {min(ratios):.4f} to {max(ratios):.4f}; "
        f"median watcher {statistics.median(shares):.2%} of a core"
    )


def looks(folder: Path) -> None:
    """Prints how long looks at a made pool take."""
    os.environ.setdefault("POLARS_MAX_THREADS", "1")  # as the command does
    from jobs.watch.watcher import Watcher

    job = load_job(str(folder / "recipe.yaml"))
    store = open_store(folder / "store")
    attempt = f"pools/{job.recipe.pool}/attempts/a000001"
    event = {"at": "2026-01-01T00:00:00.000+00:00", "event": "attempt_started"}
    store.put_if_absent(f"{attempt}/recipe.json", json.dumps(job.resolved).encode())
    store.put_if_absent(f"{attempt}/events/000001.jsonl", json.dumps(event).encode())
    watcher = Watcher(store, job.recipe.pool, every_s=0.0)
    began, cpu, count, longest = time.monotonic(), time.process_time(), 0, 0.0
    reading = True
    while reading:
        look = time.monotonic()
        feed = watcher.feed()
        reading, count = bool(feed["reading"]), count + 1
        longest = max(longest, time.monotonic() - look)
    samples = feed["samples"]
    print(
        f"{samples['judged']:,} of {samples['drawn']:,} samples judged, {samples['kept']:,} kept: "
        f"{count} looks, {time.monotonic() - began:.1f} s, {time.process_time() - cpu:.1f} s of a "
        f"core, the longest {longest:.1f} s"
    )
    times, cpu = [], time.process_time()
    for _ in range(LOOKS):
        look = time.monotonic()
        feed = watcher.feed()
        times.append(time.monotonic() - look)
    print(
        f"nothing new: median {statistics.median(times) * 1000:.0f} ms, "
        f"{(time.process_time() - cpu) / LOOKS * 1000:.0f} ms of a core; feed "
        f"{len(json.dumps(feed)) / 1000:,.0f} kB; at most "
        f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB"
    )


def main() -> None:
    """Measures, prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--prompts", type=int, default=1000)
    parser.add_argument("--folder", type=Path, help="a made pool, which is only looked at")
    arguments = parser.parse_args()
    if arguments.folder is not None:
        looks(arguments.folder)
    else:
        pairs(arguments.pairs, arguments.prompts)


if __name__ == "__main__":
    main()
