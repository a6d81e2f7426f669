"""What docs/scheduling says to schedulers is what the command line takes, and how it ends."""

import ast
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from jobs.cli import INTERRUPTED, TERMINATED, parser
from jobs.submit import DRAIN_S
from schemas import errors

ROOT = Path(__file__).parent.parent
GUIDE = (ROOT / "docs" / "scheduling.md").read_text()
FOLDER = ROOT / "docs" / "scheduling"
KUBERAY = FOLDER / "kuberay"
PROGRAMS = sorted(FOLDER.glob("*.py"))
SERVICE = (FOLDER / "stillhouse-refresh.service").read_text()
REFUSED = errors.RefusedError.exit_code
LOOK = {errors.StillhouseError.exit_code, errors.RecipeError.exit_code, REFUSED}
AGAIN = {errors.BusyError.exit_code, INTERRUPTED, TERMINATED}


def documents(path: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(path.read_text()))


def cron_job(path: Path) -> dict[str, Any]:
    [found] = [one for one in documents(path) if one["kind"] == "CronJob"]
    return dict(found["spec"])


def in_python(path: Path) -> Iterator[list[str]]:
    """Lists that begin with the program; what is not a text in them stands for a recipe."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.List) and node.elts:
            words = [ast.literal_eval(e) if isinstance(e, ast.Constant) else "r" for e in node.elts]
            if words[0] == "stillhouse":
                yield words


def in_yaml(value: Any) -> Iterator[list[str]]:
    """Lists that begin with the program, and texts that do."""
    if isinstance(value, list) and value[:1] == ["stillhouse"]:
        yield value
    elif isinstance(value, str) and value.startswith("stillhouse "):
        yield shlex.split(value)
    elif isinstance(value, list | dict):
        for one in value.values() if isinstance(value, dict) else value:
            yield from in_yaml(one)


def in_text(text: str) -> Iterator[list[str]]:
    """Lines of its code blocks, and what stands between backquotes."""
    for line in re.findall(r"(?:^ *|-- |\$\(|`)(stillhouse \w[^|\n`]*)", text, re.MULTILINE):
        yield shlex.split(line)


COMMANDS = [
    *(words for path in PROGRAMS for words in in_python(path)),
    *(
        words
        for path in sorted(FOLDER.rglob("*.yaml"))
        for document in documents(path)
        for words in in_yaml(document)
    ),
    *(shlex.split(line) for line in re.findall(r"^ExecStart=(.*)", SERVICE, re.MULTILINE)),
    *in_text(GUIDE),
]


def test_commands_are_found_in_all_of_them() -> None:
    assert len(COMMANDS) == 12
    assert {Path(words[0]).name for words in COMMANDS} == {"stillhouse"}


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_the_command_line_takes_every_command(words: list[str]) -> None:
    parsed = parser().parse_args(words[1:])
    assert parsed.command == words[1]


@pytest.mark.parametrize("path", [FOLDER / "cronjob.yaml", KUBERAY / "nightly.yaml"])
def test_kubernetes_tries_again_but_for_what_people_must_see(path: Path) -> None:
    cron = cron_job(path)
    job = cron["jobTemplate"]["spec"]
    pod = job["template"]["spec"]
    assert cron["concurrencyPolicy"] == "Forbid"
    [failing] = [r for r in job["podFailurePolicy"]["rules"] if r["action"] == "FailJob"]
    assert set(failing["onExitCodes"]["values"]) == LOOK
    assert failing["onExitCodes"]["containerName"] == pod["containers"][0]["name"]
    assert job["backoffLimit"] > 0
    assert pod["restartPolicy"] == "Never"


def test_a_stop_has_the_time_to_commit() -> None:
    pod = cron_job(FOLDER / "cronjob.yaml")["jobTemplate"]["spec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] > DRAIN_S
    assert int(re.findall(r"^TimeoutStopSec=(\d+)$", SERVICE, re.MULTILINE)[0]) > DRAIN_S
    environment = yaml.safe_load(documents(KUBERAY / "rayjob.yaml")[0]["spec"]["runtimeEnvYAML"])
    assert environment["env_vars"] == {"RAY_JOB_STOP_WAIT_TIME_S": str(DRAIN_S)}
    assert f'"RAY_JOB_STOP_WAIT_TIME_S": "{DRAIN_S}"' in GUIDE


def test_systemd_tries_again_what_is_to_be_tried_again() -> None:
    [again] = re.findall(r"^RestartForceExitStatus=(.*)$", SERVICE, re.MULTILINE)
    assert {int(code) for code in again.split()} == AGAIN


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.name)
def test_programs_try_again_what_is_to_be_tried_again(path: Path) -> None:
    [again] = [
        ast.literal_eval(node.value)
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "AGAIN"
    ]
    assert set(again) == AGAIN


def test_the_guide_has_every_exit_code() -> None:
    listed = re.findall(r"^\| ([\d, ]+)[|,o]", GUIDE, re.MULTILINE)
    codes = {int(code) for cell in listed for code in re.findall(r"\d+", cell)}
    assert codes == {0, 137} | LOOK | AGAIN


def test_every_link_of_the_guide_leads_somewhere() -> None:
    targets = [t for t in re.findall(r"\]\(([^)#]+)\)", GUIDE) if "://" not in t]
    assert targets
    assert [t for t in targets if not (ROOT / "docs" / t).exists()] == []


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd here")
def test_systemd_knows_all_that_the_units_say(tmp_path: Path) -> None:
    for name in ("stillhouse-refresh.service", "stillhouse-refresh.timer"):
        text = (FOLDER / name).read_text().replace("/app/.venv/bin/stillhouse", sys.executable)
        (tmp_path / name).write_text(text)
        command = ["systemd-analyze", "verify", "--man=no", str(tmp_path / name)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        # Of the machine's own units it may complain as well.
        assert name not in done.stderr
        assert "Unknown" not in done.stderr


def test_a_ray_job_is_the_same_by_kuberays_own_schedule() -> None:
    [job], [cron] = documents(KUBERAY / "rayjob.yaml"), documents(KUBERAY / "raycronjob.yaml")
    assert cron["spec"]["jobTemplate"] == job["spec"]
    [pinned] = re.findall(r'"ray\[.*\]==(.*)"', (ROOT / "pyproject.toml").read_text())
    assert job["spec"]["rayClusterSpec"]["rayVersion"] == pinned
    # It becomes a part of a shell's command line.
    entrypoint = job["spec"]["entrypoint"]
    assert shlex.join(shlex.split(entrypoint)) == entrypoint
    assert job["spec"]["backoffLimit"] == 0


def test_the_nightly_pod_has_its_files() -> None:
    [made] = documents(KUBERAY / "kustomization.yaml")
    [config_map] = made["configMapGenerator"]
    assert all((KUBERAY / name).is_file() for name in [*made["resources"], *config_map["files"]])
    pod = cron_job(KUBERAY / "nightly.yaml")["jobTemplate"]["spec"]["template"]["spec"]
    assert {"name": config_map["name"]} in [volume.get("configMap") for volume in pod["volumes"]]


KUBECTL = """\
#!/bin/sh
echo "$*" >> log
case "$*" in
delete*) rm -f exists ;;
create*) cat > created; touch exists; rm -f polled ;;
get*"-o name") [ ! -f exists ] || echo "rayjob.ray.io/$3" ;;
get*jobDeploymentStatus*)
    [ -f exists ] || exit 0
    if [ -f polled ]; then printf %s "$ENDS"; else printf Running; touch polled; fi ;;
get*jobStatus*) printf %s "$STATUS" ;;
get*message*) printf %s "$MESSAGE" ;;
esac
"""
"""A cluster with one RayJob at most, which has ended when it is asked for the second time."""
FAILED = "Job entrypoint command failed with exit code {}, last available logs (truncated …):\n"


@pytest.mark.parametrize(
    ("before", "ends", "status", "message", "code"),
    [
        ("nothing", "Complete", "SUCCEEDED", "Job finished successfully.", 0),
        ("runs", "Complete", "SUCCEEDED", "Job finished successfully.", 0),
        ("ended", "Complete", "SUCCEEDED", "Job finished successfully.", 0),
        ("nothing", "Failed", "FAILED", FAILED.format(3) + "tail failed with exit code 9", 3),
        ("nothing", "Failed", "FAILED", FAILED.format(75), 75),
        ("nothing", "Failed", "FAILED", FAILED.format(1), 1),
        ("nothing", "Failed", "FAILED", FAILED.format(-9), 75),
        ("nothing", "Failed", "", "The RayJob has passed the preRunningDeadlineSeconds.", 75),
        ("nothing", "Complete", "STOPPED", "Job was intentionally stopped.", 1),
        ("nothing", "ValidationFailed", "", "no", 1),
    ],
)
def test_the_nightly_pod_ends_as_the_refresh_did(
    tmp_path: Path, before: str, ends: str, status: str, message: str, code: int
) -> None:
    (tmp_path / "kubectl").write_text(KUBECTL)
    (tmp_path / "kubectl").chmod(0o755)
    (tmp_path / "log").touch()
    script = (KUBERAY / "nightly.sh").read_text()
    (tmp_path / "nightly.sh").write_text(script.replace("/nightly/", f"{KUBERAY}/"))
    if before != "nothing":
        (tmp_path / "exists").touch()
    if before == "ended":
        (tmp_path / "polled").touch()
    environment = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "JOB_NAME": "night-1",
        "POLL_SECONDS": "0",
        "ENDS": ends,
        "STATUS": status,
        "MESSAGE": message,
    }
    done = subprocess.run(["sh", "nightly.sh"], cwd=tmp_path, env=environment, check=False)
    assert done.returncode == code
    log = (tmp_path / "log").read_text()
    assert log.count("create") == (before != "runs")
    assert log.count("delete") == (before == "ended")
    if before != "runs":
        [job] = yaml.safe_load_all((tmp_path / "created").read_text())
        assert job["metadata"]["name"] == "night-1"
