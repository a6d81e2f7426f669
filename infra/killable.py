"""A function in processes of its own that are killed when a call takes too long.

Symbolic algebra on hostile input can hang in C code or eat all memory; neither a thread nor a
handler of a signal can be trusted to end it. A process is started once, warmed, and used again
until it must die.
"""

import multiprocessing as mp
import resource
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

import psutil

from schemas.errors import RunError

Argument = TypeVar("Argument")
Result = TypeVar("Result")
Function = Callable[[Argument], Result]

MEMORY_BYTES = 384 * 2**20
"""What calls may allocate on top of the loaded libraries (127 MiB for the math scorer)."""
START_S = 60.0
"""Importing in a new process; not counted against the deadline."""
PATIENCE = 10.0
"""So many deadlines may pass on the clock while the process gets no time on a busy machine."""


@dataclass(frozen=True, slots=True)
class Failed:
    """What a call has instead of a result."""

    reason: str
    """`timeout`, `died` (of memory, as a rule), or the lower-case name of what it raised."""


TIMEOUT, DIED = Failed("timeout"), Failed("died")


class Killable(Generic[Argument, Result]):
    """Calls `make()`'s function in other processes, at most `deadline_s` seconds a call.

    They are seconds that the process computes: by the clock, a busy machine would change results.
    The kernel ends a process that has used them up (ITIMER_PROF), whatever it is doing.

    May be called from many threads at once, and so from asyncio by `to_thread`; a call takes a
    process that is free, or waits for one.
    """

    def __init__(
        self, make: Callable[[], Function[Argument, Result]], deadline_s: float, processes: int = 1
    ) -> None:
        self._workers = [_Worker(make, deadline_s) for _ in range(processes)]
        self._free: SimpleQueue[_Worker] = SimpleQueue()
        for worker in self._workers:
            self._free.put(worker)

    def __call__(self, arguments: Sequence[Argument]) -> list[Result | Failed]:
        """For each argument the function's result, or why there is none; they share one process
        and a message, while each has a deadline of its own.

        Raises RunError where a process cannot even start.
        """
        worker = self._free.get()
        try:
            return worker.call(arguments)
        finally:
            self._free.put(worker)

    def start(self) -> None:
        """Starts the processes without waiting for them."""
        for worker in self._workers:
            worker.start()

    def close(self) -> None:
        """Kills the processes; there must be no call under way. Another call starts them again."""
        for worker in self._workers:
            worker.close()


class _Worker:
    """A process, and its successor as soon as it seems to be needed."""

    def __init__(self, make: Callable[[], Function[Any, Any]], deadline_s: float) -> None:
        self._make = make
        self._deadline_s = deadline_s
        self._process: _Process | None = None
        self._successor: _Process | None = None

    def call(self, arguments: Sequence[Any]) -> list[Any]:
        results: list[Any] = []
        while len(results) < len(arguments):
            left = arguments[len(results) :]
            answers, failed = self._ready().answers(left, self._deadline_s, self._prepare)
            results += answers
            if failed is None:
                continue
            self._replace()
            if failed is DIED and not answers and len(left) > 1:
                # Reading the message may have killed it, and then the first one is not to blame.
                return results + [result for one in left for result in self.call([one])]
            results.append(failed)
        return results

    def start(self) -> None:
        if self._process is None:
            self._process = _Process(self._make, self._deadline_s)

    def close(self) -> None:
        for process in (self._process, self._successor):
            if process is not None:
                process.kill()
        self._process = self._successor = None

    def _ready(self) -> "_Process":
        self.start()
        assert self._process is not None
        if not self._process.is_ready():
            self.close()
            raise RunError(f"the process for {self._make} was not ready after {START_S:.0f} s")
        return self._process

    def _prepare(self) -> None:
        """A call that has taken half of its time will take all of it, as a rule: the successor
        loads its libraries meanwhile."""
        if self._successor is None:
            self._successor = _Process(self._make, self._deadline_s)

    def _replace(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process, self._successor = self._successor, None


class _Process:
    """One process with one pipe."""

    def __init__(self, make: Callable[[], Function[Any, Any]], deadline_s: float) -> None:
        # spawn: the parent runs threads and Ray, which a fork would copy in mid-air.
        context = mp.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(make, deadline_s, theirs), daemon=True, name="stillhouse-killable"
        )
        self._process.start()
        theirs.close()
        self._has_loaded = False

    def is_ready(self) -> bool:
        """Waits until it has loaded its function; false where it cannot."""
        if not self._has_loaded:
            with suppress(EOFError, ConnectionError):
                self._has_loaded = bool(self._pipe.poll(START_S) and self._pipe.recv())
        return self._has_loaded

    def answers(
        self, arguments: Sequence[Any], deadline_s: float, seems_late: Callable[[], None]
    ) -> tuple[list[Any], Failed | None]:
        """The results up to the first call that was killed or died, and what became of that."""
        results: list[Any] = []
        try:
            self._pipe.send(list(arguments))
            for _ in arguments:
                if not self._pipe.poll(deadline_s / 2):
                    seems_late()
                    if not self._pipe.poll(PATIENCE * deadline_s):
                        return results, TIMEOUT
                results.append(self._pipe.recv())
        except (EOFError, ConnectionError):
            self._process.join()
            was_late = self._process.exitcode == -signal.SIGPROF
            return results, TIMEOUT if was_late else DIED
        return results, None

    def kill(self) -> None:
        self._process.kill()
        self._process.join()
        self._pipe.close()


def _serve(make: Callable[[], Function[Any, Any]], deadline_s: float, pipe: Connection) -> None:
    signal.signal(signal.SIGPROF, signal.SIG_DFL)  # which ends the process
    function = make()
    memory = psutil.Process().memory_info().vms + MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    pipe.send(True)
    while True:
        try:
            arguments = pipe.recv()
        except EOFError:
            return
        for argument in arguments:
            signal.setitimer(signal.ITIMER_PROF, deadline_s)
            try:
                answer = function(argument)
            except Exception as error:  # the caller's to handle
                answer = Failed(type(error).__name__.lower())
            signal.setitimer(signal.ITIMER_PROF, 0)
            pipe.send(answer)
