"""Between a client and an S3 server: answers get lost on the way, after the server has done it."""

import http.client
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

PASS, BUSY_AFTER, DROP_AFTER, CUT = "pass", "busy after", "drop after", "cut"
Loses = Callable[[str, str], str]
"""(method, path) -> what becomes of the answer."""
OF_A_CONNECTION = ("connection", "transfer-encoding", "content-length", "expect")


class LossyProxy:
    """What it does with the next answers is its `loses`."""

    def __init__(self, upstream: str) -> None:
        self.loses: Loses = lambda *_: PASS
        self.lost = 0
        self._host = upstream.removeprefix("http://")
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        Thread(target=self._server.serve_forever, daemon=True).start()
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"

    def lose_once(self, fate: str, method: str, part: str) -> None:
        """The answer to the next such request whose path has this part."""
        left = [fate]

        def loses(own: str, path: str) -> str:
            return left.pop() if left and own == method and part in path else PASS

        self.loses = loses

    def close(self) -> None:
        self._server.shutdown()

    def _handler(proxy) -> type[BaseHTTPRequestHandler]:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def pass_on(self) -> None:
                size = int(self.headers.get("Content-Length") or 0)
                own = {k: v for k, v in self.headers.items() if k.lower() not in OF_A_CONNECTION}
                body = self.rfile.read(size)
                upstream = http.client.HTTPConnection(proxy._host)
                upstream.request(self.command, self.path, body, own)
                answer = upstream.getresponse()
                content = answer.read()
                fate = proxy.loses(self.command, self.path)
                proxy.lost += fate != PASS
                if fate == DROP_AFTER:
                    self.close_connection = True
                    self.connection.close()
                elif fate == BUSY_AFTER:
                    self.answer(503, {}, b"<Error><Code>InternalError</Code></Error>")
                else:
                    about = {
                        k: v for k, v in answer.getheaders() if k.lower() not in OF_A_CONNECTION
                    }
                    self.answer(answer.status, about, content, cut=fate == CUT)

            def answer(
                self, status: int, about: dict[str, str], content: bytes, *, cut: bool = False
            ) -> None:
                self.send_response_only(status)
                for name, value in about.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(content[: len(content) // 2] if cut else content)
                if cut:
                    self.wfile.flush()
                    self.close_connection = True
                    self.connection.close()

            def log_message(self, *_: Any) -> None:
                """Says nothing."""

            do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = pass_on

        return Handler


@contextmanager
def lossy_proxy(upstream: str) -> Iterator[LossyProxy]:
    """One that runs for as long as the block."""
    proxy = LossyProxy(upstream)
    yield proxy
    proxy.close()
