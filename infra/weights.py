"""What a model folder is, by its content: a teacher keeps its identity when its folder moves."""

import hashlib
import json
from pathlib import Path

from infra.checksum import file_sha256
from schemas.errors import RecipeError

WEIGHTS = (".safetensors", ".bin", ".gguf")
RELEVANT = (*WEIGHTS, ".json", ".jinja", ".model", ".txt")


def folder_digest(folder: Path) -> str:
    """SHA-256 over the names and contents of a model's files; RecipeError if it is no model."""
    _check_folder(folder)
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.suffix in RELEVANT and p.is_file()):
        digest.update(f"{path.relative_to(folder)}\0{file_sha256(path)}\n".encode())
    return f"w1_{digest.hexdigest()[:32]}"


def _check_folder(folder: Path) -> None:
    """What an engine would find out after minutes, if at all in words that help."""
    where = f"teacher.model: {folder}"
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RecipeError(f"{where} has no config.json, so it is no model folder") from None
    except (OSError, ValueError) as error:
        raise RecipeError(f"{where}: config.json cannot be read: {error}") from error
    if not isinstance(config, dict) or not isinstance(config.get("model_type"), str):
        raise RecipeError(f"{where}: config.json names no model_type, so it is no model's")
    if not any(path.suffix in WEIGHTS for path in folder.iterdir()):
        raise RecipeError(f"{where} has no weights ({', '.join(WEIGHTS)})")
