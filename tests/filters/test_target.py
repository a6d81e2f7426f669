"""The version is the shortest settled prefix that has enough rows."""

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from filters.choose import PUBLISHED
from filters.target import BEYOND_TARGET, cut_at_target

Prompt = tuple[bool, list[str | None]]
FATES = st.sampled_from([None, "wrong", "where_not_met"])
PROMPTS = st.lists(st.tuples(st.booleans(), st.lists(FATES, max_size=3)), max_size=12)
PER_PROMPT = 2


def frame(prompts: list[Prompt]) -> pl.DataFrame:
    rows = [
        {
            "prompt_id": f"p{number:02}",
            "settled": settled,
            "eligible": True,
            "judged": True,
            "reason": None if fate == "where_not_met" else fate,
            "fate": fate or PUBLISHED,
            "rank": None if fate else 1 + fates[:at].count(None),
        }
        for number, (settled, fates) in enumerate(prompts)
        for at, fate in enumerate(fates)
    ]
    schema = {"prompt_id": pl.String, "reason": pl.String, "fate": pl.String, "rank": pl.Int32}
    flags = dict.fromkeys(("settled", "eligible", "judged"), pl.Boolean)
    return pl.DataFrame(rows, schema={**schema, **flags}).sample(fraction=1, shuffle=True, seed=1)


@given(PROMPTS, st.integers(1, 12))
def test_the_shortest_settled_prefix(prompts: list[Prompt], wanted: int) -> None:
    ids = pl.Series("prompt_id", [f"p{number:02}" for number in range(len(prompts))], pl.String)
    samples, found = cut_at_target(frame(prompts), ids, wanted, PER_PROMPT)
    prefix = rows = cut = 0
    for settled, fates in prompts:
        if not (settled and fates):  # one without samples is not settled
            break
        prefix += 1
        rows += fates.count(None)
        cut = cut or (prefix if rows >= wanted else 0)
    kept = [len(fates) - fates.count("wrong") for _, fates in prompts[:prefix]]
    assert found[:3] == (rows, sum(min(count, PER_PROMPT) for count in kept), rows >= wanted)
    assert found.last == (f"p{cut - 1:02}" if cut else None)
    last = cut or len(prompts)
    by_prompt = dict(samples.group_by("prompt_id").agg("fate").iter_rows())
    for number, (_, fates) in enumerate(prompts):
        expected = [fate or (PUBLISHED if number < last else BEYOND_TARGET) for fate in fates]
        assert sorted(by_prompt.get(f"p{number:02}", [])) == sorted(expected)
    published = samples["fate"] == PUBLISHED
    assert samples["rank"].is_not_null().equals(published), "who is cut has no place"
