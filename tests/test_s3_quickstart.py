"""The quickstart once more, whole, on a real S3 server: nothing of it lies on this machine."""

from pathlib import Path
from typing import Any

import pytest

from infra.version import open_version
from tests.s3_servers import S3Server
from tests.test_quickstart import RECIPE, stillhouse

pytestmark = [pytest.mark.engine, pytest.mark.s3, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def server(seaweedfs: S3Server) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in seaweedfs.environment.items():
            patch.setenv(name, value)
        yield seaweedfs


@pytest.fixture(scope="module")
def store(server: S3Server) -> str:
    return f"s3://{server.make_place()}"


@pytest.fixture(scope="module")
def ran(store: str) -> dict[str, Any]:
    return stillhouse("run", RECIPE, "--set", f"store={store}")


def test_it_is_published(ran: dict[str, Any], store: str) -> None:
    assert ran["published"] >= 300
    assert ran["unsettled"] == 0
    assert ran["location"] == f"{store}/datasets/quickstart/versions/v0001"
    assert stillhouse("verify", "quickstart", "--store", store)["sound"]


def test_again_there_is_nothing_to_do(ran: dict[str, Any], store: str) -> None:
    again = stillhouse("run", RECIPE, "--set", f"store={store}")
    assert again["generated"]["attempt"] is None
    assert (again["status"], again["version"]) == ("unchanged", "v0001")


def test_readers_get_all_of_it(ran: dict[str, Any], store: str, tmp_path: Path) -> None:
    from datasets import load_dataset

    version = open_version("quickstart@latest", store)
    ids = version.scan(split=None).select("id").collect()["id"]
    assert ids.n_unique() == ran["published"] == ran["rows"]["sft"]
    held_out = version.arrow(split="validation").num_rows
    assert version.arrow().num_rows == len(version.pandas()) == ran["published"] - held_out
    assert held_out > 0
    assert version.arrow("preference").num_rows > 50
    stillhouse("pull", "quickstart", str(tmp_path / "copy"), "--store", store)
    rows = load_dataset(str(tmp_path / "copy"), split="train")
    assert rows["id"][:] == version.arrow()["id"].to_pylist()


def test_another_choice_is_another_version(ran: dict[str, Any], store: str) -> None:
    fewer = stillhouse("build", RECIPE, "--set", f"store={store}", "--set", "choose.per_prompt=1")
    assert (fewer["status"], fewer["version"]) == ("published", "v0002")
    compared = stillhouse("diff", "quickstart@v0001", "quickstart", "--store", store)
    assert compared["rows"]["before"] == ran["published"]
    assert compared["rows"]["after"] == ran["prompts_published"]
    assert len(stillhouse("versions", "quickstart", "--store", store)["versions"]) == 2


def test_what_happened_can_be_looked_at(ran: dict[str, Any], store: str) -> None:
    assert stillhouse("show", "quickstart", "--attempt", "--store", store)["events"]
    there = ("--set", f"store={store}")
    assert stillhouse("peek", RECIPE, *there)["kept"]
    assert stillhouse("plan", RECIPE, *there)["store"] == store
