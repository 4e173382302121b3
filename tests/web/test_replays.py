"""A replay from the page: uploaded, done by a process of its own, refreshed without a script, reviewed by a form."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest

from tests.service.test_replays import history
from workflow.service import replays


def form(html: str) -> str:
    found = re.search(r'name="csrf" value="([0-9a-f]+)"', html)
    assert found is not None
    return found[1]


LACKED = {"rule": "D24", "step": "design_review", "zh": "该单位 20/30 件无设计审查", "en": "20 of 30 have none"}


def test_an_uploaded_history_is_replayed_by_a_process_of_its_own(own_office: Any, monkeypatch: pytest.MonkeyPatch):
    client = own_office.client("inspector")
    csrf = form(client.get("/replays").text)
    cases, events = history()
    head, *rows = events.decode().splitlines()
    supplied = "C0,first_energy,observed,2024-01-10 17:00:00,2024-01-10 17:00:00,metering,temporary_supply"
    events = "\n".join([f"{head},value", *(f"{row}," for row in rows), supplied, ""]).encode()
    sent = client.post(
        "/replays",
        data={"csrf": csrf, "history": "file", "mapping": "contract", "as_of": "2024-02-01", "name": "一季度"},
        files={"cases": ("cases.csv", cases), "events": ("events.csv", events)},
        follow_redirects=False,
    )
    assert sent.status_code == 303, sent.text
    place = sent.headers["location"]
    first = client.get(place)
    assert first.headers.get("refresh") == "5" or "疑似" in first.text
    assert "refresh" not in client.get(f"{place}?still=1").headers
    for _ in range(600):
        page = client.get(place).text
        if "疑似" in page or "没有做成" in page:
            break
        time.sleep(0.2)
    assert "没有做成" not in page
    assert f'href="{place}/cases?verdict=suspected"' in page
    assert "整单位无法判定的规则" not in page
    told = replays.one

    def lacking(*asked: Any) -> dict[str, Any]:
        found = told(*asked)
        found["summary"]["organisations"][0]["cannot_judge_rules"] = [LACKED]
        return found

    with monkeypatch.context() as patched:
        patched.setattr(replays, "one", lacking)
        assert LACKED["zh"] in client.get(place).text
    case = client.get(f"{place}/case?case=C0").text
    assert '<td data-label="内容">临时用电</td>' in case
    assert "装表 2024-01-05 15:00:00 早于最早受理痕迹 2024-01-08 09:00:00" in case
    fresh = client.post(f"{place}/again", data={"csrf": csrf, "as_of": "2024-01-09"}, follow_redirects=False)
    assert fresh.headers["location"].startswith("/replays/")
    assert fresh.headers["location"] != place
    assert client.post(f"{place}/again", data={"csrf": csrf, "as_of": ""}).url.path == place
    reviewed = client.post(
        f"{place}/review",
        data={"csrf": csrf, "case": "C0", "rule": "D02", "act": "invite", "reply_by": "2027-01-01",
              "back": f"{place}/case?case=C0#D02"},
        follow_redirects=False,
    )  # fmt: skip
    assert reviewed.headers["location"] == f"{place}/case?case=C0#D02"
    assert "待说明" in client.get(f"{place}/case?case=C0").text
    for path in ("paper.docx?case=C0", "paper.xlsx?case=C0", "sample.xlsx?seed=1&size=3&verdict=clear"):
        answer = client.get(f"{place}/{path}")
        assert answer.status_code == 200
        assert answer.content[:2] == b"PK"
        assert answer.headers["content-disposition"].startswith("attachment;")


def test_what_cannot_be_replayed_is_told_on_the_form(own_office: Any):
    client = own_office.client("inspector")
    csrf = form(client.get("/replays").text)
    for data, files in (
        ({"history": "file", "as_of": "2024-02-01"}, {}),
        ({"history": "live", "as_of": "tomorrow"}, {}),
        ({"history": "file", "as_of": "2024-02-01"}, {"events": ("virus.exe", b"MZ")}),
        ({"history": "live", "as_of": "2024-02-01", "mapping": "../../etc/passwd"}, {}),
    ):
        answer = client.post("/replays", data={"csrf": csrf, **data}, files=files or None)
        assert answer.status_code == 422, data
        assert 'role="alert"' in answer.text
    assert client.post("/replays", data={"history": "live"}).status_code in (400, 403, 422)  # not from our form


def test_replays_are_for_inspectors(own_office: Any):
    for role in ("manager", "supervisor", "front_line"):
        answer = own_office.client(role).get("/replays")
        assert answer.status_code == 403, role
        assert 'href="/replays"' not in own_office.client(role).get("/board").text
    assert own_office.client(None).get("/replays", follow_redirects=False).status_code == 303
