"""Whatever is sent, the answer is a clear 4xx problem and nothing is half-written."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.api.conftest import RESIDENTIAL, Face


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """What is refused before it reaches the database needs only one kind of it."""
    return sqlite_url


JSON = {"Content-Type": "application/json"}


def _body(**changes: Any) -> bytes:
    return json.dumps({**RESIDENTIAL, **changes}).encode()


BODIES = {
    "nothing": b"",
    "cut short": b'{"customer": {"id": "C',
    "not json": b"customer=1",
    "a list": b"[]",
    "a number": b"7",
    "null": b"null",
    "NaN": _body().replace(b'"capacity_kw": 8', b'"capacity_kw": NaN'),
    "infinity": _body().replace(b'"capacity_kw": 8', b'"capacity_kw": -Infinity'),
    "1e400": _body().replace(b'"capacity_kw": 8', b'"capacity_kw": 1e400'),
    "5000 digits": _body().replace(b'"capacity_kw": 8', b'"capacity_kw": ' + b"9" * 5000),
    "zero": _body(capacity_kw=0),
    "negative": _body(capacity_kw=-5),
    "text for a number": _body(capacity_kw="8"),
    "true for a number": _body(capacity_kw=True),
    "unknown field": _body(actor="root"),
    "unknown nested field": _body(customer={"id": "1", "admin": True}),
    "unknown value": _body(voltage="medium"),
    "three supplies": _body(supply_count=3),
    "fractional supplies": _body(supply_count=1.5),
    "bad region": _body(region="42"),
    "year 1": _body(occurred_at="0001-01-01T00:00:00+08:00", reason="r"),
    "year 9999": _body(occurred_at="9999-12-31T23:59:59-12:00", reason="r"),
    "a number for a time": _body(occurred_at=1704679200, reason="r"),
    "no such day": _body(occurred_at="2024-02-30T10:00", reason="r"),
    "nul": _body(external_id="a\u0000b"),
    "lone surrogate": _body().replace(b'"C-1"', b'"\\ud800"'),
    "control character": _body(customer={"id": "a\u0007"}),
    "blank id": _body(premises={"id": " "}),
    "blank of full width": _body(customer={"id": "\u3000"}),
    "empty id": _body(premises={"id": ""}),
    "long id": _body(premises={"id": "x" * 65}),
    "many documents": _body(documents=[{"kind": "identity"}] * 101),
    "wrong documents": _body(documents={"kind": "identity"}),
    "deep": b'{"a":' * 5000 + b"1" + b"}" * 5000,
    "deep list": b"[" * 100_000,
    "bad utf-8": b'{"customer": "\xff\xfe"}',
    "utf-16": json.dumps(RESIDENTIAL).encode("utf-16"),
    "twice": b'{"region": "420100", "region": "420200"}',
}


@pytest.mark.parametrize("name", BODIES)
def test_a_bad_submission_is_a_clear_400(face: Face, name: str) -> None:
    client = face.as_("front_line")
    answer = client.post("/api/v1/applications", content=BODIES[name], headers=JSON)
    assert answer.status_code == 400, answer.text
    assert answer.json()["code"] == "malformed-request"
    assert answer.json()["detail"]
    assert client.get("/api/v1/applications").json()["items"] == []


def test_an_approval_without_its_decision_names_the_field(face: Face) -> None:
    client = face.as_("admin")
    case_id = client.post("/api/v1/applications", json=RESIDENTIAL).json()["id"]
    answer = client.post(f"/api/v1/applications/{case_id}/commands", json={"command": "decide_approval"})
    assert [fault["field"] for fault in answer.json()["errors"]] == ["decide_approval.decision"]


def test_ten_megabytes_are_refused(face: Face) -> None:
    client = face.as_("front_line")
    answer = client.post("/api/v1/applications", content=b"x" * 10_000_000, headers=JSON)
    assert answer.status_code == 413


COMMANDS = [
    {},
    {"command": "energise"},
    {"command": 7},
    {"command": "complete_step"},
    {"command": "complete_step", "step": ["metering"]},
    {"command": "complete_step", "step": "metering", "actor": "boss"},
    {"command": "return_step", "step": "acceptance", "defects": []},
    {"command": "return_step", "step": "acceptance", "defects": [" "]},
    {"command": "waive_step", "step": "acceptance", "legal_basis": "\u200b\ufeff"},
    {"command": "withdraw", "reason": "r", "evidence": {"ref": "\u00a0"}},
    {"command": "suspend", "reason": "customer", "notice": "n", "from": "2024-01-08"},
    {"command": "suspend", "reason": "force_majeure", "notice": "n", "from": "yesterday"},
    {"command": "withdraw", "reason": "r"},
    {"command": "terminate", "reason": "bored"},
    {"command": "rate", "score": 6},
    {"command": "rate", "score": 4.5},
    {"command": "countersign", "event": 10**30},
    {"command": "add_charge", "item": "x", "amount": -1},
    {"command": "decide_approval"},
]


@pytest.mark.parametrize("body", COMMANDS, ids=json.dumps)
def test_a_bad_command_is_a_clear_400(face: Face, body: dict[str, Any]) -> None:
    client = face.as_("admin")
    case_id = client.post("/api/v1/applications", json=RESIDENTIAL).json()["id"]
    answer = client.post(f"/api/v1/applications/{case_id}/commands", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed-request")
    assert client.get(f"/api/v1/applications/{case_id}").json()["version"] == 1


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/applications?limit=0", "/api/v1/applications?limit=1000000000", "/api/v1/applications?limit=x",
        "/api/v1/applications?cursor=%00", "/api/v1/applications?due_before=0001-99-99",
        "/api/v1/applications?overdue=perhaps", "/api/v1/applications?nonsense=1",
        "/api/v1/definitions/hv_dual?on=99999-01-01", "/api/v1/calendar/abc",
    ],
)  # fmt: skip
def test_a_bad_question_is_a_clear_400(face: Face, path: str) -> None:
    answer = face.as_("front_line").get(path)
    assert answer.status_code == 400, answer.text
    assert answer.headers["content-type"].startswith("application/problem+json")


@pytest.mark.parametrize("path", ["/api/v1/applications/none", "/api/v1/applications/%00", "/api/v1/nothing", "/x"])
def test_what_is_not_there_is_not_found(face: Face, path: str) -> None:
    assert face.as_("front_line").get(path).status_code in (400, 404)


@pytest.mark.parametrize("key", ["", "x" * 256, "tab\there", "\u00e9"])
def test_a_bad_idempotency_key_is_refused(face: Face, key: str) -> None:
    answer = face.as_("front_line").post(
        "/api/v1/applications", json=RESIDENTIAL, headers=[(b"Idempotency-Key", key.encode("latin-1"))]
    )
    assert answer.status_code == 400


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(field=st.sampled_from(sorted(RESIDENTIAL)), value=ANYTHING)
def test_no_value_of_any_field_breaks_it(face: Face, field: str, value: Any) -> None:
    client = face.as_("front_line")
    body = json.dumps({**RESIDENTIAL, field: value}, ensure_ascii=True).encode()
    assert client.post("/api/v1/applications", content=body, headers=JSON).status_code < 500


def test_evidence_is_answered_row_by_row(face: Face) -> None:
    client = face.as_("inspector")
    case_id = face.as_("front_line").post("/api/v1/applications", json=RESIDENTIAL).json()["id"]
    good = {"case_id": case_id, "activity": "meter_installed", "lifecycle": "observed",
            "occurred_at": "2024-01-05T10:00", "source": "metering"}  # fmt: skip
    rows: list[Any] = [good, {**good, "occurred_at": "soon"}, {**good, "case_id": "none"}, {}, good]
    answers = client.post("/api/v1/evidence", json={"records": rows}).json()["items"]
    assert [one["accepted"] for one in answers] == [True, False, False, False, True]
    assert all(one.get("reason") for one in answers if not one["accepted"])
    assert answers[4]["duplicate"] is True


def test_a_record_that_cannot_be_stored_keeps_no_other_out(face: Face) -> None:
    client = face.as_("inspector")
    case_id = face.as_("front_line").post("/api/v1/applications", json=RESIDENTIAL).json()["id"]
    good = {
        "case_id": case_id,
        "activity": "meter_installed",
        "lifecycle": "observed",
        "occurred_at": "2024-01-05T10:00",
    }
    deep: Any = "x"
    for _ in range(17):
        deep = [deep]
    bad = [{**good, "note": "a\u0000b"}, {**good, "\ud800": 1}, {**good, "note": deep}, "a\u0007", ["\ud83d"]]
    answer = client.post("/api/v1/evidence", content=json.dumps({"records": [*bad, good]}).encode(), headers=JSON)
    assert answer.status_code == 200
    items = answer.json()["items"]
    assert [one["accepted"] for one in items] == [False] * 5 + [True]
    assert items[0]["reason"].startswith("note 含有控制字符")
    assert all(" / " in one["reason"] for one in items[:5])
    beside = json.dumps({"records": [good], "\ud800": 1}).encode()
    assert client.post("/api/v1/evidence", content=beside, headers=JSON).status_code == 400


def test_a_query_outside_a_closed_list_is_told_the_parameter_and_what_it_may_be(face: Face) -> None:
    client, tried = face.as_("admin"), []
    for path, methods in client.get("/openapi.json").json()["paths"].items():
        for parameter in methods.get("get", {}).get("parameters", []):
            schemas = parameter["schema"].get("anyOf", [parameter["schema"]])
            allowed = [value for schema in schemas for value in schema.get("enum", ())]
            if parameter["in"] != "query" or not allowed:
                continue
            answer = client.get(path.replace("{id}", "x"), params={parameter["name"]: "foo"}).json()
            faults = {fault["field"]: fault for fault in answer["errors"]}
            fault = faults[f"query.{parameter['name']}"]
            assert all(repr(value) in fault["message"] and repr(value) in fault["message_en"] for value in allowed)
            assert not any("literal" in field for field in faults)
            tried.append(f"{path} {parameter['name']}")
    assert "/api/v1/findings status" in tried
