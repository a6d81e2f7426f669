"""All outputs of a version, built from a pool: what their rows are, and that these fit together."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from filters.outputs import OUTPUTS
from filters.splits import NEAR_OTHER_SPLIT
from infra.catalog import Catalog
from infra.version import Version
from jobs import build as building
from jobs import decide as deciding
from jobs import parts
from jobs.build import Built, build
from jobs.decide import decide
from jobs.fates import samples_with_fates
from jobs.listing import versions
from jobs.prompt_copy import load_prompts
from jobs.publish import publish
from jobs.recipe import Job
from schemas.errors import RecipeError, RunError
from schemas.outputs import OUTPUTS as SCHEMAS
from tests.conftest import MakeJob
from tests.pools import ASKED, EACH, drawn, pooled, write_pool, write_sums
from tests.published import problems


@pytest.fixture
def job(make_job: MakeJob, sums: Path) -> Job:
    return pooled(make_job, sums)


def published(job: Job) -> Version:
    built = build(job, load_prompts(job))
    done = publish(job, built, allow_simulated=True)
    catalog = Catalog(job.store, job.recipe.name)
    assert problems(catalog, done.version) == []
    return Version(catalog.manifest(done.version), catalog)


def rows(version: Version, output: str) -> pl.DataFrame:
    return version.scan(output, None).collect()


def test_every_output_has_its_columns_and_its_key(job: Job) -> None:
    version = published(job)
    assert [*version.manifest.rows] == [*SCHEMAS] == [*OUTPUTS]
    for output, count in version.manifest.rows.items():
        found = rows(version, output)
        wanted = pl.Schema(SCHEMAS[output])
        assert dict(list(found.schema.items())[: len(wanted)]) == dict(wanted)
        assert found.columns[len(wanted) :] in ([], ["scores"])
        assert count == found.height > 0
        assert found["id"].is_unique().all()
        never_null = [field.name for field in SCHEMAS[output] if not field.nullable]
        assert not any(found.select(never_null).null_count().row(0))


def test_samples_are_in_the_outputs_that_their_fates_say(job: Job) -> None:
    version, samples = published(job), samples_with_fates(job, load_prompts(job))
    chosen = samples.filter(pl.col("fate") == "published")
    assert set(rows(version, "sft")["id"]) == set(chosen["id"])
    raw = rows(version, "raw")
    assert dict(raw.select("id", "fate").iter_rows()) == dict(
        samples.select("id", "fate").iter_rows()
    )
    assert dict(raw["fate"].value_counts().iter_rows()) == version.manifest.funnel

    by_id = {row["id"]: row for row in samples.iter_rows(named=True)}
    labelled = rows(version, "reward")
    for row in labelled.iter_rows(named=True):
        own = by_id[row["id"]]
        assert own["eligible"]
        assert own["finish_reason"] == "stop"
        assert row["label"] == own["correct"] == (row["answer"] == row["reference_answer"])
    complete = samples.filter("eligible", pl.col("correct").is_not_null(), "format.complete")
    assert labelled.height == complete.height
    for row in rows(version, "preference").iter_rows(named=True):
        chosen_one, rejected = by_id[row["chosen_id"]], by_id[row["rejected_id"]]
        assert chosen_one["reason"] is None
        assert rejected["wrong"]
        assert chosen_one["prompt_id"] == rejected["prompt_id"] == row["prompt_id"]


def test_rows_have_the_texts_of_their_own_samples(job: Job) -> None:
    version = published(job)
    written = job.pool.scan("samples").select("text_digest", "text", "reasoning", "answer")
    texts = {row["text_digest"]: row for row in written.collect().iter_rows(named=True)}
    for row in rows(version, "raw").iter_rows(named=True):
        own = texts[row["text_digest"]]
        assert (row["text"], row["reasoning"], row["response"]) == (
            own["text"],
            own["reasoning"],
            own["answer"],
        )
    for row in rows(version, "reward").iter_rows(named=True):
        assert row["completion"] == [message_of(texts[row["text_digest"]])]
    for row in rows(version, "sft").iter_rows(named=True):
        assert row["messages"][1:] == [message_of(texts[row["text_digest"]])]
        assert row["messages"][0]["content"] == row["prompt"]
    for row in rows(version, "preference").iter_rows(named=True):
        for side in ("chosen", "rejected"):
            assert row[side] == [message_of(texts[row[f"{side}_digest"]])]


def message_of(sample: dict[str, Any]) -> dict[str, str]:
    thinking, answer = sample["reasoning"].strip("\n"), sample["answer"].strip()
    return {"role": "assistant", "content": f"<think>\n{thinking}\n</think>\n\n{answer}"}


def test_prompts_for_rl_have_their_pass_rates(job: Job) -> None:
    version = published(job)
    probe = samples_with_fates(job, load_prompts(job)).filter(pl.col("sample_index") < 4)
    right = dict(probe.group_by("prompt_id").agg(pl.col("correct").mean()).iter_rows())
    found = rows(version, "rl")
    assert dict(found.select("prompt_id", "pass_rate").iter_rows()) == right
    assert found.height == ASKED
    assert (found["pass_rate_low"] < found["pass_rate"].clip(0.01, 0.99)).all()
    assert (found["judged"] == 4).all()
    assert found["verifier"].unique().to_list() == ["math"]
    for row in found.iter_rows(named=True):
        assert row["prompt"][-1]["role"] == "user"
        assert int(row["reference_answer"]) == 2 * int(row["prompt"][-1]["content"].split()[2])


def test_where_chooses_the_prompts_for_rl_too(make_job: MakeJob, sums: Path) -> None:
    where = "group.pass_rate > 0 and group.pass_rate < 1"
    job = pooled(make_job, sums, choose={"where": where}, outputs=["rl"])
    found = rows(published(job), "rl")
    assert 0 < found.height < ASKED
    assert found["pass_rate"].is_between(0, 1, closed="none").all()


def test_without_sft_the_best_are_chosen_and_not_published(make_job: MakeJob, sums: Path) -> None:
    version = published(pooled(make_job, sums, outputs=["rl", "raw"]))
    assert "published" not in version.manifest.funnel
    assert version.manifest.funnel["chosen"] == (rows(version, "raw")["fate"] == "chosen").sum()
    assert version.manifest.prompts == ASKED


def test_an_output_without_rows_is_not_there(make_job: MakeJob, sums: Path) -> None:
    job = pooled(make_job, sums, outputs=["sft", "preference"], pairs={"rejected": "false"})
    version = published(job)
    assert [*version.manifest.rows] == ["sft"]


def test_every_split_has_its_own_files(make_job: MakeJob, sums: Path) -> None:
    version = published(pooled(make_job, sums, splits={"validation": 0.3, "test": 0.2}))
    splits: dict[str, set[str]] = {}
    for output in OUTPUTS:
        parts_ = [
            version.scan(output, split).collect() for split in ("train", "validation", "test")
        ]
        assert sum(part.height for part in parts_) == version.manifest.rows[output]
        for split, part in zip(("train", "validation", "test"), parts_, strict=True):
            splits.setdefault(split, set()).update(part["prompt_id"])
    assert sum(map(len, splits.values())) == len(set.union(*splits.values())), "none is in two"


def test_a_mix_is_what_is_written(make_job: MakeJob, sums: Path) -> None:
    strata = {"hard": {"where": "group.pass_rate < 0.7", "share": 0.5}, "easy": {"share": 0.5}}
    job = pooled(make_job, sums, mix={"total": 20, "strata": strata})
    version = published(job)
    found = rows(version, "sft")
    assert found.height == version.manifest.rows["sft"] == 20
    assert (found["pass_rate"] < 0.7).sum() == 10
    assert version.manifest.funnel["published"] == 20
    assert version.manifest.funnel["beyond_mix"] > 0
    assert version.manifest.mix["strata"]["hard"]["taken"] == 10
    samples = samples_with_fates(job, load_prompts(job))
    assert fates(samples) == fates(rows(version, "raw")) == version.manifest.funnel
    assert set(samples.filter(pl.col("fate") == "published")["id"]) == set(found["id"])


def fates(samples: pl.DataFrame) -> dict[str, int]:
    return dict(samples["fate"].value_counts().iter_rows())


def test_all_outputs_end_where_a_target_is_reached(make_job: MakeJob, sums: Path) -> None:
    job = pooled(make_job, sums, target={"published": 30})
    version = published(job)
    last = rows(version, "sft")["prompt_id"].max()
    for output in ("sft", "preference", "rl", "reward"):
        assert rows(version, output)["prompt_id"].max() == last
    raw = rows(version, "raw")
    assert raw.height == ASKED * EACH
    assert fates(raw) == fates(samples_with_fates(job, load_prompts(job)))
    assert fates(raw) == version.manifest.funnel
    assert set(raw.filter(pl.col("fate") == "published")["id"]) == set(rows(version, "sft")["id"])


def test_a_version_without_the_rows_that_matter_most_is_none(make_job: MakeJob, sums: Path) -> None:
    nobody = {"where": "source = 'nobody'", "share": 0.5}
    job = pooled(make_job, sums, mix={"strata": {"nobody": nobody, "rest": {"share": 0.5}}})
    with pytest.raises(RunError, match=r"no row of sft.*mix\.strata\.nobody has none"):
        build(job, load_prompts(job))


MIX = {"strata": {"hard": {"where": "group.pass_rate < 0.7", "share": 0.4}, "easy": {"share": 0.6}}}


@pytest.mark.usefixtures("ray_here")
@pytest.mark.parametrize("here", [True, False])
def test_shards_parts_and_tasks_leave_no_trace(
    here: bool, make_job: MakeJob, sums: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = pooled(make_job, sums, splits={"validation": 0.3}, mix=MIX)
    monkeypatch.setattr(parts, "TOKENS_PER_PART", 12_000)
    first = built(job)
    assert len(first.files) > 10
    monkeypatch.setattr(deciding, "PROMPTS_PER_SHARD", 7)
    monkeypatch.setattr(deciding, "SHARDS_HERE", 99 if here else 1)
    monkeypatch.setattr(building, "TOKENS_HERE", 10**9 if here else 0)
    second = built(job)
    assert second.content_digest == first.content_digest
    assert second.survivorship == first.survivorship
    assert second.decided == first.decided
    assert second.decided.scores.equals(first.decided.scores)
    assert second.decided.shown.equals(first.decided.shown)


def built(job: Job) -> Built:
    return build(job, load_prompts(job))


def test_verify_sees_a_prompt_in_two_splits(make_job: MakeJob, sums: Path) -> None:
    job = pooled(make_job, sums, splits={"validation": 0.3})
    found = built(job)

    def swapped(path: str) -> str:
        output, _, name = path.partition("/")
        split, _, rest = name.partition("-")
        other = {"train": "validation", "validation": "train"}[split]
        return f"{output}/{other}-{rest}" if output == "rl" else path

    files = [file.model_copy(update={"path": swapped(file.path)}) for file in found.files]
    staged = {swapped(path): key for path, key in found.staged.items()}
    done = publish(job, replace(found, files=(*files,), staged=staged), allow_simulated=True)
    told = problems(Catalog(job.store, job.recipe.name), done.version)
    assert told == [f"{ASKED} prompts are in the splits train and validation"]


def test_verify_sees_a_funnel_that_is_not_that_of_the_rows(job: Job) -> None:
    found = built(job)
    less = {**found.decided.funnel} | {"published": found.decided.funnel["published"] - 1}
    decided = replace(found.decided, funnel=less)
    done = publish(job, replace(found, decided=decided), allow_simulated=True)
    (told,) = problems(Catalog(job.store, job.recipe.name), done.version)
    assert told.startswith("manifest.json: its funnel says ")


def test_rows_of_outputs_are_told_apart(job: Job) -> None:
    version = published(job)
    text, _ = versions(job.store.url, job.recipe.name)
    told = ", ".join(f"{output} {count:,}" for output, count in version.manifest.rows.items())
    assert told in text


def test_surplus_and_truncated_samples_have_no_label(make_job: MakeJob, sums: Path) -> None:
    write_sums(sums, ASKED)
    job = make_job(
        outputs=["sft", "reward"],
        scorers={"math": ["math"], "*": ["format"]},
        samples={"probe": 2, "max": EACH, "enough": 1},
    )
    samples = [
        (prompt, replace(sample, finish_reason="length" if sample.sample_index == 1 else "stop"))
        for prompt, sample in drawn(job, EACH)
    ]
    write_pool(job, [samples])
    fated = samples_with_fates(job, load_prompts(job))
    assert {"surplus", "not_finished"} <= set(fated["fate"])
    labelled = rows(published(job), "reward")
    complete = fated.filter("eligible", pl.col("sample_index") != 1)
    assert set(labelled["id"]) == set(complete["id"])


@pytest.mark.parametrize("reason", [NEAR_OTHER_SPLIT, "not_new"])
def test_what_is_near_another_split_is_in_no_output(reason: str, job: Job) -> None:
    prompts = load_prompts(job)
    left_out = prompts.frame.head(1).with_columns(reason=pl.lit(reason))
    some = replace(prompts, frame=prompts.frame.tail(-1), left_out=left_out)
    done = publish(job, build(job, some), allow_simulated=True)
    catalog = Catalog(job.store, job.recipe.name)
    version = Version(catalog.manifest(done.version), catalog)
    gone = left_out["prompt_id"].item()
    where = {o for o in version.manifest.rows if gone in set(rows(version, o)["prompt_id"])}
    assert where == (set() if reason == NEAR_OTHER_SPLIT else {"raw"})
    assert version.manifest.funnel[reason] == EACH


def test_the_order_of_splits_and_strata_is_part_of_a_cut(make_job: MakeJob, sums: Path) -> None:
    write_sums(sums, 2)

    def recipe_id(**fields: Any) -> str:
        job = make_job(**fields)
        return decide(job, load_prompts(job)).cut.recipe

    splits = {"validation": 0.1, "test": 0.1}
    strata: dict[str, Any] = {"hard": {"where": "group.pass_rate < 1"}, "rest": {}}
    for field, given in (("splits", splits), ("strata", strata)):
        orders = [given, dict(reversed(given.items()))]
        fields = [{"mix": {"strata": o}} if field == "strata" else {field: o} for o in orders]
        assert recipe_id(**fields[0]) == recipe_id(**fields[0]) != recipe_id(**fields[1])


def test_nobody_is_moved_by_a_version_that_was_built_meanwhile(
    make_job: MakeJob, sums: Path
) -> None:
    job = pooled(make_job, sums, splits={"validation": 0.3})
    other = make_job(
        outputs=["sft"], scorers={"math": ["math"], "*": ["format"]}, splits={"test": 0.3}
    )
    late = build(other, load_prompts(other))
    publish(job, built(job), allow_simulated=True)
    with pytest.raises(RecipeError, match="would be in another split"):
        publish(other, late, allow_simulated=True)
    assert Catalog(job.store, job.recipe.name).versions() == ["v0001"]
