"""docs/feeding.md does what it says: its snippets are run on a folder and on a real S3 server."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import boto3
import pytest

from infra.store import open_store
from jobs.pull import pull
from jobs.rollback import rollback
from tests.conftest import ROOT
from tests.s3_servers import S3Server
from tests.trainers.made_up import SAMPLES, outputs, publish
from tests.trainers.pages import run, snippets

POLL_FOLDER, POLL_BUCKET, *DIFFERENCE = snippets("feeding.md")


@contextmanager
def python(script: str, folder: Path) -> Iterator[tuple[IO[str], IO[str]]]:
    """A process that runs it: what goes in, and what comes out."""
    with subprocess.Popen(
        [sys.executable, "-u", "-c", script],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield process.stdin, process.stdout
        process.kill()


def test_a_poller_of_a_folder_sees_every_version(tmp_path: Path) -> None:
    store = str(tmp_path / "store")
    (tmp_path / "store" / "datasets" / "team").mkdir(parents=True)
    script = (
        f"{POLL_FOLDER}\nfor manifest in new_versions('store/datasets/team', every_s=0.05):"
        "\n    print(manifest['version'], manifest['provenance'].get('brings_back'))"
    )
    with python(script, tmp_path) as (_, seen):
        publish(store, tmp_path, outputs(SAMPLES[:2]))
        assert seen.readline().split() == ["v0001", "None"]
        publish(store, tmp_path, outputs(SAMPLES))
        assert seen.readline().split() == ["v0002", "None"]
        rollback(store, "team@v0001")
        assert seen.readline().split() == ["v0003", "v0001"]


LOOKING = """
import sys
etag = '""'
for line in sys.stdin:
    bucket, key = line.split()
    hint, etag = look(bucket, key, etag)
    print(json.dumps(hint))
"""


@pytest.mark.s3
def test_a_poller_of_a_bucket_is_told_what_is_new(
    seaweedfs: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in seaweedfs.environment.items():
        monkeypatch.setenv(name, value)
    place = seaweedfs.make_place()
    bucket, _, prefix = place.partition("/")
    key = f"{prefix}/datasets/team/latest.json"

    with python(f"import json\n{POLL_BUCKET}\n{LOOKING}", tmp_path) as (asks, told):

        def look() -> Any:
            print(bucket, key, file=asks, flush=True)
            return json.loads(told.readline())

        assert look() is None, "there is none yet"
        publish(f"s3://{place}", tmp_path, outputs(SAMPLES[:2]))
        assert look()["version"] == "v0001"
        assert look() is None
        publish(f"s3://{place}", tmp_path, outputs(SAMPLES))
        hint = look()
        assert hint["changes"]["sft"] == {"added": 1, "dropped": 0, "changed": 0}
        named = open_store(f"s3://{place}").get(f"datasets/team/{hint['manifest']}")
        assert json.loads(named or b"")["content_digest"] == hint["content_digest"]
        assert look() is None


@pytest.mark.s3
@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_on_a_presigned_url(
    seaweedfs: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in seaweedfs.environment.items():
        monkeypatch.setenv(name, value)
    place = seaweedfs.make_place()
    bucket, _, prefix = place.partition("/")
    where = {"Bucket": bucket, "Key": f"{prefix}/datasets/team/latest.json"}
    url = boto3.client("s3").generate_presigned_url("get_object", where)
    page = (ROOT / "docs" / "feeding.md").read_text()
    (command,) = (line for line in page.splitlines() if line.startswith("curl "))

    def curl() -> str:
        """The status; `latest.json` is written where that is 200."""
        (tmp_path / "latest.json").unlink(missing_ok=True)
        return subprocess.run(
            ["sh", "-c", f"{command} --write-out '%{{http_code}}'"],
            cwd=tmp_path,
            env={**os.environ, "URL": url},
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    for number, samples in ((1, SAMPLES[:2]), (2, SAMPLES)):
        publish(f"s3://{place}", tmp_path, outputs(samples))
        assert curl() == "200"
        told = json.loads((tmp_path / "latest.json").read_text())
        assert told["version"] == f"v000{number}"
        assert curl() == "304"
        assert not (tmp_path / "latest.json").exists()


SHOW = "print(sorted(new.collect()['id']), sorted(rows['id']), sep='\\n')"


def test_what_is_new_is_what_is_trained_on(tmp_path: Path) -> None:
    store = str(tmp_path / "store")
    publish(store, tmp_path, outputs(SAMPLES[:2]), name="quickstart")
    publish(store, tmp_path, outputs(SAMPLES), name="quickstart")
    pull(store, "quickstart", str(tmp_path / "data" / "quickstart"))
    assert run([*DIFFERENCE, SHOW], tmp_path).splitlines() == ["['s2']", "['s2']"]


def test_the_hint_is_as_it_is_described(tmp_path: Path) -> None:
    publish(str(tmp_path / "store"), tmp_path, outputs(SAMPLES[:2]))
    page = (ROOT / "docs" / "feeding.md").read_text()
    described = json.loads(page.partition("```json\n")[2].partition("```")[0])
    hint = json.loads((tmp_path / "store" / "datasets" / "team" / "latest.json").read_text())
    assert described.keys() == hint.keys()
    assert described["changes"].keys() == {"since", *described["rows"]}
