"""Calendar feeds over HTTP: who makes them, what they show, how they end. Read by an independent parser."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from ical.calendar_stream import IcsCalendarStream
from starlette.testclient import TestClient

from tests.api.conftest import RESIDENTIAL, Face
from workflow.api import alert_answers
from workflow.service import Service

BUSINESS: dict[str, Any] = {
    **RESIDENTIAL, "customer_kind": "non_residential", "enterprise_size": "small", "capacity_kw": 100,
}  # fmt: skip


def submit(client: Any, **changes: Any) -> dict[str, Any]:
    answer = client.post("/api/v1/applications", json={**RESIDENTIAL, "manager": "wang", **changes})
    assert answer.status_code == 201, answer.text
    built: dict[str, Any] = answer.json()
    return built


def complete(client: Any, case_id: str, step: str) -> None:
    body = {"command": "complete_step", "step": step}
    assert client.post(f"/api/v1/applications/{case_id}/commands", json=body).status_code == 200


class Phone:
    """A telephone: no key, only the address."""

    def __init__(self, face: Face, path: str) -> None:
        self.client = TestClient(face.app, raise_server_exceptions=False)
        self.path = path

    def ask(self, **headers: str) -> Any:
        return self.client.get(self.path, headers={name.replace("_", "-"): value for name, value in headers.items()})

    def events(self) -> dict[str, Any]:
        calendar = IcsCalendarStream.calendar_from_ics(self.ask().text)
        return {str(event.uid): event for event in calendar.events}


@pytest.fixture
def feed(face: Face) -> Phone:
    made = face.as_("manager", "JA", "wang").post("/api/v1/feeds")
    assert made.status_code == 201, made.text
    alert_answers.NewFeedShape.model_validate_json(made.content)
    assert made.json()["manager"] == "wang"
    return Phone(face, made.json()["path"])


def test_a_feed_shows_the_due_dates_of_its_manager_until_they_are_met(face: Face, feed: Phone) -> None:
    wang = face.as_("manager", "JA", "wang")
    shown = submit(wang)
    submit(wang, manager="li", premises={"id": "P-2"})
    submit(face.as_("front_line", "YC"), premises={"id": "P-3"})  # wang's namesake in another city
    (uid,) = feed.events()
    event = feed.events()[uid]
    due = dt.date.fromisoformat(shown["deadlines"][0]["due_on"])
    assert uid == f"{shown['id']}.total@baozhuang"
    assert (event.dtstart, event.dtend) == (due, due + dt.timedelta(days=1))
    assert event.summary.removeprefix("〔暂定〕") == f"全过程到期 {shown['application_no']}"
    assert event.summary.startswith("〔暂定〕") == shown["deadlines"][0]["provisional"]
    assert "5 个工作日" in event.description
    assert event.sequence == 1
    complete(wang, shown["id"], "acceptance")
    assert {one: event.sequence for one, event in feed.events().items()} == {uid: 2}
    complete(wang, shown["id"], "metering")
    assert feed.events() == {}


def test_a_feed_holds_no_personal_data(face: Face, feed: Phone) -> None:
    submit(face.as_("manager", "JA", "wang"), customer={"id": "C-77", "name": "张三丰", "phone": "13800001111"})
    text = feed.ask().text.replace("\r\n ", "")
    assert "BEGIN:VEVENT" in text
    for secret in ("张三丰", "13800001111", "解放路", "C-77", "P-1"):
        assert secret not in text


def test_internal_milestones_say_that_they_are_no_limits(face: Face, feed: Phone) -> None:
    shown = submit(face.as_("manager", "JA", "wang"), **BUSINESS)
    events = feed.events()
    total = events.pop(f"{shown['id']}.total@baozhuang")
    assert "内部" not in total.summary
    assert sorted(events) == sorted(
        f"{shown['id']}.milestone:{code}@baozhuang" for code in ("visit", "materials", "outage_plan", "start", "finish")
    )
    for event in events.values():
        assert "内部里程碑" in event.summary
        assert "不是法定时限" in event.description


def test_nothing_new_is_304_and_a_change_is_not(face: Face, feed: Phone) -> None:
    wang = face.as_("manager", "JA", "wang")
    shown = submit(wang)
    first = feed.ask()
    assert first.headers["content-type"] == "text/calendar; charset=utf-8"
    assert first.headers["last-modified"].endswith(" GMT")
    tag = first.headers["etag"]
    assert feed.ask(If_None_Match=tag).status_code == 304
    complete(wang, shown["id"], "acceptance")
    assert feed.ask(If_None_Match=tag).status_code == 200
    complete(wang, shown["id"], "metering")
    # The date has gone and left nothing newer behind: a date alone must not answer "not modified".
    emptied = feed.ask(If_Modified_Since=first.headers["last-modified"])
    assert (emptied.status_code, "BEGIN:VEVENT" in emptied.text) == (200, False)


def test_unknown_and_revoked_are_told_apart_by_nobody(face: Face, feed: Phone) -> None:
    wang = face.as_("manager", "JA", "wang")
    (listed,) = wang.get("/api/v1/feeds").json()["items"]
    assert "token" not in listed
    revoked = wang.post(f"/api/v1/feeds/{listed['id']}/revoke")
    assert (revoked.status_code, revoked.json()["revoked_at"] is None) == (200, False)
    assert wang.post(f"/api/v1/feeds/{listed['id']}/revoke").json() == revoked.json()
    gone = feed.ask().json()
    for path in (f"/feeds/{'x' * 43}.ics", "/feeds/x.ics", "/feeds/%00.ics", f"/feeds/{'é' * 20}.ics"):
        unknown = Phone(face, path).ask()
        assert unknown.status_code == 404, path
        assert {**unknown.json(), "instance": ""} == {**gone, "instance": ""}


def test_the_token_stands_nowhere_in_the_database(face: Face, feed: Phone, service_rows: Any) -> None:
    token = feed.path.removeprefix("/feeds/").removesuffix(".ics")
    assert len(token) >= 43
    assert token not in service_rows(face.service)


@pytest.fixture
def service_rows() -> Any:
    def rows(service: Service) -> str:
        with service.database.read() as tx:
            return repr(tx.feeds())

    return rows


def test_who_may_make_whose_feed(face: Face) -> None:
    wang, boss = face.as_("manager", "JA", "wang"), face.as_("supervisor", "WH", "boss")
    others = wang.post("/api/v1/feeds", json={"manager": "li"})
    assert (others.status_code, others.json()["code"]) == (403, "not-permitted")
    assert boss.post("/api/v1/feeds", json={"manager": "li"}).status_code == 201
    assert face.as_("front_line", "JA").post("/api/v1/feeds").status_code == 403
    assert face.as_("inspector", "JA").post("/api/v1/feeds").status_code == 403
    made = wang.post("/api/v1/feeds").json()
    assert [one["manager"] for one in wang.get("/api/v1/feeds").json()["items"]] == ["wang"]
    assert {one["manager"] for one in boss.get("/api/v1/feeds").json()["items"]} == {"li", "wang"}
    for stranger in (face.as_("supervisor", "YC"), face.as_("manager", "JA", "li")):
        assert stranger.post(f"/api/v1/feeds/{made['id']}/revoke").status_code == 404
    assert Phone(face, made["path"]).ask().status_code == 200


def test_milestones_of_an_application(face: Face) -> None:
    client = face.as_("inspector", "WH")
    shown = submit(face.as_("front_line", "JA"), **BUSINESS)
    answer = client.get(f"/api/v1/applications/{shown['id']}/milestones")
    page = alert_answers.MilestonePage.model_validate_json(answer.content)
    assert [one.milestone for one in page.items] == ["visit", "materials", "outage_plan", "start", "finish"]
    assert [one.budget_working_days for one in page.items] == [3, 6, 7, 9, 13]  # of 15 [D-MILESTONES]
    assert {one.status for one in page.items} == {"running"}
    assert {one["scope"] for one in shown["deadlines"]} == {"total"}
    assert face.as_("inspector", "YC").get(f"/api/v1/applications/{shown['id']}/milestones").status_code == 404
