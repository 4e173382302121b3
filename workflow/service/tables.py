"""Reading tables as they really come: CSV in several encodings, Excel with titles above the header, JSON lines.

A table is found by its header: the first row in which the names of known columns stand, under title rows or not, in
one row or in two under merged cells.  Every row keeps its place in the file, so that a fault can be told to a clerk.
Values stay as the file has them until a caller asks for text, a number or a time; naive times are Asia/Shanghai.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import math
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from workflow.core.commands import blank

MOST_PROBLEMS = 50
"""Problems shown at once; more are counted."""

_HEADER_WITHIN = 20
"""Rows in which the header is looked for."""

_LARGEST_FILE = 512 << 20


class BadFile(ValueError):
    """A file that cannot be used. `problems`: one bilingual sentence for each fault, with its place."""

    def __init__(self, problems: Sequence[str]) -> None:
        shown = list(problems[:MOST_PROBLEMS])
        if len(problems) > MOST_PROBLEMS:
            more = len(problems) - MOST_PROBLEMS
            shown.append(f"另有 {more} 处问题 / {more} more problems")
        super().__init__("\n".join(shown))
        self.problems = list(problems)


class BadValue(ValueError):
    """A cell that does not hold what its column needs; the message is bilingual."""


class Uncomputed(NamedTuple):
    """A formula that was saved without its value."""

    formula: str


class Row(NamedTuple):
    """One row: where it is (`file.xlsx [sheet] 12`) and its values by column name; empty cells are left out. `beyond`:
    it goes on behind the last column of the header, so that its cells may stand under the wrong names."""

    place: str
    values: dict[str, Any]
    beyond: bool = False


class Table(NamedTuple):
    """One table: the file or sheet it is in, its known columns, those it does not know, its rows."""

    name: str
    columns: tuple[str, ...]
    unknown: tuple[str, ...]
    rows: list[Row]


BEYOND = ("单元格多于表头; 请检查这一行的分隔符", "more cells than the header has; check the separators of this row")
"""What is wrong with a row that goes `beyond`."""

Vocabulary = Mapping[str, Sequence[str]]
"""Column names of ours, each with the other spellings it may have in a file."""


def is_json(path: Path) -> bool:
    """Whether the file is read as JSON, by its name."""
    return path.suffix.lower() in (".json", ".jsonl", ".ndjson")


# ---- JSON ------------------------------------------------------------------------------------------------------------


def read_json(path: Path) -> list[tuple[str, Any]]:
    """The objects of a JSON file (one list, or one object) or of JSON lines, each with its place. A line that cannot be
    read is a BadFile only as a whole file; in JSON lines it comes back as `BadValue`, so that the others can be used.
    """
    text = _text(path)
    if path.suffix.lower() == ".json":
        try:
            found = json.loads(text, object_pairs_hook=_object, parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:
            raise BadFile([f"{path.name}: 不是有效的 JSON / not valid JSON: {_brief(error)}"]) from error
        objects = found if isinstance(found, list) else [found]
        return [(f"{path.name} [{number}]", one) for number, one in enumerate(objects, start=1)]
    found = []
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                one = json.loads(line, object_pairs_hook=_object, parse_constant=_no_constant)
            except (ValueError, RecursionError) as error:
                one = BadValue(f"不是有效的 JSON / not valid JSON: {_brief(error)}")
            found.append((f"{path.name}:{number}", one))
    return found


def _brief(error: Exception) -> str:
    return "嵌套太深 / nested too deeply" if isinstance(error, RecursionError) else str(error)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        raise ValueError("同一对象中字段重复 / a field is given twice in one object")
    return value


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} 不是 JSON 数值 / {name} is no JSON number")


# ---- tables ----------------------------------------------------------------------------------------------------------


def read_tables(path: Path, vocabulary: Vocabulary) -> list[Table]:
    """The tables of a CSV file, or of every sheet of an Excel workbook, in which a header of `vocabulary` is found.
    Hidden sheets hold drafts and lists to choose from, and are not read.

    Raises BadFile when there is none, or the file cannot be read; OSError when it cannot be opened.
    """
    if path.stat().st_size > _LARGEST_FILE:
        raise BadFile([f"{path.name}: 文件超过 512 MiB, 请分开导入 / larger than 512 MiB; import it in parts"])
    hidden: list[str] = []
    if path.suffix.lower() in (".xlsx", ".xlsm"):
        grids = _workbook(path, hidden)
    elif path.suffix.lower() in (".xls", ".et"):
        raise BadFile([f"{path.name}: 请另存为 .xlsx 或 CSV / save it as .xlsx or CSV"])
    else:
        grids = iter([(path.name, _csv(path))])
    tables, problems = [], []
    for name, rows in grids:
        found = _table(name, rows, vocabulary)
        if isinstance(found, Table):
            tables.append(found)
        elif found:
            problems.append(found)
    if problems:
        raise BadFile(problems)
    if not tables:
        known = ", ".join(" ".join((column, *others[:1])) for column, others in vocabulary.items())
        missing = [f"{path.name}: 没有找到表头, 需要的列 / no header row was found; the columns are: {known}"]
        if hidden:
            names = ", ".join(hidden)
            missing.append(f"{path.name}: 隐藏的工作表没有读取 / hidden sheets were not read: {names}")
        raise BadFile(missing)
    return tables


Grid = Iterator[tuple[int, tuple[Any, ...]]]
"""Rows with their number in the file, from 1."""


def _text(path: Path) -> str:
    if path.stat().st_size > _LARGEST_FILE:
        raise BadFile([f"{path.name}: 文件超过 512 MiB, 请分开导入 / larger than 512 MiB; import it in parts"])
    content = path.read_bytes()
    marked = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    for encoding in ("utf-16",) if marked else ("utf-8-sig", "gb18030"):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text.replace("\r\n", "\n").replace("\r", "\n")
    raise BadFile([f"{path.name}: 编码不是 UTF-8 或 GB18030, 请另存后重试 / neither UTF-8 nor GB18030; save it again"])


def _csv(path: Path) -> Grid:
    text = _text(path)
    # The header has the most of them; a title above it may have none, or a comma of its own.
    head = text.split("\n", _HEADER_WITHIN)[:_HEADER_WITHIN]
    delimiter = max(",\t;", key=lambda mark: max(line.count(mark) for line in head))
    reader = csv.reader(io.StringIO(text), delimiter=delimiter, strict=True)
    start = 1
    try:
        for values in reader:
            yield start, tuple(values)
            start = reader.line_num + 1
    except csv.Error as error:
        raise BadFile([f"{path.name}:{reader.line_num}: 这一行无法读取 / this row cannot be read: {error}"]) from error


def _workbook(path: Path, hidden: list[str]) -> Iterator[tuple[str, Grid]]:
    from openpyxl import load_workbook  # noqa: PLC0415  # slow to load, and CSV does not need it

    with path.open("rb") as file:
        try:
            values = load_workbook(file, read_only=True, data_only=True)
            formulas = load_workbook(file, read_only=True, data_only=False)
            for sheet in values.sheetnames:
                there, written = values[sheet], formulas[sheet]
                if not hasattr(there, "iter_rows"):  # a sheet that is a chart
                    continue
                if there.sheet_state != "visible":
                    hidden.append(sheet)
                    continue
                for one in (there, written):
                    one.reset_dimensions()  # what the file says of its size is often wrong
                yield f"{path.name} [{sheet}]", _computed(there, written)
        except BadFile:
            raise
        except (zipfile.BadZipFile, KeyError, ValueError, TypeError, AttributeError, EOFError, SyntaxError) as error:
            # What openpyxl raises for files that are no workbooks, encrypted or damaged.
            sentence = (
                f"{path.name}: 无法作为 Excel 工作簿读取 (有密码、损坏或不是 .xlsx) / "
                f"cannot be read as a workbook (password, damage, or not .xlsx): {type(error).__name__}"
            )
            raise BadFile([sentence]) from error


def _computed(values: Any, formulas: Any) -> Grid:
    """The rows of a sheet; a formula whose value was never saved is told apart from an empty cell."""
    rows = zip(values.iter_rows(), formulas.iter_rows(), strict=True)
    for number, (there, written) in enumerate(rows, start=1):
        yield (
            number,
            tuple(
                Uncomputed(str(formula.value)) if cell.value is None and formula.data_type == "f" else cell.value
                for cell, formula in zip(there, written, strict=True)
            ),
        )


def _name(value: Any) -> str:
    """A column's name without what files put into it: blanks, line breaks, stars, brackets at the end."""
    text = re.sub(r"[\s　*＊]+", "", str(value or "")).lower()
    return re.sub(r"[(（\[【][^)）\]】]*[)）\]】]$", "", text)


def _table(name: str, rows: Grid, vocabulary: Vocabulary) -> Table | str | None:
    """The table in `rows`; a sentence when its header is ambiguous, None when there is none."""
    spellings = {_name(other): column for column, others in vocabulary.items() for other in (column, *others)}
    head: list[tuple[int, tuple[Any, ...]]] = []
    for row in rows:
        head.append(row)
        if len(head) >= _HEADER_WITHIN:
            break
    scores = [len({spellings[_name(v)] for v in values if _name(v) in spellings}) for _, values in head]
    if not scores or max(scores) < min(2, len(vocabulary)):
        return None
    at = scores.index(max(scores))
    labels = [_name(value) for value in head[at][1]]
    body = at + 1
    # A header of two rows: group titles above, or merged cells beside a second row of names.
    for other in (at - 1, at + 1):
        if 0 <= other < len(head) and _continues(labels, head[other][1], spellings):
            labels = _joined(labels, [_name(value) for value in head[other][1]], spellings)
            body = max(body, other + 1)
    columns = {index: spellings[label] for index, label in enumerate(labels) if label in spellings}
    repeated = sorted({column for column in columns.values() if list(columns.values()).count(column) > 1})
    if repeated:
        return f"{name} {head[at][0]}: 列重复 / columns given twice: {', '.join(repeated)}"
    unknown = tuple(label for index, label in enumerate(labels) if label and index not in columns)
    width = max(index for index, label in enumerate(labels, start=1) if label)
    found = list(_rows(name, iter(head[body:]), columns, width))
    found.extend(_rows(name, rows, columns, width))
    return Table(name, tuple(columns.values()), unknown, found)


def _continues(labels: list[str], values: tuple[Any, ...], spellings: Mapping[str, str]) -> bool:
    """Whether `values` holds names of columns that the header lacks, in places where the header has none."""
    have = {spellings[label] for label in labels if label in spellings}
    fresh = [
        index for index, value in enumerate(values) if _name(value) in spellings and spellings[_name(value)] not in have
    ]
    return bool(fresh) and all(index >= len(labels) or labels[index] not in spellings for index in fresh)


def _joined(labels: list[str], others: list[str], spellings: Mapping[str, str]) -> list[str]:
    size = max(len(labels), len(others))
    labels = labels + [""] * (size - len(labels))
    others = others + [""] * (size - len(others))
    return [
        label if label in spellings or other not in spellings else other
        for label, other in zip(labels, others, strict=True)
    ]


def _rows(name: str, rows: Grid, columns: Mapping[int, str], width: int) -> Iterator[Row]:
    for number, values in rows:
        there = {
            column: values[index]
            for index, column in columns.items()
            if index < len(values) and not _empty(values[index])
        }
        if there:
            yield Row(f"{name}:{number}", there, not all(map(_empty, values[width:])))


def _empty(value: Any) -> bool:
    return value is None or (isinstance(value, str) and blank(value))


# ---- values ----------------------------------------------------------------------------------------------------------

_LARGEST_EXACT = 1 << 53
_ERRORS = ("#N/A", "#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NUM!", "#NULL!")
_SHORTENED = re.compile(r"\d(?:\.\d+)?[Ee]\+\d{2,3}", re.ASCII)
_LOST_DIGITS = (
    "编码被存成数值, 末位已丢失; 请把该列设为文本后重新填写 / "
    "a code stored as a number has lost its last digits; make the column text and fill it in again"
)
_NUMBER = re.compile(
    r"([+-]?\d{1,3}(?:[,，]\d{3})+(?:\.\d+)?|[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d{1,3})?)\s*(kva|kw|千伏安|千瓦|kv|千伏|元)?",
    re.IGNORECASE | re.ASCII,
)
_DAY = re.compile(r"(\d{4})(?:[-/.](\d{1,2})[-/.](\d{1,2})|年(\d{1,2})月(\d{1,2})日)", re.ASCII)
_CLOCK = re.compile(
    r"[T ]\s*(\d{1,2})[:：](\d{2})(?:[:：](\d{2})(?:\.(\d{1,6})\d*)?)?\s*(Z|[+-]\d{2}:?\d{2})?", re.ASCII
)


def _cell(value: Any) -> Any:
    if isinstance(value, Uncomputed):
        raise BadValue(
            "公式没有保存计算结果, 请用 Excel 打开并保存后重试 / "
            "a formula without a saved value; open and save the file in Excel"
        )
    if isinstance(value, str):
        value = value.strip(" \t\r\n　\xa0")
        if value in _ERRORS:
            raise BadValue(f"单元格是错误值 {value} / the cell holds the error {value}")
    return value


def as_text(value: Any) -> str | None:
    """Text; a number that Excel made of a code is written without decimals. Raises BadValue for one too long for that,
    whose digits are lost, and for what a CSV file then holds in its place (`2.40301E+13`)."""
    value = _cell(value)
    if _empty(value):
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        if isinstance(value, float) and not math.isfinite(value):
            raise BadValue("数值无效 / not a finite number")
        if abs(value) >= _LARGEST_EXACT:
            raise BadValue(_LOST_DIGITS)
        return str(int(value)) if value == int(value) else repr(value)
    if isinstance(value, (dt.datetime, dt.date, dt.time)):
        return value.isoformat()
    if isinstance(value, (dict, list)):
        raise BadValue("应为一个值, 不是列表或对象 / must be one value, no list or object")
    text = str(value)
    if _SHORTENED.fullmatch(text):
        raise BadValue(_LOST_DIGITS)
    return text


def as_number(value: Any) -> float | None:
    """A number; "1,000" and "630 kVA" are understood. Raises BadValue."""
    value = _cell(value)
    if _empty(value):
        return None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        number = _float(value)
    else:
        match = _NUMBER.fullmatch(str(value))
        if match is None:
            raise BadValue(f"“{str(value)[:40]}”不是数值 / not a number: {str(value)[:40]!r}")
        number = _float(match[1].replace(",", "").replace("，", ""))
    if not math.isfinite(number):
        raise BadValue("数值过大 / too large a number")
    return number


def _float(value: float | str) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def as_moment(value: Any) -> str | None:
    """A time as ISO 8601 text: `2026-01-02`, `2026/1/2 10:00`, `2026.01.02`, `2026年1月2日`, an Excel date. Raises
    BadValue, also for a bare number, which is never guessed to be a time."""
    value = _cell(value)
    if _empty(value):
        return None
    if isinstance(value, dt.datetime):
        return value.isoformat()
    if isinstance(value, dt.date):
        return f"{value.isoformat()}T00:00:00"
    text = str(value)
    day = _DAY.match(text)
    clock = _CLOCK.fullmatch(text, day.end()) if day and day.end() < len(text) else None
    if day is None or (clock is None and day.end() < len(text)):
        raise BadValue(
            f"“{text[:40]}”不是时间, 请写成 2026-01-02 10:00 / not a time such as 2026-01-02 10:00: {text[:40]!r}"
        )
    year, month, date = int(day[1]), int(day[2] or day[4]), int(day[3] or day[5])
    hour, minute, second = (int(clock[1]), int(clock[2]), int(clock[3] or 0)) if clock else (0, 0, 0)
    try:
        moment = dt.datetime(year, month, date, hour, minute, second)  # noqa: DTZ001  # the zone is put in by the reader of the command
    except ValueError as error:
        raise BadValue(f"没有 {text[:40]} 这个时间 / there is no such time: {text[:40]!r}") from error
    fraction = f".{clock[4]}" if clock and clock[4] else ""
    zone = (clock[5] or "") if clock else ""
    return f"{moment.isoformat()}{fraction}{zone}"


def as_flag(value: Any) -> bool | None:
    """Yes or no. Raises BadValue."""
    text = as_text(value)
    if text is None:
        return None
    if text.lower() in ("是", "true", "1", "y", "yes", "√"):
        return True
    if text.lower() in ("否", "false", "0", "n", "no", "×"):
        return False
    raise BadValue(f"“{text[:40]}”应为 是 或 否 / must be yes or no: {text[:40]!r}")
