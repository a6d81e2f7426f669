"""A JSON text posted to a URL: what a URL may be, and where it leads."""

import base64
import http.client
import re
import ssl
import threading
import time
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

TRIES: Final = 3
FIRST_PAUSE_S: Final = 0.5
"""Before the second try; each further one is twice as long."""
PORTS: Final = {"http": 80, "https": 443}
VISIBLE: Final = re.compile(r"[!-~]+")
LABEL: Final = r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
NAME: Final = re.compile(rf"{LABEL}(\.{LABEL})*")
LOOPBACK: Final = IPv4Network("127.0.0.0/8")


@dataclass(frozen=True)
class Webhook:
    """A URL that was read once, so that what is checked is what is connected to."""

    secure: bool
    host: str
    port: int
    target: str
    """Path and query."""
    authorization: str | None

    @property
    def is_here(self) -> bool:
        """Whether its host is this machine for sure. Nothing is resolved: `localhost`, 127.0.0.0/8
        as four decimal numbers, `::1`. Not: 0.0.0.0, `127.1`, 2130706433, `::ffff:127.0.0.1`."""
        if self.host.lower() == "localhost":
            return True
        try:
            address = ip_address(self.host)
        except ValueError:
            return False
        if isinstance(address, IPv4Address):
            return address in LOOPBACK
        return address == IPv6Address("::1")


def parse_webhook(url: str) -> Webhook:
    """ValueError, whose message has nothing of the URL, for what is none of http or https."""
    if not VISIBLE.fullmatch(url):
        raise ValueError("it has blanks or characters that a URL cannot have")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError("its host or port cannot be read") from None
    if parts.scheme not in PORTS:
        raise ValueError("it must begin with https:// or http://")
    if not (NAME.fullmatch(host) or _is_ip6(host)):
        raise ValueError("it has no host, or one that cannot be read")
    query = f"?{parts.query}" if parts.query else ""
    return Webhook(
        parts.scheme == "https",
        host,
        PORTS[parts.scheme] if port is None else port,
        (parts.path or "/") + query,
        _authorization(parts),
    )


def _is_ip6(host: str) -> bool:
    try:
        return IPv6Address(host).scope_id is None
    except ValueError:
        return False


def _authorization(parts: SplitResult) -> str | None:
    if parts.username is None:
        return None
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return "Basic " + base64.b64encode(pair.encode()).decode()


def post(webhook: Webhook, text: str, timeout_seconds: float) -> str | None:
    """Posts JSON; tries again where there is no connection, or the answer is 429 or 5xx. Null for
    an answer of 2xx, else what went wrong, without anything of the URL. Redirects are not followed
    and proxies of the environment not asked: either could send it elsewhere."""
    posting = _Posting(webhook, text, time.monotonic() + timeout_seconds)
    # Looking up a name has no timeout, and a socket's timeout begins anew with every byte.
    thread = threading.Thread(target=posting.run, daemon=True)
    thread.start()
    thread.join(timeout_seconds)
    if posting.done:
        return posting.problem
    before = f"; before: {posting.problem}" if posting.problem else ""
    return f"no answer within {timeout_seconds:g} s{before}"


class _Posting:
    """All tries together."""

    def __init__(self, webhook: Webhook, text: str, deadline: float) -> None:
        self._webhook = webhook
        self._body = text.encode()
        self._deadline = deadline
        self.problem: str | None = None
        self.done = False

    def run(self) -> None:
        for n in range(TRIES):
            self.problem, again = self._try()
            pause = FIRST_PAUSE_S * 2**n
            if not again or n + 1 == TRIES or self._left <= pause:
                break
            time.sleep(pause)
        self.done = True

    @property
    def _left(self) -> float:
        return self._deadline - time.monotonic()

    def _try(self) -> tuple[str | None, bool]:
        """What went wrong, and whether it may go well another time."""
        try:
            status = self._status()
        except ssl.SSLCertVerificationError as error:
            # What follows the comma is the host's name.
            return f"its certificate is refused: {error.verify_message.partition(',')[0]}", False
        except (OSError, http.client.HTTPException) as error:
            return _reason(error), True
        if 200 <= status < 300:
            return None, False
        if 300 <= status < 400:
            return f"it answers {status}, a redirect, which is not followed", False
        return f"it answers {status}", status == 429 or status >= 500

    def _status(self) -> int:
        webhook = self._webhook
        timeout = max(self._left, 0.001)
        connection: http.client.HTTPConnection
        if webhook.secure:
            connection = http.client.HTTPSConnection(
                webhook.host, webhook.port, timeout=timeout, context=ssl.create_default_context()
            )
        else:
            connection = http.client.HTTPConnection(webhook.host, webhook.port, timeout=timeout)
        headers = {"Content-Type": "application/json", "User-Agent": "stillhouse"}
        if webhook.authorization is not None:
            headers["Authorization"] = webhook.authorization
        try:
            connection.request("POST", webhook.target, self._body, headers)
            return connection.getresponse().status
        finally:
            connection.close()


def _reason(error: OSError | http.client.HTTPException) -> str:
    """Never the error's own text, which may name the URL or its host."""
    if isinstance(error, http.client.RemoteDisconnected):
        return "it closed the connection without an answer"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return f"no answer that can be read ({type(error).__name__})"
