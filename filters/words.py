"""Texts as words, and words as numbers: what duplicates and leaks are found by.

Two texts that differ in case, spaces, punctuation, width or the style of their LaTeX have the same
words. Digits and letters are words of their own, so are operators, or `2+3` would be `2*3`, and so
is every character of scripts that put no spaces between words.
"""

import re
import string
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

Numbers = npt.NDArray[np.uint64]
Positions = npt.NDArray[np.int64]

STYLE = {
    r"\displaystyle": " ",
    r"\textstyle": " ",
    r"\textbf": " ",
    r"\textit": " ",
    r"\mathrm": " ",
    r"\mathbf": " ",
    r"\mathit": " ",
    r"\operatorname": " ",
    r"\text": " ",
    r"\left": " ",
    r"\right": " ",
    r"\bigl": " ",
    r"\bigr": " ",
    r"\quad": " ",
    r"\qquad": " ",
    r"\dfrac": r"\frac",
    r"\tfrac": r"\frac",
    r"\times": "*",
    r"\cdot": "*",
    r"\div": "/",
    r"\,": "",
    r"\!": "",
    r"\;": " ",
    r"\:": " ",
}
"""LaTeX that looks alike on the page; a longer command stands before its beginnings."""
SIGNS = {"×": "*", "·": "*", "⋅": "*", "÷": "/", "≤": "<=", "≥": ">=", "−": "-", "–": "-", "—": "-"}
RELATIONS = {
    r"\\(?:leqslant|leq|le)([^A-Za-z]|$)": "<=$1",
    r"\\(?:geqslant|geq|ge)([^A-Za-z]|$)": ">=$1",
}
RULE = r"-{3,}|={3,}|\*{3,}|\+{3,}|/{3,}|\^{3,}|<{3,}|>{3,}"
"""A line that is drawn, as in tables."""
GROUPED = r"([0-9])(?:,|\{,\})([0-9]{3})"
"""A comma between thousands."""
NOT_ASCII = re.compile(r"[^\x00-\x7f]")
ANY_STYLE = re.compile("|".join(map(re.escape, STYLE)))
ANY_RULE = re.compile(r"([-+*/^=<>])\1\1+")
ANY_GROUP = re.compile(GROUPED)
RELATION_OF = {re.compile(it): sign.replace("$", "\\") for it, sign in RELATIONS.items()}
"""The same for Python, whose regular expressions are faster for one text."""
OF_WORDS = ("L", "M", "Nd", "Cn")
"""Categories of characters that are words or parts of words, or may be in a later Unicode."""
UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
WORD = rf"\p{{Nd}}+|[{UNSPACED}]|[\p{{L}}\p{{M}}--[{UNSPACED}]]+|[-+*/^=<>]"
MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
"""Odd, so that nothing is lost by multiplying; 2^64 divided by the golden ratio."""
CHUNK_BYTES = 1 << 17
"""So many have tables that stay in the processor's cache."""
ROW_BITS = np.uint64(24)
NO_WORD, LETTER, DIGIT, SIGN = range(4)


def _kinds() -> npt.NDArray[np.uint8]:
    kinds = np.zeros(256, np.uint8)
    for kind, members in (
        (LETTER, string.ascii_letters),
        (DIGIT, string.digits),
        (SIGN, "-+*/^=<>"),
    ):
        kinds[list(members.encode())] = kind
    return kinds


KINDS = _kinds()
LOWER: Numbers = np.frombuffer(bytes(range(256)).lower(), np.uint8).astype(np.uint64)


class Ragged(NamedTuple):
    """Rows of numbers, one behind the other: row i is `flat[starts[i]:starts[i + 1]]`."""

    flat: npt.NDArray[Any]
    starts: Positions
    """One more than there are rows."""

    @property
    def lengths(self) -> Positions:
        """Numbers in each row."""
        return np.diff(self.starts)

    @property
    def rows(self) -> Positions:
        """The row of each number."""
        return np.repeat(np.arange(len(self.starts) - 1), self.lengths)

    def take(self, rows: Positions) -> "Ragged":
        """These rows, in this order."""
        lengths = self.lengths[rows]
        return Ragged(self.flat[ranges(self.starts[rows], lengths)], starts_of(lengths))


def starts_of(lengths: npt.NDArray[np.integer]) -> Positions:
    """Where rows of these lengths start, and where the last one ends."""
    return np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])


def ranges(starts: Positions, counts: Positions) -> Positions:
    """starts[0], starts[0] + 1, … so many, then those of the next."""
    ends = starts_of(counts)
    return np.arange(ends[-1]) + np.repeat(starts - ends[:-1], counts)


def words(texts: pl.Series) -> pl.Series:
    """The words of each text, a list; a null has none."""
    return _found(_styled(texts))


def word_numbers(texts: pl.Series) -> Ragged:
    """A hash of each word, the same on every machine and for every version of a library."""
    return _of_styled(_styled(texts))


def _of_styled(texts: pl.Series) -> Ragged:
    plain = is_ascii(texts)
    if plain.all():
        return _of_bytes(texts)
    parts = [(plain.arg_true(), _of_bytes), ((~plain).arg_true(), _of_characters)]
    lengths = np.zeros(len(texts), np.int64)
    numbered = [(rows.to_numpy(), number(texts.gather(rows))) for rows, number in parts]
    for rows, own in numbered:
        lengths[rows] = own.lengths
    starts = starts_of(lengths)
    flat = np.empty(starts[-1], np.uint64)
    for rows, own in numbered:
        flat[ranges(starts[rows], own.lengths)] = own.flat
    return Ragged(flat, starts)


def _styled(texts: pl.Series) -> pl.Series:
    """Each text in one way of writing it, but for the case."""
    texts = texts.fill_null("")
    texts = changed(texts, ~is_ascii(texts), _plain)
    texts = changed(texts, texts.str.contains("\\", literal=True), _without_style)
    texts = changed(texts, texts.str.contains(RULE), lambda t: t.str.replace_all(RULE, " "))
    return changed(texts, texts.str.contains(GROUPED), _ungrouped)


def few_word_numbers(texts: Sequence[str]) -> Ragged:
    """What `word_numbers` says of a few texts, in a fifth of the time that a table of them takes;
    half a surrogate is no word."""
    plain = [_styled_text(text) for text in texts]
    if not all(text.isascii() for text in plain):
        return _of_styled(pl.Series(plain, dtype=pl.String))
    return _of_ascii("".join(plain).encode(), starts_of(np.array([*map(len, plain)], np.int64)))


def _styled_text(text: str) -> str:
    """`_styled`, for one text."""
    if not text.isascii():
        # By Polars, as a table is: Python knows an older Unicode, and so fewer letters.
        whole = text.encode("utf-8", "replace").decode()  # without halves of surrogates
        normal: str = pl.Series([whole], dtype=pl.String).str.normalize("NFKC")[0]
        text = NOT_ASCII.sub(_plain_character, normal)
    if "\\" in text:
        for pattern, sign in RELATION_OF.items():
            text = pattern.sub(sign, text)
        text = ANY_STYLE.sub(lambda match: STYLE[match[0]], text)
    text = ANY_RULE.sub(" ", text)
    grouped = "," in text and ANY_GROUP.search(text)
    return ANY_GROUP.sub(r"\1\2", ANY_GROUP.sub(r"\1\2", text)) if grouped else text


def _plain_character(match: re.Match[str]) -> str:
    """One that is no word and no part of one is a space."""
    character = match[0]
    is_word = unicodedata.category(character).startswith(OF_WORDS)
    return character if is_word else SIGNS.get(character, " ")


def is_ascii(texts: pl.Series) -> pl.Series:
    """Whether each text is."""
    return texts.str.len_bytes() == texts.str.len_chars()


def _plain(texts: pl.Series) -> pl.Series:
    return texts.str.normalize("NFKC").str.replace_many([*SIGNS], [*SIGNS.values()])


def _without_style(texts: pl.Series) -> pl.Series:
    for pattern, sign in RELATIONS.items():
        texts = texts.str.replace_all(pattern, sign)
    return texts.str.replace_many([*STYLE], [*STYLE.values()], leftmost=True)


def _ungrouped(texts: pl.Series) -> pl.Series:
    # Matches do not overlap: the second time finds the commas behind groups that the first one ate.
    for _ in range(2):
        texts = texts.str.replace_all(GROUPED, "$1$2")
    return texts


def changed(
    texts: pl.Series, mask: pl.Series, change: Callable[[pl.Series], pl.Series]
) -> pl.Series:
    """The texts, those of the mask changed: most need no change, and it takes time."""
    rows = mask.arg_true()
    return texts if rows.is_empty() else texts.scatter(rows, change(texts.gather(rows)))


def _found(texts: pl.Series) -> pl.Series:
    return texts.str.to_lowercase().str.extract_all(WORD)


def _of_characters(texts: pl.Series) -> Ragged:
    found = _found(texts)
    flat = found.explode(empty_as_null=False)
    vocabulary = flat.unique()
    numbers = np.array([_number(word.encode()) for word in vocabulary], np.uint64)
    places = flat.cast(pl.Enum(vocabulary)).to_physical().to_numpy()
    return Ragged(_mixed(numbers)[places], starts_of(found.list.len().to_numpy()))


def _number(word: bytes) -> int:
    """The polynomial of its bytes, as `_of_bytes` has it."""
    number = 0
    for byte in reversed(word):
        number = (number * int(MULTIPLIER) + byte) % 2**64
    return number


def _mixed(numbers: Numbers) -> Numbers:
    mixed = (numbers ^ (numbers >> np.uint64(32))) * MULTIPLIER
    return mixed ^ (mixed >> np.uint64(29))


def _of_bytes(texts: pl.Series) -> Ragged:
    """Of texts in ASCII, three times as fast as by a regular expression: what lies between two
    places is the difference of the polynomials up to there."""
    found = [_of_chunk(chunk) for chunk in chunks(texts, CHUNK_BYTES)]
    lengths = [own.lengths for own in found]
    flat = [own.flat for own in found]
    if not found:
        return Ragged(np.empty(0, np.uint64), np.zeros(1, np.int64))
    return Ragged(np.concatenate(flat), starts_of(np.concatenate(lengths)))


def chunks(texts: pl.Series, size: int) -> Iterator[pl.Series]:
    """As many texts at once as have so many bytes together, and one at least."""
    ends = texts.str.len_bytes().cum_sum().to_numpy()
    start = 0
    while start < len(texts):
        before = ends[start - 1] if start else 0
        end = max(start + 1, int(np.searchsorted(ends, before + size, "right")))
        yield texts[start:end]
        start = end


def _of_chunk(texts: pl.Series) -> Ragged:
    return _of_ascii("".join(texts).encode(), starts_of(texts.str.len_bytes().to_numpy()))


def _of_ascii(text: bytes, starts: Positions) -> Ragged:
    data = np.frombuffer(text, np.uint8)
    kinds = KINDS[data]
    begins = np.ones(len(data) + 1, bool)
    begins[1:-1] = (kinds[1:] != kinds[:-1]) | (kinds[1:] == SIGN)
    begins[starts] = True
    edges = np.flatnonzero(begins)
    firsts, ends = edges[:-1], edges[1:]
    fine = kinds[firsts] != NO_WORD
    firsts, ends = firsts[fine], ends[fine]
    powers, inverses = _powers(max(CHUNK_BYTES, 1 << (len(data) - 1).bit_length()))
    sums = np.zeros(len(data) + 1, np.uint64)
    np.cumsum(LOWER[data] * powers[: len(data)], out=sums[1:])
    numbers = _mixed((sums[ends] - sums[firsts]) * inverses[firsts])
    return Ragged(numbers, np.searchsorted(firsts, starts))


@lru_cache(maxsize=2)
def _powers(count: int) -> tuple[Numbers, Numbers]:
    """MULTIPLIER**0, **1, … and what undoes a multiplication by each, modulo 2^64."""
    inverse = np.uint64(pow(int(MULTIPLIER), -1, 2**64))
    found = []
    for factor in (MULTIPLIER, inverse):
        factors = np.full(count, factor, np.uint64)
        factors[:1] = 1
        found.append(np.cumprod(factors, dtype=np.uint64))
    return found[0], found[1]


def ngrams(numbers: Ragged, size: int) -> Ragged:
    """A hash of each run of `size` words; of all words where there are fewer, and none of none."""
    lengths = numbers.lengths
    counts = np.where(lengths >= size, lengths - size + 1, np.minimum(lengths, 1))
    starts = starts_of(counts)
    grams = Ragged(np.zeros(starts[-1], np.uint64), starts)
    for own in range(1, size + 1):
        rows = np.flatnonzero(lengths >= size if own == size else lengths == own)
        if len(rows):
            firsts = ranges(numbers.starts[rows], counts[rows])
            grams.flat[ranges(starts[rows], counts[rows])] = runs(numbers.flat, firsts, own)
    return grams


def runs(flat: Numbers, firsts: Positions, size: int) -> Numbers:
    """A hash of each run of `size` words that begins there."""
    found = np.full(len(firsts), size, np.uint64)
    for step in range(size):
        found *= MULTIPLIER
        found += flat[firsts + step]
        found ^= found >> np.uint64(29)
    return found


def shared(left: Ragged, right: Ragged) -> tuple[Positions, Positions, Positions]:
    """How many different numbers each row of one has in common with the same row of the other, and
    how many each has. At most 2^24 rows; numbers count by their first 40 bits."""
    one, other = distinct(left), distinct(right)
    both = np.sort(np.concatenate([one, other]))
    common = both[1:][both[1:] == both[:-1]]
    rows = len(left.lengths)
    return _counts(common, rows), _counts(one, rows), _counts(other, rows)


def distinct(sets: Ragged) -> Numbers:
    """The row and the first bits of each of its numbers in one number, sorted: what sorts fast."""
    rows = sets.rows.astype(np.uint64) << (np.uint64(64) - ROW_BITS)
    found: Numbers = np.unique(rows | (sets.flat >> ROW_BITS))
    return found


def _counts(numbers: Numbers, rows: int) -> Positions:
    return np.bincount((numbers >> (np.uint64(64) - ROW_BITS)).astype(np.int64), minlength=rows)
