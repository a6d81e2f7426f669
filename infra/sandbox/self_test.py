"""Attacks that every sandbox must hold before it is trusted with anything."""

import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from infra.sandbox.slot import Slot
from schemas.errors import SandboxError
from schemas.ports import ProgramLimits, ProgramTest

ATTACKS = r"""
import ctypes, os, signal, sys

libc = ctypes.CDLL(None, use_errno=True)
secret_file = sys.stdin.read()
escapes = []

def attack(name, do):
    try:
        if do():
            escapes.append(name)
    except Exception:
        pass

def writes(path):
    with open(path + "/stillhouse", "w") as file:
        file.write("x")
    return True

def connects():
    import socket
    return bool(socket.socket())

def forks():
    children = 0
    while children < 200:
        if os.fork() == 0:
            signal.pause()
        children += 1
    return True

attack("it reads files outside", lambda: open(secret_file).read())
attack("it lists what lies outside", lambda: os.listdir(os.path.dirname(secret_file) + "/.."))
for place in ("/usr", "/dev", "/dev/shm", "/proc/sys/kernel"):
    attack("it writes in " + place, lambda: writes(place))
attack("it sees processes outside", lambda: sum(name.isdigit() for name in os.listdir("/proc")) > 2)
attack("it opens sockets", connects)
attack("it makes user namespaces", lambda: libc.unshare(0x10000000) == 0)
attack("it mounts", lambda: libc.mount(b"none", b"/tmp", b"tmpfs", 0, None) == 0)
attack("it has files that count nowhere", lambda: os.memfd_create("x"))
attack("it traces", lambda: libc.ptrace(0x4206, 1, 0, 0) == 0)
attack("it is root", lambda: os.setuid(0) is None)
attack("it has capabilities", lambda: int(
    [l for l in open("/proc/self/status") if l.startswith("CapEff")][0].split()[1], 16))
attack("it has as much memory as it wants", lambda: bytearray(1 << 30))
attack("it has as many processes as it wants", forks)
print(";".join(escapes))
"""


def assert_held(slot: Slot) -> None:
    """SandboxError that names what got out."""
    with _bait() as secret:
        [run] = slot.run(ATTACKS, [ProgramTest(stdin=secret.encode())], ProgramLimits())
    escapes = run.stdout.decode(errors="replace").strip()
    if run.how != "ended" or run.status != 0:
        complaint = run.stderr.decode(errors="replace").strip()
        raise SandboxError(f"sandbox: its self-test {run.how} ({run.status}): {complaint}")
    if escapes:
        raise SandboxError(f"sandbox: its self-test got out: {escapes}")


@contextmanager
def _bait() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="stillhouse-") as folder:
        path = os.path.join(folder, "secret")
        with open(path, "w") as file:
            file.write(secrets.token_hex())
        os.chmod(path, 0o644)
        os.chmod(folder, 0o755)
        yield path
