"""Starts sandboxes one after the other: a small process with one thread, as a script of its own.

Whoever wants programs run has threads, much memory and secrets. This process has none of them: it
may do things between fork and exec, it stands in the control group that its programs share, and it
can be killed with all that it has started. Requests come on descriptor 0, answers go out on 1.
"""

import ctypes
import marshal
import os
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Any

Message = dict[str, Any]
Running = subprocess.Popen[bytes]

PR_SET_CHILD_SUBREAPER = 36
CLONE_NEWNS = 0x00020000
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
ROOT = "/tmp"
"""Of what the other user may read; a file system of this process alone."""

CHILDREN = Path(f"/proc/self/task/{os.getpid()}/children")

ALONE_S = 2.0
"""For the rest of one whose other one has ended."""
PASSED_ON = 60
"""Descriptor of a channel, as the runner knows it."""

libc = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    settings = _receive()
    assert settings is not None
    _must(libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
    if settings["uid"] is not None:
        _own_mounts(settings["mounts"], settings["copies"])
    files = [_in_memory(settings[name]) for name in ("seccomp", "runner")]
    _send({"ready": True})
    while (request := _receive()) is not None:
        _send(_run(request, settings, files))


def _in_memory(content: bytes) -> int:
    descriptor = os.memfd_create("stillhouse", 0)
    os.write(descriptor, content)
    return descriptor


def _own_mounts(mounts: list[tuple[str, str]], copies: list[tuple[str, str]]) -> None:
    """Interpreters may lie where the other user cannot go, as in root's home."""
    _must(libc.unshare(CLONE_NEWNS))
    _mount("none", "/", MS_REC | MS_PRIVATE)
    held = [(os.open(source, os.O_PATH), target) for source, target in mounts]
    files = [(Path(source).read_bytes(), target) for source, target in copies]
    _mount("tmpfs", ROOT, 0, "tmpfs", "mode=755,size=32m")
    for descriptor, target in held:
        os.makedirs(target)
        _mount(f"/proc/self/fd/{descriptor}", target, MS_BIND | MS_REC)
        os.close(descriptor)
    for content, target in files:
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        Path(target).write_bytes(content)
        Path(target).chmod(0o755)
    os.chdir("/")


def _mount(source: str, target: str, flags: int, kind: str = "", data: str = "") -> None:
    texts = [text.encode() or None for text in (source, target, kind, data)]
    _must(libc.mount(*texts[:3], ctypes.c_ulong(flags), texts[3]))


def _must(result: int) -> None:
    if result != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


def _run(request: Message, settings: Message, files: list[int]) -> Message:
    """Its jobs at the same time, each in a sandbox; of two, each has an end of a channel."""
    jobs = request["jobs"]
    channel = socket.socketpair() if len(jobs) > 1 else (None,)
    processes = [
        _Process(_start(settings, files, end), memoryview(job))
        for job, end in zip(jobs, channel, strict=True)
    ]
    for end in channel:
        if end is not None:
            end.close()
    how = _converse(processes, request)
    for process in processes:
        process.end()
    _reap()
    received = [
        {"report": bytes(process.report), "errors": bytes(process.errors[-4096:])}
        for process in processes
    ]
    return {"how": how, "received": received}


def _start(settings: Message, files: list[int], channel: socket.socket | None) -> Running:
    # Of its own, with a position of its own: two that start at once would read from one.
    own = [os.open(f"/proc/self/fd/{descriptor}", os.O_RDONLY) for descriptor in files]
    user = settings["uid"]
    other = {} if user is None else {"user": user, "group": user, "extra_groups": []}
    seccomp, runner = map(str, own)
    passed = [os.dup2(channel.fileno(), PASSED_ON)] if channel else []
    running = subprocess.Popen(
        [part.format(seccomp=seccomp, runner=runner) for part in settings["command"]],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=[*own, *passed],
        env={},
        cwd="/",
        **other,
    )
    for descriptor in [*own, *passed]:
        os.close(descriptor)
    return running


class _Process:
    """The first one of a sandbox, which is given a job and reports."""

    def __init__(self, running: Running, job: memoryview) -> None:
        assert running.stdin
        assert running.stdout
        assert running.stderr
        self._running, self._job = running, job
        self.to, self.out, self.err = running.stdin, running.stdout, running.stderr
        self.report, self.errors = bytearray(), bytearray()
        self.waits_for_job = True
        self.is_open: set[IO[bytes]] = {self.out, self.err}
        os.set_blocking(self.to.fileno(), False)

    def give(self) -> None:
        try:
            self._job = self._job[os.write(self.to.fileno(), self._job[: 1 << 16]) :]
        except BrokenPipeError:
            self._job = self._job[:0]
        if not self._job:
            self.waits_for_job = False
            self.to.close()

    def take(self, stream: IO[bytes]) -> None:
        part = os.read(stream.fileno(), 1 << 16)
        received = self.report if stream is self.out else self.errors
        received += part
        if not part:
            self.is_open.remove(stream)

    def end(self) -> None:
        self._running.kill()
        with self._running:
            return


def _converse(processes: list[_Process], request: Message) -> str:
    """Gives them their jobs and takes their reports: how it ended."""
    latest, stdin = time.monotonic() + request["wall_s"], sys.stdin.buffer
    while readers := {stream: process for process in processes for stream in process.is_open}:
        if len({*readers.values()}) < len(processes):  # one is gone: nobody answers the other
            latest = min(latest, time.monotonic() + ALONE_S)
            processes = [*readers.values()]
        left = latest - time.monotonic()
        if left <= 0:
            return "late"
        if any(len(one.report) + len(one.errors) > request["report_bytes"] for one in processes):
            return "flood"
        writers = {process.to: process for process in processes if process.waits_for_job}
        readable, writable, _ = select.select([*readers, stdin], [*writers], [], left)
        if stdin in readable:  # whoever asked is gone: nobody sends two requests at once
            os._exit(1)
        for stream in writable:
            writers[stream].give()
        for stream in readers.keys() & set(readable):
            readers[stream].take(stream)
    return "ended"


def _reap() -> None:
    """All processes of the sandbox: only when its first one is gone are the others too. It may
    have made itself deaf to the end of its parent, as whoever writes into its memory can."""
    while True:
        for pid in CHILDREN.read_text().split():
            os.kill(int(pid), signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _receive() -> Message | None:
    header = _exactly(8)
    return marshal.loads(_exactly(int.from_bytes(header, "big"))) if header else None


def _exactly(size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        part = os.read(0, min(size - len(data), 1 << 20))
        if not part:
            return b""
        data += part
    return bytes(data)


def _send(message: Message) -> None:
    data = marshal.dumps(message)
    view = memoryview(len(data).to_bytes(8, "big") + data)
    while view:
        view = view[os.write(1, view) :]


if __name__ == "__main__":
    main()
