"""Who hears how a refresh ended: real commands, and a real server for webhooks."""

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from jobs.notify import assert_notifiable, notify
from schemas.errors import RecipeError
from tests.conftest import MakeJob
from tests.jobs.notified import listening, make_certificate

TOLD: dict[str, Any] = {
    "stage": "refresh",
    "status": "published",
    "reason": "2 rows came, une phrase française; \ud800 is half a character",
    "version": "v0004",
    "location": Path("store"),
}
SECRET = "s3cr3t"


def ends(pid_file: Path) -> bool:
    """Whether the process that has written its number there ends: a signal takes a moment."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            if psutil.Process(int(pid_file.read_text())).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.01)
    return False


def told_by(make_job: MakeJob, script: str, told: dict[str, Any] = TOLD, **more: Any) -> str | None:
    """What comes of telling it to a shell script; `more` fields of `notify`."""
    return notify(make_job(notify={"command": ["sh", "-c", script], **more}), told)


def test_a_command_gets_the_object_as_its_input(make_job: MakeJob, tmp_path: Path) -> None:
    assert told_by(make_job, f"cat > {tmp_path}/told") is None
    assert json.loads((tmp_path / "told").read_text()) == TOLD | {"location": "store"}


def test_it_is_run_without_a_shell(make_job: MakeJob, tmp_path: Path) -> None:
    job = make_job(notify={"command": ["touch", f"{tmp_path}/$HOME; rm *"]})
    assert notify(job, TOLD) is None
    assert [path.name for path in tmp_path.glob("$HOME*")] == ["$HOME; rm *"]


@pytest.mark.parametrize(("status", "hears"), [("failed", True), ("unchanged", False)])
def test_only_what_is_asked_for_is_told(
    make_job: MakeJob, tmp_path: Path, status: str, hears: bool
) -> None:
    told_by(make_job, f"touch {tmp_path}/told", TOLD | {"status": status})
    assert (tmp_path / "told").exists() == hears
    told_by(make_job, f"touch {tmp_path}/also", TOLD | {"status": status}, when=["unchanged"])
    assert (tmp_path / "also").exists() != hears


def test_a_recipe_without_a_hook_tells_nobody(make_job: MakeJob) -> None:
    assert_notifiable(make_job())
    assert notify(make_job(), TOLD) is None


def test_a_command_that_fails_is_told_with_its_last_line(
    make_job: MakeJob, capfd: pytest.CaptureFixture[str]
) -> None:
    problem = told_by(make_job, "echo begun; printf 'no \\033[31mroute\\n\\n' >&2; exit 7")
    assert problem == "the notification failed: notify.command exited with 7: no \ufffd[31mroute"
    assert told_by(make_job, "kill -9 $$", TOLD) == (
        "the notification failed: notify.command was killed by signal 9"
    )
    assert capfd.readouterr() == ("", "")


def test_a_command_that_cannot_be_started(make_job: MakeJob, tmp_path: Path) -> None:
    for command in (["no-such-program"], [str(tmp_path)], ["touch", "a\0b"]):
        problem = notify(make_job(notify={"command": command}), TOLD)
        assert problem is not None
        assert "notify.command cannot be started" in problem


def test_a_command_that_reads_nothing_of_a_large_object(make_job: MakeJob) -> None:
    assert told_by(make_job, "exit 0", TOLD | {"gates": "x" * 10_000_000}) is None


def test_a_command_that_prints_without_end(
    make_job: MakeJob, capfd: pytest.CaptureFixture[str]
) -> None:
    before = psutil.Process().memory_info().rss
    problem = told_by(make_job, "yes | head -c 300000000; echo that was it; exit 1")
    assert problem == "the notification failed: notify.command exited with 1: that was it"
    assert psutil.Process().memory_info().rss - before < 100_000_000
    assert told_by(make_job, "head -c 100000 /dev/zero >&2") is None
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("ignoring", ["", "trap '' TERM INT HUP;"])
def test_a_command_that_hangs_is_killed_with_its_children(
    make_job: MakeJob, tmp_path: Path, ignoring: str
) -> None:
    script = f"{ignoring} echo waiting; sleep 600 & echo $! > {tmp_path}/pid; wait"
    problem = told_by(make_job, script, timeout_seconds=2)
    assert problem == "the notification failed: notify.command was killed after 2 s: waiting"
    assert ends(tmp_path / "pid")


def test_what_a_command_leaves_behind_is_killed(make_job: MakeJob, tmp_path: Path) -> None:
    assert told_by(make_job, f"sleep 600 & echo $! > {tmp_path}/pid") is None
    assert ends(tmp_path / "pid")


def test_a_daemon_that_holds_the_output_is_not_waited_for(
    make_job: MakeJob, tmp_path: Path
) -> None:
    # It is a daemon once it writes its own number.
    daemon = f"setsid sh -c 'echo $$ > {tmp_path}/pid; exec sleep 600' &"
    script = f"{daemon} until [ -s {tmp_path}/pid ]; do sleep 0.01; done; exit 4"
    problem = told_by(make_job, script)
    assert problem == "the notification failed: notify.command exited with 4"
    os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)


def test_a_signal_that_ends_us_ends_the_command(make_job: MakeJob, tmp_path: Path) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    # Not while it is being started, when nobody knows its number: who has its input is past that.
    script = f"echo $$ > {tmp_path}/pid; cat > /dev/null; kill -USR1 $PPID; sleep 600"
    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            told_by(make_job, script)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert ends(tmp_path / "pid")


def test_a_webhook_is_posted_the_object(make_job: MakeJob) -> None:
    with listening([204]) as server:
        job = make_job(notify={"webhook": f"{server.url}/hooks/a"})
        assert_notifiable(job)
        assert notify(job, TOLD) is None
    [(path, headers, body)] = server.posted
    assert path == "/hooks/a"
    assert headers["Content-Type"] == "application/json"
    assert json.loads(body) == TOLD | {"location": "store"}


@pytest.mark.parametrize("first", [500, 503, 429, "close"])
def test_what_may_go_well_another_time_is_tried_again(make_job: MakeJob, first: int | str) -> None:
    with listening([first, 200]) as server:
        assert notify(make_job(notify={"webhook": server.url}), TOLD) is None
    assert len(server.posted) == 2
    assert server.posted[0][2] == server.posted[1][2]


@pytest.mark.parametrize(
    ("answer", "tries", "problem"),
    [
        (500, 3, "it answers 500"),
        ("close", 3, "it closed the connection without an answer"),
        (404, 1, "it answers 404"),
        (401, 1, "it answers 401"),
    ],
)
def test_an_answer_that_is_an_error_is_told(
    make_job: MakeJob, answer: int | str, tries: int, problem: str
) -> None:
    with listening([answer]) as server:
        told = notify(make_job(notify={"webhook": server.url}), TOLD)
    assert told == f"the notification failed: notify.webhook {server.url}: {problem}"
    assert len(server.posted) == tries


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(make_job: MakeJob, status: int) -> None:
    with listening([200]) as other, listening([status], location=other.url) as server:
        problem = notify(make_job(notify={"webhook": server.url}), TOLD)
    assert problem is not None
    assert f"it answers {status}, a redirect, which is not followed" in problem
    assert (len(server.posted), other.posted) == (1, [])


@pytest.mark.parametrize("answer", ["hang", "drip"])
def test_all_tries_together_have_the_time(make_job: MakeJob, answer: str) -> None:
    with listening([500, answer]) as server:
        job = make_job(notify={"webhook": server.url, "timeout_seconds": 2})
        problem = notify(job, TOLD)
        assert len(server.posted) == 2
    assert problem is not None
    assert "no answer " in problem


def test_nobody_listens(make_job: MakeJob) -> None:
    with listening([200]) as server:
        pass
    problem = notify(make_job(notify={"webhook": server.url}), TOLD)
    assert problem is not None
    assert problem.endswith(": Connection refused")


def test_no_proxy_of_the_environment_sees_it(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    with listening([200]) as proxy, listening([200]) as server:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        assert notify(make_job(notify={"webhook": server.url}), TOLD) is None
    assert (len(server.posted), proxy.posted) == (1, [])


def test_certificates_are_verified(
    make_job: MakeJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    own = make_certificate(tmp_path / "own.pem", "localhost")
    other = make_certificate(tmp_path / "other.pem", "other.example")
    with listening([200], certificate=own) as server:
        job = make_job(notify={"webhook": f"https://localhost:{server.port}/"})
        problem = notify(job, TOLD)
        assert problem is not None
        assert "its certificate is refused: self-signed certificate" in problem
        monkeypatch.setenv("SSL_CERT_FILE", str(own))
        assert notify(job, TOLD) is None
    assert len(server.posted) == 1
    monkeypatch.setenv("SSL_CERT_FILE", str(other))
    with listening([200], certificate=other) as server:
        job = make_job(notify={"webhook": f"https://localhost:{server.port}/"})
        assert str(notify(job, TOLD)).endswith("its certificate is refused: Hostname mismatch")
    assert not server.posted


def test_an_environment_variable_may_hold_the_whole_url(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    job = make_job(notify={"webhook": "$HOOK_URL"})
    with listening([200, 400]) as server:
        monkeypatch.setenv("HOOK_URL", f"http://{SECRET}:p%40@127.0.0.1:{server.port}/?k={SECRET}")
        assert_notifiable(job)
        assert notify(job, TOLD) is None
        problem = notify(job, TOLD)
    path, headers, _ = server.posted[0]
    assert path == f"/?k={SECRET}"
    assert headers["Authorization"] == "Basic czNjcjN0OnBA"
    assert problem == "the notification failed: notify.webhook $HOOK_URL: it answers 400"
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "url",
    [
        f"https://{SECRET}.invalid/{SECRET}",
        f"http://127.0.0.1:1/{SECRET}",
        f"http://{SECRET}:{SECRET}@127.0.0.1:1/",
        f"https://user:{SECRET}:99@{SECRET}.invalid:x/",
        f"http://127.0.0.1/{SECRET} {SECRET}",
        f"gopher://{SECRET}",
        SECRET,
    ],
)
def test_what_it_stands_for_is_never_told(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], url: str
) -> None:
    monkeypatch.setenv("HOOK_URL", url)
    job = make_job(notify={"webhook": "$HOOK_URL", "timeout_seconds": 5}, egress="allow")
    problem = notify(job, TOLD)
    assert problem is not None
    assert "notify.webhook $HOOK_URL: " in problem
    assert SECRET not in problem + "".join(capfd.readouterr())
    assert SECRET not in json.dumps(job.resolved)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "this environment variable is not set"),
        ("", "this environment variable is not set"),
        (f"https://{SECRET}.example/", "set `egress: allow`"),
        (f"https://{SECRET} example/", "not the URL of a webhook"),
    ],
)
def test_a_variable_that_is_of_no_use_is_found_before_a_refresh(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch, value: str | None, message: str
) -> None:
    monkeypatch.delenv("HOOK_URL", raising=False)
    if value is not None:
        monkeypatch.setenv("HOOK_URL", value)
    job = make_job(notify={"webhook": "$HOOK_URL"})
    with pytest.raises(RecipeError, match=message) as error:
        assert_notifiable(job)
    assert "$HOOK_URL" in str(error.value)
    assert SECRET not in str(error.value)


def test_a_program_that_is_not_here_is_found_before_a_refresh(make_job: MakeJob) -> None:
    assert_notifiable(make_job(notify={"command": ["sh", "-c", "no-such-program"]}))
    with pytest.raises(RecipeError, match=r"notify.command: there is no program 'no-such-program'"):
        assert_notifiable(make_job(notify={"command": ["no-such-program"]}))


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("https://hooks.example.com/x", "egress: allow"),
        ("http://0.0.0.0/", "egress: allow"),
        ("http://2130706433/", "egress: allow"),
        ("http://[::ffff:127.0.0.1]/", "egress: allow"),
        ("ftp://localhost/", "must begin with https"),
        ("localhost/hook", "must begin with https"),
        ("http://localhost/?token=s3cr3t", "such as \\$NOTIFY_URL"),
        ("http://localhost/#s3cr3t", "such as \\$NOTIFY_URL"),
        ("http://s3cr3t@localhost/", "such as \\$NOTIFY_URL"),
        ("http://me:s3cr3t@localhost/", "such as \\$NOTIFY_URL"),
        ("http://localhost/$TOKEN", "must be all of it"),
        ("${HOOK_URL}", "must be all of it"),
    ],
)
def test_a_recipe_with_another_webhook_is_refused(
    make_job: MakeJob, url: str, message: str
) -> None:
    with pytest.raises(RecipeError, match=rf"^notify.webhook: .*{message}") as error:
        make_job(notify={"webhook": url})
    assert SECRET not in str(error.value)


def test_egress_lets_it_out(make_job: MakeJob) -> None:
    job = make_job(notify={"webhook": "https://hooks.example.com/x"}, egress="allow")
    assert_notifiable(job)
    with pytest.raises(RecipeError, match="NOTIFY_URL"):
        make_job(notify={"webhook": "https://hooks.example.com/x?k=1"}, egress="allow")
