"""The samples of a report, packed into its page: an index, and their texts in compressed blocks.

A page has a budget: texts are cut in their middle, to a length that is made smaller until it fits.
"""

import base64
import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from filters.distinct import SIGNATURE

Text = str | list[str | int]
"""Whole, or its beginning, how many characters are left out, and its end."""

BUDGET: Final = 4_300_000
"""Bytes of all blocks, for up to `FULL` samples; a page is half a megabyte more."""
FULL: Final = 2_000
LONGEST: Final = 64_000
SHORTEST: Final = 100
"""Between them is the limit of a text's characters."""
BLOCK: Final = 400_000
"""Characters of a block, of which one prompt may have more: it takes a browser 10 ms."""
TRIED: Final = 32
"""Prompts by which the limit is guessed before all are packed."""
LEVEL: Final = 6
"""Of compression: 9 takes a third longer for a hundredth of the bytes."""
TITLE: Final = 140
SCORE: Final = 300
"""Characters of a score that is a text, such as a program's last line."""
SAMPLE: Final = (
    *("sample_index", "fate", "kept", "published", "finish_reason"),
    *("reasoning_tokens", "answer_tokens", "final_answer", "reasoning", "answer", "failure"),
)
PROMPT: Final = ("prompt_id", "domain", "source", "prompt", "reference", "pass_rate")
SHORTENED: Final = ("final_answer", "reasoning", "answer", "failure")


@dataclass(frozen=True)
class Payload:
    """What goes into the page, all of it safe there."""

    index: str
    """Base64 of compressed JSON: what prompts and samples are found and filtered by."""
    blocks: tuple[str, ...]
    """The same of prompts with their samples, which are inflated when they are looked at."""
    limit: int | None
    """Characters that a text has at most; null where all are whole."""


def payload(samples: pl.DataFrame) -> Payload:
    """Packs `Report.samples`, the same bytes for the same samples."""
    prompts = _by_prompt(samples)
    budget = max(BUDGET, BUDGET * samples.height // FULL)
    limit = _guessed(prompts, budget)
    longest = max((len(text) for text in _texts(prompts)), default=0)
    while True:
        blocks = _blocks(prompts, limit)
        texts = tuple(map(packed, blocks))
        size = sum(map(len, texts))
        if size <= budget or limit == SHORTEST:
            index = packed(_index(prompts, [len(block) for block in blocks]))
            return Payload(index, texts, limit if longest > limit else None)
        limit = max(SHORTEST, int(limit * budget / size * 0.97))


def shortened(text: str, limit: int) -> Text:
    """A text of at most this many characters, without its middle."""
    if len(text) <= limit:
        return text
    head, tail = text[: limit - limit // 2], text[len(text) - limit // 2 :]
    return [head, len(text) - limit, tail]


def packed(value: object) -> str:
    """JSON, compressed, in letters that mean nothing in HTML. The same value gives the same
    letters."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return base64.b64encode(gzip.compress(text.encode(), LEVEL, mtime=0)).decode("ascii")


def unpacked(text: str) -> Any:
    """What was packed."""
    return json.loads(gzip.decompress(base64.b64decode(text)))


Prompt = dict[str, Any]


def _by_prompt(samples: pl.DataFrame) -> list[Prompt]:
    """Prompts with their samples under `samples`, those with their scores."""
    scores = [name for name in samples.columns if "." in name and name != SIGNATURE]
    prompts: dict[str, Prompt] = {}
    for row in samples.iter_rows(named=True):
        own = prompts.setdefault(
            row["prompt_id"], {**{name: row[name] for name in PROMPT}, "samples": []}
        )
        sample = {name: row[name] for name in SAMPLE if row[name] is not None}
        sample["scores"] = {name: _value(row[name]) for name in scores if row[name] is not None}
        own["samples"].append(sample)
    return [*prompts.values()]


def _value(value: Any) -> Any:
    """As JSON has it: neither infinite nor a thing of its own."""
    if isinstance(value, float):
        return value if abs(value) < float("inf") else str(value)
    if isinstance(value, bool | int):
        return value
    text = str(value)
    return text if len(text) <= SCORE else f"{text[:SCORE]}…"


def _texts(prompts: Sequence[Prompt]) -> Iterator[str]:
    for prompt in prompts:
        yield prompt["prompt"] or ""
        for sample in prompt["samples"]:
            yield from (sample[name] for name in SHORTENED if name in sample)


def _guessed(prompts: Sequence[Prompt], budget: int) -> int:
    """The limit with which some of the prompts have their share of the budget."""
    some = prompts[:: max(1, -(-len(prompts) // TRIED))]
    room = budget * len(some) / max(1, len(prompts))
    low, high = SHORTEST, LONGEST
    if _size(some, high) <= room:
        return high
    while high > low * 1.03:
        middle = int((low * high) ** 0.5)
        low, high = (middle, high) if _size(some, middle) <= room else (low, middle)
    return low


def _size(prompts: Sequence[Prompt], limit: int) -> int:
    return sum(len(packed(block)) for block in _blocks(prompts, limit))


def _blocks(prompts: Sequence[Prompt], limit: int) -> list[list[Prompt]]:
    """Prompts with shortened texts, side by side until a block is full."""
    blocks: list[list[Prompt]] = []
    room = 0
    for prompt in prompts:
        short, size = _shortened(prompt, limit)
        if not blocks or room < size:
            blocks.append([])
            room = BLOCK
        blocks[-1].append(short)
        room -= size
    return blocks


def _shortened(prompt: Prompt, limit: int) -> tuple[Prompt, int]:
    size = 0

    def short(text: str | None) -> Text | None:
        nonlocal size
        if text is None:
            return None
        size += min(len(text), limit)
        return shortened(text, limit)

    samples = [
        {name: short(value) if name in SHORTENED else value for name, value in sample.items()}
        for sample in prompt["samples"]
    ]
    texts = {name: short(prompt[name]) for name in ("prompt", "reference")}
    return {**texts, "samples": samples}, size


def _index(prompts: Sequence[Prompt], sizes: Sequence[int]) -> Mapping[str, Any]:
    """By columns. Names that many share stand once, and are then a number."""
    samples = [sample for prompt in prompts for sample in prompt["samples"]]
    fates, fate = _numbered(sample.get("fate", "") for sample in samples)
    domains, domain = _numbered(prompt["domain"] or "" for prompt in prompts)
    sources, source = _numbered(prompt["source"] or "" for prompt in prompts)
    return {
        "fates": fates,
        "domains": domains,
        "sources": sources,
        "blocks": sizes,
        "prompts": {
            "id": [prompt["prompt_id"] for prompt in prompts],
            "domain": domain,
            "source": source,
            "title": [" ".join((p["prompt"] or "")[: 2 * TITLE].split())[:TITLE] for p in prompts],
            "pass_rate": [prompt["pass_rate"] for prompt in prompts],
            "samples": [len(prompt["samples"]) for prompt in prompts],
        },
        "samples": {
            "index": [sample["sample_index"] for sample in samples],
            "fate": fate,
            "kept": [int(sample.get("kept", False)) for sample in samples],
            "published": [int(sample.get("published", False)) for sample in samples],
        },
    }


def _numbered(names: Iterator[str]) -> tuple[list[str], list[int]]:
    known: dict[str, int] = {}
    numbers = [known.setdefault(name, len(known)) for name in names]
    return [*known], numbers
