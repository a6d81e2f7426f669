"""A version built from a pool, whose rows are then changed: `verify` says which one breaks what."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from infra.catalog import Catalog
from infra.version import Version, open_version
from tests.conftest import MakeJob
from tests.jobs.test_outputs import published
from tests.pools import pooled
from tests.published import problems, publish_outputs

Tables = dict[str, pa.Table]


MADE: list[Path] = []


@pytest.fixture
def version(make_job: MakeJob, sums: Path, tmp_path_factory: pytest.TempPathFactory) -> Version:
    """With all outputs, sound; built once."""
    if not MADE:
        made = published(pooled(make_job, sums)).catalog.store
        MADE.append(tmp_path_factory.mktemp("made") / "store")
        shutil.copytree(made.url, MADE[0])
    store = shutil.copytree(MADE[0], tmp_path_factory.mktemp("own") / "store")
    return open_version("sums", store)


@pytest.fixture
def changed(version: Version, tmp_path: Path) -> Callable[..., list[str]]:
    """(output, column, row numbers, values, others to leave out) -> what `verify` finds where these
    cells have other values."""
    tables = {output: version.arrow(output, None) for output in version.manifest.rows}
    facts = {name: getattr(version.manifest, name) for name in ("recipe", "prompts", "funnel")}

    def changed(
        output: str, column: str, cells: dict[int, Any], without: tuple[str, ...] = (), **more: Any
    ) -> list[str]:
        outputs = {
            name: [with_cells(table, column, cells) if name == output else table]
            for name, table in tables.items()
            if name not in without
        }
        catalog = Catalog(version.catalog.store, "changed")
        manifest = publish_outputs(catalog, tmp_path, outputs, **{**facts, **more})
        return problems(catalog, manifest.version)

    return changed


def with_cells(table: pa.Table, column: str, cells: dict[int, Any]) -> pa.Table:
    values = table[column].to_pylist()
    for row, value in cells.items():
        values[row] = value
    number = table.column_names.index(column)
    field = table.schema.field(column)
    return table.set_column(number, field, pa.array(values, field.type))


def rows(version: Version, output: str) -> pl.DataFrame:
    return version.scan(output, None).collect()


def test_a_copy_without_changes_is_sound(changed: Callable[..., list[str]]) -> None:
    assert changed("sft", "id", {}) == []


@pytest.mark.parametrize(
    ("column", "other", "said"),
    [
        ("rejected", "chosen", "1 rows have the same text on both sides"),
        ("rejected_digest", "chosen_digest", "1 rows have the same text on both sides"),
        ("rejected_answer", "chosen_answer", "1 rows have the same final answer on both sides"),
    ],
)
def test_a_pair_whose_sides_are_the_same(
    column: str, other: str, said: str, version: Version, changed: Callable[..., list[str]]
) -> None:
    pair = rows(version, "preference").row(4, named=True)
    (problem,) = changed("preference", column, {4: pair[other]})
    assert problem.startswith("preference/train-00000-of-00001-")
    assert problem.endswith(f": {said}; the first is row 4 ({pair['id']})")


def test_answers_are_the_same_by_their_value(
    version: Version, changed: Callable[..., list[str]]
) -> None:
    answer = rows(version, "preference")["chosen_answer"][2]
    cells = {2: rf"\frac{{{2 * int(answer)}}}{{2}}", 3: None}
    (problem,) = changed("preference", "rejected_answer", cells)
    assert "1 rows have the same final answer on both sides; the first is row 2 " in problem


@pytest.mark.parametrize(
    "tokens", [lambda own: 4 * own + 1, lambda own: own // 5, lambda _: 0, lambda _: None]
)
def test_a_pair_of_other_lengths_than_the_recipe_allows(
    tokens: Callable[[int], int | None], version: Version, changed: Callable[..., list[str]]
) -> None:
    pair = rows(version, "preference").row(1, named=True)
    (problem,) = changed("preference", "rejected_tokens", {1: tokens(pair["chosen_tokens"])})
    assert "1 rows have sides of which one is more than 4 times as long as the other" in problem
    assert problem.endswith(f"the first is row 1 ({pair['id']})")


@pytest.mark.parametrize("content", ["", "<think>\nIt goes on and\n</think>\n\n"])
@pytest.mark.parametrize(
    ("output", "column"),
    [("preference", "chosen"), ("preference", "rejected"), ("reward", "completion")],
)
def test_a_side_whose_thinking_never_came_to_an_answer(
    output: str, column: str, content: str, changed: Callable[..., list[str]]
) -> None:
    message = [{"role": "assistant", "content": content}]
    (problem,) = changed(output, column, {0: message, 5: message})
    assert f"2 rows have no answer in {column}; the first is row 0 (" in problem


def test_who_has_stopped_without_an_answer_is_wrong_where_nobody_asks_for_one(
    version: Version, changed: Callable[..., list[str]]
) -> None:
    """As a program that is not there is; without the scorer `format`."""
    recipe = {**version.manifest.recipe, "scorers": {"math": ["math"], "*": ["signature"]}}
    message = [{"role": "assistant", "content": "<think>\nIt goes on and\n</think>\n\n"}]
    assert changed("reward", "completion", {5: message}, recipe=recipe) == []


@pytest.mark.parametrize(
    ("column", "other", "said"),
    [
        ("chosen_id", "rejected_id", "a chosen sample that is not whole and right by"),
        ("rejected_id", "chosen_id", "a rejected sample that is not whole and wrong by"),
    ],
)
def test_sides_that_another_output_calls_otherwise(
    column: str, other: str, said: str, version: Version, changed: Callable[..., list[str]]
) -> None:
    pair = rows(version, "preference").row(3, named=True)
    for without, by in (((), "reward"), (("reward",), "raw")):
        found = changed("preference", column, {3: pair[other]}, without)
        (problem,) = [one for one in found if said in one]
        assert problem.endswith(f"{said} {by}; the first is row 3 ({pair['id']})")
    assert not [
        one
        for one in changed("preference", column, {3: pair[other]}, ("reward", "raw"))
        if said in one
    ]


def test_a_chosen_sample_that_was_truncated(
    version: Version, changed: Callable[..., list[str]]
) -> None:
    pair = rows(version, "preference").row(3, named=True)
    place = rows(version, "raw")["id"].index_of(pair["chosen_id"])
    (problem,) = changed("raw", "finish_reason", {place: "length"}, ("reward",))
    assert problem.startswith("preference/")
    assert "1 rows have a chosen sample that is not whole and right by raw; the first" in problem


def test_a_sample_in_two_pairs(version: Version, changed: Callable[..., list[str]]) -> None:
    pairs = rows(version, "preference")
    (problem,) = changed("preference", "rejected_id", {6: pairs["rejected_id"][2]})
    assert problem.startswith("preference/train-00000")
    sample = pairs["rejected_id"][2]
    assert problem.endswith(
        f"1 samples are more than once in pairs; the first is {sample}, of row 2"
    )


@pytest.mark.parametrize(
    ("output", "column"), [("reward", "label"), ("sft", "correct"), ("raw", "correct")]
)
def test_a_label_that_its_own_scores_do_not_give(
    output: str, column: str, version: Version, changed: Callable[..., list[str]]
) -> None:
    own = rows(version, output)
    without = ("preference",)
    (problem,) = changed(output, column, {7: not own[column][7]}, without)
    assert problem.startswith(f"{output}/train-00000")
    assert f"1 rows have a {column} that their scores do not give" in problem
    assert problem.endswith(f"the first is row 7 ({own['id'][7]})")


def test_an_incomplete_sample_with_a_label(
    version: Version, changed: Callable[..., list[str]]
) -> None:
    scores = rows(version, "reward")["scores"][9]
    scores["format"]["complete"] = False
    (problem,) = changed("reward", "scores", {9: scores})
    assert "1 rows are not complete; the first is row 9 (" in problem


@pytest.mark.parametrize(("output", "part"), [("sft", "choose"), ("preference", "pairs")])
def test_more_rows_of_a_prompt_than_the_recipe_allows(
    output: str, part: str, version: Version, changed: Callable[..., list[str]]
) -> None:
    recipe = version.manifest.recipe
    recipe = {**recipe, part: {**recipe[part], "per_prompt": 1}}
    counts = rows(version, output).group_by("prompt_id").len().filter(pl.col("len") == 2)
    (problem,) = changed(output, "id", {}, recipe=recipe)
    assert problem.startswith(f"{output}/train-00000")
    first = counts["prompt_id"].sort()[0]
    assert f"{counts.height} prompts have more than 1 rows; the first is {first}, with 2" in problem


def test_rows_are_looked_at_group_by_group(
    version: Version,
    tmp_path: Path,
    changed: Callable[..., list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Row numbers go on from one to the next, and no more than one is read at a time."""
    write = pq.write_table
    monkeypatch.setattr(pq, "write_table", lambda rows, path: write(rows, path, row_group_size=5))
    read: list[int] = []
    real = pq.ParquetFile.read_row_group

    def counted(self: Any, number: int, columns: list[str], **options: Any) -> pa.Table:
        found = real(self, number, columns, **options)
        read.append(found.num_rows)
        return found

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", counted)
    labels = rows(version, "reward")["label"]
    cells = {12: not labels[12], 31: not labels[31]}
    found = changed("reward", "label", cells, ("preference",))
    assert "2 rows have a label" in found[0]
    assert "the first is row 12 (" in found[0]
    assert max(read) == 5
