"""Any outputs with any splits are loaded as the card says, and no text of others breaks it."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import Features, load_dataset
from datasets.exceptions import NonMatchingSplitsSizesError
from huggingface_hub import DatasetCard
from markdown_it import MarkdownIt

from infra.catalog import Catalog
from infra.checksum import file_sha256
from infra.folder_store import FolderStore
from jobs.card import card
from jobs.publish import commit
from schemas.manifest import Cut, File, Manifest, content_digest
from schemas.outputs import OUTPUTS
from tests.jobs.cards import cells, front_of
from tests.published import recipe_of

CARD = "README.md"

OF_TYPE: dict[pa.DataType, Any] = {
    pa.string(): "text",
    pa.int32(): 3,
    pa.float64(): 0.5,
    pa.bool_(): True,
}


def made_up(output: str, rows: int) -> pa.Table:
    """Rows of an output; those that have scores have a struct of them."""
    columns = {}
    for field in OUTPUTS[output]:
        message = [{"role": "assistant", "content": "<think>\na\n</think>\n\nb"}]
        value = OF_TYPE.get(field.type, message)
        columns[field.name] = pa.array([value] * rows, field.type)
    if output in ("sft", "reward", "raw"):
        score = {"exact_match": {"answer": "9", "reason": None, "verdict": "true"}}
        inner = pa.struct([(name, pa.string()) for name in score["exact_match"]])
        columns["scores"] = pa.array([score] * rows, pa.struct([("exact_match", inner)]))
    return pa.table(columns)


def publish_files(
    catalog: Catalog, tmp_path: Path, parts: dict[tuple[str, str, int], pa.Table], **facts: Any
) -> tuple[str, Manifest]:
    """A version with a file for each (output, split, number)."""
    files, rows = [], dict.fromkeys((output for output, _, _ in parts), 0)
    for (output, split, number), table in parts.items():
        path = tmp_path / f"{output}-{split}-{number}.parquet"
        pq.write_table(table, path)
        digest = file_sha256(path)
        count = sum((output, split) == (o, s) for o, s, _ in parts)
        name = f"{output}/{split}-{number:05d}-of-{count:05d}-{digest[:8]}.parquet"
        files.append(File(path=name, bytes=path.stat().st_size, sha256=digest, rows=table.num_rows))
        rows[output] += table.num_rows
        with catalog.store.new_file(f"staging/{path.name}") as staged:
            staged.write_bytes(path.read_bytes())
    digest = content_digest(tuple(files))
    version = catalog.claim(digest)
    for file, (output, split, number) in zip(files, parts, strict=True):
        catalog.add_file(version, f"staging/{output}-{split}-{number}.parquet", file.path)
    given: dict[str, Any] = {
        "name": catalog.name,
        "version": version,
        "content_digest": digest,
        "files": tuple(files),
        "rows": rows,
        "prompts": 1,
        "funnel": {"published": 1},
        "cut": Cut(tables={}, prompts="l", recipe="e", code="c"),
        "recipe": recipe_of(catalog.name),
        "teacher": {"id": "t", "name": "m"},
        "scorers": {},
        "unsettled": 0,
        "provenance": {},
    }
    manifest = Manifest(**{**given, **facts})
    return commit(catalog, manifest).location, manifest


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    store = FolderStore(tmp_path / "store")
    store.create()
    return Catalog(store, "data")


EVERY = {
    (output, split, number): made_up(output, rows)
    for output in OUTPUTS
    for split, number, rows in (("validation", 0, 2), ("train", 0, 3), ("train", 1, 4))
}


def test_every_output_is_a_config_with_its_splits(catalog: Catalog, tmp_path: Path) -> None:
    folder, _ = publish_files(catalog, tmp_path, EVERY)
    cache = str(tmp_path / "cache")
    for output in OUTPUTS:
        for split, rows in (("train", 7), ("validation", 2)):
            loaded = load_dataset(folder, output, split=split, cache_dir=cache)
            assert loaded.num_rows == rows
            wanted = Features.from_arrow_schema(EVERY[output, "train", 0].schema)
            assert loaded.features == wanted
            streamed = load_dataset(folder, output, split=split, streaming=True)
            assert len([*streamed]) == rows
    assert load_dataset(folder, split="train", cache_dir=cache).column_names[-1] == "scores"
    front = front_of((Path(folder) / CARD).read_text())
    assert [config["config_name"] for config in front["configs"]] == [*OUTPUTS]
    assert [config.get("default") for config in front["configs"]] == [True, *[None] * 4]
    paths = [data["path"] for data in front["configs"][0]["data_files"]]
    assert [len(own) for own in paths] == [2, 1], "every file is named"


@pytest.mark.parametrize("outputs", [("preference",), ("raw", "rl"), ("reward", "sft"), ("rl",)])
def test_any_outputs_have_a_default(
    outputs: tuple[str, ...], catalog: Catalog, tmp_path: Path
) -> None:
    parts = {(output, "train", 0): made_up(output, 2) for output in outputs}
    folder, manifest = publish_files(catalog, tmp_path, parts)
    loaded = load_dataset(folder, split="train", cache_dir=str(tmp_path / "cache"))
    default = "sft" if "sft" in outputs else outputs[0]
    assert loaded.column_names == made_up(default, 1).column_names
    text = card(manifest)
    for output in outputs:
        assert f"| `{output}` |" in text
    assert ("DPOTrainer" in text) == ("preference" in outputs)
    assert ("```jinja" in text) == (not {*outputs} <= {"rl", "raw"})


def test_sizes_that_do_not_fit_are_noticed(catalog: Catalog, tmp_path: Path) -> None:
    """So what the card says of splits is looked at by who loads it."""
    parts = {("sft", "train", 0): made_up("sft", 3)}
    folder, _ = publish_files(catalog, tmp_path, parts)
    path = Path(folder) / CARD
    path.write_text(path.read_text().replace("num_examples: 3", "num_examples: 4"))
    with pytest.raises(NonMatchingSplitsSizesError):
        load_dataset(folder, split="train", cache_dir=str(tmp_path / "cache"))


HOSTILE = (
    "x | y\n---\n# `z`\n```\n<script> [a](b) **c** {{ d }} % & : ' \" \x00 \u202e ---\nlicense: mit"
)
SHOWN = "x | y --- # `z` ``` <script> [a](b) **c** {{ d }} % & : ' \" --- license: mit"


def test_texts_of_others_break_nothing(catalog: Catalog, tmp_path: Path) -> None:
    recipe = recipe_of(
        "data",
        prompts=[{"path": HOSTILE, "source": HOSTILE, "domain": HOSTILE, "license": HOSTILE}],
        teacher={"model": HOSTILE, "license": HOSTILE, "system": HOSTILE, "revision": HOSTILE},
        keep={"rule": HOSTILE},
        choose={"where": HOSTILE, "order_by": [HOSTILE]},
        scorers={HOSTILE: ["format"]},
        decontaminate=[{"path": HOSTILE, "name": HOSTILE}],
        sampling={"stop": [HOSTILE]},
    )
    counts = {"prompts": 1, "samples": 1, "tokens": 1}
    folder, _ = publish_files(
        catalog,
        tmp_path,
        {("sft", "train", 0): made_up("sft", 3)},
        recipe=recipe,
        teacher={"id": "t", "name": HOSTILE, "weights": HOSTILE},
        scorers={"format": "k1_x"},
        funnel={HOSTILE: 1, "published": 1},
        prompts_left_out={HOSTILE: 1},
        mix={HOSTILE: {HOSTILE: HOSTILE}},
        splits={HOSTILE: {"prompts": 1}},
        survivorship={"source": {HOSTILE: counts}, "domain": {HOSTILE: counts}},
        provenance={"engine_versions": [HOSTILE], "created_at": HOSTILE},
    )
    text = (Path(folder) / CARD).read_text()
    front = front_of(text)
    hub: Any = DatasetCard(text).data
    assert hub.to_dict()["configs"] == front["configs"]
    assert front["license"] == "other"
    assert front["configs"][0]["config_name"] == "sft"
    assert load_dataset(folder, split="train", cache_dir=str(tmp_path / "cache")).num_rows == 3
    body = text.split("---\n", 2)[2]
    tokens = MarkdownIt("commonmark").enable("table").parse(body)
    titles = [tokens[i + 1].content for i, t in enumerate(tokens) if t.type == "heading_open"]
    wanted = ["data v0001", "Load", "TRL", "axolotl", "LLaMA-Factory", "The chat template"]
    wanted += ["Prompts", "Teacher", "Scorers", "Kept and chosen", "Where all 2 samples went"]
    wanted += ["Mix", "Splits", "What was lost", "Leaks", "Tokens and cost", "Limits", "Proof"]
    assert titles == wanted
    assert not [t for t in tokens if t.type in ("html_block", "hr")]
    inline = {child.type for token in tokens for child in token.children or []}
    assert inline <= {"text", "text_special", "code_inline", "softbreak", "strong_open"} | {
        "strong_close"
    }
    rows = cells(body)
    assert [SHOWN, SHOWN, SHOWN] in rows, "the source"
    assert [SHOWN, "1", "50.0%"] in rows, "the fate"
    assert [SHOWN, SHOWN] in rows, "the mix"
    assert {len(row) for row in rows if SHOWN in row} == {2, 3, 4, 8}
    shown = [child.content for token in tokens for child in token.children or []]
    assert SHOWN in shown, "rules are code"
