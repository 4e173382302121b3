"""What is written of a case after a command: the rounds and timers that changed, and nothing else."""

from __future__ import annotations

import datetime as dt

from workflow.core.state import Round, Step
from workflow.core.timers import Interval, Timer
from workflow.core.times import BUSINESS_ZONE
from workflow.service.projection import rounds_changed, timers_changed

MORNING, EVENING = (dt.datetime(2024, 1, 8, hour, tzinfo=BUSINESS_ZONE) for hour in (9, 17))
FIRST, SECOND = Round(MORNING, EVENING, "return"), Round(EVENING)


def timer(key: str, status: str, *, begun: bool = True) -> Timer:
    intervals = (Interval(dt.date(2024, 1, 8), None),) if begun else ()
    return Timer(key, "step", "metering", 1, 3, intervals, (), None, False, status)


def test_a_round_is_written_when_it_begins_and_when_it_is_no_longer_what_it_was():
    running, over = Step("metering", "running", (FIRST, SECOND)), Step("metering", "waiting", (FIRST,))
    untouched = Step("acceptance", "done", (FIRST,))
    begun = rounds_changed("C", (untouched, running), (untouched, over))
    assert [(row.step, row.round, row.ended_at) for row in begun.rows] == [("metering", 2, None)]
    ended = Step("metering", "done", (FIRST, Round(EVENING, EVENING, "complete")))
    assert [row.round for row in rounds_changed("C", (untouched, ended), (untouched, running)).rows] == [2]
    assert rounds_changed("C", (untouched, running), (untouched, running)) == ([], [])


def test_rounds_of_a_step_that_left_the_path_are_gone():
    short, long = Step("metering", "waiting", (FIRST,)), Step("metering", "running", (FIRST, SECOND))
    other = Step("design_review", "done", (FIRST, SECOND))
    assert rounds_changed("C", (short,), (other, long)).gone == [
        ("metering", 2), ("design_review", 1), ("design_review", 2),
    ]  # fmt: skip


def test_a_timer_has_a_row_once_it_has_begun():
    waiting, running, met = timer("a", "waiting", begun=False), timer("a", "running"), timer("a", "met")
    assert timers_changed((waiting,), ()) == {}
    assert timers_changed((running,), (waiting,)) == {"a": (None, running)}
    assert timers_changed((met,), (running,)) == {"a": (running, met)}
    assert timers_changed((timer("a", "running"),), (running,)) == {}
    assert timers_changed((waiting,), (running,)) == {"a": (running, None)}
