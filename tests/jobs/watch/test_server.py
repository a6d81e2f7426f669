"""The page is given to whoever has its address on this machine, and nothing else to nobody."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from http.client import HTTPConnection, HTTPResponse
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest

from jobs.watch.page import PAGE
from jobs.watch.server import serving
from schemas.errors import RecipeError

FEED: dict[str, Any] = {"attempt": "a000001", "text": "é\u2028</script>", "long": "x" * 5000}
SAFE = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Server": "stillhouse",
}
Ask = Callable[..., tuple[HTTPResponse, bytes]]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving(lambda: FEED) as server:
        thread = threading.Thread(target=server.forever)
        thread.start()
        yield server.url
        server.stop()
        thread.join()


@pytest.fixture
def ask(url: str) -> Iterator[Ask]:
    parts = urlsplit(url)
    assert parts.port is not None
    connection = HTTPConnection("127.0.0.1", parts.port, timeout=20)

    def request(
        path: str, method: str = "GET", host: str = parts.netloc, **headers: str
    ) -> tuple[HTTPResponse, bytes]:
        """`path` behind the token; where it begins with a slash or a star, as it is."""
        connection.putrequest(
            method,
            path if path.startswith(("/", "*")) else parts.path + path,
            skip_host=True,
            skip_accept_encoding=True,
        )
        for name, value in {"Host": host, **headers}.items():
            connection.putheader(name.replace("_", "-"), value)
        connection.endheaders()
        answer = connection.getresponse()
        return answer, answer.read()

    yield request
    connection.close()


@pytest.mark.parametrize("name", [*PAGE])
def test_each_file_of_the_page_comes_with_its_type_and_safe_headers(ask: Ask, name: str) -> None:
    answer, content = ask(name)
    assert answer.status == 200
    kind, expected = PAGE[name]()
    assert (answer.getheader("Content-Type"), content) == (kind, expected)
    assert {header: answer.getheader(header) for header in SAFE} == SAFE
    policy = (answer.getheader("Content-Security-Policy") or "").split("; ")
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "connect-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in " ".join(policy)


def test_every_file_that_the_page_asks_for_is_there() -> None:
    html = PAGE[""]()[1].decode()
    asked = {part.split('"')[0] for mark in ('src="', 'href="') for part in html.split(mark)[1:]}
    assert {name for name in asked if not name.startswith("#")} == PAGE.keys() - {""}
    assert "style=" not in html
    assert "<script>" not in html


def test_the_feed_is_json_and_is_not_sent_again_where_it_is_the_same(ask: Ask) -> None:
    answer, content = ask("feed.json")
    assert answer.getheader("Content-Type") == "application/json"
    assert json.loads(content) == FEED
    tag = answer.getheader("ETag")
    assert tag is not None
    same, nothing = ask("feed.json", If_None_Match=tag)
    assert (same.status, nothing, same.getheader("ETag")) == (304, b"", tag)
    packed, _ = ask("feed.json", Accept_Encoding="gzip")
    assert packed.getheader("Content-Encoding") == "gzip"


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/feed.json",
        "/watch.js",
        "/x/feed.json",
        "//feed.json",
        "/%00/feed.json",
        "/%c3%a9/",
        "*",
    ],
)
def test_without_the_token_there_is_nothing(ask: Ask, path: str) -> None:
    answer, content = ask(path)
    assert answer.status == 403
    assert b"a000001" not in content
    assert answer.getheader("X-Content-Type-Options") == "nosniff"


def test_half_a_token_or_one_in_another_place_is_none(ask: Ask, url: str) -> None:
    token = urlsplit(url).path.strip("/")
    assert len(token) >= 32
    for path in (
        f"/{token[:-1]}/feed.json",
        f"/{token}x/feed.json",
        f"/{token.swapcase()}/feed.json",
        f"/?token={token}",
        f"/x/{token}/feed.json",
    ):
        assert ask(path)[0].status == 403, path


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "0.0.0.0:{port}"]
)
def test_a_name_that_only_leads_here_is_refused(ask: Ask, url: str, host: str) -> None:
    answer, content = ask("feed.json", host=host.format(port=urlsplit(url).port))
    assert answer.status == 403
    assert b"a000001" not in content


def test_localhost_is_a_name_of_this_machine(ask: Ask, url: str) -> None:
    assert ask("feed.json", host=f"localhost:{urlsplit(url).port}")[0].status == 200


def answered(url: str, head: str) -> bytes:
    """All bytes that come back for a request of these lines."""
    port = urlsplit(url).port
    assert port is not None
    with socket.create_connection(("127.0.0.1", port), timeout=20) as line:
        line.sendall(f"{head}\r\n\r\n".encode())
        return b"".join(iter(lambda: line.recv(4096), b""))


def test_without_a_host_nothing_is_answered(url: str) -> None:
    answer = answered(url, f"GET {urlsplit(url).path}feed.json HTTP/1.1\r\nConnection: close")
    assert b" 403 " in answer.splitlines()[0]
    assert b"a000001" not in answer


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"])
def test_it_is_only_read(ask: Ask, method: str) -> None:
    answer, content = ask("feed.json", method=method)
    assert answer.status == (501 if method == "BREW" else 405)
    assert b"a000001" not in content
    assert b"<" not in content
    assert answer.getheader("Content-Security-Policy")


def test_head_is_get_without_content(ask: Ask, url: str) -> None:
    answer, _ = ask("feed.json", method="HEAD")
    assert answer.status == 200
    assert int(answer.getheader("Content-Length") or 0) > 5000
    parts = urlsplit(url)
    sent = answered(url, f"HEAD {parts.path} HTTP/1.0\r\nHost: {parts.netloc}")
    assert sent.endswith(b"\r\n\r\n"), "nothing behind the headers"


@pytest.mark.parametrize(
    "name",
    [
        "../page.py",
        "..%2fpage.py",
        "../../../../etc/passwd",
        "%2e%2e/%2e%2e/etc/passwd",
        "page.css/../feed.py",
        "feed.json/",
        "watch.js%00",
        "/etc/passwd",
        "server.py",
    ],
)
def test_nothing_but_the_page_is_served(ask: Ask, url: str, name: str) -> None:
    answer, content = ask(urlsplit(url).path + name)
    assert answer.status == 404
    assert b"root:" not in content
    assert b"import" not in content


def test_what_is_no_request_is_refused_in_plain_text(url: str) -> None:
    parts = urlsplit(url)
    assert parts.port is not None
    for nonsense in (
        b"\x16\x03\x01\x02\x00\r\n\r\n",
        b"GET\r\n\r\n",
        b"G" * 70_000 + b"\r\n\r\n",
        b"GET /\xc3\xa9/ HTTP/1.1\r\nHost: \xff\r\n\r\n",
    ):
        with socket.create_connection(("127.0.0.1", parts.port), timeout=20) as line:
            line.sendall(nonsense)
            answer = line.recv(4096)
        assert b"<" not in answer
        assert b"a000001" not in answer


def test_it_listens_on_the_loopback_interface_alone(url: str) -> None:
    port = urlsplit(url).port
    lines = psutil.Process().net_connections("inet")
    assert {line.laddr.ip for line in lines if line.laddr.port == port} == {"127.0.0.1"}


def test_tokens_differ_and_are_not_in_what_is_logged(
    url: str, ask: Ask, capsys: pytest.CaptureFixture[str]
) -> None:
    ask("feed.json")
    ask("nothing")
    captured = capsys.readouterr()
    assert captured.out + captured.err == ""
    with serving(lambda: FEED) as other:
        assert urlsplit(other.url).path != urlsplit(url).path


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_port_that_is_none_is_said(port: int) -> None:
    with pytest.raises(RecipeError, match="--port"), serving(lambda: FEED, port):
        pass


def test_a_port_that_is_taken_is_said(url: str) -> None:
    port = urlsplit(url).port
    assert port is not None
    with pytest.raises(RecipeError, match=f"--port {port}"), serving(lambda: FEED, port):
        pass
