"""What the face refuses before anything is decided: size, type, time, doubt. And how it says so."""

from __future__ import annotations

import datetime as dt
import gzip
import json
from collections.abc import Iterator
from typing import Any

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.api.conftest import RESIDENTIAL, Face
from workflow.api import bodies
from workflow.service import COMMAND_NAMES

MIB = 1024 * 1024
CHUNK = 64 * 1024


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """Nothing here depends on the database."""
    return sqlite_url


def _exchange(
    face: Face, path: str, chunks: Iterator[bytes], *, headers: dict[str, str] | None = None, pause: float = 0
) -> tuple[int, dict[str, Any], int]:
    """POST `chunks` one by one straight into the application: status, problem, and how many chunks it took."""
    client = face.as_("admin")
    sent: list[dict[str, Any]] = []
    taken = 0

    async def receive() -> dict[str, Any]:
        nonlocal taken
        await anyio.sleep(pause)
        taken += 1
        chunk = next(chunks, None)
        return {"type": "http.request", "body": chunk or b"", "more_body": chunk is not None}

    async def send(message: Any) -> None:
        sent.append(message)

    stated = {"authorization": client.headers["Authorization"], "content-type": "application/json", **(headers or {})}
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http",
        "path": path, "raw_path": path.encode(), "root_path": "", "query_string": b"", "state": {},
        "headers": [(name.encode(), value.encode()) for name, value in stated.items()],
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
    }  # fmt: skip
    anyio.run(face.app, scope, receive, send)
    content = b"".join(message.get("body", b"") for message in sent[1:])
    return sent[0]["status"], json.loads(content), taken


def _endless(size: int = CHUNK) -> Iterator[bytes]:
    while True:
        yield b" " * size


def test_a_body_without_end_is_cut_off_at_the_limit(face: Face) -> None:
    status, problem, taken = _exchange(face, "/api/v1/applications", _endless())
    assert (status, problem["code"], problem["limit_bytes"]) == (413, "body-too-large", MIB)
    assert taken == MIB // CHUNK + 1


def test_a_declared_length_over_the_limit_is_refused_unread(face: Face) -> None:
    for length in (str(MIB + 1), "9" * 400):
        status, problem, taken = _exchange(face, "/api/v1/applications", _endless(), headers={"content-length": length})
        assert (status, problem["code"], taken) == (413, "body-too-large", 0)


def test_evidence_may_be_larger_than_a_command(face: Face) -> None:
    client = face.as_("admin")
    padded = json.dumps({"records": [{}]}).encode() + b" " * (2 * MIB)
    headers = {"Content-Type": "application/json"}
    assert client.post("/api/v1/evidence", content=padded, headers=headers).status_code == 200
    assert client.post("/api/v1/applications", content=padded, headers=headers).status_code == 413
    assert _exchange(face, "/api/v1/evidence", _endless(MIB))[0] == 413


def test_a_body_that_does_not_arrive_is_not_waited_for(face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "SECONDS_TO_ARRIVE", 0.05)
    status, problem, _ = _exchange(face, "/api/v1/applications", _endless(1), pause=0.02)
    assert (status, problem["code"]) == (408, "request-timeout")


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/json; charset=gbk"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
)
def test_only_plain_json_is_read(face: Face, headers: dict[str, str]) -> None:
    content = json.dumps(RESIDENTIAL).encode()
    if "Content-Encoding" in headers:
        content = gzip.compress(content)
    answer = face.as_("admin").post("/api/v1/applications", content=content, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported-media-type")


JSON_TYPES = [None, "application/json", "Application/JSON; charset=UTF-8", "application/a+json"]


@pytest.mark.parametrize("declared", JSON_TYPES)
def test_json_by_any_of_its_names_is_read(face: Face, declared: str | None) -> None:
    headers = {} if declared is None else {"Content-Type": declared}
    answer = face.as_("admin").post("/api/v1/applications", content=json.dumps(RESIDENTIAL).encode(), headers=headers)
    assert answer.status_code == 201


def test_a_large_body_is_judged_like_a_small_one(face: Face) -> None:
    """Above 64 KiB a body is read in a thread."""
    documents = [{"kind": "identity", "legal_basis": "法" * 500}] * 100
    body = json.dumps({**RESIDENTIAL, "documents": documents, "channel": "fax"}, ensure_ascii=False).encode()
    assert len(body) > bodies.COMMAND_LIMIT // 8
    answer = face.as_("admin").post("/api/v1/applications", content=body)
    assert [fault["field"] for fault in answer.json()["errors"]] == ["channel"]


def test_every_fault_is_named_by_its_field_in_two_languages_and_no_value_is_repeated(face: Face) -> None:
    body = {**RESIDENTIAL, "capacity_kw": "八千瓦", "documents": [{"kind": "identity"}, {"form": "护照"}], "x\n": 1}
    del body["area"]
    answer = face.as_("admin").post("/api/v1/applications", json=body)
    faults = {fault["field"]: fault for fault in answer.json()["errors"]}
    assert set(faults) == {"capacity_kw", "documents[1].kind", "area", "x\n"}
    assert faults["area"] == {"field": "area", "message": "必填", "message_en": "is required"}
    assert "八千瓦" not in answer.text
    assert "护照" not in answer.text


def test_an_unknown_command_is_answered_with_those_there_are(face: Face) -> None:
    client = face.as_("admin")
    answer = client.post("/api/v1/applications/any/commands", json={"command": "energise"})
    assert answer.status_code == 400
    assert all(f"'{name}'" in answer.json()["detail"] for name in COMMAND_NAMES)


ANYWHERE = {
    "a field twice": b'{"a": 1, "a": 2}',
    "past every float": b"1e400",
    "below every float": b"-1e400",
    "a long integer": b"9" * 19,
    "not a number": b"NaN",
    "a nul": b'"a\\u0000"',
    "a control character in a name": b'{"a\\u0007": 1}',
    "half a surrogate": b'"\\udc00"',
    "half a surrogate in a name": b'[{"\\ud83d": 1}]',
    "seventeen levels": b"[" * 16 + b"]" * 16,
}


@pytest.mark.parametrize("case", ANYWHERE)
def test_what_no_model_looks_at_is_still_looked_at(face: Face, case: str) -> None:
    """`new_value` may be anything; what cannot be stored or shown is refused before it gets there."""
    client = face.as_("admin")
    case_id = client.post("/api/v1/applications", json=RESIDENTIAL).json()["id"]
    body = b'{"command": "correct", "field": "case.capacity_kw", "reason": "r", "new_value": %s}'
    answer = client.post(f"/api/v1/applications/{case_id}/commands", content=body % ANYWHERE[case])
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed-request")
    assert client.get(f"/api/v1/applications/{case_id}").json()["version"] == 1
    kept = client.post(f"/api/v1/applications/{case_id}/commands", content=body % b"9")
    assert kept.status_code == 200


def test_only_the_contracts_names_are_taken(face: Face) -> None:
    client = face.as_("admin")
    for name, status in (("class", 201), ("user_class", 400)):
        override = {name: "residential", "reason": "客户要求"}
        answer = client.post("/api/v1/applications", json={**RESIDENTIAL, "class_override": override})
        assert answer.status_code == status


def test_a_parameter_given_twice_is_a_guess_and_refused(face: Face) -> None:
    answer = face.as_("admin").get("/api/v1/applications?limit=1&limit=2")
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed-request")


def test_of_two_idempotency_keys_none_is_taken(face: Face) -> None:
    client = face.as_("admin")
    keys = [("Idempotency-Key", "1"), ("Idempotency-Key", "2")]
    answer = client.post("/api/v1/applications", json=RESIDENTIAL, headers=keys)
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed-request")
    assert client.get("/api/v1/applications").json()["items"] == []


@pytest.mark.parametrize("version", ['"x"', '"1', "1.5", '"8", "9"', '"x, 1"', '"1" "2"', "9" * 30, "", "W/*"])
def test_a_version_nobody_gave_out_is_stale(face: Face, version: str) -> None:
    client = face.as_("admin")
    case_id = client.post("/api/v1/applications", json=RESIDENTIAL).json()["id"]
    answer = client.post(
        f"/api/v1/applications/{case_id}/commands",
        json={"command": "complete_step", "step": "acceptance"},
        headers={"If-Match": version},
    )
    assert (answer.status_code, answer.json()["code"]) == (412, "stale-version")


def test_the_tag_of_a_reading_is_a_version_to_match(face: Face) -> None:
    client = face.as_("admin")
    case_id = client.post("/api/v1/applications", json=RESIDENTIAL).json()["id"]
    path = f"/api/v1/applications/{case_id}"
    tag = client.get(path).headers["etag"]
    assert tag.startswith('"1-')
    command = {"command": "complete_step", "step": "acceptance"}
    assert client.post(f"{path}/commands", json=command, headers={"If-Match": tag}).status_code == 200
    assert client.post(f"{path}/commands", json=command, headers={"If-Match": tag}).status_code == 412
    assert client.get(path, headers={"If-None-Match": tag}).status_code == 200


def test_a_reading_of_yesterday_is_not_taken_for_todays(face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    """Remaining days change with the date while the version stands still, so the tag must change too."""
    client = face.as_("admin")
    case_id = client.post("/api/v1/applications", json=RESIDENTIAL).json()["id"]
    tag = client.get(f"/api/v1/applications/{case_id}").headers["etag"]
    unchanged = client.get(f"/api/v1/applications/{case_id}", headers={"If-None-Match": f'"0", W/{tag}'})
    assert (unchanged.status_code, unchanged.content, unchanged.headers["etag"]) == (304, b"", tag)
    now = face.service.clock.now()
    monkeypatch.setattr(face.service.clock, "now", lambda: now + dt.timedelta(days=7), raising=False)
    later = client.get(f"/api/v1/applications/{case_id}", headers={"If-None-Match": tag})
    assert (later.status_code, later.json()["version"]) == (200, 1)


WORDS = st.sampled_from(["limit", "cursor", "state", "region", "org", "overdue", "due_before", "manager", "on", "x"])


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=st.binary(max_size=60) | st.text(max_size=40).map(str.encode),
    query=st.dictionaries(WORDS, st.text(max_size=12), max_size=3),
)
def test_no_bytes_and_no_question_break_it(face: Face, body: bytes, query: dict[str, str]) -> None:
    client = face.as_("admin")
    for answer in (
        client.post("/api/v1/applications", content=body, params=query),
        client.post("/api/v1/applications/some-id/commands", content=body),
        client.post("/api/v1/evidence", content=body),
        client.get("/api/v1/applications", params=query),
        client.get("/api/v1/definitions/lv_zero", params=query),
    ):
        assert answer.status_code < 500, answer.text
        if answer.status_code >= 400:
            assert answer.headers["content-type"] == "application/problem+json"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(["Authorization", "Idempotency-Key", "If-Match", "If-None-Match", "X-Request-ID"]),
    value=st.binary(max_size=40).filter(lambda raw: not set(raw) & {0, 10, 13}),
)
def test_no_header_breaks_it(face: Face, name: str, value: bytes) -> None:
    client = face.as_("admin")
    headers = {name.encode(): value}
    assert client.get("/api/v1/calendar/2026", headers=headers).status_code < 500
    command = {"command": "complete_step", "step": "acceptance"}
    assert client.post("/api/v1/applications/some-id/commands", json=command, headers=headers).status_code < 500
