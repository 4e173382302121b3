"""Alerts, supervision orders and causes over HTTP: what is shown, who may do what, what a retry does."""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from storage import StaffRow
from tests.api.alerting import alert_row, cleared, hired, message_row, queued, raised, read, write
from tests.api.conftest import RESIDENTIAL, Face
from workflow.api import alert_answers

FAR = "2099-01-04"
BREACHED = {"occurred_at": "2026-01-05T10:00:00+08:00", "reason": "补录"}
"""Submitted long ago, so that the limit of five working days is broken whenever this test is run."""


def submit(client: Any, **changes: Any) -> str:
    answer = client.post("/api/v1/applications", json={**RESIDENTIAL, **changes})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


# ---- alerts ----------------------------------------------------------------------------------------------------------


def test_an_alert_names_its_application_and_no_person(face: Face) -> None:
    client = face.as_("manager", "JA")
    case_id = submit(client)
    (alert_id,) = raised(face.service, alert_row(case_id, "JA"))
    answer = client.get("/api/v1/alerts")
    (shown,) = answer.json()["items"]
    alert_answers.AlertPage.model_validate_json(answer.content)
    assert (shown["id"], shown["level"], shown["status"]) == (alert_id, "yellow", "open")
    assert shown["application_no"].startswith("BZ-JA-")
    assert (shown["remaining_days"], shown["unit"], shown["due_on"]) == (3, "working_days", "2026-11-26")
    assert shown["raised_at"] == "2026-11-23T09:00:00+08:00"
    assert "张三丰" not in answer.text
    assert "解放路" not in answer.text
    assert client.get(f"/api/v1/alerts/{alert_id}").json() == shown


def test_alerts_are_narrowed_and_paged(face: Face) -> None:
    client = face.as_("supervisor")
    case_id = submit(client)
    ids = raised(
        face.service,
        alert_row(case_id, "JA"),
        alert_row(case_id, "JA", level="red", manager="li"),
        alert_row(None, "YC", level="black"),
        alert_row(None, "HB", level="black"),
    )
    cleared(face.service, ids[0])

    def found(**query: Any) -> list[str]:
        return [one["id"] for one in client.get("/api/v1/alerts", params=query).json()["items"]]

    assert found() == ids[::-1]
    assert found(status="cleared") == [ids[0]]
    assert found(status="standing") == ids[:0:-1]
    assert found(level="black") == [ids[3], ids[2]]
    assert found(manager="li") == [ids[1]]
    assert found(org="WH") == [ids[1], ids[0]]
    assert found(case_id=case_id, level="red") == [ids[1]]
    first = client.get("/api/v1/alerts", params={"limit": 3}).json()
    assert [one["id"] for one in first["items"]] == ids[:0:-1]
    assert found(cursor=first["next"], limit=3) == ids[:1]


def test_a_key_finds_the_alerts_of_its_unit_and_below_and_no_others(face: Face) -> None:
    mine, other, whole = raised(face.service, alert_row(None, "JA"), alert_row(None, "YC"), alert_row(None, None))
    city = face.as_("supervisor", "WH")
    assert [one["id"] for one in city.get("/api/v1/alerts").json()["items"]] == [mine]
    for alert_id in (other, whole):
        assert city.get(f"/api/v1/alerts/{alert_id}").status_code == 404
        assert city.post(f"/api/v1/alerts/{alert_id}/acknowledge").status_code == 404
        snooze = {"until": f"{FAR}T08:00", "reason": "r"}
        assert city.post(f"/api/v1/alerts/{alert_id}/snooze", json=snooze).status_code == 404
        order = {"content": "c", "reply_by": FAR}
        assert city.post(f"/api/v1/alerts/{alert_id}/orders", json=order).status_code == 404
    assert {row.status for row in read(face.service, lambda tx: [tx.alert(other), tx.alert(whole)])} == {"open"}
    assert city.get("/api/v1/orders").json()["items"] == []


def test_the_first_acknowledgement_stands(face: Face) -> None:
    (alert_id,) = raised(face.service, alert_row(None, "JA"))
    wang, li = face.as_("manager", "JA", "wang"), face.as_("manager", "JA", "li")
    first = wang.post(f"/api/v1/alerts/{alert_id}/acknowledge", json={"note": "明日送电"})
    assert first.status_code == 200, first.text
    assert (first.json()["status"], first.json()["acknowledged_by"]) == ("acknowledged", "wang")
    for client in (wang, li):
        again = client.post(f"/api/v1/alerts/{alert_id}/acknowledge")  # a body is not needed
        assert again.json() == first.json()
    assert again.json()["note"] == "明日送电"


def test_of_many_at_once_one_acknowledges(face: Face) -> None:
    (alert_id,) = raised(face.service, alert_row(None, "JA"))
    clients = [face.as_("manager", "JA", f"m{number}") for number in range(6)]
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda client: client.post(f"/api/v1/alerts/{alert_id}/acknowledge"), clients))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["acknowledged_by"] for answer in answers}) == 1


def test_a_cleared_alert_takes_no_more(face: Face) -> None:
    before, after = raised(face.service, alert_row(None, "JA"), alert_row(None, "JA"))
    client = face.as_("manager", "JA")
    done = client.post(f"/api/v1/alerts/{before}/acknowledge").json()
    cleared(face.service, before)
    cleared(face.service, after)
    refused = client.post(f"/api/v1/alerts/{after}/acknowledge")
    assert (refused.status_code, refused.json()["code"]) == (409, "transition-not-allowed")
    assert refused.json()["cleared_because"] == "met"
    snooze = {"until": f"{FAR}T08:00", "reason": "r"}
    assert client.post(f"/api/v1/alerts/{after}/snooze", json=snooze).status_code == 409
    # A retry whose first answer was lost is told that it was done.
    assert client.post(f"/api/v1/alerts/{before}/acknowledge").json()["acknowledged_at"] == done["acknowledged_at"]


def test_an_alert_rests_until_a_moment_that_is_to_come(face: Face) -> None:
    (alert_id,) = raised(face.service, alert_row(None, "JA", escalate_at="2026-11-23T12:00:00.000000+08:00"))
    client = face.as_("manager", "JA")
    path = f"/api/v1/alerts/{alert_id}/snooze"
    shown = client.post(path, json={"until": f"{FAR}T08:30", "reason": "物资明日到货"}).json()
    assert (shown["snoozed_until"], shown["snooze_reason"]) == (f"{FAR}T08:30:00+08:00", "物资明日到货")
    past = client.post(path, json={"until": "2026-01-05T08:30", "reason": "r"})
    assert (past.status_code, past.json()["code"]) == (400, "malformed-request")
    waiting = write(face.service, lambda tx: tx.alerts_to_escalate(f"{FAR}T08:00:00.000000+08:00", 10))
    assert waiting == []


# ---- who may ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "acknowledges", "issues", "reads"),
    [
        ("front_line", 403, 403, (200, 403, 403, 403)),
        ("manager", 200, 403, (200, 200, 403, 403)),
        ("supervisor", 200, 201, (200, 200, 200, 200)),
        ("inspector", 403, 403, (200, 200, 403, 403)),
        ("admin", 200, 201, (200, 200, 200, 200)),
    ],
)
def test_what_each_role_may(face: Face, role: str, acknowledges: int, issues: int, reads: tuple[int, ...]) -> None:
    (alert_id,) = raised(face.service, alert_row(None, "JA"))
    client = face.as_(role, "JA")
    paths = ("alerts", "orders", "messages", "destinations")
    assert tuple(client.get(f"/api/v1/{path}").status_code for path in paths) == reads
    assert client.post(f"/api/v1/alerts/{alert_id}/acknowledge").status_code == acknowledges
    order = {"content": "查明原因", "reply_by": FAR}
    assert client.post(f"/api/v1/alerts/{alert_id}/orders", json=order).status_code == issues


@pytest.mark.parametrize("path", ["alerts", "orders", "breaches", "inbox", "messages", "destinations", "feeds"])
def test_without_a_key_there_is_no_answer(face: Face, path: str) -> None:
    client = face.as_("admin")
    del client.headers["Authorization"]
    assert client.get(f"/api/v1/{path}").status_code == 401


# ---- supervision orders ----------------------------------------------------------------------------------------------


def test_an_order_is_issued_answered_and_closed(face: Face) -> None:
    hired(face.service, StaffRow("wang", "王", "JA", "manager", "mailto://example.com", None))
    boss, wang = face.as_("supervisor", "WH", "boss"), face.as_("manager", "JA", "wang")
    case_id = submit(wang)
    (alert_id,) = raised(face.service, alert_row(case_id, "JA"))
    issued = boss.post(f"/api/v1/alerts/{alert_id}/orders", json={"content": "查明超期原因", "reply_by": FAR})
    assert issued.status_code == 201, issued.text
    order = issued.json()
    assert (order["status"], order["case_id"], order["org"], order["issued_by"]) == ("open", case_id, "JA", "boss")
    assert issued.headers["location"] == f"/api/v1/orders/{order['id']}"
    assert boss.get(issued.headers["location"]).json() == order

    letters = wang.get("/api/v1/inbox").json()["items"]
    assert [(one["kind"], one["order"]["content"]) for one in letters] == [("order", "查明超期原因")]

    early = boss.post(f"/api/v1/orders/{order['id']}/close")
    assert (early.status_code, early.json()["code"]) == (409, "transition-not-allowed")
    said = {"answer": "已送电"}
    answered = wang.post(f"/api/v1/orders/{order['id']}/answer", json=said)
    assert (answered.status_code, answered.json()["status"], answered.json()["answered_by"]) == (
        200,
        "answered",
        "wang",
    )
    assert wang.post(f"/api/v1/orders/{order['id']}/answer", json=said).json() == answered.json()
    assert boss.post(f"/api/v1/orders/{order['id']}/answer", json={"answer": "别的"}).status_code == 409
    closed = boss.post(f"/api/v1/orders/{order['id']}/close", json={"note": "属实"})
    assert (closed.status_code, closed.json()["status"], closed.json()["closed_by"]) == (200, "closed", "boss")
    assert boss.post(f"/api/v1/orders/{order['id']}/close", json={"note": "属实"}).json() == closed.json()
    assert boss.post(f"/api/v1/orders/{order['id']}/close", json={"note": "不属实"}).status_code == 409
    assert [one["id"] for one in boss.get("/api/v1/orders?status=closed").json()["items"]] == [order["id"]]
    assert boss.get("/api/v1/orders?status=open").json()["items"] == []


def test_an_order_of_another_unit_does_not_exist(face: Face) -> None:
    (alert_id,) = raised(face.service, alert_row(None, "JA"))
    asked = {"content": "c", "reply_by": FAR}
    order_id = face.as_("supervisor", "WH").post(f"/api/v1/alerts/{alert_id}/orders", json=asked).json()["id"]
    other = face.as_("supervisor", "YC")
    assert other.get("/api/v1/orders").json()["items"] == []
    assert other.get(f"/api/v1/orders/{order_id}").status_code == 404
    assert other.post(f"/api/v1/orders/{order_id}/answer", json={"answer": "a"}).status_code == 404
    assert other.post(f"/api/v1/orders/{order_id}/close").status_code == 404
    assert read(face.service, lambda tx: tx.order(order_id).status) == "open"


def test_who_answered_does_not_close(face: Face) -> None:
    (alert_id,) = raised(face.service, alert_row(None, "JA"))
    boss, second = face.as_("supervisor", "JA", "boss"), face.as_("supervisor", "JA", "second")
    order_id = boss.post(f"/api/v1/alerts/{alert_id}/orders", json={"content": "c", "reply_by": FAR}).json()["id"]
    assert boss.post(f"/api/v1/orders/{order_id}/answer", json={"answer": "a"}).status_code == 200
    own = boss.post(f"/api/v1/orders/{order_id}/close")
    assert (own.status_code, own.json()["code"]) == (403, "not-permitted")
    assert second.post(f"/api/v1/orders/{order_id}/close").status_code == 200


def test_the_same_key_is_the_same_order(face: Face) -> None:
    hired(face.service, StaffRow("wang", "王", "JA", "manager", None, None))
    (alert_id,) = raised(face.service, alert_row(None, "JA"))
    boss = face.as_("supervisor", "JA")
    asked = {"content": "c", "reply_by": FAR}
    path, key = f"/api/v1/alerts/{alert_id}/orders", {"Idempotency-Key": "k-1"}
    first = boss.post(path, json=asked, headers=key)
    again = boss.post(path, json=asked, headers=key)
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["idempotent-replayed"] == "true"
    other = boss.post(path, json={**asked, "content": "d"}, headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")
    with ThreadPoolExecutor(6) as pool:
        many = list(pool.map(lambda _: boss.post(path, json=asked, headers={"Idempotency-Key": "k-2"}), range(12)))
    assert len({answer.json()["id"] for answer in many}) == 1
    assert len(boss.get("/api/v1/orders").json()["items"]) == 2
    assert len(face.as_("manager", "JA", "wang").get("/api/v1/inbox").json()["items"]) == 2


def test_an_order_lies_before_its_reply_and_is_looked_at_when_that_comes_near(face: Face) -> None:
    (alert_id,) = raised(face.service, alert_row(None, "JA"))
    boss = face.as_("supervisor", "JA")
    path = f"/api/v1/alerts/{alert_id}/orders"
    past = boss.post(path, json={"content": "c", "reply_by": "2026-01-05"})
    assert (past.status_code, past.json()["code"]) == (400, "malformed-request")
    order_id = boss.post(path, json={"content": "c", "reply_by": "2098-06-18"}).json()["id"]
    # One working day before Wednesday 2098-06-18 [D-ORDERS]; the 17th is a Tuesday.
    assert dt.date(2098, 6, 18).isoweekday() == 3
    assert read(face.service, lambda tx: tx.order(order_id).look_on) == "2098-06-17"
    boss.post(f"/api/v1/orders/{order_id}/answer", json={"answer": "a"})
    assert read(face.service, lambda tx: tx.order(order_id).look_on) is None


# ---- causes ----------------------------------------------------------------------------------------------------------


def test_each_breach_gets_a_cause_and_a_correction_is_added(face: Face) -> None:
    client = face.as_("manager", "JA", "wang")
    case_id = submit(client, **BREACHED)
    open_breaches = client.get("/api/v1/breaches?cause=none").json()["items"]
    assert [(one["case_id"], one["key"], one["overdue"], one["cause"]) for one in open_breaches] == [
        (case_id, "total", True, None)
    ]
    assert (open_breaches[0]["due_on"], open_breaches[0]["budget_working_days"]) == ("2026-01-12", 5)
    path = f"/api/v1/applications/{case_id}/causes"
    first = client.post(path, json={"key": "total", "cause": "material", "note": "电缆未到"})
    assert first.status_code == 201, first.text
    assert (first.json()["name"], first.json()["counts"]) == ("物资供应", True)
    client.post(path, json={"key": "total", "cause": "government"})
    stated = client.get(path).json()["items"]
    assert [(one["cause"], one["counts"]) for one in stated] == [("material", False), ("government", True)]
    assert client.get("/api/v1/breaches?cause=none").json()["items"] == []
    (shown,) = client.get("/api/v1/breaches?cause=stated").json()["items"]
    assert shown["cause"]["cause"] == "government"
    assert face.as_("supervisor", "YC").get("/api/v1/breaches").json()["items"] == []
    assert face.as_("supervisor", "YC").get(path).status_code == 404


def test_a_kept_limit_has_no_cause_and_the_list_of_causes_is_closed(face: Face) -> None:
    client = face.as_("manager", "JA")
    kept, broken = submit(client), submit(client, premises={"id": "P-2"}, **BREACHED)

    def state(case_id: str, **asked: str) -> tuple[int, str]:
        answer = client.post(f"/api/v1/applications/{case_id}/causes", json=asked)
        return answer.status_code, answer.json().get("code")

    assert state(kept, key="total", cause="utility") == (409, "transition-not-allowed")
    assert state(broken, key="total", cause="weather") == (400, "malformed-request")
    assert state(broken, key="step:metering:9", cause="utility") == (400, "malformed-request")
    assert state("none", key="total", cause="utility") == (404, "not-found")
    assert [row for case in (kept, broken) for row in read(face.service, lambda tx, c=case: tx.causes([c]))] == []


def test_the_same_key_states_a_cause_once(face: Face) -> None:
    client = face.as_("manager", "JA")
    case_id = submit(client, **BREACHED)
    asked, key = {"key": "total", "cause": "customer"}, {"Idempotency-Key": "k"}
    path = f"/api/v1/applications/{case_id}/causes"
    first = client.post(path, json=asked, headers=key)
    again = client.post(path, json=asked, headers=key)
    assert (again.status_code, again.json()["id"]) == (201, first.json()["id"])
    assert len(client.get(path).json()["items"]) == 1


def test_breaches_are_paged(face: Face) -> None:
    client = face.as_("manager", "JA")
    made = [submit(client, premises={"id": f"P-{number}"}, **BREACHED) for number in range(3)]
    first = client.get("/api/v1/breaches?limit=2").json()
    rest = client.get("/api/v1/breaches", params={"limit": 2, "cursor": first["next"]}).json()
    assert [one["case_id"] for one in first["items"] + rest["items"]] == made[::-1]
    assert rest["next"] is None


# ---- inbox and outbox ------------------------------------------------------------------------------------------------


def test_the_inbox_is_of_the_person_the_key_belongs_to(face: Face) -> None:
    (alert_id,) = raised(face.service, alert_row(None, "JA"))
    mine, _other, _webhook, _waiting = queued(
        face.service,
        message_row("wang", alert_id=alert_id, org="JA"),
        message_row("li", org="JA"),
        message_row("wang", channel="apprise"),
        message_row("wang", status="pending", sent_at=None),
    )
    wang, li = face.as_("manager", "JA", "wang"), face.as_("manager", "JA", "li")
    answer = wang.get("/api/v1/inbox")
    alert_answers.LetterPage.model_validate_json(answer.content)
    (letter,) = answer.json()["items"]
    assert (letter["id"], letter["alert"]["id"], letter["read_at"]) == (mine, alert_id, None)
    assert li.post(f"/api/v1/inbox/{mine}/read").status_code == 404
    first = wang.post(f"/api/v1/inbox/{mine}/read").json()
    assert first["read_at"] is not None
    assert wang.post(f"/api/v1/inbox/{mine}/read").json() == first
    assert wang.get("/api/v1/inbox?unread=true").json()["items"] == []
    assert len(wang.get("/api/v1/inbox?unread=false").json()["items"]) == 1
    # What was cleared meanwhile says so.
    cleared(face.service, alert_id)
    assert wang.get("/api/v1/inbox").json()["items"][0]["alert"]["status"] == "cleared"


def test_a_dead_letter_says_why_and_goes_out_again_under_its_old_id(face: Face) -> None:
    dead, sent = queued(
        face.service,
        message_row(
            "destination:1", org="JA", channel="webhook", status="dead", sent_at=None, attempts=9, last_error="410 Gone"
        ),
        message_row("wang", org="JA"),
    )
    client = face.as_("supervisor", "WH")
    answer = client.get("/api/v1/messages?status=dead")
    alert_answers.MessagePage.model_validate_json(answer.content)
    assert [(one["id"], one["last_error"], one["attempts"]) for one in answer.json()["items"]] == [
        (dead, "410 Gone", 9)
    ]
    assert face.as_("supervisor", "YC").post(f"/api/v1/messages/{dead}/retry").status_code == 404
    again = client.post(f"/api/v1/messages/{dead}/retry")
    assert (again.status_code, again.json()["id"], again.json()["status"]) == (200, dead, "pending")
    assert client.get("/api/v1/messages?status=dead").json()["items"] == []
    assert client.post(f"/api/v1/messages/{dead}/retry").status_code == 409
    assert client.post(f"/api/v1/messages/{sent}/retry").status_code == 409
