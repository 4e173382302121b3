"""The tables as Excel workbooks in the regulator's layout: annex 2 under the heads of annex 2-2, annex 3 as printed.

The letter prints no form for annex 2 beside the heads of 2-2, so the figures stand in columns of their own behind them.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from openpyxl import Workbook
from openpyxl.styles import Alignment, Border, Font, Side
from openpyxl.utils import get_column_letter

from workflow.reports.tables import COLUMNS

_THIN = Side(style="thin")
_BORDER = Border(left=_THIN, right=_THIN, top=_THIN, bottom=_THIN)
_CENTRE = Alignment(horizontal="center", vertical="center", wrap_text=True)
_LEFT = Alignment(vertical="center", wrap_text=True)
_TITLE = Font(bold=True, size=16)

INDICATOR_HEADS = (
    "指标完成时间", "指标序号", "可量化指标内容", "指标完成标准", "本期办结（件）", "应计（件）", "达标（件）",
    "达标率", "关联后达标率", "平均用时（工作日）", "期末未办结（件）", "其中超期（件）", "撤回（件）", "终止（件）",
    "不予办理（件）", "说明",
)  # fmt: skip
_INDICATOR_WIDTHS = (11, 8, 48, 48, 10, 9, 9, 9, 11, 11, 11, 10, 9, 9, 10, 48)

_BENEFIT_ROWS = (
    ("受益户数（户）", "users"),
    ("节省投资（万元）", "savings_wan_yuan"),
    ("增加售电量（万千瓦时）", "added_sales_wan_kwh"),
    ("增加容量（万千伏安）", "added_capacity_wan_kva"),
)

_COUNTED = {
    "total_on_time": "合计达标 {} 件",
    "steps_on_time": "各环节达标 {} 件",
    "channel_online": "线上申请 {} 件",
    "channel_hall": "营业场所申请 {} 件",
    "channel_phone": "电话申请 {} 件",
    "channel_visit": "上门受理 {} 件",
    "with_volunteered": "用户自愿提供清单外资料 {} 件",
    "asked_by_law": "依法另需资料 {} 件",
    "with_reason": "方案记载不能就近接入理由 {} 件",
    "charged": "有收费 {} 件",
    "not_zero_class": "未按零投资办理 {} 件",
    "without_proof": "没有送达凭证 {} 件",
    "hall_not_told": "营业场所未现场告知 {} 件",
    "without_limit": "没有公布时限的审批 {} 件",
}
"""How a count is written; `steps_N` are written as they are counted."""


def safe(value: Any) -> Any:
    """The value for a cell: text that a spreadsheet would run as a formula is kept as text. A leading tab or line end
    counts too: what is copied out of the cell would begin a cell of its own behind it."""
    if isinstance(value, str) and (
        value.startswith(("\t", "\r", "\n")) or value.lstrip(" \t\r\n\xa0　").startswith(tuple("=+-@＝＋－＠"))
    ):
        return f"'{value}"
    return value


def workbook(answer: Mapping[str, Any], *, province: str = "") -> bytes:
    """The report as an .xlsx file, one sheet for the whole and one for each group. `province`: named in the title."""
    book = Workbook()
    book.remove(book.active)
    sheet_of = _SHEETS[answer["table"]]
    names: set[str] = set()
    described = {item["number"]: item for item in answer.get("items", ())}
    groups = answer.get("groups", ())
    for label, part in [
        ("合计", answer),
        *((group.get("name") or group["key"] or "未归属", group) for group in groups),
    ]:
        sheet = book.create_sheet(_sheet_name(label, names))
        items = [{**described[item["number"]], **item} for item in part.get("items", ())]
        sheet_of(sheet, {**answer, **part, "items": items}, f"{province}{'' if part is answer else ' ' + label}")
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _sheet_name(label: str, taken: set[str]) -> str:
    """A name Excel allows: without its special characters, at most 31 long, used once."""
    plain = "".join("_" if letter in "[]:*?/\\'" else letter for letter in label)[:28] or "_"
    name, number = plain, 1
    while name.lower() in taken:
        number += 1
        name = f"{plain[:27]}_{number}"[:31]
    taken.add(name.lower())
    return name


def _head(sheet: Any, title: str, columns: int, lines: Sequence[str]) -> int:
    """The title and the lines under it, each across the table; the number of the next row."""
    for row, text in enumerate((title, *lines), start=1):
        sheet.cell(row, 1, safe(text)).alignment = _CENTRE if row == 1 else _LEFT
        sheet.merge_cells(start_row=row, start_column=1, end_row=row, end_column=columns)
    sheet["A1"].font = _TITLE
    return len(lines) + 2


def _row(sheet: Any, row: int, values: Iterable[Any], *, centre: bool = False) -> None:
    for column, value in enumerate(values, start=1):
        cell = sheet.cell(row, column, safe(value))
        cell.border = _BORDER
        cell.alignment = _CENTRE if centre or not isinstance(value, str) else _LEFT


def _indicators(sheet: Any, answer: Mapping[str, Any], whose: str) -> None:
    lines = [f"统计期: {_span(answer)}", *(note["zh"] for note in answer["notes"])]
    row = _head(sheet, f"{whose}{answer['title']}".strip(), len(INDICATOR_HEADS), lines)
    _row(sheet, row, INDICATOR_HEADS, centre=True)
    sheet.freeze_panes = f"A{row + 1}"
    first = row + 1
    for item in answer["items"]:
        row += 1
        _row(sheet, row, _indicator_cells(item))
        sheet.cell(row, 8).number_format = sheet.cell(row, 9).number_format = "0.00%"
    _merge_equal(sheet, first, row)
    for column, width in enumerate(_INDICATOR_WIDTHS, start=1):
        sheet.column_dimensions[get_column_letter(column)].width = width


def _merge_equal(sheet: Any, first: int, last: int) -> None:
    """One cell for neighbouring rows of the same date in the first column, as the regulator prints it."""
    begin = first
    for row in range(first + 1, last + 2):
        if row > last or sheet.cell(row, 1).value != sheet.cell(begin, 1).value:
            if row - 1 > begin:
                sheet.merge_cells(start_row=begin, start_column=1, end_row=row - 1, end_column=1)
            begin = row


def _indicator_cells(item: Mapping[str, Any]) -> tuple[Any, ...]:
    described = (
        item["finish"],
        f"*{item['number']}" if item["starred"] else item["number"],
        item["content"],
        item["standard"] or "/",
    )
    if item["cases"] is None:
        return (*described, *[None] * 11, f"{item['how']} ({item['reported_by']})")
    cases, chained = item["cases"], item["as_chained"] or {}
    return (
        *described,
        cases["energised"] if item["measure"] != "approvals" else item["judged"] + item["shown_only"],
        item["judged"],
        item["met"],
        item["rate"],
        chained.get("rate"),
        item["average_used_working_days"],
        cases["open"],
        cases["overdue"],
        cases["withdrawn"],
        cases["terminated"],
        cases["refused"],
        "; ".join((*_counted(item), item["how"])),
    )


def _counted(item: Mapping[str, Any]) -> Iterable[str]:
    for name, number in item["counts"].items():
        if name.startswith("steps_") and name != "steps_on_time":
            yield f"{name.removeprefix('steps_')} 个环节 {number} 件"
        elif number:
            yield _COUNTED[name].format(number)
    if item["provisional"]:
        yield f"其中 {item['provisional']} 件按暂定日历判定"
    if changed := item["by_limit_when_energised"]:
        yield f"提出后时限已变 {changed['cases']} 件, 按送电之日时限达标 {changed['met']} 件"


def _span(answer: Mapping[str, Any]) -> str:
    period = answer["period"]
    text = f"{period['first']} 至 {period['last']}, {period['report_due_on']} 前报送"
    return text if period["ended"] else f"{text} (统计期未结束, 截至 {period['as_of']})"


def _benefits(sheet: Any, answer: Mapping[str, Any], whose: str) -> None:
    period = answer["period"]
    first, last = period["first"], period["last"]
    months = f"（{first.year} 年 {first.month} 月—{last.year} 年 {last.month} 月）"
    unfinished = "" if period["ended"] else f"统计期未结束, 截至 {period['as_of']}"
    signed = "填报人及联系方式：                审核人：                填报日期："
    row = _head(sheet, f"{whose or '      省'}{answer['title']}", 6, [months, signed, *filter(None, [unfinished])])
    _row(sheet, row, ("统计内容", "“三零”服务效益", None, None, "“三省”服务效益", "合计"), centre=True)
    _row(sheet, row + 1, (None, "居民用户", "160kW 及以下的企业用户", "其他用户", None, None), centre=True)
    sheet.merge_cells(start_row=row, start_column=2, end_row=row, end_column=4)
    for column in (1, 5, 6):
        sheet.merge_cells(start_row=row, start_column=column, end_row=row + 1, end_column=column)
    row += 1
    for label, key in _BENEFIT_ROWS:
        row += 1
        values = answer[key]
        _row(sheet, row, (label, *(values[column] for column in (*COLUMNS, "total"))))
    row += 1
    for text in (*(note["zh"] for note in answer["notes"]), "填报单位盖章处"):
        row += 1
        sheet.cell(row, 1, safe(text)).alignment = _LEFT
        sheet.merge_cells(start_row=row, start_column=1, end_row=row, end_column=6)
    for column, width in enumerate((24, 16, 24, 16, 20, 16), start=1):
        sheet.column_dimensions[get_column_letter(column)].width = width


_SHEETS: Mapping[str, Callable[[Any, Mapping[str, Any], str], None]] = {
    "indicators": _indicators,
    "benefits": _benefits,
}
