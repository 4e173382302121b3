"""Workbooks as offices keep them: titles above the header, merged cells, hidden sheets, dates in every form.

Cells are read by calamine.  A formula that was saved without its value, or an error, looks empty to it; where a sheet
holds any, openpyxl says which cells they are, so that nothing unreadable passes for empty.
"""

from __future__ import annotations

import datetime as dt
import re
import zipfile
import zlib
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

import python_calamine
from openpyxl import load_workbook

from workflow.replay.intake.faults import BadHistory, clean, unreadable
from workflow.replay.intake.mapping import Header, Table
from workflow.replay.intake.raw import Raw, Spool, distinct_names, label
from workflow.replay.intake.text import EXPANSION_ALLOWED, MOST_EXPANSION, check_file

_LARGEST_EXACT: Final = 1 << 53
_Visible = python_calamine.SheetVisibleEnum.Visible

Grid = list[list[Any]]


def read(path: Path, role: str, table: Table, stem: Path) -> tuple[list[Raw], list[str]]:
    """The sheets of a workbook that `table` means, and the names of those it does not. Raises BadHistory when it means
    none, unless it is optional and none is called so, or a sheet it names has no header."""
    odd = _check_packing(path)
    try:
        with python_calamine.CalamineWorkbook.from_path(path) as book:
            return _sheets(book, path, role, table=table, stem=stem, odd=odd)
    except python_calamine.PasswordError as error:
        raise BadHistory(f"{path.name}: 工作簿有密码, 请去掉密码后重试 / has a password; remove it first") from error
    except (python_calamine.CalamineError, python_calamine.XmlError, python_calamine.ZipError, ValueError) as error:
        if isinstance(error, BadHistory):
            raise
        raise BadHistory(
            f"{path.name}: 无法作为 Excel 工作簿读取 (损坏或格式不符) / cannot be read as a workbook: {error!s:.200}"
        ) from error


def _check_packing(path: Path) -> set[str]:
    """Refuse a workbook that unpacks out of proportion; say which sheets' files hold formulas or errors."""
    check_file(path)
    if not zipfile.is_zipfile(path):  # an old .xls is no archive
        return set()
    most = max(EXPANSION_ALLOWED, path.stat().st_size * MOST_EXPANSION)
    odd, total = set(), 0
    try:
        with zipfile.ZipFile(path) as packed:
            for part in packed.infolist():
                tail = b""
                with packed.open(part) as file:
                    while chunk := file.read(1 << 20):
                        total += len(chunk)
                        if total > most:
                            raise BadHistory(
                                f"{path.name}: 解压后超过 {MOST_EXPANSION} 倍, 疑为压缩炸弹 / "
                                f"unpacks to more than {MOST_EXPANSION} times its size"
                            )
                        seen = tail + chunk
                        if b"<f>" in seen or b"<f " in seen or b't="e"' in seen:
                            odd.add(part.filename)
                        tail = chunk[-8:]
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError) as error:
        raise BadHistory(
            f"{path.name}: 文件损坏、不完整或有密码, 请重新取得 / damaged, cut short or encrypted; get it again"
        ) from error
    return {name for name in odd if "sheet" in name}


def _sheets(
    book: python_calamine.CalamineWorkbook, path: Path, role: str, *, table: Table, stem: Path, odd: set[str]
) -> tuple[list[Raw], list[str]]:
    raws, left = [], []
    if table.optional and table.sheets and not any(_is_named(table, sheet.name) for sheet in book.sheets_metadata):
        return [], [sheet.name for sheet in book.sheets_metadata]
    found = _look_up(book, path, table)
    for number, sheet in enumerate(book.sheets_metadata):
        named = _is_named(table, sheet.name)
        if (table.sheets and not named) or (sheet.visible != _Visible and not table.hidden):
            left.append(sheet.name)
            continue
        there = book.get_sheet_by_name(sheet.name)
        grid = there.to_python(skip_empty_area=False)
        head = _header(grid, table.header)
        if head is None:
            if named and "*" not in "".join(table.sheets):
                sought = ", ".join(table.header.find)
                raise BadHistory(
                    f"{path.name} [{sheet.name}]: 前 {table.header.within} 行没有表头, 要找的列: {sought} / "
                    f"no header in the first {table.header.within} rows; columns sought: {sought}"
                )
            left.append(sheet.name)
            continue
        faults = _faults(path, sheet.name) if odd else {}
        at, names = head
        _fill_merged(grid, there.merged_cell_ranges or [], at + table.header.rows)
        spool = Spool(stem.with_name(f"{stem.name}-{number:03d}"), names)
        for index in range(at + table.header.rows, len(grid)):
            values = {}
            for column, (name, cell) in enumerate(zip(names, grid[index], strict=True)):
                fault = faults.get((index, column)) if cell == "" else None
                if (text := fault or _text(cell)) is not None:
                    values[name] = text
            if values:
                spool.add(values, index + 1)
        raws.append(spool.raw(role, path.name, sheet.name, found=found))
    if not raws:
        sought = ", ".join(table.header.find) or "–"
        raise BadHistory(
            f"{path.name}: 没有一张工作表有要找的表头 ({sought}) / no sheet has the header sought ({sought})"
        )
    return raws, left


def _is_named(table: Table, sheet: str) -> bool:
    return any(fnmatchcase(sheet, pattern) for pattern in table.sheets)


def _header(grid: Grid, header: Header) -> tuple[int, tuple[str, ...]] | None:
    """Index of the header's first row and the names of the columns; None when the sheet has none."""
    wanted = {label(name) for name in header.find}
    for at, row in enumerate(grid[: header.within]):
        labels = {label(cell) for cell in row} - {""}
        if labels and wanted <= labels and (wanted or len(labels) > 1):
            deep = grid[at : at + header.rows]
            joined = [" ".join(" ".join(str(row[i]) for row in deep).split()) for i in range(len(row))]
            return at, tuple(distinct_names(joined))
    return None


def _fill_merged(grid: Grid, ranges: list[tuple[tuple[int, int], tuple[int, int]]], first: int) -> None:
    """A cell merged over several rows of data stands for each of them."""
    for (top, left), (bottom, right) in ranges:
        if top >= first and left == right:
            for row in range(top + 1, min(bottom + 1, len(grid))):
                grid[row][left] = grid[top][left]


def _text(cell: Any) -> str | None:
    """A cell as text: a date without a clock for midnight, a whole number without decimals; None for an empty one."""
    if isinstance(cell, str):
        return clean(cell) if cell.strip() else None
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, (int, float)):
        if abs(cell) >= _LARGEST_EXACT:
            return unreadable("digits", cell)
        return str(int(cell)) if cell == int(cell) else repr(cell)
    if isinstance(cell, dt.datetime):
        return cell.isoformat(" ") if cell.time() != dt.time() else cell.date().isoformat()
    return None if cell is None else str(cell)


def _faults(path: Path, sheet: str) -> dict[tuple[int, int], str]:
    """Cells that hold an error, or a formula whose value was never saved, by their place."""
    found: dict[tuple[int, int], str] = {}
    values, written = (load_workbook(path, read_only=True, data_only=only) for only in (True, False))
    try:
        for one in (values[sheet], written[sheet]):
            one.reset_dimensions()  # what the file says of its size is often wrong
        for row, (there, formulas) in enumerate(
            zip(values[sheet].iter_rows(), written[sheet].iter_rows(), strict=True)
        ):
            for column, (cell, formula) in enumerate(zip(there, formulas, strict=True)):
                if cell.data_type == "e":
                    found[row, column] = unreadable("error", cell.value)
                elif cell.value is None and formula.data_type == "f":
                    found[row, column] = unreadable("formula", formula.value)
    finally:
        values.close()
        written.close()
    return found


def _look_up(book: python_calamine.CalamineWorkbook, path: Path, table: Table) -> dict[str, str | None]:
    """What the mapping wants from cells outside the table, such as the day a report was run."""
    found: dict[str, str | None] = {}
    for name, (sheet, pattern) in table.found.items():
        there = _cells(book, sheet)
        found[name] = next((match[1] for text in there if (match := re.search(pattern, text))), None)
        if found[name] is None:
            raise BadHistory(
                f"{path.name}: 工作表 {sheet} 中没有找到 {name} ({pattern}) / {name} is not found in sheet {sheet}"
            )
    return found


def _cells(book: python_calamine.CalamineWorkbook, sheet: str) -> Iterator[str]:
    if sheet in book.sheet_names:
        for row in book.get_sheet_by_name(sheet).to_python():
            yield from (cell for cell in row if isinstance(cell, str))
