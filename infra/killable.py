"""A function in a process of its own that is killed when it takes too long.

Symbolic algebra on hostile input can hang in C code or eat all memory; neither a thread nor a
signal can be trusted to end it. The process is started once and used again until it must die.
"""

import multiprocessing as mp
import resource
from collections.abc import Callable
from multiprocessing.connection import Connection
from threading import Lock
from time import monotonic
from typing import Any, Generic, TypeVar

import psutil

from schemas.errors import RunError

Argument = TypeVar("Argument")
Result = TypeVar("Result")

MEMORY_BYTES = 4 * 2**30
START_S = 60.0
"""Importing in a new process; not counted against the deadline."""
MOMENT_S = 0.02
PATIENCE = 10.0
"""So many deadlines may pass on the clock while the process gets no time on a busy machine."""


class DeadlineExceeded(Exception):
    """The call took longer than its deadline and was killed."""


class WorkerDied(Exception):
    """The process ended by itself during the call, for want of memory as a rule."""


class Killable(Generic[Argument, Result]):
    """Calls `make()`'s function in another process, at most `deadline_s` seconds a call.

    They are seconds that the process computes: by the clock, a busy machine would change verdicts.

    Threads take turns.
    """

    def __init__(self, make: Callable[[], Callable[[Argument], Result]], deadline_s: float) -> None:
        self._make = make
        self._deadline_s = deadline_s
        # spawn: the parent runs threads and Ray, which a fork would copy in mid-air.
        self._context = mp.get_context("spawn")
        self._process: Any = None
        self._pipe: Connection | None = None
        self._is_ready = False
        self._one_at_a_time = Lock()

    def __call__(self, argument: Argument) -> Result:
        """The function's result; raises what it raised, DeadlineExceeded or WorkerDied, and
        RunError where the process cannot even start."""
        with self._one_at_a_time:
            return self._call(argument)

    def _call(self, argument: Argument) -> Result:
        pipe = self._ready()
        try:
            before = self._computed_s()
            pipe.send(argument)
            if not self._has_answered(pipe, before):
                self.close()
                raise DeadlineExceeded(f"no result after {self._deadline_s} s")
            succeeded, value = pipe.recv()
        except (EOFError, ConnectionError) as error:
            self.close()
            raise WorkerDied("the process ended during the call") from error
        if not succeeded:
            raise value
        return value  # type: ignore[no-any-return]

    def _has_answered(self, pipe: Connection, before: float) -> bool:
        latest = monotonic() + PATIENCE * self._deadline_s
        left = self._deadline_s
        while left > 0 and monotonic() < latest:
            if pipe.poll(max(left, MOMENT_S)):
                return True
            left = self._deadline_s - (self._computed_s() - before)
        return False

    def _computed_s(self) -> float:
        try:
            times = psutil.Process(self._process.pid).cpu_times()
        except psutil.Error:  # it has died, which the pipe will say
            return 0.0
        return float(times.user + times.system)

    def start(self) -> None:
        """Starts the process, if there is none, without waiting for it."""
        if self._process is not None:
            return
        self._pipe, theirs = self._context.Pipe()
        self._process = self._context.Process(
            target=_serve, args=(self._make, theirs), daemon=True, name="stillhouse-killable"
        )
        self._process.start()
        theirs.close()
        self._is_ready = False

    def _ready(self) -> Connection:
        """The pipe to a process that has loaded its function."""
        self.start()
        assert self._pipe is not None
        if not self._is_ready:
            try:
                self._is_ready = bool(self._pipe.poll(START_S) and self._pipe.recv())
            except (EOFError, ConnectionError):
                self._is_ready = False
            if not self._is_ready:
                self.close()
                raise RunError(f"the process for {self._make} was not ready after {START_S:.0f} s")
        return self._pipe

    def close(self) -> None:
        """Kills the process, if there is one; the next call starts another."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process = None
        if self._pipe is not None:
            self._pipe.close()
            self._pipe = None


def _serve(make: Callable[[], Callable[[Any], Any]], pipe: Connection) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    function = make()
    pipe.send("ready")
    while True:
        try:
            argument = pipe.recv()
        except EOFError:
            return
        try:
            answer = (True, function(argument))
        except Exception as error:  # the caller's to handle
            answer = (False, error)
        pipe.send(answer)
