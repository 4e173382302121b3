"""A list as a workbook, read back by two programs that are not the one that wrote it."""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import load_workbook
from python_calamine import CalamineWorkbook

from workflow.reports.listing import Column, Language, write

COLUMNS = (
    Column("编号", "Number", lambda one: one["number"]),
    Column("到期日", "Due on", lambda one: one["due_on"]),
    Column("提出时间", "Submitted at", lambda one: one["at"]),
    Column("超期", "Overdue", lambda one: one["overdue"]),
    Column("剩余", "Remaining", lambda one: one["remaining"]),
)
ITEM: dict[str, Any] = {
    "number": "BZ-2026-000001",
    "due_on": dt.date(2026, 1, 16),
    # Five in the evening in London is one in the morning of the next day in Shanghai.
    "at": dt.datetime(2026, 1, 4, 17, 0, tzinfo=dt.UTC),
    "overdue": True,
    "remaining": -2,
}

CLOCK = dt.datetime.combine(dt.date(2026, 1, 5), dt.time(1))
"""That moment as a cell tells it: the clock of Asia/Shanghai, without a zone."""


def sheet(items: list[dict[str, Any]], language: Language = "zh") -> bytes:
    out = io.BytesIO()
    assert write(out, "申请", COLUMNS, items, language) == len(items)
    return out.getvalue()


def by_calamine(content: bytes) -> list[list[Any]]:
    return CalamineWorkbook.from_filelike(io.BytesIO(content)).get_sheet_by_name("申请").to_python()


def by_openpyxl(content: bytes) -> list[list[Any]]:
    rows = load_workbook(io.BytesIO(content))["申请"].iter_rows(values_only=True)
    return [list(row) for row in rows]


def test_both_readers_find_dates_moments_and_numbers():
    head, row = by_calamine(sheet([ITEM]))
    assert head == ["编号", "到期日", "提出时间", "超期", "剩余"]
    assert row == ["BZ-2026-000001", dt.date(2026, 1, 16), CLOCK, "是", -2]
    read = by_openpyxl(sheet([ITEM]))
    assert read[0] == head
    assert read[1] == ["BZ-2026-000001", dt.datetime.combine(dt.date(2026, 1, 16), dt.time()), CLOCK, "是", -2]


def test_the_columns_are_the_same_in_english():
    head, row = by_calamine(sheet([ITEM], "en"))
    assert head == ["Number", "Due on", "Submitted at", "Overdue", "Remaining"]
    assert row[3] == "yes"


def test_an_empty_list_is_a_head():
    assert by_calamine(sheet([])) == [["编号", "到期日", "提出时间", "超期", "剩余"]]


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+1",
        "-1",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "\n=1",
        "\tplain",
        "\rplain",
        " =1",
        "　＝1",
        " \t@x",
        "=cmd|'/c'!A1",
    ],
)
def test_no_cell_is_run_as_a_formula(text):
    content = sheet([{**ITEM, "number": text}])
    cell = load_workbook(io.BytesIO(content))["申请"]["A2"]
    assert cell.data_type == "s"
    assert cell.value.startswith("'")
    assert by_calamine(content)[1][0].startswith("'")


@settings(max_examples=40, deadline=None)
@given(st.text(st.characters(), max_size=30))
def test_any_text_makes_a_workbook_that_opens(text):
    value = by_calamine(sheet([{**ITEM, "number": text}]))[1][0]
    assert str(value)[:1] not in tuple("=+-@\t\r＝＋－＠")


def test_a_cell_takes_no_more_than_a_spreadsheet_holds():
    assert len(by_openpyxl(sheet([{**ITEM, "number": "x" * 40_000}]))[1][0]) == 32_767


def test_what_is_no_value_of_a_cell_is_a_fault_of_the_program():
    with pytest.raises(TypeError, match="dict"):
        sheet([{**ITEM, "number": {}}])


def test_what_the_list_raises_is_passed_on_and_nothing_is_written():
    def broken() -> Iterator[dict[str, Any]]:
        yield ITEM
        raise ValueError("too many")

    out = io.BytesIO()
    with pytest.raises(ValueError, match="too many"):
        write(out, "申请", COLUMNS, broken())
    assert out.getvalue() == b""
