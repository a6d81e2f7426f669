"""A reader who has never heard of us finds everything on the card of a published version."""

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from datasets import load_dataset
from transformers import AutoTokenizer

from examples.tiny_r1.tokenizer import ASSISTANT, BOS, EOS, USER
from filters.measured import AT_FIRST_SIGHT, MEASURED
from infra.catalog import Catalog
from infra.meter import Meter
from infra.version import open_version
from jobs.build import build
from jobs.card import card
from jobs.card_loading import TEMPLATE
from jobs.prompt_rules import by_prompt_rules
from jobs.prompts import read_prompts
from jobs.publish import publish
from jobs.recipe import Job
from schemas.manifest import File, Manifest
from tests.conftest import ROOT, MakeJob
from tests.jobs.cards import cells, front_of, section, wrong
from tests.pools import drawn, write_pool, write_sums

TINY_R1 = ROOT / "examples" / "tiny_r1" / "model"
CARD = "README.md"
UNSOLVED = 5
"""Prompts, and one more that is leaked."""


@pytest.fixture
def job(make_job: MakeJob, sums: Path, tmp_path: Path) -> Job:
    write_sums(sums, 30)
    questions = tmp_path / "eval.jsonl"
    leaked = "A farmer has seven hens and buys five more on Monday; how many has he now?"
    questions.write_text(json.dumps({"question": leaked}))
    with sums.open("a") as file:
        file.write(json.dumps({"question": leaked, "answer": "12"}))
    return make_job(
        scorers={"math": ["exact_match"], "*": ["format", "leaks"]},
        samples={"probe": 4, "max": 4, "enough": 1},
        choose={"per_prompt": 1, "order_by": ["reasoning_tokens"]},
        decontaminate=[{"path": str(questions), "name": "tests of sums"}],
        price={"gpu_hour": 2.5},
        teacher={
            "model": "sim",
            "engine": "simulated",
            "license": "MIT",
            "system": "Think `hard`.\nBe right.",
        },
    )


@pytest.fixture
def manifest(job: Job) -> Manifest:
    """Of a version that is really published, with everything that a manifest may tell."""
    prompts = by_prompt_rules(job, read_prompts(job.recipe))
    samples_of = drawn(job, 4)
    first = {prompt.prompt_id for prompt, _ in samples_of[: 4 * UNSOLVED]}
    write_pool(job, [[(p, wrong(p, s) if p.prompt_id in first else s) for p, s in samples_of]])
    meter = Meter(job.store, job.recipe.pool, "a000001", job.recipe.name, job.teacher_id, gpus=2)
    meter.started("r0", 0.0)
    meter.saw({}, 60_000, 0.0)
    meter.save(1800.0, last=True)
    done = publish(job, build(job, prompts), allow_simulated=True)
    return Catalog(job.store, "sums").manifest(done.version)


def test_prompts_with_their_sources_and_licences(manifest: Manifest) -> None:
    said = section(card(manifest), "Prompts")
    assert ["sums", "math", "CC0-1.0"] in cells(said)
    assert f"{manifest.prompts:,} prompts have published samples" in said
    assert "1 not_decontaminated" in said


def test_the_teacher_and_what_its_outputs_may_be_used_for(manifest: Manifest) -> None:
    said = section(card(manifest), "Teacher")
    assert "model: sim@sim" in said
    assert "revision: not stated" in said
    assert "licence of its outputs: MIT" in said
    assert "engine: simulated" in said
    assert "system prompt: `` Think `hard`. Be right. ``" in said
    assert "temperature `0.6`, top_p `0.95`" in said
    assert "max_tokens `512`" in said
    assert "probe `4`" in said
    other = {**manifest.recipe, "teacher": {"model": "m/m", "engine": "vllm", "revision": "c0ffee"}}
    said = section(card(manifest.model_copy(update={"recipe": other})), "Teacher")
    assert "revision: c0ffee" in said
    assert "licence of its outputs: not stated by the recipe" in said


def test_scorers_with_versions_and_measured_errors(manifest: Manifest) -> None:
    said = section(card(manifest), "Scorers")
    rows = {row[0]: row[1:] for row in cells(said)}
    assert rows["exact_match"] == ["math", "3", "not measured"]
    assert rows["leaks"] == ["all", "1", MEASURED["leaks"].fact]
    assert manifest.scorers["format"] in said
    assert AT_FIRST_SIGHT not in said
    old = manifest.model_copy(update={"provenance": {}, "scorers": {"math": "k1_x", "pii": "k1_y"}})
    said = section(card(old), "Scorers")
    rows = {row[0]: row[1:] for row in cells(said)}
    assert rows["math"][1:] == ["not stated", f"of version 4: {MEASURED['math'].fact}"]
    assert AT_FIRST_SIGHT in said


def test_the_funnel_with_its_reasons(manifest: Manifest) -> None:
    text = card(manifest)
    said = section(text, "Where all 124 samples went")
    rows = cells(said)[1:]
    assert {fate: int(count) for fate, count, _ in rows} == manifest.funnel
    assert {"published", "not_correct", "not_decontaminated"} <= manifest.funnel.keys()
    assert sum(float(share.rstrip("%")) for _, _, share in rows) == pytest.approx(100, abs=0.5)
    assert "- correct: `correct`" in section(text, "Kept and chosen")
    assert 'order_by `["reasoning_tokens"]`' in section(text, "Kept and chosen")


def test_leaks_looked_for_and_how(manifest: Manifest) -> None:
    said = section(card(manifest), "Leaks")
    assert "compared with `tests of sums`" in said
    assert "half of a question's runs of three words" in said
    assert "left out: 1 not_decontaminated" in said
    assert "What the teacher wrote was compared too" in said
    nothing = {**manifest.recipe, "decontaminate": []}
    said = section(card(manifest.model_copy(update={"recipe": nothing})), "Leaks")
    assert said.startswith("Nobody has compared")


def test_tokens_gpu_hours_and_cost(manifest: Manifest) -> None:
    said = section(card(manifest), "Tokens and cost")
    assert f"{manifest.provenance['tokens']:,} generated tokens" in said
    assert f"the published ones {manifest.provenance['tokens_published']:,}" in said
    assert "since the pool began" in said
    published = manifest.funnel["published"]
    rows = {row[0]: row[1:] for row in cells(said)}
    assert rows["tokens"] == ["60,000", f"{60_000 / published:,.4g}"]
    assert rows["GPU-hours"] == ["1", f"{1 / published:.4g}"]
    assert rows["US dollars"] == ["2.5", f"{2.5 / published:.4g}"]
    assert "A GPU-hour was counted as 2.5 USD" in said
    said = section(card(manifest.model_copy(update={"provenance": {}})), "Tokens and cost")
    assert said == "What it cost was not recorded.\n\n"


def test_what_difficulty_and_length_was_lost(manifest: Manifest) -> None:
    said = section(card(manifest), "What was lost")
    counts = manifest.survivorship
    assert (
        f"Of 31 prompts with samples {31 - UNSOLVED} have a right one, {UNSOLVED} (16.1%)" in said
    )
    assert ["never", f"{UNSOLVED}", "0", "0.0%"] in cells(said)
    assert "that the teacher always solved were" in said
    rows = cells(said)
    for name, own in counts["pass_rate"].items():
        before, after = own["prompts"], own.get("prompts_published", 0)
        wanted = [name.replace("_", " "), f"{before}", f"{after}", f"{after / before:.1%}"]
        assert wanted in rows
    assert re.search(r"median length .* of \d+ to \d+ tokens, the published ones of \d+ to", said)
    assert "Samples that reached 512 tokens were cut" in said
    assert (
        sum(own.get("published", 0) for own in counts["tokens"].values())
        == (manifest.funnel["published"])
    )
    (source,) = (row for row in rows if row[0] == "sums")
    assert source[1:5] == ["31", f"{manifest.prompts}", "124", f"{manifest.funnel['published']}"]
    said = section(card(manifest.model_copy(update={"survivorship": {}})), "What was lost")
    assert "was not counted" in said


def test_limits(manifest: Manifest) -> None:
    said = section(card(manifest), "Limits")
    assert "checked by rules, not by people" in said
    assert "Nobody has looked for answers that recite a political line" in said
    teacher = {**manifest.teacher, "canned_answers": 7}
    said = section(card(manifest.model_copy(update={"teacher": teacher})), "Limits")
    assert "7 answer with a political line" in said


def test_what_a_mix_and_splits_came_to(manifest: Manifest) -> None:
    assert "## Mix" not in card(manifest)
    assert "## Splits" not in card(manifest)
    stratum = {"wanted": 1200, "available": 900, "taken": 900, "met": False}
    mix = {"measure": "rows", "limited_by": None, "strata": {"hard|ones": stratum}}
    splits = {
        "train": {"share_wanted": 0.98, "prompts": 985, "share_had": 0.985},
        "test": {"share_wanted": 0.02, "prompts": 15, "share_had": 0.015},
    }
    text = card(manifest.model_copy(update={"mix": mix, "splits": splits}))
    said = section(text, "Mix")
    assert "- measure: rows" in said
    assert cells(said) == [
        ["", "wanted", "available", "taken", "met"],
        ["hard|ones", "1,200", "900", "900", "no"],
    ]
    assert cells(section(text, "Splits")) == [
        ["", "share wanted", "prompts", "share had"],
        ["train", "98.00%", "985", "98.50%"],
        ["test", "2.00%", "15", "1.50%"],
    ]


def test_how_to_load_it_is_true(job: Job, manifest: Manifest, tmp_path: Path) -> None:
    folder = open_version("sums", job.store.url).location
    said = section((Path(folder) / CARD).read_text(), "Load")
    by_datasets, by_polars = re.findall(r"```python\n(.*?)```", said, re.DOTALL)[:2]
    told = "print([row['id'] for row in rows])"
    code = f"{by_datasets}\n{told}\n{by_polars}\nprint(rows.collect()['id'].to_list())"
    code = code.replace("path/to/this/folder", folder)
    environment = {**os.environ, "HF_HOME": str(tmp_path / "home")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = load_dataset(folder, split="train", cache_dir=str(tmp_path / "cache"))
    streamed, scanned = map(ast.literal_eval, done.stdout.splitlines())
    assert streamed == scanned == loaded["id"][:]
    assert loaded.num_rows == manifest.rows["sft"]
    for trainer in ("SFTTrainer", "axolotl", "LLaMA-Factory", "keep_reasoning.jinja"):
        assert trainer in said
    assert "DeepSeek-R1's own chat template deletes everything before `</think>`" in said


def test_configurations_of_trainers_are_well_formed(manifest: Manifest) -> None:
    said = section(card(manifest), "Load")
    (axolotl,) = re.findall(r"```yaml\n(.*?)```", said, re.DOTALL)
    (dataset,) = yaml.safe_load(axolotl)["datasets"]
    assert (dataset["name"], dataset["field_messages"]) == ("sft", "messages")
    (factory,) = re.findall(r"```json\n(.*?)```", said, re.DOTALL)
    own = json.loads(factory)["sums"]
    assert (own["subset"], own["columns"]["messages"]) == ("sft", "messages")
    for code in re.findall(r"```python\n(.*?)```", said, re.DOTALL):
        ast.parse(code)


def test_its_template_keeps_the_reasoning(job: Job, manifest: Manifest) -> None:
    (template,) = re.findall(r"```jinja\n(.*?)```", card(manifest), re.DOTALL)
    tokenizer = AutoTokenizer.from_pretrained(TINY_R1)
    thought = "<think>\nfive and four\n</think>\n\n\\boxed{9}"
    messages = [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "what is five plus four"},
        {"role": "assistant", "content": thought},
    ]
    own = tokenizer.apply_chat_template(messages, tokenize=False)
    assert "five and four" not in own, "what the card warns of"
    text = tokenizer.apply_chat_template(messages, chat_template=template, tokenize=False)
    assert text == f"{BOS}be brief{USER}what is five plus four{ASSISTANT}{thought}{EOS}"
    asked = tokenizer.apply_chat_template(
        messages[:2], chat_template=template, tokenize=False, add_generation_prompt=True
    )
    assert asked == f"{BOS}be brief{USER}what is five plus four{ASSISTANT}"
    found: Any = tokenizer.apply_chat_template(
        messages,
        chat_template=template,
        return_dict=True,
        return_assistant_tokens_mask=True,
    )
    masked = zip(found["input_ids"], found["assistant_masks"], strict=True)
    trained = [token for token, mask in masked if mask]
    whole = tokenizer(f"{thought}{EOS}", add_special_tokens=False)["input_ids"]
    assert trained == whole, "the answer with its thinking and its end, and nothing else"


@pytest.mark.parametrize(
    ("prompts", "teacher", "wanted"),
    [
        (["MIT"], "mit", "mit"),
        (["Apache-2.0", "apache-2.0"], "Apache-2.0", "apache-2.0"),
        (["Apache-2.0"], None, "other"),
        (["Apache-2.0"], "MIT", "other"),
        (["my own: terms"], "my own: terms", "other"),
        ([None, None], None, "unknown"),
    ],
)
def test_a_licence_is_named_where_it_holds_for_all(
    prompts: list[str | None], teacher: str | None, wanted: str, manifest: Manifest
) -> None:
    sources = [{"path": "p", "domain": "math", "license": own} for own in prompts]
    recipe = {
        **manifest.recipe,
        "prompts": sources,
        "teacher": {**manifest.recipe["teacher"], "license": teacher},
    }
    front = front_of(card(manifest.model_copy(update={"recipe": recipe})))
    assert front["license"] == wanted
    assert ("license_name" in front) == (wanted == "other")


@pytest.mark.parametrize(
    ("rows", "size"),
    [(999, "n<1K"), (10**6, "1M<n<10M"), (10**9, "n>1T"), (5 * 10**8, "100M<n<1B")],
)
def test_sizes_are_the_hubs(rows: int, size: str, manifest: Manifest) -> None:
    front = front_of(card(manifest.model_copy(update={"rows": {"sft": rows}})))
    assert front["size_categories"] == [size]


def test_tasks_follow_from_outputs(manifest: Manifest) -> None:
    outputs = ("preference", "rl", "reward", "sft")
    files = [
        File(path=f"{output}/train-00000-of-00001-x.parquet", bytes=1, sha256="s", rows=1)
        for output in outputs
    ]
    # And one that came to nothing, which nobody could load.
    rows = {**dict.fromkeys(outputs, 1), "raw": 0}
    front = front_of(card(manifest.model_copy(update={"rows": rows, "files": tuple(files)})))
    assert [config["config_name"] for config in front["configs"]] == [
        *("sft", "preference", "rl", "reward")
    ]
    assert front["task_categories"] == [
        "text-generation",
        "reinforcement-learning",
        "text-classification",
    ]
    assert front["pretty_name"] == "sums v0001"
    assert {"synthetic", "reasoning", "rl"} <= {*front["tags"]}
    assert "language" not in front, "nobody knows it"


def test_a_card_follows_from_its_manifest_alone(job: Job, manifest: Manifest) -> None:
    version = open_version("sums", job.store.url)
    written = (Path(version.location) / CARD).read_text()
    others = tuple(file for file in version.manifest.files if file.path != CARD)
    assert card(version.manifest.model_copy(update={"files": others})) == written
    assert manifest.content_digest in written


def test_its_template_is_the_one_of_the_documentation() -> None:
    assert (ROOT / "docs" / "templates" / "deepseek-r1.jinja").read_text() == TEMPLATE
