"""As a Ray job: a real head with token authentication, on the loopback interface alone."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from infra.catalog import Catalog
from infra.cluster import LOOPBACK_ONLY
from infra.folder_store import FolderStore
from infra.pool import Pool
from jobs.build import build
from jobs.generate import generate
from jobs.prompt_copy import load_prompts
from jobs.recipe import load_job
from tests.conftest import ROOT
from tests.jobs.faults import wait_until

pytestmark = pytest.mark.timeout(600)

RECIPE = "recipes/quickstart.yaml"
SIMULATED = [
    "teacher.engine=simulated",
    "teacher.model=job",
    "teacher.engine_args={max_num_seqs: 16, mean_tokens: 60}",
    "flush.seconds=0.5",
]
SLOTS, LONGEST = 16, 64
SLOW = f"teacher.engine_args={{max_num_seqs: {SLOTS}, mean_tokens: 60, tokens_per_second: 100}}"


@dataclass(frozen=True)
class Head:
    """A Ray head of our own."""

    process: psutil.Process
    address: str
    environment: dict[str, str]

    def stillhouse(self, *arguments: str, token: bool = True) -> "subprocess.CompletedProcess[str]":
        """The command line as somebody who does or does not know the token."""
        environment = dict(self.environment)
        if not token:
            environment = {k: v for k, v in environment.items() if not k.startswith("RAY_AUTH")}
        return subprocess.run(
            [sys.executable, "-m", "jobs.cli", *arguments, "--address", self.address],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def drivers(self) -> list[psutil.Process]:
        """Drivers of jobs."""
        return [p for p in family(self.process) if p.cmdline()[1:4] == ["-m", "jobs.cli", "run"]]


def family(process: psutil.Process) -> list[psutil.Process]:
    """A process and all below it that are alive."""
    found = []
    for one in (process, *process.children(recursive=True)):
        try:
            one.cmdline()
            found.append(one)
        except psutil.Error:
            continue
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Head]:
    """Not stopped by `ray stop`, which would stop every other Ray of this machine too."""
    home = tmp_path_factory.mktemp("home")
    token = home / "token"
    token.write_text("0123456789abcdef" * 2)
    token.chmod(0o600)
    port, dashboard = free_port(), free_port()
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith("RAY_")},
        "HOME": str(home),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        LOOPBACK_ONLY: "0",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token),
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    command = ["-m", "ray.scripts.scripts", "start", "--head", "--block", "--num-cpus=2"]
    # Ray's defaults may be another cluster's, such as that of the other tests.
    ports = [
        f"--port={port}",
        f"--dashboard-port={dashboard}",
        f"--ray-client-server-port={free_port()}",
        f"--dashboard-agent-listen-port={free_port()}",
    ]
    process = subprocess.Popen(
        [sys.executable, *command, *ports, "--dashboard-host=127.0.0.1"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    head = Head(psutil.Process(process.pid), f"http://127.0.0.1:{dashboard}", environment)
    try:
        wait_until(lambda: head.stillhouse("status").returncode == 0, "no dashboard")
        yield head
    finally:
        living = family(head.process)
        os.killpg(process.pid, signal.SIGKILL)
        for one in living:
            if one.is_running():
                one.kill()
        process.wait()


def submission(store: Path, *more: str) -> list[str]:
    settings = [f"store={store}", *SIMULATED, *more]
    return ["submit", RECIPE, *(p for s in settings for p in ("--set", s)), "--allow-simulated"]


def job_of(done: "subprocess.CompletedProcess[str]") -> str:
    assert done.returncode == 0, done.stderr
    return str(json.loads(done.stdout)["job"])


def test_without_the_token_nobody_gets_in(head: Head, tmp_path: Path) -> None:
    done = head.stillhouse(*submission(tmp_path / "store"), token=False)
    assert done.returncode == 75
    assert "does not let us in" in done.stderr
    assert "RAY_AUTH_TOKEN" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "store").exists()


def listening(head: Head) -> list[str]:
    """Addresses that processes of the head listen on."""
    mine = {process.pid for process in family(head.process)}
    return [
        connection.laddr.ip.removeprefix("::ffff:")
        for connection in psutil.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN and connection.pid in mine
    ]


def test_nothing_listens_beyond_loopback(head: Head) -> None:
    # The dashboard answers before the node's agents listen.
    wait_until(lambda: len(listening(head)) > 5, "a head has many ports")
    assert set(listening(head)) <= {"127.0.0.1", "::1"}


@pytest.mark.usefixtures("ray_here")
def test_a_killed_job_goes_on_when_it_is_submitted_again(head: Head, tmp_path: Path) -> None:
    store = tmp_path / "store"
    first = job_of(head.stillhouse(*submission(store, SLOW), "--json"))
    pool = Pool(store / "pools" / "quickstart")
    wait_until(lambda: sum(f.rows for f in pool.files("samples")) > 50, "no samples")
    acknowledged = set(pool.scan("samples").collect()["text_digest"])
    (driver,) = head.drivers()
    driver.kill()
    wait_until(lambda: info(head, first)["status"] == "FAILED", "the job goes on")

    again = head.stillhouse(*submission(store), "--follow", "--json")
    assert again.returncode == 0, again.stderr
    assert "published quickstart@v0001" in again.stderr, "its output was followed"
    assert json.loads(again.stdout)["job"] == "stillhouse-quickstart-2"
    attempts = FolderStore(store).folders("pools/quickstart/attempts")
    assert attempts == ["a000001", "a000002"]
    rows = pool.scan("samples").collect()
    assert acknowledged <= set(rows["text_digest"])
    assert rows.select("prompt_id", "sample_index").is_duplicated().sum() == 0
    manifest = Catalog(FolderStore(store), "quickstart").manifest("v0001")
    assert manifest.content_digest == undisturbed(tmp_path)

    logs = head.stillhouse("logs", "stillhouse-quickstart-2")
    assert "published quickstart@v0001" in logs.stdout


def undisturbed(tmp_path: Path) -> str:
    job = load_job(RECIPE, [*SIMULATED, f"store={tmp_path / 'undisturbed'}"])
    prompts = load_prompts(job)
    generate(job, prompts)
    return build(job, prompts).content_digest


def info(head: Head, job: str) -> dict[str, Any]:
    done = head.stillhouse("status", job, "--json")
    assert done.returncode == 0, done.stderr
    known: dict[str, Any] = json.loads(done.stdout)
    return known


def test_a_stopped_job_commits_what_is_finished(head: Head, tmp_path: Path) -> None:
    store = tmp_path / "store"
    short = ["flush.seconds=60", f"sampling.max_tokens={LONGEST}"]
    job = job_of(head.stillhouse(*submission(store, SLOW, *short), "--json"))
    attempt = store / "pools" / "quickstart" / "attempts" / "a000001"
    events = attempt / "events"

    def some_have_ended() -> bool:
        """More tokens than all slots can hold."""
        meter = attempt / "meter.json"
        return meter.exists() and json.loads(meter.read_text())["tokens"] > SLOTS * LONGEST

    wait_until(some_have_ended, "nothing was drawn")
    stopped = head.stillhouse("stop", job)
    assert stopped.returncode == 0, stopped.stderr
    assert "STOPPED" in stopped.stdout
    assert "Interrupted" in text_of(events)
    assert sum(f.rows for f in Pool(store / "pools" / "quickstart").files("samples")) > 0


def text_of(events: Path) -> str:
    return "".join(path.read_text() for path in sorted(events.glob("*.jsonl")))


def test_unknown_jobs_and_clusters_are_clear(head: Head) -> None:
    unknown = head.stillhouse("status", "none")
    assert unknown.returncode == 2
    assert "none" in unknown.stderr
    nowhere = Head(head.process, f"http://127.0.0.1:{free_port()}", head.environment)
    done = nowhere.stillhouse("status")
    assert done.returncode == 75
    assert "Traceback" not in unknown.stderr + done.stderr


def test_a_wrong_recipe_is_not_submitted(head: Head) -> None:
    done = head.stillhouse("submit", RECIPE, "--set", "samples.maxx=3")
    assert done.returncode == 2
    assert "did you mean 'max'" in done.stderr
