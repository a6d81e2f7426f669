"""A recipe is checked whole, and its errors say where, what and what to do."""

import json
from pathlib import Path
from typing import Any

import pytest

from jobs.recipe import Job, load_job
from schemas.errors import RecipeError
from schemas.recipe import Recipe, RepetitionDetection
from tests.conftest import ROOT, MakeJob
from tests.models import make_random_llama

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
    assert [load_job(str(path)).recipe.name for path in recipes] == [
        "mixed",
        "quickstart",
        "rehearsal",
    ]


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
        ("store: store", "store: s3://b", r"store: must be a folder or s3://bucket/prefix"),
        ("store: store", "store: s3://bucket/a b", r"store: must be a folder or s3://"),
        ("store: store", "store: s3://bucket//x", r"store: must be a folder or s3://"),
        ("store: store", "store: gs://bucket/x", r"store: must be a folder or s3://"),
        ("name: sums\n", "", r"recipe.yaml:1: name: Field required"),
        ("prompts:", "prompts: [", r"not YAML"),
        ("  model: sim", "  model: sim\n  engine_args: {seed: 1}", r"must not set \['seed'\]"),
        (
            "samples:",
            "sampling: {thinking_token_budget: 64, max_tokens: 64}\nsamples:",
            r"recipe.yaml:9: sampling: thinking_token_budget \(64\) must be less than max_tokens",
        ),
        (
            "samples:",
            "sampling: {repetition_detection: {max_pattern_size: 2, min_patern_size: 1}}\nsamples:",
            r"recipe.yaml:9: .*min_patern_size: unknown field; did you mean 'min_pattern_size'",
        ),
        (
            "samples:",
            "sampling: {repetition_detection: {max_pattern_size: 2, min_count: 1}}\nsamples:",
            r"repetition_detection.min_count: .*greater than or equal to 2",
        ),
        (
            "samples:",
            "sampling:\n  repetition_detection: "
            "{max_pattern_size: 2, min_pattern_size: 3, min_count: 4}\nsamples:",
            r"recipe.yaml:10: .*min_pattern_size \(3\) is greater than max_pattern_size \(2\)",
        ),
        ("samples:", "splits: {train: 0.1}\nsamples:", r"recipe.yaml:9: splits: .*\['train'\]"),
        ("samples:", "splits: {all: 0.1}\nsamples:", r"splits: names must .*\['all'\]"),
        ("samples:", "splits: {test-1: 0.1}\nsamples:", r"splits: names must .*\['test-1'\]"),
        ("samples:", f"splits: {{{'a' * 64}: 0.1}}\nsamples:", r"at most 63 characters"),
        ("samples:", "splits: {test: 1.0}\nsamples:", r"splits: .*leave something to train on"),
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
    assert list(job.rules.samples) == ["finished", "right"]


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
        teacher_id({"thinking_token_budget": 64}),
        teacher_id({"thinking_token_budget": 65}),
        teacher_id({"repetition_detection": {"max_pattern_size": 9, "min_count": 4}}),
        teacher_id({"repetition_detection": {"max_pattern_size": 9, "min_count": 5}}),
        teacher_id(system="Be brief."),
        teacher_id(model="other"),
        teacher_id(engine_args={"accuracy": 0.9}),
    }
    assert len(others | {same}) == 10
    assert teacher_id({"thinking_token_budget": None, "repetition_detection": None}) == same


def test_a_teacher_is_the_same_as_before_it_could_be_controlled(make_job: MakeJob) -> None:
    """What version 0.1 made of these: another identity would draw every sample of a pool again."""
    hub = {
        "model": "a/b",
        "revision": "c" * 40,
        "system": "Be brief.",
        "engine_args": {"dtype": "float32", "max_num_seqs": 4},
    }
    assert make_job().teacher_id == "t1_caf4d510941ee4661394dbe6351e71c4"
    sampling = {"temperature": 0.7, "stop": ["x"], "max_tokens": 512}
    controlled = make_job(teacher=hub, sampling=sampling)
    assert controlled.teacher_id == "t1_de57dc267ea3a767f0fc3ef9d6cb3245"


def test_engines_are_told_of_the_controls(make_job: MakeJob) -> None:
    detection = {"max_pattern_size": 9, "min_count": 4}
    job = make_job(sampling={"thinking_token_budget": 64, "repetition_detection": detection})
    assert job.sampling.thinking_token_budget == 64
    assert job.sampling.repetition_detection == RepetitionDetection(**detection)
    assert load_back(job) == job.recipe


def load_back(job: Job) -> Recipe:
    return Recipe.model_validate_json(json.dumps(job.resolved))


@pytest.mark.parametrize(
    ("config", "sound"),
    [
        ({"reasoning_start_str": "<think>", "reasoning_end_str": "</think>"}, True),
        ({"reasoning_start_str": "<think>", "reasoning_end_str": "Enough.</think>"}, True),
        ({"reasoning_parser": "deepseek_r1", "reasoning_end_str": "Enough.</think>"}, True),
        ({"reasoning_parser": "deepseek_r1"}, True),
        ({"reasoning_parser": "deepseek_r1", "reasoning_end_str": "Enough."}, False),
        ({"reasoning_start_str": "<think>"}, False),
        ({"reasoning_end_str": "</think>"}, False),
        ({"reasoning_start_str": "[THINK]", "reasoning_end_str": "</think>"}, False),
        ({}, False),
        ("deepseek_r1", False),
    ],
)
def test_a_budget_needs_the_tags(config: Any, sound: bool, make_job: MakeJob) -> None:
    teacher = {"model": "a/b", "revision": "c", "engine_args": {"reasoning_config": config}}
    assert make_job(teacher=teacher), "without a budget vLLM may see to it"
    budget = {"thinking_token_budget": 64}
    if sound:
        assert make_job(teacher=teacher, sampling=budget)
    else:
        with pytest.raises(
            RecipeError, match=r"engine_args\.reasoning_config: with a thinking_tok"
        ):
            make_job(teacher=teacher, sampling=budget)


def test_a_budget_needs_a_tokenizer_that_has_them(make_job: MakeJob, tmp_path: Path) -> None:
    tiny = ROOT / "examples" / "tiny_r1" / "model"
    other = make_random_llama(tmp_path / "model")
    budget = {"thinking_token_budget": 64}
    assert make_job(teacher={"model": str(tiny)}, sampling=budget)
    repaired = {"model": str(other), "engine_args": {"tokenizer": str(tiny)}}
    assert make_job(teacher=repaired, sampling=budget)
    with pytest.raises(RecipeError, match=r"has no single token for <think> and </think>"):
        make_job(teacher={"model": str(other)}, sampling=budget)


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


def test_pairs_are_compiled_where_there_are_any(make_job: MakeJob) -> None:
    scorers = {"math": ["math"], "*": ["format", "signature"]}
    assert make_job(pairs={"rejected": "unknown"}).pairer is None
    assert make_job(scorers=scorers, outputs=["sft", "preference"]).pairer is not None
    with pytest.raises(RecipeError, match=r"pairs\.distinct: .*add `signature` to the `scorers`"):
        make_job(outputs=["preference"])
    with pytest.raises(RecipeError, match=r"pairs\.rejected: .*'format\.compleet'.*did you mean"):
        make_job(scorers=scorers, outputs=["preference"], pairs={"rejected": "not format.compleet"})


@pytest.mark.parametrize("output", ["preference", "rl", "reward"])
def test_outputs_that_rest_on_verdicts_need_a_verifier(output: str, make_job: MakeJob) -> None:
    """Or all samples would be drawn for no row."""
    with pytest.raises(RecipeError, match=rf"outputs: `{output}` needs .*a verifying scorer"):
        make_job(
            outputs=["sft", output],
            scorers={"*": ["format", "signature"]},
            keep={"finished": "format.complete"},
        )


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"splits": {f"s{i}": 0.1 for i in range(10)}}, "leave something to train on"),
        ({"splits": {"train_heldout": 0.3}}, "train"),
        ({"choose": {"trim": {"shortest": 0.5, "longest": 0.5}}}, "must leave something"),
    ],
)
def test_what_would_leave_nothing_is_refused(fields: dict[str, Any], message: str) -> None:
    given = {"name": "x", "store": "s", "prompts": [{"path": "p"}], "teacher": {"model": "m"}}
    with pytest.raises(ValueError, match=message):
        Recipe.model_validate({**given, **fields})


def test_every_domain_of_pairs_has_a_verifier(make_job: MakeJob, sums: Path) -> None:
    sources = [{"path": str(sums), "fields": {"prompt": "question"}, "domain": d} for d in "ab"]
    scorers = {"a": ["math", "signature"], "*": ["format"]}
    with pytest.raises(RecipeError, match=r"domain 'b'.*a recipe of its own"):
        make_job(prompts=sources, outputs=["preference"], scorers=scorers)
    scorers = {"a": ["math", "signature"], "b": ["math"], "*": ["format"]}
    with pytest.raises(RecipeError, match="add `signature` to the `scorers` of the domain 'b'"):
        make_job(prompts=sources, outputs=["preference"], scorers=scorers)
