"""The commands about published versions."""

from argparse import Namespace

from jobs.arguments import DATASET, SET, STORE
from jobs.command import Command, Result


def _versions(arguments: Namespace) -> Result:
    from jobs.listing import datasets, versions

    if arguments.dataset is None:
        return Result(*datasets(arguments.store))
    return Result(*versions(arguments.store, arguments.dataset))


def _show(arguments: Namespace) -> Result:
    if arguments.attempt is not None:
        from jobs.attempts import show_attempt

        pool = arguments.dataset.partition("@")[0]
        return Result(*show_attempt(arguments.store, pool, arguments.attempt or None))
    from jobs.listing import show

    return Result(*show(arguments.store, arguments.dataset))


def _verify(arguments: Namespace) -> Result:
    from jobs.verify import verify

    return Result(*verify(arguments.store, arguments.dataset, arguments.rescore))


def _rollback(arguments: Namespace) -> Result:
    from jobs.rollback import rollback

    return Result(*rollback(arguments.store, arguments.dataset))


def _pull(arguments: Namespace) -> Result:
    from jobs.pull import pull

    return Result(*pull(arguments.store, arguments.dataset, arguments.folder))


def _diff(arguments: Namespace) -> Result:
    from jobs.diff import diff

    return Result(*diff(arguments.store, arguments.before, arguments.after))


def _report(arguments: Namespace) -> Result:
    from jobs.report.write import copy_report, report_now

    if not arguments.what.endswith((".yaml", ".yml")):
        return Result(*copy_report(arguments.store, arguments.what, arguments.output))
    from jobs.prompt_copy import load_prompts
    from jobs.recipe import load_job

    job = load_job(arguments.what, arguments.overrides)
    return Result(*report_now(job, load_prompts(job), arguments.output))


def _gc(arguments: Namespace) -> Result:
    from infra.store import open_store
    from jobs.collect import collect

    store = open_store(arguments.store)
    return Result(*collect(store, arguments.keep, dry_run=arguments.dry_run))


VERSION_COMMANDS: tuple[Command, ...] = (
    Command(
        "versions",
        "list the published versions of a dataset, or the datasets of a store",
        (
            (("dataset",), {"metavar": "NAME", "nargs": "?", "help": "default: all datasets"}),
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
    Command(
        "verify",
        "check every byte, row and key of a version against its manifest and recipe",
        (
            *DATASET,
            (
                ("--rescore",),
                {
                    "type": float,
                    "metavar": "SHARE",
                    "help": "also score this share of the rows again, such as 0.05",
                },
            ),
        ),
        _verify,
        "stillhouse verify quickstart@v0001 --rescore 0.05",
    ),
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
        "report",
        "write the page that shows a version, or what a recipe would publish now",
        (
            (
                ("what",),
                {
                    "metavar": "NAME[@VERSION]|RECIPE",
                    "help": "a version: its page is copied; or a recipe (.yaml): what is in its "
                    "pool, as it would be published, also before it is",
                },
            ),
            (
                ("-o", "--output"),
                {"metavar": "FILE", "help": "default: NAME-VERSION.html, or NAME.html"},
            ),
            SET,
            STORE,
        ),
        _report,
        "stillhouse report quickstart -o quickstart.html",
    ),
    Command(
        "rollback",
        "publish an older version's content again, as the newest; copies no data",
        (
            (("dataset",), {"metavar": "NAME@VERSION", "help": "the version to bring back"}),
            STORE,
        ),
        _rollback,
        "stillhouse rollback quickstart@v0001",
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
    Command(
        "gc",
        "mark what nothing names any more, and delete what was marked a day ago or before",
        (
            STORE,
            (
                ("--keep",),
                {
                    "type": int,
                    "metavar": "N",
                    "help": "retain the newest N versions of each dataset, and those whose files "
                    "they name (default: all versions)",
                },
            ),
            (
                ("--dry-run",),
                {"action": "store_true", "help": "say what would be done; writes nothing"},
            ),
        ),
        _gc,
        "stillhouse gc --keep 3 --dry-run",
    ),
)
