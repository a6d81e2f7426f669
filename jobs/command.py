"""What a command is."""

from argparse import Namespace
from collections.abc import Callable
from typing import Any, NamedTuple

from jobs.arguments import Argument


class Result(NamedTuple):
    """What a command found: for people, for programs, and for the shell."""

    text: str
    data: dict[str, Any]
    exit_code: int = 0


class Command(NamedTuple):
    """One command of the command line."""

    name: str
    help: str
    arguments: tuple[Argument, ...]
    run: Callable[[Namespace], Result]
    example: str | None = None
