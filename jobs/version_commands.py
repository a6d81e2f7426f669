"""The commands about published versions."""

from argparse import Namespace

from jobs.arguments import DATASET, STORE
from jobs.command import Command, Result


def _versions(arguments: Namespace) -> Result:
    from jobs.tell import versions

    return Result(*versions(arguments.store, arguments.dataset))


def _show(arguments: Namespace) -> Result:
    if arguments.attempt is not None:
        from jobs.attempts import show_attempt

        pool = arguments.dataset.partition("@")[0]
        return Result(*show_attempt(arguments.store, pool, arguments.attempt or None))
    from jobs.tell import show

    return Result(*show(arguments.store, arguments.dataset))


def _verify(arguments: Namespace) -> Result:
    from jobs.verify import verify

    return Result(*verify(arguments.store, arguments.dataset))


def _pull(arguments: Namespace) -> Result:
    from jobs.pull import pull

    return Result(*pull(arguments.store, arguments.dataset, arguments.folder))


def _diff(arguments: Namespace) -> Result:
    from jobs.diff import diff

    return Result(*diff(arguments.store, arguments.before, arguments.after))


VERSION_COMMANDS: tuple[Command, ...] = (
    Command(
        "versions",
        "list the published versions of a dataset",
        (
            (("dataset",), {"metavar": "NAME", "help": "a dataset"}),
            STORE,
        ),
        _versions,
        "stillhouse versions quickstart",
    ),
    Command(
        "show",
        "show one version (rows, funnel, cost, where it came from), or what happened in an attempt",
        (
            *DATASET,
            (
                ("--attempt",),
                {
                    "nargs": "?",
                    "const": "",
                    "metavar": "ID",
                    "help": "the events of this attempt on the pool NAME; without an ID, of the "
                    "newest one",
                },
            ),
        ),
        _show,
        "stillhouse show quickstart --attempt a000001",
    ),
    Command("verify", "check every byte of a version against its manifest", DATASET, _verify),
    Command(
        "diff",
        "what two versions have in common, what came, what went and why, and what it cost",
        (
            (("before",), {"metavar": "NAME[@VERSION]", "help": "the one to compare with"}),
            (("after",), {"metavar": "NAME[@VERSION]", "help": "the other one"}),
            STORE,
        ),
        _diff,
        "stillhouse diff quickstart@v0001 quickstart",
    ),
    Command(
        "pull",
        "copy a version to a folder of its own, every byte checked",
        (
            DATASET[0],
            (("folder",), {"metavar": "DIR", "help": "a folder that is not there, or is empty"}),
            STORE,
        ),
        _pull,
        "stillhouse pull quickstart@v0001 data/quickstart",
    ),
)
