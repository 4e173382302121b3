"""Concurrent clients of the HTTP face, as a process of their own: `python -m bench.http_clients PORT CLIENTS CASES`.

Each client keeps one connection, drives its own cases one command of each before the next, and waits for every answer
before it sends the next command.  It speaks just enough HTTP/1.1 for that, because a full client costs more than the
server it measures.  The key is in `BAOZHUANG_KEY`; the result is one JSON object on standard output.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import secrets
import sys
import time
from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

from bench.cases import BODIES, CLASSES, UNITS, submission_body

_WARM_UP = 1
"""Cases of each client that are driven before the clock starts."""


class Client:
    """One connection. `seconds`: how long each answer took."""

    def __init__(self, port: int, key: str) -> None:
        self._port, self._key = port, key
        self.seconds: list[float] = []

    async def connect(self) -> None:
        """Open the connection."""
        self._in, self._out = await asyncio.open_connection("127.0.0.1", self._port)

    async def close(self) -> None:
        """Close the connection."""
        self._out.close()
        await self._out.wait_closed()

    async def post(self, path: str, body: dict[str, Any], key: str) -> dict[str, Any]:
        """Send one command; its answer. Raises AssertionError when it was refused."""
        content = json.dumps(body).encode()
        head = (
            f"POST /api/v1{path} HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\nAuthorization: Bearer {self._key}\r\n"
            f"Idempotency-Key: {key}\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
        )
        began = time.perf_counter()
        self._out.write(head.encode() + content)
        answer = await self._in.readuntil(b"\r\n\r\n")
        status, *headers = answer.decode("latin-1").split("\r\n")
        lengths = [line.split(":")[1] for line in headers if line.lower().startswith("content-length:")]
        found = await self._in.readexactly(int(lengths[0]))
        self.seconds.append(time.perf_counter() - began)
        if status.split()[1] not in ("200", "201"):
            raise AssertionError(f"{path} {body}: {status}: {found.decode()}")
        result: dict[str, Any] = json.loads(found)
        return result


async def _drive(client: Client, marks: Sequence[tuple[str, str]]) -> None:
    ids: dict[str, str] = {}
    for mark, user_class in marks:
        body = submission_body(user_class, mark, UNITS[int(mark[-4:]) % len(UNITS)])
        ids[mark] = (await client.post("/applications", body, f"{mark}-00"))["id"]
    paths = [[(mark, turn, body) for turn, body in enumerate(BODIES[kind], 1)] for mark, kind in marks]
    for row in zip_longest(*paths):
        for mark, turn, body in filter(None, row):
            await client.post(f"/applications/{ids[mark]}/commands", body, f"{mark}-{turn:02d}")


async def run(port: int, key: str, clients: int, cases: int) -> dict[str, Any]:
    """Drive `cases` cases with each of `clients` clients; what it took."""
    name = secrets.token_hex(4)
    everyone = [Client(port, key) for _ in range(clients)]
    await asyncio.gather(*(client.connect() for client in everyone))

    def marks(first: int, many: int, client: int) -> list[tuple[str, str]]:
        numbers = range(first, first + many)
        return [(f"{name}{client:04d}{number:04d}", CLASSES[(client + number) % len(CLASSES)]) for number in numbers]

    await asyncio.gather(*(_drive(one, marks(0, _WARM_UP, place)) for place, one in enumerate(everyone)))
    warm_up = sum(len(one.seconds) for one in everyone)
    for one in everyone:
        one.seconds.clear()
    began = time.perf_counter()
    await asyncio.gather(*(_drive(one, marks(_WARM_UP, cases, place)) for place, one in enumerate(everyone)))
    seconds = time.perf_counter() - began
    await asyncio.gather(*(one.close() for one in everyone))
    taken = sorted(value for one in everyone for value in one.seconds)
    return {
        "commands": len(taken),
        "seconds": seconds,
        "warm_up": warm_up,
        "p50": percentile(taken, 0.50),
        "p99": percentile(taken, 0.99),
        "longest": taken[-1],
    }


def percentile(ordered: Sequence[float], share: float) -> float:
    """The smallest of the ordered values that is not exceeded by at least `share` of them (nearest rank)."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


if __name__ == "__main__":
    port, clients, cases = (int(argument) for argument in sys.argv[1:4])
    print(json.dumps(asyncio.run(run(port, os.environ["BAOZHUANG_KEY"], clients, cases))))
