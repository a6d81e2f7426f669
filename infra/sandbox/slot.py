"""One program at a time, in a sandbox that a launcher starts for it."""

import marshal
import math
import py_compile
import secrets
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from itertools import accumulate, pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from types import CodeType
from typing import Any

from infra.sandbox.cgroup import ControlGroup, control_group
from schemas.errors import SandboxError
from schemas.ports import ApartTest, ProgramLimits, ProgramRun, ProgramTest

HERE = Path(__file__).parent
GROUP_BYTES = 1280 * 2**20
"""What a program may use at most, its files in memory, and what starts it."""
GROUP_PROCESSES = 64
UNCOUNTED_PROCESSES = 16
"""Where no control group counts: between two looks each could take as much as all may."""
FILE_BYTES = 32 * 2**20
DESCRIPTORS = 64
STACK_BYTES = 64 * 2**20
WALL_FACTOR, WALL_EXTRA_S = 3.0, 2.0
"""A program may wait, and a machine be busy: limits are seconds of computing."""
TESTER_FACTOR = 2
START_S = 10.0
REPORT_BYTES = 64 * 2**20
"""Of all tests of a program; it is in the memory of three processes at once."""
LONGEST_HEADER = 200
LAST = ("late", "not_compiled")
ENDED_BY = {"ended": "killed", "late": "late", "flood": "flooded"}
"""What the launcher says of a sandbox, and the test that it ended in."""
UIDS_FROM, UIDS = 2**30, 2**22
"""One for every process id of the kernel's."""
FEW_UIDS_FROM, FEW_UIDS = 20_000, 40_000
"""In a user namespace, as in a container, there may be 65,536."""


@dataclass(frozen=True, slots=True)
class SlotSettings:
    """How the launcher starts a sandbox."""

    name: str
    """Of its control group."""
    command: list[str]
    """With `{seccomp}` and `{runner}` where the numbers of those files' descriptors stand."""
    gives_up_uid: bool
    mounts: list[tuple[str, str]]
    copies: list[tuple[str, str]]
    """From where it lies to where the other user finds it."""
    seccomp: bytes


class Slot:
    """Runs programs one after the other; a launcher that died is replaced."""

    def __init__(self, settings: SlotSettings) -> None:
        self._settings = settings
        self._launcher: subprocess.Popen[bytes] | None = None
        self._group: ControlGroup | None = None
        self._is_closed = False
        self._start()
        self.isolation = "bubblewrap+cgroup" if self._group else "bubblewrap"

    def _start(self) -> None:
        self._launcher = subprocess.Popen(
            [sys.executable, "-I", "-S", str(HERE / "launcher.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={},
        )
        pid = self._launcher.pid
        if self._group is None:
            self._group = control_group(self._settings.name, GROUP_BYTES, GROUP_PROCESSES)
        if self._group is not None:
            self._group.add(pid)
        settings = asdict(self._settings) | {"runner": _runner(), "uid": None}
        if self._settings.gives_up_uid:
            settings["uid"] = _uid(pid)
        if self._ask(settings) is None:
            assert self._launcher.stderr is not None
            complaint = self._launcher.stderr.read().decode(errors="replace").strip()
            raise SandboxError(f"sandbox: its launcher did not start: {complaint[-1000:]}")

    def run(
        self, source: str, tests: Sequence[ProgramTest], limits: ProgramLimits
    ) -> list[ProgramRun]:
        """See `Sandbox`."""
        [runs] = self._run([_Program(source, tests)], limits)
        return runs

    def run_apart(
        self, source: str, test: ApartTest, limits: ProgramLimits
    ) -> tuple[ProgramRun, ProgramRun]:
        """See `Sandbox`."""
        modules = _modules()
        program = _Program(
            source,
            [ProgramTest(expression="peer.serve()")],
            {"modules": modules, "guards": False, "given": test.given, "fixed": test.fixed},
        )
        tester = _Program(
            test.code,
            [ProgramTest(expression="main(peer, *arguments)", arguments=test.arguments)],
            {"modules": modules, "guards": True, "given": ()},
        )
        [of_program], [of_test] = self._run([program, tester], limits)
        return of_program, of_test

    def _run(self, programs: Sequence["_Program"], limits: ProgramLimits) -> list[list[ProgramRun]]:
        """A launcher that dies is asked again, since it may not be the program's fault, and then no
        more."""
        for _ in range(2):
            runs = self._try(programs, limits)
            if runs is not None:
                return runs
            self._end()
            if self._is_closed:
                raise SandboxError("sandbox: it has been closed")
            self._start()
        return [[ProgramRun("greedy")] for _ in programs]

    def _try(
        self, programs: Sequence["_Program"], limits: ProgramLimits
    ) -> list[list[ProgramRun]] | None:
        """Null where the launcher has died."""
        wall_s = WALL_FACTOR * limits.cpu_s + WALL_EXTRA_S
        most = max(len(program.tests) for program in programs)
        answer = self._ask(
            {
                "jobs": [marshal.dumps(self._job(program, limits, wall_s)) for program in programs],
                # One late test is the last one; others compute, or wait for so long together.
                "wall_s": START_S + 2 * wall_s + WALL_FACTOR * limits.cpu_s * most,
                "report_bytes": REPORT_BYTES,
            }
        )
        if answer is None:
            return None
        return [
            _complete_runs(program, received, answer["how"])
            for program, received in zip(programs, answer["received"], strict=True)
        ]

    def _job(self, program: "_Program", limits: ProgramLimits, wall_s: float) -> dict[str, Any]:
        source, peer = program.source, program.peer
        # The one that tests waits for the other, and computes what that should have answered.
        longer = TESTER_FACTOR if peer and peer["guards"] else 1
        return {
            "source": source.encode("utf-8", "surrogatepass")
            if isinstance(source, str)
            else source,
            "tests": [
                {
                    "stdin": test.stdin,
                    "expression": test.expression,
                    "setup": test.setup,
                    "arguments": test.arguments,
                    "nonce": nonce,
                    "peer": peer,
                }
                for test, nonce in zip(program.tests, program.nonces, strict=True)
            ],
            "cpu_s": longer * limits.cpu_s,
            "wall_s": longer * wall_s,
            "wall_factor": WALL_FACTOR,
            "output_bytes": limits.output_bytes,
            "watched_bytes": 0 if self._group else limits.memory_bytes,
            "limits": {
                "RLIMIT_CPU": math.ceil(longer * limits.cpu_s),
                "RLIMIT_AS": limits.memory_bytes + STACK_BYTES,
                "RLIMIT_NPROC": GROUP_PROCESSES if self._group else UNCOUNTED_PROCESSES,
                "RLIMIT_FSIZE": FILE_BYTES,
                "RLIMIT_NOFILE": DESCRIPTORS,
                "RLIMIT_STACK": STACK_BYTES,
                "RLIMIT_CORE": 0,
            },
        }

    def _ask(self, message: dict[str, Any]) -> dict[str, Any] | None:
        """The launcher's answer; null if it has died."""
        assert self._launcher is not None
        to, out = self._launcher.stdin, self._launcher.stdout
        assert to is not None
        assert out is not None
        data = marshal.dumps(message)
        try:
            to.write(len(data).to_bytes(8, "big") + data)
            to.flush()
        except BrokenPipeError:
            return None
        header = out.read(8)
        if len(header) < 8:
            return None
        answer = out.read(int.from_bytes(header, "big"))
        return marshal.loads(answer)  # type: ignore[no-any-return]

    def _end(self) -> None:
        if self._launcher is not None:
            self._launcher.kill()
            self._launcher.communicate()
            self._launcher = None

    def close(self) -> None:
        """Kills what runs and removes the control group."""
        self._is_closed = True
        self._end()
        if self._group is not None:
            self._group.remove()
            self._group = None


def _uid(pid: int) -> int:
    """Another one for each launcher that runs."""
    outermost = Path("/proc/self/uid_map").read_text().split()[2]
    if int(outermost) > UIDS_FROM + UIDS:
        return UIDS_FROM + pid % UIDS
    return FEW_UIDS_FROM + pid % FEW_UIDS


class _Program:
    """One of a request's, with its tests; `peer`: how it meets the other one."""

    def __init__(
        self,
        source: str | CodeType,
        tests: Sequence[ProgramTest],
        peer: dict[str, Any] | None = None,
    ) -> None:
        self.source, self.tests, self.peer = source, tests, peer
        self.nonces = [secrets.token_bytes(16) for _ in tests]


def _complete_runs(program: _Program, received: dict[str, Any], how: str) -> list[ProgramRun]:
    runs = _runs(received["report"], program.nonces)
    if not runs and received["errors"]:
        raise SandboxError(f"sandbox: {received['errors'].decode(errors='replace').strip()}")
    if not runs or (len(runs) < len(program.tests) and runs[-1].how not in LAST):
        runs.append(ProgramRun(ENDED_BY[how]))
    return runs


@cache
def _modules() -> list[tuple[str, CodeType]]:
    """What both of two programs run that use each other, in the order of their imports."""
    return [
        (name, compile((HERE / f"{name}.py").read_text(), f"{name}.py", "exec", dont_inherit=True))
        for name in ("data", "wire", "channel", "kinds", "proxies", "guard", "serving", "peer")
    ]


@cache
def _runner() -> bytes:
    """The runner as a .pyc, which needs no compiling in each sandbox."""
    with TemporaryDirectory(prefix="stillhouse-") as folder:
        compiled = Path(folder, "runner.pyc")
        py_compile.compile(str(HERE / "runner.py"), str(compiled), "runner.py", doraise=True)
        return compiled.read_bytes()


def _runs(report: bytes, nonces: Sequence[bytes]) -> list[ProgramRun]:
    """What a report says, as far as it makes sense: it comes from inside."""
    runs: list[ProgramRun] = []
    place = 0
    while place < len(report) and len(runs) < max(1, len(nonces)):
        end = report.find(b"\n", place, place + LONGEST_HEADER)
        fields = report[place:end].split(b" ") if end >= 0 else []
        try:
            how, status, cpu_s = fields[0].decode("ascii"), int(fields[1]), float(fields[2])
            sizes = [int(size) for size in fields[3:6]]
        except (ValueError, IndexError):
            break
        place = end + 1
        if min(sizes) < 0 or sum(sizes) > len(report) - place:
            break
        stops = list(accumulate(sizes, initial=place))
        stdout, stderr, result = (report[one:other] for one, other in pairwise(stops))
        nonce = nonces[len(runs)] if nonces else b""
        own = result.startswith(nonce) and bool(nonce)
        value = result[len(nonce) :].decode("ascii", "replace") if own else None
        runs.append(ProgramRun(how, status, cpu_s, stdout, stderr, value))
        place = stops[-1]
    return runs
