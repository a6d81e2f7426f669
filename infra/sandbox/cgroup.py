"""A control group for what one slot runs: its memory and its processes counted together.

Needs the right to make one below where this process stands (root, as a rule, or a delegated
hierarchy); both versions of the kernel's interface are known, and containers have either.
"""

import time
from contextlib import suppress
from pathlib import Path

MOUNTS = Path("/sys/fs/cgroup")
CONTROLLERS = ("memory", "pids")
REMOVE_S = 5.0


class ControlGroup:
    """Limits for the processes that are added, and for all that they start."""

    def __init__(self, folders: list[Path]) -> None:
        self._folders = folders

    def add(self, pid: int) -> None:
        """From now on the process counts, with what it starts from now on."""
        for folder in self._folders:
            (folder / "cgroup.procs").write_text(str(pid))

    def remove(self) -> None:
        """Its processes must have ended; the kernel may need a moment to notice."""
        latest = time.monotonic() + REMOVE_S
        for folder in self._folders:
            while folder.exists():
                try:
                    folder.rmdir()
                except OSError:
                    if time.monotonic() > latest:
                        raise
                    time.sleep(0.005)


def control_group(name: str, memory_bytes: int, processes: int) -> ControlGroup | None:
    """A group of this name; null where none can be had."""
    for make in (_unified, _separate):
        folders: list[Path] = []
        try:
            make(name, folders, memory_bytes, processes)
        except OSError:
            ControlGroup(folders).remove()
        else:
            return ControlGroup(folders)
    return None


def _unified(name: str, folders: list[Path], memory_bytes: int, processes: int) -> None:
    """Version 2: one hierarchy. A group with processes of its own cannot hand controllers down."""
    parent = MOUNTS / _own_path("").lstrip("/")
    if not set(CONTROLLERS) <= set((parent / "cgroup.controllers").read_text().split()):
        raise OSError("memory and pids are not delegated")
    folders.append(parent / name)
    (parent / name).mkdir()
    if not (parent / name / "memory.max").exists():
        (parent / "cgroup.subtree_control").write_text("+memory +pids")
    (parent / name / "memory.max").write_text(str(memory_bytes))
    (parent / name / "memory.swap.max").write_text("0")
    (parent / name / "pids.max").write_text(str(processes))


def _separate(name: str, folders: list[Path], memory_bytes: int, processes: int) -> None:
    """Version 1: a hierarchy for each controller."""
    limits = {"memory": ("memory.limit_in_bytes", memory_bytes), "pids": ("pids.max", processes)}
    for controller in CONTROLLERS:
        folder = MOUNTS / controller / _own_path(controller).lstrip("/") / name
        folders.append(folder)
        folder.mkdir()
        file, most = limits[controller]
        (folder / file).write_text(str(most))


def _own_path(controller: str) -> str:
    """Where this process stands in a hierarchy; of the unified one, if the name is empty."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            # In a namespace of its own, paths may begin above what is mounted.
            return path if (MOUNTS / controller / path.lstrip("/")).exists() else ""
    raise OSError(f"no hierarchy for {controller or 'all controllers'}")


def remove_leftovers(prefix: str) -> None:
    """Groups named `<prefix><pid>-…` of processes that were killed before they could do it."""
    for controller in ("", *CONTROLLERS):
        with suppress(OSError):
            parent = MOUNTS / controller / _own_path(controller).lstrip("/")
            for group in parent.glob(f"{prefix}*-*"):
                pid = group.name.removeprefix(prefix).partition("-")[0]
                if pid.isdigit() and not Path("/proc", pid).exists():
                    group.rmdir()
