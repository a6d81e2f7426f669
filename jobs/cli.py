"""The command line: `stillhouse COMMAND …`, the same as `python -m jobs.cli COMMAND …`.

Data goes to stdout, everything else to stderr. Heavy imports happen inside the commands, so that
`--help` answers at once.
"""

import argparse
import json
import os
import signal
import sys
from collections.abc import Sequence
from typing import Any

from jobs.commands import COMMANDS
from schemas.errors import StillhouseError

INTERRUPTED, TERMINATED = 130, 143
EXIT_CODES = """exit codes:
  0    done, or nothing to do
  1    failed
  2    the command line or the recipe is wrong; nothing was started
  3    refused: a version does not meet the recipe's gates, or a refresh would buy too much again
  75   another run is at work, or the store or the cluster cannot be reached; try again later
  130  interrupted (143: terminated); the same command resumes
"""


def parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    top = argparse.ArgumentParser(
        prog="stillhouse",
        description="Distils reasoning models into training data.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for command in COMMANDS:
        sub = commands.add_parser(
            command.name,
            help=command.help,
            description=command.help[0].upper() + command.help[1:] + ".",
            epilog=command.example and f"example:\n  {command.example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        for names, options in command.arguments:
            sub.add_argument(*names, **options)
        sub.add_argument("--json", action="store_true", help="print one JSON object on stdout")
        sub.set_defaults(run=command.run)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit code."""
    arguments = parser().parse_args(argv)
    received: list[int] = []

    def interrupt(number: int, _: object) -> None:
        received.append(number)
        # Ray's waiting calls pass this one on; they turn SystemExit of any code into exit code 1.
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    try:
        result = arguments.run(arguments)
        _print(result.data if arguments.json else result.text)
        return int(result.exit_code)
    except StillhouseError as error:
        print(f"stillhouse: {error}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        # The reader of our output went away, as `head` does; there is nobody to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        print(f"stillhouse: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stillhouse: interrupted; the same command resumes", file=sys.stderr)
        return TERMINATED if received else INTERRUPTED


def _print(output: Any) -> None:
    if isinstance(output, str):
        print(output)
    else:
        print(json.dumps(output, ensure_ascii=False, default=str))


if __name__ == "__main__":
    sys.exit(main())
