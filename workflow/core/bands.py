"""The bands of the board: which one a due date lies in today, by the working calendar; pure [D-BOARD].

A band reaches from the day after the one before it to its own last day, so no date lies in two.  Dates are of the
business zone (Asia/Shanghai).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import NamedTuple

from definitions.calendar import WorkingCalendar
from definitions.model import BoardBand
from workflow.core.counting import ONE_DAY


class Reach(NamedTuple):
    """A band and its dates today, both included; None: without end."""

    band: BoardBand
    first: dt.date | None
    last: dt.date | None


def reaches(calendar: WorkingCalendar, today: dt.date, bands: Sequence[BoardBand]) -> tuple[Reach, ...]:
    """The dates of each band on `today`, in their order. Raises CalendarRangeError beyond the calendar."""
    found: list[Reach] = []
    first: dt.date | None = None
    for band in bands:
        last = None if band.at_most is None else _last(calendar, today, band.at_most)
        found.append(Reach(band, first, last))
        first = None if last is None else last + ONE_DAY
    return tuple(found)


def _last(calendar: WorkingCalendar, today: dt.date, left: int) -> dt.date:
    return today - ONE_DAY if left < 0 else today if left == 0 else calendar.add(today, left)


def band_of(reached: Sequence[Reach], due_on: dt.date) -> BoardBand:
    """The band of a due date."""
    return next(one.band for one in reached if one.last is None or due_on <= one.last)


def left(calendar: WorkingCalendar, today: dt.date, due_on: dt.date) -> int:
    """Working days left until `due_on`: 0 on the day itself, negative once it has passed (at least one day over, also
    when only rest days lie between)."""
    if due_on < today:
        return -max(1, calendar.count(due_on, today))
    return calendar.count(today, due_on)
