"""Clocks of a finished or open case, counted day by day: rounds of steps, the total, what is late (policy 5 and 6
L01 L02, gate g)."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from tests.replay.oracle.file import DAY, Case, Event, Unjudged, in_order, when

END = ("complete", "return", "waive")


@dataclass
class Round:
    """One turn of a step. `start` None: nobody says when. `end` None: it runs. `cut`: the case ended in it."""

    code: str
    budget: int | None
    start: dt.date | None
    began: Event | None = None
    end: Event | None = None
    cut: bool = False


@dataclass
class Clock:
    """A budget measured: `used` working days, whether it is late, and the events it rests on."""

    key: str
    budget: int
    used: int
    late: bool
    events: tuple[Event, ...]
    due: dt.date | None = None
    end: dt.date | None = None
    running: bool = False


def rounds(case: Case) -> list[Round]:
    """Every round of the steps with their starts; a start is derived for acceptance, supply_plan and, in classes of two
    steps, metering only."""
    rules = case.rules
    if rules is None:
        raise Unjudged("definition")
    out: list[Round] = []
    went = {e["activity"] for e in case.all_events if e["lifecycle"] in ("start", "complete", "return")}
    for position, step in enumerate(rules.steps):
        starts = case.all(step.code, "start")
        ends = sorted(
            (e for e in case.all(step.code) if e["lifecycle"] in END),
            key=lambda e: (when(e).date, when(e).only_date, e["occurred_at"], e["_i"]),
        )
        derived = _derived(case, step.code, two_steps=rules.whole_process)
        first, previous = True, None
        for end in ends:
            usable = [s for s in starts if not in_order(when(end), when(s))]
            # A result of this step that happened nobody knows when may have answered the first of several starts.
            torn = len(usable) > 1 and (case.untimed(step.code, "complete") or case.untimed(step.code, "return"))
            if first and derived is not None and not in_order(when(end), when(derived)):
                # Acceptance counts from the submission; another step from its own start, where it has one.
                usable = [derived, *usable] if step.code == "acceptance" else [*usable, derived]
            began = usable[0] if usable else None
            doubled = previous is not None and previous["occurred_at"] == end["occurred_at"]
            if began is None and (end["lifecycle"] == "waive" or doubled):
                continue  # a waiver of a step that never ran leaves no round, nor does a row said twice
            known = None if torn else began
            out.append(Round(step.code, step.limit, when(known).date if known else None, known, end))
            if began is not None and began is derived:  # the submission, and the start recorded with it
                own = [s for s in starts if not in_order(when(began), when(s))][:1]
                starts = [s for s in starts if s not in own]
            starts = [s for s in starts if s is not began and not in_order(when(s), when(end))]
            first, previous = False, end
        passed = any(e["lifecycle"] in ("complete", "waive") for e in ends)
        began = starts[0] if starts else None
        if first and derived is not None:
            began = derived if step.code == "acceptance" else began or derived
        if passed or began is None:
            continue
        later = {part for s in rules.steps[position + 1 :] for part in s.parts}
        if later & went or case.untimed(step.code, "complete") or case.end_lost:
            out.append(Round(step.code, step.limit, None))  # begun and left behind; nobody says when it ended
        elif case.closed is None:
            out.append(Round(step.code, step.limit, when(began).date, began))
        elif case.ending is not None:
            out.append(Round(step.code, step.limit, when(began).date, began, case.ending, cut=True))
    return out


def _derived(case: Case, code: str, *, two_steps: bool) -> Event | None:
    if code == "acceptance":
        found = case.all("application", "submit")[:1]
    elif code == "supply_plan" or (code == "metering" and two_steps):
        found = case.all("acceptance", "complete")[-1:]
    else:
        return None
    return found[0] if found else None


def step_clocks(case: Case) -> tuple[list[Clock], bool]:
    """The rounds that a limit judges, and whether some round could not be measured."""
    clocks, torn = [], False
    numbers: dict[str, int] = {}
    for turn in rounds(case):
        numbers[turn.code] = numbers.get(turn.code, 0) + 1
        if turn.budget is None:
            continue
        if turn.start is None:
            torn = True
            continue
        due = case.file.due(turn.start, turn.budget)
        end = when(turn.end).date if turn.end else None
        used = case.file.wd(turn.start, end or case.file.as_of)
        late = end > due if end else used > turn.budget
        events = tuple(e for e in (turn.began, turn.end) if e)
        key = f"step:{turn.code}:{numbers[turn.code]}"
        clocks.append(Clock(key, turn.budget, used, late, events, due, end, turn.end is None))
    return clocks, torn


def resting(case: Case) -> frozenset[dt.date]:
    """The days of force majeure, both dates included; an open one lasts until the case ends or the day of judgement."""
    days: set[dt.date] = set()
    last = when(case.closed).date if case.closed else case.file.as_of
    ends = case.all("suspension", "end")
    for start in case.all("suspension", "start"):
        if start["value"] != "force_majeure":
            continue
        first = when(start).date
        after = [when(e).date for e in ends if when(e).date >= first]
        until = min(after) if after else last
        days.update(first + n * DAY for n in range((until - first).days + 1))
    return frozenset(days)


def total_clock(case: Case, until: dt.date | None = None) -> Clock:
    """The total, up to the case's end, or to `until`. Raises Unjudged where a clock has no start."""
    rules = case.rules
    if rules is None:
        raise Unjudged("definition")
    ended = case.closed
    if case.end_lost:
        raise Unjudged("end")
    end = until or (when(ended).date if ended else None)
    if rules.whole_process:
        submit = case.some("application", "submit")[0]
        start, off = when(submit).date, resting(case)
        upto = end or case.file.as_of
        used = sum(
            case.file.calendar.is_working(start + n * DAY) and start + n * DAY not in off
            for n in range(1, (upto - start).days + 1)
        )
        due = case.file.due(start, rules.limit, off)
        late = end > due if end else used > rules.limit
        return Clock("total", rules.limit, used, late, (submit, *([ended] if ended else [])), due, end, end is None)
    case.first_claim  # noqa: B018 - raises where nobody knows the first
    used, events = 0, []
    turns = rounds(case)
    for turn in turns:
        if turn.start is None:
            raise Unjudged("start")
        used += case.file.wd(turn.start, when(turn.end).date if turn.end else case.file.as_of)
        events += [e for e in (turn.began, turn.end) if e]
    if case.was_energised and case.ending is None:
        seen = {turn.code for turn in turns} | case.waived
        required = [s for s in rules.steps if not s.important_only or case.get("important_customer") is not False]
        if any(step.code not in seen for step in required):
            raise Unjudged("round")
    return Clock("total", rules.limit, used, used > rules.limit, tuple(events), None, end, end is None)


def measured_total(case: Case) -> Clock:
    """The total as it now is. Raises Unjudged also where it is late and days that may be left out are not known."""
    clock = total_clock(case)
    if clock.late and force_majeure_lost(case):
        raise Unjudged("suspension.start")
    return clock


def force_majeure_lost(case: Case) -> bool:
    """Whether days may count as force majeure that nobody can name: a suspension that began nobody knows when, or ended
    and never began; an end told twice is one."""
    if case.rules is None or not case.rules.whole_process:
        return False
    told = [(_moment(e), e["lifecycle"] == "end", e) for e in case.all("suspension")]
    told.sort(key=lambda one: one[:2])
    for at, (_, is_end, event) in enumerate(told):
        before = told[at - 1][2] if at else None
        ended_before = before is None or before["lifecycle"] == "end"
        twice = before is not None and before["occurred_at"] == event["occurred_at"]
        if is_end and ended_before and not twice and event["value"] in (None, "", "force_majeure"):
            return True
    return case.untimed("suspension", "start")


def _moment(event: Event) -> dt.datetime:
    at: dt.datetime = event["occurred_at"]
    return at + DAY if event["lifecycle"] == "end" and when(event).only_date else at


def late_clocks(case: Case) -> set[str]:
    """The keys of what is late, as far as it can be measured."""
    try:
        late = {clock.key for clock in step_clocks(case)[0] if clock.late}
    except Unjudged:
        late = set()
    try:
        if total_clock(case).late:
            late.add("total")
    except Unjudged:
        pass
    return late
