"""A condition taken apart: what the program must answer, and what the test has by itself."""

import ast
from copy import deepcopy
from typing import Any, TypeGuard

from filters.programs.names import BUILTINS, Scope, bound, root, used
from filters.programs.pure import (
    COMPREHENSIONS,
    FUNCTIONS,
    METHODS,
    NotUnderstood,
    Place,
    check,
    name_of,
)

YES_OR_NO = {"all", "any", "bool", "callable", "hasattr", "isinstance", "issubclass"}
"""Who makes `sorted` something else must know what it shall return; not so who makes `all`."""


class Reader(ast.NodeTransformer):
    """Takes out of a condition what the program must answer, and what the test computes."""

    def __init__(self, scope: Scope, *, among_objects: bool, with_changes: bool) -> None:
        self._scope = scope
        self._among_objects = among_objects
        self.with_changes = with_changes
        self.computed: list[str] = []
        self.places: list[tuple[bool, int]] = []
        self._local: set[str] = set()
        """Variables of the comprehensions around."""
        self.asked: list[str] = []
        self.asked_of_objects: list[str] = []

    def read(self, condition: ast.expr) -> None:
        """Leaves the condition with places for what was taken out."""
        self.condition = self._truth(condition)

    def _truth(self, node: ast.expr) -> ast.expr:
        """Whether an object is true is up to the program."""
        if isinstance(node, ast.BoolOp):
            node.values = [self._truth(value) for value in node.values]
            return node
        if self._among_objects and self._is_answer(node):
            node = ast.Call(ast.Name("bool", ast.Load()), [node], [])
        visited: ast.expr = self.visit(node)
        return visited

    def code(self) -> str:
        """The condition as Python over `arguments`."""
        return ast.unparse(_Arguments().visit(deepcopy(self.condition)))

    def is_understood(self) -> bool:
        """Whether the condition can be decided here."""
        return _is_pure(self.condition)

    def objects(self) -> set[str]:
        """Names of the test that hold what the program made or may have changed."""
        return self._scope.objects

    def visit(self, node: ast.AST) -> Any:
        if not isinstance(node, ast.expr) or isinstance(node, ast.Constant):
            return super().visit(node)
        if isinstance(node, ast.FormattedValue):
            node.value = self.visit(node.value)
            return node
        if used(node) & self._local:
            if isinstance(node, ast.Name):
                return node
            if isinstance(node, ast.Call) and self._scope.is_of_program(root(node) or ""):
                raise NotUnderstood(f"the program is asked anew for each item: {ast.unparse(node)}")
            return self.generic_visit(node)
        if not self._scope.needs_program(node):
            if isinstance(node, ast.Lambda):
                return node
            if _is_pure(node) and not self._scope.renames(node):
                return node
            return self._taken(node, self.computed, of_program=False)
        name = root(node)
        if self._is_method_of_answer(node):
            return self._with_visited_arguments(node)
        if self._is_answer(node) or self._is_identity(node) or self._is_asked_whole(node):
            if used(node) & self._scope.objects:
                self.asked_of_objects.append(ast.unparse(node))
            return self._taken(node, self.asked, of_program=True)
        if name and self._scope.is_handed(name):
            raise NotUnderstood(f"{name} may have been changed by the program")
        if isinstance(node, ast.Call):
            return self._with_visited_arguments(node)
        if isinstance(node, COMPREHENSIONS):
            return self._with_visited_items(node)
        return self.generic_visit(node)

    def _with_visited_items(self, node: Any) -> Any:
        """Of a comprehension over what the program answers."""
        local = set(bound(node))
        for loop in node.generators:
            loop.iter = self.visit(loop.iter)
        self._local |= local
        for field in ("elt", "key", "value"):
            if hasattr(node, field):
                setattr(node, field, self.visit(getattr(node, field)))
        for loop in node.generators:
            loop.ifs = [self.visit(test) for test in loop.ifs]
        self._local -= local
        return node

    def _is_asked_whole(self, node: ast.expr) -> bool:
        """Not only its operands. Never a comparison with what is expected: the program's objects
        could be equal to everything."""
        has_comparison = any(isinstance(inner, ast.Compare) for inner in ast.walk(node))
        if isinstance(node, COMPREHENSIONS):
            return not has_comparison and self._is_asked_for_each(node)
        if not self._among_objects:
            return False
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            is_in = isinstance(node.ops[0], ast.In | ast.NotIn) and len(sides) == 2
            return all(map(self._is_answer, sides)) or (is_in and self._scope.is_instance(sides[1]))
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return self._is_answer(node.operand)
        if has_comparison:
            return False
        if isinstance(node, ast.Call):
            arguments = [*node.args, *(keyword.value for keyword in node.keywords)]
            if isinstance(node.func, ast.Name) and node.func.id in YES_OR_NO:
                return all(map(self._is_answer, arguments))
            return _is_built_in(node.func) and all(map(self._is_without_test, arguments))
        return False

    def _is_asked_for_each(self, node: Any) -> bool:
        """Whether a comprehension is what the program answers to each item, and nothing else: with
        `y` beside `x`, it could read that from the frame that calls it."""
        if isinstance(node, ast.DictComp) or any(loop.ifs for loop in node.generators):
            return False
        targets = {name for loop in node.generators for name in bound(loop.target)}
        return (
            isinstance(node.elt, ast.Call)
            and self._is_answer(node.elt)
            and targets <= used(node.elt)
        )

    def _is_answer(self, node: ast.expr) -> bool:
        """Whether a value is the program's alone, with nothing of the test's but arguments."""
        return self._scope.is_of_program(root(node) or "") and not self._is_method_of_answer(node)

    def _is_identity(self, node: ast.expr) -> bool:
        """`a is b` of answers, or of an answer and what the program was handed: outside they would
        be copies. Nothing that is expected is in it."""
        if not (isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.Is | ast.IsNot)):
            return False
        sides = [node.left, *node.comparators]
        return all(self._is_answer(one) or self._scope.is_handed(root(one) or "") for one in sides)

    def _is_method_of_answer(self, node: ast.expr) -> TypeGuard[ast.Call]:
        """Such as `f(1).startswith("a")`: of data it is called outside, and of an object that a
        function made it would be told what is expected."""
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            return False
        methods = set().union(*METHODS.values())
        receiver = node.func.value
        if self._among_objects and self._scope.is_instance(receiver):
            return False
        return node.func.attr in methods and isinstance(receiver, ast.Call)

    def _is_without_test(self, argument: ast.expr) -> bool:
        """The program is not told what it need not know."""
        is_plain = isinstance(argument, ast.Constant | ast.Lambda)
        return (is_plain and not self._scope.has(argument)) or self._is_answer(argument)

    def _with_visited_arguments(self, node: ast.Call) -> ast.Call:
        """What is called is judged by its name, or by what it is a method of."""
        if isinstance(node.func, ast.Attribute) and name_of(node.func) not in FUNCTIONS:
            node.func.value = self.visit(node.func.value)
        node.args = [self.visit(argument) for argument in node.args]
        for keyword in node.keywords:
            keyword.value = self.visit(keyword.value)
        return node

    def _taken(self, node: ast.expr, expressions: list[str], *, of_program: bool) -> ast.expr:
        text = ast.unparse(node)
        if isinstance(node, ast.Name) and text in expressions:
            number = expressions.index(text)
        else:
            number = len(expressions)
            expressions.append(text)
        self.places.append((of_program, number))
        place: Any = Place(len(self.places) - 1)
        return ast.copy_location(ast.Constant(place), node)


def _is_built_in(function: ast.expr) -> bool:
    """Such as `sorted`, or `'{:.2f}'.format`."""
    if isinstance(function, ast.Attribute):
        return isinstance(function.value, ast.Constant)
    return isinstance(function, ast.Name) and function.id in BUILTINS


class _Arguments(ast.NodeTransformer):
    """`arguments[0]` for the first place."""

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        if not isinstance(node.value, Place):
            return node
        return ast.Subscript(ast.Name("arguments", ast.Load()), ast.Constant(int(node.value)))


def _is_pure(node: ast.expr) -> bool:
    try:
        check(node)
    except NotUnderstood:
        return False
    return True
