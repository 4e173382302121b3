"""What only a server that listens shows: how a connection ends."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from tests.api.conftest import Server
from workflow import server as site

MIB = 1024 * 1024


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """Nothing here depends on the database."""
    return sqlite_url


def test_who_sends_a_whole_body_before_reading_learns_why_it_was_refused(
    serve: Callable[..., Server], key: str
) -> None:
    server = serve()
    stated = {
        413: f"Authorization: Bearer {key}\r\nContent-Type: application/json",
        401: "Content-Type: application/json",
        415: f"Authorization: Bearer {key}\r\nContent-Type: text/plain",
    }
    for status, headers in stated.items():
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
            head = f"POST /api/v1/applications HTTP/1.1\r\nHost: x\r\n{headers}\r\nContent-Length: {10 * MIB}\r\n\r\n"
            connection.sendall(head.encode() + b" " * (10 * MIB))
            assert connection.makefile("rb").readline().split()[1] == str(status).encode()


def _read_on(status: int, **headers: str) -> int:
    """How many MiB are read of a body without end, when it is answered without looking at it."""
    read = 0

    async def receive() -> dict[str, Any]:
        nonlocal read
        read += 1
        return {"type": "http.request", "body": b" " * MIB, "more_body": True}

    async def send(_: Any) -> None:
        pass

    async def answer() -> None:
        stated = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        _, sent = site.heard_out({"type": "http", "headers": stated}, receive, send)
        await sent({"type": "http.response.start", "status": status})

    anyio.run(answer)
    return read


CHUNKED = {"transfer_encoding": "chunked"}


@pytest.mark.parametrize(
    ("status", "headers", "read"),
    [
        (413, CHUNKED, 32),
        (413, {"content_length": str(20 * MIB)}, 32),
        (408, CHUNKED, 0),
        (413, {**CHUNKED, "expect": "100-continue"}, 0),
        (413, {"content_length": str(33 * MIB)}, 0),
        (413, {"content_length": "9" * 400}, 0),
        (404, {}, 0),
    ],
)
def test_a_body_is_heard_out_within_bounds(status: int, headers: dict[str, str], read: int) -> None:
    assert _read_on(status, **headers) == read
