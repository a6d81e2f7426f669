"""What a test in its sandbox finds when it imports what is not there.

It runs in that sandbox; see `tester`.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType
    from typing import Any


class Importer:
    """Of modules that are not there: what came along, a stand-in for pytest, and the program, by
    whatever name a test knows it."""

    def __init__(self, peer: Any, modules: dict[str, CodeType]) -> None:
        self._peer, self._modules = peer, modules

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name in sys.stdlib_module_names or "." in name:
            return None
        return type(sys.__spec__)(name, self)  # type: ignore[arg-type]

    def create_module(self, spec: Any) -> Any:
        return None if spec.name in self._modules else _Program(spec.name, self._peer)

    def exec_module(self, module: Any) -> None:
        if code := self._modules.get(module.__name__):
            exec(code, module.__dict__)


class _Program(type(sys)):  # type: ignore[misc]
    """As a module."""

    def __init__(self, name: str, peer: Any) -> None:
        super().__init__(name)
        self._peer = peer

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("_"):
            super().__setattr__(name, value)
        else:
            self._peer.request("name", name, value)

    def __delattr__(self, name: str) -> None:
        self._peer.request("no_name", name)

    def __getattr__(self, name: str) -> Any:
        if name == "__all__":
            return []  # all names that a test uses are there already
        found = self._peer.given([name]) if not name.startswith("__") else {}
        if name not in found:
            raise AttributeError(f"the program has no {name!r}")
        return found[name]
