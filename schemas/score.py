"""A score: what one scorer says of one sample and its reference."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

TRUE, FALSE, UNPARSABLE, TIMEOUT = "true", "false", "unparsable", "timeout"
VERDICTS = (TRUE, FALSE, UNPARSABLE, TIMEOUT)

FieldValue = bool | int | float | str | None


@dataclass(frozen=True, slots=True)
class Score:
    """A scorer's result. `could not score` is a null with a reason, never a zero."""

    values: Mapping[str, FieldValue] = field(default_factory=dict)
    """Every field that the scorer declares, by name."""
    verdict: str | None = None
    """Of a verifying scorer: one of `VERDICTS`, or null where it does not apply."""
    reason: str | None = None
    """Null, or a snake_case code that says what is wrong."""
    evidence: str | None = None
    """What the verdict rests on, such as the extracted answer."""


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """One row of the scores table, keyed by all its identities."""

    prompt_id: str
    teacher_id: str
    sample_index: int
    text_digest: str
    reference_id: str
    scorer_id: str
    scorer: str
    verdict: str | None
    reason: str | None
    evidence: str | None
    values: str
    """JSON object of the scorer's declared fields."""

    @classmethod
    def of(cls, score: Score, *, scorer: str, scorer_id: str, **key: Any) -> "ScoreRow":
        """The row of `score` for the sample whose key fields are given."""
        return cls(
            **key,
            scorer=scorer,
            scorer_id=scorer_id,
            verdict=score.verdict,
            reason=score.reason,
            evidence=_encodable(score.evidence),
            values=json.dumps(dict(score.values), allow_nan=False),
        )

    def to_row(self) -> dict[str, Any]:
        """The row of the scores table."""
        return {name: getattr(self, name) for name in self.__slots__}


def _encodable(text: str | None) -> str | None:
    """Half a surrogate, as programs and models write it, is no text to anybody else."""
    return None if text is None else text.encode("utf-8", "replace").decode()
