"""Runs a command as an ordinary user: `python ordinary_user.py FOLDER… -- COMMAND…`, as root.

The folders stay readable for it even where their parents are root's alone, in mounts that only
this process and its children see.
"""

import ctypes
import os
import sys
from pathlib import Path

UID = 12_345
CLONE_NEWNS = 0x00020000
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18

libc = ctypes.CDLL(None, use_errno=True)


def mount(source: str, target: Path, flags: int, kind: str = "") -> None:
    done = libc.mount(source.encode(), bytes(target), kind.encode() or None, flags, b"")
    assert done == 0, os.strerror(ctypes.get_errno())


def closed_parent(folder: Path) -> Path | None:
    """The first folder on the way that others may not pass."""
    for parent in reversed(folder.parents):
        if not parent.stat().st_mode & 0o001:
            return parent
    return None


def open_the_way(folders: list[Path]) -> None:
    assert libc.unshare(CLONE_NEWNS) == 0
    mount("none", Path("/"), MS_REC | MS_PRIVATE)
    closed = {folder: closed_parent(folder) for folder in folders}
    held = {folder: os.open(folder, os.O_PATH) for folder, parent in closed.items() if parent}
    for parent in {parent for parent in closed.values() if parent}:
        mount("tmpfs", parent, 0, "tmpfs")
        parent.chmod(0o755)
    for folder, descriptor in held.items():
        folder.mkdir(parents=True, exist_ok=True)
        mount(f"/proc/self/fd/{descriptor}", folder, MS_BIND | MS_REC)


if __name__ == "__main__":
    split = sys.argv.index("--")
    open_the_way([Path(folder) for folder in sys.argv[1:split]])
    os.setgroups([])
    os.setresgid(UID, UID, UID)
    os.setresuid(UID, UID, UID)
    os.environ["HOME"] = "/nonexistent"
    command = sys.argv[split + 1 :]
    os.execv(command[0], command)
