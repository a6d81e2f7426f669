"""Errors travel between Ray actors."""

import pickle

import pytest

from schemas import errors


@pytest.mark.parametrize(
    "error",
    [
        errors.RecipeError("a"),
        errors.StoreError("b"),
        errors.BusyError("c"),
        errors.EngineError("d"),
        errors.RunError("e"),
        errors.VersionError("f"),
        errors.RequestError("rejected", "prompt_too_long", "9 tokens"),
    ],
)
def test_errors_survive_pickling(error: errors.StillhouseError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert again.exit_code == error.exit_code
