"""The lists as workbooks over HTTP: the same rows as the list, on both readers, and a bound with a clear refusal."""

from __future__ import annotations

import datetime as dt
import io
from typing import Any

import pytest
from openpyxl import load_workbook
from python_calamine import CalamineWorkbook

from tests.api.alerting import alert_row, raised
from tests.api.conftest import RESIDENTIAL, Face
from workflow.service import exports


def submit(client: Any, **changes: Any) -> None:
    assert client.post("/api/v1/applications", json={**RESIDENTIAL, **changes}).status_code == 201


def rows(answer: Any, sheet: str = "申请") -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    head, *body = CalamineWorkbook.from_filelike(io.BytesIO(answer.content)).get_sheet_by_name(sheet).to_python()
    read = [list(row) for row in load_workbook(io.BytesIO(answer.content))[sheet].iter_rows(values_only=True)]
    assert [str(one) for one in read[0]] == head
    assert [row[0] for row in read[1:]] == [row[0] for row in body]
    return [dict(zip(map(str, head), row, strict=True)) for row in body]


def test_the_sheet_shows_every_page_of_the_list(face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "MOST_PER_PAGE", 2)
    client = face.as_("front_line", "JA")
    for number in range(5):
        submit(client, premises={"id": f"P-{number}"}, manager="=1+1" if number else "li")
    submit(client, premises={"id": "P-9"}, manager="=1+1", occurred_at="2026-01-05T10:00:00+08:00", reason="补录")
    query = {"manager": "=1+1"}
    listed = client.get("/api/v1/applications", params=query).json()["items"]
    answer = client.get("/api/v1/applications.xlsx", params=query)
    assert answer.headers["content-disposition"] == 'attachment; filename="applications.xlsx"'
    shown = rows(answer)
    assert [row["申请编号"] for row in shown] == [one["application_no"] for one in listed]
    assert len(shown) == 5
    assert {row["客户经理"] for row in shown} == {"'=1+1"}
    late = shown[0]
    assert (late["提出时间"], late["最近到期日"]) == (
        dt.datetime.fromisoformat("2026-01-05T10:00"), dt.date(2026, 1, 12),
    )  # fmt: skip
    assert (late["超期"], shown[1]["超期"], late["缺少资料 (件)"]) == ("是", "否", 0)
    assert late["剩余工作日"] == listed[0]["deadlines"][0]["remaining_working_days"]


def test_the_columns_are_the_same_in_english(face: Face) -> None:
    client = face.as_("front_line", "JA")
    submit(client)
    (zh,) = rows(client.get("/api/v1/applications.xlsx"))
    (en,) = rows(client.get("/api/v1/applications.xlsx?language=en"), "applications")
    assert list(en) == [column.en for column in exports.APPLICATIONS]
    assert [value for value in en.values() if value not in {"yes", "no"}] == [
        value for value in zh.values() if value not in {"是", "否"}
    ]


def test_alerts_as_a_sheet(face: Face) -> None:
    raised(face.service, alert_row(None, "JA", level="red"), alert_row(None, "JA"), alert_row(None, "YC"))
    client = face.as_("inspector", "WH")
    shown = rows(client.get("/api/v1/alerts.xlsx"), "预警")
    assert [row["级别"] for row in shown] == ["yellow", "red"]
    assert (shown[0]["到期日"], shown[0]["剩余天数"]) == (dt.date(2026, 11, 26), 3)
    assert len(rows(client.get("/api/v1/alerts.xlsx?level=red"), "预警")) == 1


def test_a_list_too_long_for_a_sheet_is_refused(face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "MOST_ROWS", 2)
    client = face.as_("supervisor", "JA")
    raised(face.service, *(alert_row(None, "JA") for _ in range(3)))
    refused = client.get("/api/v1/alerts.xlsx")
    assert (refused.status_code, refused.json()["code"], refused.json()["limit"]) == (422, "too-many-rows", 2)
    assert client.get("/api/v1/alerts.xlsx?level=black").status_code == 200


def test_a_sheet_shows_no_other_unit(face: Face) -> None:
    submit(face.as_("front_line", "YC"))
    assert rows(face.as_("supervisor", "WH").get("/api/v1/applications.xlsx")) == []
    assert face.as_("supervisor", "WH").get("/api/v1/applications.xlsx?cursor=x").status_code == 400
