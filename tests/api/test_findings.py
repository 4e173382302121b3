"""Findings over HTTP: who sees them, how they are reviewed, and what the rules were worth."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from tests.api.conftest import RESIDENTIAL, Face

LATER = (dt.datetime.now(dt.UTC).date() + dt.timedelta(days=10)).isoformat()


@pytest.fixture
def case(face: Face) -> str:
    """An application of the county JA, with a meter that was fitted ten days before it."""
    made = face.as_("front_line", "JA").post("/api/v1/applications", json=RESIDENTIAL).json()
    fitted = (dt.datetime.now(dt.UTC) - dt.timedelta(days=10)).isoformat()
    record = {"case_id": made["id"], "activity": "meter_installed", "occurred_at": fitted, "source": "metering"}
    sent = face.as_("front_line", "JA").post("/api/v1/evidence", json={"records": [record]})
    assert sent.json()["accepted"] == 1
    return str(made["id"])


def items(face: Face, role: str, org: str | None = None, **query: str) -> list[dict[str, Any]]:
    answer = face.as_(role, org).get("/api/v1/findings", params=query)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


def review(face: Face, role: str, org: str | None, which: str, **body: str) -> tuple[int, dict[str, Any]]:
    answer = face.as_(role, org).post(f"/api/v1/findings/{which}/review", json=body)
    return answer.status_code, answer.json()


def test_an_inspector_finds_it_by_case_rule_and_status(face: Face, case: str):
    (one,) = items(face, "inspector")
    assert (one["case_id"], one["rule"], one["severity"], one["status"]) == (case, "D02", "critical", "open")
    assert one["stands"] is True
    assert one["name"] == {"zh": "先装后报", "en": "Metered before applying"}
    for query, many in (
        ({"case_id": case}, 1), ({"case_id": "another"}, 0), ({"rule": "D02"}, 1), ({"rule": "D01"}, 0),
        ({"status": "open"}, 1), ({"status": "confirmed"}, 0), ({"status": "standing"}, 1), ({"status": "lapsed"}, 0),
        ({"severity": "critical"}, 1), ({"severity": "low"}, 0), ({"org": "WH"}, 1), ({"org": "YC"}, 0),
    ):  # fmt: skip
        assert len(items(face, "inspector", **query)) == many, query


def test_only_within_the_viewers_part_of_the_organisation(face: Face, case: str):
    assert len(items(face, "inspector", "WH")) == 1
    assert items(face, "inspector", "YC") == []
    (one,) = items(face, "inspector")
    assert face.as_("inspector", "YC").get(f"/api/v1/findings/{one['id']}").status_code == 404
    assert review(face, "inspector", "YC", one["id"], act="exclude", text="x")[0] == 404


def test_the_unit_sees_it_once_its_statement_is_invited(face: Face, case: str):
    (one,) = items(face, "inspector")
    for role in ("manager", "supervisor"):
        assert items(face, role, "JA") == []
        assert face.as_(role, "JA").get(f"/api/v1/findings/{one['id']}").status_code == 404
    assert face.as_("front_line", "JA").get("/api/v1/findings").status_code == 403

    def mentioned(role: str) -> list[str] | None:
        shown = face.as_(role, "JA").get(f"/api/v1/applications/{case}").json()
        return [found["rule"] for found in shown["findings"]] if "findings" in shown else None

    assert mentioned("inspector") == ["D02"]
    assert mentioned("supervisor") == []
    assert mentioned("front_line") is None
    assert review(face, "inspector", None, one["id"], act="invite", reply_by=LATER)[0] == 200
    assert [found["rule"] for found in items(face, "supervisor", "JA")] == ["D02"]
    assert items(face, "supervisor", "YC") == []
    assert mentioned("supervisor") == ["D02"]
    assert mentioned("front_line") is None


def test_from_the_invitation_to_the_re_check(face: Face, case: str):
    (one,) = items(face, "inspector")
    which = one["id"]
    assert review(face, "inspector", None, which, act="confirm", text="属实")[0] == 409  # the unit was not heard
    assert review(face, "inspector", None, which, act="invite")[0] in (400, 422)  # without a date
    status, told = review(face, "inspector", None, which, act="invite", reply_by=LATER, text="请说明装表时间")
    assert (status, told["status"], told["acts"]) == (200, "awaiting_statement", ["confirm", "exclude"])
    status, told = review(face, "inspector", None, which, act="confirm", text="属实")
    assert (status, told["code"]) == (409, "transition-not-allowed")  # its date has not passed
    assert review(face, "inspector", None, which, act="state", text="我替他说")[0] == 403
    assert review(face, "front_line", "JA", which, act="state", text="x")[0] == 403
    status, told = review(face, "supervisor", "JA", which, act="state", text="装表人员误填")
    assert (status, told["status"]) == (200, "stated")
    assert review(face, "supervisor", "JA", which, act="exclude", text="x")[0] == 403
    for act, reached in (("confirm", "confirmed"), ("rectify", "rectified"), ("fail_recheck", "confirmed"),
                         ("rectify", "rectified"), ("recheck", "rechecked")):  # fmt: skip
        status, told = review(face, "inspector", None, which, act=act, text=f"{act} 的理由")
        assert (status, told["status"]) == (200, reached)
    assert [event["type"] for event in told["history"]] == [
        "found", "invite", "state", "confirm", "rectify", "fail_recheck", "rectify", "recheck",
    ]  # fmt: skip
    assert told["history"][2]["text"] == "装表人员误填"
    assert review(face, "inspector", None, which, act="exclude", text="x")[0] == 409


def test_an_exclusion_needs_its_reason_and_can_be_taken_back(face: Face, case: str):
    (one,) = items(face, "inspector")
    assert review(face, "inspector", None, one["id"], act="exclude")[0] in (400, 422)
    status, told = review(face, "inspector", None, one["id"], act="exclude", text="表计为旧表轮换")
    assert (status, told["status"]) == (200, "excluded")
    assert review(face, "admin", None, one["id"], act="reopen", text="查错了")[1]["status"] == "open"


def test_how_often_a_rule_was_right(face: Face, case: str):
    precision = face.as_("inspector").get("/api/v1/findings/precision")
    assert precision.json()["items"][0]["precision"] is None
    (one,) = items(face, "inspector")
    review(face, "inspector", None, one["id"], act="exclude", text="表计为旧表轮换")
    (of_rule,) = face.as_("inspector").get("/api/v1/findings/precision").json()["items"]
    assert (of_rule["rule"], of_rule["found"], of_rule["reviewed"], of_rule["precision"]) == ("D02", 1, 1, 0.0)
    assert face.as_("supervisor", "JA").get("/api/v1/findings/precision").status_code == 403


def test_pages_and_bad_questions(face: Face, case: str):
    for query in ({"status": "guilty"}, {"rule": "X9"}, {"limit": "0"}, {"who": "me"}):
        assert face.as_("inspector").get("/api/v1/findings", params=query).status_code == 400, query
    assert face.as_("inspector").get("/api/v1/findings/nothing").status_code == 404
    for body in ({}, {"act": "forget"}, {"act": "confirm", "text": "x", "by": "me"}):
        answer = face.as_("inspector").post("/api/v1/findings/nothing/review", json=body)
        assert answer.status_code in (400, 422), body
    page = face.as_("inspector").get("/api/v1/findings", params={"limit": 1}).json()
    assert page["next"] is None
    assert len(page["items"]) == 1


def test_a_record_may_tell_the_date_alone(face: Face, case: str):
    clerk = face.as_("front_line", "JA")
    told = {"case_id": case, "activity": "callback", "value": "energised", "source": "callcentre"}

    def sent(day: str) -> dict[str, Any]:
        answer = clerk.post("/api/v1/evidence", json={"records": [{**told, "occurred_at": day}]})
        return answer.json()["items"][0]

    assert sent("2026-01-05") == {"accepted": True, "duplicate": False}
    assert sent("2026-01-05T00:00:00+08:00") == {"accepted": True, "duplicate": True}
    for none in ("2026-02-30", "2026-1-5", "20260105", "2026-01"):
        assert not sent(none)["accepted"]
    assert "晚于当前时间" in sent("2099-01-05")["reason"]
