"""What organisations reported about themselves: the totals that rule S3 holds against their own cases.

A table of CSV or Parquet, a row a number: `org`, `period` (`2024`, `2024H1`, `2024Q3`, `2024-05`), `measure`, `value`,
and, where the number is of one class only, `user_class`.
"""

from __future__ import annotations

import calendar
import csv
import datetime as dt
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow.parquet as pq

from definitions.model import USER_CLASSES

MEASURES: Final = ("accepted", "energised", "on_time", "late", "ended")
"""Cases submitted, energised, energised in time, energised late, and ended without energy, in the period."""

_NEEDED: Final = ("org", "period", "measure", "value")
_PERIOD: Final = re.compile(r"([1-9]\d{3})(?:H([12])|Q([1-4])|-(\d{2}))?", re.ASCII)
_COUNT: Final = re.compile(r"(\d{1,15}|\d{1,3}(,\d{3})+)(\.0+)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Reported:
    """One number. `first`, `last`: days of the period, both inside it. `user_class` None: of all classes."""

    org: str
    period: str
    first: dt.date
    last: dt.date
    measure: str
    value: int
    user_class: str | None = None


def read(path: Path) -> tuple[Reported, ...]:
    """The numbers of a file. Raises ValueError, which names the row, and OSError."""
    rows: list[dict[str, Any]]
    if path.suffix.lower() == ".parquet":
        table = pq.read_table(path)
        rows, columns = table.to_pylist(), table.column_names
    else:
        rows, columns = _csv(path)
    if lacking := ", ".join(one for one in _NEEDED if one not in columns):
        raise ValueError(f"{path.name} 缺少列 {lacking} / {path.name} lacks the column {lacking}")
    # A column of classes by another name would make the number of one class the total of all.
    if unknown := ", ".join(one for one in columns if one and one not in (*_NEEDED, "user_class")):
        raise ValueError(
            f"{path.name}: 没有列 {unknown} (可用: {', '.join(_NEEDED)}, user_class) / "
            f"there is no column {unknown} (known: {', '.join(_NEEDED)}, user_class)"
        )
    return tuple(_number(path.name, at, row) for at, row in enumerate(rows, start=2))


def _csv(path: Path) -> tuple[list[dict[str, Any]], list[str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            return list(reader), list(reader.fieldnames or ())
    except UnicodeDecodeError:
        raise ValueError(f"{path.name} 不是 UTF-8 编码 / {path.name} is not UTF-8") from None


def _number(name: str, at: int, row: dict[str, Any]) -> Reported:
    def fail(zh: str, en: str) -> ValueError:
        return ValueError(f"{name} 第 {at} 行: {zh} / {name}, row {at}: {en}")

    org, period, measure, value, user_class = (
        str(row.get(key) if row.get(key) is not None else "").strip()
        for key in ("org", "period", "measure", "value", "user_class")
    )
    if not org:
        raise fail("没有单位(org)", "no organisation (org)")
    if measure not in MEASURES:
        listed = ", ".join(MEASURES)
        raise fail(f"指标 {measure!r} 不在 {listed} 之内", f"the measure {measure!r} is none of {listed}")
    if user_class and user_class not in USER_CLASSES:
        raise fail(f"用户类别 {user_class!r} 无效", f"{user_class!r} is no user class")
    if (days := _days(period)) is None:
        raise fail(
            f"期间 {period!r} 应如 2024, 2024H1, 2024Q3, 2024-05", f"the period {period!r} is not like 2024, 2024H1"
        )
    if not _COUNT.fullmatch(value):
        raise fail(f"数值 {value!r} 不是件数", f"the value {value!r} is no number of cases")
    return Reported(org, period, *days, measure, int(float(value.replace(",", ""))), user_class or None)


def _days(period: str) -> tuple[dt.date, dt.date] | None:
    """First and last day of a period."""
    match = _PERIOD.fullmatch(period)
    if match is None:
        return None
    year, half, quarter, month = (int(one) if one else 0 for one in match.groups())
    first, last = 1, 12
    if half:
        first, last = 6 * half - 5, 6 * half
    elif quarter:
        first, last = 3 * quarter - 2, 3 * quarter
    elif match[4]:
        first = last = month
    if not 1 <= first <= 12:
        return None
    return dt.date(year, first, 1), dt.date(year, last, calendar.monthrange(year, last)[1])
