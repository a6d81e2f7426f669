"""What the sandbox costs beside plain Python, and what 10,000 programs leave behind.

    python -m benchmarks.sandbox [--programs 10000]

A trivial program through `python -c`, as many grade programs, and through the sandbox, in turn;
then 50 tests of one program; then as many as two slots do; then a mix, a tenth of it hostile,
through the code scorer, with what is counted before and after.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import psutil

from filters.code_answer import CodeScorer
from filters.scorer import Response
from filters.scorers import SCORERS
from infra.sandbox.bubblewrap import Bubblewrap
from jobs.guarded import guarded
from schemas.ports import ProgramLimits, ProgramTest

ROUNDS = 100
TESTS = 50
PROGRAM = "print(int(input()) + 1)"
LIMITS = ProgramLimits()
SUITE = json.dumps({"tests": [{"call": "f", "arguments": [1], "returns": 2}], "time_limit": 0.5})
ASSERTS = json.dumps({"tests": ["assert f(1) == 2"], "time_limit": 0.5})
"""Compared outside."""
TEST = json.dumps({"tests": ["x = f(1)\nassert x == 2"], "time_limit": 0.5})
"""In a sandbox of its own."""
SOUND = [
    ("def f(x): return x + 1", "true"),
    ("def f(x): return x", "false"),
    ("def f(x): return 1 / 0", "false"),
]
HOSTILE = [
    "import os\nwhile True: os.fork()",
    "import os\nif os.fork() == 0: os.setsid(); os.execv('/bin/sleep', ['sleep', '1000'])",
    "x = bytearray(10**11)",
    "x = []\nwhile True: x.append(bytearray(10**6))",
    "while True: pass",
    "while True: print('x' * 10**6)",
    "import os\nfor n in range(10**6): open(f'/tmp/{n}', 'w').write('x' * 10**5)",
    "import os\nos.kill(-1, 9)\nos.kill(os.getpid(), 11)",
    "import threading\nwhile True: threading.Thread(target=input).start()",
    "import os\nos.symlink('/', '/tmp/root')\nos.mkfifo('/tmp/pipe')\nopen('/tmp/pipe')",
]


def median_ms(call: Callable[[], object]) -> float:
    seconds = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds) * 1e3


def plain() -> None:
    subprocess.run([sys.executable, "-c", PROGRAM], input=b"1\n", capture_output=True, check=True)


def isolated() -> None:
    """Without site-packages, as the sandbox starts it."""
    command = [sys.executable, "-I", "-S", "-c", PROGRAM]
    subprocess.run(command, input=b"1\n", capture_output=True, check=True)


def costs() -> None:
    sandbox = Bubblewrap(os.cpu_count() or 1)
    test = ProgramTest(b"1\n")

    def sandboxed(tests: int = 1) -> None:
        runs = sandbox.run(PROGRAM, [test] * tests, LIMITS)
        assert {run.stdout for run in runs} == {b"2\n"}

    calls = {"python": plain, "python -I -S": isolated, "sandbox": sandboxed}
    found = {name: median_ms(call) for name, call in calls.items()}
    print(f"{sandbox.isolation}; a program, median ms: {found}")
    tests = median_ms(lambda: sandboxed(TESTS)) / TESTS
    print(f"{TESTS} tests of a program: {tests:.2f} ms a test")
    scorer = CodeScorer()
    scorer.use(sandbox)

    def scored(reference: str) -> None:
        answer = f"```python\n{SOUND[0][0]}\n```"
        score = scorer(Response("q", None, answer, "stop", reference=reference))
        assert score.verdict == "true"

    tests_of = {"a call": SUITE, "an assert": ASSERTS, "a test apart": TEST}
    scoring = {name: partial(scored, reference) for name, reference in tests_of.items()}
    found = {name: median_ms(call) for name, call in scoring.items()}
    print(f"through the scorer, median ms: {found}")
    calls |= scoring
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for name, call in calls.items():
            started = time.perf_counter()
            list(pool.map(lambda _, call=call: call(), range(5 * ROUNDS)))
            rate = 5 * ROUNDS / (time.perf_counter() - started)
            print(f"{name}: {rate:.0f} trivial programs/s on {os.cpu_count()} processors")
    sandbox.close()


def counted() -> dict[str, object]:
    own = psutil.Process()
    return {
        "processes": len(own.children(recursive=True)),
        "all processes": len(psutil.pids()),
        "descriptors": own.num_fds(),
        "mounts": len(Path("/proc/self/mounts").read_text().splitlines()),
        "groups": sum(1 for _ in Path("/sys/fs/cgroup").glob("*/**/stillhouse-*")),
        "temporary files": len([n for n in os.listdir("/tmp") if n.startswith("stillhouse")]),
        "MB resident": round(own.memory_info().rss / 2**20),
    }


def soak(programs: int) -> None:
    rng = random.Random(0)
    score = guarded(SCORERS["code"](), os.cpu_count() or 1)
    rows = [
        (rng.choice(HOSTILE), "false") if rng.random() < 0.1 else rng.choice(SOUND)
        for _ in range(programs)
    ]
    responses = [
        Response("q", None, f"```python\n{source}\n```", "stop", reference=(SUITE, TEST)[place % 2])
        for place, (source, _) in enumerate(rows)
    ]
    batches = [responses[start : start + 100] for start in range(0, programs, 100)]
    score(responses[:100])
    before, started = counted(), time.perf_counter()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        scores = [one for batch in pool.map(score, batches) for one in batch]
    took = time.perf_counter() - started
    wrong = sum(one.verdict != label for one, (_, label) in zip(scores, rows, strict=True))
    print(f"{programs:,} programs in {took:.0f} s, {wrong} verdicts other than expected")
    print(Counter((one.verdict, one.reason) for one in scores))
    print(f"before {before}\nafter  {counted()}")
    score.close()
    print(f"closed {counted()}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", type=int, default=10_000)
    options = parser.parse_args()
    costs()
    soak(options.programs)


if __name__ == "__main__":
    main()
