"""The course of a case as a drawing (SVG): where its bars, rest days and dates lie on paper, in pixels.

Pure: the days come from the chart, the words from the template.  Wide cases are scrolled sideways, never shrunk until
nobody can read them.
"""

from __future__ import annotations

import datetime as dt
from typing import Any, NamedTuple

LANE, BAR, TOP = 34, 16, 40
"""Heights of a lane, of the bar in it, and of the scale above."""
WIDEST_DAY, NARROWEST_DAY, WIDTH = 48.0, 3.0, 1060.0
_DAILY, _WEEKLY = 22.0, 7.0
_THINNEST_BAR = 3.0
_ROOM, _NAME = 20.0, 56.0


class Tick(NamedTuple):
    """A date on the scale. `month`: it begins one; `named`: there is room for the month's name."""

    x: float
    day: dt.date
    month: bool
    named: bool = False


class Box(NamedTuple):
    """Something drawn: where, and the thing of the chart it stands for."""

    x: float
    width: float
    y: float
    of: Any


class Drawing(NamedTuple):
    """Everything in pixels. `lanes` pair the top of each lane with its bars, what of them is late, and its marks."""

    width: float
    height: float
    px: float
    ticks: tuple[Tick, ...]
    rest: tuple[Box, ...]
    bands: tuple[Box, ...]
    lanes: tuple[tuple[float, Any, tuple[Box, ...], tuple[Box, ...], tuple[Box, ...]], ...]
    today: float | None
    provisional: float | None


def draw(chart: Any) -> Drawing:
    """The drawing of a chart (`workflow.core.gantt`)."""
    px = round(min(WIDEST_DAY, max(NARROWEST_DAY, WIDTH / chart.days)), 2)
    lanes = []
    for number, lane in enumerate(chart.lanes):
        y = TOP + number * LANE
        middle = y + (LANE - BAR) / 2
        bars = tuple(_box(px, bar.start, bar.end - bar.start, middle, bar) for bar in lane.bars)
        late = tuple(_box(px, bar.late_from, bar.end - bar.late_from, middle, bar) for bar in lane.bars if bar.late)
        marks = tuple(_box(px, mark.at, 1, y, mark) for mark in lane.marks)
        lanes.append((y, lane, bars, late, marks))
    return Drawing(
        round(chart.days * px, 2),
        TOP + len(chart.lanes) * LANE + 6,
        px,
        tuple(_ticks(chart, px)),
        tuple(_box(px, rest.start, rest.days, TOP, rest) for rest in chart.rest),
        tuple(_box(px, band.start, band.end - band.start, TOP, band) for band in chart.bands),
        tuple(lanes),
        None if chart.today is None else round(chart.today * px, 2),
        None if chart.provisional_from is None else round(chart.provisional_from * px, 2),
    )


def _box(px: float, start: float, days: float, y: float, of: Any) -> Box:
    return Box(round(start * px, 2), round(max(days * px, _THINNEST_BAR), 2), y, of)


def _ticks(chart: Any, px: float) -> list[Tick]:
    """Every day where there is room, else every Monday that does not crowd the first of a month, else those alone."""
    days = [chart.first + dt.timedelta(days=number) for number in range(chart.days)]
    months = {number for number, day in enumerate(days) if day.day == 1 or number == 0}
    crowd = _ROOM / px

    def told(number: int, day: dt.date) -> bool:
        if number in months or px >= _DAILY:
            return True
        return px >= _WEEKLY and day.weekday() == 0 and all(abs(number - month) >= crowd for month in months)

    def named(number: int) -> bool:
        return number in months and all((end - number) * px >= _NAME for end in (*months, chart.days) if end > number)

    return [
        Tick(round(number * px, 2), day, number in months, named(number))
        for number, day in enumerate(days)
        if told(number, day)
    ]
