"""Charts of a version: the numbers in them, and that every one of them can be drawn."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import altair as alt
import polars as pl
import pytest
import vl_convert
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs import plot
from jobs.chart_data import (
    compact,
    labels,
    length_bins,
    representation,
    score_bins,
    separation,
)
from jobs.report.figures import picture
from jobs.report.report import Report
from tests.jobs.report.made_up import frame, manifest, report


@pytest.fixture(scope="module")
def made() -> Report:
    return report()


def rows_of(chart: Any) -> list[dict[str, Any]]:
    """The data of a chart, of all its layers."""
    spec = chart.to_dict()
    return [row for rows in spec["datasets"].values() for row in rows]


def drawn(chart: Any) -> str:
    return vl_convert.vegalite_to_svg(chart.to_dict())


def charts_of(made: Report) -> dict[str, Any]:
    own = made.manifest
    return {
        "funnel": plot.funnel(own),
        "waste": plot.waste(made.tokens),
        "pass_rates": plot.pass_rates(own),
        "lengths": plot.lengths(own),
        "sources": plot.origins(own),
        "domains": plot.origins(own, "domain"),
        "represented": plot.represented(own),
        "scores": plot.scores(made.scores, "judge.value"),
        "teachers": plot.teachers(made.teachers),
    }


def test_charts_are_the_librarys_own_objects(made: Report) -> None:
    for name, chart in charts_of(made).items():
        assert isinstance(chart, alt.TopLevelMixin), name
        assert "<path" in drawn(chart), name


def test_charts_of_nothing_are_empty(made: Report) -> None:
    empty = manifest(frame([]), survivorship={}, funnel={}, rows={}, prompts=0)
    nothing = replace(
        made,
        manifest=empty,
        tokens={},
        scores=made.scores.clear(),
        teachers=made.teachers.clear(),
    )
    for name, chart in charts_of(nothing).items():
        assert drawn(chart).startswith("<svg"), name


def test_the_funnel_has_every_fate_and_its_share(made: Report) -> None:
    funnel = made.manifest.funnel
    rows = {row["name"]: row for row in rows_of(plot.funnel(made.manifest))}
    assert {name: row["samples"] for name, row in rows.items()} == funnel
    share = funnel["published"] / sum(funnel.values())
    assert rows["published"]["told"] == f"{funnel['published']} · {share:.1%}"
    assert next(iter(rows)) == "published"
    many = {f"reason_{i:02d}": i for i in range(1, 60)}
    shown = rows_of(plot.waste(many))
    assert len(shown) == plot.MOST + 1
    assert sum(row["tokens"] for row in shown) == sum(many.values())


def test_shares_before_and_after_each_add_up(made: Report) -> None:
    own = made.manifest
    for chart in (
        plot.pass_rates(own),
        plot.lengths(own),
        plot.origins(own),
        plot.scores(made.scores, "repetition.share"),
    ):
        shares: dict[str, float] = {}
        for row in rows_of(chart):
            shares[row["of"]] = shares.get(row["of"], 0) + row["share"]
        assert len(shares) == 2
        assert all(share == pytest.approx(1) for share in shares.values())


def test_a_weight_is_what_is_left_of_a_share(made: Report) -> None:
    counts = made.manifest.survivorship["source"]
    rows = {row["bin"]: row for row in representation(made.manifest)}
    drawn_all = sum(own["samples"] for own in counts.values())
    left_all = sum(own.get("samples_published", 0) for own in counts.values())
    own = counts["gsm8k"]
    wanted = (own["samples_published"] / left_all) / (own["samples"] / drawn_all)
    assert rows["source gsm8k"]["factor"] == pytest.approx(wanted)
    assert {row["bin"] for row in rows.values()} >= {"domain math", "pass rate 1"}


def scored(values: dict[float, tuple[int, int]]) -> pl.DataFrame:
    rows = [
        {"column": "a.b", "value": value, "kept": kept, "samples": count}
        for value, counts in values.items()
        for kept, count in zip((True, False), counts, strict=True)
        if count
    ]
    schema = {"column": pl.String, "value": pl.Float64, "kept": pl.Boolean, "samples": pl.Int64}
    return pl.DataFrame(rows, schema=schema)


def test_few_values_stand_for_themselves_and_many_are_binned() -> None:
    few = score_bins(scored({0: (1, 9), 1: (9, 1)}))
    assert few.select("of", "value", "samples").rows() == [
        *(("kept", 0.0, 1), ("rejected", 0.0, 9), ("kept", 1.0, 9), ("rejected", 1.0, 1))
    ]
    assert few["whole"].all()
    many = scored({i / 1000: (1, 2) for i in range(1000)})
    bins = score_bins(many)
    assert bins["value"].n_unique() == 16
    assert bins["samples"].sum() == 3000
    assert bins.filter(of="kept")["share"].sum() == pytest.approx(1)
    # One value far away does not make one bin of all others.
    far = score_bins(pl.concat([many, scored({1e9: (1, 0)})]))
    assert far.filter(pl.col("value") > 2).is_empty()
    infinite = pl.concat([many, scored({float("inf"): (5, 5), float("nan"): (5, 5)})])
    assert score_bins(infinite).equals(bins)


def test_scores_stand_in_the_order_of_how_well_they_tell() -> None:
    good = scored({0: (0, 10), 1: (10, 0)}).with_columns(column=pl.lit("good.one"))
    none = scored({0: (5, 50), 1: (5, 50)}).with_columns(column=pl.lit("a.none"))
    lone = scored({3: (4, 0)}).with_columns(column=pl.lit("lone.one"))
    rows = {row["column"]: row for row in separation(pl.concat([none, good, lone]))}
    assert [*rows] == ["good.one", "a.none", "lone.one"]
    assert rows["good.one"]["apart"] == pytest.approx(1)
    assert rows["a.none"]["apart"] == pytest.approx(0)
    assert rows["lone.one"] == {
        **{"column": "lone.one", "kept": 4, "rejected": 0},
        **{"mean_kept": 3.0, "mean_rejected": None, "apart": 0.0},
    }


def test_there_are_no_holes_between_lengths() -> None:
    assert length_bins({"64": {}, "512": {}, "unknown": {}}) == ["64", "128", "256", "512"]
    assert length_bins({"0": {}, "2": {}}) == ["0", "1", "2"]
    assert length_bins({"unknown": {}}) == []


def test_numbers_are_short() -> None:
    seen = [compact(n) for n in (0, 512, 1024, 16384, 1 << 20, 9_999, 57_143, 1.5e6, 2e9, 3e12)]
    assert seen == [*("0", "512", "1k", "16k", "1M", "9,999", "57.1k", "1.5M", "2G", "3T")]
    assert compact(41.5) == "41.5"


@given(st.lists(st.text(max_size=60), unique=True, max_size=12), st.integers(16, 40))
def test_labels_are_short_printable_and_each_its_own(names: list[str], most: int) -> None:
    found = labels(names, most)
    assert [*found] == names
    assert len({*found.values()}) == len(names)
    assert all(0 < len(one) <= most and one.isprintable() for one in found.values())


@settings(max_examples=25)
@given(st.dictionaries(st.text(min_size=1, max_size=60), st.integers(1, 9), max_size=4))
def test_whatever_names_are_a_chart_is_drawn(counts: dict[str, int]) -> None:
    chart = plot.waste({"\U0001f600" * 50: 1, "<b>&amp;": 1, **counts}, width=190)
    clean = picture(drawn(chart), "<i>", "&", "small", "figure-1")
    assert "<b" not in clean
    assert "<i" not in clean
    assert "style=" not in clean


def test_a_picture_is_made_of_what_draws_alone(made: Report) -> None:
    svg = drawn(plot.funnel(made.manifest))
    bad = svg.replace(
        "<defs>", '<script>x</script><image href="http://a"/><style>*{}</style><defs>'
    ).replace("<path ", '<path onload="x" style="y" id="z" href="javascript:x" ', 3)
    clean = picture(bad, "Title", "Told", "wide", "figure-1")
    for word in ("script", "image", "onload", "style", "href", 'id="z"', "defs", "http://a"):
        assert word not in clean
    assert 'aria-labelledby="figure-1-title figure-1-told"' in clean
    assert "var(--accent)" in clean
    assert not any(colour in clean for colour in plot.COLOURS.values())


def test_a_notebook_sees_real_colours(made: Report) -> None:
    told = json.dumps(plot.funnel(made.manifest).to_dict())
    assert plot.COLOURS["accent"] in told
    assert "var(" not in told


def test_a_version_is_as_good_as_its_manifest(made: Report, tmp_path: Path) -> None:
    from infra.catalog import Catalog
    from infra.store import open_store
    from infra.version import Version

    version = Version(made.manifest, Catalog(open_store(tmp_path), "sums"))
    assert plot.funnel(version).to_dict() == plot.funnel(made.manifest).to_dict()
