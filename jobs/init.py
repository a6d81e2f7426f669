"""Init: looks at a prompt file, and writes a commented recipe for it that runs as it is."""

import json
import re
import shlex
import unicodedata
from collections.abc import Iterator
from itertools import islice
from pathlib import Path, PurePath
from typing import Any, Final

from infra.rows import SUFFIXES, WILD, Row, find_files, read_rows
from jobs.init_columns import find_columns
from jobs.init_recipe import Choices, Place, Teacher, choices, recipe_text
from jobs.plain import one_line
from jobs.recipe import job_of
from jobs.tell import Told
from schemas.errors import RecipeError
from schemas.recipe import NAME

DEEPSEEK: Final = Teacher(
    "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B",
    "hub",
    "916b56a44061fd5cd7d6a8fb632557ed4f724f60",
    license="MIT",
)
ROWS: Final = 2000
CHARACTERS: Final = 32_000_000
"""Of a prompt file that are looked at; tests of programs have millions a row."""


def init(
    path: str,
    *,
    output: str | None = None,
    teacher: str | None = None,
    name: str | None = None,
    store: str = "store",
    prompt_column: str | None = None,
    reference_column: str | None = None,
) -> Told:
    """Writes the recipe, and tells what was found. Nothing is ever overwritten.

    RecipeError for prompts that cannot be read, where no column is surely the prompt, for a name,
    a teacher or a store that cannot be, and where the recipe cannot be written.
    """
    name = _dataset_name(path) if name is None else name
    if not NAME.fullmatch(name):
        raise RecipeError(
            f"--name {name}: use lower-case letters, digits, '.', '_' and '-', at most 63 of them"
        )
    target = Path(f"{name}.yaml" if output is None else output)
    _assert_free(target)
    by = DEEPSEEK if teacher is None else _teacher(teacher)
    rows, looked_at = look(path)
    columns = find_columns(rows, prompt_column, reference_column)
    place = Place(path, looked_at, _stem(path) or name, name, store, str(target))
    chosen = choices(place, by, columns, rows)
    text = recipe_text(chosen)
    job_of(text, str(target))
    _write(target, text)
    return _told(chosen), _facts(chosen, len(rows))


def look(path: str) -> tuple[list[Row], str]:
    """The first rows of its files, and how much of them that is, in words. RecipeError as
    `find_files` and `read_rows`, and where there is no row."""
    files = find_files(path)
    rows: list[Row] = []
    characters = 0
    every = (row for file in files for row in read_rows(file))
    for row in islice(every, ROWS):
        rows.append(row)
        characters += sum(len(str(value)) for value in row.values.values())
        if characters > CHARACTERS:
            break
    if not rows:
        raise RecipeError(f"{path}: there is no row in it")
    part = "all" if next(every, None) is None else "the first"
    return rows, f"{part} {_counted(len(rows), 'row')} of {_counted(len(files), 'file')}"


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}" + ("" if count == 1 else "s")


def _assert_free(target: Path) -> None:
    if target.exists() or target.is_symlink():
        raise RecipeError(f"{target}: exists already; name another file with -o")
    if not target.parent.is_dir():
        raise RecipeError(f"-o {target}: the folder {target.parent} does not exist")


def _write(target: Path, text: str) -> None:
    try:
        with target.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise RecipeError(f"{target}: exists already; name another file with -o") from None
    except OSError as error:
        raise RecipeError(f"-o {target}: cannot be written: {error}") from error


def _dataset_name(path: str) -> str:
    ascii_only = unicodedata.normalize("NFKD", _stem(path)).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9._]+", "-", ascii_only.lower()).strip("-._")[:63] or "prompts"


def _stem(path: str) -> str:
    """What a person would call the prompts: a file's name without its suffix, a folder's name, of
    a glob the last name without a star."""
    parts = [part for part in PurePath(path.removeprefix("s3://")).parts if part not in ("/", "..")]
    if not Path(path).exists():
        parts = [part for part in parts if not WILD.search(part)]
    last = PurePath(parts[-1]) if parts else PurePath()
    found = last.stem if last.suffix in SUFFIXES else last.name
    return found.encode("utf-8", "replace").decode()  # names of files need not be Unicode


def _teacher(given: str) -> Teacher:
    """What `--teacher` names; RecipeError for what is nothing of the kind."""
    if given == "simulated":
        return Teacher("rehearsal", "simulated")
    if Path(given).is_dir():
        return Teacher(given, "folder", context=_context(Path(given)))
    model, _, revision = given.partition("@")
    if given.startswith((".", "/")) or model.count("/") != 1 or not all(model.split("/")):
        raise RecipeError(
            f"--teacher {given}: is neither a folder here, nor a Hub id "
            "(organisation/name@commit), nor `simulated`"
        )
    if not revision:
        raise RecipeError(
            f"--teacher {given}: name the model's commit, {model}@COMMIT, or its samples could not "
            "be told from those of a later one"
        )
    return Teacher(model, "hub", revision)


def _context(folder: Path) -> int | None:
    """Tokens that a model has room for, as its folder says."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RecipeError(
            f"--teacher {folder}: is no model folder, config.json cannot be read: {error}"
        ) from error
    found = config.get("max_position_embeddings") if isinstance(config, dict) else None
    return found if isinstance(found, int) and found > 0 else None


def _told(chosen: Choices) -> str:
    """What was found, why, and what to do next."""
    place, columns, reference = chosen.place, chosen.columns, chosen.columns.reference
    if reference is not None:
        compared = f"{one_line(reference.column)}, {reference.why}"
        judge = f"{chosen.domain.name}, verified by the scorer {chosen.domain.scorer}"
    else:
        compared = "none was found; name one with --reference-column if there is"
        judge = f"{chosen.domain.name}, which nothing verifies"
        judge += ": the answer that most samples give counts" if chosen.votes else ""
    used = (columns.prompt, reference and reference.column)
    unused = [one_line(name) for name in columns.names if name not in used]
    asks = chosen.template != "{prompt}"
    lines = [
        f"looked at  {place.looked_at}",
        f"prompt     {one_line(columns.prompt)}, {columns.why}",
        f"reference  {compared}",
        f"domain     {judge}",
        f"template   {chosen.domain.asks if asks else 'none: the prompts are asked as they are'}",
        f"teacher    {chosen.teacher.model}",
        *([f"not used   {', '.join(unused)}"] if unused else ()),
        *(f"note       {note}" for note in chosen.notes),
        "",
        f"The recipe is {place.recipe}. What next:",
        *_next(chosen.teacher, shlex.quote(place.recipe)),
    ]
    return "\n".join(lines)


def _next(teacher: Teacher, recipe: str) -> Iterator[str]:
    flag = " --allow-simulated" if teacher.kind == "simulated" else ""
    steps = {
        f"stillhouse plan {recipe}": "what it will draw, and what that costs; touches nothing",
        f"stillhouse run {recipe} --limit 50": "a pilot; `plan` then knows lengths and keep rates",
        f"stillhouse run {recipe}{flag}": "the whole, up to a published version",
    }
    width = max(map(len, steps))
    yield from (f"  {step:<{width}}  # {what}" for step, what in steps.items())
    if teacher.kind == "hub":
        yield (
            "vLLM fetches this teacher from the Hub and wants a GPU. Without one, a small model's "
            "folder\n(--teacher FOLDER) or made-up samples (--teacher simulated) show the flow."
        )


def _facts(chosen: Choices, rows: int) -> dict[str, Any]:
    columns, reference = chosen.columns, chosen.columns.reference
    return {
        "stage": "init",
        "recipe": chosen.place.recipe,
        "name": chosen.place.name,
        "rows": rows,
        "columns": list(columns.names),
        "prompt": {"column": columns.prompt, "why": columns.why},
        "reference": reference and {"column": reference.column, "why": reference.why},
        "domain": chosen.domain.name,
        "verified": chosen.verified,
        "template": chosen.template,
        "teacher": chosen.teacher.model,
        "notes": list(chosen.notes),
    }
