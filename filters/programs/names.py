"""The names of a test: its own, what it uses of the standard library, and what is the program's."""

import ast
import builtins
import re
import sys
from collections.abc import Iterator

LIBRARIES = {
    "np", "numpy", "pd", "pandas", "scipy", "sympy", "torch", "tensorflow", "sklearn", "networkx",
    "matplotlib", "hypothesis", "parameterized", "freezegun", "mock", "faker", "requests",
    "responses", "httpx", "aiohttp", "flask", "django", "fastapi", "starlette", "sqlalchemy",
    "pydantic", "attr", "attrs", "pytest_asyncio", "pytest_mock", "nose", "yaml", "bs4", "lxml",
    "PIL", "cv2", "nltk", "psutil", "redis", "boto3", "dateutil", "pytz", "sortedcontainers",
}  # fmt: skip
"""Which tests use, and which are not there: any other module is the program."""
STANDARD = {
    "Counter": "collections", "deque": "collections", "defaultdict": "collections",
    "OrderedDict": "collections", "namedtuple": "collections", "Decimal": "decimal",
    "Fraction": "fractions", "date": "datetime", "timedelta": "datetime", "isclose": "math",
    "approx": "pytest", "raises": "pytest", "Mock": "unittest.mock", "MagicMock": "unittest.mock",
    "patch": "unittest.mock", "StringIO": "io", "TestCase": "unittest",
}  # fmt: skip
"""Names that tests forget to import, and that are not the program's to define unless it is asked
for them."""
ALONE = {"tempfile", "shutil", "open", "inspect", "pickle", "chdir", "symtable"}
"""What would need the same files, or the program's source."""
BUILTINS = frozenset(dir(builtins))
FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef
THERE = sys.stdlib_module_names | {"pytest"}
"""Modules, also where a test forgets to import them."""
PATCHED = re.compile(
    r"patch(?:\.dict|\.multiple)?\(\s*[\"'](?!builtins\.input\b|sys\.stdin\b)([\w.]+)[\"']|\.setenv\("
    r"|\b(assertLogs|assertNoLogs|assertWarns|assertWarnsRegex|catch_warnings|caplog|environ|signal"
    r"|settrace|recwarn)\b"
)
"""What would have to happen where the program is."""


class NotUnderstood(ValueError):
    """A test that cannot run; says why."""


def assert_all_is_there(tree: ast.Module, source: str) -> None:
    """NotUnderstood for what a test needs, and what is not where it runs or must happen where the
    program does."""
    names = Names(tree)
    if alone := (names.used | names.imported) & ALONE:
        raise NotUnderstood(f"it uses {', '.join(alone)}: it is alone, the program is elsewhere")
    for found in PATCHED.finditer(source):
        module = (found[1] or "").partition(".")[0]
        if not module or module in sys.stdlib_module_names:
            raise NotUnderstood(f"{found.group()!r} would have to happen where the program is")
    missing = (names.imported | (names.as_modules - (names.bound - names.imported))) & LIBRARIES
    if missing:
        raise NotUnderstood(f"it needs {', '.join(sorted(missing))}, which is not there")


class Names:
    """Of a test's source."""

    def __init__(self, tree: ast.Module) -> None:
        nodes = list(ast.walk(tree))
        self._nodes = [node for node in nodes if isinstance(node, ast.Name)]
        self._imports = [node for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)]
        self.used = {node.id for node in self._nodes}
        self.bound = {name for node in nodes for name in _bound(node)}
        self.imported: set[str] = set().union(*map(roots, self._imports))
        """Modules."""
        self.defined = {
            node.name for node in tree.body if isinstance(node, FUNCTION | ast.ClassDef)
        }
        """Functions and classes that stand alone: they are not the program's."""
        self.attributes = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
        self.as_modules = {
            node.value.id
            for node in nodes
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
        }

    def asks_for(self) -> str:
        """The first name that the test has from elsewhere; or nothing."""
        for node in self._imports:
            name = node.names[0].name
            if isinstance(node, ast.ImportFrom) and not roots(node) & THERE and name != "*":
                return name
        known = {*self.bound, *BUILTINS, *THERE}
        found = [node for node in self._nodes if node.id not in known]
        # A name that is known from elsewhere is asked for only where nothing else is.
        found.sort(key=lambda node: (node.id in STANDARD, node.lineno, node.col_offset))
        return found[0].id if found else ""

    def modules(self) -> set[str]:
        """That the test uses and forgets to import."""
        return (self.as_modules & THERE) - self.bound

    def standard(self, asks_for: str) -> dict[str, str]:
        """Names of the standard library that it forgets to import, and their modules."""
        found = (self.used & set(STANDARD)) - self.bound - {asks_for}
        return {name: STANDARD[name] for name in found}


def roots(node: ast.Import | ast.ImportFrom) -> set[str]:
    """Of the modules that a statement imports, the outermost."""
    if isinstance(node, ast.ImportFrom):
        return {(node.module or "").partition(".")[0]}
    return {alias.name.partition(".")[0] for alias in node.names}


def _bound(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
        yield node.id
    elif isinstance(node, FUNCTION | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.arg):
        yield node.arg
    elif isinstance(node, ast.Import | ast.ImportFrom):
        yield from ((alias.asname or alias.name).partition(".")[0] for alias in node.names)
