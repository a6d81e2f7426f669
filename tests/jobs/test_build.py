"""A version's bytes follow from its cut, wherever and however it is decided and written."""

import random
from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from filters.choose import PUBLISHED
from infra.catalog import Catalog
from infra.compaction import merge
from infra.pool_writer import PoolWriter
from jobs import build as building
from jobs import decide as deciding
from jobs import parts
from jobs.build import Built, build, write_parquet
from jobs.decide import decide, summary
from jobs.fates import TEXTS, read_texts, samples_with_fates
from jobs.prompts import read_prompts
from jobs.recipe import Job
from schemas.errors import StoreError, StoreUnavailableError
from schemas.identity import identity
from schemas.manifest import File
from schemas.prompt import Prompt
from schemas.sample import Sample
from tests.conftest import MakeJob
from tests.pools import drawn, write_pool, write_sums
from tests.published import problems

PROMPTS, EACH = 40, 3
SMALL_PART = 2_500
"""Tokens; all chosen samples have about four times as many."""
Samples = Sequence[tuple[Prompt, Sample]]


@pytest.fixture
def made(make_job: MakeJob, sums: Path, tmp_path: Path) -> "Made":
    write_sums(sums, PROMPTS)
    return Made(make_job, tmp_path)


class Made:
    """Jobs over the same samples, in stores of their own."""

    def __init__(self, make_job: MakeJob, folder: Path) -> None:
        self._make_job = make_job
        self._folder = folder

    def job(self, store: str = "one", **fields: object) -> Job:
        return self._make_job(
            store=str(self._folder / store),
            scorers={"*": ["exact_match", "format"]},
            samples=dict.fromkeys(("probe", "max", "enough"), EACH),
            choose={"per_prompt": EACH},
            **fields,
        )

    def pool(self, store: str = "one", files: int = 1, *, shuffled: bool = False) -> Job:
        job = self.job(store)
        samples = drawn(job, EACH)
        if shuffled:
            random.Random(7).shuffle(samples)
        size = -(-len(samples) // files)
        write_pool(job, [samples[i : i + size] for i in range(0, len(samples), size)])
        return job


def built(job: Job) -> Built:
    return build(job, read_prompts(job.recipe))


def in_parts(monkeypatch: pytest.MonkeyPatch, *, here: bool) -> None:
    monkeypatch.setattr(parts, "TOKENS_PER_PART", SMALL_PART)
    monkeypatch.setattr(building, "TOKENS_HERE", 10**9 if here else 0)


def path_of(job: Job, found: Built, file: File) -> str:
    return job.store.uri(found.staged[file.path])


def staged(job: Job) -> list[str]:
    return [entry.key for entry in job.store.walk(f"datasets/{job.recipe.name}/staging")]


def test_files_of_the_pool_leave_no_trace(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    in_parts(monkeypatch, here=True)
    first = built(made.pool())
    assert len(first.files) == 4
    assert built(made.pool("shuffled", 7, shuffled=True)).content_digest == first.content_digest

    job = made.pool("merged", 6, shuffled=True)
    for table in ("samples", "scores"):
        files = job.pool.files(table)
        merged = merge(job.pool.folder(table), files[:4], "merged.parquet")
        PoolWriter(job.pool, epoch=1).commit(table, [merged], files[:4])
    assert len(job.pool.files("samples")) == 3
    assert built(job).content_digest == first.content_digest


def test_what_is_read_and_decided_at_once_leaves_no_trace(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_parts(monkeypatch, here=True)
    monkeypatch.setattr(parts, "ROWS_PER_GROUP", 7)
    job = made.pool(files=2)
    first = built(job)
    monkeypatch.setattr(parts, "TOKENS_AT_ONCE", 300)
    assert built(job).content_digest == first.content_digest
    monkeypatch.setattr(deciding, "PROMPTS_PER_SHARD", 7)
    monkeypatch.setattr(deciding, "SHARDS_HERE", 99)
    assert built(job).content_digest == first.content_digest


@pytest.mark.usefixtures("ray_here")
def test_tasks_on_ray_write_the_same_bytes(
    made: Made, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    job = made.pool(files=3, shuffled=True)
    in_parts(monkeypatch, here=True)
    first = built(job)
    in_parts(monkeypatch, here=False)
    assert built(job).content_digest == first.content_digest
    assert "parts of sft written: 1 of 4" in capfd.readouterr().err
    monkeypatch.setattr(deciding, "PROMPTS_PER_SHARD", 15)
    monkeypatch.setattr(deciding, "SHARDS_HERE", 1)
    again = built(job)
    assert again.content_digest == first.content_digest
    assert summary(again.decided) == summary(first.decided)


def test_rows_stand_in_the_order_of_their_keys_with_their_own_texts(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_parts(monkeypatch, here=True)
    monkeypatch.setattr(parts, "TOKENS_AT_ONCE", 300)
    job = made.pool(files=5, shuffled=True)
    found = built(job)
    assert [file.path[:15] for file in found.files] == [f"sft/train-0000{i}" for i in range(4)]
    rows = pl.concat(pl.read_parquet(path_of(job, found, file)) for file in found.files)
    assert [file.rows for file in found.files] == [
        pq.read_metadata(path_of(job, found, file)).num_rows for file in found.files
    ]
    key = ["prompt_id", "sample_index"]
    fates = samples_with_fates(job, read_prompts(job.recipe)).filter(pl.col("fate") == PUBLISHED)
    assert rows.select("id", *key).equals(fates.sort(key).select("id", *key))
    texts = {(p.prompt_id, s.sample_index): (p, s) for p, s in drawn(job, EACH)}
    for row in rows.iter_rows(named=True):
        prompt, sample = texts[row["prompt_id"], row["sample_index"]]
        assert row["id"] == identity("y", [prompt.prompt_id, job.teacher_id, sample.sample_index])
        assert row["reasoning"] == (sample.reasoning or "").strip("\n")
        assert row["prompt"] == prompt.messages[-1]["content"]
        assert row["reference_answer"] == prompt.reference


@pytest.mark.parametrize("wanted", [None, 1, 20, 41, 10_000])
def test_shards_come_to_what_the_whole_comes_to(
    wanted: int | None, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    made.pool()
    job = made.job(target={"published": wanted})
    prompts = read_prompts(job.recipe)
    samples = samples_with_fates(job, prompts)
    published = samples.filter(pl.col("fate") == PUBLISHED)
    whole = summary(decide(job, prompts))
    monkeypatch.setattr(deciding, "PROMPTS_PER_SHARD", 6)
    monkeypatch.setattr(deciding, "SHARDS_HERE", 99)
    assert summary(decide(job, prompts)) == whole
    assert whole["funnel"] == dict(samples["fate"].value_counts().iter_rows())
    assert whole["samples"] == PROMPTS * EACH
    tokens = pl.col("reasoning_tokens") + pl.col("answer_tokens")
    for key, rows in (("tokens", samples), ("tokens_published", published)):
        assert whole[key] == rows.select(tokens.sum()).item()
    assert whole["prompts_published"] == published["prompt_id"].n_unique()
    if wanted in (1, 20, 41):
        assert wanted <= published.height < wanted + EACH
        assert whole["target"] == "reached"
        assert sum(file.rows or 0 for file in built(job).files) == published.height


def test_shards_without_samples_are_shards_all_the_same(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = made.job()
    prompts = read_prompts(job.recipe)
    assert summary(decide(job, prompts))["unsettled"] == PROMPTS, "there is no pool yet"
    write_pool(job, [drawn(job, EACH)[: 10 * EACH]])
    monkeypatch.setattr(deciding, "PROMPTS_PER_SHARD", 6)
    monkeypatch.setattr(deciding, "SHARDS_HERE", 99)
    decided = decide(job, prompts)
    assert (decided.unsettled, sum(decided.funnel.values())) == (PROMPTS - 10, 10 * EACH)
    assert sum(file.rows or 0 for file in built(job).files) == decided.funnel[PUBLISHED]


def test_only_narrow_columns_have_statistics(made: Made) -> None:
    job = made.pool()
    found = built(job)
    metadata = pq.read_metadata(path_of(job, found, found.files[0]))
    group = metadata.row_group(0)
    columns = [group.column(i) for i in range(group.num_columns)]
    with_statistics = [c.path_in_schema for c in columns if c.is_stats_set]
    assert with_statistics == ["id", "prompt_id", "sample_index"]
    assert [c.path_in_schema for c in columns if c.has_column_index] == with_statistics
    assert all(c.has_offset_index for c in columns), "a page can be found without the others"
    assert {c.compression for c in columns} == {"ZSTD"}
    names = {c.path_in_schema.split(".")[0] for c in columns}
    assert {"messages", "scores", "reasoning"} <= names
    assert set(metadata.metadata or {}) <= {b"ARROW:schema"}, "nothing of the version"


def test_row_groups_have_as_many_rows_as_they_may(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "ROWS_PER_GROUP", 7)
    job = made.pool()
    found = built(job)
    metadata = pq.read_metadata(path_of(job, found, found.files[0]))
    counts = [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]
    assert set(counts[:-1]) == {7}
    assert 0 < counts[-1] <= 7


def test_a_row_that_is_new_moves_only_the_page_that_it_is_in(tmp_path: Path) -> None:
    chance = random.Random(1)
    rows = [chance.randbytes(1000).hex() for _ in range(3000)]
    before, after = tmp_path / "before.parquet", tmp_path / "after.parquet"
    write_parquet(before, [pa.table({"text": rows})])
    write_parquet(after, [pa.table({"text": ["new", *rows]})])
    old, new = before.read_bytes(), after.read_bytes()
    windows = [old[i : i + 256] for i in range(0, len(old) - 256, len(old) // 50)]
    assert sum(window in new for window in windows) > 30


def test_chunks_in_memory_leave_no_trace(tmp_path: Path) -> None:
    chance = random.Random(1)
    # Of shorter texts, content alone says where pages end.
    texts = [chance.randbytes(chance.randint(30_000, 90_000)).hex() for _ in range(20)]
    whole = pl.DataFrame({"texts": [[text, ""] for text in texts]})
    pieces = pl.concat([whole[i : i + 3] for i in range(0, 20, 3)], rechunk=False)
    assert pieces.n_chunks() == 7
    paths = [tmp_path / "whole.parquet", tmp_path / "pieces.parquet"]
    for path, rows in zip(paths, (whole, pieces), strict=True):
        write_parquet(path, [building._arrow(rows)])
    assert paths[0].read_bytes() == paths[1].read_bytes()


@pytest.mark.usefixtures("ray_here")
@pytest.mark.parametrize("here", [True, False])
def test_a_part_that_cannot_be_written_is_named_and_leaves_nothing(
    here: bool, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_parts(monkeypatch, here=here)
    job = made.pool(files=4)
    spoil(Path(job.pool.folder("samples")) / job.pool.files("samples")[3].name)
    named = (
        r"(?s)^part [34] of 4 of sft/train \(prompts p1_\w+ to p1_\w+\): .*Put it back from a copy"
    )
    with pytest.raises(StoreError, match=named):
        built(job)
    assert staged(job) == []


def test_a_torn_file_is_said_to_be_one(made: Made) -> None:
    job = made.pool()
    path = Path(job.pool.folder("samples")) / job.pool.files("samples")[0].name
    path.write_bytes(path.read_bytes()[:-5])
    for torn in (path, path.with_name("gone.parquet")):
        with pytest.raises(StoreError, match="Put it back from a copy"):
            read_texts(job, str(torn), pl.Series([0, 1]), TEXTS)


def spoil(path: Path) -> None:
    """Overwrites the texts of a file; its size and its narrow columns stay."""
    group = pq.read_metadata(path).row_group(0)
    columns = [group.column(i) for i in range(group.num_columns)]
    texts = next(c for c in columns if c.path_in_schema == "reasoning")
    content = bytearray(path.read_bytes())
    start = texts.dictionary_page_offset or texts.data_page_offset
    content[start : start + texts.total_compressed_size] = b"\xff" * texts.total_compressed_size
    path.write_bytes(content)


def test_an_interrupt_leaves_nothing(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(path: Path, _: object) -> None:
        path.write_bytes(b"begun")
        raise KeyboardInterrupt

    monkeypatch.setattr(building, "write_parquet", interrupted)
    job = made.pool()
    with pytest.raises(KeyboardInterrupt):
        built(job)
    assert staged(job) == []


def test_a_part_written_twice_is_there_once(made: Made, tmp_path: Path) -> None:
    job = made.pool()
    found = built(job)
    key = found.staged[found.files[0].path]
    content = job.store.get(key)
    assert content is not None
    with job.store.new_file(key) as path:
        path.write_bytes(content)
    assert staged(job) == [key]
    with pytest.raises(StoreUnavailableError, match="cannot be written now"):
        write_parquet(tmp_path / "gone" / "part.parquet", [pa.table({"x": [1]})])


def test_all_parts_are_published(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    from jobs.publish import publish

    in_parts(monkeypatch, here=True)
    job = made.pool()
    done = publish(job, built(job), allow_simulated=True)
    assert problems(Catalog(job.store, "sums"), done.version) == []
    assert len([*(Path(done.location) / "sft").iterdir()]) == 4
    assert staged(job) == []
