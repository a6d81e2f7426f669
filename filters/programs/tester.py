"""Runs a test of a program: the first module of the test's own sandbox.

Nothing here meets the program: what the test asks of it goes through `peer` (see
`infra/sandbox/peer.py`), which stands for a program in another sandbox. So a test is what its
author wrote, executed by Python: loops, fixtures, subtests, `raises` with everything they can do.
"""

from __future__ import annotations

import itertools
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:  # `typing` would cost each test 9 ms
    from collections.abc import Callable, Iterator
    from types import CodeType
    from typing import Any

    Test = dict[str, Any]
    Result = tuple[int, int, str, str]

WRONG, RAISED, ENDED, UNDECIDED, BAD = "wrong", "raised", "ended", "undecided", "bad"
"""Why a test was not passed: the program's answer is another one, or an error; the program is gone;
only its own objects could tell; or it is the test that is broken."""
MOST_TEXT = 500
ASKED = b"asked\n"


def main(peer: Any, modules: dict[str, CodeType], test: Test) -> Result:
    """How many of its checks were passed of how many, and why the first of the others was not."""
    sys.meta_path.append(_Importer(peer, modules))
    return _Tester(peer, test).run()


class _Tester:
    def __init__(self, peer: Any, test: Test) -> None:
        self._peer, self._test = peer, test
        self._module = sys.modules["test"] = type(sys)("test")
        self._names = self._module.__dict__
        self._names.update(check__=self._check, same__=self._same, must__=self._must)
        self._compared: tuple[Any, ...] = ()
        self._passed: set[int] = set()
        self._skipped: set[int] = set()
        self._unfinished: set[str] = {name for _, name in test["functions"]}
        self._failed: set[int] = set()
        self._failure: tuple[str, str] | None = None
        self._has_answers = False
        self._same_value = __import__("sameness").same_value
        imports = {*test["imports"], *test["modules"]}
        if "unittest" in imports:
            _compare_nearly(self._same)
        if "random" in imports:
            __import__("random").seed(0)  # the same test, whenever it is run

    def run(self) -> Result:
        try:
            self._begin()
            self._execute()
        except BaseException as error:
            self._note(None, "", error)
        return self._result()

    def _begin(self) -> None:
        """What the program finds defined is here before it is, and then its own names are."""
        later = []
        for code in self._test["given"]:
            try:
                exec(code, self._names)
            except BaseException:  # it needs what the program defines, and comes after that
                later.append((code, None, "what comes first"))
        self._test["statements"] = [*later, *self._test["statements"]]
        self._peer.names = {
            name: self._names[name] for name in self._test["gives"] if name in self._names
        }
        self._peer.await_ready()
        found = self._peer.given(self._test["names"])
        found |= self._peer.given(self._test["built_in"]) if self._test["built_in"] else {}
        for name, value in found.items():
            if name not in self._names:
                is_module = type(value).__name__ == "module" and name in sys.stdlib_module_names
                self._names[name] = __import__(name) if is_module else value
        # What a test forgets to import is the test's own.
        for name in self._test["modules"]:
            self._names.setdefault(name, __import__(name))
        for name, module in self._test["standard"].items():
            known = __import__(module, fromlist=[name])
            self._names.setdefault(name, getattr(known, name))
        is_proxied = sys.modules["proxies"].is_proxied
        self._peer.requests = 0
        self._peer.on_request = _say_that_it_asks
        # Or it has answered already: `f = sorted` is a name for what both have.
        self._has_answers = any(not is_proxied(value) for value in found.values())

    def _execute(self) -> None:
        for code, number, text in self._test["statements"]:
            self._attempt(code, number, text)
        for number, name in self._test["functions"]:
            self._run_function(number, self._names, name)
        for name, methods in self._test["classes"]:
            self._run_class(name, methods)

    def _attempt(self, code: CodeType, number: int | None, text: str) -> None:
        try:
            exec(code, self._names)
        except BaseException as error:
            self._fail(number, text, error)
        else:
            self._pass(number)

    def _run_function(self, number: int | None, names: Any, name: str) -> None:
        if name not in names:
            return  # the statement that defines it has failed
        try:
            for arguments in _calls(names[name], self._names, self._candidate):
                _completed(names[name], arguments)
        except BaseException as error:
            if _is_skipped(error):
                self._skip(number, name)
            else:
                self._fail(number, f"{name}: ", error)
        else:
            self._pass(number)
            self._unfinished.discard(name)

    def _run_class(self, name: str, methods: list[tuple[int, str]]) -> None:
        kind = self._names.get(name)
        if kind is None:
            return
        unittest = sys.modules.get("unittest")
        if unittest is not None and issubclass(kind, unittest.TestCase):
            self._run_test_case(kind, {method: place for place, method in methods})
            return
        for place, method in methods:
            try:
                instance = kind()
                getattr(instance, "setup_method", lambda *_: None)(*_positional(instance))
                bound = {method: getattr(instance, method)}
            except BaseException as error:
                self._fail(place, f"{name}: ", error)
            else:
                self._run_function(place, bound, method)

    def _run_test_case(self, kind: Any, places: dict[str, int]) -> None:
        unittest = sys.modules["unittest"]
        tester = self

        class Result(unittest.TestResult):  # type: ignore[name-defined,misc]
            def addSuccess(self, test: Any) -> None:
                tester._pass(places.get(test._testMethodName))

            def addFailure(self, test: Any, error: Any) -> None:
                method = getattr(test, "_testMethodName", str(test))
                tester._fail(places.get(method), f"{method}: ", error[1])

            addError = addFailure

            def addSkip(self, test: Any, reason: str) -> None:
                tester._skip(places.get(test._testMethodName), "")

            def addSubTest(self, test: Any, subtest: Any, error: Any) -> None:
                if error is not None:
                    self.addFailure(test, error)

        unittest.defaultTestLoader.loadTestsFromTestCase(kind).run(Result())

    def _candidate(self) -> Any:
        name = self._test["entry"]
        if name not in self._names:
            raise NameError(f"name {name!r} is not defined")
        return self._names[name]

    # What the asserts of the test call.

    def _same(self, given: Any, expected: Any) -> bool:
        self._compared = given, expected
        return self._same_value(given, expected)  # type: ignore[no-any-return]

    def _check(self, number: int, holds: Any) -> None:
        compared, self._compared = self._compared, ()
        if holds:
            self._pass(number)
        else:
            got = f"got {compared[0]!r:.200}, expected {compared[1]!r:.200}" if compared else ""
            self._fail(number, "", AssertionError(got))

    def _must(self, holds: Any) -> Any:
        """In a function that a test hands over, whose errors somebody may catch."""
        if not holds:
            self._note(None, "an assert in a function", AssertionError(""))
        return holds

    def _skip(self, number: int | None, name: str) -> None:
        self._unfinished.discard(name)
        if number is not None:
            self._skipped.add(number)

    def _pass(self, number: int | None) -> None:
        if number is not None:
            self._passed.add(number)

    def _fail(self, number: int | None, text: str, error: BaseException) -> None:
        self._note(number, text, error)
        if self._peer.channel.has_ended:  # there is nobody to ask any more
            raise error

    def _note(self, number: int | None, text: str, error: BaseException) -> None:
        if number is not None:
            self._failed.add(number)
        if self._failure is None:
            about = self._test["texts"][number] if number is not None else text
            said = f"{type(error).__name__}: " if not isinstance(error, AssertionError) else ""
            self._failure = self._kind(error), f"{about}: {said}{error}"[:MOST_TEXT]

    def _kind(self, error: BaseException) -> str:
        if self._peer.channel.has_ended:
            return ENDED
        if self._peer.is_undecided:
            return UNDECIDED
        if "_said" in error.__dict__ or isinstance(error, (NameError, ImportError)):
            return RAISED
        return WRONG if self._has_asked() else BAD

    def _not_done(self) -> tuple[str, str] | None:
        """What has neither been passed nor failed: a loop over nothing shows nothing."""
        left = self._test["must"] - self._passed - self._skipped
        if left:
            return UNDECIDED, f"{self._test['texts'][min(left)]}: it was never reached"
        return (UNDECIDED, f"{min(self._unfinished)} never ended") if self._unfinished else None

    def _has_asked(self) -> bool:
        return self._has_answers or self._peer.requests > 0

    def _result(self) -> Result:
        total = len(self._test["texts"])
        passed = len(self._passed - self._failed)
        # A test may have caught what tells it.
        if self._failure is None and self._peer.lie:
            self._failure = WRONG, self._peer.lie
        if self._failure is None and self._peer.is_undecided:
            self._failure = UNDECIDED, "only an object of the program's could tell"
        if self._failure is None and self._peer.channel.has_ended:
            self._failure = ENDED, "the program is gone"
        if self._failure is None and not self._has_asked():
            wanted = self._test["asks_for"]
            is_missing = wanted and wanted not in self._names
            self._failure = (
                (RAISED, f"NameError: name {wanted!r} is not defined")
                if is_missing
                else (BAD, "it asks nothing of the program")
            )
        if self._failure is None:
            self._failure = self._not_done()
        if self._failure is None:
            return total, total, "", ""
        return min(passed, total - 1), total, *self._failure


class _Importer:
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

    def __getattr__(self, name: str) -> Any:
        if name == "__all__":
            return []  # all names that a test uses are there already
        found = self._peer.given([name]) if not name.startswith("__") else {}
        if name not in found:
            raise AttributeError(f"the program has no {name!r}")
        return found[name]


def _calls(
    function: Callable[..., Any], names: dict[str, Any], candidate: Callable[[], Any]
) -> Iterator[dict[str, Any]]:
    """The arguments of each call: parameters, fixtures, and the one that is the program."""
    wanted = _arguments(function)
    tables = getattr(function, "parametrized", [])
    for row in itertools.product(*tables):
        arguments: dict[str, Any] = {}
        for part in row:
            arguments.update(part)
        missing = [name for name in wanted if name not in arguments]
        if missing and not all(_is_fixture(name, names) for name in missing):
            if len(missing) > 1:
                raise TypeError(f"nothing gives {missing}")
            arguments[missing[0]] = candidate()
            missing = []
        if missing:
            with sys.modules["pytest"].fixtures(names) as value_of:
                yield arguments | {name: value_of(name) for name in missing}
        else:
            yield arguments


def _is_fixture(name: str, names: dict[str, Any]) -> bool:
    return __import__("pytest").is_fixture(name, names)  # type: ignore[no-any-return]


def _arguments(function: Any) -> list[str]:
    plain = getattr(function, "__func__", function)
    plain = getattr(plain, "__wrapped__", plain)
    code = getattr(plain, "__code__", None)
    if code is None:
        return []
    without_default = code.co_argcount - len(plain.__defaults__ or ())
    return list(code.co_varnames[int(plain is not function) : without_default])


def _positional(instance: Any) -> tuple[Any, ...]:
    """`setup_method` may want the method that comes."""
    return (None,) if len(_arguments(getattr(instance, "setup_method", None))) else ()


def _completed(function: Callable[..., Any], arguments: dict[str, Any]) -> None:
    returned = function(**arguments)
    if hasattr(returned, "__await__"):
        __import__("asyncio").run(returned)


def _is_skipped(error: BaseException) -> bool:
    """By the test itself: an error of the program's is no such thing, whatever its name."""
    modules = (sys.modules.get("pytest"), sys.modules.get("unittest"))
    known = [getattr(module, "Skipped", getattr(module, "SkipTest", None)) for module in modules]
    return "_said" not in error.__dict__ and type(error) in known


def _say_that_it_asks() -> None:
    """For whoever finds that this process has died: it was not before it met the program."""
    os.write(2, ASKED)


def _compare_nearly(same: Callable[[Any, Any], bool]) -> None:
    """As asserts do."""
    kind = __import__("unittest").TestCase
    exactly = kind.assertEqual

    def assert_equal(self: Any, first: Any, second: Any, msg: Any = None) -> None:
        if not same(first, second):
            exactly(self, first, second, msg)

    kind.assertEqual = assert_equal
