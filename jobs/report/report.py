"""What a report shows: counts of the whole, and a selection of the samples with their texts."""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from schemas.manifest import Manifest


@dataclass(frozen=True)
class Report:
    """Facts alone; how they look is the page's."""

    manifest: Manifest
    before: Manifest | None
    """The last version's."""
    scores: pl.DataFrame
    """`column` (a score's, `<scorer>.<field>`), `value` (Float64, rounded to two significant
    digits), `kept` (Boolean), `samples` (Int64): of all judged samples."""
    tokens: Mapping[str, int]
    """Fate -> tokens that were generated for the samples that ended so."""
    teachers: pl.DataFrame
    """Of each teacher with samples of these prompts in the pool, the recipe's own first: `teacher`
    (its name), `teacher_id`, `prompts`, `solved` (prompts with a right sample), `samples`, `kept`,
    `tokens` (Int64)."""
    samples: pl.DataFrame
    """Those that are shown, all of a prompt beside each other: `prompt_id, domain, source, prompt`
    (its messages as one text), `reference, pass_rate` (of its probe), `sample_index, fate` (in the
    funnel's words), `kept, published` (Boolean), `finish_reason, reasoning_tokens, answer_tokens,
    final_answer, reasoning, answer, failure` (why there is no text) and the scores'
    columns (`<scorer>.<field>`). Whatever is not known is null. Texts are whole."""
