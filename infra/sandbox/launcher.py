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
import subprocess
import time
from pathlib import Path
from typing import IO, Any

Message = dict[str, Any]
Process = subprocess.Popen[bytes]

PR_SET_CHILD_SUBREAPER = 36
CLONE_NEWNS = 0x00020000
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
ROOT = "/tmp"
"""Of what the other user may read; a file system of this process alone."""

CHILDREN = Path(f"/proc/self/task/{os.getpid()}/children")

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
    for descriptor in files:
        os.lseek(descriptor, 0, os.SEEK_SET)
    user = settings["uid"]
    other = {} if user is None else {"user": user, "group": user, "extra_groups": []}
    seccomp, runner = map(str, files)
    process = subprocess.Popen(
        [part.format(seccomp=seccomp, runner=runner) for part in settings["command"]],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=files,
        env={},
        cwd="/",
        **other,
    )
    with process:
        how, report, errors = _converse(process, request)
        process.kill()
    _reap()
    return {"how": how, "report": report, "errors": errors, "status": process.returncode}


def _converse(process: Process, request: Message) -> tuple[str, bytes, bytes]:
    """Gives it the job and takes its report: how it ended, the report and its complaints."""
    assert process.stdin
    assert process.stdout
    assert process.stderr
    to, out, err = process.stdin, process.stdout.fileno(), process.stderr.fileno()
    os.set_blocking(to.fileno(), False)
    job = memoryview(request["job"])
    received = {out: bytearray(), err: bytearray()}
    is_open, latest, how = {out, err}, time.monotonic() + request["wall_s"], "ended"
    while is_open:
        left = latest - time.monotonic()
        most = sum(map(len, received.values()))
        if left <= 0 or most > request["report_bytes"]:
            how = "late" if left <= 0 else "flood"
            break
        readable, writable, _ = select.select([*is_open, 0], [to] if job else [], [], left)
        if 0 in readable:  # whoever asked is gone: nobody sends two requests at once
            os._exit(1)
        if writable:
            job = _written(to, job)
        for stream in is_open.intersection(readable):
            if part := os.read(stream, 1 << 16):
                received[stream] += part
            else:
                is_open.remove(stream)
    return how, bytes(received[out]), bytes(received[err][-4096:])


def _written(stream: IO[bytes], job: memoryview) -> memoryview:
    try:
        job = job[os.write(stream.fileno(), job[: 1 << 16]) :]
    except BrokenPipeError:
        job = job[:0]
    if not job:
        stream.close()
    return job


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
