"""A retry that reaches another worker than the first request did is still the same request."""

from __future__ import annotations

import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2 as httpx
import uvicorn

from tests.api.conftest import PLAIN, RESIDENTIAL, Server
from workflow.server import listen


def test_one_key_at_two_workers_at_once_is_one_application(serve: Callable[..., Server], key: str) -> None:
    server = serve(workers=2)
    headers = {"Authorization": f"Bearer {key}"}

    def post(path: str, body: dict[str, Any], idempotency_key: str) -> httpx.Response:
        # A new connection each time, so that both workers are reached.
        sent = {**headers, "Idempotency-Key": idempotency_key}
        return httpx.post(f"{server.url}/api/v1{path}", json=body, headers=sent, timeout=20, verify=PLAIN)

    with ThreadPoolExecutor(8) as pool:
        for turn in range(5):
            body = {**RESIDENTIAL, "premises": {"id": f"P-{turn}"}}
            made = list(pool.map(post, ["/applications"] * 8, [body] * 8, [f"submit-{turn}"] * 8))
            assert {answer.status_code for answer in made} == {201}
            assert len({answer.content for answer in made}) == 1
            assert sum("idempotent-replayed" not in answer.headers for answer in made) == 1
            path = f"/applications/{made[0].json()['id']}/commands"
            done = {"command": "complete_step", "step": "acceptance"}
            given = list(pool.map(post, [path] * 8, [done] * 8, [f"complete-{turn}"] * 8))
            assert {answer.status_code for answer in given} == {200}
            assert len({answer.content for answer in given}) == 1
    shown = httpx.get(f"{server.url}/api/v1/applications", headers=headers, timeout=20, verify=PLAIN).json()["items"]
    assert [one["version"] for one in shown] == [2] * 5
    server.stop()


def test_workers_send_each_answer_at_once() -> None:
    with listen(uvicorn.Config("", port=0)) as listening:
        listening.listen()
        with socket.create_connection(listening.getsockname()), listening.accept()[0] as accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
