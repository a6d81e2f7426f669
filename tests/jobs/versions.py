"""Versions of pools without a run, for tests of what changes since then buy again."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from jobs.build import build
from jobs.changed_fields import Change
from jobs.prompt_copy import load_prompts
from jobs.publish import manifest_of
from jobs.recipe import Job
from jobs.regeneration import Regeneration, regeneration
from schemas.manifest import Manifest
from tests.conftest import MakeJob
from tests.pools import drawn, remember, write_pool

ASKED, EACH = 20, 4
WHERE = ("in the first box", "on the second shelf", "behind the door")
Row = dict[str, str]
Make = Callable[..., Job]


def rows(count: int, first: int = 0) -> list[Row]:
    """So many questions in a few words, with their answers."""
    return [
        {"question": f"What is {i} + {i}, {WHERE[i % 3]}?", "answer": str(2 * i)}
        for i in range(first, first + count)
    ]


def write(path: Path, own: Sequence[Row]) -> None:
    """As jsonl."""
    path.write_text("".join(f"{json.dumps(row)}\n" for row in own))


def source(path: Path, **fields: Any) -> dict[str, Any]:
    """One of a recipe's, over such rows."""
    columns = {"prompt": "question", "reference": "answer"}
    return {"path": str(path), "fields": columns, "domain": "math", **fields}


def maker(make_job: MakeJob, path: Path) -> Make:
    """Makes recipes over ASKED prompts in this file; keywords replace their fields."""
    write(path, rows(ASKED))

    def make(**fields: Any) -> Job:
        scorers = {"math": ["math"], "*": ["format"]}
        return make_job(**{"prompts": [source(path)], "scorers": scorers, **fields})

    return make


def sampling(**fields: Any) -> dict[str, Any]:
    """As in `make_job`, but for these fields."""
    return {"max_tokens": 512, **fields}


def fill(job: Job, each: int = EACH) -> None:
    """Samples of all its prompts, as a run leaves them."""
    write_pool(job, [drawn(job, each)])
    remember(job, load_prompts(job))


def built(job: Job) -> Manifest:
    """The manifest of the version that it would publish."""
    return manifest_of(job, build(job, load_prompts(job)), "v0001")


def filled(job: Job) -> Manifest:
    """That of a pool with EACH samples of each prompt."""
    fill(job)
    return built(job)


def now(job: Job, last: Manifest | None) -> Regeneration:
    """What it buys again."""
    return regeneration(job, load_prompts(job), last)


def only(found: Regeneration) -> Change:
    """Its one change."""
    (change,) = found.changes
    return change
