"""Whatever is sent about alerts, orders, receivers and feeds, the answer is a clear 4xx and nothing is half-written."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.api.alerting import alert_row, raised, read
from tests.api.conftest import Face
from tests.api.test_bad_input import ANYTHING

JSON = {"Content-Type": "application/json"}
FAR = "2099-01-05"
GOOD: dict[str, dict[str, Any]] = {
    "/alerts/{alert}/acknowledge": {"note": "n"},
    "/alerts/{alert}/snooze": {"until": f"{FAR}T08:00", "reason": "r"},
    "/alerts/{alert}/orders": {"content": "c", "reply_by": FAR},
    "/orders/{order}/answer": {"answer": "a"},
    "/orders/{order}/close": {"note": "n"},
    "/applications/{alert}/causes": {"key": "total", "cause": "utility", "note": "n"},
    "/destinations": {"name": "n", "kind": "webhook", "url": "https://hooks.example/", "events": ["red"], "org": "JA"},
    "/feeds": {"manager": "wang"},
}
"""Every body that is taken, with all its fields."""


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """What is refused before it reaches the database needs only one kind of it."""
    return sqlite_url


@pytest.fixture(autouse=True)
def _nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workflow.service.addresses._look_up", lambda *_: ())


@pytest.fixture
def places(face: Face) -> dict[str, str]:
    (alert_id,) = raised(face.service, alert_row(None, "JA"))
    order = face.as_("admin").post(f"/api/v1/alerts/{alert_id}/orders", json={"content": "c", "reply_by": FAR}).json()
    return {"alert": alert_id, "order": order["id"]}


def untouched(face: Face, places: dict[str, str]) -> bool:
    def look(tx: Any) -> bool:
        alert, order = tx.alert(places["alert"]), tx.order(places["order"])
        return (alert.status, alert.snoozed_until, order.status, len(tx.list_orders())) == (
            "open",
            None,
            "open",
            1,
        ) and not (tx.destinations() or tx.feeds())

    return bool(read(face.service, look))


def test_the_good_bodies_name_every_field(face: Face) -> None:
    """So that a field that is added is tried here too."""
    schema = face.as_("admin").get("/openapi.json").json()
    for path, body in GOOD.items():
        template = path.replace("{alert}", "{id}").replace("{order}", "{id}")
        asked = schema["paths"][f"/api/v1{template}"]["post"]["requestBody"]["content"]["application/json"]["schema"]
        component = schema["components"]["schemas"][asked["$ref"].rpartition("/")[2]]
        assert set(component["properties"]) == set(body), path


RAW = {
    "cut short": b'{"note": "',
    "not json": b"note=1",
    "a list": b"[]",
    "a number": b"7",
    "null": b"null",
    "NaN": b'{"note": NaN}',
    "unknown field": b'{"actor": "root"}',
    "deep": b'{"a":' * 5000 + b"1" + b"}" * 5000,
    "bad utf-8": b'{"note": "\xff"}',
    "twice": b'{"note": "a", "note": "b"}',
    "nul": b'{"note": "a\\u0000b"}',
    "surrogate": b'{"note": "\\ud800"}',
}


@pytest.mark.parametrize("path", GOOD)
def test_what_is_no_request_is_a_clear_400(face: Face, places: dict[str, str], path: str) -> None:
    client = face.as_("admin")
    for name, raw in RAW.items():
        answer = client.post(f"/api/v1{path.format(**places)}", content=raw, headers=JSON)
        assert (answer.status_code, answer.json()["code"]) == (400, "malformed-request"), name
    too_much = client.post(f"/api/v1{path.format(**places)}", content=b"x" * 10_000_000, headers=JSON)
    assert too_much.status_code == 413
    form = client.post(f"/api/v1{path.format(**places)}", content=b"a=1", headers={"Content-Type": "text/plain"})
    assert form.status_code == 415
    assert untouched(face, places)


FIELDS = [(path, field) for path, body in GOOD.items() for field in body]
WRONG: list[Any] = [7, 1.5, True, [], {}, "", "x" * 5000, "\u0007", ["red"] * 50, "no-such-value\n"]
FREE_TEXT = {"note", "content", "answer", "reason", "name", "manager"}


@pytest.mark.parametrize(("path", "field"), FIELDS)
def test_a_wrong_value_of_any_field_is_a_clear_4xx(face: Face, places: dict[str, str], path: str, field: str) -> None:
    client = face.as_("admin")
    for value in WRONG:
        if field in FREE_TEXT and value == "no-such-value\n":
            continue
        answer = client.post(f"/api/v1{path.format(**places)}", json={**GOOD[path], field: value})
        assert answer.status_code in (400, 404, 422), (value, answer.text)
        assert answer.json()["detail"]
    assert untouched(face, places)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.sampled_from(FIELDS), value=ANYTHING)
def test_no_value_of_any_field_breaks_it(face: Face, places: dict[str, str], at: tuple[str, str], value: Any) -> None:
    path, field = at
    body = json.dumps({**GOOD[path], field: value}, ensure_ascii=True).encode()
    answer = face.as_("admin").post(f"/api/v1{path.format(**places)}", content=body, headers=JSON)
    assert answer.status_code < 500, answer.text


@pytest.mark.parametrize(
    "path",
    [
        "alerts?status=closed", "alerts?level=purple", "alerts?limit=0", "alerts?limit=x", "alerts?cursor=%00",
        "alerts?manager=%0A", "alerts?nonsense=1", "alerts?level=red&level=black", "orders?status=new",
        "orders?case_id=%20", "breaches?cause=material", "breaches?cursor=~", "breaches?cursor=a",
        "inbox?unread=perhaps",
        "messages?status=lost", "applications.xlsx?limit=5", "applications.xlsx?language=fr", "alerts.xlsx?status=x",
    ],
)  # fmt: skip
def test_a_bad_question_is_a_clear_400(face: Face, path: str) -> None:
    answer = face.as_("admin").get(f"/api/v1/{path}")
    assert answer.status_code == 400, answer.text
    assert answer.headers["content-type"].startswith("application/problem+json")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/alerts/{}"), ("POST", "/alerts/{}/acknowledge"), ("GET", "/orders/{}"), ("POST", "/orders/{}/close"),
        ("POST", "/inbox/{}/read"), ("POST", "/messages/{}/retry"), ("POST", "/destinations/{}/disable"),
        ("POST", "/destinations/{}/test"), ("POST", "/feeds/{}/revoke"), ("GET", "/applications/{}/causes"),
        ("GET", "/applications/{}/milestones"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_not_found(face: Face, method: str, path: str) -> None:
    client = face.as_("admin")
    unknown = client.request(method, f"/api/v1{path.format('01900000-0000-7000-8000-000000000000')}")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "not-found")
    for odd in ("%00", "a%20b", "x" * 65, "%C3%A9"):
        assert client.request(method, f"/api/v1{path.format(odd)}").status_code in (400, 404)
    wrong = client.request("DELETE", f"/api/v1{path.format('x')}")
    assert wrong.status_code == 405


@pytest.mark.parametrize("items", ["applications", "alerts", "orders", "breaches", "findings"])
def test_a_list_of_a_unit_that_there_is_none_of_is_refused(face: Face, items: str) -> None:
    """An empty list would say that the unit has nothing. `YC` is there and has nothing."""
    client = face.as_("admin")
    answer = client.get(f"/api/v1/{items}", params={"org": "NOWHERE"})
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown-org")
    assert [(one["field"], "NOWHERE" in one["message_en"]) for one in answer.json()["errors"]] == [("org", True)]
    assert client.get(f"/api/v1/{items}", params={"org": "YC"}).json()["items"] == []


def test_what_may_stand_there_is_told_in_either_language(face: Face) -> None:
    problem = face.as_("admin").get("/api/v1/alerts", params={"level": "pink"}).json()
    assert problem["detail"] == "query.level: 应为 'yellow', 'orange', 'red', 'black' 之一"
    assert problem["detail_en"] == "query.level: must be one of 'yellow', 'orange', 'red' or 'black'"
