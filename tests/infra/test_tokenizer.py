"""A tokenizer that is not the one its folder describes is found before a token is paid for."""

import json
import unicodedata
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from infra.engines.tokenizer import PROBE, check_tokenizer
from schemas.errors import EngineError
from tests.conftest import ROOT
from tests.models import make_random_llama

TEACHER = ROOT / "examples" / "tiny_r1" / "model"


def test_the_tiny_teacher_is_read_as_it_was_trained() -> None:
    check_tokenizer(AutoTokenizer.from_pretrained(TEACHER), str(TEACHER))


def test_a_class_that_cuts_otherwise_is_refused(tmp_path: Path) -> None:
    """transformers 5 gives every folder of the type `qwen2` Qwen2's pre-tokenizer."""
    folder = make_random_llama(tmp_path / "model")
    path = folder / "tokenizer.json"
    described = json.loads(path.read_text(encoding="utf-8"))
    vocabulary = described["model"]["vocab"]
    vocabulary["12"] = len(vocabulary)
    described["model"]["merges"] = [["1", "2"]]
    path.write_text(json.dumps(described), encoding="utf-8")
    check_tokenizer(AutoTokenizer.from_pretrained(folder), str(folder))

    config = folder / "config.json"
    kind = json.loads(config.read_text(encoding="utf-8")) | {"model_type": "qwen2"}
    config.write_text(json.dumps(kind), encoding="utf-8")
    with pytest.raises(EngineError, match=r"Qwen2Tokenizer.*'Solve ' it cuts \['1', '2'.*\['12'"):
        check_tokenizer(AutoTokenizer.from_pretrained(folder), str(folder))


def test_a_folder_without_a_tokenizer_file_has_nothing_to_compare(tmp_path: Path) -> None:
    check_tokenizer(AutoTokenizer.from_pretrained(TEACHER), str(tmp_path))


def test_the_probe_is_what_normalisation_makes_of_it() -> None:
    assert unicodedata.normalize("NFC", PROBE) == PROBE
