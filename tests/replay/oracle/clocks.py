"""Clocks of a finished or open case, counted day by day: rounds of steps, the total, what is late (policy 5 and 6
L01 L02, gate g)."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from tests.replay.oracle.file import DAY, Case, Event, Unjudged, in_order, when
from tests.replay.oracle.law import Step

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
        passed = any(e["lifecycle"] in ("complete", "waive") for e in ends) or case.untimed(step.code, "waive")
        began = starts[0] if starts else None
        if first and derived is not None:
            began = derived if step.code == "acceptance" else began or derived
        if passed or began is None:
            begun = step.code != "acceptance" and case.untimed(step.code, "start") and not passed
            out += [] if ends and not begun else _untimed(case, step) or [Round(step.code, step.limit, None)] * begun
            continue
        later = {part for s in rules.steps[position + 1 :] for part in s.parts}
        if later & went or _untimed(case, step) or case.end_lost:
            out.append(Round(step.code, step.limit, None))  # begun and left behind; nobody says when it ended
        elif case.closed is None:
            out.append(Round(step.code, step.limit, when(began).date, began))
        elif case.ending is not None:
            out.append(Round(step.code, step.limit, when(began).date, began, case.ending, cut=True))
    return out


def _untimed(case: Case, step: Step) -> list[Round]:
    """A round that came to a result nobody knows when."""
    lost = case.untimed(step.code, "complete") or case.untimed(step.code, "return")
    return [Round(step.code, step.limit, None)] if lost else []


def _derived(case: Case, code: str, *, two_steps: bool) -> Event | None:
    if code == "acceptance":
        found = case.all("application", "submit")[:1]
    elif case.untimed(code, "start"):
        return None  # it has a start of its own
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
    """The days of force majeure, both dates included; an open one lasts until the case ends or the day of judgement,
    but of an energised case nobody knows how long."""
    days: set[dt.date] = set()
    over = case.ending or case.closed
    last = when(over).date if over else case.file.as_of
    for ground, first, until in suspensions(case):
        if ground == "force_majeure" and first is not None and not _work_went_on(case, first, until):
            days.update(first + n * DAY for n in range(((until or last) - first).days + 1))
    return frozenset(days)


def suspensions(case: Case) -> list[tuple[str, dt.date | None, dt.date | None]]:
    """Ground, first and last day of each. An end ends all that run; another end, where more were begun than ended, ends
    one that ran on beside them; where no more were begun, its start is lost; at the same time as the end before it is
    that one, told twice."""
    told = sorted(case.all("suspension"), key=lambda e: (_moment(e), e["lifecycle"] == "end"))
    out: list[tuple[str, dt.date | None, dt.date | None]] = []
    for at, e in enumerate(told):
        before = told[:at]
        if e["lifecycle"] == "start":
            end = next((x for x in told[at + 1 :] if x["lifecycle"] == "end"), None)
            out.append((e["value"] or "", when(e).date, when(end).date if end else None))
        elif not before or before[-1]["lifecycle"] == "end":
            if before and before[-1]["occurred_at"] == e["occurred_at"]:
                continue
            begun = [x["value"] or "" for x in before if x["lifecycle"] == "start"]
            ended = 0
            for x, y in zip([None, *before], before, strict=False):
                twice = x is not None and x["lifecycle"] == "end" and x["occurred_at"] == y["occurred_at"]
                ended += y["lifecycle"] == "end" and not twice
            ground = e["value"] or max(begun, default="")
            out.append((ground, when(before[-1]).date if len(begun) > ended else None, when(e).date))
    return out


def _work_went_on(case: Case, first: dt.date | None, until: dt.date | None) -> bool:
    """It was energised, and nobody says when the suspension was over."""
    done = case.energised
    return until is None and case.ending is None and done is not None and (first is None or first <= when(done).date)


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
        if until is None and end is not None and end < start:
            raise Unjudged("application.submit")
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
    and never began, or never ended though the customer was energised."""
    if case.rules is None or not case.rules.whole_process:
        return False
    return case.untimed("suspension", "start") or any(
        not ground or (ground == "force_majeure" and (first is None or _work_went_on(case, first, until)))
        for ground, first, until in suspensions(case)
    )


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
