"""Annex 3 over the same story, and both tables as workbooks."""

from __future__ import annotations

import io

from openpyxl import load_workbook

from workflow.core.events import Principal
from workflow.service.reports import report, workbook

ADMIN = Principal("admin", "admin")


def test_users_and_capacity_by_column(first_half):
    answer = report(first_half.service, ADMIN, "benefits", "2026H1")
    assert answer["users"] == {"residential": 3, "enterprise": 1, "other": 0, "high_voltage": 2, "total": 6}
    assert answer["added_capacity_wan_kva"] == {
        "residential": 0.0024, "enterprise": 0.01, "other": 0.0, "high_voltage": 0.126, "total": 0.1384,
    }  # fmt: skip
    assert answer["outside"] == 2  # the low-voltage users without “三零”


def test_savings_and_sales_are_never_invented(first_half):
    answer = report(first_half.service, ADMIN, "benefits", "2026H1")
    assert set(answer["savings_wan_yuan"].values()) == set(answer["added_sales_wan_kwh"].values()) == {None}


def test_annex_3_as_the_regulator_prints_it(first_half):
    answer = report(first_half.service, ADMIN, "benefits", "2026H1")
    sheet = load_workbook(io.BytesIO(workbook(answer)))["合计"]
    assert sheet["A1"].value.endswith("省“三零”“三省”服务效益统计表")
    assert sheet["A2"].value == "（2026 年 1 月—2026 年 6 月）"
    rows = [[cell.value for cell in row] for row in sheet.iter_rows(min_row=4, max_row=9)]
    assert rows == [
        ["统计内容", "“三零”服务效益", None, None, "“三省”服务效益", "合计"],
        [None, "居民用户", "160kW 及以下的企业用户", "其他用户", None, None],
        ["受益户数（户）", 3, 1, 0, 2, 6],
        ["节省投资（万元）", None, None, None, None, None],
        ["增加售电量（万千瓦时）", None, None, None, None, None],
        ["增加容量（万千伏安）", 0.0024, 0.01, 0, 0.126, 0.1384],
    ]
    assert "B4:D4" in {str(merged) for merged in sheet.merged_cells.ranges}


def test_annex_2_has_38_rows_under_the_heads_of_the_annex(first_half):
    answer = report(first_half.service, ADMIN, "indicators", "2026H1")
    sheet = load_workbook(io.BytesIO(workbook(answer)))["合计"]
    rows = [[cell.value for cell in row] for row in sheet.iter_rows()]
    head = next(index for index, row in enumerate(rows) if row[0] == "指标完成时间")
    assert rows[head][:4] == ["指标完成时间", "指标序号", "可量化指标内容", "指标完成标准"]
    body = rows[head + 1 :]
    assert [str(row[1]).lstrip("*") for row in body] == [str(number) for number in range(1, 39)]
    assert [row[1] for row in body if str(row[1]).startswith("*")] == ["*21", "*27", "*29", "*30", "*33", "*37", "*38"]
    residential = body[5]
    assert residential[4:15] == [3, 3, 2, 0.6667, 0.3333, 4.33, 3, 1, 0, 1, 0]
    assert body[11][4:15] == [None] * 11
    assert "省级能源（电力）主管部门" in body[11][15]


def test_what_a_spreadsheet_would_run_stays_text(tree):
    """Names of units come from a file; a sheet is made of each."""
    from storage import OrgRow

    tree.service.put_orgs([OrgRow("X", "P", "city", '=HYPERLINK("a/b")', "+evil", None)])
    tree.energise(tree.apply("residential", "2026-03-02", org="X"), "2026-03-03")
    tree.today("2026-07-10")
    for kind in ("indicators", "benefits"):
        for by in ("org", "enterprise"):
            answer = report(tree.service, Principal("i", "inspector", "P"), kind, "2026H1", by=by)
            book = load_workbook(io.BytesIO(workbook(answer, province="=1+1")))
            assert len(book.sheetnames) == 2
            cells = [cell for sheet in book for row in sheet.iter_rows() for cell in row]
            assert not [cell.value for cell in cells if cell.data_type == "f"]
