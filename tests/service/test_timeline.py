"""The line of time of a case, and its working paper."""

from __future__ import annotations

import datetime as dt
import io
from typing import Any

import pytest
from docx import Document
from openpyxl import load_workbook

from workflow.service import papers
from workflow.service.timeline import BOX_HEIGHT, MOST_DAYS, drawing, records


def row(activity: str, lifecycle: str, when: str, source: str = "marketing", **more: Any) -> dict[str, Any]:
    return {"activity": activity, "lifecycle": lifecycle, "occurred_at": dt.datetime.fromisoformat(when),
            "occurred_is_date": len(when) == 10, "source": source, **more}  # fmt: skip


CASE = [
    row("application", "submit", "2024-01-08 09:00"),
    row("document", "received", "2024-01-08 09:00", value="identity"),
    row("document", "received", "2024-01-08 09:00", value="premises_title"),
    row("meter_installed", "observed", "2024-01-05 15:00", "metering"),
    row("contract_signed", "observed", "2024-01-05", "contract"),
]
D02 = {
    "rule": "D02",
    "evidence": {
        "records": [
            {"field": "meter_installed.observed", "value": "2024-01-05 15:00:00", "source": "metering"},
            {"field": "application.submit", "value": "2024-01-08 09:00:00", "source": "marketing"},
        ]
    },
}


def test_own_records_stand_above_those_of_others_below_and_the_pair_is_joined():
    drawn = drawing(CASE, [D02])
    assert [(day.date.isoformat(), day.after) for day in drawn.days] == [("2024-01-05", None), ("2024-01-08", 3)]
    assert all(mark.y + BOX_HEIGHT <= drawn.axis for mark in drawn.own)
    assert all(mark.y >= drawn.axis for mark in drawn.others)
    assert {(mark.what.zh, mark.many, mark.accused) for mark in drawn.own} == {
        ("申请提交", 1, True),
        ("资料收到", 2, False),
    }
    assert {(mark.what.zh, mark.time, mark.accused) for mark in drawn.others} == {
        ("装表", "15:00", True), ("合同签订", "", False),
    }  # fmt: skip
    (join,) = drawn.joins
    meter = next(mark for mark in drawn.others if mark.accused)
    submitted = next(mark for mark in drawn.own if mark.accused)
    assert (join.rule, join.y1, join.y2) == ("D02", meter.y, submitted.y + BOX_HEIGHT)
    assert meter.x < join.x1 < join.x2


def test_nothing_overlaps_and_everything_lies_inside():
    drawn = drawing(CASE, [])
    boxes = {(mark.x, mark.y) for mark in (*drawn.own, *drawn.others)}
    assert len(boxes) == len(drawn.own) + len(drawn.others)
    assert all(x >= 0 and x + 168 <= drawn.width and y >= 0 and y + BOX_HEIGHT <= drawn.height for x, y in boxes)
    assert drawing([], []).joins == ()


@pytest.mark.parametrize("days_between", range(7))
def test_the_sign_of_a_pair_hides_no_date(days_between: int):
    """A date is ten figures wide, some 84 pixels, from the left of its column; a sign is 36 wide."""
    first = dt.datetime.fromisoformat("2024-01-08 09:00")
    rows = [row("meter_installed", "observed", str(first), "metering")]
    rows += [row("supply_plan", "return", str(first + dt.timedelta(days=at))) for at in range(1, days_between)]
    rows.append(row("application", "submit", str(first + dt.timedelta(days=days_between, hours=1))))
    says = [
        {"field": f"{one['activity']}.{one['lifecycle']}", "value": str(one["occurred_at"]), "source": one["source"]}
        for one in (rows[0], rows[-1])
    ]
    drawn = drawing(rows, [{"rule": "D02", "evidence": {"records": says}}])
    (join,) = drawn.joins
    assert all(join.x + 18 <= day.x or join.x - 18 >= day.x + 84 for day in drawn.days)
    assert min(join.x1, join.x2) - 36 <= join.x <= max(join.x1, join.x2) + 36
    assert min(join.y1, join.y2) <= join.y <= max(join.y1, join.y2)


def test_a_long_history_is_cut_but_never_what_a_finding_rests_on():
    first = dt.datetime.fromisoformat("2023-01-01 09:00")
    long = [row("supply_plan", "return", str(first + dt.timedelta(days=at))) for at in range(100)]
    late = row("meter_installed", "observed", "2023-04-09 15:00", "metering")
    finding = {"rule": "D28", "evidence": {"records": [
        {"field": "meter_installed.observed", "value": "2023-04-09 15:00:00", "source": "metering"}]}}  # fmt: skip
    drawn = drawing([*long, late], [finding])
    assert len(drawn.days) == MOST_DAYS
    assert drawn.days[-1].date == dt.date(2023, 4, 9)
    assert drawn.left_out == 100 - MOST_DAYS
    assert len(records([*long, late])) == 101


def told(status: str, **more: Any) -> dict[str, Any]:
    return {
        "rule": "D02", "name": {"zh": "先装后报", "en": ""}, "tag": "off_system", "severity": "critical", "org": "JA-1",
        "application_no": "BZ-1", "case_id": "c1", "explanation": "装表早于受理", "status": status,
        "evidence": D02["evidence"],
        "history": [
            {"type": "found", "at": dt.datetime.fromisoformat("2024-01-08 09:00"), "by": "system:rules"},
            {"type": "state", "at": dt.datetime.fromisoformat("2024-01-09 09:00"), "by": "chief",
             "text": "=SUM(A1) 旧表"},
        ],
        **more,
    }  # fmt: skip


def test_a_unit_is_named_only_after_its_statement():
    for status, named in (("open", False), ("awaiting_statement", False), ("stated", True), ("confirmed", True),
                          ("excluded", False), ("rechecked", True)):  # fmt: skip
        (paper,) = papers.rows([told(status)], {}, {"D02": ("L15",)})
        assert (paper[0] == "JA-1") is named, status


def test_the_working_paper_as_word_and_excel_has_every_column_and_no_formula():
    rows = papers.rows([told("stated", application_no="=HYPERLINK(1)")], {}, {"D02": ("L15",)})
    book = load_workbook(io.BytesIO(papers.excel_file("底稿", rows, "说明")))
    sheet = book.active
    assert tuple(cell.value for cell in sheet[3]) == papers.COLUMNS
    assert sheet["B4"].value == "'=HYPERLINK(1)"
    assert all(cell.data_type != "f" for line in sheet.iter_rows() for cell in line)
    assert "2024-01-05 15:00:00 装表（计量采集）" in sheet["F4"].value
    document = Document(io.BytesIO(papers.word_file("底稿", rows, "说明")))
    table = document.tables[0]
    assert [line.cells[0].text for line in table.rows] == list(papers.COLUMNS)
    assert "旧表" in table.rows[6].cells[1].text
