"""Which column of a prompt file is the prompt, and which one a verifier can compare with."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from filters.code_answer import BAD_TESTS
from filters.conventions import BRACKETED_CHOICE, CHOICE
from filters.math_answer import GSM8K_MARK, MathScorer
from filters.math_text import normal
from filters.programs.suite import read_suite
from infra.rows import Row
from jobs.plain import one_line
from jobs.prompts import check_text, prompt_messages, reference_text
from schemas.errors import RecipeError
from schemas.recipe import PromptSource

PROMPT_NAMES: Final = (
    "prompt", "question", "problem", "instruction", "query", "input", "problem_statement",
    "question_content", "task", "description", "messages", "conversations", "text",
)  # fmt: skip
REFERENCE_NAMES: Final = (
    "reference", "reference_answer", "ground_truth", "final_answer", "expected_answer",
    "gold_answer", "correct_answer", "gold", "answer", "answer_key", "answerkey", "target",
    "tests", "test_cases", "test_list", "input_output", "public_test_cases", "private_test_cases",
    "test", "solution", "solutions", "expected_output", "output", "response", "completion",
)  # fmt: skip
"""The likeliest first. Names are compared in small letters, with `_` for what is no letter."""
NUMBERS: Final = "numbers or formulas"
LETTER: Final = "letters of a choice"
WORDS: Final = "words"
TESTS: Final = "suites of tests"
TASK: Final = "tasks of reasoning-gym"
PROSE: Final = "longer texts"
STRUCTURE: Final = "lists or objects"
COMPARABLE: Final = {NUMBERS, LETTER, WORDS}
TASK_KEYS: Final = {"task", "module", "entry"}
"""Of what `stillhouse procedural` writes."""
STARTS_CHAT: Final = re.compile(r'\s*\[\s*\{\s*"(?:role|content|from|value)"\s*:')
FORMULA: Final = re.compile(r"\d|\\[a-zA-Z]|[=^<>+*/]| - ")
LONGEST: Final = 200
"""Characters of a reference that answers are compared with; what is longer tells how it came
about."""
MOST_WORDS: Final = 10
ALL_BUT_SOME, MOST, SOME = 0.95, 0.8, 0.2
SHOWN: Final = 20
"""Names of columns in a message."""
AS_IT_IS: Final = PromptSource(path="")


@dataclass(frozen=True)
class Reference:
    """The column that answers are compared with."""

    column: str
    kind: str
    """`NUMBERS`, `LETTER`, `WORDS`, `TESTS` or `TASK`: what most of its values are."""
    why: str
    """And what its values are."""
    lacking: int
    """Rows without one."""


@dataclass(frozen=True)
class Columns:
    """What was found in the rows."""

    names: Sequence[str]
    """All there are."""
    prompt: str
    why: str
    reference: Reference | None
    notes: Sequence[str]
    """What a person should know of the other columns."""


def find_columns(
    rows: Sequence[Row], prompt: str | None = None, reference: str | None = None
) -> Columns:
    """Looks at names and values; `prompt` and `reference` are columns that a person named.

    RecipeError where no column can be told to be the prompt, with those that there are, and what
    the reader of prompts says of a row that it would refuse.
    """
    names = list(dict.fromkeys(name for row in rows for name in row.values))
    for option, name in (("--prompt-column", prompt), ("--reference-column", reference)):
        if name is not None and name not in names:
            raise RecipeError(f"{option} {name}: there is no such column; {_listed(names)}")
    if reference is not None and reference == prompt:
        raise RecipeError(f"--reference-column {reference}: is the prompt already")
    found, why = (prompt, "named by you") if prompt else _prompt_among(names, rows, reference)
    for row in rows:
        assert_prompt(found, row)
    others = [name for name in names if name != found]
    notes: list[str] = []
    if reference is None:
        chosen = _reference_among(others, rows, notes)
    else:
        chosen = _named_reference(reference, rows)
    left = [name for name in others if chosen is None or name != chosen.column]
    notes += _notes(left, rows, has_reference=chosen is not None)
    return Columns(names, found, why, chosen, notes)


def assert_prompt(column: str, row: Row) -> None:
    """RecipeError where the row's value is no prompt: what the reader says, and what else nobody
    means by one."""
    if column not in row.values:
        raise RecipeError(
            f"{row.where}: has no field {column!r}, as other rows have; every row needs a prompt"
        )
    value = row.values[column]
    if isinstance(value, str) and STARTS_CHAT.match(value):
        raise RecipeError(
            f"{row.where}: {one_line(column)} is a chat that was written as a text; a list of "
            "messages, each with role and content, is one (as jsonl and parquet have them)"
        )
    prompt_messages(value, AS_IT_IS, row)


def prompt_text(column: str, row: Row) -> str:
    """What the user says last."""
    return prompt_messages(row.values[column], AS_IT_IS, row)[-1]["content"]


def _prompt_among(
    names: Sequence[str], rows: Sequence[Row], reference: str | None
) -> tuple[str, str]:
    """The likeliest column, and why."""
    names = [name for name in names if name != reference]
    refused: dict[str, str] = {}
    for name in _by_name(names, PROMPT_NAMES):
        wrong = list(_refusals(name, rows))
        if len(wrong) <= len(rows) / 2:
            return name, "by its name"
        refused[name] = wrong[0]
    sentences = [
        name
        for name in names
        if name not in refused
        and _plain_name(name) not in REFERENCE_NAMES
        and not _is_marked(name, rows)
        and not any(_refusals(name, rows))
        and sum(" " in prompt_text(name, row).strip() for row in rows) > len(rows) * MOST
    ]
    if len(sentences) == 1:
        return sentences[0], "the only column of sentences or chats"
    told = [f"{_shown(name)} is not: {reason}" for name, reason in refused.items()]
    told += [f"{', '.join(map(_shown, sentences))} may all be"] if sentences else []
    raise RecipeError(
        f"no column is surely the prompt ({'; '.join(told) or 'none has sentences or chats'}). "
        f"{_listed(names)}; --prompt-column names one, whatever it is called"
    )


def _refusals(column: str, rows: Sequence[Row]) -> Iterator[str]:
    for row in rows:
        try:
            assert_prompt(column, row)
        except RecipeError as error:
            yield str(error)


def _reference_among(
    names: Sequence[str], rows: Sequence[Row], notes: list[str]
) -> Reference | None:
    """The likeliest column that can be compared with; `notes` gets why those before it cannot."""
    for name in _by_name(names, REFERENCE_NAMES):
        kinds = _kinds(name, rows)
        if kind := _usual(kinds):
            return _reference(name, kind, kinds, "by its name", rows)
        if kinds:
            notes.append(f"{_shown(name)} is no reference: {_unusable(kinds)}")
    for name in names:
        if _is_marked(name, rows) and (kind := _usual(kinds := _kinds(name, rows))):
            return _reference(name, kind, kinds, "by what is in it", rows)
    return None


def _named_reference(column: str, rows: Sequence[Row]) -> Reference:
    kinds = _kinds(column, rows)
    kind = _usual(kinds)
    if kind is None:
        raise RecipeError(
            f"--reference-column {column}: nothing can compare answers with it: "
            + (_unusable(kinds) if kinds else "it is empty")
        )
    return _reference(column, kind, kinds, "named by you", rows)


def _reference(
    column: str, kind: str, kinds: Counter[str], why: str, rows: Sequence[Row]
) -> Reference:
    for row in rows:
        if column not in row.values:
            raise RecipeError(
                f"{row.where}: has no field {column!r}, as other rows have; give it one, which may "
                "be null, or name another column with --reference-column"
            )
        check_text(reference_text(row.values[column]) or "", row)
    given = kinds.total()
    parts = [f"{kinds[one]:,} {one}" for one in kinds if kinds[one]]
    marks = [
        f"{count:,} {told}"
        for sign, told in ((GSM8K_MARK, "end in `#### …`"), ("\\boxed", "have it in a box"))
        if (count := sum(sign in (_text(row.values[column]) or "") for row in rows))
    ]
    told = f"{why}; {', '.join((*parts, *marks))}"
    return Reference(column, kind, told, len(rows) - given)


def _usual(kinds: Counter[str]) -> str | None:
    """What values are as a rule, if that can be compared with."""
    given = kinds.total()
    if not given:
        return None
    for kind in (TESTS, TASK, LETTER):
        if kinds[kind] >= ALL_BUT_SOME * given:
            return kind
    if sum(kinds[kind] for kind in COMPARABLE) < MOST * given:
        return None
    return WORDS if kinds[NUMBERS] + kinds[LETTER] < SOME * given else NUMBERS


def _kinds(column: str, rows: Sequence[Row]) -> Counter[str]:
    """How many of the values are what."""
    values = (row.values.get(column) for row in rows)
    return Counter(kind_of(value) for value in values if (_text(value) or "").strip())


def kind_of(value: Any) -> str:
    """What a reference is to a verifier."""
    text = _text(value) or ""
    if isinstance(value, dict) and value.keys() >= TASK_KEYS:
        return TASK
    if is_suite(text):
        return TESTS
    if isinstance(value, dict) or (isinstance(value, list) and not all(map(_is_number, value))):
        return STRUCTURE
    final = MathScorer().final_reference(text)
    if len(final) > LONGEST or "\n" in final.strip():
        return PROSE
    plain = normal(final)
    if CHOICE.fullmatch(plain) or BRACKETED_CHOICE.fullmatch(plain):
        return LETTER
    if len(final.split()) > MOST_WORDS and "\\" not in final:
        return PROSE
    return NUMBERS if FORMULA.search(plain) else WORDS


def is_suite(text: str) -> bool:
    """Whether it is tests of a program."""
    if not ("assert" in text or text.lstrip().startswith(("[", "{"))):
        return False
    try:
        return bool(read_suite(text).cases)
    except BAD_TESTS:
        return False


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _text(value: Any) -> str | None:
    """A reference as the reader has it; null for what it has none of."""
    try:
        return reference_text(value)
    except (TypeError, ValueError):  # parquet has values that JSON has not
        return str(value)


def _is_marked(column: str, rows: Sequence[Row]) -> bool:
    """Whether nothing else than references looks so."""
    values = [value for row in rows if (value := row.values.get(column)) is not None]
    texts = [_text(value) or "" for value in values]
    marked = (is_suite(text) or GSM8K_MARK in text or "\\boxed" in text for text in texts)
    return bool(texts) and sum(marked) >= ALL_BUT_SOME * len(texts)


def _unusable(kinds: Counter[str]) -> str:
    given = kinds.total()
    if kinds[STRUCTURE] > given / 2:
        return "it has lists or objects, and a reference is one text, number or suite of tests"
    return f"{kinds[PROSE]:,} of its {given:,} values are longer texts without a final answer"


def _notes(names: Sequence[str], rows: Sequence[Row], *, has_reference: bool) -> Iterator[str]:
    """What to know of columns that nothing is taken from."""
    for name in _by_name(names, PROMPT_NAMES):
        if len(list(_refusals(name, rows))) < len(rows):
            yield (
                f"{_shown(name)} could be the prompt as well; one column is read, so that texts "
                "that belong together have to stand in one"
            )
    options = [name for name in names if _plain_name(name) in ("choices", "options")]
    if options:
        yield (
            f"{_shown(options[0])} may hold what is to be chosen from: the teacher sees it only if "
            "the prompts say it, and the reference has to be what they call it"
        )
    if has_reference:
        return
    for name in names:
        inner = [value for row in rows[:1] if isinstance(value := row.values.get(name), dict)]
        for key in _by_name([key for value in inner for key in value], REFERENCE_NAMES):
            yield (
                f"{_shown(name)}.{_shown(key)} may be the reference; whole columns are read, so "
                "that it needs one of its own"
            )


def _by_name(names: Sequence[str], known: Sequence[str]) -> list[str]:
    """Those that have a known name, in the order of these."""
    found = (name for name in names if _plain_name(name) in known)
    return sorted(found, key=lambda name: known.index(_plain_name(name)))


def _plain_name(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.casefold()).strip("_")


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return f"There are the columns {', '.join(map(_shown, names[:SHOWN]))}{more}"


def _shown(name: str) -> str:
    return one_line(name) or repr(name)
