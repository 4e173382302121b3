"""Suspension × calendar × rounds × change of definition, against a naive reading of the counting rules.

The oracle walks day by day and was written from policy 5: the start day is not counted, the due date is the last
counted working day, suspended working days of force majeure are left out of a whole process only, every round of a sum
counts. It shares nothing with the engine but the question whether a day is worked.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from definitions import WorkingCalendar, read_notice, shipped
from tests.core.driver import FACTS, NOTICE_2027, PAPERS, Case, shipped_book
from workflow.core.counting import due_date, merged, used_days
from workflow.core.events import Event
from workflow.core.evolve import replay
from workflow.core.state import from_snapshot, to_snapshot
from workflow.core.timers import standing, timers

CALENDAR = shipped()
FOR_EVER = dt.date.max
DAY = dt.timedelta(days=1)
quick = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])

Stretches = Sequence[tuple[dt.date, dt.date]]

# ---- the oracle ------------------------------------------------------------------------------------------------------


def resting(day: dt.date, stretches: Stretches) -> bool:
    return any(first <= day <= last for first, last in stretches)


def naive_used(start: dt.date, end: dt.date, stretches: Stretches = ()) -> int:
    day, used = start, 0
    while day < end:
        day += DAY
        if CALENDAR.is_working(day) and not resting(day, stretches):
            used += 1
    return used


def naive_due(start: dt.date, budget: int, stretches: Stretches = ()) -> dt.date | None:
    """None when the budget has not run out within two years, which only an open suspension brings about."""
    day, used, due = start, 0, start
    while used < budget:
        day += DAY
        if (day - start).days > 730:
            return None
        if CALENDAR.is_working(day) and not resting(day, stretches):
            used, due = used + 1, day
    return due


# ---- the arithmetic alone --------------------------------------------------------------------------------------------

days = st.dates(dt.date(2020, 12, 1), dt.date(2026, 6, 30))
near = st.integers(-5, 40)


@st.composite
def suspended(draw: st.DrawFn, start: dt.date) -> list[tuple[dt.date, dt.date]]:
    """Up to four stretches around `start`, some overlapping or touching, the last perhaps open."""
    found = []
    for _ in range(draw(st.integers(0, 4))):
        first = start + draw(near) * DAY
        last = FOR_EVER if draw(st.integers(0, 9)) == 0 else first + draw(st.integers(0, 9)) * DAY
        found.append((first, last))
    return found


@quick
@given(st.data(), days, st.integers(0, 32))
def test_due_and_used_are_what_a_walk_over_days_gives(data, start, budget):
    stretches = data.draw(suspended(start))
    joined = merged(stretches)
    due = due_date(CALENDAR, start, budget, joined)
    assert due == naive_due(start, budget, stretches)
    end = start + data.draw(st.integers(0, 60)) * DAY
    assert used_days(CALENDAR, start, end, joined) == naive_used(start, end, stretches)
    if due is not None:
        assert used_days(CALENDAR, start, due, joined) == budget
        assert (end > due) >= (used_days(CALENDAR, start, end, joined) > budget)


# ---- whole cases -----------------------------------------------------------------------------------------------------


def moment(day: dt.date, minute: int) -> str:
    return f"{day} {9 + minute // 60:02}:{minute % 60:02}"


def drive_at_random(case: Case, draw: st.DrawFn, start: dt.date) -> list[tuple[dt.date, dt.date]]:
    """Up to fifteen commands, each some days after the one before: steps done and returned, suspensions signed and
    unsigned, a change of class. Answers the suspensions that took effect."""
    stretches: list[tuple[dt.date, dt.date]] = []
    day, minute = start, 0
    for _ in range(draw(st.integers(0, 15))):
        if case.state.closed:
            break
        step = draw(st.integers(0, 4))
        day, minute = day + step * DAY, minute + 1
        when, code = moment(day, minute), case.state.open_step
        running = case.state.state.endswith(".running")
        choice = draw(st.sampled_from(("go", "go", "go", "return", "suspend", "unsigned", "class", "waive")))
        if choice == "suspend":
            first = day - draw(st.integers(0, 6)) * DAY
            last = None if draw(st.integers(0, 5)) == 0 else first + draw(st.integers(0, 6)) * DAY
            if case.suspend(when, str(first), None if last is None else str(last)).refusal is None:
                stretches.append((first, last or FOR_EVER))
        elif choice == "unsigned":
            unsigned: dict[str, Any] = {"from": str(day)}
            case.do("suspend", when, reason="force_majeure", notice="N", **unsigned)
        elif choice == "class":
            size = "large" if case.state.facts.enterprise_size == "small" else "small"
            before = len(case.history)
            if case.do("correct", when, field="enterprise_size", new_value=size, reason="录错").refusal is None:
                case.do("countersign", when, event=before + 1)
        elif choice == "waive" and not running:
            before = len(case.history)
            basis: dict[str, Any] = {"step": code, "legal_basis": "《供电监管办法》第十一条"}
            if case.do("waive_step", when, **basis).refusal is None:
                case.do("countersign", when, event=before + 1)
        elif choice == "return":
            case.do("return_step", when, step=code, defects=["缺图纸"])
        elif running:
            case.do("complete_step", when, step=code)
        else:
            case.do("submit_step", when, step=code, documents=PAPERS.get(code, ()))
    return stretches


@st.composite
def lives(draw: st.DrawFn) -> tuple[Case, list[tuple[dt.date, dt.date]]]:
    case = Case(shipped_book())
    start = draw(st.dates(dt.date(2022, 1, 1), dt.date(2026, 3, 1)))
    user_class = draw(st.sampled_from(("residential", "lv_zero", "lv_other", "hv_single", "hv_dual")))
    decision = case.apply(FACTS[user_class], f"{start} 08:00")
    assert decision.refusal is None
    return case, drive_at_random(case, draw, start)


@quick
@given(lives())
def test_every_due_date_and_count_of_a_life_is_what_the_rules_say(life):
    case, stretches = life
    state, definition = case.state, case.definition
    closed_on = None if state.closed_at is None else state.closed_at.date()
    today = case.now.date()
    limits = {step.code: step.limit for step in definition.steps}
    found = case.timers()
    total = found["total"]
    begun = state.submitted_at.date()

    spent = 0
    for step in state.steps:
        for number, turn in enumerate(step.rounds, start=1):
            first, last = turn.started_at.date(), (turn.ended_at or case.now).date()
            spent += naive_used(first, last)
            limit = limits[step.code]
            if limit is None:
                assert f"step:{step.code}:{number}" not in found
                continue
            timer = found[f"step:{step.code}:{number}"]
            due = naive_due(first, limit)
            assert due is not None
            # A step is limited by the class's own days, and force majeure is not taken off it.
            assert (timer.budget, timer.due_on) == (limit, due)
            assert standing(case.calendar, timer, today).used == naive_used(first, last)
            ended_by = {"complete": "met", "return": "met", "ended": "cancelled", "waive": "cancelled", None: "running"}
            late = turn.ended_at is not None and last > due
            assert timer.status == ("breached" if late else ended_by[turn.outcome])

    now = standing(case.calendar, total, today)
    if definition.total.kind == "whole_process":
        end = closed_on or today
        assert now.used == naive_used(begun, end, stretches)
        assert total.due_on == naive_due(begun, definition.total.limit, stretches)
        if closed_on is not None:
            due = naive_due(begun, definition.total.limit, stretches)
            assert (total.status == "breached") == (due is not None and closed_on > due)
    else:
        assert now.used == spent
        if closed_on is not None:
            assert (total.status == "breached") == (spent > definition.total.limit)
    assert now.remaining == definition.total.limit - now.used


@quick
@given(lives())
def test_history_replays_to_the_state_and_both_survive_json(life):
    case, _ = life
    assert replay(case.history) == case.state
    assert from_snapshot(to_snapshot(case.state)) == case.state
    stored = [msgspec.json.decode(msgspec.json.encode(event), type=Event) for event in case.history]
    assert replay(stored) == case.state
    assert [event.seq for event in case.history] == list(range(1, len(case.history) + 1))
    recorded = [event.recorded_at for event in case.history]
    assert recorded == sorted(recorded)


@quick
@given(lives(), st.integers(0, 40))
def test_a_running_timer_is_overdue_exactly_when_a_working_day_has_passed_its_due_date(life, ahead):
    case, _ = life
    today = case.now.date() + ahead * DAY
    for timer in case.timers().values():
        if timer.status != "running":
            continue
        stand = standing(case.calendar, timer, today)
        assert stand.used + stand.remaining == timer.budget
        assert timer.due_on is not None
        after = [day for n in range(1, ahead + 400) if (day := timer.due_on + n * DAY) <= today]
        passed = any(CALENDAR.is_working(day) and not resting(day, timer.suspended) for day in after)
        assert (stand.remaining < 0) == passed


# ---- a notice comes in -----------------------------------------------------------------------------------------------


def with_2027() -> WorkingCalendar:
    """A notice for 2027 in the shape of the real ones: Spring Festival with make-up days that nobody can foresee."""
    return shipped().with_notices(read_notice(NOTICE_2027))


@pytest.fixture(scope="module")
def firmer() -> WorkingCalendar:
    return with_2027()


@settings(max_examples=60, deadline=None)
@given(life=st.data(), start=st.dates(dt.date(2026, 11, 1), dt.date(2027, 1, 31)))
def test_a_notice_moves_open_timers_and_no_judgement(firmer, life, start):
    case = Case(shipped_book())
    user_class = life.draw(st.sampled_from(("residential", "lv_zero", "lv_other", "hv_single", "hv_dual")))
    assert case.apply(FACTS[user_class], f"{start} 08:00").refusal is None
    drive_at_random(case, life.draw, start)
    before = {timer.key: timer for timer in case.timers().values()}
    after = {timer.key: timer for timer in timers(firmer, case.definition, case.state)}
    assert before.keys() == after.keys()
    for key, was in before.items():
        now = after[key]
        if was.status in ("met", "breached", "cancelled"):
            assert now == was
        assert (now.status, now.budget, now.intervals) == (was.status, was.budget, was.intervals)
        assert now.provisional <= was.provisional
        if was.due_on is not None and not was.provisional:
            assert now.due_on == was.due_on


def test_a_notice_firms_up_the_due_date(firmer):
    case = Case(shipped_book())
    case.apply(FACTS["residential"], "2026-12-31 10:00")
    # Without a notice: 1-3 January are New Year and weekend, 4 5 6 7 8 are the five. With it the same, and firm.
    assert case.timers()["total"].due_on == dt.date(2027, 1, 8)
    assert case.timers()["total"].provisional
    firm = {timer.key: timer for timer in timers(firmer, case.definition, case.state)}["total"]
    assert (firm.due_on, firm.provisional) == (dt.date(2027, 1, 8), False)

    later = Case(shipped_book())
    later.apply(FACTS["residential"], "2027-01-05 10:00")
    # 6 7 8 =3, 11 =4, 12 =5; with the notice Sunday the 10th is worked: 6 7 8 =3, 10 =4, 11 =5.
    assert later.due() == dt.date(2027, 1, 12)
    firm = {timer.key: timer for timer in timers(firmer, later.definition, later.state)}["total"]
    assert firm.due_on == dt.date(2027, 1, 11)


def test_what_a_later_calendar_changes_does_not_rewrite_a_round_left_alone_by_a_correction(firmer):
    """Only the round whose time is corrected is judged by the calendar of the day of the correction."""
    case = Case(shipped_book())
    case.apply(FACTS["lv_other"], "2027-01-08 10:00")
    # Acceptance Friday the 8th to Monday the 11th: one working day as the calendar then knew it, two with the notice.
    case.do("complete_step", "2027-01-11 10:00", step="acceptance")
    case.do("complete_step", "2027-01-12 10:00", step="supply_plan")
    case.calendar = firmer
    plan_done: dict[str, Any] = {"field": "supply_plan.complete.occurred_at", "new_value": "2027-01-12T09:00"}
    case.do("correct", "2027-01-13 10:00", reason="回执为证", **plan_done)
    case.do("countersign", "2027-01-13 10:00")
    acceptance = case.state.steps[0].rounds[0]
    assert (acceptance.used, acceptance.due_on) == (1, dt.date(2027, 1, 11))
    # The sum adds what was judged, not what the new calendar would say.
    assert case.standing("total").used == 2


def test_the_oracle_knows_a_vector_by_hand():
    # 5 from Monday 2024-01-08 with the 10th and 11th suspended: 9, 12, 15, 16, 17.
    stretches: list[tuple[Any, Any]] = [(dt.date(2024, 1, 10), dt.date(2024, 1, 11))]
    assert naive_due(dt.date(2024, 1, 8), 5, stretches) == dt.date(2024, 1, 17)
    assert naive_used(dt.date(2024, 1, 8), dt.date(2024, 1, 16), stretches) == 4
