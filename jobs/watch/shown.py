"""The few newest samples with their texts, each read once."""

from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa

from infra.rewriting import rows_at
from jobs.watch.prompt_index import PromptIndex
from schemas.errors import StoreError, StoreUnavailableError

TEXT_SHOWN = 20_000
"""Characters of a text; a page is polled every few seconds."""
TEXTS = ("prompt_id", "reasoning", "answer", "failure_detail")
FACTS = ("sample_index", "replica", "finish_reason", "thinking_cut", "domain", "source")
TOKENS = ("reasoning_tokens", "answer_tokens")
Row = Mapping[str, Any]


class Shown:
    """Remembers the samples that it was last asked for."""

    def __init__(self, index: PromptIndex, scorers: Iterable[str]) -> None:
        self._index = index
        self._scorers = set(scorers)
        self._known: dict[tuple[str, int], dict[str, Any]] = {}

    def of(self, newest: Mapping[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
        """The rows of a tally with prompts and texts. What cannot be read is left out."""
        known: dict[tuple[str, int], dict[str, Any]] = {}
        found: dict[str, list[dict[str, Any]]] = {}
        for name, rows in newest.items():
            found[name] = []
            for row in rows:
                place = (str(row["path"]), int(row["row"]))
                sample = self._known.get(place) or self._read(row)
                if sample is not None:
                    known[place] = sample
                    found[name].append(sample)
        self._known = known
        return found

    def _read(self, row: Row) -> dict[str, Any] | None:
        try:
            (table,) = rows_at(str(row["path"]), {int(row["row"])}, TEXTS)
            texts = table.to_pylist()[0]
            prompt = self._prompt(row)
        except StoreUnavailableError:
            raise
        except (OSError, ValueError, pa.ArrowException, StoreError):
            return None  # gone or torn since it was counted; the next one will do
        scores = {
            column: value
            for column, value in row.items()
            if column.split(".")[0] in self._scorers and value is not None
        }
        return {
            "prompt_id": texts["prompt_id"],
            **{name: row.get(name) for name in (*FACTS, *TOKENS)},
            "kept": row["reason"] is None,
            "fate": row["reason"] or "kept",
            "final_answer": row.get("final_answer"),
            "scores": scores,
            "prompt": _cut("\n\n".join(m["content"] for m in prompt["messages"])),
            "reference": _cut(prompt["reference"]),
            "reasoning": _cut(texts["reasoning"]),
            "answer": _cut(texts["answer"]),
            "failure": _cut(texts["failure_detail"]),
        }

    def _prompt(self, row: Row) -> dict[str, Any]:
        if row.get("prompt_file") is None:
            return {"messages": [], "reference": None}
        return self._index.text(str(row["prompt_file"]), int(row["prompt_row"]))


def _cut(text: str | None) -> str | list[str | int] | None:
    """Without the blank space around it; a long one as its beginning, how many characters are left
    out, and its end."""
    text = text and text.strip()
    if text is None or len(text) <= TEXT_SHOWN:
        return text
    half = TEXT_SHOWN // 2
    return [text[:half], len(text) - 2 * half, text[-half:]]
