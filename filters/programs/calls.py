"""How pytest calls a test: of a new instance, with parameters and fixtures, between what sets up.

It runs in a test's sandbox; see `tester`.
"""

from __future__ import annotations

import itertools
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pytest_fixtures import Fixtures, NotHere, arguments_of, mark_of  # type: ignore[import-not-found]

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Calls:
    """Of the functions and classes of a test, whose names these are; `entry` names what the one
    argument that nothing else gives is."""

    def __init__(self, names: dict[str, Any], entry: str) -> None:
        self._names, self._entry = names, entry

    def run(self, function: Any, name: str, kind: Any) -> None:
        """All calls of a function, or of a method of `kind`."""
        rows = list(self._rows(function, kind))
        if not rows:
            raise NotHere(f"{name} has no calls")
        for row in rows:
            self._run_row(function, name, kind, row)

    def _run_row(self, function: Any, name: str, kind: Any, row: dict[str, Any]) -> None:
        """One call, of a new instance where it is a method."""
        instance = kind() if kind is not None else None
        if instance is not None:
            function = getattr(instance, name)
            self.set_up("setup_method", function, instance=instance)
        else:
            self.set_up("setup_function", function)
        with self._arguments(function, instance, row) as arguments:
            _completed(function, arguments)
        ended = ("teardown_function", None) if instance is None else ("teardown_method", instance)
        self.set_up(ended[0], function, instance=ended[1])

    def set_up(self, name: str, *arguments: Any, instance: Any = None) -> None:
        """What pytest calls by its name, if there is any."""
        function = self._names.get(name) if instance is None else getattr(instance, name, None)
        if function is not None:
            function(*arguments[: len(_arguments_of(function))])

    def _rows(self, function: Any, kind: Any) -> Iterator[dict[str, Any]]:
        """Of parameters, those of fixtures with a blank before their names."""
        tables = [*mark_of(kind, "parametrized", []), *mark_of(function, "parametrized", [])]
        fixtures, wanted = self._fixtures(kind), _arguments_of(function, kind)
        used = [*wanted, *fixtures.automatic(), *mark_of(function, "used_fixtures", ())]
        params = fixtures.parameters(used)
        tables += [[{f" {name}": value} for value in values] for name, values in params.items()]
        for parts in itertools.product(*tables):
            yield {name: value for part in parts for name, value in part.items()}

    def _fixtures(self, owner: Any) -> Any:
        places = [self._names] + ([_members(owner)] if owner is not None else [])
        return Fixtures(*places)

    @contextmanager
    def _arguments(
        self, function: Any, instance: Any, row: dict[str, Any]
    ) -> Iterator[dict[str, Any]]:
        """Of one call: parameters, fixtures, and the one that is the program."""
        fixtures = self._fixtures(instance)
        missing = [name for name in _arguments_of(function) if name not in row]
        unknown = [name for name in missing if name not in fixtures and name != "request"]
        if len(unknown) > 1 or (unknown and (instance is not None or not self._entry)):
            raise NotHere(f"nothing gives {unknown}")
        with fixtures.values({name[1:]: row[name] for name in row if name[0] == " "}) as value_of:
            for name in (*fixtures.automatic(), *mark_of(function, "used_fixtures", ())):
                value_of(name)
            found = {
                name: self._candidate() if name in unknown else value_of(name) for name in missing
            }
            yield {name: value for name, value in row.items() if name[0] != " "} | found

    def _candidate(self) -> Any:
        name = self._entry
        if name not in self._names:
            raise NameError(f"name {name!r} is not defined")
        return self._names[name]


def _arguments_of(function: Any, kind: Any = None) -> list[str]:
    """Names; of a function of a class without `self`."""
    names = arguments_of(function)
    return names[1:] if kind is not None else names  # type: ignore[no-any-return]


def _members(instance: Any) -> dict[str, Any]:
    """Bound, as fixtures in a class are."""
    return {name: getattr(instance, name) for name in dir(type(instance)) if name[:1] != "_"}


def _completed(function: Callable[..., Any], arguments: dict[str, Any]) -> None:
    returned = function(**arguments)
    if hasattr(returned, "__await__"):
        import asyncio  # it takes its time

        asyncio.run(returned)
