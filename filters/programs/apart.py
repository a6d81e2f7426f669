"""The code that a test's sandbox runs."""

from functools import cache
from pathlib import Path
from types import CodeType

HERE = Path(__file__).parent


@cache
def tester() -> CodeType:
    """What defines `main`, see `tester`."""
    return _compiled("tester")


@cache
def modules() -> dict[str, CodeType]:
    """What it and tests may import."""
    own = ("importer", "adapted", "sameness", "calls", "pytest_fixtures")
    return {name: _compiled(name) for name in own} | {"pytest": _compiled("pytest_stand_in")}


def _compiled(name: str) -> CodeType:
    source = (HERE / f"{name}.py").read_text()
    return compile(source, f"{name}.py", "exec", dont_inherit=True)
