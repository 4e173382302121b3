"""A server killed in the middle of its work: every acknowledged command is there, none twice."""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

import httpx2 as httpx

from storage import Database, verify
from tests.api.conftest import RESIDENTIAL, Server


def _push(server: Server, key: str, worker: int, acknowledged: dict[str, str], stop: threading.Event) -> None:
    with httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {key}"}, timeout=10) as client:
        number = 0
        while not stop.is_set():
            number += 1
            name = f"{worker}-{number}"
            body = {**RESIDENTIAL, "premises": {"id": name}, "external_id": name}
            try:
                answer = client.post("/api/v1/applications", json=body, headers={"Idempotency-Key": name})
            except httpx.HTTPError:
                return
            if answer.status_code == 201:
                acknowledged[name] = answer.json()["id"]


def test_killed_under_load_nothing_acknowledged_is_lost_or_doubled(
    serve: Callable[..., Server], key: str, database_url: str
) -> None:
    acknowledged: dict[str, str] = {}
    for turn in range(3):
        server, stop = serve(), threading.Event()
        threads = [
            threading.Thread(target=_push, args=(server, key, turn * 10 + n, acknowledged, stop)) for n in range(4)
        ]
        for thread in threads:
            thread.start()
        time.sleep(0.7)
        server.kill()
        stop.set()
        for thread in threads:
            thread.join()
    assert len(acknowledged) > 10
    server = serve()
    with httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {key}"}, timeout=10) as client:
        for name, case_id in list(acknowledged.items())[-20:]:
            body = {**RESIDENTIAL, "premises": {"id": name}, "external_id": name}
            again = client.post("/api/v1/applications", json=body, headers={"Idempotency-Key": name})
            assert (again.status_code, again.json()["id"]) == (201, case_id)
    server.stop()
    database = Database.open(database_url)
    with database.read() as tx:
        assert verify(tx).holds
        stored = Counter(row.external_id for row in tx.cases())
        ids = {row.external_id: row.id for row in tx.cases()}
    database.close()
    assert max(stored.values()) == 1
    assert {name: ids[name] for name in acknowledged} == acknowledged


def test_two_workers_serve_one_database(serve: Callable[..., Server], key: str) -> None:
    server = serve(workers=2)
    with httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {key}"}, timeout=20) as client:
        case_id = client.post("/api/v1/applications", json=RESIDENTIAL).json()["id"]
        results: list[int] = []

        def give() -> None:
            answer = httpx.post(
                f"{server.url}/api/v1/applications/{case_id}/commands",
                json={"command": "complete_step", "step": "acceptance"},
                headers={"Authorization": f"Bearer {key}"},
                timeout=20,
            )
            results.append(answer.status_code)

        threads = [threading.Thread(target=give) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(results) == [200] + [409] * 7
    server.stop()


def test_workers_do_not_outlive_the_process_that_started_them(serve: Callable[..., Server]) -> None:
    server = serve(workers=2)
    server.process.kill()
    try:
        late = time.monotonic() + 20
        while time.monotonic() < late:
            try:
                socket.create_connection(("127.0.0.1", server.port), timeout=2).close()
            except ConnectionRefusedError:
                return  # the address is free for who starts it again
            time.sleep(0.1)
        raise AssertionError("somebody still answers")
    finally:
        with suppress(ProcessLookupError):
            server.kill()
