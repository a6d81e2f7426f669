"""A command that is given a text, and outlives neither its time nor its end."""

import contextlib
import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from typing import IO

KEPT_BYTES = 4096
"""Of what it prints, so much of the end is remembered, however much it is."""
DRAIN_SECONDS = 1.0


def run_command(command: Sequence[str], text: str, timeout_seconds: float) -> str | None:
    """Runs a program without a shell with `text` as its standard input, and kills what is left of
    its process group. Null if it exits with 0, else what went wrong with the last line of what it
    printed, which goes nowhere else. What left the group, as a daemon does, lives on."""
    # A file and no pipe: a command that never reads would block the one who writes.
    with tempfile.TemporaryFile() as stdin:
        stdin.write(text.encode())
        stdin.seek(0)
        try:
            process = subprocess.Popen(
                command,
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            return f"cannot be started: {error}"
    try:
        printed = _Printed(process.stdout)
        exit_code: int | None = process.wait(timeout_seconds)
    except subprocess.TimeoutExpired:
        exit_code = None
    finally:
        _kill_group(process)
    return None if exit_code == 0 else _ended(exit_code, timeout_seconds) + printed.last_line()


def _ended(exit_code: int | None, timeout_seconds: float) -> str:
    if exit_code is None:
        return f"was killed after {timeout_seconds:g} s"
    return f"exited with {exit_code}" if exit_code > 0 else f"was killed by signal {-exit_code}"


class _Printed:
    """The end of what a process prints, read by a thread so that it is never blocked."""

    def __init__(self, pipe: IO[bytes] | None) -> None:
        assert pipe is not None
        self._pipe = pipe
        self._end = b""
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        with self._pipe:
            while chunk := os.read(self._pipe.fileno(), 1 << 16):
                self._end = (self._end + chunk)[-KEPT_BYTES:]

    def last_line(self) -> str:
        """`: ` and the last line that is not blank, or nothing; when the group was killed."""
        # What has left the group may hold the pipe open for ever.
        self._thread.join(DRAIN_SECONDS)
        lines = self._end.decode(errors="replace").split("\n")
        last = next((line.strip() for line in reversed(lines) if line.strip()), "")
        return f": {last}" if last else ""


def _kill_group(process: "subprocess.Popen[bytes]") -> None:
    # Also after the command's own end, for what it has started. The group keeps its number as long
    # as one of it lives.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
