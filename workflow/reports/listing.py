"""A list as an Excel workbook: exactly the rows that the list shows, written as they come, a few at a time in memory.

The columns are the same in Chinese and English.  What a spreadsheet would run as a formula stays text; dates are dates
and moments are the clock of Asia/Shanghai, so that a sheet sorts and filters them.
"""

from __future__ import annotations

import datetime as dt
import re
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, BinaryIO, Literal, NamedTuple

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter

from workflow.reports.workbook import safe

Language = Literal["zh", "en"]
Item = Mapping[str, Any]

_HEAD = Font(bold=True)
_NO_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_LONGEST_CELL = 32_767
_BUSINESS_OFFSET = dt.timezone(dt.timedelta(hours=8))
_FORMATS = ((dt.datetime, "yyyy-mm-dd hh:mm"), (dt.date, "yyyy-mm-dd"))
"""How moments and dates are shown; a moment is a date too, so it stands first."""


class Column(NamedTuple):
    """One column: its heads, what stands in it for an item of the list, and its width in characters."""

    zh: str
    en: str
    value: Callable[[Item], Any]
    width: int = 14


def write(
    out: BinaryIO, title: str, columns: Sequence[Column], items: Iterable[Item], language: Language = "zh"
) -> int:
    """Write the workbook to `out`: one sheet called `title`, one head row, one row for each item; how many there
    were. What `items` raises is passed on, and `out` is left alone."""
    book = Workbook(write_only=True)
    sheet = book.create_sheet(title)
    for number, column in enumerate(columns, start=1):
        sheet.column_dimensions[get_column_letter(number)].width = column.width
    sheet.freeze_panes = "A2"
    yes, no = ("是", "否") if language == "zh" else ("yes", "no")
    sheet.append([_cell(sheet, column.zh if language == "zh" else column.en, bold=True) for column in columns])
    rows = 0
    try:
        for item in items:
            rows += 1
            values = [column.value(item) for column in columns]
            sheet.append([_cell(sheet, (yes if one else no) if isinstance(one, bool) else one) for one in values])
    except BaseException:
        with tempfile.TemporaryFile() as nowhere:
            book.save(nowhere)  # the only way to make the library give its own temporary file back
        raise
    sheet.auto_filter.ref = f"A1:{get_column_letter(len(columns))}{rows + 1}"
    book.save(out)
    return rows


def _cell(sheet: Any, value: Any, *, bold: bool = False) -> Any:
    plain = _plain(value)
    number_format = next((shown for kind, shown in _FORMATS if isinstance(plain, kind)), None)
    if number_format is None and not bold:
        return plain
    cell = WriteOnlyCell(sheet, plain)
    if number_format is not None:
        cell.number_format = number_format
    if bold:
        cell.font = _HEAD
    return cell


def _plain(value: Any) -> Any:
    """The value as a cell holds it. Raises TypeError for what is no value of a cell."""
    match value:
        case None | int() | float():
            return value
        case dt.datetime():
            return value.astimezone(_BUSINESS_OFFSET).replace(tzinfo=None)  # a cell knows no zone
        case dt.date():
            return value
        case str():
            return safe(_NO_XML.sub(" ", value)[:_LONGEST_CELL])
        case _:
            raise TypeError(f"{type(value).__name__} is no value of a cell")
