"""What S3 servers do that no folder does: refusals, conflicts, answers that are lost."""

import pickle
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import botocore.auth
import pytest
from botocore.exceptions import ClientError

from infra.catalog import claim_of
from infra.s3_store import CONFLICTS, S3Store
from infra.store import open_store
from schemas.errors import RecipeError, StoreError, StoreUnavailableError
from tests.s3_servers import S3Server

URL = "s3://bucket/prefix"


@pytest.fixture
def on_moto(moto: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Store:
    use(moto.endpoint, moto, monkeypatch)
    return S3Store(f"s3://{moto.make_bucket()}/prefix")


def use(endpoint: str, server: S3Server, monkeypatch: pytest.MonkeyPatch, **more: str) -> None:
    for name, value in {**server.environment, "AWS_ENDPOINT_URL": endpoint, **more}.items():
        monkeypatch.setenv(name, value)


def refusal(code: str, status: int, retries: int = 0) -> ClientError:
    """As botocore raises it."""
    about = {"HTTPStatusCode": status, "RetryAttempts": retries}
    return ClientError(
        {"Error": {"Code": code, "Message": "said the server"}, "ResponseMetadata": about},
        "PutObject",
    )


def failing(store: S3Store, method: str, errors: list[ClientError], *, first: bool) -> list[Any]:
    """Makes a request of the store's client fail so often: before it does anything, or after."""
    act: Callable[..., Any] = getattr(store._client, method)
    calls: list[Any] = []

    def fail(**given: Any) -> Any:
        calls.append(given)
        if errors:
            if not first:
                act(**given)
            raise errors.pop(0)
        return act(**given)

    setattr(store._client, method, fail)
    return calls


@pytest.mark.parametrize("condition", ["absent", "same"])
def test_a_conflict_is_tried_again(condition: str, on_moto: S3Store) -> None:
    on_moto.put_if_absent("there", b"1")
    conflict = refusal("ConditionalRequestConflict", 409)
    calls = failing(on_moto, "put_object", [conflict] * 3, first=True)
    if condition == "absent":
        assert on_moto.put_if_absent("new", b"2")
        assert on_moto.get("new") == b"2"
    else:
        assert on_moto.replace_if("there", b"2", expected=b"1")
        assert on_moto.get("there") == b"2"
    assert len(calls) == 4


def test_a_store_may_be_tried_by_several_at_once(on_moto: S3Store) -> None:
    conflict = refusal("ConditionalRequestConflict", 409)
    there = refusal("PreconditionFailed", 412)
    failing(on_moto, "put_object", [conflict, there, conflict, conflict], first=True)
    on_moto.create()


def test_conflicts_without_end_are_the_server_s(on_moto: S3Store) -> None:
    conflict = refusal("ConditionalRequestConflict", 409)
    failing(on_moto, "put_object", [conflict] * (CONFLICTS + 1), first=True)
    with pytest.raises(StoreUnavailableError, match="busy"):
        on_moto.put_if_absent("new", b"2")


def test_the_echo_of_our_own_success_is_a_success(on_moto: S3Store) -> None:
    """The first request did it, its answer was lost, and botocore's second one is refused."""
    failing(on_moto, "put_object", [refusal("PreconditionFailed", 412, retries=1)], first=False)
    assert on_moto.put_if_absent("new", b"1")
    failing(on_moto, "put_object", [refusal("PreconditionFailed", 412, retries=1)], first=False)
    assert on_moto.replace_if("new", b"2", expected=b"1")
    assert on_moto.get("new") == b"2"


def test_an_echo_of_another_s_success_is_not_ours(on_moto: S3Store) -> None:
    on_moto.put_if_absent("taken", b"another's")
    failing(on_moto, "put_object", [refusal("PreconditionFailed", 412, retries=1)], first=True)
    assert not on_moto.put_if_absent("taken", b"ours")
    assert on_moto.get("taken") == b"another's"


def test_a_claim_of_the_same_content_is_another_s(on_moto: S3Store) -> None:
    on_moto.put_if_absent("claim", claim_of("content"))
    failing(on_moto, "put_object", [refusal("PreconditionFailed", 412, retries=1)], first=True)
    assert not on_moto.put_if_absent("claim", claim_of("content"))


def test_a_multipart_upload_that_fails_is_given_up(
    on_moto: S3Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.s3_store.PART_BYTES", 5 * 2**20)
    failing(on_moto, "upload_part", [refusal("InternalError", 500)], first=True)
    large = b"x" * (12 * 2**20)
    with pytest.raises(StoreUnavailableError), on_moto.new_file("large") as path:
        path.write_bytes(large)
    uploads = on_moto._client.list_multipart_uploads(Bucket=on_moto._bucket)
    assert "Uploads" not in uploads
    conflict = refusal("ConditionalRequestConflict", 409)
    begun = failing(on_moto, "create_multipart_upload", [], first=True)
    failing(on_moto, "complete_multipart_upload", [conflict], first=True)
    with on_moto.new_file("large") as path:
        path.write_bytes(large)
    assert len(begun) == 2, "after a conflict the parts are sent again"
    assert on_moto.get("large") == large


def test_what_boto3_knows_of_it_travels(on_moto: S3Store) -> None:
    other = pickle.loads(pickle.dumps(on_moto))
    on_moto.put_if_absent("a", b"1")
    assert other.get("a") == b"1"
    options = on_moto.storage_options()
    assert options["aws_secret_access_key"] == "secret"
    assert options["aws_allow_http"] == "true"


@pytest.mark.parametrize(
    ("code", "status", "says"),
    [
        ("ExpiredToken", 400, "have expired"),
        ("AccessDenied", 403, "may not do that"),
        ("RequestTimeTooSkewed", 403, "the clock of this machine is wrong"),
    ],
)
def test_refusals_say_what_to_do(code: str, status: int, says: str, on_moto: S3Store) -> None:
    failing(on_moto, "get_object", [refusal(code, status)], first=True)
    with pytest.raises(StoreError, match=says) as caught:
        on_moto.get("a")
    assert caught.value.exit_code == 1
    assert on_moto.url in str(caught.value)


@pytest.mark.parametrize(("code", "status"), [("InternalError", 500), ("SlowDown", 503)])
def test_a_busy_server_is_tried_later(code: str, status: int, on_moto: S3Store) -> None:
    failing(on_moto, "get_object", [refusal(code, status)], first=True)
    with pytest.raises(StoreUnavailableError, match="busy or out") as caught:
        on_moto.get("a")
    assert caught.value.exit_code == 75


def test_a_bucket_that_is_not_there(moto: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    use(moto.endpoint, moto, monkeypatch)
    store = open_store("s3://not-there-at-all/prefix")
    for act in (store.create, lambda: store.get("a"), lambda: store.folders("a")):
        with pytest.raises(StoreError, match="the bucket is not there; make it") as caught:
            act()
        assert caught.value.exit_code == 1


@pytest.mark.s3
@pytest.mark.parametrize(
    ("variable", "says"),
    [
        ("AWS_ACCESS_KEY_ID", "access key is not known there"),
        ("AWS_SECRET_ACCESS_KEY", "the secret key is wrong"),
    ],
)
def test_wrong_credentials(
    variable: str, says: str, seaweedfs: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(seaweedfs.endpoint, seaweedfs, monkeypatch, **{variable: "wrong"})
    store = S3Store(f"s3://{seaweedfs.made[0]}/prefix")
    with pytest.raises(StoreError, match=says):
        store.get("a")
    with pytest.raises(StoreError, match=says):
        store.create()


@pytest.mark.s3
def test_a_clock_ahead_by_a_day(seaweedfs: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    use(seaweedfs.endpoint, seaweedfs, monkeypatch)
    now = botocore.auth.get_current_datetime
    ahead = timedelta(days=1)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda *how: now(*how) + ahead)
    with pytest.raises(StoreError, match="the clock of this machine is wrong; set it") as caught:
        S3Store(f"s3://{seaweedfs.made[0]}/prefix").put_if_absent("a", b"1")
    assert caught.value.exit_code == 1


def test_no_credentials(moto: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    use(moto.endpoint, moto, monkeypatch)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    store = S3Store(URL)
    with pytest.raises(StoreError, match="credentials come from the environment"):
        store.get("a")
    with pytest.raises(StoreError, match="no credentials"):
        store.storage_options()


@pytest.mark.parametrize(
    "url", ["gs://bucket/x", "s3://", "s3://B_/x", "s3://bucket/a b", "s3:/x://y"]
)
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(RecipeError, match="must be a folder or s3://bucket/prefix") as caught:
        open_store(url)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("endpoint", ["localhost:9000", "nonsense", "http://"])
def test_an_endpoint_that_is_none(
    endpoint: str, moto: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(endpoint, moto, monkeypatch)
    with pytest.raises(StoreError) as caught:
        S3Store(URL).get("a")
    assert caught.value.exit_code == 1


def test_an_unknown_profile(moto: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    use(moto.endpoint, moto, monkeypatch, AWS_PROFILE="nobody")
    with pytest.raises(StoreError, match="nobody"):
        S3Store(URL)


def test_a_server_that_is_not_there(moto: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    use("http://127.0.0.1:1", moto, monkeypatch)
    with pytest.raises(StoreUnavailableError, match="does not answer") as caught:
        S3Store(URL).get("a")
    assert caught.value.exit_code == 75


class Careless(BaseHTTPRequestHandler):
    """A server that takes every write, whatever its condition, as some do."""

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(200)
        self.send_header("ETag", '"1"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


@pytest.fixture
def careless() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Careless)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def test_a_store_that_ignores_conditions_is_refused(
    careless: str, moto: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(careless, moto, monkeypatch)
    with pytest.raises(StoreError, match="ignores conditional writes") as caught:
        S3Store(URL).create()
    assert caught.value.exit_code == 1
    assert careless in str(caught.value)


def test_many_threads_share_a_client(on_moto: S3Store) -> None:
    with ThreadPoolExecutor(8) as beside:
        won = list(beside.map(lambda i: on_moto.put_if_absent("one", str(i).encode()), range(16)))
    assert won.count(True) == 1
