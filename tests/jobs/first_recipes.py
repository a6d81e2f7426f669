"""Prompt files, and the recipes that `init` writes for them."""

import json
from pathlib import Path
from typing import Any

from jobs.init import init
from jobs.recipe import Job, load_job

Rows = list[dict[str, Any]]
GSM8K = [{"question": f"Tom has {n} pens?", "answer": f"He counts.\n#### {n}"} for n in range(9)]


def write(path: Path, rows: Rows) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def init_job(prompts: Path | str, **more: Any) -> tuple[Job, dict[str, Any], str]:
    """The recipe as a job, what `init` tells programs, and the recipe's text."""
    target = more.pop("output", str(Path(prompts).with_name("recipe.yaml")))
    _, told = init(str(prompts), output=target, **more)
    return load_job(target), told, Path(target).read_text()
