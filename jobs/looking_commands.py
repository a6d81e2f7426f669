"""The commands that look into a pool, also while a run goes on."""

from argparse import Namespace

from jobs.arguments import RECIPE, SET, STORE, WHOLE_RECIPE
from jobs.command import Command, Result
from jobs.load import load


def _peek(arguments: Namespace) -> Result:
    from jobs.peek import peek

    job, prompts = load(arguments)
    told = peek(job, prompts, count=arguments.count, seed=arguments.seed, reason=arguments.reason)
    return Result(*told)


def _explain(arguments: Namespace) -> Result:
    from jobs.explain import explain

    job, prompts = load(arguments)
    return Result(*explain(job, prompts, arguments.prompt_id, texts=arguments.texts))


def _watch(arguments: Namespace) -> Result:
    import os

    # Before Polars is imported: the run, which may be on this machine, goes first.
    os.environ.setdefault("POLARS_MAX_THREADS", "1")
    from jobs.watch.watch import look, serve, watched

    chosen = watched(arguments.what, arguments.attempt, arguments.store, arguments.overrides)
    if arguments.json:
        return Result("", look(chosen))
    serve(chosen, arguments.port)
    return Result("", {})


LOOKING_COMMANDS: tuple[Command, ...] = (
    Command(
        "peek",
        "random kept and rejected samples with their reasons, also while a run goes on",
        (
            *RECIPE,
            (("--count",), {"type": int, "default": 3, "help": "of each (default: %(default)s)"}),
            (("--seed",), {"type": int, "help": "the same samples again"}),
            (
                ("--reason",),
                {
                    "metavar": "FATE",
                    "help": "only samples that ended so, such as not_correct, surplus or published",
                },
            ),
        ),
        _peek,
        "stillhouse peek recipes/quickstart.yaml --reason not_correct --count 5",
    ),
    Command(
        "explain",
        "everything about one prompt: what became of each sample, why, and which single change of "
        "a threshold would have it published; also while a run goes on",
        (
            *WHOLE_RECIPE,
            (
                ("prompt_id",),
                {
                    "metavar": "PROMPT_ID",
                    "help": "from a row of a version, or from `peek`; its beginning is enough",
                },
            ),
            (
                ("--texts",),
                {"action": "store_true", "help": "all scores and what the model wrote, too"},
            ),
        ),
        _explain,
        "stillhouse explain recipes/quickstart.yaml p1_1b531039 --texts",
    ),
    Command(
        "watch",
        "show how a run goes in a page on this machine, until Ctrl-C: throughput, funnel, "
        "replicas, cost, newest samples; reads only",
        (
            (
                ("what",),
                {
                    "metavar": "RECIPE|POOL",
                    "help": "the recipe, which may be watched before its first run, or the name of "
                    "a pool in --store",
                },
            ),
            (
                ("attempt",),
                {
                    "nargs": "?",
                    "metavar": "ATTEMPT",
                    "help": "default: the newest one, also when another one begins",
                },
            ),
            SET,
            STORE,
            (
                ("--port",),
                {
                    "type": int,
                    "default": 0,
                    "metavar": "N",
                    "help": "of 127.0.0.1 (default: a free one). From elsewhere: `ssh -L "
                    "N:127.0.0.1:N HOST`, with the same N on both sides",
                },
            ),
        ),
        _watch,
        "stillhouse watch recipes/quickstart.yaml\n"
        "  stillhouse watch math a000012 --store s3://my-bucket/stillhouse --port 8421\n"
        "  stillhouse watch math --json    (the same facts once, without a server)",
    ),
)
