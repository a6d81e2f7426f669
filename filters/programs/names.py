"""The names of a test: which are its own, and which the program's or of what that made."""

import ast
import builtins
import sys
from collections.abc import Iterable
from copy import copy

from filters.programs.pure import FUNCTIONS

BUILTINS = frozenset(dir(builtins))
LIBRARIES = {"np", "numpy", "pd", "pandas", "scipy", "sympy", "torch"}
MODULES = sys.stdlib_module_names | LIBRARIES
"""Never a program's own, also where a test forgets to import them."""
MUTABLE = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp, ast.Call)


class Scope:
    """Of a test; `entries`: names that are the program's although they are built in."""

    def __init__(self, entries: Iterable[str] = ()) -> None:
        self._known = BUILTINS.union(FUNCTIONS) - set(entries)
        self._own: set[str] = set()
        self._variables: set[str] = set()
        self._mutable: set[str] = set()
        self._handed: set[str] = set()
        self._instances: set[str] = set()
        self.objects: set[str] = set()
        """Names of the test that hold what the program made."""

    def enter(self, statement: ast.stmt) -> bool:
        """Takes up what a statement binds; whether it is the test's own, without the program."""
        names = set(bound(statement))
        self._instances -= names
        if self.needs_program(statement):
            if isinstance(statement, ast.Expr):  # asked for what it does, not for what it returns
                names |= used(statement) & self._variables
            else:
                self.hand(statement)
            if isinstance(statement, ast.Assign) and self.is_instance(statement.value):
                self._instances |= names
            self.objects |= names
            self._own -= names
            return False
        if isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign):
            self._variables |= names
            if isinstance(statement.value, MUTABLE):
                self._mutable |= names
        self._own |= names
        self.objects -= names
        return True

    def hand(self, node: ast.AST) -> bool:
        """Takes up what the program is handed and may change; whether there is anything."""
        handed = used(node) & self._mutable & self._own
        self._handed |= handed
        return bool(handed)

    def is_handed(self, name: str) -> bool:
        return name in self._handed & self._own

    def with_changes(self) -> "Scope":
        """In which all that the program was handed is its own."""
        other = copy(self)
        other.objects, other._own = self.objects | self._handed, self._own - self._handed
        return other

    def has(self, node: ast.expr) -> bool:
        """Whether it uses a variable of the test."""
        return bool(used(node) & self._own)

    def needs_program(self, node: ast.AST) -> bool:
        """Whether it uses a name that the test does not have by itself."""
        return bool(used(node) - set(bound(node)) - self._own - self._known)

    def is_of_program(self, name: str) -> bool:
        """Nothing (`""`) is nobody's."""
        if name in self.objects:
            return True
        return bool(name) and name not in self._own | self._known | MODULES

    def renames(self, node: ast.AST) -> bool:
        """Whether it uses a variable of the test with the name of something built in."""
        return bool(used(node) & self._own & self._known)

    def first_of_program(self, sources: Iterable[str]) -> str:
        """The first name that neither the test nor the program's answers bind; or nothing."""
        nodes = [ast.parse(source) for source in sources]
        bound_here = {name for node in nodes for name in bound(node)}
        for node in nodes:
            for inner in ast.walk(node):
                if (
                    isinstance(inner, ast.Name)
                    and inner.id not in bound_here | self.objects
                    and self.is_of_program(inner.id)
                ):
                    return inner.id
        return ""

    def is_instance(self, node: ast.expr) -> bool:
        """Whether it is an object of a class of the program's, by how classes are written."""
        if isinstance(node, ast.Name):
            return node.id in self._instances
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
            return False
        return node.func.id[:1].isupper() and self.is_of_program(node.func.id)


def used(node: ast.AST) -> set[str]:
    return {
        inner.id
        for inner in ast.walk(node)
        if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Load)
    }


def bound(node: ast.AST) -> Iterable[str]:
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name) and not isinstance(inner.ctx, ast.Load):
            yield inner.id
        elif isinstance(inner, ast.FunctionDef | ast.ClassDef):
            yield inner.name
        elif isinstance(inner, ast.alias):
            yield (inner.asname or inner.name).partition(".")[0]
        elif isinstance(inner, ast.arg):
            yield inner.arg


def root(node: ast.expr) -> str | None:
    """The name that a call, an attribute or an item begins with."""
    while not isinstance(node, ast.Name):
        if isinstance(node, ast.Call):
            node = node.func
        elif isinstance(node, ast.Attribute | ast.Subscript | ast.Starred):
            node = node.value
        else:
            return None
    return node.id
