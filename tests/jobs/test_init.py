"""Init: prompt files become recipes that load, whatever they are called, and one a dataset."""

import json
import re
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from infra.store import Store
from jobs.cli import main
from jobs.init import DEEPSEEK, ROWS, init
from jobs.prompts import read_prompts
from schemas.errors import RecipeError
from tests.conftest import ROOT
from tests.jobs.first_recipes import GSM8K, init_job, write

STORES = ["moto"]
TINY = ROOT / "examples" / "tiny_r1" / "model"


@pytest.mark.parametrize("suffix", ["jsonl", "json", "csv", "parquet"])
def test_every_kind_of_file(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / "data" / f"p.{suffix}"
    path.parent.mkdir()
    if suffix == "jsonl":
        write(path, GSM8K)
    elif suffix == "json":
        path.write_text(json.dumps(GSM8K))
    else:
        getattr(pl.DataFrame(GSM8K), f"write_{suffix}")(path)
    digests = set()
    for number, named in enumerate(map(str, (path, path.parent, path.parent / f"*.{suffix}"))):
        job, told, _ = init_job(named, output=str(tmp_path / f"{number}.yaml"))
        assert job.recipe.prompts[0].path == named, "as it was given"
        digests.add(read_prompts(job.recipe).digest)
        assert told["name"] == ("data" if number else "p")
    assert len(digests) == 1


def test_prompts_in_a_bucket(store: Store, store_url: str, tmp_path: Path) -> None:
    store.put_if_absent("sets/one/a.jsonl", json.dumps(GSM8K[0]).encode())
    job, told, _ = init_job(f"{store_url}/sets/one/*.jsonl", output=str(tmp_path / "r.yaml"))
    assert read_prompts(job.recipe).frame.height == 1
    assert (told["name"], told["reference"]["column"]) == ("one", "answer")


NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
FILES = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="/\0"), min_size=1, max_size=30
)
HOSTILE = [
    "{prompt}", "{{ x }}", "{% raw %}", 'a"b', "it's: #1", "a\nname: evil", "yes", "null", "1e3",
    "\u2028\x85\ufeff\x7f", "名前", "😀", "- a", "2001-99-99", "0x_", "&a *b !c", "\\n", " a ",
    "...", "a\r\n#b",
]  # fmt: skip


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    columns=st.lists(st.sampled_from(HOSTILE) | NAMES, min_size=3, max_size=5, unique=True),
    file=st.sampled_from([name for name in HOSTILE if "/" not in name]) | FILES,
    more=st.text(),
)
def test_names_are_data(columns: list[str], file: str, more: str, tmp_path: Path) -> None:
    assume({"license", "source"}.isdisjoint(columns))
    prompt, reference, *others = columns
    rows = [
        {prompt: f"{n} {{x}}?", reference: n, **dict.fromkeys(others, "so what")} for n in range(3)
    ]
    rows[0]["license"] = rows[0]["source"] = more
    path = tmp_path / f"{file}.jsonl"
    write(path, rows)
    target = tmp_path / "recipe.yaml"
    target.unlink(missing_ok=True)
    job, _, _ = init_job(path, output=str(target), prompt_column=prompt, reference_column=reference)
    [source] = job.recipe.prompts
    assert source.fields == {"prompt": prompt, "reference": reference}
    assert source.path == str(path)
    found = read_prompts(job.recipe).frame
    assert {row[-1]["content"].partition("\n")[0] for row in found["messages"].to_list()} == {
        row[prompt] for row in rows
    }
    assert sorted(found["reference"]) == ["0", "1", "2"]
    path.unlink()


@pytest.mark.parametrize(
    ("said", "asked"),
    [
        ("?", "{prompt}\n\nPlease reason step by step, and put your final answer within "
         "\\boxed{{}}."),
        ("? Put it in \\boxed{}.", "{prompt}"),
    ],
)  # fmt: skip
def test_the_template_says_what_the_prompts_do_not(said: str, asked: str, tmp_path: Path) -> None:
    path = write(tmp_path / "p.jsonl", [{"problem": f"{n}{said}", "answer": n} for n in range(3)])
    job, _, _ = init_job(path)
    assert job.recipe.prompts[0].template == asked


def test_what_the_default_draws(tmp_path: Path) -> None:
    job, _, _ = init_job(write(tmp_path / "p.jsonl", GSM8K))
    teacher, sampling = job.recipe.teacher, job.recipe.sampling
    assert job.model == {"model": DEEPSEEK.model, "revision": DEEPSEEK.revision}
    assert (sampling.temperature, sampling.top_p, sampling.max_tokens) == (0.6, 0.95, 32768)
    assert teacher.engine_args["max_model_len"] >= sampling.max_tokens + 2048
    assert teacher.license == "MIT"


def test_teachers(tmp_path: Path) -> None:
    path = write(tmp_path / "p.jsonl", GSM8K)
    job, _, _ = init_job(path, teacher="a/b@c0ffee", output=str(tmp_path / "1.yaml"))
    assert (job.recipe.teacher.model, job.recipe.teacher.revision) == ("a/b", "c0ffee")
    assert job.recipe.teacher.license is None
    job, _, _ = init_job(path, teacher=str(TINY), output=str(tmp_path / "2.yaml"))
    assert job.recipe.sampling.max_tokens == 1024, "what the model has room for"
    assert "weights" in job.model
    for model, why in [
        ("a/b", "name the model's commit, a/b@COMMIT"),
        ("./none", "is neither a folder here"),
        ("deepseek", "is neither a folder here"),
        (str(tmp_path), "is no model folder"),
    ]:
        with pytest.raises(RecipeError, match=re.escape(why)):
            init(path, teacher=model, output=str(tmp_path / "3.yaml"))
    assert not (tmp_path / "3.yaml").exists()


@pytest.mark.parametrize(
    ("file", "name"),
    [("Äpfel & Birnen (2).jsonl", "apfel-birnen-2"), ("题.jsonl", "prompts"),
     ("._-.csv", "prompts"), ("v1.0_x.jsonl", "v1.0_x"), ("x" * 90 + ".jsonl", "x" * 63)],
)  # fmt: skip
def test_names_are_made_plain(file: str, name: str, tmp_path: Path) -> None:
    path = tmp_path / file
    if file.endswith(".csv"):
        pl.DataFrame(GSM8K).write_csv(path)
    else:
        write(path, GSM8K)
    assert init_job(path)[0].recipe.name == name


@pytest.mark.parametrize(
    ("content", "flags", "message"),
    [
        (None, [], "no such file"),
        ("", [], "there is no row in it"),
        ('{"question": "one?"}\n{"question": "tw', [], "p.jsonl:2: not JSON"),
        ('{"question": "", "answer": 1}', [], "p.jsonl:1: the last message must be the user's"),
        ('{"question": "a?"}\n{"question": "b?"}\n{"question": " "}', [], "p.jsonl:3: the last"),
        ('{"question": "a?"}\n{"question": "b?"}\n{}', [], "p.jsonl:3: has no field 'question'"),
        ('{"q": "a?", "a": 1}\n{"q": "b?"}', ["--prompt-column", "q", "--reference-column", "a"],
         "p.jsonl:2: has no field 'a'"),
        ('{"a": "one two", "b": "three four"}', [], "There are the columns a, b"),
        ('{"a": 1}', [], "none has sentences or chats"),
        ('{"a": 1}', ["--prompt-column", "b"], "there is no such column; There are the columns a"),
        ('{"a": "x"}', ["--prompt-column", "a", "--reference-column", "a"],
         "is the prompt already"),
        ('{"a": "x y", "b": [{}]}', ["--reference-column", "b"], "nothing can compare"),
        ('{"a": "x y", "b": null}', ["--reference-column", "b"], "it is empty"),
        ('{"prompt": "[{\\"role\\": \\"user\\"}]"}', [], "a chat that was written as a text"),
        ('{"question": "a?"}', ["--name", "A B"], "--name A B: use lower-case"),
        ('{"question": "a?"}', ["--store", "s3://No"], "store: must be a folder"),
        ('{"question": "a?"}', ["-o", "none/r.yaml"], "the folder none does not exist"),
        ('{"question": "a?"}', ["-o", "there.yaml"], "exists already; name another file with -o"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_and_nothing_written(
    content: str | None, flags: list[str], message: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    Path("there.yaml").write_text("mine")
    if content is not None:
        Path("p.jsonl").write_text(content)
    before = {path.name for path in tmp_path.iterdir()}
    assert main(["init", "p.jsonl", *flags]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.out == ""
    assert {path.name for path in tmp_path.iterdir()} == before
    assert Path("there.yaml").read_text() == "mine"


def test_a_part_of_a_long_file_is_read(tmp_path: Path) -> None:
    path = Path(write(tmp_path / "p.jsonl", [{"prompt": f"{n}?"} for n in range(ROWS + 1)]))
    path.write_text(path.read_text() + "torn\n")
    _, told, text = init_job(path)
    assert told["rows"] == ROWS
    assert "at the first 2,000 rows of 1 file" in " ".join(text.replace("#", "").split())


def test_the_command_line_tells_what_is_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "gsm.jsonl", GSM8K)
    assert main(["init", "gsm.jsonl"]) == 0
    said = capsys.readouterr().out
    for part in (
        "prompt     question, by its name",
        "9 end in `#### …`",
        "stillhouse plan gsm.yaml",
        "stillhouse run gsm.yaml --limit 50",
        "--teacher simulated",
    ):
        assert part in said
    assert main(["init", "gsm.jsonl"]) == 2
    assert "gsm.yaml: exists already" in capsys.readouterr().err
    assert main(["plan", "gsm.yaml", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["prompts"] == 9
    assert main(["init", "gsm.jsonl", "-o", "b.yaml", "--name", "b", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["stage"], told["recipe"], told["name"]) == ("init", "b.yaml", "b")


@pytest.mark.usefixtures("ray_here")
def test_a_recipe_of_init_becomes_a_dataset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The made-up teacher knows none of these answers, and shows the whole flow all the same."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "gsm.jsonl", GSM8K)
    assert main(["init", "gsm.jsonl", "--teacher", "simulated"]) == 0
    assert "stillhouse run gsm.yaml --allow-simulated" in capsys.readouterr().out
    assert main(["run", "gsm.yaml", "--allow-simulated", "--json"]) == 0
    ran = json.loads(capsys.readouterr().out)
    assert (ran["status"], ran["version"]) == ("published", "v0001")
    assert main(["verify", "gsm"]) == 0
    rows = pl.read_parquet(Path(ran["location"]) / "sft" / "*.parquet")
    assert rows["prompt"].str.contains("\\boxed{}", literal=True).all()
    assert rows["source"].unique().to_list() == ["gsm"]
    assert rows["reference_answer"].str.contains("####").all()
