"""The two periods the regulator asks for: a first half, and a whole year (policy 4; letter of 2021-03-29, item 3)."""

from __future__ import annotations

import datetime as dt
import re

from definitions.model import Frozen, ReportRules
from workflow.core.times import LAST_YEAR

FIRST_YEAR = 2021
"""The first year with a rule in force [D-IN-FORCE]."""


class BadPeriod(ValueError):
    """Not a period that is reported; says in both languages which are."""


class Period(Frozen, frozen=True):
    """One period; dates of the business zone, both included. `due_on`: the day by which its report is sent."""

    name: str
    label: str
    first: dt.date
    last: dt.date
    due_on: dt.date

    def contains(self, day: dt.date) -> bool:
        """Whether `day` lies in it."""
        return self.first <= day <= self.last


def parse(text: str, rules: ReportRules) -> Period:
    """`2026H1` is the first half of 2026, `2026` the whole year. Raises BadPeriod, also for a second half: the second
    report is about the whole year."""
    match = re.fullmatch(r"([0-9]{4})(H[12])?", text)
    if match is None:
        raise BadPeriod(
            "统计期应写成 2026H1 (上半年) 或 2026 (全年) / write the period as 2026H1 (first half) or 2026 (whole year)"
        )
    year, half = int(match[1]), match[2]
    if not FIRST_YEAR <= year < LAST_YEAR:
        raise BadPeriod(f"年份应在 {FIRST_YEAR}-{LAST_YEAR - 1} / the year must be {FIRST_YEAR}-{LAST_YEAR - 1}")
    if half == "H2":
        raise BadPeriod(
            f"没有下半年报表: 次年 1 月报送全年, 请用 {year} / "
            f"no report is about a second half; ask for the year: {year}"
        )
    if half:
        due_on = dt.date.fromisoformat(f"{year}-{rules.first_half_due}")
        return Period(text, f"{year} 年上半年", dt.date(year, 1, 1), dt.date(year, 6, 30), due_on)
    due_on = dt.date.fromisoformat(f"{year + 1}-{rules.whole_year_due}")
    return Period(text, f"{year} 年全年", dt.date(year, 1, 1), dt.date(year, 12, 31), due_on)
