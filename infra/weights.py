"""What a model folder is, by its content: a teacher keeps its identity when its folder moves."""

import hashlib
from pathlib import Path

from infra.store import file_sha256
from schemas.errors import RecipeError

RELEVANT = (".safetensors", ".json", ".jinja", ".model", ".txt", ".bin", ".gguf")


def folder_digest(folder: Path) -> str:
    """SHA-256 over the names and contents of a model's files; RecipeError if it is no model."""
    if not (folder / "config.json").is_file():
        raise RecipeError(f"teacher.model: {folder} has no config.json, so it is no model folder")
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.suffix in RELEVANT and p.is_file()):
        digest.update(f"{path.relative_to(folder)}\0{file_sha256(path)}\n".encode())
    return f"w1_{digest.hexdigest()[:32]}"
