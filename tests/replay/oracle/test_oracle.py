"""The oracle on cases worked by hand."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from tests.replay.histories import calendar
from tests.replay.oracle.file import File, Finding
from tests.replay.oracle.judge import judge, suspected

HOME = {
    "case_id": "A", "customer_kind": "residential", "voltage": "low", "capacity_kw": 8.0, "region": "420000",
    "user_class": "residential", "business_type": "new", "premises_id": "P", "org": "O",
}  # fmt: skip


def event(activity: str, lifecycle: str, at: str, **more: Any) -> dict[str, Any]:
    moment = dt.datetime.fromisoformat(at)
    return {
        **dict.fromkeys(("actor", "device", "value", "old_value", "new_value", "ref", "batch", "amount")),
        "case_id": "A", "activity": activity, "lifecycle": lifecycle, "occurred_at": moment, "source": "marketing",
        "recorded_at": moment + dt.timedelta(minutes=1), "occurred_is_date": len(at) == 10, **more,
    }  # fmt: skip


def home(done: str, *more: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        event("application", "submit", "2024-01-08 09:00"),
        event("acceptance", "complete", "2024-01-08 10:00"),
        event("metering", "complete", done),
        *more,
    ]


def fired(events: list[dict[str, Any]], **facts: Any) -> set[tuple[str, str]]:
    answer = judge([{**HOME, **facts}], events, calendar=calendar(), as_of=dt.date(2024, 6, 28))
    return {(f.rule, f.severity) for f in answer.findings}


@pytest.mark.parametrize(("start", "budget", "due"), [
    ("2024-01-08", 5, "2024-01-15"), ("2024-01-06", 5, "2024-01-12"), ("2026-02-13", 5, "2026-02-27"),
    ("2026-02-13", 15, "2026-03-12"), ("2026-01-04", 10, "2026-01-16"), ("2026-09-30", 3, "2026-10-10"),
    ("2025-01-21", 20, "2025-02-24"), ("2020-01-17", 5, "2020-01-23"),
])  # fmt: skip
def test_the_vectors_of_the_policy(start, budget, due):
    file = File([], [], calendar(), dt.date(2026, 1, 1))
    assert file.due(dt.date.fromisoformat(start), budget) == dt.date.fromisoformat(due)


def test_five_days_are_five_days():
    # 2024-01-08 is a Monday: 9 10 11 12 15; the 16th is late.
    assert fired(home("2024-01-15 17:00")) == set()
    assert fired(home("2024-01-16 09:00")) == {("L02", "high")}
    # Two days of force majeure on record give two days more.
    stop = [
        event("suspension", "start", "2024-01-10 08:00", value="force_majeure", ref="NOTICE-1"),
        event("suspension", "end", "2024-01-11 18:00", value="force_majeure", ref="NOTICE-1"),
    ]
    assert fired(home("2024-01-17 09:00", *stop)) == set()
    assert fired(home("2024-01-18 09:00", *stop)) == {("L02", "high")}


def test_used_before_applied():
    live = {"source": "metering"}
    assert fired(home("2024-01-10 09:00", event("first_energy", "observed", "2024-01-07 09:00", **live))) == {
        ("D01", "critical")
    }
    # An hour before on the same day is medium, a quarter of an hour is a clock.
    assert fired(home("2024-01-10 09:00", event("first_energy", "observed", "2024-01-08 08:00", **live))) == {
        ("D01", "medium")
    }
    assert fired(home("2024-01-10 09:00", event("first_energy", "observed", "2024-01-08 08:45", **live))) == set()
    # A customer who was supplied before is no offender, unless nothing of the old supply is there.
    early = home("2024-01-10 09:00", event("first_energy", "observed", "2020-01-07 09:00", **live))
    old = {"business_type": "increase", "prior_capacity_kw": 4.0, "account_opened_on": dt.date(2010, 1, 1)}
    assert fired(early, **old) == set()
    # Nobody says what kind of business it is: never clean, never guilty.
    assert fired(early, business_type=None) == set()


def test_entered_late_and_before():
    late = home("2024-01-12 09:00")
    late[-1]["recorded_at"] = dt.datetime.fromisoformat("2024-01-16 09:00")
    assert fired(late) == {("D11", "high")}
    late[-1]["source"] = "field_terminal"
    assert fired(late) == set()


def finding(rule: str, severity: str, *grounds: int, source: str = "marketing") -> Finding:
    return Finding("A", rule, severity, (frozenset(grounds),), (frozenset({source}),))


def test_who_is_suspected():
    assert suspected([finding("D01", "critical", 1)])
    assert suspected([finding("D04", "high", 1, 2), finding("D11", "high", 3)])
    # One wrong T0 (event 2) may have caused both.
    assert not suspected([finding("D04", "high", 1, 2), finding("D19", "high", 2, 3)])
    # Honest lateness is not work off the system, however often.
    assert not suspected([finding("L01", "high", 1), finding("L02", "high", 2), finding("D41", "high", 3)])
    three = [finding("D11", "high", 1), finding("D05", "medium", 2, source="material")]
    assert suspected([*three, finding("D06", "medium", 3, source="field_terminal")])
    assert not suspected([*three, finding("D20", "medium", 3, source="material")])
    # Two late entries, one of each system: D11 may rest on either, the burst needs both, so it is no other system.
    one, other = frozenset({"marketing"}), frozenset({"field_terminal"})
    late = Finding("A", "D11", "high", (frozenset({1}), frozenset({2})), (one, other))
    live = finding("D29", "medium", 3, source="metering")
    assert not suspected([late, Finding("A", "D12", "medium", (frozenset({1, 2}),), (one | other,)), live])
    assert suspected([late, Finding("A", "D12", "medium", (frozenset({1}),), (one,)), live])
    # Nobody says where the record comes from: it shows nothing of another system.
    assert not suspected([late, Finding("A", "D12", "medium", (frozenset({1}),), (None,)), live])
