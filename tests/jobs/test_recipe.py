"""A recipe is checked whole, and its errors say where, what and what to do."""

from pathlib import Path
from typing import Any

import pytest

from jobs.recipe import load_job
from schemas.errors import RecipeError
from tests.conftest import ROOT, MakeJob

RECIPE = """\
name: sums
store: store
prompts:
  - path: sums.jsonl
    domain: math
teacher:
  model: sim
  engine: simulated
samples: {probe: 2, max: 4, enough: 1}
scorers: {"*": [format, language]}
keep:
  finished: format.complete
"""


def load(tmp_path: Path, text: str, *overrides: str) -> Any:
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    return load_job(str(path), overrides)


def test_shipped_recipes_are_sound() -> None:
    recipes = sorted((ROOT / "recipes").glob("*.yaml"))
    assert [load_job(str(path)).recipe.name for path in recipes] == ["quickstart", "rehearsal"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("samples:", "sample:", r"recipe.yaml:9: sample: unknown field; did you mean 'samples'"),
        ("    domain:", "    domian:", r"recipe.yaml:5: prompts.0.domian: unknown field; did you"),
        ("  engine: simulated", "  engine: sglang", r"recipe.yaml:8: teacher.engine: .*'vllm'"),
        ("probe: 2", "probe: 5", r"recipe.yaml:9: samples: probe \(5\) is greater than max \(4\)"),
        ("probe: 2", "probe: 0", r"recipe.yaml:9: samples.probe: .*greater than or equal to 1"),
        ("name: sums", "name: Sums!", r"recipe.yaml:1: name: use lower-case"),
        ("language]", "languages]", r"did you mean 'language'"),
        ("format.complete", "format.completed", r"keep.finished: .*did you mean 'format.complete'"),
        ("format.complete", "format.closings", r"keep.finished: .*must be true or false"),
        ("  finished:", "  Finished now:", r"snake_case"),
        ("store: store", "store: a%20b", r"must not contain '%'"),
        ('scorers: {"*": [format, language]}', "scorers: {}", r"scorers: .*at least 1"),
        ("store: store", "store: s3://b", r"object stores are not supported yet"),
        ("name: sums\n", "", r"recipe.yaml:1: name: Field required"),
        ("prompts:", "prompts: [", r"not YAML"),
        ("  model: sim", "  model: sim\n  engine_args: {seed: 1}", r"must not set \['seed'\]"),
        (
            "    domain: math",
            "    template: 'no place'",
            r"recipe.yaml:5: prompts.0.template: .*exactly once",
        ),
    ],
)
def test_what_is_wrong_is_named(old: str, new: str, message: str, tmp_path: Path) -> None:
    assert old in RECIPE
    with pytest.raises(RecipeError, match=message):
        load(tmp_path, RECIPE.replace(old, new))


@pytest.mark.parametrize("text", ["", "- a list", "just text", "{"])
def test_what_is_no_recipe_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"recipe\.yaml"):
        load(tmp_path, text)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"none\.yaml"):
        load_job(str(tmp_path / "none.yaml"))


def test_overrides_are_typed_and_reach_into_lists(tmp_path: Path) -> None:
    job = load(
        tmp_path,
        RECIPE,
        "samples.max=9",
        "sampling.temperature=0.9",
        "prompts.0.domain=law",
        "teacher.engine_args.accuracy=0.5",
        "keep.right=format.complete and language.share > 0.5",
    )
    assert job.recipe.samples.max == 9
    assert job.recipe.sampling.temperature == 0.9
    assert job.recipe.prompts[0].domain == "law"
    assert job.recipe.teacher.engine_args == {"accuracy": 0.5}
    assert list(job.rules) == ["finished", "right"]


@pytest.mark.parametrize(
    "override",
    [
        "samples.max",
        "=3",
        "samples.maxx=3",
        "name.x=3",
        "prompts.5.path=x",
        "prompts.a.b=x",
        "keep.x=[a",
    ],
)
def test_wrong_overrides_are_refused(override: str, tmp_path: Path) -> None:
    with pytest.raises(RecipeError):
        load(tmp_path, RECIPE, override)


def test_the_teacher_is_what_its_samples_depend_on(make_job: MakeJob) -> None:
    def teacher_id(sampling: dict[str, Any] | None = None, **teacher: Any) -> str:
        full = {"model": "sim", "engine": "simulated", **teacher}
        return make_job(teacher=full, sampling=sampling or {}).teacher_id

    same = teacher_id()
    assert teacher_id({"max_tokens": 99}) == same
    assert teacher_id(replicas={"max": 4}) == same
    assert teacher_id(engine_args={"max_num_seqs": 7}) == same
    others = {
        teacher_id({"temperature": 0.7}),
        teacher_id({"stop": ["x"]}),
        teacher_id(system="Be brief."),
        teacher_id(model="other"),
        teacher_id(engine_args={"accuracy": 0.9}),
    }
    assert len(others | {same}) == 6


def test_models_are_named_or_refused(make_job: MakeJob, tmp_path: Path) -> None:
    for model, message in [
        ("./nowhere", "neither a folder here nor a Hub id"),
        ("justaname", "neither a folder here nor a Hub id"),
        ("org/model", "teacher.revision"),
        (str(tmp_path), "has no config.json"),
    ]:
        with pytest.raises(RecipeError, match=message):
            _ = make_job(teacher={"model": model}).teacher_id


def test_a_model_folder_is_its_content(make_job: MakeJob, tmp_path: Path) -> None:
    def teacher_id(folder: str, weights: bytes) -> str:
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / "config.json").write_text('{"model_type": "qwen2"}')
        (tmp_path / folder / "model.safetensors").write_bytes(weights)
        return make_job(teacher={"model": str(tmp_path / folder)}).teacher_id

    assert teacher_id("a", b"1") == teacher_id("b", b"1") != teacher_id("c", b"2")
