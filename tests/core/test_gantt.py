"""The drawing of a case, worked by hand on the calendar of Spring Festival 2024: rest 10 to 17 February, Sunday the 4th
and Sunday the 18th worked."""

from __future__ import annotations

import datetime as dt

from tests.core.driver import PAPERS, Case, at, submitted
from workflow.core.gantt import MOST_DAYS, Chart, chart


def drawn(case: Case, when: str) -> Chart:
    return chart(case.calendar, case.definition, case.state, tuple(case.timers().values()), at(when))


def bars(found: Chart, code: str) -> list[tuple[str, float, float, int | None, bool]]:
    lane = next(lane for lane in found.lanes if lane.code == code)
    return [(bar.kind, bar.start, bar.end, bar.round, bar.late) for bar in lane.bars]


def test_the_whole_process_runs_over_the_festival_with_its_suspension_and_due_date():
    case = submitted("residential", "2024-02-07 06:00")
    case.do("complete_step", "2024-02-07 18:00", step="acceptance")
    case.suspend("2024-02-08", "2024-02-08", "2024-02-08")
    found = drawn(case, "2024-02-20 12:00")
    # Counted days: 9, 18 (make-up), 19, 20, 21 February; the 8th is suspended.
    assert found.first == dt.date(2024, 2, 7)
    assert found.days == 17  # to 23 February: two days beyond the due date
    total = found.lanes[0]
    assert total.name.zh == "全过程"
    assert [(mark.at, mark.due_on) for mark in total.marks] == [(14, dt.date(2024, 2, 21))]
    assert bars(found, "total") == [("running", 0.25, 13.5, None, False)]
    assert bars(found, "acceptance") == [("running", 0.25, 0.75, 1, False)]
    assert bars(found, "metering") == [("running", 0.75, 13.5, 1, False)]
    assert [(band.start, band.end, band.deducted) for band in found.bands] == [(1, 2, True)]
    assert [(rest.start, rest.days, str(rest.kind)) for rest in found.rest] == [
        (3, 8, "holiday"),
        (11, 1, "makeup_workday"),
    ]
    assert found.today == 13.5
    assert found.provisional_from is None


def test_rounds_of_a_step_stand_behind_one_another_with_the_customers_time_between():
    case = submitted("hv_single", "2024-03-04 00:00")  # a Monday
    case.do("complete_step", "2024-03-04 12:00", step="acceptance")
    case.do("complete_step", "2024-03-05 12:00", step="supply_plan")
    case.do("submit_step", "2024-03-07 12:00", step="design_review", documents=PAPERS["design_review"])
    case.do("return_step", "2024-03-08 12:00", step="design_review", defects=["缺接地计算"])
    case.do("submit_step", "2024-03-11 12:00", step="design_review")
    found = drawn(case, "2024-03-15 12:00")  # three working days from Monday the 11th end on Thursday the 14th
    assert bars(found, "design_review") == [
        ("waiting", 1.5, 3.5, 1, False),
        ("running", 3.5, 4.5, 1, False),
        ("waiting", 4.5, 7.5, 2, False),
        ("running", 7.5, 11.5, 2, True),
    ]
    lane = next(lane for lane in found.lanes if lane.code == "design_review")
    assert [bar.late_from for bar in lane.bars] == [None, None, None, 11.0]  # midnight after the 14th
    assert [(mark.round, mark.due_on) for mark in lane.marks] == [
        (1, dt.date(2024, 3, 12)),
        (2, dt.date(2024, 3, 14)),
    ]
    assert [bar.outcome for bar in lane.bars if bar.kind == "running"] == ["return", None]
    assert bars(found, "mid_inspection") == []
    # The total of a sum shows whose time it was, in order.
    assert [kind for kind, *_ in bars(found, "total")] == [
        "running",
        "running",
        "waiting",
        "running",
        "waiting",
        "running",
    ]


def test_a_sum_of_steps_is_late_where_it_is_past_its_own_due_date():
    case = submitted("lv_other", "2024-03-04 06:00")  # acceptance 1, supply plan 3, metering 2, together 6 working days
    case.do("complete_step", "2024-03-04 12:00", step="acceptance")
    found = drawn(case, "2024-03-15 12:00")
    # Three days of the plan: 5 to 7 March. Acceptance took none, so the six of the sum are 5 to 8, 11 and 12 March.
    plan = next(lane for lane in found.lanes if lane.code == "supply_plan")
    assert [bar.late_from for bar in plan.bars] == [4.0]
    assert [mark.due_on for mark in found.lanes[0].marks] == [dt.date(2024, 3, 12)]
    assert [bar.late_from for bar in found.lanes[0].bars] == [None, 9.0]


def test_a_due_date_is_over_on_the_rest_day_after_it():
    case = submitted("residential", "2024-03-01 06:00")  # a Friday; five working days end on Friday 8 March
    (total,) = drawn(case, "2024-03-09 12:00").lanes[0].bars
    assert total.late_from == 8.0  # midnight after the 8th


def test_a_closed_case_ends_where_it_closed_and_has_no_today():
    case = submitted("residential", "2024-03-04 06:00").drive("2024-03-06 12:00")
    found = drawn(case, "2026-01-01")
    assert bars(found, "total") == [("running", 0.25, 2.5, None, False)]
    assert found.today is None


def test_a_step_waiting_now_waits_until_now():
    case = submitted("residential", "2024-03-04 12:00", documents=[{"kind": "identity"}])
    assert bars(drawn(case, "2024-03-06 12:00"), "acceptance") == [("waiting", 0.5, 2.5, 1, False)]


def test_days_beyond_the_notices_are_provisional():
    # The last ten days of a year may still be moved by the next notice: from 22 December 2026 on nothing is firm.
    found = drawn(submitted("residential", "2026-12-16"), "2026-12-17")
    assert found.provisional_from == 6
    assert [(mark.due_on, mark.provisional) for mark in found.lanes[0].marks] == [(dt.date(2026, 12, 23), True)]


def test_only_the_last_days_of_a_very_long_case_are_drawn():
    case = submitted("hv_single", "2022-01-04")
    case.do("complete_step", "2022-01-04 12:00", step="acceptance")
    case.do("complete_step", "2022-01-10 12:00", step="supply_plan")
    found = drawn(case, "2025-06-30")
    assert found.days == MOST_DAYS
    assert found.cut
    assert bars(found, "acceptance") == [("running", 0.0, 0.0, 1, False)]
