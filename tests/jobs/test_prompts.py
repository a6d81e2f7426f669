"""Prompt files: every kind is read, every wrong row is named."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from jobs.prompts import PromptList, read_prompts
from schemas.errors import RecipeError
from schemas.recipe import Recipe

ROWS = [{"q": "one?", "a": "1"}, {"q": "two?", "a": "2"}]


def read(path: Path | str, **source: Any) -> PromptList:
    fields = {"prompt": "q", "reference": "a"}
    return read_prompts(
        Recipe.model_validate(
            {
                "name": "x",
                "store": "s",
                "prompts": [{"path": str(path), "fields": fields, **source}],
                "teacher": {"model": "m"},
            }
        )
    )


def questions(found: PromptList) -> set[str]:
    return {messages[-1]["content"] for messages in found.frame["messages"].to_list()}


@pytest.mark.parametrize("suffix", ["jsonl", "json", "csv", "parquet"])
def test_every_kind_of_file_gives_the_same_prompts(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"p.{suffix}"
    if suffix == "jsonl":
        path.write_text("\n".join(map(json.dumps, ROWS)) + "\n\n")
    elif suffix == "json":
        path.write_text(json.dumps(ROWS))
    else:
        getattr(pl.DataFrame(ROWS), f"write_{suffix}")(path)
    found = read(path)
    assert questions(found) == {"one?", "two?"}
    assert read(tmp_path).digest == read(str(tmp_path / "*")).digest == found.digest


def test_templates_and_braces(tmp_path: Path) -> None:
    (tmp_path / "p.jsonl").write_text(json.dumps({"q": "a {b} {{c}}", "a": None}))
    found = read(tmp_path, template="{prompt} \\boxed{{}}")
    assert questions(found) == {"a {b} {{c}} \\boxed{}"}
    assert found.frame["reference"].to_list() == [None]


def test_chats_are_prompts(tmp_path: Path) -> None:
    chat = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "one?"}]
    (tmp_path / "p.jsonl").write_text(json.dumps({"q": chat, "a": 1}))
    found = read(tmp_path, template="Q: {prompt}")
    assert found.frame["messages"][0].to_list() == [chat[0], {"role": "user", "content": "Q: one?"}]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.characters(exclude_categories=["Cs"]), min_size=1), plain=st.booleans())
def test_every_text_comes_through_as_it_is(text: str, plain: bool, tmp_path: Path) -> None:
    assume(text.strip())
    path = tmp_path / "p.jsonl"
    path.write_text(json.dumps({"q": text, "a": text}, ensure_ascii=plain), encoding="utf-8")
    found = read(path).frame.row(0, named=True)
    assert found["messages"] == [{"role": "user", "content": text}]
    assert found["reference"] == text


def test_duplicates_are_taken_once_and_conflicts_not_at_all(tmp_path: Path) -> None:
    rows = [*ROWS, ROWS[0], {"q": "two?", "a": "22"}, {"q": "three?", "a": "3"}]
    (tmp_path / "p.jsonl").write_text("\n".join(map(json.dumps, rows)))
    found = read(tmp_path)
    assert questions(found) == {"one?", "three?"}
    assert found.dropped == {"duplicate_prompt": 1, "conflicting_reference": 2}


def test_the_first_of_them_are_the_same_whatever_the_order(tmp_path: Path) -> None:
    rows = [json.dumps({"q": f"{i}?", "a": "1"}) for i in range(20)]
    (tmp_path / "p.jsonl").write_text("\n".join(rows))
    first = read(tmp_path).first(5)
    (tmp_path / "p.jsonl").write_text("\n".join(reversed(rows)))
    assert read(tmp_path).first(5).digest == first.digest
    assert first.frame.height == 5


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"q": "one?", "a": "1"}\n{"q": "tw', r"p\.jsonl:2: not JSON"),
        ('{"question": "one?"}', r"p\.jsonl:1: has no field 'q'; it has question"),
        ("[1]", r"p\.jsonl:1: must be an object, not list"),
        ('{"q": 7, "a": "1"}', r"p\.jsonl:1: the prompt must be a text or a list"),
        ('{"q": "", "a": "1"}', r"p\.jsonl:1: the last message must be the user's"),
        ('{"q": [], "a": "1"}', r"p\.jsonl:1: the prompt must be"),
        ('{"q": [{"role": "user"}], "a": "1"}', r"p\.jsonl:1: every message needs"),
        ('{"q": "\\ud800", "a": "1"}', r"p\.jsonl:1: the text is not Unicode"),
        ("", r"no prompt is left"),
        ("\xff\xfe".encode("latin-1").decode("latin-1"), r"p\.jsonl:1: not JSON"),
    ],
)
def test_wrong_rows_are_named(content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "p.jsonl").write_text(content)
    with pytest.raises(RecipeError, match=message):
        read(tmp_path / "p.jsonl")


def test_wrong_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_text("x")
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 no")
    (tmp_path / "bad.jsonl").write_bytes(b"\xff\xfe\x00")
    for path, message in [
        ("none.jsonl", "no such file"),
        ("p.txt", "cannot read '.txt'"),
        ("bad.parquet", "cannot be read"),
        ("bad.jsonl", "cannot be read"),
        ("none/*.jsonl", "no such file"),
    ]:
        with pytest.raises(RecipeError, match=message):
            read(tmp_path / path)
    with pytest.raises(RecipeError, match="files are read from here and from s3"):
        read("hf://datasets/org/p.jsonl")
