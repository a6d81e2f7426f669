"""Ray once a session, stores in temporary folders, and recipes that differ in one thing."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from infra.store import Store, open_store
from jobs.recipe import Job
from schemas.recipe import Recipe
from tests.s3_servers import S3Server, SeaweedFS, moto_server

ROOT = Path(__file__).parent.parent

# Read when Ray and vLLM are imported.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

# How long an example takes says something of the machine, and of the first one what it has loaded.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

MakeJob = Callable[..., Job]


@pytest.fixture(scope="session")
def ray_here() -> Iterator[None]:
    """One Ray for all tests of the session."""
    from infra.cluster import ray_cluster

    with ray_cluster():
        yield


@pytest.fixture
def sums(tmp_path: Path) -> Path:
    """Twelve prompts that the simulated engine can really answer."""
    path = tmp_path / "sums.jsonl"
    path.write_text(
        "".join(
            f'{{"question": "What is {10 + i} + {20 * i}?", "answer": "{10 + 21 * i}"}}\n'
            for i in range(12)
        )
    )
    return path


@pytest.fixture
def make_job(tmp_path: Path, sums: Path) -> MakeJob:
    """A checked recipe over `sums` with the simulated engine; keywords replace its fields."""

    def make(**fields: Any) -> Job:
        given: dict[str, Any] = {
            "name": "sums",
            "store": str(tmp_path / "store"),
            "prompts": [
                {
                    "path": str(sums),
                    "fields": {"prompt": "question", "reference": "answer"},
                    "domain": "math",
                    "source": "sums",
                    "license": "CC0-1.0",
                }
            ],
            "teacher": {"model": "sim", "engine": "simulated"},
            "sampling": {"max_tokens": 512},
            "samples": {"probe": 3, "max": 6, "enough": 2},
            "scorers": {"math": ["math"], "*": ["format", "language", "repetition"]},
            "keep": {"finished": "format.complete", "correct": "correct"},
            "choose": {"per_prompt": 2, "order_by": ["reasoning_tokens"]},
            "flush": {"seconds": 1},
        }
        return Job.of(Recipe.model_validate({**given, **fields}))

    return make


@pytest.fixture(scope="session")
def moto() -> Iterator[S3Server]:
    """An S3 server in this process."""
    with moto_server() as server:
        yield server


@pytest.fixture(scope="session")
def seaweedfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A real S3 server."""
    weed = SeaweedFS(tmp_path_factory.mktemp("seaweedfs"))
    weed.start()
    yield weed.server
    weed.kill()


SEAWEEDFS = pytest.param("seaweedfs", marks=pytest.mark.s3)
REAL_STORES = ["folder", SEAWEEDFS]
"""For the `STORES` of modules with long tests; moto would add nothing but time."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Tests of a store run on every kind, or on those that their module names as `STORES`."""
    if "store_url" in metafunc.fixturenames:
        kinds = getattr(metafunc.module, "STORES", ["folder", "moto", SEAWEEDFS])
        metafunc.parametrize("store_url", kinds, indirect=True)


@pytest.fixture
def store_url(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> str:
    """A store that nothing is in: in a folder, or on an S3 server."""
    if request.param == "folder":
        return str(tmp_path / "store")
    server: S3Server = request.getfixturevalue(request.param)
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    return f"s3://{server.make_place()}"


@pytest.fixture
def store(store_url: str) -> Store:
    """The same, made."""
    made = open_store(store_url)
    made.create()
    return made


@pytest.fixture
def own_seaweedfs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SeaweedFS]:
    """A server that nobody else needs."""
    weed = SeaweedFS(tmp_path / "weed")
    weed.start()
    for name, value in weed.server.environment.items():
        monkeypatch.setenv(name, value)
    yield weed
    weed.kill()
