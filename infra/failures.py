"""When too many samples fail for one reason, going on is a waste: the run stops and says so."""

from collections import Counter, defaultdict

from schemas.errors import RunError

SAMPLES_AT_LEAST = 20
PROMPTS_AT_LEAST = 5
"""Fewer failed samples, or of fewer prompts, never stop a run: one bad prompt costs itself alone,
and three of a pilot's ten samples are no proof."""


class Failures:
    """Failed samples by reason."""

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._samples: Counter[str] = Counter()
        self._prompts: defaultdict[str, set[int]] = defaultdict(set)

    def add(self, reason: str, prompt: int) -> None:
        """One more."""
        self._samples[reason] += 1
        if len(self._prompts[reason]) < PROMPTS_AT_LEAST:
            self._prompts[reason].add(prompt)

    def too_many(self, drawn: int) -> RunError | None:
        """Why the run has to stop, of so many samples that were drawn; null if it has not."""
        for reason, count in self._samples.items():
            enough = count >= SAMPLES_AT_LEAST and len(self._prompts[reason]) >= PROMPTS_AT_LEAST
            if enough and count > drawn * self._limit:
                return RunError(
                    f"{count:,} of {drawn:,} samples failed for one reason, {reason}: more than "
                    f"max_failed ({self._limit:.0%}). They are stored with what the engine said "
                    f"(stillhouse peek). When the cause is mended, --retry-failed {reason} draws "
                    "them again; a greater max_failed goes on as it is"
                )
        return None
