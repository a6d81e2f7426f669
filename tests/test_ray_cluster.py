"""The cluster file is what Ray's own schema wants, and what we promise of it."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import ray
import yaml

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "ray_cluster.yaml").read_text()


@pytest.fixture
def cluster() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(TEXT)
    return loaded


def test_rays_own_schema_accepts_it(cluster: dict[str, Any]) -> None:
    schema = json.loads((Path(ray.__file__).parent / "autoscaler" / "ray-schema.json").read_text())
    jsonschema.validate(cluster, schema)


def test_the_head_is_on_demand_and_can_hold_no_engine(cluster: dict[str, Any]) -> None:
    head = cluster["available_node_types"][cluster["head_node_type"]]
    assert head["resources"]["GPU"] == 0
    assert "InstanceMarketOptions" not in head["node_config"]


def test_spot_is_asked_for_first_and_on_demand_is_there(cluster: dict[str, Any]) -> None:
    workers = {n: t for n, t in cluster["available_node_types"].items() if n != "head"}
    by_market = {t["labels"]["market"]: t for t in workers.values()}
    assert by_market["spot"]["node_config"]["InstanceMarketOptions"] == {"MarketType": "spot"}
    assert "InstanceMarketOptions" not in by_market["on-demand"]["node_config"]
    assert by_market["spot"]["priority"] > by_market["on-demand"]["priority"]
    for worker in workers.values():
        assert worker["resources"]["GPU"] > 0
        assert worker["min_workers"] == 0
        assert worker["idle_timeout_s"] > 0


def test_every_ray_starts_with_token_authentication(cluster: dict[str, Any]) -> None:
    starts = [
        command
        for kind in ("head_start_ray_commands", "worker_start_ray_commands")
        for command in cluster[kind]
        if "ray start" in command
    ]
    assert len(starts) == 2
    assert all("RAY_AUTH_MODE=token" in command for command in starts)
    assert "--dashboard-host=127.0.0.1" in starts[0]


def test_there_is_no_secret_in_it() -> None:
    assert not re.search(r"AKIA|aws_secret|password|BEGIN .*PRIVATE|RAY_AUTH_TOKEN=", TEXT)
