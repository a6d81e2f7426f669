"""Two programs that use each other's objects; here both ends run in one process, in two threads."""

import json
import random
import socket
import sys
import threading
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.sandbox.slot import _modules


@pytest.fixture(scope="module", autouse=True)
def inside() -> Iterator[None]:
    """The modules by the names that they have in a sandbox."""
    for name, code in _modules():
        module = sys.modules[name] = ModuleType(name)
        exec(code, module.__dict__)
    yield
    for name, _ in _modules():
        del sys.modules[name]


@contextmanager
def paired(names: dict[str, Any]) -> Iterator[Any]:
    """The test's side of a channel to a program that has defined these names, and has its side of
    it by the name `peer`."""
    peer: Any = sys.modules["peer"]
    channel: Any = sys.modules["channel"]
    ends = socket.socketpair()
    near = peer.Peer(channel.Channel(ends[0].fileno()), {}, guards=True)
    far = names["peer"] = peer.Peer(channel.Channel(ends[1].fileno()), names, guards=False)

    def serve() -> None:
        try:
            while True:
                far._take_request()
        except peer.Ended:
            return

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield near
    finally:
        ends[0].shutdown(socket.SHUT_RDWR)
        thread.join()
        for end in ends:
            end.close()


def program(source: str) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "program"}
    exec(source, names)
    return names


SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
    | st.binary() | st.complex_numbers(allow_nan=False) | st.fractions() | st.dates()
    | st.datetimes() | st.times() | st.timedeltas() | st.uuids()
    | st.decimals(allow_nan=False, allow_infinity=False) | st.just(...) | st.just(range(2, 9, 3))
    | st.binary().map(bytearray)
)  # fmt: skip
KEYS = st.text() | st.integers() | st.tuples(st.integers(), st.text())
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(KEYS, inner)
        | st.sets(KEYS)
        | st.frozensets(KEYS)
        | st.lists(inner, max_size=3).map(lambda items: deque(items, maxlen=5))
        | st.dictionaries(KEYS, inner).map(OrderedDict)
        | st.lists(KEYS).map(Counter)
        | st.dictionaries(KEYS, inner).map(lambda items: defaultdict(list, items))
    ),
    max_leaves=20,
)


def kinds(value: Any) -> Any:
    """Types all the way down."""
    if isinstance(value, dict):
        return type(value), [(kinds(key), kinds(one)) for key, one in value.items()]
    if isinstance(value, list | tuple | deque):
        return type(value), [kinds(one) for one in value]
    return type(value)


@given(VALUES)
def test_data_comes_back_as_it_was(value: Any) -> None:
    with paired({"f": lambda x: x, "g": lambda: value}) as peer:
        names = peer.given(["f", "g"])
        back = names["g"]()
        assert back == value
        assert kinds(back) == kinds(value)
        sent = names["f"](value)
        assert sent == value
        if isinstance(value, list | dict | set | bytearray):
            assert sent is value


STEPS = st.lists(
    st.tuples(st.booleans(), st.sampled_from(["append", "pop", "sort", "clear", "nest", "swap"])),
    max_size=20,
)


@given(STEPS)
def test_both_sides_have_one_list(steps: list[tuple[bool, str]]) -> None:
    """Whoever changes it."""

    def change(x: Any, how: str) -> None:
        if how == "append":
            x.append(len(x))
        elif how == "nest":
            x.append([how])
        elif how == "swap":
            x[:] = [*x[1:], *x[:1]]
        elif how == "sort":
            x.sort(key=str)
        elif x:
            x.pop() if how == "pop" else x.clear()

    theirs: list[Any] = []
    with paired({"theirs": theirs, "change": change, "told": lambda: json.dumps(theirs)}) as peer:
        names = peer.given(["theirs", "change", "told"])
        ours, model = names["theirs"], list[Any]()
        for is_ours, how in steps:
            change(model, how)
            (change if is_ours else names["change"])(ours, how)
            assert ours == model
            assert json.loads(names["told"]()) == model


def test_objects_stay_where_they_are() -> None:
    source = (
        "class Stack:\n    made = 0\n    def __init__(self): self.items = []; Stack.made += 1\n"
        "    def push(self, x): self.items.append(x); return self\n"
        "    def __len__(self): return len(self.items)\n"
        "class Deep(Stack): pass\n"
    )
    with paired(program(source)) as peer:
        names = peer.given(["Stack", "Deep"])
        stack = names["Deep"]()
        assert stack.push(1) is stack
        assert (len(stack), stack.items, names["Stack"].made) == (1, [1], 1)
        assert isinstance(stack, names["Stack"])
        assert issubclass(names["Deep"], names["Stack"])
        assert type(stack).__name__ == "Deep"
        stack.items = [4, 5]
        assert len(stack) == 2
        with pytest.raises(TypeError):
            iter(stack)
        with pytest.raises(AttributeError, match="shift"):
            stack.shift()


def test_errors_are_errors_on_both_sides() -> None:
    source = (
        "class Bad(ValueError):\n"
        "    def __init__(self, n): super().__init__(f'bad {n}'); self.n = n\n"
        "def f(x): raise Bad(x)\n"
        "def g(call):\n    try: return call()\n    except KeyError as e: return type(e), e.args\n"
    )
    with paired(program(source)) as peer:
        names = peer.given(["f", "g", "Bad"])
        with pytest.raises(names["Bad"], match="bad 3") as raised:
            names["f"](3)
        assert isinstance(raised.value, ValueError)
        assert raised.value.n == 3  # type: ignore[attr-defined]

        def raises() -> None:
            raise KeyError("x", 1)

        assert names["g"](raises) == (KeyError, ("x", 1))


def test_an_answer_that_cannot_be_told_is_an_error() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    with paired({"f": lambda: deep, "g": lambda: b"x" * 2**25, "h": lambda: 3}) as peer:
        names = peer.given(["f", "g", "h"])
        for name in ("f", "g"):
            with pytest.raises((RuntimeError, RecursionError, ValueError)):
                names[name]()
            assert names["h"]() == 3


NODES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats() | st.text(max_size=3)
    | st.sampled_from(["shared", "like", "own", "class", "object", "error", "known", "said", "int",
                       "builtins.list", "collections.deque", "tuple", "range", "items",
                       "ValueError"]),
    lambda inner: st.lists(inner, max_size=6),
    max_leaves=30,
)  # fmt: skip


@given(st.lists(NODES, max_size=5))
def test_whatever_a_program_says_ends_well(nodes: list[Any]) -> None:
    """What is no message ends the conversation; what is one is a value."""
    peer: Any = sys.modules["peer"]
    channel: Any = sys.modules["channel"]
    near, far = socket.socketpair()
    with near, far:
        one = peer.Peer(channel.Channel(near.fileno()), {}, guards=True)
        for node in nodes:
            for data in (json.dumps(["=", "", [[node], []]]), json.dumps(node)):
                far.sendall(len(data).to_bytes(8, "big") + data.encode())
        far.shutdown(socket.SHUT_WR)
        for _ in range(2 * len(nodes)):
            try:
                one.request("call", len, (), ())
            except (peer.Ended, OSError):
                return


HANDED, CALLBACK = ["known", "ValueError"], 1


@pytest.mark.parametrize(
    "node",
    [
        ["error", 0, HANDED, ["tuple"], "x", None],
        ["error", 7, HANDED, ["tuple"], "x", None],
        ["error", -1.5, HANDED, ["tuple"], "x", None],
        ["error", True, HANDED, ["tuple"], "x", None],
        ["class", 7, "program", "A", [], [], []],
        ["class", 0, "program", "A", [], [], []],
        ["like", ["object", 7, ["class", -3, "program", "A", [["known", "str"]], [], []]], "x"],
        ["object", -9, ["of", CALLBACK]],
        ["object", -9, HANDED],
        ["object", CALLBACK, HANDED],
        ["class", CALLBACK, "program", "A", [], [], []],
        ["own", 2],
        [
            "tuple",
            ["object", -9, ["class", -3, "program", "A", [], [], []]],
            ["shared", -9, "collections.deque", None, 1],
        ],
        ["shared", 0, "builtins.list", 1],
        ["shared", 1.5, "builtins.list", 1],
        ["shared", CALLBACK, "builtins.list", 1],
        ["shared", CALLBACK, "collections.deque", None, 1],
        ["shared", -2, "os.environ", 1],
    ],
)
def test_numbers_and_kinds_that_are_not_the_programs_to_give(node: Any) -> None:
    """In an answer to a call that hands over a callback, whose number is the first."""
    peer: Any = sys.modules["peer"]
    channel: Any = sys.modules["channel"]
    near, far = socket.socketpair()
    with near, far:
        one = peer.Peer(channel.Channel(near.fileno()), {}, guards=True)

        def callback() -> None: ...

        assert one.wire.number(callback) == CALLBACK
        one.wire.number(type(callback))  # told, and not handed over
        data = json.dumps(["=", "", [], [[node], []]]).encode()
        far.sendall(len(data).to_bytes(8, "big") + data)
        with pytest.raises(peer.Ended):
            one.request("call", callback, (), ())
        assert one.requests == 1, "the program is not asked on the way"


def test_only_what_was_handed_over_is_used() -> None:
    """Not data, whose methods know more than they seem to, and not the class of what was handed."""
    source = (
        "def asks(handed):\n"
        "    found = []\n"
        "    for target, name in (('text', 'format'), ([], 'append')):\n"
        "        try: peer.request('get', target, name, 'x')\n"
        "        except AttributeError as error: found.append('not for' in str(error))\n"
        "    return found\n"
        "def returns(handed): return type(handed)\n"
    )
    names = program(source)
    with paired(names) as near:
        given = near.given(["asks", "returns"])
        assert given["asks"](random.Random()) == [True, True]
        with pytest.raises(sys.modules["peer"].Ended, match="not handed over"):
            given["returns"](random.Random())


def test_bytes_that_are_no_message() -> None:
    peer: Any = sys.modules["peer"]
    channel: Any = sys.modules["channel"]
    rng = random.Random(0)
    for size in (0, 1, 7, 8, 9, 100):
        near, far = socket.socketpair()
        with near, far:
            far.sendall(rng.randbytes(size))
            far.shutdown(socket.SHUT_WR)
            one = peer.Peer(channel.Channel(near.fileno()), {}, guards=True)
            with pytest.raises(peer.Ended):
                one.request("ready")
            assert one.channel.has_ended


def test_what_is_dropped_is_forgotten() -> None:
    with paired({"f": lambda x: len(x)}) as peer:
        f = peer.given(["f"])["f"]
        for n in range(2000):
            assert f([n]) == 1
        assert len(peer.wire._contents) < 300
