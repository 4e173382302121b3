"""When the house is at fault, and what whoever runs it can see: problems, logs, metrics, readiness, a clean stop."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import httpx2 as httpx
import jsonschema
import pytest
import structlog

from storage import Contention, Damaged, Database, OutcomeUnknown, Rejected, StorageUnavailable
from tests.api.conftest import PLAIN, RESIDENTIAL, Face, Server, broken_off
from workflow.service import Reply


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """Nothing here depends on the database."""
    return sqlite_url


def _failing(error: Exception) -> Callable[..., Reply[Any]]:
    def submit(*_: Any) -> Reply[Any]:
        reply: Reply[Any] = Reply((0, ""), lambda _: None)
        reply.fail(error)
        return reply

    return submit


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (StorageUnavailable("磁盘已满 /secret", "disk full /secret"), (503, "storage-unavailable", "5")),
        (Contention("忙", "busy"), (503, "storage-contended", "1")),
        (OutcomeUnknown("断", "lost"), (503, "outcome-unknown", "5")),
        (Rejected("张三丰 secret", "张三丰 secret"), (500, "internal-error", None)),
        (RuntimeError("张三丰 secret"), (500, "internal-error", None)),
    ],
)
def test_a_fault_of_the_house_is_a_problem_that_shows_nothing(  # one column of the table each
    face: Face, monkeypatch: pytest.MonkeyPatch, error: Exception, expected: tuple[int, str, str | None]
) -> None:
    client = face.as_("admin")
    status, code, retry_after = expected
    monkeypatch.setattr(face.service, "submit", _failing(error))
    with structlog.testing.capture_logs() as lines:
        answer = client.post("/api/v1/applications", json=RESIDENTIAL, headers={"X-Request-ID": "hall-7.42"})
    assert [line["log_level"] for line in lines] == ["error", "info"]
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["status"]) == (status, code, status)
    assert answer.headers.get("retry-after") == retry_after
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["instance"] == answer.headers["x-request-id"] == "hall-7.42"
    assert problem["type"] == f"urn:baozhuang:problem:{code}"
    assert problem["detail_en"]
    assert " / " in problem["title"]
    assert "secret" not in answer.text


def test_a_changed_rule_is_a_problem_that_names_its_row(face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    def changed(*_: Any) -> Any:
        raise Damaged("规则 abc 被改动", "the row abc was changed")

    client = face.as_("admin")
    monkeypatch.setattr(face.service, "application", changed)
    problem = client.get("/api/v1/applications/any")
    assert (problem.status_code, problem.json()["code"]) == (500, "store-damaged")
    assert ("abc" in problem.json()["detail"], "abc" in problem.json()["detail_en"]) == (True, True)


def test_a_reading_without_its_database_is_a_503(face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any) -> Any:
        raise StorageUnavailable("不可用", "away")

    client = face.as_("admin")
    monkeypatch.setattr(face.service, "application", away)
    assert client.get("/api/v1/applications/any").status_code == 503
    monkeypatch.setattr(face.service, "authenticate", away)
    assert client.get("/api/v1/applications").status_code == 503


@pytest.mark.parametrize("stated", ["a b", "x" * 65, "{}", "张".encode().decode("latin-1")])
def test_an_odd_request_id_is_replaced(face: Face, stated: str) -> None:
    answer = face.as_("admin").get("/healthz", headers=[(b"X-Request-ID", stated.encode("latin-1"))])
    assert re.fullmatch(r"[0-9a-f-]{36}", answer.headers["x-request-id"])


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "not-found"),
        ("GET", "/api/v1/applications/", 404, "not-found"),
        ("DELETE", "/api/v1/applications/1", 405, "method-not-allowed"),
        ("PUT", "/api/v1/applications", 405, "method-not-allowed"),
        ("GET", "/docs", 404, "not-found"),
    ],
)
def test_what_no_route_takes_is_a_problem_too(face: Face, method: str, path: str, status: int, code: str) -> None:
    answer = face.as_("admin").request(method, path)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert ("allow" in answer.headers) == (status == 405)


def test_head_is_answered_as_get_without_the_body(face: Face) -> None:
    """On every resource that can be read, found or not [RFC 9110 §9.3.2]."""
    client = face.as_("admin")
    one = client.post("/api/v1/applications", json=RESIDENTIAL).json()["id"]
    described = client.get("/openapi.json").json()["paths"]
    readable = [path for path, ways in described.items() if "get" in ways]
    assert {"/healthz", "/readyz", "/metrics", "/api/v1/applications", "/feeds/{token}.ics"} <= set(readable)
    for template in (*readable, "/openapi.json", "/nothing"):
        path = template.replace("{id}", one).replace("{user_class}", "residential").replace("{year}", "2026")
        read, head = client.get(path), client.head(path)
        assert (head.status_code, head.content) == (read.status_code, b""), path
        assert head.headers["content-type"] == read.headers["content-type"]
        assert head.headers.get("etag") == read.headers.get("etag")
        assert int(head.headers["content-length"]) > 0
    with structlog.testing.capture_logs() as lines:
        client.head("/api/v1/applications")
    assert [(line["method"], line["route"]) for line in lines] == [("HEAD", "/api/v1/applications")]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/api/v1/applications", "GET, HEAD, POST"),
        ("DELETE", "/api/v1/feeds", "GET, HEAD, POST"),
        ("PUT", "/api/v1/alerts", "GET, HEAD"),
        ("HEAD", "/api/v1/applications/1/commands", "POST"),
        ("POST", "/healthz", "GET, HEAD"),
        ("POST", "/openapi.json", "GET, HEAD"),
    ],
)
def test_a_405_names_every_method_of_the_address(face: Face, method: str, path: str, allowed: str) -> None:
    answer = face.as_("admin").request(method, path)
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)


def test_not_ready_says_why(face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    client = face.as_("admin")
    assert client.get("/readyz").json()["ready"] is True
    monkeypatch.setattr(face.service, "ready", lambda: (False, {"schema": False}))
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["code"]) == (503, "not-ready")
    assert answer.json()["checks"] == {"schema": False}
    assert client.get("/healthz").status_code == 200


def test_a_store_that_a_later_version_has_migrated_takes_no_more_commands_from_this_one(
    face: Face, sqlite_url: str
) -> None:
    client = face.as_("admin")
    assert client.post("/api/v1/applications", json=RESIDENTIAL).status_code == 201
    connection = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)
    ((ours,),) = connection.execute("SELECT version_num FROM alembic_version").fetchall()
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["checks"]["schema"]) == (503, False)
    refused = client.post("/api/v1/applications", json=RESIDENTIAL)
    assert (refused.status_code, refused.json()["code"]) == (503, "not-ready")
    assert "schema 9999 is newer" in refused.json()["detail_en"]
    assert len(client.get("/api/v1/applications").json()["items"]) == 1
    connection.execute("UPDATE alembic_version SET version_num = ?", (ours,))
    connection.close()
    assert client.post("/api/v1/applications", json=RESIDENTIAL).status_code == 201


def test_a_full_disk_is_not_ready_and_reads_go_on(face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    client = face.as_("admin")
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=0))
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["checks"]["room"]) == (503, False)
    assert client.get("/api/v1/applications").status_code == 200
    monkeypatch.undo()
    assert client.get("/readyz").json()["ready"] is True


def test_a_process_whose_writer_has_ended_asks_to_be_restarted(face: Face) -> None:
    client = face.as_("admin")
    assert client.get("/healthz").status_code == 200
    face.service.writer.close()
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json()["code"]) == (503, "not-alive")
    refused = client.post("/api/v1/applications", json=RESIDENTIAL)
    assert (refused.status_code, refused.json()["code"]) == (503, "storage-unavailable")


def _samples(text: str, name: str) -> dict[str, float]:
    found = re.findall(rf"^{name}{{(.*)}} (\S+)$", text, re.MULTILINE)
    return {labels: float(value) for labels, value in found}


def test_metrics_count_by_template_and_never_by_path(face: Face) -> None:
    client = face.as_("admin")
    case_id = client.post("/api/v1/applications", json=RESIDENTIAL).json()["id"]
    for _ in range(3):
        client.get(f"/api/v1/applications/{case_id}")
    client.request("BREW", "/secret/张三")
    shown = client.get("/metrics").text
    counted = _samples(shown, "baozhuang_http_requests_total")
    assert counted['method="GET",route="/api/v1/applications/{id}",status="200"'] == 3
    assert counted['method="other",route="none",status="404"'] == 1
    assert _samples(shown, "baozhuang_http_problems_total")['code="not-found"'] == 1
    assert case_id not in shown
    assert "secret" not in shown


def test_a_caller_who_breaks_off_is_no_fault_of_the_program(face: Face) -> None:
    client = face.as_("admin")
    headers = {"Authorization": str(client.headers["Authorization"]), "Content-Type": "application/json"}
    with structlog.testing.capture_logs() as lines:
        assert asyncio.run(broken_off(face.app, "/api/v1/applications", headers)) == [499]
    assert [(line["event"], line["status"], line["code"]) for line in lines] == [("request", 499, None)]
    shown = client.get("/metrics").text
    counted = _samples(shown, "baozhuang_http_requests_total")
    assert counted['method="POST",route="/api/v1/applications",status="499"'] == 1
    assert _samples(shown, "baozhuang_http_problems_total") == {}


def test_metrics_of_all_workers_are_added_up(serve: Callable[..., Server], key: str) -> None:
    server = serve(workers=2)
    headers = {"Authorization": f"Bearer {key}"}
    for _ in range(12):
        assert (
            httpx.get(f"{server.url}/api/v1/calendar/2026", headers=headers, timeout=20, verify=PLAIN).status_code
            == 200
        )
    for _ in range(4):
        counted = _samples(
            httpx.get(f"{server.url}/metrics", timeout=20, verify=PLAIN).text, "baozhuang_http_requests_total"
        )
        assert counted['method="GET",route="/api/v1/calendar/{year}",status="200"'] == 12
    server.stop()


LOGGING = """
import logging
from workflow import logs
from workflow.api.context import log
import structlog
logs.configure()
with structlog.contextvars.bound_contextvars(request_id="r-1"):
    log.info("request", route="/x/{id}")
    try:
        try:
            {}["张三丰"]
        except KeyError as error:
            raise ValueError("13800001111") from error
    except ValueError:
        log.exception("internal_error")
        logging.getLogger("uvicorn.error").exception("in the server")
"""


def test_every_line_of_the_log_is_json_and_a_traceback_holds_no_value() -> None:
    done = subprocess.run([sys.executable, "-c", LOGGING], check=True, capture_output=True, text=True)
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["event"] for line in lines] == ["request", "internal_error", "in the server"]
    assert {line["request_id"] for line in lines} == {"r-1"}
    assert all(re.match(r"\d{4}-\d\d-\d\dT.*Z", line["timestamp"]) for line in lines)
    for line in lines[1:]:
        assert [part["type"] for part in line["traceback"]] == ["builtins.ValueError", "builtins.KeyError"]
        assert line["traceback"][0]["frames"]
    assert "张三丰" not in done.stderr
    assert "13800001111" not in done.stderr


def test_a_stopped_server_answers_what_it_has_taken(serve: Callable[..., Server], key: str, database_url: str) -> None:
    server = serve()
    acknowledged: list[str] = []
    refused: list[str] = []
    headers = {"Authorization": f"Bearer {key}"}
    stop = threading.Event()

    def post(worker: int) -> None:
        number = 0
        while not stop.is_set():
            number += 1
            body = {**RESIDENTIAL, "premises": {"id": f"{worker}-{number}"}}
            try:
                answer = httpx.post(
                    f"{server.url}/api/v1/applications", json=body, headers=headers, timeout=20, verify=PLAIN
                )
            except httpx.TransportError:
                return  # it no longer listens, or let go of a connection on which nothing had arrived
            (acknowledged if answer.status_code == 201 else refused).append(answer.text)

    threads = [threading.Thread(target=post, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    while len(acknowledged) < 20 and not refused:
        stop.wait(0.01)
    server.stop()
    stop.set()
    for thread in threads:
        thread.join()
    assert refused == []
    assert server.process.returncode in {0, -signal.SIGTERM}
    database = Database.open(database_url)
    with database.read() as tx:
        stored = {row.id for row in tx.cases()}
    database.close()
    assert stored == {json.loads(text)["id"] for text in acknowledged}


def _holds(description: dict[str, Any], operation: str, method: str, status: str, value: Any) -> None:
    """Validate an answer by the schema its description gives it."""
    response = description["paths"][operation][method]["responses"][status]
    (content,) = response["content"].values()
    jsonschema.Draft202012Validator({**content["schema"], "components": description["components"]}).validate(value)


def test_answers_are_what_the_description_says(face: Face) -> None:
    client = face.as_("admin")
    description = client.get("/openapi.json").json()
    high = {
        **RESIDENTIAL, "customer_kind": "non_residential", "enterprise_size": "large", "capacity_kw": 630,
        "voltage": "high", "supply_count": 2, "documents": [],
    }  # fmt: skip
    one = "/api/v1/applications/{id}"
    for body in (RESIDENTIAL, high):
        made = client.post("/api/v1/applications", json=body)
        _holds(description, "/api/v1/applications", "post", "201", made.json())
        path = f"/api/v1/applications/{made.json()['id']}"
        documents = [{"kind": kind} for kind in ("identity", "premises_title", "project_approval")]
        commands: list[dict[str, Any]] = [
            {"command": "add_approval", "approval": "道路挖掘", "voltage_kv": 10},
            {"command": "register_documents", "documents": documents[: 2 if body is RESIDENTIAL else 3]},
            {"command": "submit_step", "step": "acceptance"},
            {"command": "return_step", "step": "acceptance", "defects": ["身份证过期"]},
            {"command": "submit_step", "step": "acceptance"},
            {"command": "complete_step", "step": "acceptance"},
            {"command": "notify", "notice": "policy", "channel": "sms"},
        ]
        for command in commands:
            answer = client.post(f"{path}/commands", json=command)
            if answer.status_code == 409 and command["command"] in ("return_step", "submit_step"):
                continue  # it waits already, or complete documents started the clock by themselves
            assert answer.status_code == 200, answer.text
            _holds(description, f"{one}/commands", "post", "200", answer.json())
        for part in ("", "/events", "/deadlines", "/documents", "/explain"):
            _holds(description, one + part, "get", "200", client.get(path + part).json())
        refused = client.post(f"{path}/commands", json={"command": "register_documents", "documents": [{"kind": "x"}]})
        _holds(description, f"{one}/commands", "post", "422", refused.json())
        malformed = client.post(f"{path}/commands", json={})
        _holds(description, f"{one}/commands", "post", "400", malformed.json())
    _holds(description, "/api/v1/applications", "get", "200", client.get("/api/v1/applications").json())
    for year in (2024, 2027):
        _holds(description, "/api/v1/calendar/{year}", "get", "200", client.get(f"/api/v1/calendar/{year}").json())
    for name in ("residential", "hv_dual"):
        shown = client.get(f"/api/v1/definitions/{name}").json()
        _holds(description, "/api/v1/definitions/{user_class}", "get", "200", shown)
    records = {"records": [{}, {"case_id": "x", "activity": "fee_paid", "occurred_at": "2024-01-05"}]}
    _holds(description, "/api/v1/evidence", "post", "200", client.post("/api/v1/evidence", json=records).json())
    for path in ("/healthz", "/readyz"):
        _holds(description, path, "get", "200", client.get(path).json())
    _holds(description, "/metrics", "get", "200", client.get("/metrics").text)


def test_bodies_the_description_allows_are_those_that_are_taken(face: Face) -> None:
    client = face.as_("admin")
    description = client.get("/openapi.json").json()

    def allowed(name: str, value: Any) -> bool:
        schema = {"$ref": f"#/components/schemas/{name}", "components": description["components"]}
        return bool(jsonschema.Draft202012Validator(schema).is_valid(value))

    case_id = client.post("/api/v1/applications", json=RESIDENTIAL).json()["id"]
    for body in (RESIDENTIAL, {**RESIDENTIAL, "voltage": "medium"}, {**RESIDENTIAL, "x": 1}, {}):
        answer = client.post("/api/v1/applications", json=body)
        assert allowed("Submission", body) == (answer.status_code != 400), body
    for command in (
        {"command": "complete_step", "step": "acceptance"},
        {"command": "complete_step"},
        {"command": "suspend", "reason": "force_majeure", "notice": "n", "from": "2024-01-08"},
        {"command": "suspend", "reason": "force_majeure", "notice": "n", "from_": "2024-01-08"},
        {"command": "energise"},
    ):
        answer = client.post(f"/api/v1/applications/{case_id}/commands", json=command)
        assert allowed("Command", command) == (answer.status_code != 400), command
