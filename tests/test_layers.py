"""Who may know whom: schemas ← filters ← jobs and schemas ← infra ← jobs."""

import ast
import sys
from importlib.metadata import distributions
from pathlib import Path

import pytest

import filters
import infra
import jobs
import schemas

ROOT = Path(__file__).parent.parent
PACKAGES = (schemas, filters, infra, jobs)
NAMES = {package.__name__ for package in PACKAGES}
ALLOWED = {
    "schemas": {"schemas"},
    "filters": {"schemas", "filters"},
    "infra": {"schemas", "infra"},
    "jobs": NAMES,
}
LIBRARIES_OF_SCHEMAS = {"pydantic", "pyarrow"}
NEVER_IN_FILTERS = {"ray", "vllm", "boto3", "subprocess", "socket", "multiprocessing"}
NEVER_CALLED = {"eval", "exec", "compile", "__import__", "sympify", "parse_expr"}

FILES = [path for name in sorted(NAMES) for path in sorted((ROOT / name).rglob("*.py"))]


def imports(path: Path) -> set[str]:
    """Top-level names that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            found.add(str(node.module).partition(".")[0])
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_go_one_way(path: Path) -> None:
    package = path.relative_to(ROOT).parts[0]
    found = imports(path)
    assert found & NAMES <= ALLOWED[package]
    if package == "schemas":
        foreign = found - set(sys.stdlib_module_names) - NAMES
        assert foreign <= LIBRARIES_OF_SCHEMAS
    if package == "filters":
        assert not found & NEVER_IN_FILTERS


INSIDE = {
    *(ROOT / "infra" / "sandbox" / f"{name}.py" for name in ("runner", "data", "serving")),
    *(
        ROOT / "filters" / "programs" / f"{name}.py"
        for name in ("tester", "importer", "adapted", "pytest_stand_in", "pytest_fixtures")
    ),
}
"""What runs inside of a sandbox, and nowhere else."""


def imported(path: Path) -> list[str]:
    """Whole names of modules that a file imports."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    plain = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    return plain + [str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)]


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_text_is_ever_evaluated(path: Path) -> None:
    assert not {"infra.sandbox.runner", "runner"} & set(imported(path))
    if path in INSIDE:
        return
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            called = getattr(node.func, "id", getattr(node.func, "attr", ""))
            # Compiled code, as regular expressions, is not executed by that.
            assert called not in NEVER_CALLED - {"compile"}


def test_no_module_shadows_the_standard_library() -> None:
    modules = {path.stem for path in FILES} - {"__init__"}
    assert not modules & set(sys.stdlib_module_names)


def test_the_packages_are_ours() -> None:
    for package in PACKAGES:
        assert Path(str(package.__file__)).is_relative_to(ROOT)
    owners = {
        dist.metadata["Name"]
        for dist in distributions()
        for file in dist.files or ()
        if file.parts[0] in NAMES and file.suffix == ".py"
    }
    assert owners <= {"stillhouse"}


def test_sizes() -> None:
    for path in FILES:
        text = path.read_text()
        assert text.count("\n") <= 350, f"{path} wants splitting"
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert (node.end_lineno or 0) - node.lineno < 80, f"{path}: {node.name}"
