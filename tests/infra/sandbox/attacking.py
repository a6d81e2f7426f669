"""Makes all attacks, in a sandbox or without: `python -m tests.infra.sandbox.attacking bubblewrap`.

What got through comes as JSON: by the attack's name whether it escaped, and how its run ended.
"""

import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from infra.sandbox.bubblewrap import Bubblewrap
from schemas.ports import ProgramLimits, ProgramTest
from tests.infra.sandbox.attacks import ATTACKS, Attack

LIMITS = ProgramLimits(cpu_s=0.5)
SECRET = "STILLHOUSE_SECRET"
Host = dict[str, Any]
Run = Callable[[str, bytes], tuple[bytes, str]]
"""A program and its stdin: what it wrote, and how it ended."""


@dataclass
class Made:
    """What came of an attack."""

    escaped: bool
    how: str


@contextmanager
def attacked_host() -> Iterator[Host]:
    """Something of every kind that a program could reach for."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="stillhouse-")))
        folder.chmod(0o777)
        secret = folder / "secret"
        secret.write_text(secrets.token_hex())
        secret.chmod(0o644)
        tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=50))
        udp = stack.enter_context(socket.socket(type=socket.SOCK_DGRAM))
        udp.bind(("127.0.0.1", 0))
        abstract = stack.enter_context(socket.socket(socket.AF_UNIX))
        abstract.bind(f"\0stillhouse-{os.getpid()}")
        abstract.listen(50)
        path = stack.enter_context(socket.socket(socket.AF_UNIX))
        path.bind(str(folder / "socket"))
        path.listen(50)
        yield {
            "secret": str(secret),
            "folder": str(folder),
            "port": tcp.getsockname()[1],
            "datagrams": udp.getsockname()[1],
            "abstract": f"stillhouse-{os.getpid()}",
            "path": str(folder / "socket"),
        }


@contextmanager
def victim() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["/bin/sleep", "60"])
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def plainly(program: str, stdin: bytes) -> tuple[bytes, str]:
    ran = subprocess.run(
        [sys.executable, "-c", program], input=stdin, capture_output=True, timeout=60, check=False
    )
    return ran.stdout + ran.stderr, str(ran.returncode)


def sandboxed(sandbox: Bubblewrap) -> Run:
    def run(program: str, stdin: bytes) -> tuple[bytes, str]:
        [run] = sandbox.run(program, [ProgramTest(stdin)], LIMITS)
        return run.stdout + run.stderr, f"{run.how} {run.status} {run.stderr[-200:]!r}"

    return run


def make(attack: Attack, host: Host, run: Run) -> Made:
    marker = f"{secrets.randbelow(10**6) + 1000}.{secrets.randbelow(10**9):09}"
    with victim() as process:
        aim = host | {"victim": process.pid, "marker": marker}
        output, how = run(attack.program, json.dumps(aim).encode())
        hurt = process.poll() is not None
    return Made(b"ESCAPED" in output or hurt or stays(marker), how)


def stays(marker: str) -> bool:
    """Whether a process of that name is still there; it is then ended."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if marker.encode() in path.read_bytes():
                os.kill(int(path.parent.name), 9)
                return True
        except (FileNotFoundError, ProcessLookupError):
            continue
    return False


def main() -> None:
    os.environ[SECRET] = "found"
    isolation = "none"
    with attacked_host() as host, ExitStack() as stack:
        run: Run = plainly
        if sys.argv[1] == "bubblewrap":
            sandbox = Bubblewrap()
            stack.callback(sandbox.close)
            isolation, run = sandbox.isolation, sandboxed(sandbox)
        made = {attack.name: asdict(make(attack, host, run)) for attack in ATTACKS}
    sys.stdout.write(json.dumps({"isolation": isolation, "made": made}))


if __name__ == "__main__":
    main()
