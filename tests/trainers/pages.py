"""What pages of the documentation tell their readers to run."""

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.conftest import ROOT


def snippets(page: str) -> list[str]:
    """The Python of a page in `docs/`, fence by fence."""
    return re.findall(r"^```python\n(.*?)^```$", (ROOT / "docs" / page).read_text(), re.M | re.S)


def run(parts: Sequence[str], folder: Path) -> str:
    """What Python says that runs the parts one after another in a process of its own, as a reader
    in `folder` does who has Stillhouse installed."""
    script = folder / "as_documented.py"
    script.write_text("\n\n".join(parts))
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "HF_DATASETS_CACHE": str(folder / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
