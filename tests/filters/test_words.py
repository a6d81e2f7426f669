"""Words are the same however a text is written, and their numbers are those of `words`."""

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from filters.words import STYLE, Ragged, few_word_numbers, ngrams, shared, word_numbers, words

TEXTS = st.lists(st.text(st.sampled_from(list("aAbé1 20,.+-\\$你好ー　²ﬁ\n\x00")), max_size=30))
PIECES = [
    *STYLE,
    *(r"\le", r"\leq", r"\leqslant", r"\ge3", "---", "===", "<<<<", ",", "{,}"),
    *("1", "234", "2,345", "a", "x", " "),
    "×",
    "–",
    "’",
]
STYLED = st.lists(st.sampled_from(PIECES), max_size=20).map("".join)


def words_of(text: str) -> list[str]:
    return list(words(pl.Series([text]))[0])


def numbers_of(*texts: str) -> list[list[int]]:
    numbers = word_numbers(pl.Series(texts, dtype=pl.String))
    return rows_of(numbers)


def rows_of(numbers: Ragged) -> list[list[int]]:
    ends = zip(numbers.starts[:-1], numbers.starts[1:], strict=True)
    return [numbers.flat[start:end].tolist() for start, end in ends]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("What is 2+3?", "what IS   2 + 3"),
        (r"Find $\dfrac{1}{2}x$.", r"find \(\frac{1}{2} x\)"),
        (r"$3 \times 4 \leq 2$", "3×4≤2"),
        (r"\left( x \right)\,", "(x)"),
        (r"x\le3 \leqslant y", "x<=3 <= y"),
        ("a ----- b", "a b"),
        ("12,345 apples", "12345 apples"),
        ("1{,}000 and 2,000,000", "1000 and 2000000"),
        ("\uff26ull width \uff11\uff12", "full width 12"),
        ("well\u2014known", "well-known"),
    ],
)
def test_other_ways_to_write_the_same(one: str, other: str) -> None:
    assert words_of(one) == words_of(other)
    assert len(set(map(tuple, numbers_of(one, other)))) == 1


def test_what_differs_in_more_than_writing() -> None:
    different = ["2+3", "2*3", "2/3", "23", "2 3", r"\sin x", r"\cos x", "x", "", "2<3", "2<=3"]
    assert len({tuple(row) for row in numbers_of(*different)}) == len(different)


def test_characters_without_spaces_are_words() -> None:
    assert words_of("求x的值") == ["求", "x", "的", "值"]


def test_a_null_has_no_words() -> None:
    assert words(pl.Series([None], dtype=pl.String))[0].to_list() == []
    assert word_numbers(pl.Series([None, "a"], dtype=pl.String)).lengths.tolist() == [0, 1]


@given(TEXTS)
def test_numbers_are_those_of_the_words_for_any_company(texts: list[str]) -> None:
    """ASCII takes another way than the rest; beside which texts one stands makes no difference."""
    together = numbers_of(*texts)
    found = words(pl.Series(texts, dtype=pl.String))
    assert [len(row) for row in together] == found.list.len().to_list()
    vocabulary = {word for row in found.to_list() for word in row}
    alone = {word: numbers_of(f"{word} é")[0][0] for word in vocabulary}
    assert together == [[alone[word] for word in row] for row in found.to_list()]
    assert len(set(alone.values())) == len(vocabulary)


@given(st.lists(st.lists(st.integers(0, 5), max_size=8), max_size=6), st.integers(1, 4))
def test_runs_are_equal_where_their_words_are(rows: list[list[int]], size: int) -> None:
    texts = [" ".join("abcdef"[n] for n in row) for row in rows]
    grams = rows_of(ngrams(word_numbers(pl.Series(texts, dtype=pl.String)), size))
    expected = [
        [tuple(row[i : i + size]) for i in range(len(row) - size + 1)]
        if len(row) >= size
        else [tuple(row)][: len(row)]
        for row in rows
    ]
    assert [len(own) for own in grams] == [len(own) for own in expected]
    pairs = {
        (run, number)
        for own, found in zip(expected, grams, strict=True)
        for run, number in zip(own, found, strict=True)
    }
    assert len(pairs) == len({run for run, _ in pairs}) == len({number for _, number in pairs})


def test_shared_counts_each_number_once() -> None:
    one, other = (
        ngrams(word_numbers(pl.Series(texts)), 1) for texts in (["a a b c", ""], ["c c d", "x"])
    )
    assert [counts.tolist() for counts in shared(one, other)] == [[1, 0], [3, 0], [2, 1]]


@given(st.lists(st.text(), max_size=3) | TEXTS | st.lists(STYLED, max_size=3))
@example(["a\U0001e030b"])  # Unicode 15; Python 3.11 has 14
@example(["a \u0378 b"])  # nobody's
def test_a_few_texts_have_the_numbers_that_a_table_of_them_has(texts: list[str]) -> None:
    few = few_word_numbers(texts)
    whole = [text.encode("utf-8", "replace").decode() for text in texts]
    assert rows_of(few) == numbers_of(*whole)
