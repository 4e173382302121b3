"""The drawing of a case in pixels: what lies where, and what there is room for."""

from __future__ import annotations

from itertools import pairwise

from tests.core.driver import Case, at, submitted
from workflow.core.gantt import chart
from workflow.web.areas.cases.drawing import LANE, TOP, WIDTH, Drawing, draw


def drawn(case: Case, when: str) -> Drawing:
    return draw(chart(case.calendar, case.definition, case.state, tuple(case.timers().values()), at(when)))


def test_a_short_case_shows_every_day_at_its_hour():
    case = submitted("residential", "2024-03-04 12:00")  # due on Monday the 11th, drawn to the 13th
    found = drawn(case, "2024-03-06 12:00")
    assert (found.px, found.width) == (48.0, 480.0)
    assert [tick.day.day for tick in found.ticks] == list(range(4, 14))
    y, _, bars, late, marks = found.lanes[0]
    assert (y, late) == (TOP, ())
    assert [(bar.x, bar.width) for bar in bars] == [(24.0, 96.0)]
    assert [(mark.x, mark.width) for mark in marks] == [(336.0, 48.0)]
    assert found.today == 120.0
    assert found.lanes[1][0] == TOP + LANE


def test_only_what_lies_beyond_the_due_date_is_late():
    case = submitted("residential", "2024-03-04 12:00")  # due on Monday the 11th: late from its midnight on
    _, _, (bar,), (late,), _ = drawn(case, "2024-03-13 12:00").lanes[0]
    assert (bar.x, bar.width) == (24.0, 432.0)
    assert (late.x, late.width) == (384.0, 72.0)


def test_a_long_case_shows_mondays_then_months_and_no_bar_vanishes():
    case = submitted("hv_single", "2024-03-04 12:00")
    case.do("complete_step", "2024-03-04 12:10", step="acceptance")
    case.do("complete_step", "2024-03-08 12:00", step="supply_plan")
    found = drawn(case, "2024-08-30")
    assert found.width <= WIDTH + 1
    days = [tick.day for tick in found.ticks]
    assert all(day.weekday() == 0 or day.day == 1 for day in days)
    named = [tick for tick in found.ticks if tick.named]
    assert [tick.day.month for tick in named] == [3, 4, 5, 6, 7, 8]
    assert all(later.x - one.x >= 56 for one, later in pairwise(named))
    (bar,) = found.lanes[1][2]  # ten minutes of acceptance
    assert bar.width == 3.0
