"""Evaluation sets: the questions that should be in no training data."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import PurePath

from filters.scorer import Questions
from infra.rows import file_digests, read_rows
from jobs.prompts import check_text
from schemas.errors import RecipeError
from schemas.recipe import EvaluationSet

Files = tuple[tuple[str, str], ...]
"""And the digest of each."""


def evaluation_questions(sets: Sequence[EvaluationSet]) -> Questions:
    """The texts of all questions, by set; read once in a process, as long as the files are the
    same. RecipeError where a set is not what it is said to be."""
    return _read(tuple((one, _files(one.path)) for one in sets))


def _files(path: str) -> Files:
    try:
        return tuple(file_digests(path))
    except OSError as error:
        raise RecipeError(f"{path}: cannot be read: {error}") from error


@lru_cache(maxsize=1)
def _read(sets: tuple[tuple[EvaluationSet, Files], ...]) -> Questions:
    found: dict[str, list[str]] = {}
    for evaluation, files in sets:
        own = [pair for file, _ in files for pair in _questions(evaluation, file)]
        if not any(text.strip() for _, text in own):
            raise RecipeError(f"decontaminate: {evaluation.path}: there is no question in it")
        for name, text in own:
            found.setdefault(name, []).append(text)
    return found


def _questions(evaluation: EvaluationSet, file: str) -> Iterator[tuple[str, str]]:
    """The set and the text of each question."""
    for row in read_rows(file):
        text = row.values.get(evaluation.field)
        if not isinstance(text, str):
            raise RecipeError(
                f"{row.where}: has no text in the field {evaluation.field!r}; it has "
                f"{', '.join(map(str, row.values))}. See decontaminate[].field in the recipe "
                "(annotate: --evaluation PATH:FIELD)"
            )
        check_text(text, row)
        yield evaluation.name or PurePath(file).stem, text
