"""The page's HTTP server: on the loopback interface, behind a token, read-only.

Other users of the machine can connect to a loopback port, and so can any page in a browser: that is
what the token is for, and the check of `Host` is against names that are made to lead here (DNS
rebinding). Nothing is served but the few files of `PAGE` and the feed.
"""

import gzip
import hashlib
import json
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from jobs.watch.page import PAGE
from schemas.errors import RecipeError

LOOPBACK: Final = "127.0.0.1"
FEED: Final = "feed.json"
IDLE_S: Final = 30.0
"""So long a request may take to come; each has a connection of its own (HTTP/1.0)."""
HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "font-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
Feed = Callable[[], dict[str, Any]]


class _Answer(NamedTuple):
    status: HTTPStatus
    type: str
    content: bytes
    more: Mapping[str, str] = MappingProxyType({})


def _refusal(status: HTTPStatus, text: str, **more: str) -> _Answer:
    return _Answer(status, "text/plain; charset=utf-8", f"{text}\n".encode(), more)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, port: int, feed: Feed) -> None:
        super().__init__((LOOPBACK, port), _Handler)
        self.feed = feed
        self.token = secrets.token_urlsafe(24)
        own = self.server_address[1]
        self.hosts = {f"{name}:{own}" for name in (LOOPBACK, "localhost")}

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.server_address[1]}/{self.token}/"

    def handle_error(self, *_: object) -> None:
        """A browser that hangs up in the middle of an answer is nothing to tell."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = IDLE_S

    def do_GET(self) -> None:
        self._send(self._answer())

    do_HEAD = do_GET

    def _refuse_method(self) -> None:
        self._send(_not_allowed())

    do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_TRACE = do_CONNECT = _refuse_method

    def send_error(self, code: int, message: str | None = None, _: str | None = None) -> None:
        """What the standard library refuses by itself, such as a request that is none."""
        self._send(_refusal(HTTPStatus(code), message or HTTPStatus(code).phrase))

    def log_message(self, *_: object) -> None:
        """Paths have the token in them, and stderr is often kept."""

    def version_string(self) -> str:
        return "stillhouse"

    def _answer(self) -> _Answer:
        if self.headers.get("Host", "") not in self.server.hosts:
            return _refusal(HTTPStatus.FORBIDDEN, "not by this name")
        token, _, name = self.path.partition("?")[0].removeprefix("/").partition("/")
        if not secrets.compare_digest(token.encode(), self.server.token.encode()):
            return _refusal(HTTPStatus.FORBIDDEN, "open the address that `stillhouse watch` told")
        if name == FEED:
            return self._feed()
        if name not in PAGE:
            return _refusal(HTTPStatus.NOT_FOUND, "nothing here")
        return _Answer(HTTPStatus.OK, *PAGE[name]())

    def _feed(self) -> _Answer:
        content = json.dumps(self.server.feed(), ensure_ascii=False, default=str).encode()
        tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
        if self.headers.get("If-None-Match") == tag:
            return _Answer(HTTPStatus.NOT_MODIFIED, "application/json", b"", {"ETag": tag})
        return _Answer(HTTPStatus.OK, "application/json", content, {"ETag": tag})

    def _send(self, answer: _Answer) -> None:
        content, more = answer.content, dict(answer.more)
        if len(content) > 1024 and "gzip" in self.headers.get("Accept-Encoding", ""):
            content = gzip.compress(content, compresslevel=1, mtime=0)
            more["Content-Encoding"] = "gzip"
        self.send_response(answer.status)
        facts = {"Content-Type": answer.type, "Content-Length": str(len(content))}
        for name, value in (HEADERS | facts | more).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD" and content:
            self.wfile.write(content)


def _not_allowed() -> _Answer:
    return _refusal(HTTPStatus.METHOD_NOT_ALLOWED, "GET and HEAD alone", Allow="GET, HEAD")


class Serving(NamedTuple):
    """A server that listens."""

    url: str
    """With the token."""
    forever: Callable[[], None]
    """Answers until it is interrupted."""
    stop: Callable[[], None]
    """Ends that, from another thread."""


@contextmanager
def serving(feed: Feed, port: int = 0) -> Iterator[Serving]:
    """Listens on a port of the loopback interface, a free one by default, for as long as the block
    runs. RecipeError where the port is none or is taken."""
    if not 0 <= port < 65536:
        raise RecipeError(f"--port {port}: must be a number below 65536; 0 takes a free one")
    try:
        server = _Server(port, feed)
    except OSError as error:
        raise RecipeError(f"--port {port} cannot be used: {error}; leave it out") from error
    try:
        yield Serving(server.url, server.serve_forever, server.shutdown)
    finally:
        server.server_close()
