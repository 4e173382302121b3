"""What only warns: internal milestones, the validity of the plan, and the ladders of dates that belong to no case."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from definitions import load, shipped
from tests.core.driver import FACTS, Case, submitted
from workflow.core import view
from workflow.core.counting import LEGAL, Timer
from workflow.core.evolve import replay
from workflow.core.rungs import course_of, course_until, first_look, next_look, rungs_due
from workflow.core.state import from_snapshot, to_snapshot
from workflow.core.timers import legal, timers
from workflow.core.times import business_date

CALENDAR = shipped()
TODAY = dt.date(2026, 1, 1)
LADDER = load().ladder(on=TODAY)
BUDGETS = {"visit": 3, "materials": 6, "outage_plan": 7, "start": 9, "finish": 13}
ORDER = list(BUDGETS)
IMPLIES = {
    "visit": set(), "materials": {"visit"}, "outage_plan": {"visit"}, "start": {"visit", "materials", "outage_plan"},
    "finish": {"visit", "materials", "outage_plan", "start"},
}  # fmt: skip
"""Once more and by hand: which earlier milestones need no reminding when one is reached."""


def told(timer: Timer, today: dt.date) -> list[tuple[str, dt.date, int, tuple[str, ...]]]:
    return [tuple(rung) for rung in rungs_due(CALENDAR, LADDER, course_of(CALENDAR, timer), today)]  # type: ignore[misc]  # a rung is such a tuple


def test_a_milestone_warns_on_its_own_ladder():
    case = submitted("lv_zero", "2024-01-08")
    visit = case.timers()["milestone:visit"]  # due Thursday 11
    assert first_look(CALENDAR, LADDER, visit) == dt.date(2024, 1, 10)
    assert told(visit, dt.date(2024, 1, 20)) == [
        ("yellow", dt.date(2024, 1, 10), 1, ("manager",)),
        ("red", dt.date(2024, 1, 11), 0, ("manager", "team_lead")),
        ("black", dt.date(2024, 1, 12), -1, ("manager", "team_lead")),
        ("black", dt.date(2024, 1, 16), -3, ("manager", "team_lead", "county")),
    ]
    course = course_of(CALENDAR, visit)
    assert next_look(CALENDAR, LADDER, course, dt.date(2024, 1, 12)) == dt.date(2024, 1, 16)
    assert next_look(CALENDAR, LADDER, course, dt.date(2024, 1, 16)) is None


def test_a_plan_warns_in_natural_days():
    case = submitted("hv_single", "2024-01-08")
    case.do("complete_step", "2024-01-08", step="acceptance")
    case.do("complete_step", "2024-01-18", step="supply_plan")
    plan = case.timers()["plan"]  # valid until Saturday 2025-01-18
    course = course_of(CALENDAR, plan)
    assert first_look(CALENDAR, LADDER, plan) == dt.date(2024, 12, 19)
    assert [rung[:3] for rung in told(plan, dt.date(2025, 3, 1))] == [
        ("yellow", dt.date(2024, 12, 19), 30), ("orange", dt.date(2025, 1, 8), 10), ("red", dt.date(2025, 1, 18), 0),
        ("black", dt.date(2025, 1, 19), -1),
    ]  # fmt: skip
    assert next_look(CALENDAR, LADDER, course, dt.date(2024, 12, 19)) == dt.date(2025, 1, 8)
    assert next_look(CALENDAR, LADDER, course, dt.date(2025, 1, 19)) is None


@pytest.mark.parametrize(
    ("scope", "start", "due", "until", "rungs"),
    [
        # July 2026: 1 to 3, 6 to 10, 13 to 15 are worked; after the 1st there are ten to the 15th.
        ("report", (2026, 7, 1), (2026, 7, 15), (2026, 8, 31),
         [("yellow", (2026, 7, 1)), ("orange", (2026, 7, 10)), ("red", (2026, 7, 15)), ("black", (2026, 7, 16))]),
        # 2022-01-15 is a Saturday and is not put off; after it comes Monday 17.
        ("report", (2022, 1, 1), (2022, 1, 15), (2022, 2, 1),
         [("yellow", (2022, 1, 1)), ("orange", (2022, 1, 11)), ("red", (2022, 1, 14)), ("black", (2022, 1, 17))]),
        ("order", (2026, 7, 13), (2026, 7, 15), (2026, 7, 20),
         [("yellow", (2026, 7, 14)), ("red", (2026, 7, 15)), ("black", (2026, 7, 16)), ("black", (2026, 7, 20))]),
        ("order", (2026, 7, 15), (2026, 7, 15), (2026, 7, 15), [("red", (2026, 7, 15))]),
        ("horizon", (2026, 1, 1), (2026, 12, 21), (2026, 12, 31),
         [("yellow", (2026, 11, 21)), ("orange", (2026, 12, 6)), ("red", (2026, 12, 21)), ("black", (2026, 12, 22)),
          ("black", (2026, 12, 29))]),
    ],
)  # fmt: skip
def test_dates_that_belong_to_no_case(scope: str, start: Any, due: Any, until: Any, rungs: Any):
    course = course_until(CALENDAR, LADDER, scope, dt.date(*due), start=dt.date(*start))
    found = rungs_due(CALENDAR, LADDER, course, dt.date(*until))
    assert [(rung.level, rung.day) for rung in found] == [(level, dt.date(*day)) for level, day in rungs]


def test_a_report_watched_late_has_the_rung_that_stands():
    course = course_until(CALENDAR, LADDER, "report", dt.date(2026, 7, 15), start=dt.date(2026, 7, 14))
    assert [(r.level, r.day, r.remaining) for r in rungs_due(CALENDAR, LADDER, course, dt.date(2026, 7, 14))] == [
        ("orange", dt.date(2026, 7, 14), 1)
    ]


def test_how_milestones_are_shown():
    case = submitted("lv_zero", "2024-01-08")
    case.do("reach_milestone", "2024-01-10", milestone="visit", not_needed=["outage_plan"])
    shown = view.milestones(case.calendar, case.definition, case.state, dt.date(2024, 1, 18))
    visit, materials, outage = shown[:3]
    assert visit == {
        "milestone": "visit", "name": "上门勘查", "name_en": "Site visit", "owner": "营销部门", "owner_en": "Marketing",
        "reached_by": ["site_survey"], "status": "met", "reached_at": case.now, "budget_working_days": 3,
        "used_working_days": 2, "remaining_working_days": 1, "due_on": dt.date(2024, 1, 11), "provisional": False,
        "overdue": False, "legal_limit": False, "clauses": ["D-MILESTONES"],
    }  # fmt: skip
    # Materials were due on Tuesday 16; on Thursday 18 that is two working days ago.
    assert (materials["status"], materials["remaining_working_days"], materials["overdue"]) == ("running", -2, True)
    assert (outage["status"], outage["remaining_working_days"], outage["due_on"]) == ("not_needed", None, None)


def test_how_a_plan_is_shown():
    case = submitted("lv_other", "2024-01-08")
    assert view.plan(case.calendar, case.definition, case.state, TODAY) is None
    case.do("complete_step", "2024-01-08", step="acceptance")
    case.do("complete_step", "2024-01-10", step="supply_plan")
    assert view.plan(case.calendar, case.definition, case.state, dt.date(2024, 3, 31)) == {
        "delivered_on": dt.date(2024, 1, 10), "valid_until": dt.date(2024, 4, 10), "months": 3, "remaining_days": 10,
        "status": "running", "ended_on": None, "clauses": ["S-RULES-1996-PLAN", "D-PLAN"],
    }  # fmt: skip


@pytest.mark.parametrize("user_class", FACTS)
def test_what_only_warns_is_never_shown_as_a_limit(user_class: str):
    """From submission to energised, with every milestone overdue on the way."""
    case = submitted(user_class, "2024-01-08")
    for day in ("2024-06-03", "2024-06-04"):
        today = dt.date.fromisoformat(day)
        shown = case.shown()
        keys = {one["key"] for one in shown["deadlines"]}
        explained = view.explain(case.calendar, case.definition, case.state, today)
        assert {one["scope"] for one in shown["deadlines"]} <= set(LEGAL)
        assert (
            {one["key"] for one in explained} == keys == {timer.key for timer in legal(tuple(case.timers().values()))}
        )
        case.drive(day)
    assert not any(timer.status == "running" for timer in case.timers().values())


# ---- whatever is recorded --------------------------------------------------------------------------------------------


def expected(reached: dict[str, dt.date], without: set[str], submitted_on: dt.date) -> dict[str, str]:
    """The statuses of the milestones, said anew from the rules: own facts first, then later ones, then the clock."""
    found = {}
    for code, budget in BUDGETS.items():
        if code in reached:
            # On a rest day after the last counted day it is late, although no further working day has passed.
            found[code] = "met" if reached[code] <= CALENDAR.add(submitted_on, budget) else "breached"
        elif code in without:
            found[code] = "not_needed"
        elif any(code in IMPLIES[other] for other in reached):
            found[code] = "cancelled"
        else:
            found[code] = "running"
    return found


records = st.lists(
    st.tuples(
        st.integers(0, 4),
        st.sampled_from([*ORDER, None]),
        st.sets(st.sampled_from(ORDER[1:]), max_size=2),
        st.sets(st.sampled_from(ORDER[1:]), max_size=2),
    ),
    max_size=8,
)


@settings(max_examples=50, deadline=None)
@given(records)
def test_any_order_of_records(given_: list[tuple[int, str | None, set[str], set[str]]]):
    """The first occurrence counts, what is stated holds until taken back, and the history gives the same state."""
    case = submitted("lv_zero", "2024-01-08")
    day, reached, without = dt.date(2024, 1, 8), dict[str, dt.date](), set[str]()
    for number, (later, code, not_needed, needed) in enumerate(given_):
        day += dt.timedelta(days=later)
        fields: dict[str, Any] = {"not_needed": sorted(not_needed), "needed": sorted(needed), "milestone": code}
        decision = case.do("reach_milestone", f"{day} 11:{number:02}", **fields)
        now_reached = reached if code is None else {code: day, **reached}
        if (code is None and not not_needed and not needed) or not_needed & (needed | set(now_reached)):
            assert decision.refusal is not None
            assert not decision.events
            continue
        assert decision.refusal is None
        reached = now_reached
        without = ((without - needed) | not_needed) - set(reached)
        assert case.milestones() == expected(reached, without, dt.date(2024, 1, 8))
    assert replay(case.history) == case.state
    assert from_snapshot(to_snapshot(case.state)) == case.state
    assert timers(case.calendar, case.definition, case.state) == tuple(case.timers().values())
    case.drive(f"{day} 18:00")
    assert set(case.milestones().values()) <= {"met", "breached", "cancelled", "not_needed"}


def test_a_closed_case_names_no_date_that_a_calendar_could_move():
    case = submitted("lv_zero", "2024-01-08")
    case.do("reach_milestone", "2024-01-09", milestone="visit")
    case.drive("2024-01-10")
    dated = {key: timer.due_on for key, timer in case.timers().items() if key.startswith("milestone:") and timer.due_on}
    assert dated == {"milestone:visit": dt.date(2024, 1, 11)}, "only the one that was judged"
    assert business_date(case.state.ended) == dt.date(2024, 1, 10)


def test_a_change_of_class_takes_the_budgets_with_it():
    case: Case = submitted("lv_zero", "2024-01-08")
    case.do("reach_milestone", "2024-01-09", milestone="visit")
    case.do("correct", "2024-01-09", field="case.enterprise_size", new_value="large", reason="核实为大型企业")
    case.do("countersign", "2024-01-09")
    assert case.state.user_class == "lv_other"
    assert not [key for key in case.timers() if key.startswith("milestone:")]
    assert case.milestones()["visit"] == "reached"
