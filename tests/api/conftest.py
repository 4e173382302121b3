"""A service behind the HTTP face, keys for each role, and a client that speaks as one of them."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx2 as httpx
import pytest
from starlette.testclient import TestClient

from storage import Database, OrgRow
from workflow.api.app import create_app
from workflow.service import Service

ORGS = [
    OrgRow("HB", None, "province", "某省公司", "某电力公司", "420000"),
    OrgRow("WH", "HB", "city", "某市公司", None, "420100"),
    OrgRow("JA", "WH", "county", "某区公司", None, "420102"),
    OrgRow("YC", "HB", "city", "另一市公司", None, "420500"),
]

RESIDENTIAL: dict[str, Any] = {
    "customer": {"id": "C-1", "name": "张三丰", "phone": "13800001111"},
    "premises": {"id": "P-1", "address": "解放路 1 号"},
    "customer_kind": "residential",
    "capacity_kw": 8,
    "voltage": "low",
    "area": "urban",
    "region": "420100",
    "channel": "online",
    "documents": [{"kind": "identity"}, {"kind": "premises_title"}],
}


class Face:
    """Clients by role over one application."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.app = create_app(service)
        self.keys: dict[str, str] = {}

    def as_(self, role: str, org: str | None = None, name: str | None = None) -> TestClient:
        who = name or f"{role}-{org}"
        if who not in self.keys:
            self.keys[who] = service_key(self.service, who, role, org)
        client = TestClient(self.app, raise_server_exceptions=False)
        client.headers["Authorization"] = f"Bearer {self.keys[who]}"
        return client


def service_key(service: Service, name: str, role: str, org: str | None = None) -> str:
    return str(service.create_key(name, role, org)["key"])


@pytest.fixture
def face(database: Database) -> Iterator[Face]:
    from workflow.service import SystemClock
    from workflow.service.rules import book

    service = Service(database, book(), SystemClock())
    service.put_orgs(ORGS)
    yield Face(service)
    service.writer.close()


async def broken_off(app: Any, path: str, headers: dict[str, str]) -> list[int]:
    """The statuses that are sent to a caller who goes away in the middle of the body."""
    heard: list[dict[str, Any]] = [
        {"type": "http.request", "body": b'{"customer"', "more_body": True},
        {"type": "http.disconnect"},
    ]
    sent: list[int] = []

    async def receive() -> dict[str, Any]:
        return heard.pop(0)

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            sent.append(message["status"])

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http",
        "path": path, "raw_path": path.encode(), "root_path": "", "query_string": b"", "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8000), "headers": [(n.lower().encode(), v.encode()) for n, v in headers.items()],
    }  # fmt: skip
    await app(scope, receive, send)
    return sent


PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For clients of a server of ours: without it each of them reads every authority of this machine, to speak plainly."""


class Server:
    """`baozhuang serve` as a process of its own."""

    def __init__(self, database: str, *, workers: int = 1) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "workflow.cli", "serve", "--port", str(self.port), "--workers", str(workers)],
            env={**os.environ, "BAOZHUANG_DATABASE": database},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        late = time.monotonic() + 60
        while time.monotonic() < late:
            try:
                if httpx.get(f"{self.url}/readyz", timeout=2, verify=PLAIN).status_code == 200:
                    return
            except httpx.HTTPError:
                time.sleep(0.05)
        raise AssertionError("the server did not start")

    def kill(self) -> None:
        """As the power cut would: no goodbye."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(40)


@pytest.fixture
def serve(database_url: str) -> Iterator[Callable[..., Server]]:
    """Start servers on the test's database; what still runs at the end is killed."""
    started: list[Server] = []

    def start(*, workers: int = 1) -> Server:
        started.append(Server(database_url, workers=workers))
        return started[-1]

    yield start
    for server in started:
        if server.process.poll() is None:
            server.kill()


@pytest.fixture
def key(database_url: str) -> str:
    """A front-line key for the server's database."""
    with Service.open(database_url) as service:
        return service_key(service, "hall", "front_line")
