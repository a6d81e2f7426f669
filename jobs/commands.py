"""The commands: their arguments, and what they print."""

from argparse import Namespace
from typing import TYPE_CHECKING

from jobs.arguments import (
    ADDRESS,
    DRY_RUN_BUILD,
    DRY_RUN_PLAN,
    FOLLOW,
    FORCE,
    INIT,
    JOB,
    RECIPE,
    REPAIRS,
    SIMULATED,
    WHOLE_RECIPE,
)
from jobs.command import Command, Result
from jobs.load import load
from jobs.looking_commands import LOOKING_COMMANDS
from jobs.version_commands import VERSION_COMMANDS

if TYPE_CHECKING:
    from jobs.repair import Repairs


def _init(arguments: Namespace) -> Result:
    from jobs.init import init

    return Result(
        *init(
            arguments.prompts,
            output=arguments.output,
            teacher=arguments.teacher,
            name=arguments.name,
            store=arguments.store,
            prompt_column=arguments.prompt_column,
            reference_column=arguments.reference_column,
        )
    )


def _plan(arguments: Namespace) -> Result:
    from jobs.plan import plan, plan_text

    job, prompts = load(arguments)
    found = plan(job, prompts)
    return Result(plan_text(found), found)


def _run(arguments: Namespace) -> Result:
    if arguments.dry_run:
        return _plan(arguments)
    from jobs.run import run
    from jobs.tell import ran

    job, prompts = load(arguments)
    done = run(
        job,
        prompts,
        pilot=arguments.limit is not None,
        allow_simulated=arguments.allow_simulated,
        repairs=_repairs(arguments),
        force=arguments.force,
    )
    return Result(*ran(job, done))


def _generate(arguments: Namespace) -> Result:
    from jobs.generate import generate
    from jobs.tell import generated

    job, prompts = load(arguments)
    return Result(*generated(generate(job, prompts, _repairs(arguments))))


def _repairs(arguments: Namespace) -> "Repairs":
    from jobs.repair import Repairs

    return Repairs(tuple(arguments.retry_failed), arguments.drop_damaged)


def _score(arguments: Namespace) -> Result:
    from jobs.generate import fill_scores
    from jobs.tell import generated

    job, prompts = load(arguments)
    return Result(*generated(fill_scores(job, prompts)))


def _build(arguments: Namespace) -> Result:
    from jobs.build import build
    from jobs.decide import decide
    from jobs.ingest import remember_clusters
    from jobs.moved import assert_unmoved
    from jobs.publish import assert_publishable, publish
    from jobs.tell import dry_build, published

    job, prompts = load(arguments)
    assert_unmoved(job, prompts)
    if arguments.dry_run or arguments.limit is not None:
        return Result(*dry_build(job, decide(job, prompts)))
    assert_publishable(job, allow_simulated=arguments.allow_simulated)
    remember_clusters(job, prompts)
    built = build(job, prompts)
    done = publish(job, built, allow_simulated=arguments.allow_simulated, force=arguments.force)
    return Result(*published(job, built.decided, done))


def _refresh(arguments: Namespace) -> Result:
    from jobs.recipe import load_job
    from jobs.refresh import Allowed, exit_code, line, refresh

    job = load_job(arguments.recipe, arguments.overrides)
    regeneration, force = arguments.accept_regeneration, arguments.force
    told = refresh(job, Allowed(arguments.allow_simulated, regeneration, force))
    return Result(line(told), told, exit_code(told))


def _annotate(arguments: Namespace) -> Result:
    from jobs.annotate import annotate

    return Result(
        *annotate(arguments.file, arguments.scorer, arguments.output, arguments.evaluation)
    )


def _procedural(arguments: Namespace) -> Result:
    from jobs.procedural import write_problems

    return Result(*write_problems(arguments.task, arguments.size, arguments.seed, arguments.output))


def _submit(arguments: Namespace) -> Result:
    from jobs.submit import submit

    flags = ["--allow-simulated"] if arguments.allow_simulated else []
    flags += [] if arguments.limit is None else ["--limit", str(arguments.limit)]
    flags += [f"--retry-failed={reason}" for reason in arguments.retry_failed]
    flags += ["--drop-damaged"] if arguments.drop_damaged else []
    flags += [] if arguments.force is None else [f"--force={arguments.force}"]
    return Result(
        *submit(
            arguments.recipe,
            arguments.overrides,
            flags,
            address=arguments.address,
            follow=arguments.follow,
        )
    )


def _status(arguments: Namespace) -> Result:
    from jobs.submit import status

    return Result(*status(arguments.job, address=arguments.address))


def _logs(arguments: Namespace) -> Result:
    from jobs.submit import logs

    return Result(*logs(arguments.job, address=arguments.address, follow=arguments.follow))


def _stop(arguments: Namespace) -> Result:
    from jobs.submit import stop

    return Result(*stop(arguments.job, address=arguments.address))


def _doctor(_: Namespace) -> Result:
    from jobs.doctor import doctor

    return Result(*doctor())


COMMANDS: tuple[Command, ...] = (
    Command(
        "init",
        "look at prompts and write a commented recipe for them, which runs as it is",
        INIT,
        _init,
        "stillhouse init data/problems.jsonl -o problems.yaml",
    ),
    Command(
        "plan",
        "say what exists, what is missing and what it will cost; touches nothing",
        RECIPE,
        _plan,
        "stillhouse plan recipes/quickstart.yaml",
    ),
    Command(
        "run",
        "generate, score, build and publish what is missing; safe to run again at any time",
        (*RECIPE, *REPAIRS, DRY_RUN_PLAN, SIMULATED, FORCE),
        _run,
        "stillhouse run recipes/quickstart.yaml --set samples.max=16",
    ),
    Command(
        "generate",
        "draw and score the samples that are missing",
        (*RECIPE, *REPAIRS),
        _generate,
        "stillhouse generate recipes/quickstart.yaml --retry-failed engine_error",
    ),
    Command("score", "compute the scores that are missing; draws nothing", RECIPE, _score),
    Command(
        "build",
        "choose again from the pool and publish; draws nothing",
        (*RECIPE, DRY_RUN_BUILD, SIMULATED, FORCE),
        _build,
        "stillhouse build recipes/quickstart.yaml --set choose.per_prompt=1 --dry-run",
    ),
    Command(
        "refresh",
        "all of it for schedulers: the next version, or a good reason why not; one at a time, "
        "publishes only what differs, and says in one line what it did",
        (
            *WHOLE_RECIPE,
            (
                ("--accept-regeneration",),
                {
                    "action": "store_true",
                    "help": "draw again what an identity that has changed makes worthless, also if "
                    "it is more than a tenth of what there is; `plan` says which, and its price",
                },
            ),
            FORCE,
            SIMULATED,
        ),
        _refresh,
        "stillhouse refresh recipes/quickstart.yaml --json",
    ),
    Command(
        "annotate",
        "score samples that exist already, from a file into a file",
        (
            (
                ("file",),
                {
                    "metavar": "FILE",
                    "help": "jsonl, json, csv or parquet with the columns prompt, response and, "
                    "for a verifier, reference, or tests for code; finish_reason if there is one",
                },
            ),
            (
                ("--scorer",),
                {
                    "nargs": "+",
                    "required": True,
                    "metavar": "NAME",
                    "help": "choice, code, control, exact_match, format, language, leaks, math, "
                    "pii, procedural, refusal, repetition",
                },
            ),
            (
                ("--evaluation",),
                {
                    "nargs": "+",
                    "default": [],
                    "metavar": "PATH[:FIELD]",
                    "help": "for the scorer leaks: evaluation sets, whose questions are in FIELD "
                    "(question)",
                },
            ),
            (
                ("-o", "--output"),
                {"required": True, "metavar": "OUT", "help": "jsonl or parquet, by its suffix"},
            ),
        ),
        _annotate,
        "stillhouse annotate samples.jsonl --scorer format math -o scored.parquet",
    ),
    Command(
        "procedural",
        "write prompts by tasks of reasoning-gym, each with what verifies its answer",
        (
            (("task",), {"metavar": "TASK", "nargs": "+", "help": "such as countdown or gcd"}),
            (("--size",), {"type": int, "default": 100, "help": "problems of each task (100)"}),
            (("--seed",), {"type": int, "default": 0, "help": "the same problems again (0)"}),
            (("-o", "--output"), {"metavar": "FILE", "required": True, "help": "a .jsonl file"}),
        ),
        _procedural,
        "stillhouse procedural gcd countdown --size 500 -o problems.jsonl",
    ),
    *VERSION_COMMANDS,
    *LOOKING_COMMANDS,
    Command(
        "submit",
        "run a recipe as a job on a Ray cluster; again, it resumes",
        (*RECIPE, *REPAIRS, SIMULATED, FORCE, ADDRESS, FOLLOW),
        _submit,
        "stillhouse submit recipes/quickstart.yaml --address http://127.0.0.1:8265 --follow",
    ),
    Command(
        "status",
        "say how a job is, or all jobs of a cluster",
        ((("job",), {"nargs": "?", "metavar": "JOB", "help": "default: all"}), ADDRESS),
        _status,
        "stillhouse status stillhouse-quickstart-1",
    ),
    Command("logs", "print what a job has printed", (JOB, ADDRESS, FOLLOW), _logs),
    Command("stop", "have a job commit what is finished and end", (JOB, ADDRESS), _stop),
    Command("doctor", "say what is wrong with this machine", (), _doctor),
)
