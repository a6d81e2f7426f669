"""Runs a test of a program: the first module of the test's own sandbox.

Nothing here meets the program: what the test asks of it goes through `peer` (see
`infra/sandbox/peer.py`), which stands for a program in another sandbox. So a test is what its
author wrote, executed by Python: loops, fixtures, subtests, `raises` with everything they can do.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:  # `typing` would cost each test 9 ms
    from types import CodeType
    from typing import Any

    Test = dict[str, Any]
    Result = tuple[int, int, str, str]

WRONG, RAISED, ENDED, UNDECIDED, BAD = "wrong", "raised", "ended", "undecided", "bad"
"""Why a test was not passed: the program's answer is another one, or an error; the program is gone;
only its own objects could tell; or it is the test that is broken."""
MOST_TEXT = 500
RECURSION = 8000
"""Frames: a call that goes to the program and back has several."""
MANY_REQUESTS, MUCH = 2000, 10_000_000
"""A program that is late after more requests, or bytes, was late for them as well."""
REFUSED = ("is not for the program", "it waits within a loop of the other side")
"""What the peers say of requests that are in order elsewhere."""
ASKED = b"asked\n"


def main(peer: Any, modules: dict[str, CodeType], test: Test) -> Result:
    """How many of its checks were passed of how many, and why the first of the others was not."""
    importer: dict[str, Any] = {"__name__": "importer"}
    exec(modules["importer"], importer)
    sys.meta_path.append(importer["Importer"](peer, modules))
    return _Tester(peer, test).run()


class _Tester:
    def __init__(self, peer: Any, test: Test) -> None:
        self._peer, self._test = peer, test
        self._module = sys.modules["test"] = type(sys)("test")
        self._names = self._module.__dict__
        self._names.update(check__=self._check, same__=self._same)
        self._compared: tuple[Any, ...] = ()
        self._passed: set[int] = set()
        self._skipped: set[int] = set()
        self._unfinished: set[str] = {name for _, name in test["functions"]}
        self._failed: set[int] = set()
        self._failure: tuple[str, str] | None = None
        self._has_answers = False
        self._same_value = __import__("sameness").same_value
        imports = {*test["imports"], *test["modules"]}
        __import__("adapted").adapt(imports, peer, self._same)
        sys.setrecursionlimit(RECURSION)

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
        found = self._take_names()
        is_proxied = sys.modules["proxies"].is_proxied
        self._peer.requests = 0
        self._peer.on_request = _say_that_it_asks
        # Or it has answered already: `f = sorted` is a name for what both have.
        self._has_answers = any(not is_proxied(value) for value in found.values())

    def _take_names(self) -> dict[str, Any]:
        """What the program has defined, and what the test forgets to import."""
        found = self._peer.given(self._test["names"])
        found |= self._peer.given(self._test["built_in"]) if self._test["built_in"] else {}
        # What it has defined in place of what the setup has is what they both use.
        gives = self._test["gives"]
        self._names.update(self._peer.given([name for name in gives if not gives[name]]))
        for name, value in found.items():
            if name not in self._names:
                is_module = type(value).__name__ == "module" and name in sys.stdlib_module_names
                self._names[name] = __import__(name) if is_module else value
        for name in self._test["modules"]:
            self._names.setdefault(name, __import__(name))
        for name, module in self._test["standard"].items():
            known = __import__(module, fromlist=[name])
            self._names.setdefault(name, getattr(known, name))
        return found  # type: ignore[no-any-return]

    def _execute(self) -> None:
        for code, number, text in self._test["statements"]:
            self._attempt(code, number, text)
        if self._test["functions"] or self._test["classes"]:
            self._calls().set_up("setup_module", self._module)
        for number, name in self._test["functions"]:
            self._run_function(number, name)
        for name, methods in self._test["classes"]:
            self._run_class(name, methods)

    def _attempt(self, code: CodeType, number: int | None, text: str) -> None:
        try:
            exec(code, self._names)
        except BaseException as error:
            self._fail(number, text, error)
        else:
            self._pass(number)

    def _run_function(self, number: int | None, name: str, kind: Any = None) -> None:
        function = self._names.get(name) if kind is None else getattr(kind, name, None)
        if function is None:
            return  # the statement that defines it has failed
        mark_of = __import__("pytest_fixtures").mark_of
        if any(mark_of(one, "is_skipped", False) for one in (function, kind)):
            self._skip(number, name)
            return
        try:
            self._calls().run(function, name, kind)
        except BaseException as error:
            if _is_skipped(error):
                self._skip(number, name)
            else:
                self._fail(number, f"{name}: ", error)
        else:
            self._pass(number)
            self._unfinished.discard(name)

    def _calls(self) -> Any:
        return __import__("calls").Calls(self._names, self._test["entry"])

    def _run_class(self, name: str, methods: list[tuple[int, str]]) -> None:
        kind = self._names.get(name)
        if kind is None:
            return
        unittest = sys.modules.get("unittest")
        if unittest is not None and issubclass(kind, unittest.TestCase):
            self._run_test_case(kind, {method: place for place, method in methods})
            return
        self._calls().set_up("setup_class", instance=kind)
        for place, method in methods:
            self._run_function(place, method, kind)

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

            def addSkip(self, test: Any, reason: Any) -> None:
                tester._skip(places.get(test._testMethodName), "")

            addExpectedFailure = addSkip

            def addUnexpectedSuccess(self, test: Any) -> None:
                error = AssertionError("it was expected to fail")
                self.addFailure(test, (AssertionError, error))

            def addSubTest(self, test: Any, subtest: Any, error: Any) -> None:
                if error is not None:
                    self.addFailure(test, error)

        unittest.defaultTestLoader.loadTestsFromTestCase(kind).run(Result())

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

    def _skip(self, number: int | None, name: str) -> None:
        self._unfinished.discard(name)
        self._skipped |= {number} if number is not None else self._test["numbers"].get(name, set())

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
            kind = self._kind(error)
            self._failure = kind, f"{about}: {said}"  # what it says of itself may raise
            self._failure = kind, f"{about}: {said}{error}"[:MOST_TEXT]

    def _kind(self, error: BaseException) -> str:
        if self._peer.channel.has_ended:
            is_much = self._peer.channel.carried > MUCH or self._peer.requests > MANY_REQUESTS
            return UNDECIDED if is_much else ENDED
        if self._peer.is_undecided or any(one in str(error) for one in REFUSED):
            return UNDECIDED
        if isinstance(error, __import__("pytest_fixtures").NotHere):
            return BAD
        # What it compares may be what was, or the order another one than in one process.
        if self._peer.wire.is_blind or self._test["is_concurrent"]:
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
        if self._failure is None and self._failed:
            self._failure = WRONG, self._test["texts"][min(self._failed)]
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


def _is_skipped(error: BaseException) -> bool:
    """By the test itself: an error of the program's is no such thing, whatever its name."""
    modules = (sys.modules.get("pytest"), sys.modules.get("unittest"))
    known = [getattr(module, "Skipped", getattr(module, "SkipTest", None)) for module in modules]
    return "_said" not in error.__dict__ and type(error) in known


def _say_that_it_asks() -> None:
    """For whoever finds that this process has died: it was not before it met the program."""
    os.write(2, ASKED)
