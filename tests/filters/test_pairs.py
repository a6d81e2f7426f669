"""Pairs: which right and wrong samples of a prompt go together, and that nothing else does."""

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.choose import Chooser
from filters.pairs import Pairer, pairs_of
from filters.rules import SAMPLE_COLUMNS
from infra.sampling import Need
from schemas.choosing import Choose, Pairs
from schemas.errors import RecipeError
from schemas.identity import identity
from tests.filters.made_pairs import (
    COLUMNS,
    NEAR,
    NEED,
    ORIGINAL,
    TEXTS,
    Made,
    alike,
    differ,
    fated,
    paired,
    ratio,
    sides,
    texts,
)


def indexes(
    made: Sequence[Made], choose: Choose | None = None, pairs: Pairs | None = None, **how: Any
) -> list[tuple[int, int]]:
    """The sample indexes of the pairs."""
    choose = choose or Choose(order_by=("sample_index",))
    found = paired(fated(made, choose, **how), choose, pairs)
    return found.select("chosen.sample_index", "rejected.sample_index").rows()


def one_prompt(*samples: tuple[bool | None, int | None], **more: Any) -> list[Made]:
    """Right or wrong, and the tokens of each."""
    return [Made("a", index, *sample, **more) for index, sample in enumerate(samples)]


SAMPLES = st.lists(
    st.builds(
        Made,
        prompt=st.sampled_from("ab"),
        number=st.integers(0, 9),
        correct=st.sampled_from([True, True, False, False, None]),
        tokens=st.sampled_from([50, 90, 100, 110, 200, 201, None]),
        answer=st.sampled_from(["1/2", "0.5", "2", "3", None]),
        text=st.sampled_from([*range(len(TEXTS)), None]),
        finish=st.sampled_from(["stop"] * 5 + ["length"]),
        complete=st.sampled_from([True] * 5 + [False]),
        share=st.sampled_from([1.0] * 5 + [0.2, None]),
        missing=st.sampled_from([""] * 9 + ["language"]),
    ),
    unique_by=lambda one: (one.prompt, one.number),
    max_size=16,
)
CHOOSE = st.builds(
    Choose,
    per_prompt=st.integers(1, 3),
    order_by=st.sampled_from([(), ("reasoning_tokens",), ("-sample_index",)]),
    where=st.sampled_from([None, "sample_index > 1"]),
    distinct=st.sampled_from([None, 0.8]),
)
PAIRS = st.builds(
    Pairs,
    per_prompt=st.integers(1, 3),
    length_ratio=st.sampled_from([1.0, 1.1, 2.0]),
    rejected=st.sampled_from([None, "language.share > 0.5"]),
)
NEEDS = st.sampled_from([NEED, Need(probe=10, max=10, kept=1, wrong=1)])


@given(SAMPLES, CHOOSE, PAIRS, NEEDS)
def test_what_holds_of_every_pair(
    made: list[Made], choose: Choose, pairs: Pairs, need: Need
) -> None:
    samples = fated(made, choose, need=need)
    found = paired(samples, choose, pairs)
    both = sides(samples, found)
    for chosen, rejected in both:
        assert chosen["prompt_id"] == rejected["prompt_id"]
        for one in (chosen, rejected):
            assert one["fate"] != "surplus"
            assert one["eligible"]
            assert (one["finish_reason"], one["format.complete"]) == ("stop", True)
        assert (chosen["correct"], rejected["correct"]) == (True, False)
        assert chosen["reason"] is None
        assert chosen["fate"] in ("published", "beyond_per_prompt")
        assert choose.where is None or chosen["sample_index"] > 1
        assert pairs.rejected is None or (rejected["language.share"] or 0) > 0.5
        assert differ(chosen, rejected)
        assert ratio(chosen, rejected) <= pairs.length_ratio
    used = [one for pair in both for one in pair]
    assert len({one["id"] for one in used}) == len(used), "no sample twice"
    for one, other in combinations(used, 2):
        assert one["prompt_id"] != other["prompt_id"] or not alike(one, other)
    counts = found["prompt_id"].value_counts()["count"]
    assert all(count <= pairs.per_prompt for count in counts)


def by_loops(samples: pl.DataFrame, choose: Choose, pairs: Pairs) -> list[tuple[str, str]]:
    """The ids of the pairs, one sample after another."""
    order = [*(name.removeprefix("-") for name in choose.order_by), "id"]
    down = [*(name.startswith("-") for name in choose.order_by), False]
    found = []
    for (_,), group in samples.group_by("prompt_id"):
        rows = group.sort(order, descending=down, nulls_last=True).rows(named=True)
        rows = [row for row in rows if row["eligible"] and row["reasoning_tokens"] is not None]
        wrong = [
            row
            for row in sorted(rows, key=lambda row: str(row["id"]))
            if row["wrong"] and (pairs.rejected is None or (row["language.share"] or 0) > 0.5)
        ]
        used: list[dict[str, Any]] = []
        for chosen in rows:
            good = chosen["correct"] and chosen["finish_reason"] == "stop"
            good = good and chosen["format.complete"] and chosen["reason"] is None
            good = good and chosen["fate"] in ("published", "beyond_per_prompt")
            fitting = [
                row
                for row in wrong
                if row not in used
                and differ(chosen, row)
                and ratio(chosen, row) <= pairs.length_ratio
                and not any(alike(row, one) for one in (*used, chosen))
            ]
            new = good and len(used) < 2 * pairs.per_prompt
            if new and fitting and not any(alike(chosen, one) for one in used):
                rejected = min(fitting, key=lambda row: ratio(chosen, row))
                used += [chosen, rejected]
                found.append((chosen["id"], rejected["id"]))
    return sorted(found)


@given(SAMPLES, CHOOSE, PAIRS, NEEDS)
def test_it_is_what_loops_would_take(
    made: list[Made], choose: Choose, pairs: Pairs, need: Need
) -> None:
    samples = fated(made, choose, need=need)
    found = paired(samples, choose, pairs).select("chosen.id", "rejected.id").rows()
    assert sorted(found) == by_loops(samples, choose, pairs)


@given(SAMPLES, CHOOSE, PAIRS, st.data())
def test_neither_the_order_of_rows_nor_other_prompts_matter(
    made: list[Made], choose: Choose, pairs: Pairs, data: st.DataObject
) -> None:
    samples = fated(made, choose)
    found = paired(samples, choose, pairs)
    assert found["prompt_id"].is_sorted()
    order = data.draw(st.permutations(range(samples.height)))
    shuffled = samples[order] if order else samples
    assert paired(shuffled, choose, pairs).equals(found)
    parts = [
        paired(samples.filter(pl.col("prompt_id") == f"p1_{prompt}"), choose, pairs)
        for prompt in "ab"
    ]
    assert pl.concat(parts).equals(found)


def test_a_pair_has_the_columns_of_both() -> None:
    made = [
        Made("b", 0, True, 100, "4", 0),
        Made("b", 1, False, 120, "5", 1),
        Made("a", 0, False, 60, "6", 0),
        Made("a", 1, True, 50, "7", 2),
        Made("a", 2, True, 51, "7", 3),
        Made("a", 3, False, 51, "8", 4),
    ]
    found = paired(fated(made, Choose(), need=Need(4, 4, 1)), Choose(order_by=("-sample_index",)))
    assert found.select("prompt_id", "chosen.sample_index", "rejected.sample_index").rows() == [
        ("p1_a", 1, 0),
        ("p1_a", 2, 3),
        ("p1_b", 0, 1),
    ]
    first = found.row(0, named=True)
    chosen, rejected = (identity("y", ["a", index]) for index in (1, 0))
    assert first == {
        "id": identity("d", [chosen, rejected]),
        "prompt_id": "p1_a",
        "teacher_id": "t1_0",
        "domain": "math",
        "source": "made",
        "group.pass_rate": 0.5,
        "tokens": 7 + 50 + 60,
        "chosen.id": chosen,
        "chosen.sample_index": 1,
        "chosen.final_answer": "7",
        "chosen.tokens": 50,
        "chosen.mean_logprob": -0.5,
        "chosen.text_digest": "x1_a1",
        "chosen.path": "file",
        "chosen.row": 2,
        "rejected.id": rejected,
        "rejected.sample_index": 0,
        "rejected.final_answer": "6",
        "rejected.tokens": 60,
        "rejected.mean_logprob": -0.5,
        "rejected.text_digest": "x1_a0",
        "rejected.path": "file",
        "rejected.row": 0,
    }


def test_the_best_take_the_nearest_in_length() -> None:
    made = one_prompt((True, 100), (True, 150), (False, 160), (False, 110), (False, 95))
    assert indexes(made, need=Need(5, 5, 1)) == [(0, 4), (1, 2)]
    last_first = Choose(order_by=("-sample_index",))
    one = Pairs(per_prompt=1)
    assert indexes(made, last_first, one, need=Need(5, 5, 1)) == [(1, 2)]


@pytest.mark.parametrize("side", ["chosen", "rejected"])
def test_ties_go_by_the_hash(side: str) -> None:
    """Both ways, whatever the index."""
    many = side == "chosen"
    made = one_prompt((not many, 100), (many, 100), (many, 100))
    samples = fated(made, Choose())
    for first, second in ((1, 2), (2, 1)):
        ids = {first: "y1_0", second: "y1_1"}
        renamed = samples.with_columns(
            id=pl.col("sample_index").replace_strict(ids, default=pl.col("id"))
        )
        assert paired(renamed, Choose())[f"{side}.sample_index"].to_list() == [first]


def test_only_prompts_with_both() -> None:
    made = [Made("a", 0, True), Made("b", 0, False), Made("c", 0, True), Made("c", 1, False)]
    found = paired(fated(made, Choose()), Choose())
    assert found["prompt_id"].to_list() == ["p1_c"]


def test_surplus_is_in_no_pair() -> None:
    made = one_prompt((True, 100), (True, 120), (False, 140), (False, 100), (True, 140))
    assert indexes(made) == [(0, 2)], "settled with the third"
    assert len(indexes(made, need=Need(5, 5, 1))) == 2


@pytest.mark.parametrize(
    ("answers", "pair"),
    [(("1/2", "0.5"), False), (("2", "3"), True), (("2", None), True), ((None, None), True)],
)
def test_final_answers_differ(answers: tuple[str | None, str | None], pair: bool) -> None:
    made = [Made("a", i, i == 0, answer=answer) for i, answer in enumerate(answers)]
    assert bool(indexes(made)) == pair


@pytest.mark.parametrize(
    ("lengths", "pair"),
    [((100, 200), True), ((200, 100), True), ((100, 201), False), ((100, None), False)],
)
def test_lengths_are_alike(lengths: tuple[int, int | None], pair: bool) -> None:
    assert bool(indexes(one_prompt((True, lengths[0]), (False, lengths[1])))) == pair


@pytest.mark.parametrize(
    "more", [{"finish": "length"}, {"complete": False}, {"missing": "language"}]
)
@pytest.mark.parametrize("unfinished", [True, False])
def test_no_side_is_unfinished(unfinished: bool, more: dict[str, Any]) -> None:
    """Whatever is kept."""
    made = [Made("a", 0, True), Made("a", 1, False)]
    assert len(indexes(made, keep="true")) == 1
    at = 0 if unfinished else 1
    made[at] = made[at]._replace(**more)
    assert indexes(made, keep="true") == []


def test_what_choose_leaves_out_is_not_chosen() -> None:
    made = one_prompt((True, 100), (False, 100))
    samples = fated(made, Choose())
    left_out = ["where_not_met", "near_duplicate", "trimmed_short", "trimmed_long", "surplus"]
    for fate in ("published", "beyond_per_prompt", "beyond_target", *left_out):
        of_right = pl.when("correct").then(pl.lit(fate)).otherwise("fate")
        eligible = pl.lit(fate != "surplus")
        found = paired(samples.with_columns(fate=of_right, eligible=eligible), Choose())
        assert found.is_empty() == (fate in left_out), fate
    assert indexes(made, Choose(where="group.pass_rate > 0.6")) == []


@pytest.mark.parametrize(("share", "pair"), [(0.8, True), (0.7, False), (None, False)])
def test_rejected_meets_its_rule(share: float | None, pair: bool) -> None:
    made = [Made("a", 0, True), Made("a", 1, False, share=share)]
    rule = Pairs(rejected="language.share > 0.75 and group.pass_rate < 1")
    assert bool(indexes(made, pairs=rule)) == pair


@pytest.mark.parametrize(
    ("alike_ones", "expected"),
    [
        ((), [(0, 2), (1, 3)]),
        ((0, 1), [(0, 2)]),
        ((2, 3), [(0, 2)]),
        ((0, 3), [(0, 2)]),
        ((0, 2), [(0, 3)]),
    ],
)
def test_no_two_of_a_prompt_are_alike(
    alike_ones: tuple[int, ...], expected: list[tuple[int, int]]
) -> None:
    """In that prompt."""
    made = one_prompt((True, 100), (True, 200), (False, 100), (False, 200))
    numbers = dict(zip(alike_ones, (ORIGINAL, NEAR), strict=False))
    made = [one._replace(text=numbers.get(one.number, 4 + one.number)) for one in made]
    elsewhere = [Made("b", 0, True, text=NEAR), Made("b", 1, False, text=1)]
    need = Need(4, 4, 1)
    assert indexes([*made, *elsewhere], need=need) == [*expected, (0, 1)]
    assert len(indexes(made, pairs=Pairs(distinct=1.0), need=need)) == 2


def test_one_that_is_in_no_pair_costs_none() -> None:
    """The better one is too long for every wrong one, so that the one that is alike may be used."""
    made = one_prompt((True, 900), (True, 100), (False, 100))
    made[:2] = [made[0]._replace(text=ORIGINAL), made[1]._replace(text=NEAR)]
    assert indexes(made) == [(1, 2)]


def test_texts_are_read_of_those_alone_that_seem_alike() -> None:
    read: list[int] = []

    def reading(rows: pl.DataFrame) -> pl.DataFrame:
        read.extend(rows["row"])
        return texts(rows)

    made = [Made("a", index, index % 2 == 0, text=index) for index in range(len(TEXTS) - 2)]
    # Both are too long for any pair.
    made += [Made("b", 0, False)]
    made += [Made("b", 1 + index, True, 900, text=text) for index, text in enumerate((1, NEAR + 1))]
    chooser, pairer = Chooser.compile(Choose(), COLUMNS), Pairer.compile(Pairs(), COLUMNS)
    pairs_of(fated(made, Choose(), need=Need(13, 13, 1)), chooser, pairer, reading)
    assert sorted(read) == [ORIGINAL, NEAR]


def test_what_cannot_be_compiled() -> None:
    with pytest.raises(RecipeError, match=r"pairs\.distinct: .* add `signature` to `scorers`"):
        Pairer.compile(Pairs(), SAMPLE_COLUMNS)
    with pytest.raises(RecipeError, match=r"pairs\.rejected: .*did you mean 'language\.share'"):
        Pairer.compile(Pairs(rejected="language.shares > 1"), COLUMNS)
    with pytest.raises(RecipeError, match=r"pairs\.rejected: .*must be true or false"):
        Pairer.compile(Pairs(rejected="group.pass_rate"), COLUMNS)
