"""What attempts have spent, kept in the store."""

from pathlib import Path

import pytest

from infra.folder_store import FolderStore
from infra.messages import Beat, Seen
from infra.meter import SAVE_S, Meter, Spent, spent_by
from schemas.errors import StoreError


def store_of(tmp_path: Path) -> FolderStore:
    store = FolderStore(tmp_path)
    store.create()
    return store


def meter_of(store: FolderStore, attempt: str = "a1", recipe: str = "r", gpus: int = 2) -> Meter:
    return Meter(store, "p", attempt, recipe, "t1", gpus)


def seen(generated: int) -> Seen:
    return Seen(Beat(0, 0, 0.0, generated=generated), 1, 0)


def test_replicas_cost_from_their_start_to_their_end(tmp_path: Path) -> None:
    meter = meter_of(store_of(tmp_path))
    meter.started("r0.1", 100.0)
    meter.saw({"r0.1": seen(50)}, 0, 160.0)
    meter.saw({"r0.1": seen(500), "stranger": seen(7)}, 20, 170.0)
    meter.ended("r0.1", 280.0)
    meter.started("r0.2", 280.0)
    meter.saw({"r0.2": seen(3)}, 30, 300.0)
    meter.ended("never", 0.0)
    spent = meter.spent(460.0)
    assert spent == Spent(503, replica_s=360.0, gpu_hours=0.2, drawing_s=120.0 + 160.0)
    meter.saw({}, 900, 460.0)
    assert meter.spent(460.0).tokens == 900, "what was delivered was generated"


def test_it_is_written_down_and_added_up(tmp_path: Path) -> None:
    store = store_of(tmp_path)
    for attempt, recipe, tokens in (("a1", "r", 10), ("a2", "r", 20), ("a3", "other", 40)):
        meter = meter_of(store, attempt, recipe)
        meter.saw({}, tokens - 1, 100.0)
        meter.save(100.0)
        meter.saw({}, tokens, 100.0)
        meter.save(100.0 + SAVE_S / 2)
        assert spent_by(store, "p")[attempt].tokens == tokens - 1, "every few seconds"
        meter.save(100.0 + SAVE_S / 2, last=True)
    assert sum(spent_by(store, "p", recipe="r").values(), Spent()).tokens == 30
    assert {*spent_by(store, "p", teacher="t1")} == {"a1", "a2", "a3"}
    assert spent_by(store, "p", teacher="t2") == {}
    assert spent_by(store, "elsewhere") == {}


def test_while_the_store_is_out_it_goes_on(tmp_path: Path) -> None:
    store = store_of(tmp_path / "store")
    meter = meter_of(store)
    meter.save(100.0)
    (tmp_path / "store").rename(tmp_path / "away")
    meter.saw({}, 5, 200.0)
    meter.save(200.0)
    (tmp_path / "away").rename(tmp_path / "store")
    meter.save(200.0)
    assert spent_by(store, "p")["a1"].tokens == 5


def test_a_torn_meter_is_named(tmp_path: Path) -> None:
    store = store_of(tmp_path)
    meter_of(store).save(100.0)
    path = tmp_path / "pools/p/attempts/a1/meter.json"
    path.write_text(path.read_text()[:-5])
    with pytest.raises(StoreError, match=r"a1/meter\.json: is no meter"):
        spent_by(store, "p")
