"""Classes of `unittest` as functions with plain asserts."""

import ast
from collections.abc import Iterable
from typing import Any

from filters.programs.pure import NotUnderstood

ASSERTED = {
    "assertEqual": "{} == {}", "assertEquals": "{} == {}", "assertListEqual": "{} == {}",
    "assertTupleEqual": "{} == {}", "assertDictEqual": "{} == {}", "assertSetEqual": "{} == {}",
    "assertSequenceEqual": "list({}) == list({})", "assertNotEqual": "{} != {}",
    "assertTrue": "{}", "assertFalse": "not {}", "assertIs": "{} is {}",
    "assertIsNot": "{} is not {}", "assertIsNone": "{} is None",
    "assertIsNotNone": "{} is not None", "assertIn": "{} in {}", "assertNotIn": "{} not in {}",
    "assertIsInstance": "isinstance({}, {})", "assertGreater": "{} > {}",
    "assertGreaterEqual": "{} >= {}", "assertLess": "{} < {}", "assertLessEqual": "{} <= {}",
    "assertCountEqual": "sorted({}) == sorted({})", "assertAlmostEqual": "abs({} - {}) < 5e-8",
}  # fmt: skip
"""Methods of unittest.TestCase as its documentation defines them."""
OTHERS = {"assertRaises", "fail"}


def functions_of(statements: Iterable[ast.stmt]) -> list[ast.stmt]:
    """The same statements, with a function for each test of a TestCase: what `setUp` does, then
    the test, `self.x` a variable. NotUnderstood for asserts that are not known."""
    found: list[ast.stmt] = []
    for node in statements:
        if isinstance(node, ast.ClassDef) and any(
            ast.unparse(base).endswith("TestCase") for base in node.bases
        ):
            found += _functions(node)
        else:
            found.append(node)
    return found


def _functions(test_case: ast.ClassDef) -> list[ast.stmt]:
    methods = [node for node in test_case.body if isinstance(node, ast.FunctionDef)]
    if any(node.name in ("setUpClass", "setUpModule") for node in methods):
        raise NotUnderstood(f"{test_case.name} has a setUpClass")
    before = [one for node in methods if node.name == "setUp" for one in node.body]
    tests = [node for node in methods if node.name.startswith("test")]
    return [_Function().visit(_alone(before, test)) for test in tests]


def _alone(before: list[ast.stmt], test: ast.FunctionDef) -> ast.stmt:
    function = ast.parse(f"def {test.name}():\n    pass").body[0]
    assert isinstance(function, ast.FunctionDef)
    function.body = [*before, *test.body]
    # A copy of its own: the statements of setUp stand in each.
    return ast.parse(ast.unparse(function)).body[0]


class _Function(ast.NodeTransformer):
    def visit_Expr(self, node: ast.Expr) -> Any:
        call = node.value
        name = _method(call.func) if isinstance(call, ast.Call) else None
        if isinstance(call, ast.Call) and name and name.startswith("assert") and name not in OTHERS:
            return ast.copy_location(self.visit(_assert(name, call)), node)
        return self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> Any:
        name = _method(node)
        if name and name not in OTHERS:
            return ast.copy_location(ast.Name(f"self_{name}", node.ctx), node)
        return self.generic_visit(node)


def _method(node: ast.expr) -> str | None:
    """`x` of `self.x`."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return node.attr if node.value.id == "self" else None
    return None


def _assert(name: str, call: ast.Call) -> ast.stmt:
    text = ASSERTED.get(name)
    operands = [f"({ast.unparse(argument)})" for argument in call.args]
    unknown = call.keywords or (name == "assertAlmostEqual" and len(operands) > 2)
    if text is None or unknown or len(operands) < text.count("{}"):
        raise NotUnderstood(f"{ast.unparse(call)[:80]} is not understood")
    return ast.parse(f"assert {text.format(*operands)}").body[0]
