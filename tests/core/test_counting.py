"""Every vector of the counting rules [policy 5], and the counting that no story shows."""

from __future__ import annotations

import datetime as dt

import msgspec
import pytest

from definitions import shipped
from tests.core.driver import Case, at, submitted
from workflow.core.counting import OPEN_ENDED, counted_from, due_date, merged, used_days
from workflow.core.timers import account

CALENDAR = shipped()


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


@pytest.mark.parametrize(
    ("budget", "start", "due"),
    [
        (5, "2024-01-08", "2024-01-15"),
        (5, "2024-01-06", "2024-01-12"),
        (5, "2024-01-05", "2024-01-12"),
        (5, "2026-02-13", "2026-02-27"),
        (15, "2026-02-13", "2026-03-12"),
        (10, "2026-01-04", "2026-01-16"),
        (3, "2026-09-30", "2026-10-10"),
        (20, "2025-01-21", "2025-02-24"),
        (5, "2020-01-17", "2020-01-23"),
    ],
)
def test_vectors(budget, start, due):
    assert due_date(CALENDAR, day(start), budget) == day(due)
    assert used_days(CALENDAR, day(start), day(due)) == budget


DEEMED = [
    # Received when the office opens next: Monday the 8th, which is not counted; 9 10 11 12 15.
    ("2024-01-05 18:00", "2024-01-08", "2024-01-15"),
    ("2024-01-05 17:30", "2024-01-08", "2024-01-15"),
    ("2024-01-05 17:29", "2024-01-05", "2024-01-12"),
    ("2024-01-06 10:00", "2024-01-08", "2024-01-15"),
    # Before opening on a working day is that day.
    ("2024-01-08 07:00", "2024-01-08", "2024-01-15"),
    # The hours are those of the business zone: 10:00 UTC is 18:00.
    ("2024-01-05 10:00+00:00", "2024-01-08", "2024-01-15"),
]


@pytest.mark.parametrize(("moment", "start", "due"), DEEMED)
def test_the_other_practice_deems_a_late_hour_received_when_the_office_opens(moment, start, due):
    strict = submitted("residential").definition.counting
    deemed = msgspec.structs.replace(strict, rest_day_submission="deemed")
    counted = counted_from(CALENDAR, deemed, at(moment))
    assert (counted, due_date(CALENDAR, counted, 5)) == (day(start), day(due))


def test_strictly_the_day_is_that_of_the_business_zone():
    strict = submitted("residential").definition.counting
    assert counted_from(CALENDAR, strict, at("2024-01-05 15:59+00:00")) == day("2024-01-05")
    assert counted_from(CALENDAR, strict, at("2024-01-05 16:00+00:00")) == day("2024-01-06")


def test_overlapping_stretches_become_one():
    first = (day("2024-01-10"), day("2024-01-12"))
    inside = (day("2024-01-11"), day("2024-01-11"))
    apart = (day("2024-01-15"), day("2024-01-16"))
    assert merged([apart, inside, first]) == (first, apart)


def counted_days(case: Case) -> list[tuple[dt.date, str, int | None]]:
    rows = account(case.calendar, case.timers()["total"])
    return [(row.date, row.reason, row.counted) for row in rows]


def test_the_account_ends_on_the_due_date_and_shows_what_is_left_out():
    case = submitted("residential", "2024-01-08")
    case.suspend("2024-01-10", "2024-01-10", "2024-01-11")
    rows = counted_days(case)
    assert rows[0] == (day("2024-01-08"), "start", None)
    assert rows[1:4] == [
        (day("2024-01-09"), "working", 1), (day("2024-01-10"), "suspended", None),
        (day("2024-01-11"), "suspended", None),
    ]  # fmt: skip
    assert rows[-1] == (case.due(), "working", 5) == (day("2024-01-17"), "working", 5)


def test_the_account_of_an_open_suspension_names_no_date_that_does_not_exist():
    case = submitted("residential", "2024-01-08")
    case.suspend("2024-01-10", "2024-01-10")
    assert case.due() is None
    assert counted_days(case) == [(day("2024-01-08"), "start", None), (day("2024-01-09"), "working", 1)]


def test_the_account_of_an_open_suspension_shows_the_one_before_it():
    case = submitted("residential", "2024-01-08")
    case.suspend("2024-01-12", "2024-01-10", "2024-01-10")
    case.suspend("2024-01-12", "2024-01-12")
    assert counted_days(case) == [
        (day("2024-01-08"), "start", None), (day("2024-01-09"), "working", 1),
        (day("2024-01-10"), "suspended", None), (day("2024-01-11"), "working", 2),
    ]  # fmt: skip


def test_the_account_ends_on_a_due_date_that_an_open_suspension_comes_too_late_for():
    case = submitted("residential", "2024-01-08")
    case.suspend("2024-01-19", "2024-01-19")
    assert counted_days(case)[-1] == (case.due(), "working", 5) == (day("2024-01-15"), "working", 5)


def test_a_round_of_a_whole_process_took_the_days_it_took():
    """Suspended days are left out of the limit; the step has none."""
    case = submitted("residential", "2024-01-08")
    case.suspend("2024-01-12", "2024-01-10", "2024-01-11")
    case.do("complete_step", "2024-01-12", step="acceptance")
    assert [step.rounds[0].used for step in case.state.steps if step.code == "acceptance"] == [4]  # 9 10 11 12
    assert case.standing().used == 2


def test_the_account_of_a_sum_stands_in_the_round_in_which_it_ran_out():
    case = submitted("lv_other", "2024-01-08")
    # Acceptance is answered only on Thursday the 18th: 8 working days (9-12, 15-18) of the 6.
    case.do("complete_step", "2024-01-18", step="acceptance")
    assert case.due() == day("2024-01-16")
    assert counted_days(case)[-1] == (day("2024-01-16"), "working", 6)


def test_the_account_of_a_sum_counts_what_is_left_after_earlier_rounds():
    case = submitted("lv_other", "2024-01-08")
    case.do("complete_step", "2024-01-09", step="acceptance")
    case.do("complete_step", "2024-01-12", step="supply_plan")
    case.do("submit_step", "2024-01-22", step="metering")
    assert counted_days(case) == [
        (day("2024-01-22"), "start", None), (day("2024-01-23"), "working", 1), (day("2024-01-24"), "working", 2),
    ]  # fmt: skip


def test_the_account_of_a_sum_used_up_to_the_day_stands_where_it_starts_again():
    case = submitted("lv_other", "2024-01-08")
    case.do("complete_step", "2024-01-09", step="acceptance")
    # 10 11 12 15 16: five more are six.
    case.do("complete_step", "2024-01-16", step="supply_plan")
    case.do("submit_step", "2024-01-22", step="metering")
    assert counted_days(case) == [(day("2024-01-22"), "start", None)]
    assert case.due() == day("2024-01-22")


def test_open_ended_is_later_than_every_day_of_the_calendar():
    assert CALENDAR.last_day < OPEN_ENDED
