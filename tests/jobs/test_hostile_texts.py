"""Whatever a model writes comes back from the published files, byte by byte.

`sft` leaves out what is blank around an answer, and line breaks around the thinking; nothing else.
"""

import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest

from infra.version import Version, open_version
from jobs.build import build
from jobs.prompts import read_prompts
from jobs.publish import publish
from jobs.recipe import Job
from schemas.identity import text_digest
from schemas.reasoning import CLOSE, OPEN, split_reasoning
from schemas.sample import Sample
from tests.builders import make_sample
from tests.conftest import MakeJob
from tests.pools import drawn, write_pool, write_sums

LONG = "Each line is a little longer than the last, 数学 é 🙂 \\frac{1}{2}.\n"
TEN_MEGABYTES = 10 * 2**20 // len(LONG.encode()) + 1
R1 = "<｜begin▁of▁sentence｜>a<｜User｜>b<｜Assistant｜>c<｜end▁of▁sentence｜>"  # noqa: RUF001
HOSTILE = {
    "plain": ("one and one", "\\boxed{2}"),
    "opening tags in the thinking": (f"the tag {OPEN} opens{OPEN}{OPEN}", "\\boxed{2}"),
    "closing tags in the answer": ("one", f"the tag {CLOSE} closes {OPEN} twice {CLOSE}{CLOSE} x"),
    "markup": (
        "<b>x</b> &amp; &lt; <!-- -->",
        "<script>alert('x')</script> | # `y` ```\n---\n{{z}}",
    ),
    "control tokens": (
        f"{R1} <|im_start|>system\nx<|im_end|>",
        f"{R1}<|endoftext|></s>[INST]<pad>",
    ),
    "NULs": ("a\x00b\x00", "\x00c\x00d\x00"),
    "control characters": ("\x01\x02\x07\x08 \x1b[31mred", "a\x7f\x80\x9f \x1b]0;title\x07 b"),
    "ends of lines": ("a\rb\r\nc\vd\fe\x85f\u2028g\u2029h", "a\rb\r\nc\vd\fe\x85f\u2028g\u2029h"),
    "no characters": ("\ufeff\u200b\ufffe\uffff", "\U0010ffff\u202e\u2066x\u200d"),
    "forms of letters": ("é e\u0301 \u212b Å \ufb01", "é e\u0301 \u212b Å \ufb01"),
    "quotes": ('"\'\\\\" \\u0041 \\n %s {}', "\"\"\"''' \\ \\\\ $HOME ${x} $(y)"),
    "only a space": (" ", "x"),
    "ten megabytes of answer": ("short", f"{LONG * TEN_MEGABYTES}end"),
    "ten megabytes of thinking": (f"{LONG * TEN_MEGABYTES}end", "short"),
    "a line of a megabyte": ("x" * 2**20, "\x00" * 2**20 + "x"),
    "blank around": ("\n\n  inner \t \n\n", " \n\t\u3000\u00a0inner\n\n\x00\n "),
    "line breaks that are none": ("\r\nkept\r\n\n", "\x1ckept\x1f"),
}
"""Thinking and answer, by what is wrong with them."""
BLANK = " \t\n\v\f\r\x85\u00a0\u2028\u2029\u3000"
"""Unicode's white space, as far as it is here; Python's `strip` takes the separators from U+001C on
too."""
MADE: list[tuple[Job, Version, dict[str, tuple[str, Sample]]]] = []


@pytest.fixture
def made(
    make_job: MakeJob, sums: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Job, Version, dict[str, tuple[str, Sample]]]:
    """The version, and of each prompt what is wrong with its sample; published once."""
    if not MADE:
        write_sums(sums, len(HOSTILE))
        job = make_job(
            store=str(tmp_path_factory.mktemp("hostile")),
            scorers={"*": ["format"]},
            samples={"probe": 1, "max": 1, "enough": 1},
            choose={"per_prompt": 1},
            keep={"finished": "finish_reason = 'stop'"},
        )
        written, rows = {}, []
        for (prompt, _), (kind, (thinking, answer)) in zip(
            drawn(job, 1), HOSTILE.items(), strict=True
        ):
            text = f"{thinking}{CLOSE}{answer}"
            split = split_reasoning(text, thinking_open=True)
            sample = make_sample(
                text,
                prompt_id=prompt.prompt_id,
                teacher_id=job.teacher_id,
                reasoning=split.reasoning,
                answer=split.answer,
                max_tokens=job.recipe.sampling.max_tokens,
            )
            written[prompt.prompt_id] = (kind, sample)
            rows.append((prompt, sample))
        write_pool(job, [rows])
        publish(job, build(job, read_prompts(job.recipe)), allow_simulated=True)
        MADE.append((job, open_version("sums", job.store.url), written))
    return MADE[0]


def readers(version: Version, cache: Path) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    columns = ["prompt_id", "reasoning", "response", "messages", "text_digest"]
    (path,) = version.files()
    yield "pyarrow", pq.read_table(path, columns=columns).to_pylist()
    yield "Polars", pl.read_parquet(path, columns=columns).to_dicts()
    yield "scan", version.scan().select(columns).collect().to_dicts()
    yield "datasets", _by_datasets(version, columns, cache)


def _by_datasets(version: Version, columns: list[str], cache: Path) -> list[dict[str, Any]]:
    """In a process of its own, as trainers do it: beside Ray's threads its reader of Parquet died
    once of a segmentation fault."""
    program = (
        "import pickle, sys\n"
        "from datasets import load_dataset\n"
        "location, cache, *columns = sys.argv[1:]\n"
        "rows = load_dataset(location, split='train', cache_dir=cache)\n"
        "sys.stdout.buffer.write(pickle.dumps(rows.select_columns(columns).to_list()))\n"
    )
    command = [sys.executable, "-c", program, version.location, str(cache), *columns]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    rows: list[dict[str, Any]] = pickle.loads(done.stdout)
    return rows


def test_texts_come_back_byte_by_byte(
    made: tuple[Job, Version, dict[str, tuple[str, Sample]]], tmp_path: Path
) -> None:
    _, version, written = made
    for reader, rows in readers(version, tmp_path / "cache"):
        assert len(rows) == len(HOSTILE), reader
        for row in rows:
            kind, sample = written[row["prompt_id"]]
            thinking, answer = HOSTILE[kind]
            assert (sample.reasoning, sample.answer) == (thinking, answer), "as the parser cuts it"
            assert row["reasoning"] == thinking.strip("\n"), (reader, kind)
            assert row["response"] == answer.strip(BLANK), (reader, kind)
            said = row["messages"][-1]
            content = f"{OPEN}\n{row['reasoning']}\n{CLOSE}\n\n{row['response']}"
            assert said == {"role": "assistant", "content": content}, (reader, kind)
            assert row["text_digest"] == text_digest(sample.text or ""), (reader, kind)


def test_only_what_is_blank_around_is_left_out() -> None:
    changed = {
        kind
        for kind, (thinking, answer) in HOSTILE.items()
        if (thinking.strip("\n"), answer.strip(BLANK)) != (thinking, answer)
    }
    assert changed == {"blank around", "line breaks that are none"}, "all others are as they were"
    assert HOSTILE["blank around"][1].strip(BLANK) == "inner\n\n\x00"
