"""The standard library of a test in its sandbox, where that must know of the program elsewhere."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from typing import Any


def adapt(imports: Collection[str], peer: Any, same: Callable[[Any, Any], bool]) -> None:
    """The modules among those that the test imports."""
    if "unittest" in imports:
        _compare_nearly(same)
    if "dataclasses" in imports:
        _ask_of_dataclasses(peer)
    if "random" in imports:
        _seed_both(peer)


def _compare_nearly(same: Callable[[Any, Any], bool]) -> None:
    """As asserts do."""
    kind = __import__("unittest").TestCase
    exactly = kind.assertEqual

    def assert_equal(self: Any, first: Any, second: Any, msg: Any = None) -> None:
        if not same(first, second):
            exactly(self, first, second, msg)

    kind.assertEqual = assert_equal


def _ask_of_dataclasses(peer: Any) -> None:
    """Those of the program are known where it is."""
    dataclasses, is_proxied = __import__("dataclasses"), __import__("proxies").is_proxied

    def asking(name: str) -> Callable[..., Any]:
        own = getattr(dataclasses, name)

        def ask(one: Any, *args: Any, **named: Any) -> Any:
            if not is_proxied(one):
                return own(one, *args, **named)
            asked = (one, *args), tuple(named.items())
            return peer.request("standard", "dataclasses", name, *asked)

        return ask

    for name in ("asdict", "astuple", "fields", "replace", "is_dataclass"):
        setattr(dataclasses, name, asking(name))


def _seed_both(peer: Any) -> None:
    """The same test, whenever it is run; and a program that draws what the test foresees."""
    random = __import__("random")
    random.seed(0)
    own = random.seed

    def seed(*values: Any, **named: Any) -> None:
        own(*values, **named)
        peer.request("seed", *values, *named.values())

    vars(random)["seed"] = seed
