"""Progress of long work: one live line on a terminal, a log line every 30 seconds without one."""

import sys
import time
from collections.abc import Callable

from rich.console import Console
from rich.live import Live
from rich.table import Table

from infra.messages import Progress

LOG_EVERY_S = 30.0


class ProgressDisplay:
    """Shows on stderr how far it is; use as a context manager."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = Console(stderr=True)
        self._live = Live(console=self._console, refresh_per_second=4, transient=True)
        self._clock = clock
        self._started = clock()
        self._logged = 0.0

    def __enter__(self) -> "ProgressDisplay":
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def say(self, message: str) -> None:
        """A line that stays."""
        self._console.print(message, highlight=False, markup=False, soft_wrap=True)

    def show(self, state: str) -> None:
        """The newest state, which replaces the one before."""
        now = self._clock()
        line = f"{now - self._started:5.0f}s  {state}"
        if self._console.is_terminal:
            table = Table.grid()
            table.add_row(line)
            self._live.update(table)
        elif now - self._logged >= LOG_EVERY_S:
            self._logged = now
            print(line, file=sys.stderr, flush=True)


def progress_line(progress: Progress) -> str:
    """The state of a run in a line."""
    rate = f"{progress.tokens / progress.working_s:,.0f} tok/s" if progress.tokens else "-"
    kept = f"{progress.kept / progress.judged:.0%}" if progress.judged else "-"
    state = "engine starting" if not progress.replicas else f"{len(progress.replicas)} replicas"
    return (
        f"settled {progress.settled:,}/{progress.prompts:,} prompts  "
        f"drawn {progress.drawn:,} samples (+{progress.in_flight:,} in flight, "
        f"{progress.failed:,} failed)  kept {kept}  {rate}  {state}"
    )
