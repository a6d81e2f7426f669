"""Errors travel between Ray actors, and end a command with their own code."""

import pickle
import signal

import pytest

from schemas import errors

ALL = [
    (errors.RecipeError("a"), 2),
    (errors.StoreError("b"), 1),
    (errors.BusyError("c"), 75),
    (errors.StoreUnavailableError("d"), 75),
    (errors.ClusterError("e"), 75),
    (errors.EngineError("f"), 1),
    (errors.SandboxError("k"), 1),
    (errors.RunError("g"), 1),
    (errors.Interrupted("h", signal.SIGINT), 130),
    (errors.Interrupted("i", signal.SIGTERM), 143),
    (errors.VersionError("j"), 1),
    (errors.RefusedError("l", {"gates": []}), 3),
    (errors.RequestError("rejected", "prompt_too_long", "9 tokens"), 1),
]


@pytest.mark.parametrize(("error", "exit_code"), ALL)
def test_errors_survive_pickling(error: errors.StillhouseError, exit_code: int) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert again.exit_code == error.exit_code == exit_code


def test_every_error_is_here() -> None:
    named = {
        thing
        for thing in vars(errors).values()
        if isinstance(thing, type)
        and issubclass(thing, errors.StillhouseError)
        and thing is not errors.StillhouseError
    }
    assert {type(error) for error, _ in ALL} == named


def test_messages_say_what_happened() -> None:
    assert str(errors.Interrupted("stopped in good order", 2)) == "stopped in good order"
    request = errors.RequestError("rejected", "prompt_too_long", "9 tokens")
    assert str(request) == "prompt_too_long (rejected): 9 tokens"


@pytest.mark.parametrize("kind", [errors.BusyError, errors.StoreUnavailableError])
def test_what_may_work_later_is_a_store_error(kind: type[errors.StoreError]) -> None:
    with pytest.raises(errors.StoreError):
        raise kind("later")
