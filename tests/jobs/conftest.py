"""What a run comes to that nothing happens to."""

from pathlib import Path

import pytest

from tests.conftest import MakeJob
from tests.jobs.faults import digest, run_generate

UNDISTURBED: list[str] = []


@pytest.fixture
def undisturbed(make_job: MakeJob, tmp_path: Path) -> str:
    """The content of a version whose run nothing happened to; drawn once."""
    if not UNDISTURBED:
        job = make_job(store=str(tmp_path / "undisturbed"))
        run_generate(job)
        UNDISTURBED.append(digest(job))
    return UNDISTURBED[0]
