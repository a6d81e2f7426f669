"""Does the response say what an evaluation set asks?"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import ClassVar, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from filters.leaks import LONG_RUN, LONG_RUN_WORDS, most_sharing, once_each
from filters.scorer import FieldType, Questions, Response
from filters.words import (
    UNSPACED,
    Numbers,
    Positions,
    Ragged,
    chunks,
    few_word_numbers,
    ranges,
    runs,
    word_numbers,
    words,
)
from schemas.score import Score

SPEAKING: Final = 4
"""Different words with three letters, or characters of scripts without spaces, in a run that
counts: there are formulas and series of numbers in many texts that know nothing of each other."""
SPEAKS: Final = rf"^(?:\p{{L}}{{3,}}|[{UNSPACED}])$"
TOLD: Final = 40
"""Words of a run that are told."""
RUNS_AT_ONCE: Final = 1 << 16
BYTES_AT_ONCE: Final = 1 << 20
SPARSE: Final = 4
"""Places for the first bits of each run, so that most runs of a text are passed over at once."""
CHARS_AT_ONCE: Final = 1 << 16
ANSWER, THINKING, NO_QUESTIONS = "leaked_answer", "leaked_thinking", "no_questions"


class LeaksScorer:
    """Words in a row that the thinking or the answer has in common with a question of an evaluation
    set, where the prompt does not have them.

    A leak has thirteen of them (GPT-3's rule, as for prompts), unless they are a formula or a
    series of numbers, or many questions have them. Questions of fewer words are not looked for,
    since they are said by whoever has not seen them: 300 sentences of eight words with which
    problems of GSM8K end are in 0.05 % of its other problems. `leaked_answer` comes before
    `leaked_thinking`; `leaks.run` is the longest run there, 0 where there is none, `leaks.set` and
    `leaks.text` are whose it is and its first forty words.
    """

    name: ClassVar[str] = "leaks"
    version: ClassVar[int] = 1
    fields: ClassVar[Mapping[str, FieldType]] = {"run": int, "set": str, "text": str}
    verifies: ClassVar[bool] = False
    deadline_s: ClassVar[float | None] = None

    def __init__(self) -> None:
        self._read: Callable[[], Questions] | None = None

    def compare_with(self, read: Callable[[], Questions]) -> None:
        self._read = read

    def questions(self) -> Questions:
        return self._questions

    def parameters(self) -> Mapping[str, str]:
        return self._parameters

    @cached_property
    def _questions(self) -> Questions:
        return self._read() if self._read else {}

    @cached_property
    def _parameters(self) -> Mapping[str, str]:
        return {name: _digest(texts) for name, texts in self._questions.items()}

    @cached_property
    def _index(self) -> "_Index":
        return _Index(self._questions)

    def __call__(self, response: Response) -> Score:
        return self.many([response])[0]

    def many(self, responses: Sequence[Response]) -> list[Score]:
        """Of 16 at once a text takes half of the time that it takes alone."""
        if not self._questions:
            return [Score(dict.fromkeys(self.fields), reason=NO_QUESTIONS) for _ in responses]
        return [score for some in _groups(responses) for score in self._scores(some)]

    def _scores(self, responses: Sequence[Response]) -> list[Score]:
        numbers = few_word_numbers([text for one in responses for text in _texts(one)])
        found = self._index.find(numbers)
        rows = (np.searchsorted(numbers.starts, found.places, "right") - 1) // 2
        scores = [Score({"run": 0, "set": None, "text": None})] * len(responses)
        for row in np.unique(rows):
            answer, thinking = numbers.starts[2 * row : 2 * row + 2]
            prompt = few_word_numbers([responses[row].said_before, responses[row].prompt])
            own = found.take(rows == row).without(self._index.find(prompt))
            if (own.places < thinking).any():
                own = own.take(own.places < thinking)
                scores[row] = self._leak(ANSWER, responses[row].answer, answer, own)
            elif len(own.places):
                text = responses[row].reasoning or ""
                scores[row] = self._leak(THINKING, text, thinking, own)
        return scores

    def _leak(self, reason: str, text: str, begins: int, found: "_Found") -> Score:
        """Of a text whose first word has this number."""
        start, length = _longest(found.places)
        owner = found.owners[np.searchsorted(found.places, start)]
        own = words(pl.Series([text.encode("utf-8", "replace").decode()]))[0]
        told = " ".join(own[start - int(begins) :][: min(length, TOLD)])
        values = {"run": length, "set": self._index.names[owner], "text": told}
        return Score(values, reason=reason, evidence=told)

    def libraries(self) -> Mapping[str, str]:
        return {}


def _texts(response: Response) -> tuple[str, str]:
    return response.answer, response.reasoning or ""


def _groups(responses: Sequence[Response]) -> Iterator[list[Response]]:
    """So many at once as take little memory."""
    group: list[Response] = []
    size = 0
    for response in responses:
        group.append(response)
        size += sum(map(len, _texts(response)))
        if size > CHARS_AT_ONCE:
            yield group
            group, size = [], 0
    yield group


def _digest(texts: Sequence[str]) -> str:
    """Of the texts in any order."""
    digest = hashlib.sha256()
    for text in sorted(set(texts)):
        digest.update(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest())
    return digest.hexdigest()


class _Found(NamedTuple):
    """Runs of questions in a text."""

    numbers: Numbers
    places: Positions
    """The words that they begin with, in order."""
    owners: Positions

    def take(self, those: npt.NDArray[np.bool_]) -> "_Found":
        return _Found(self.numbers[those], self.places[those], self.owners[those])

    def without(self, other: "_Found") -> "_Found":
        """Those that the other text does not have."""
        return self.take(~np.isin(self.numbers, other.numbers))


class _Index:
    """Runs of words that tell a question, each with the first set that has it."""

    def __init__(self, sets: Questions) -> None:
        self.names = sorted(sets)
        owners, texts, numbers = _questions([sets[name] for name in self.names])
        firsts = _firsts(numbers)
        rows = np.searchsorted(numbers.starts, firsts, "right") - 1
        flat = runs(numbers.flat, firsts, LONG_RUN)
        once = once_each(flat, rows)
        once = once[_is_telling(numbers.flat, _speaking(texts), firsts[once])]
        found, starts, counts = np.unique(flat[once], return_index=True, return_counts=True)
        few = counts <= most_sharing(len(texts))
        self._numbers: Numbers = found[few]
        bits = max(1, (SPARSE * len(self._numbers)).bit_length())
        self._shift = np.uint64(64 - bits)
        self._first_bits = np.zeros(1 << bits, bool)
        self._first_bits[self._numbers >> self._shift] = True
        self._owners = owners[rows[once[starts[few]]]].astype(np.int32)

    def find(self, numbers: Ragged) -> _Found:
        """Where the texts have them."""
        firsts = _firsts(numbers)
        flat = runs(numbers.flat, firsts, LONG_RUN)
        likely = np.flatnonzero(self._first_bits[flat >> self._shift])
        at = np.searchsorted(self._numbers, flat[likely])
        # Behind the last one there is none; the first will not do for it.
        at[at == len(self._numbers)] = 0
        same = self._numbers[at] == flat[likely]
        hits = likely[same]
        return _Found(flat[hits], firsts[hits], self._owners[at[same]])


def _questions(sets: Sequence[Sequence[str]]) -> tuple[Positions, pl.Series, Ragged]:
    """Whose each question is, its text and its words; one that is asked twice is there once."""
    owners = np.repeat(np.arange(len(sets)), [len(texts) for texts in sets])
    texts = pl.Series([text for own in sets for text in own], dtype=pl.String)
    numbers = word_numbers(texts)
    first: dict[bytes, int] = {}
    for row, (start, end) in enumerate(zip(numbers.starts, numbers.starts[1:], strict=False)):
        first.setdefault(numbers.flat[start:end].tobytes(), row)
    rows = np.array([*first.values()], np.int64)
    return owners[rows], texts.gather(rows), numbers.take(rows)


def _firsts(numbers: Ragged) -> Positions:
    """The words at which a run begins that is in one text."""
    return ranges(numbers.starts[:-1], np.maximum(numbers.lengths - LONG_RUN + 1, 0))


def _speaking(texts: pl.Series) -> npt.NDArray[np.bool_]:
    """Of each word."""
    found = [np.empty(0, bool)]
    for part in chunks(texts, BYTES_AT_ONCE):
        flat = words(part).explode(empty_as_null=False)
        found.append(flat.str.contains(SPEAKS).to_numpy())
    return np.concatenate(found)


def _is_telling(
    flat: Numbers, speaking: npt.NDArray[np.bool_], firsts: Positions
) -> npt.NDArray[np.bool_]:
    """Whether the runs have enough different words, and enough that speak."""
    spoken = np.where(speaking, flat, 0)
    told = np.ones(len(firsts), bool)
    for start in range(0, len(firsts), RUNS_AT_ONCE):
        places = firsts[start : start + RUNS_AT_ONCE, None] + np.arange(LONG_RUN)
        enough = _different(flat[places]) >= LONG_RUN_WORDS
        told[start : start + RUNS_AT_ONCE] = enough & (_different(spoken[places]) >= SPEAKING)
    return told


def _different(rows: npt.NDArray[np.uint64]) -> Positions:
    """How many different numbers but zero each row has."""
    rows = np.sort(rows, axis=1)
    different: Positions = (rows[:, 1:] != rows[:, :-1]).sum(axis=1) + (rows[:, 0] != 0)
    return different


def _longest(places: Positions) -> tuple[int, int]:
    """Where the most runs follow one another, and how many words they are."""
    starts = np.flatnonzero(np.diff(places, prepend=places[0] - 2) != 1)
    lengths = np.diff(np.append(starts, len(places)))
    longest = int(lengths.argmax())
    return int(places[starts[longest]]), int(lengths[longest]) + LONG_RUN - 1
