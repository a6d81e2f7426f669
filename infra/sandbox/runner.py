"""Runs one program on its tests: the first process inside of a sandbox.

It is a script of its own and imports next to nothing: every import costs each program time. The
job comes on descriptor 0, the report goes out on descriptor 1. A test is a fork that begins with
the compiled program; its streams are files in memory, so that no pipe can fill up, be held open or
flood somebody. What is expected is not known in here: results are compared outside, where the
program cannot reach.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # `signal` would import enum
import atexit
import builtins
import marshal
import os
import resource
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:  # importing them would cost each program time
    from collections.abc import Iterator
    from types import CodeType
    from typing import Any, NoReturn

    Job = dict[str, Any]
ENDED, KILLED, LATE, GREEDY = "ended", "killed", "late", "greedy"
NOT_COMPILED = "not_compiled"
STDERR_BYTES = 4096
"""Of its end."""
LOOK_S = 0.02
START_S = 0.05
"""Of a test, on a machine that is very busy: many tests are not late for that."""
NEARLY = 0.95
"""The kernel kills by a clock of its own."""
DESCRIPTORS = 64
RESULT, CHANNEL = 3, 4
PASSED_ON = 60
"""Where the launcher has put the channel to another sandbox."""
SAID = {
    "fractions.Fraction", "decimal.Decimal", "datetime.date", "datetime.datetime", "datetime.time",
    "datetime.timedelta", "uuid.UUID", "pathlib.PosixPath",
}  # fmt: skip
"""What their text says is all that they are."""
LISTED = {
    "collections.deque": "deque",
    "builtins.dict_items": "dict_items",
    "builtins.dict_keys": "dict_keys",
    "builtins.dict_values": "dict_values",
}
MOST_ITEMS = 100_000
"""Of an iterator."""
SMALL_INTEGER = 2**53
"""Larger ones are no JSON numbers everywhere."""


def main() -> None:
    job = marshal.loads(_read_all(0))
    report = os.dup(1)
    null = os.open("/dev/null", os.O_RDWR)
    for stream in range(3):
        os.dup2(null, stream)
    for name, most in job["limits"].items():
        resource.setrlimit(getattr(resource, name), (most, most))
    _signal.pthread_sigmask(_signal.SIG_BLOCK, [_signal.SIGCHLD])
    try:
        code = _compiled(job["source"])
    except BaseException as error:  # a SyntaxError, and what else odd sources raise
        what = f"{type(error).__name__}: {error}".encode(errors="replace")
        _tell(report, (NOT_COMPILED, 0, 0.0), (b"", what[:STDERR_BYTES], b""))
        return
    waited_s = 0.0
    for test in job["tests"]:
        if waited_s > job["wall_s"]:
            _tell(report, (LATE, 0, 0.0), (b"", b"", b""))
            return
        started = time.monotonic()
        how, cpu_s = _run(report, code, test, job)
        # A machine that is busy lets every program wait; this is what only sleeping explains.
        waited_s += max(0.0, time.monotonic() - started - job["wall_factor"] * cpu_s - START_S)
        if how == LATE:
            return  # as a rule the others would be late too


def _compiled(source: bytes | CodeType) -> CodeType:
    if isinstance(source, bytes):
        return compile(source, "program.py", "exec", dont_inherit=True)
    return source


def _run(report: int, code: CodeType, test: Job, job: Job) -> tuple[str, float]:
    streams = [os.open("/tmp", os.O_TMPFILE | os.O_RDWR, 0o600) for _ in range(4)]
    stdin, stdout, stderr, result = streams
    _write_all(stdin, test["stdin"])
    os.lseek(stdin, 0, os.SEEK_SET)
    child = os.fork()
    if child == 0:
        _become(code, test, streams)
    if test["peer"]:
        os.close(PASSED_ON)  # or the other side would never see that this one is gone
    how, status, cpu_s = _wait(child, job)
    if os.getpid() == 1:
        cpu_s += _end_all_others()
    if how != GREEDY and cpu_s > job["cpu_s"]:
        how = LATE
    run = how, status, cpu_s
    most = job["output_bytes"]
    outputs = _head(stdout, most), _tail(stderr, STDERR_BYTES), _head(result, most)
    _tell(report, run, outputs)
    for descriptor in streams:
        os.close(descriptor)
    return how, cpu_s


def _wait(child: int, job: Job) -> tuple[str, int, float]:
    """How the child ended, its exit status or signal, and the seconds that it computed."""
    latest = time.monotonic() + job["wall_s"]
    how = ENDED
    while how == ENDED:
        pid, status, usage = os.wait4(child, os.WNOHANG)
        if pid:
            return _ended(status, usage, job)
        left = latest - time.monotonic()
        if left <= 0:
            how = LATE
        elif job["watched_bytes"] and _resident_bytes() > job["watched_bytes"]:
            how = GREEDY
        else:
            pause = min(LOOK_S, left) if job["watched_bytes"] else left
            _signal.sigtimedwait([_signal.SIGCHLD], pause)
    os.kill(child, _signal.SIGKILL)
    usage = os.wait4(child, 0)[2]
    return how, 0, usage.ru_utime + usage.ru_stime


def _ended(status: int, usage: resource.struct_rusage, job: Job) -> tuple[str, int, float]:
    cpu_s = usage.ru_utime + usage.ru_stime
    if os.WIFSIGNALED(status) and cpu_s > NEARLY * job["cpu_s"]:
        return LATE, 0, cpu_s
    if os.WIFSIGNALED(status):
        return KILLED, os.WTERMSIG(status), cpu_s
    return ENDED, os.WEXITSTATUS(status), cpu_s


def _resident_bytes() -> int:
    pages = 0
    for name in os.listdir("/proc"):
        if name.isdigit() and name != "1":
            try:
                with open(f"/proc/{name}/statm", "rb") as file:
                    pages += int(file.read().split()[1])
            except OSError:
                continue  # it has ended
    return pages * os.sysconf("SC_PAGE_SIZE")


def _end_all_others() -> float:
    """Daemons of the program too: this is the first process of its namespace. The seconds that
    they have computed."""
    cpu_s = 0.0
    while True:
        try:
            os.kill(-1, _signal.SIGKILL)
            usage = os.wait4(-1, 0)[2]
        except (ProcessLookupError, ChildProcessError):
            return cpu_s
        cpu_s += usage.ru_utime + usage.ru_stime


def _become(code: CodeType, test: Job, streams: list[int]) -> NoReturn:
    """The forked process is the program from here on; does not return."""
    for place, descriptor in enumerate(streams):
        os.dup2(descriptor, place)
    kept = RESULT
    if test["peer"]:
        kept = os.dup2(PASSED_ON, CHANNEL)
    os.closerange(kept + 1, DESCRIPTORS)
    _signal.pthread_sigmask(_signal.SIG_UNBLOCK, [_signal.SIGCHLD])
    with open("/proc/self/oom_score_adj", "wb") as file:
        file.write(b"1000")  # where memory runs out, this goes first, and not who started it
    status = 1
    try:
        _execute(code, test)
        status = 0
    except SystemExit as leaving:
        status = _exit_status(leaving.code)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    try:
        if "threading" in sys.modules:
            sys.modules["threading"]._shutdown()
        atexit._run_exitfuncs()
        for stream in {sys.stdout, sys.__stdout__, sys.stderr}:
            if stream is not None and not stream.closed:
                stream.flush()
    except BaseException:
        sys.excepthook(*sys.exc_info())
        status = status or 1
    finally:
        os._exit(status)


def _execute(code: CodeType, test: Job) -> None:
    expression = test["expression"]
    name = "program" if expression else "__main__"
    module = type(sys)(name)
    sys.modules[name] = module
    sys.argv = ["program.py"]
    vars(builtins).update(exit=sys.exit, quit=sys.exit)  # which `site` would bring
    peer = _peer(test["peer"], module.__dict__) if test["peer"] else None
    exec(code, module.__dict__)
    if expression:
        exec(test["setup"], module.__dict__)
        reached = {"arguments": test["arguments"], "peer": peer}
        value = eval(expression, module.__dict__, reached)
        _write_all(RESULT, test["nonce"] + "".join(_encoded(value)).encode("ascii"))


def _peer(settings: Job, names: dict[str, Any]) -> Any:
    """This side of two programs that use each other."""
    for name, code in settings["modules"]:
        module = sys.modules[name] = type(sys)(name)
        exec(code, module.__dict__)
    return sys.modules["peer"].joined(CHANNEL, names, settings)


def _exit_status(code: object) -> int:
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF
    sys.stderr.write(f"{code}\n")
    return 1


def _encoded(value: Any) -> Iterator[str]:
    """JSON in which every value says its type. Of an instance of a subclass only that counts
    which the built-in type has stored: what it says of itself may be a lie."""
    from _json import encode_basestring_ascii as text

    kinds = type(value).__mro__
    if value is None or value is True or value is False:
        yield {None: "null", True: "true", False: "false"}[value]
    elif int in kinds:
        number = int.__add__(value, 0)
        small = -SMALL_INTEGER < number < SMALL_INTEGER
        yield int.__repr__(number) if small else f'["int","{number:x}"]'
    elif float in kinds:
        yield f'["float","{float.__repr__(value)}"]'
    elif str in kinds:
        yield text(str.__str__(value))
    elif bytes in kinds or bytearray in kinds:
        yield f'["bytes","{bytes(memoryview(value)).hex()}"]'
    elif complex in kinds:
        yield f'["complex","{complex.__repr__(value)}"]'
    else:
        yield from _encoded_container(value, kinds)


def _encoded_container(value: Any, kinds: tuple[type, ...]) -> Iterator[str]:
    for kind in (list, tuple, set, frozenset):
        if kind in kinds:
            yield f'["{kind.__name__}"'
            for item in kind.__iter__(value):
                yield ","
                yield from _encoded(item)
            yield "]"
            return
    if dict in kinds:
        yield '["dict"'
        for item in dict.items(value):
            yield ","
            yield from _encoded(tuple(item))
        yield "]"
        return
    yield from _encoded_object(value)


def _encoded_object(value: Any) -> Iterator[str]:
    """Of the standard library's values what they say, and of an iterator its items: whether they
    are the expected ones is decided outside, as of all others."""
    kind = type(value)
    name = f"{kind.__module__}.{kind.__qualname__}"
    if name in SAID:
        yield f'["said","{name}",'
        yield from _encoded(str(value))
        yield "]"
        return
    items, listed = None, LISTED.get(name)
    if name == "builtins.range":
        listed, items = "range", [value.start, value.stop, value.step]
    elif listed or (hasattr(kind, "__next__") and hasattr(kind, "__iter__")):
        listed, items = listed or "iterator", _items(value)
    if items is None:
        listed, items = "object", [kind.__name__[:80]]
    yield f'["{listed}"'
    for item in items:
        yield ","
        yield from _encoded(item)
    yield "]"


def _items(values: Any) -> list[Any] | None:
    """Null where they do not seem to end."""
    items = []
    for item in values:
        items.append(item)
        if len(items) > MOST_ITEMS:
            return None
    return items


def _tell(report: int, run: tuple[str, int, float], outputs: tuple[bytes, bytes, bytes]) -> None:
    how, status, cpu_s = run
    sizes = " ".join(str(len(output)) for output in outputs)
    _write_all(report, f"{how} {status} {cpu_s:.6f} {sizes}\n".encode() + b"".join(outputs))


def _head(descriptor: int, most: int) -> bytes:
    os.lseek(descriptor, 0, os.SEEK_SET)
    return _read_all(descriptor, most)


def _tail(descriptor: int, most: int) -> bytes:
    size = os.fstat(descriptor).st_size
    os.lseek(descriptor, max(0, size - most), os.SEEK_SET)
    return _read_all(descriptor, most)


def _read_all(descriptor: int, most: int = 1 << 40) -> bytes:
    parts = []
    while most > 0 and (part := os.read(descriptor, min(most, 1 << 20))):
        parts.append(part)
        most -= len(part)
    return b"".join(parts)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


if __name__ == "__main__":
    main()
