"""The README says what is true."""

import re
from pathlib import Path

from jobs.commands import COMMANDS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
TREE = README.split("### The tree")[1].split("```")[1]


def listed() -> set[str]:
    """Paths in the README's tree: `name/` opens a folder, indented names are in it."""
    paths, folder = set(), ""
    for line in TREE.strip().splitlines():
        name = line.split()[0]
        if name.endswith("/"):
            folder = name
        paths.add(folder + name if line.startswith(" ") else name)
    return paths


def test_the_tree_names_every_module_and_nothing_else() -> None:
    modules = {
        str(path.relative_to(ROOT))
        for package in ("schemas", "filters", "infra", "jobs")
        for path in (ROOT / package).rglob("*.py")
        if path.name != "__init__.py"
    }
    assert {path for path in listed() if path.endswith(".py")} == modules


def test_every_link_leads_somewhere() -> None:
    for target in re.findall(r"\]\(([^)]+)\)", README):
        assert target.startswith("https://") or (ROOT / target).exists(), target


def test_every_command_that_it_shows_exists() -> None:
    shown = set(re.findall(r"^stillhouse (\w+)", README, re.MULTILINE))
    assert shown <= {command.name for command in COMMANDS}
    assert {"plan", "run", "peek", "build"} <= shown
