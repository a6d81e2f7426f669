"""Types that both of two sandboxes have; see `proxies`."""

from __future__ import annotations

import builtins
import sys

from data import BASES  # type: ignore[import-not-found]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class _WithMethod:
    def method(self) -> None: ...


async def _coroutine() -> None: ...


def _generator() -> Any:
    yield


FunctionType, MethodType = type(_generator), type(_WithMethod().method)
_made = _coroutine()
BUILT_IN: dict[str, type] = {
    kind.__name__: kind
    for kind in (type(_coroutine), type(_made), type(_generator()), type(len), type(sys),
                 MethodType, map, filter, zip, enumerate, reversed)
}  # fmt: skip
"""Types whose instances are no data, and which both sides have."""
_made.close()
KNOWN: dict[str, type] = {
    name: kind
    for name, kind in vars(builtins).items()
    if isinstance(kind, type) and (kind in BASES or issubclass(kind, BaseException))
}
"""Built-in data, and errors."""
