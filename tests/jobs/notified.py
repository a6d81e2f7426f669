"""A real HTTP server that webhooks are posted to."""

import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

Answer = int | str
"""A status; `close`: the connection is closed without one; `hang`: nothing for as long as the
server lives; `drip`: a header that never ends, a byte now and then."""


@dataclass
class Listener:
    """What was posted, and where to."""

    port: int
    posted: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def listening(
    answers: Sequence[Answer], location: str = "", certificate: Path | None = None
) -> Iterator[Listener]:
    """Gives these answers, the last one again and again."""
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            number = len(listener.posted)
            listener.posted.append((self.path, dict(self.headers), body))
            answer = answers[min(number, len(answers) - 1)]
            if isinstance(answer, int):
                self.send_response(answer)
                self.send_header("Location", location)
                self.end_headers()
                return
            self.close_connection = True
            if answer == "hang":
                over.wait()
            if answer == "drip":
                self.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
                while not over.wait(0.05):
                    self.wfile.write(b"x")

        # A GET is what a redirect that is followed would come to.
        do_GET = do_POST

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.handle_error = lambda *_: None  # type: ignore[method-assign]
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        listener = Listener(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, args=[0.05])
        thread.start()
        try:
            yield listener
        finally:
            over.set()
            server.shutdown()
            thread.join()


def make_certificate(path: Path, host: str) -> Path:
    """A key and a certificate that it signs itself, for this host."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path
