"""Questions of evaluation sets are found in what the teacher wrote; what its prompt says is not."""

import json
import random
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.leaks import made, reformatted
from filters.format import FormatScorer
from filters.leaked_text import LeaksScorer
from filters.leaks import most_sharing
from filters.scorer import NeedsQuestions, Questions, Response, scorer_id
from filters.scorers import build_scorers
from filters.words import words
from schemas.errors import RecipeError
from schemas.identity import identity
from schemas.score import Score

QUESTIONS = made(300, 3)
SETS = {"second": QUESTIONS[150:], "first": QUESTIONS[:150]}
OTHER = " ".join(made(8, 4))
LONG = " ".join(f"{a}{b}{b}" for a in "bcdfg" for b in "aeiouklmnp")
"""Fifty different words."""


def comparing(sets: Questions) -> LeaksScorer:
    scorer = LeaksScorer()
    scorer.compare_with(lambda: sets)
    return scorer


INDEX = comparing(SETS)


def score(scorer: LeaksScorer, thinking: str, answer: str = "", prompt: str = "What?") -> Score:
    return scorer(Response(prompt, thinking, answer, "stop"))


def says(thinking: str, *questions: str, **more: str) -> Any:
    return score(comparing({"set": questions}), thinking, **more).values["run"]


def words_of(text: str) -> list[str]:
    return list(words(pl.Series([text]))[0])


def test_questions_are_found_in_other_writing_and_said_where() -> None:
    rng = random.Random(5)
    whole = []
    for place, question in enumerate(QUESTIONS):
        own = words_of(question)
        if len(own) < 13:
            continue
        leak = f"{OTHER} {reformatted(question, rng)} {OTHER}"
        for reason, found in (
            ("leaked_thinking", score(INDEX, leak, OTHER)),
            ("leaked_answer", score(INDEX, OTHER, leak)),
            ("leaked_answer", score(INDEX, leak, leak)),
        ):
            assert found.reason == reason
            assert found.values["set"] == ("first" if place < 150 else "second")
            assert str(found.values["text"]) in " ".join(own)
            assert found.evidence == found.values["text"]
            whole.append(found.values["run"] == len(own))
    assert sum(whole) > 0.9 * len(whole), "the others have a formula in them"


def test_what_the_prompt_says_does_not_count() -> None:
    question = QUESTIONS[200]
    assert score(INDEX, question, question, prompt=f"Solve: {question.upper()}").reason is None
    before = Response("And now?", question, "", "stop", said_before=f"Hello. {question}")
    assert INDEX(before).reason is None
    assert says(LONG, LONG, prompt="Another one.") == 50


def test_what_goes_on_where_the_prompt_ends_counts() -> None:
    """It has the beginning of a question, and the teacher knows the rest."""
    start = " ".join(LONG.split()[:20])
    assert says(LONG, LONG, prompt=start) == 50 - 20 + 12
    twin = LONG.replace(LONG.split()[25], "other")
    assert says(twin, LONG, prompt=twin) == 0


def test_words_are_in_a_row_in_one_text() -> None:
    first, second = " ".join(LONG.split()[:8]), " ".join(LONG.split()[8:20])
    assert says(first, LONG, answer=second) == 0
    assert says(f"{first} {second}", LONG) == 20
    assert says(f"{first} {second}", first + " this", second) == 0, "two questions are not one"
    assert says(f"{first} hm {second}", LONG) == 0


def test_the_longest_run_is_told() -> None:
    parts = LONG.split()
    told = comparing({"a": [" ".join(parts[:14])], "b": [" ".join(parts[20:40])]})
    whole = score(comparing({"a": [LONG]}), LONG)
    assert whole.values == {"run": 50, "set": "a", "text": " ".join(parts[:40])}
    found = score(told, f"{' '.join(parts[:14])} and {' '.join(parts[20:40])}")
    assert found.values == {"run": 20, "set": "b", "text": " ".join(parts[20:40])}


@pytest.mark.parametrize("count", range(10, 17))
def test_thirteen_words_are_a_leak(count: int) -> None:
    part = " ".join(LONG.split()[5 : 5 + count])
    assert says(f"{OTHER} {part} {OTHER}", LONG) == (count if count >= 13 else 0)
    assert says(f"{OTHER} {part} {OTHER}", part) == (count if count >= 13 else 0)


@pytest.mark.parametrize(
    "series",
    [
        "0 " * 40,
        ", ".join(map(str, range(1, 40))),
        "2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47",
        "a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p",
        r"(x+1)^3 - \frac{x^3 + 3y}{z} = ax^2 + bx + c = 0",
        r"\begin{pmatrix} 1 & 2 & 3 \\ 4 & 5 & 6 \\ 7 & 8 & 9 \end{pmatrix}",
        "yes no " * 20,
    ],
)
def test_formulas_and_series_tell_nothing(series: str) -> None:
    question = f"How long is the way of the knight on this board? {series} Each step counts once."
    assert says(f"Let me see: {series} and so on", question) == 0


def test_what_many_questions_say_tells_nothing() -> None:
    told = f"{LONG} " + "{}"
    many = [told.format(text) for text in QUESTIONS[:100]]
    assert says(LONG, *many) == 0
    assert says(many[3], *many) == len(words_of(QUESTIONS[3])) + 12, "but for what it ends with"
    most = most_sharing(100)
    assert says(LONG, *many[:most], *QUESTIONS[most:100]) == 50
    assert says(LONG, *many[: most + 1], *QUESTIONS[most + 1 : 100]) == 0
    assert says(LONG, *[LONG] * 200) == 50, "one that is asked many times is one"
    assert says(LONG, f"{LONG} " * 20) == 50, "and so is one that says it many times"


def test_in_scripts_without_spaces_characters_are_words() -> None:
    question = "求所有满足条件的正整数的和并证明没有其他的解"
    assert says(f"我们先看题目，{question}。", question) == len(question)


WORDS = st.sampled_from([*LONG.split()[:10], "1", "+"])
TEXTS = st.lists(WORDS, max_size=40)


@settings(max_examples=300)
@given(st.lists(TEXTS, min_size=1, max_size=4), st.data())
def test_it_is_what_a_plain_search_finds(questions: list[list[str]], data: st.DataObject) -> None:
    parts = data.draw(st.lists(st.sampled_from(questions) | TEXTS, max_size=4))
    prompt = data.draw(st.sampled_from([[], *questions]))
    text = [word for part in parts for word in part]

    def runs(own: list[str]) -> list[tuple[str, ...]]:
        return [tuple(own[at : at + 13]) for at in range(len(own) - 12)]

    def is_telling(run: tuple[str, ...]) -> bool:
        return len({*run}) >= 8 and len({*run} - {"1", "+"}) >= 4

    known = {run for own in questions for run in runs(own) if is_telling(run)} - {*runs(prompt)}
    hits = "".join("x" if run in known else " " for run in runs(text))
    longest = max(map(len, hits.split()), default=0)
    found = score(
        comparing({"a": [" ".join(own) for own in questions]}),
        " ".join(text),
        prompt=" ".join(prompt),
    )
    assert found.values["run"] == (longest and longest + 12)
    assert (found.reason is None) == (longest == 0)
    if longest:
        start = hits.index("x" * longest)
        assert found.values["text"] == " ".join(text[start : start + longest + 12][:40])


def test_hostile_texts_around_a_leak() -> None:
    for noise in ("\0" * 99, "\ud800 ", "\u200b\u202e ", "1" * 100_000 + " ", "word " * 100_000):
        found = score(INDEX, f"{noise}{QUESTIONS[7]} {noise}", noise)
        assert found.reason == "leaked_thinking"
        json.dumps(dict(found.values)).encode()
        assert str(found.values["text"]).encode()


def test_sets_without_words_find_nothing() -> None:
    for questions in ([""], ["???"], ["Short one."], []):
        assert score(comparing({"set": questions}), OTHER).values["run"] == 0


def test_without_questions_it_says_so() -> None:
    found = LeaksScorer()(Response("q", None, "a", "stop"))
    assert found.reason == "no_questions"
    assert set(found.values.values()) == {None}
    with pytest.raises(RecipeError, match="name the sets in `decontaminate`"):
        build_scorers(["leaks"])


def test_its_identity_is_that_of_the_questions() -> None:
    known = scorer_id(comparing(SETS))
    turned = {name: [*reversed(texts), texts[0]] for name, texts in reversed(SETS.items())}
    assert scorer_id(comparing(turned)) == known
    others = [
        {**SETS, "first": [*SETS["first"], "one more"]},
        {**SETS, "third": ["one"]},
        {"first": SETS["second"], "second": SETS["first"]},
        {"first": SETS["first"], "2nd": SETS["second"]},
        {},
    ]
    assert len({known, *(scorer_id(comparing(other)) for other in others)}) == 6


def test_scores_do_not_depend_on_the_order_of_the_questions() -> None:
    part = f"{LONG} and more"
    for sets in ({"b": [LONG], "a": [part]}, {"a": [part, OTHER], "b": [OTHER, LONG]}):
        assert score(comparing(sets), part).values["set"] == "a"


def test_a_scorer_without_parameters_has_the_identity_that_it_had() -> None:
    plain = FormatScorer()
    assert scorer_id(plain) == identity("k", ["format", plain.version, dict(plain.libraries())])


def test_questions_are_read_once_and_not_before_they_are_needed() -> None:
    reads = []

    def read() -> Questions:
        reads.append(1)
        return SETS

    scorer = build_scorers(["leaks"], read)["leaks"]
    assert isinstance(scorer, NeedsQuestions)
    assert not reads
    scorer_id(scorer)
    scorer(Response("q", None, OTHER, "stop"))
    assert scorer.questions() is SETS
    assert len(reads) == 1


def test_many_at_once_have_the_scores_of_each_alone() -> None:
    noise = ["", OTHER, "数" * 99, "caf\u00e9 \ud800", "\u200b", LONG * 700, QUESTIONS[3]]
    rng = random.Random(1)
    rows = [
        Response(
            rng.choice(noise),
            *(f"{rng.choice(noise)} {rng.choice([*noise, *QUESTIONS])}",) * 2,
            "stop",
        )
        for _ in range(60)
    ]
    rows += [Response("What?", rng.choice(QUESTIONS), rng.choice(noise), "stop") for _ in range(60)]
    assert INDEX.many(rows) == [INDEX(row) for row in rows]
    assert len({score.reason for score in INDEX.many(rows)}) == 3
    assert INDEX.many([]) == []
