"""A function in a process of its own that is killed when it takes too long.

Symbolic algebra on hostile input can hang in C code or eat all memory; neither a thread nor a
signal can be trusted to end it. The process is started once and used again until it must die.
"""

import multiprocessing as mp
import resource
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, Generic, TypeVar

from schemas.errors import RunError

Argument = TypeVar("Argument")
Result = TypeVar("Result")

MEMORY_BYTES = 4 * 2**30
START_S = 60.0
"""Importing in a new process; not counted against the deadline."""


class DeadlineExceeded(Exception):
    """The call took longer than its deadline and was killed."""


class WorkerDied(Exception):
    """The process ended by itself during the call, for want of memory as a rule."""


class Killable(Generic[Argument, Result]):
    """Calls `make()`'s function in another process, at most `deadline_s` seconds a call.

    Not safe for several threads at once.
    """

    def __init__(self, make: Callable[[], Callable[[Argument], Result]], deadline_s: float) -> None:
        self._make = make
        self._deadline_s = deadline_s
        # spawn: the parent runs threads and Ray, which a fork would copy in mid-air.
        self._context = mp.get_context("spawn")
        self._process: Any = None
        self._pipe: Connection | None = None

    def __call__(self, argument: Argument) -> Result:
        """The function's result; raises what it raised, DeadlineExceeded or WorkerDied, and
        RunError where the process cannot even start."""
        pipe = self._pipe or self._start()
        try:
            pipe.send(argument)
            if not pipe.poll(self._deadline_s):
                self.close()
                raise DeadlineExceeded(f"no result after {self._deadline_s} s")
            succeeded, value = pipe.recv()
        except (EOFError, ConnectionError) as error:
            self.close()
            raise WorkerDied("the process ended during the call") from error
        if not succeeded:
            raise value
        return value  # type: ignore[no-any-return]

    def _start(self) -> Connection:
        ours, theirs = self._context.Pipe()
        self._process = self._context.Process(
            target=_serve, args=(self._make, theirs), daemon=True, name="stillhouse-killable"
        )
        self._process.start()
        theirs.close()
        self._pipe = ours
        try:
            ready = ours.poll(START_S) and ours.recv()
        except EOFError:
            ready = None
        if not ready:
            self.close()
            raise RunError(f"the process for {self._make} was not ready after {START_S:.0f} s")
        return ours

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
