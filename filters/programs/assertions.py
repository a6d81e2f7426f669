"""A test's source, made ready to run apart from the program that it tests.

The test runs in a sandbox of its own, with proxies for what the program defines
(`filters/programs/tester.py`): a program that shares a process with its asserts can answer with an
object that is equal to everything, or leave before they are made (11 of 17 wrong programs got
through a plain assert, measured). Here its asserts are numbered, so that those are counted which a
program passes and not only the first that it fails.
"""

import __future__

import ast
from collections.abc import Collection, Iterable, Sequence
from types import CodeType
from typing import Any

from filters.programs.names import (
    BUILTINS,
    FUNCTION,
    THERE,
    Names,
    NotUnderstood,
    assert_all_is_there,
    roots,
)

FIXTURES = {"capsys", "monkeypatch", "request"}
"""That the stand-in of pytest has."""
CONCURRENT = {"create_task", "gather", "wait_for", "TaskGroup", "as_completed"}
"""What runs at the same time is asked of the program one after the other."""
CHECK, SAME = "check__", "same__"
"""What the tester defines for asserts."""
LONGEST_TEXT = 300
ENDINGS = {"unittest.main", "pytest.main", "sys.exit", "exit", "quit"}
BLOCK = ast.For | ast.AsyncFor | ast.While | ast.If | ast.With | ast.AsyncWith
"""In which asserts are numbered: one that fails does not end it."""


def prepared(source: str, entry: str = "", setup: str = "") -> dict[str, Any]:
    """What the tester wants to know of a test: its statements, compiled, and what it runs.

    `def check(candidate)`, whose argument is the program's `entry`, functions `test…`, classes of
    `unittest` and of pytest run after the statements that stand alone. Classes of `setup`, and such
    as only hold data, are there for the program too. NotUnderstood for what needs libraries,
    SyntaxError and what else the parser raises for what is no Python.
    """
    before = len(ast.parse(setup).body)
    tree = ast.parse(f"{setup}\n{source}")
    assert_all_is_there(tree, source)
    given = {
        node.name: place >= before
        for place, node in enumerate(tree.body)
        if isinstance(node, ast.ClassDef) and _is_given(node, is_setup=place < before)
    }
    names, asserts = Names(tree), _asserts(tree)
    tests = _Tests(tree.body)
    if not tests.texts and not asserts:
        raise NotUnderstood("it asserts nothing")
    entry = entry or tests.argument_of_check
    if tests.wants_entry and not entry:
        raise NotUnderstood(f"{tests.wants_entry} has an argument that is no entry_point")
    asks_for = entry or names.asks_for()
    modules, standard = names.modules(), names.standard(asks_for)
    of_program = names.used - BUILTINS - modules - set(standard) - names.defined
    imports_program = not names.imported <= THERE
    compiled = _Compiler(tree)
    return {
        "given": [compiled(node) for node in tests.statements if _comes_first(node, given)],
        "gives": given,
        "statements": [
            (compiled(node), tests.numbers.get(id(node)), f"line {node.lineno}")
            for node in tests.statements
            if not _comes_first(node, given)
        ],
        "functions": tests.functions,
        "classes": tests.classes,
        "texts": tests.texts or ["the test"],
        "numbers": tests.numbers_in,
        "is_concurrent": bool(CONCURRENT & names.attributes),
        "must": {*range(len(tests.texts))} - tests.may_be_passed_over,
        "names": sorted(of_program | ({entry} - {""})),
        # MBPP has a task whose answer is called `sum`.
        "built_in": sorted(names.used & BUILTINS) if not (asks_for or imports_program) else [],
        "modules": sorted(modules),
        "standard": standard,
        "imports": sorted(names.imported),
        "entry": entry,
        "asks_for": asks_for,
    }


class _Tests:
    """Of a source: each assert has a number that stands alone, in a block or in a function that is
    a test, and so has what else is passed or not as a whole."""

    def __init__(self, body: Sequence[ast.stmt]) -> None:
        self.statements: list[ast.stmt] = []
        self.texts: list[str] = []
        self.numbers: dict[int, int] = {}
        """Of statements, by their `id`."""
        self.numbers_in: dict[str, set[int]] = {}
        """Of functions, by their names."""
        self.functions: list[tuple[int | None, str]] = []
        self.classes: list[tuple[str, list[tuple[int, str]]]] = []
        self.may_be_passed_over: set[int] = set()
        """Numbers."""
        self.wants_entry = ""
        """The name of the first test that does."""
        self.argument_of_check = next(filter(None, map(_argument, body)), "")
        self._called = {name for node in body if (name := _called(node))}
        self._functions = {node.name: node for node in body if isinstance(node, FUNCTION)}
        self._test_cases: set[str] = set()
        """Classes that others are derived from."""
        self._methods: dict[str, list[str]] = {}
        for node in body:
            if not _is_ending(node):
                self.statements += self._taken_up(node)
        for node in self.statements:
            ast.fix_missing_locations(_Nearly().visit(node))

    def _number(self, text: str) -> int:
        self.texts.append(text[:LONGEST_TEXT])
        return len(self.texts) - 1

    def _taken_up(self, node: ast.stmt) -> list[ast.stmt]:
        before = len(self.texts)
        if isinstance(node, FUNCTION):
            if _is_test(node):
                self._function(node)
            return [node]
        if isinstance(node, ast.ClassDef):
            if _is_test_class(node, self._test_cases):
                self._class(node)
            return [node]
        text, found = ast.unparse(node), self._numbered([node])
        is_whole = len(self.texts) == before and (_asserts(node) or self._calls_silent(node))
        if found and is_whole:
            self.numbers[id(found[0])] = self._number(text)
        return found

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        before = len(self.texts)
        node.body = self._numbered(node.body) or [ast.Pass()]
        if node.name in self._called:
            return
        is_silent = len(self.texts) == before
        self.numbers_in[node.name] = {*range(before, len(self.texts))}
        self.functions.append((self._number(node.name) if is_silent else None, node.name))
        arguments = {argument.arg for argument in node.args.args}
        has_fixtures = any(map(_is_fixture, self._functions.values()))
        is_given = node.decorator_list or has_fixtures or arguments & FIXTURES
        if len(arguments) == 1 and not is_given:
            self.wants_entry = self.wants_entry or node.name

    def _class(self, node: ast.ClassDef) -> None:
        methods = [
            (self._number(f"{node.name}.{method.name}"), method.name)
            for method in node.body
            if isinstance(method, FUNCTION) and method.name.startswith("test")
        ]
        self._test_cases.add(node.name)
        inherited = [
            (self._number(f"{node.name}.{name}"), name)
            for base in node.bases
            for name in self._methods.get(ast.unparse(base), ())
        ]
        self._methods[node.name] = [name for _, name in (*methods, *inherited)]
        self.classes.append((node.name, methods + inherited))

    def _calls_silent(self, node: ast.stmt) -> bool:
        """A test that asserts nothing itself, as one that calls another."""
        function = self._functions.get(_called(node))
        return function is not None and not any(map(_checks, ast.walk(function)))

    def _numbered(self, body: Iterable[ast.stmt]) -> list[ast.stmt]:
        found: list[ast.stmt] = []
        for node in body:
            if isinstance(node, ast.Assert):
                if not _is_true(node):
                    number = ast.Constant(self._number(ast.unparse(node.test)))
                    call = ast.Call(ast.Name(CHECK, ast.Load()), [number, node.test], [])
                    found.append(ast.copy_location(ast.Expr(call), node))
                continue
            if isinstance(node, BLOCK) and not _catches(node):
                first = len(self.texts)
                node.body = self._numbered(node.body) or [ast.Pass()]
                if not isinstance(node, ast.With | ast.AsyncWith):
                    node.orelse = self._numbered(node.orelse)
                if isinstance(node, ast.If | ast.While):  # one branch is not taken
                    self.may_be_passed_over |= {*range(first, len(self.texts))}
            found.append(node)
        return found


class _Nearly(ast.NodeTransformer):
    """In asserts two values are equal if they are nearly so."""

    def visit_Assert(self, node: ast.Assert) -> ast.AST:
        node.test = _Equal().visit(node.test)
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if _checks(node):
            node.args[1] = _Equal().visit(node.args[1])
        return self.generic_visit(node)


class _Equal(ast.NodeTransformer):
    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        if len(node.ops) > 1 or not isinstance(node.ops[0], ast.Eq):
            return node
        call = ast.Call(ast.Name(SAME, ast.Load()), [node.left, node.comparators[0]], [])
        return ast.copy_location(call, node)


class _Compiler:
    """With the `__future__` of a source."""

    def __init__(self, tree: ast.Module) -> None:
        self._flags = 0
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module == "__future__":
                for alias in node.names:
                    self._flags |= getattr(__future__, alias.name).compiler_flag

    def __call__(self, node: ast.stmt) -> CodeType:
        module = ast.Module([node], [])
        code: CodeType = compile(module, "test.py", "exec", self._flags, dont_inherit=True)
        return code


def _comes_first(node: ast.stmt, given: Collection[str]) -> bool:
    """It is there before the program: what that is given, and what this may need."""
    if isinstance(node, ast.ClassDef):
        return node.name in given
    return isinstance(node, ast.Import | ast.ImportFrom) and (roots(node) <= THERE)


def _is_given(node: ast.ClassDef, *, is_setup: bool) -> bool:
    """Others may be what a program is compared to."""
    methods = [inner.name for inner in node.body if isinstance(inner, FUNCTION)]
    return not _is_test_class(node) and (is_setup or all(name.startswith("__") for name in methods))


def _is_test(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """`check_order(x)` is none: tests call it."""
    is_check = node.name == "check" or (node.name.startswith("check") and not node.args.args)
    return not _is_fixture(node) and (node.name.startswith("test") or (is_check and _asserts(node)))


def _is_fixture(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    decorators = (ast.unparse(getattr(one, "func", one)) for one in node.decorator_list)
    return any(one in ("fixture", "pytest.fixture") for one in decorators)


def _is_test_class(node: ast.ClassDef, test_cases: Collection[str] = ()) -> bool:
    bases = [ast.unparse(base) for base in node.bases]
    return any(base.endswith("TestCase") or base in test_cases for base in bases) or (
        node.name.startswith("Test")
        and any(isinstance(one, FUNCTION) and one.name.startswith("test") for one in node.body)
    )


def _asserts(node: ast.AST) -> bool:
    """It may fail, which is what a test does."""
    return any(
        isinstance(inner, ast.Assert)
        or (isinstance(inner, ast.Call) and ast.unparse(inner.func).endswith(("raises", "fail")))
        for inner in ast.walk(node)
    )


def _catches(node: ast.stmt) -> bool:
    """`with raises(…)`, in whatever spelling."""
    return isinstance(node, ast.With | ast.AsyncWith) and any(
        "aises" in ast.unparse(item.context_expr) or "suppress" in ast.unparse(item.context_expr)
        for item in node.items
    )


def _checks(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == CHECK


def _is_true(node: ast.Assert) -> bool:
    """As in HumanEval: `assert True, "good for debugging"`."""
    return isinstance(node.test, ast.Constant) and bool(node.test.value)


def _called(node: ast.stmt) -> str:
    is_call = isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
    return ast.unparse(node.value.func) if is_call else ""  # type: ignore[attr-defined]


def _is_ending(node: ast.stmt) -> bool:
    return _called(node) in ENDINGS


def _argument(node: ast.stmt) -> str:
    """`f` of `check(f)`."""
    if not _called(node).startswith(("check", "test")):
        return ""
    names = [one.id for one in node.value.args if isinstance(one, ast.Name)]  # type: ignore[attr-defined]
    return names[0] if len(names) == 1 else ""
