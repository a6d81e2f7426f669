"""An answer that is lost on its way: the server has done it, and the client does not know."""

from collections.abc import Iterator

import pytest

from infra.data_file import DataFile
from infra.meter import Meter
from infra.pool import Pool
from infra.pool_writer import PoolWriter
from infra.s3_store import S3Store
from infra.spool import write_file
from infra.store import open_store
from schemas.arrow import SAMPLES
from schemas.errors import BusyError, StoreUnavailableError
from tests.builders import make_sample
from tests.lossy_proxy import BUSY_AFTER, CUT, DROP_AFTER, LossyProxy, lossy_proxy
from tests.s3_servers import S3Server


@pytest.fixture
def proxy(moto: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[LossyProxy]:
    with lossy_proxy(moto.endpoint) as proxy:
        for name, value in {**moto.environment, "AWS_ENDPOINT_URL": proxy.endpoint}.items():
            monkeypatch.setenv(name, value)
        yield proxy


@pytest.fixture
def store(proxy: LossyProxy, moto: S3Server) -> S3Store:
    store = open_store(f"s3://{moto.make_bucket()}/x")
    assert isinstance(store, S3Store)
    return store


def write(pool: Pool, name: str, *indexes: int) -> DataFile:
    rows = [make_sample(sample_index=index).to_row() for index in indexes]
    return write_file(f"{pool.folder('samples')}/{name}.parquet", SAMPLES, rows)


def indexes(pool: Pool) -> list[int]:
    return sorted(pool.scan("samples").collect()["sample_index"].to_list())


@pytest.mark.parametrize("fate", [pytest.param(BUSY_AFTER, marks=pytest.mark.slow), DROP_AFTER])
def test_a_commit_of_ours_is_not_taken_for_another_s(
    fate: str, proxy: LossyProxy, store: S3Store
) -> None:
    pool = Pool(store.uri("pools/p"))
    writer = PoolWriter(pool, epoch=1)
    one, two = write(pool, "one", 0), write(pool, "two", 1)
    proxy.lose_once(fate, "PUT", "/samples/_delta_log/")
    writer.commit("samples", [one])
    assert proxy.lost == 1
    assert pool.files("samples") == [one]
    assert indexes(pool) == [0]
    proxy.lose_once(fate, "PUT", "/samples/_delta_log/")
    writer.commit("samples", [two], replaced=[one])
    assert proxy.lost == 2
    assert indexes(pool) == [1]
    proxy.lose_once(fate, "PUT", "/samples/_delta_log/")
    newer = PoolWriter(pool, epoch=2)
    assert proxy.lost == 3
    with pytest.raises(BusyError, match="taken over"):
        writer.commit("samples", [write(pool, "three", 2)])
    newer.commit("samples", [write(pool, "four", 3)])
    assert indexes(pool) == [1, 3]


@pytest.mark.parametrize("fate", [BUSY_AFTER, DROP_AFTER])
def test_conditional_writes(fate: str, proxy: LossyProxy, store: S3Store) -> None:
    proxy.lose_once(fate, "PUT", "/claim")
    assert store.put_if_absent("claim", b"1")
    proxy.lose_once(fate, "PUT", "/claim")
    assert store.replace_if("claim", b"2", expected=b"1")
    proxy.lose_once(fate, "PUT", "/file")
    with store.new_file("file") as path:
        path.write_bytes(b"3")
    assert (proxy.lost, store.get("claim"), store.get("file")) == (3, b"2", b"3")


@pytest.mark.parametrize("fate", [BUSY_AFTER, DROP_AFTER])
def test_a_multipart_upload(
    fate: str, proxy: LossyProxy, store: S3Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.s3_store.PART_BYTES", 5 * 2**20)
    content = b"x" * (6 * 2**20)
    proxy.lose_once(fate, "POST", "uploadId=")
    with store.new_file("large") as path:
        path.write_bytes(content)
    assert proxy.lost == 1
    assert store.get("large") == content


def test_a_body_that_breaks_off_is_asked_for_again(proxy: LossyProxy, store: S3Store) -> None:
    content = bytes(range(256)) * 1000
    store.put_if_absent("a", content)
    proxy.lose_once(CUT, "GET", "/a")
    assert store.get("a") == content
    proxy.lose_once(CUT, "GET", "/x/a")
    with store.open("a") as file:
        assert file.read() == content
    assert proxy.lost == 2
    proxy.loses = lambda method, path: CUT if method == "GET" and path.endswith("/a") else "pass"
    with pytest.raises(StoreUnavailableError, match="does not answer"):
        store.get("a")


def test_a_meter_whose_save_was_not_answered(
    store: S3Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    meter = Meter(store, "p", "a1", "recipe", "teacher", gpus=1)
    meter.save(10, last=True)
    replace_if = S3Store.replace_if

    def unheard(self: S3Store, key: str, content: bytes, *, expected: bytes | None) -> bool:
        replace_if(self, key, content, expected=expected)
        raise StoreUnavailableError("the server went away")

    meter.started("r0", 10)
    with monkeypatch.context() as patch:
        patch.setattr(S3Store, "replace_if", unheard)
        meter.save(20, last=True)
    meter.save(30, last=True)
    saved = store.get("pools/p/attempts/a1/meter.json")
    assert saved is not None
    assert b'"replica_s": 20' in saved
