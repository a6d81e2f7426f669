"""Submit: the same run as a Ray job on a cluster, and what becomes of it.

The job's driver is `stillhouse run` on the cluster's head. The working directory travels as it is,
without what the cluster does not need. Submitting again is the same command again: the next attempt
of the same pool goes on where the last one ended.
"""

import asyncio
import os
import shlex
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jobs.recipe import load_job
from jobs.tell import Told, table
from schemas.errors import ClusterError, RecipeError, StillhouseError

ROOT = Path(__file__).parent.parent
EXCLUDES = [
    ".git/",
    ".venv/",
    "/store/",
    "/tests/",
    "/docs/",
    "__pycache__/",
    ".*_cache/",
    ".hypothesis/",
]
DRAIN_S = 150
"""So long a stopped job may take to commit what is finished; Ray would kill it after three."""
TOKEN_FILE = Path("~/.ray/auth_token")
TERMINAL = ("SUCCEEDED", "FAILED", "STOPPED")
EXIT_TERMINATED = 143
POLL_S = 0.5


def submit(
    recipe: str, overrides: Sequence[str], flags: Sequence[str], *, address: str, follow: bool
) -> tuple[str, dict[str, Any], int]:
    """Checks the recipe here and runs it there; with `follow`, its output comes to stderr and its
    exit code is ours. RecipeError for a recipe that cannot travel, ClusterError where the cluster
    does not take it."""
    job = load_job(recipe, overrides)
    path = _travelling(Path(recipe))
    store = job.store.url
    if store != job.recipe.store:
        overrides = [*overrides, f"store={store}"]
        _say(f"store: {store}, which every node must see under this name\n")
    settings = [part for override in overrides for part in ("--set", override)]
    entrypoint = shlex.join(["python", "-m", "jobs.cli", "run", path, *settings, *flags])
    with _client(address) as client:
        job_id = _submit(client, job.recipe.name, entrypoint)
        data = {"job": job_id, "address": address, "entrypoint": entrypoint}
        if not follow:
            return f"submitted {job_id}\n\n{_hints(job_id, address)}", data, 0
        _say(f"submitted {job_id}\n")
        _follow(client, job_id)
        info = _info(client, job_id)
        return f"{job_id}: {info['status']}", data | info, _exit_code(info)


def status(job_id: str | None, *, address: str) -> Told:
    """One job, or all of Stillhouse's."""
    with _client(address) as client:
        if job_id is not None:
            info = _info(client, job_id)
            return "\n".join(f"{name:<11}{value}" for name, value in info.items()), info
        known = [_facts(details) for details in client.list_jobs() if _is_ours(details)]
    known.sort(key=lambda info: str(info["job"]))
    rows = [(str(i["job"]), str(i["status"]), str(i["exit_code"])) for i in known]
    text = table(rows, ("job", "status", "exit code")) if rows else "no job of Stillhouse there"
    return text, {"jobs": known}


def logs(job_id: str, *, address: str, follow: bool) -> Told:
    """What a job has printed so far; with `follow`, also what it prints until it ends."""
    with _client(address) as client:
        _info(client, job_id)
        if follow:
            _follow(client, job_id)
            return "", _info(client, job_id)
        text = client.get_job_logs(job_id)
        return text, {"job": job_id, "logs": text}


def stop(job_id: str, *, address: str) -> Told:
    """Has a job commit what is finished and end; waits for it."""
    with _client(address) as client:
        if _info(client, job_id)["status"] not in TERMINAL:
            client.stop_job(job_id)
        deadline = time.monotonic() + DRAIN_S
        while (info := _info(client, job_id))["status"] not in TERMINAL:
            if time.monotonic() > deadline:
                raise ClusterError(f"{job_id} has not ended after {DRAIN_S} s")
            time.sleep(POLL_S)
    return f"{job_id}: {info['status']}; submitting it again resumes", info


def _travelling(recipe: Path) -> str:
    """The recipe's path on the cluster, where the working directory is this one."""
    if Path.cwd().resolve() != ROOT.resolve():
        raise RecipeError(f"submit from {ROOT}: the code travels with the working directory")
    try:
        return str(recipe.resolve().relative_to(ROOT.resolve()))
    except ValueError:
        raise RecipeError(
            f"{recipe} lies outside of {ROOT}, so it would not travel with the job; move it there"
        ) from None


@contextmanager
def _client(address: str) -> Iterator[Any]:
    """Ray's client, and its errors as ours."""
    if not os.environ.get("RAY_AUTH_MODE") and _has_token():
        os.environ["RAY_AUTH_MODE"] = "token"
    import aiohttp
    import ray
    from ray.job_submission import JobSubmissionClient

    try:
        yield JobSubmissionClient(address)
    except ray.exceptions.AuthenticationError as error:
        raise ClusterError(
            f"the cluster at {address} does not let us in: {_first_line(error)} Set RAY_AUTH_TOKEN "
            "or RAY_AUTH_TOKEN_PATH to the cluster's token (`ray get-auth-token` there)"
        ) from error
    except StillhouseError:
        raise
    except RuntimeError as error:
        if "404" in str(error):
            raise RecipeError(f"the cluster at {address} has no such job: {error}") from error
        raise ClusterError(f"the cluster at {address}: {_first_line(error)}") from error
    except (OSError, ValueError, aiohttp.ClientError) as error:
        raise ClusterError(f"the cluster at {address}: {_first_line(error)}") from error


def _has_token() -> bool:
    named = os.environ.get("RAY_AUTH_TOKEN") or os.environ.get("RAY_AUTH_TOKEN_PATH")
    return bool(named) or TOKEN_FILE.expanduser().is_file()


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


def _submit(client: Any, name: str, entrypoint: str) -> str:
    """Submits under the next free number of this recipe."""
    prefix = f"stillhouse-{name}-"
    taken = [d.submission_id for d in client.list_jobs() if d.submission_id]
    numbers = [int(t.removeprefix(prefix)) for t in taken if t.removeprefix(prefix).isdigit()]
    submitted: str = client.submit_job(
        entrypoint=entrypoint,
        submission_id=f"{prefix}{max(numbers, default=0) + 1}",
        runtime_env={
            "working_dir": str(ROOT),
            "excludes": EXCLUDES,
            "env_vars": {"RAY_JOB_STOP_WAIT_TIME_S": str(DRAIN_S)},
        },
        metadata={"recipe": name},
    )
    return submitted


def _follow(client: Any, job_id: str) -> None:
    async def tail() -> None:
        async for lines in client.tail_job_logs(job_id):
            _say(lines)

    asyncio.run(tail())
    while _info(client, job_id)["status"] not in TERMINAL:
        time.sleep(POLL_S)


def _say(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()


def _info(client: Any, job_id: str) -> dict[str, Any]:
    return _facts(client.get_job_info(job_id))


def _facts(details: Any) -> dict[str, Any]:
    return {
        "job": details.submission_id,
        "status": details.status.value,
        "exit_code": details.driver_exit_code,
        "message": details.message,
        "entrypoint": details.entrypoint,
    }


def _is_ours(details: Any) -> bool:
    return str(details.submission_id).startswith("stillhouse-")


def _exit_code(info: dict[str, Any]) -> int:
    if info["status"] == "SUCCEEDED":
        return 0
    if info["status"] == "STOPPED":
        return EXIT_TERMINATED
    return int(info["exit_code"] or 1)


def _hints(job_id: str, address: str) -> str:
    return "\n".join(
        f"  stillhouse {command} {job_id} --address {address}"
        for command in ("status", "logs", "stop")
    )
