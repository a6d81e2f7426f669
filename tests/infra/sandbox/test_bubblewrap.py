"""What programs do is told as they did it; what they must not do is refused or cut short."""

import gc
import json
import os
import py_compile
import signal
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from infra.sandbox import bubblewrap, slot
from infra.sandbox.bubblewrap import Bubblewrap
from schemas.errors import SandboxError
from schemas.ports import ProgramLimits, ProgramRun, ProgramTest

LIMITS = ProgramLimits()
SHORT = ProgramLimits(cpu_s=0.3)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Bubblewrap]:
    one = Bubblewrap(2)
    yield one
    one.close()


def script(sandbox: Bubblewrap, source: str, stdin: bytes = b"") -> ProgramRun:
    [run] = sandbox.run(source, [ProgramTest(stdin)], LIMITS)
    return run


def value(sandbox: Bubblewrap, source: str, expression: str) -> object:
    [run] = sandbox.run(source, [ProgramTest(expression=expression)], LIMITS)
    assert run.result is not None, run.stderr
    return json.loads(run.result)


@pytest.mark.parametrize(
    ("source", "stdin", "stdout"),
    [
        ("print(input()[::-1])", b"abc\n", b"cba\n"),
        ("print(open(0).read(), end='')", b"a\r\nb", b"a\nb"),
        ("import sys; sys.stdout.buffer.write(sys.stdin.buffer.read())", b"\xff\x00\r\n", None),
        ("import sys; sys.stdout.write(sys.stdin.read())", b"\xff\xfe", None),
        ("print('π')", b"", "π\n".encode()),
        ("print(1)  # and does not read its input", b"x" * 5_000_000, b"1\n"),
        ("if __name__ == '__main__': print('main')", b"", b"main\n"),
        ("import sys; print(1); sys.exit()", b"", b"1\n"),
        ("import atexit, os; atexit.register(os.write, 1, b'late')", b"", b"late"),
        (
            "import threading, time\n"
            "threading.Thread(target=lambda: (time.sleep(0.1), print(1))).start()",
            b"",
            b"1\n",
        ),
        (
            "import sys\ndef f(n): return n and 1 + f(n - 1)\n"
            "sys.setrecursionlimit(10**6); print(f(20000))",
            b"",
            b"20000\n",
        ),
        ("print(1); exit()", b"", b"1\n"),
        ("import sys, io; sys.stdout = io.StringIO(); sys.__stdout__.write('1')", b"", b"1"),
        ("import sys; print(1); sys.stdout.close()", b"", b"1\n"),
        ("print(sorted(__import__('os').listdir('/tmp')))", b"", b"[]\n"),
        ("print('x' * 3_000_000)", b"", b"x" * 3_000_000 + b"\n"),
    ],
)
def test_scripts(sandbox: Bubblewrap, source: str, stdin: bytes, stdout: bytes | None) -> None:
    run = script(sandbox, source, stdin)
    assert (run.how, run.status, run.stderr) == ("ended", 0, b"")
    assert run.stdout == (stdin if stdout is None else stdout)


@pytest.mark.parametrize(
    ("source", "how", "status", "said"),
    [
        ("import sys; sys.exit(3)", "ended", 3, b""),
        ("import sys; sys.exit('no')", "ended", 1, b"no\n"),
        ("1 / 0", "ended", 1, b"ZeroDivisionError"),
        ("import os; os._exit(0)", "ended", 0, b""),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "killed", 11, b""),
        ("bytearray(10**10)", "ended", 1, b"MemoryError"),
        ("def f(: pass", "not_compiled", 0, b"SyntaxError"),
        ("x = '\udcff'", "not_compiled", 0, b"SyntaxError"),
        ("x = 1\x00", "not_compiled", 0, b""),
        ("(" * 100_000, "not_compiled", 0, b""),
        ("", "ended", 0, b""),
        ("import os; os.setxattr('/tmp', 'user.a', b'x')", "ended", 1, b"PermissionError"),
    ],
)
def test_ends(sandbox: Bubblewrap, source: str, how: str, status: int, said: bytes) -> None:
    run = script(sandbox, source)
    assert (run.how, run.status) == (how, status), run.stderr
    assert said in run.stderr


def test_lateness_ends_the_tests(sandbox: Bubblewrap) -> None:
    """As a rule the others would be late too."""
    source = "if input() == 'b':\n    while True: pass\nprint(1)"
    tests = [ProgramTest(b"a\n"), ProgramTest(b"b\n"), ProgramTest(b"a\n")]
    runs = sandbox.run(source, tests, SHORT)
    assert [run.how for run in runs] == ["ended", "late"]
    assert runs[1].cpu_s >= 0.28


def test_a_sleeper_is_late_too(sandbox: Bubblewrap) -> None:
    started = time.monotonic()
    [run] = sandbox.run("import time; time.sleep(60)", [ProgramTest()], SHORT)
    assert run.how == "late"
    assert time.monotonic() - started < 10


def test_many_that_sleep_are_late_together(sandbox: Bubblewrap) -> None:
    """One may wait for `2 s + 3 * cpu_s`, and so may all."""
    runs = sandbox.run("import time; time.sleep(1.2)", [ProgramTest()] * 20, SHORT)
    assert [run.how for run in runs] == ["ended", "ended", "ended", "late"]


def test_what_daemons_compute_counts(sandbox: Bubblewrap) -> None:
    source = (
        "import os, signal, time\n"
        "signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
        "for _ in range(2):\n"
        "    if os.fork() == 0:\n"
        "        while True: pass\n"
        "time.sleep(0.7)\n"
    )
    [run] = sandbox.run(source, [ProgramTest()], SHORT)
    assert run.how == "late"


def test_a_crash_ends_one_test_alone(sandbox: Bubblewrap) -> None:
    source = "import os\nif input() == 'b': os.abort()\nprint(1)"
    runs = sandbox.run(source, [ProgramTest(text) for text in (b"a\n", b"b\n", b"a\n")], LIMITS)
    assert [(run.how, run.stdout) for run in runs] == [
        ("ended", b"1\n"),
        ("killed", b""),
        ("ended", b"1\n"),
    ]


def test_all_tests_together_may_not_write_too_much(sandbox: Bubblewrap) -> None:
    runs = sandbox.run("print('x' * 3_900_000)", [ProgramTest()] * 30, LIMITS)
    assert len(runs) < 30
    assert [run.how for run in runs] == ["ended"] * (len(runs) - 1) + ["flooded"]


def test_memory_runs_out_for_the_program_alone(sandbox: Bubblewrap) -> None:
    """Many processes, each within its limit; the launcher lives on, with what it knows."""
    source = (
        "import os, time\nif input() == 'b':\n"
        "    for n in range(12):\n        if os.fork() == 0: break\n"
        "    held = bytearray(400 * 2**20)\n    time.sleep(2)\n"
        "print(1)"
    )
    runs = sandbox.run(source, [ProgramTest(b"a\n"), ProgramTest(b"b\n")], LIMITS)
    assert runs[0].stdout == b"1\n"
    assert script(sandbox, "print(1)").stdout == b"1\n"


def test_tests_begin_alike(sandbox: Bubblewrap) -> None:
    source = "seen = []\ndef f(x): seen.append(x); return seen"
    tests = [ProgramTest(expression="f(*arguments)", arguments=(n,)) for n in range(3)]
    runs = sandbox.run(source, tests, LIMITS)
    assert [json.loads(run.result or "") for run in runs] == [["list", n] for n in range(3)]


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        ("[1, 2.5, None, True, 'é', b'a']",
         ["list", 1, ["float", "2.5"], None, True, "é", ["bytes", "61"]]),
        ("(1, {2})", ["tuple", 1, ["set", 2]]),
        ("{(1, 2): 'x'}", ["dict", ["tuple", ["tuple", 1, 2], "x"]]),
        ("10**30", ["int", f"{10**30:x}"]),
        ("-10**5000", ["int", f"{-(10**5000):x}"]),
        ("[float('inf'), float('nan')]", ["list", ["float", "inf"], ["float", "nan"]]),
        ("1j", ["complex", "1j"]),
        ("__import__('collections').Counter('aa')", ["dict", ["tuple", "a", 2]]),
        ("object()", ["object", "object"]),
        ("'\\ud800'", "\ud800"),
    ],
)  # fmt: skip
def test_results_say_their_types(sandbox: Bubblewrap, expression: str, told: object) -> None:
    assert value(sandbox, "", expression) == told


def test_a_subclass_is_what_it_has_stored(sandbox: Bubblewrap) -> None:
    source = (
        "class Any(int):\n"
        "    def __eq__(self, other): return True\n"
        "    def __repr__(self): return '42'\n"
        "    __str__ = __format__ = __int__ = __index__ = __add__ = lambda self, *a: 42\n"
    )
    assert value(sandbox, source, "Any(7)") == 7


@pytest.mark.parametrize(
    "expression",
    [
        "(x := [], x.append(x))[0]",  # holds itself
        "[0] * 10**7",
        "exit()",
        "__import__('os')._exit(0)",
        "__import__('os').write(3, b'42')",
    ],
)
def test_no_result(sandbox: Bubblewrap, expression: str) -> None:
    """What was not written in whole, or by somebody who does not know the nonce, is none."""
    [run] = sandbox.run("", [ProgramTest(expression=expression)], LIMITS)
    assert run.result is None or expression.endswith("b'42')")
    assert run.result != "42"


def test_threads_share_the_slots(sandbox: Bubblewrap) -> None:
    with ThreadPoolExecutor(6) as pool:
        runs = list(pool.map(lambda n: script(sandbox, f"print({n})"), range(40)))
    assert [run.stdout for run in runs] == [f"{n}\n".encode() for n in range(40)]


def test_a_launcher_that_dies_is_replaced() -> None:
    before = set(psutil.Process().children())
    one = Bubblewrap()
    [launcher] = set(psutil.Process().children()) - before
    timer = threading.Timer(0.5, lambda: launcher.send_signal(signal.SIGKILL))
    timer.start()
    [run] = one.run("import time; time.sleep(2)", [ProgramTest()], LIMITS)
    assert run.how == "ended"
    [other] = set(psutil.Process().children()) - before
    assert other.pid != launcher.pid
    assert script(one, "print(1)").stdout == b"1\n"
    one.close()


DEAF = """
import ctypes, signal, time
ctypes.CDLL(None).prctl(1, 0, 0, 0, 0)  # PR_SET_PDEATHSIG: the end of its parent is nothing to it
for number in set(range(1, 65)) - {9, 19, 32, 33}:
    signal.signal(number, signal.SIG_IGN)
while True:
    time.sleep(60)
"""


def test_a_first_process_that_is_deaf_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program can write into the memory of the first process, and make it into this."""
    source, compiled = tmp_path / "deaf.py", tmp_path / "deaf.pyc"
    source.write_text(DEAF)
    py_compile.compile(str(source), str(compiled), doraise=True)
    monkeypatch.setattr(slot, "_runner", compiled.read_bytes)
    monkeypatch.setattr(slot, "START_S", 1.0)
    before = tree()
    one = bubblewrap._new_slot()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(one.run, "", [ProgramTest()], SHORT)
        try:
            assert [run.how for run in running.result(timeout=20)] == ["late"]
            assert len(tree() - before) == 1, "the launcher alone"
        finally:
            while not running.done():  # or this test would never end
                for pid in tree() - before:
                    os.kill(pid, signal.SIGKILL)
                time.sleep(0.1)
    one.close()
    assert tree() == before


def tree() -> set[int]:
    return {process.pid for process in psutil.Process().children(recursive=True)}


def test_nothing_is_left(sandbox: Bubblewrap) -> None:
    """Processes, descriptors, mounts, groups, files and memory, after programs of all kinds."""
    hostile = [
        "import os\nwhile os.fork() >= 0: pass",
        "import os\nif os.fork() == 0: os.setsid(); os.execv('/bin/sleep', ['sleep', '100'])",
        "open('/tmp/x', 'wb').write(bytes(2**25))",
        "bytearray(10**10)",
        "import os; os.kill(os.getpid(), 9)",
        "print(1)",
    ]

    def state() -> tuple[set[int], int, str, list[Path], list[str]]:
        gc.collect()
        groups = sorted(Path("/sys/fs/cgroup").glob("*/**/stillhouse-*"))
        temporary = sorted(name for name in os.listdir("/tmp") if name.startswith("stillhouse-"))
        mounts = Path("/proc/self/mounts").read_text()
        return tree(), psutil.Process().num_fds(), mounts, groups, temporary

    for source in hostile:
        script(sandbox, source)
    before = state()
    for source in hostile * 5:
        script(sandbox, source)
    assert state() == before


def test_without_bubblewrap_nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bubblewrap, "find_spec", lambda name: None)
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(SandboxError, match="no bubblewrap; install"):
        Bubblewrap()


@pytest.mark.parametrize(
    ("left_out", "named"),
    [
        (["--remount-ro", "/dev"], "it writes in /dev"),
        (["--disable-userns"], "user namespaces"),
        (["--seccomp", "{seccomp}"], "opens sockets"),
    ],
)
def test_what_gets_out_stops_it(
    left_out: list[str], named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The self-test finds what is missing, and there is no sandbox."""
    whole = bubblewrap._arguments

    def fewer(python: Path, target: Path) -> list[str]:
        arguments = whole(python, target)
        place = arguments.index(left_out[0])
        return arguments[:place] + arguments[place + len(left_out) :]

    monkeypatch.setattr(bubblewrap, "_arguments", fewer)
    if left_out[0] != "--seccomp":
        monkeypatch.setattr(bubblewrap, "seccomp_filter", lambda: ALLOW_ALL)
    before = tree()
    with pytest.raises(SandboxError, match=named):
        Bubblewrap()
    assert tree() == before


ALLOW_ALL = (0x06).to_bytes(2, "little") + bytes(2) + (0x7FFF0000).to_bytes(4, "little")


def test_an_interpreter_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises((SandboxError, FileNotFoundError)):
        Bubblewrap()
