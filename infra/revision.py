"""The digest of the code that runs, so that no actor works with another's."""

import hashlib
from functools import cache
from pathlib import Path

from schemas.errors import RunError

PACKAGES = ("schemas", "filters", "infra", "jobs")


@cache
def code_digest() -> str:
    """SHA-256 over the sources of the four packages."""
    root = Path(__file__).parent.parent
    digest = hashlib.sha256()
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            digest.update(f"{path.relative_to(root)}\0".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return f"code1_{digest.hexdigest()[:32]}"


def assert_same_code(expected: str) -> None:
    """RunError if this process does not run the driver's code."""
    if code_digest() != expected:
        raise RunError(
            f"this node runs other code ({code_digest()}) than the driver ({expected}): "
            "ship the working directory with the job, or rebuild the image"
        )
