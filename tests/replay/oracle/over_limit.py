"""Limits and how they are got round (L01, L02, D13-D17, D26, D30, D33, D35), policy 6."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from typing import Any

from tests.replay.oracle.clocks import (
    Round,
    force_majeure_lost,
    late_clocks,
    measured_total,
    rounds,
    step_clocks,
    total_clock,
)
from tests.replay.oracle.file import (
    DAY,
    Case,
    Event,
    File,
    Finding,
    Unjudged,
    found,
    in_order,
    is_step,
    only_uploads,
    refs,
    rows,
    sources,
    when,
    worst,
)
from tests.replay.oracle.law import AGENT, DOCUMENTS, FIRST_DAY, LOW, SIX, Rules, Step, class_by_rules, rules_of
from tests.replay.oracle.off_system import kind_of, voltage_unknown


def l01(case: Case) -> Finding | None:
    if not case.ledger_applies:
        return None
    clocks, torn = step_clocks(case)
    late = [clock for clock in clocks if clock.late]
    if late:
        grounds = [rows(*clock.events) for clock in late]
        return found(case, "L01", "high", grounds, [e for clock in late for e in clock.events])
    if torn or not (case.claims or case.rules is None or case.rules.whole_process):
        raise Unjudged("start")
    return None


def l02(case: Case) -> Finding | None:
    if not case.ledger_applies:
        return None
    clock = measured_total(case)
    return found(case, "L02", "high", [rows(*clock.events)], clock.events) if clock.late else None


# D13


def _time(text: str | None) -> tuple[dt.datetime, bool]:
    if not text:
        raise Unjudged("old_value")
    try:
        return dt.datetime.fromisoformat(text).replace(tzinfo=None), len(text) == 10
    except ValueError:
        raise Unjudged("old_value") from None


def _with(case: Case, event: Event, moment: dt.datetime, only_date: bool) -> Case:
    changed = {**event, "occurred_at": moment, "occurred_is_date": only_date}
    events = [changed if e is event else e for e in case.all_events]
    return Case(case.file, case.facts, events)


def d13(case: Case) -> Finding | None:
    if not case.ledger_applies:
        return None
    corrections = case.all("correction", "changed")
    if not corrections:
        case.none_kept("correction")
        return None
    guilty, severities, lost = [], [], False
    for correction in corrections:
        match = re.fullmatch(r"([a-z_]+)\.([a-z]+)\.occurred_at", correction["value"] or "")
        if not match:
            continue
        old, old_date = _time(correction["old_value"])
        new, new_date = _time(correction["new_value"])
        events = case.all(match[1], match[2])
        if not events or case.rules is None:
            lost = lost or (match[1] in SIX and match[2] in ("start", "complete")) or match[1] == "application"
            continue
        event = next((e for e in events if e["occurred_at"] == new), events[-1])
        was, became = _with(case, event, old, old_date), _with(case, event, new, new_date)
        better = late_clocks(was) - late_clocks(became)
        if not case.claims:  # of an application that lost its time nobody knows how long acceptance took
            better = {key for key in better if not key.startswith("step:acceptance:")}
        if not better:
            continue
        backed = _another_record(case, event, correction, new) if refs(correction) else False
        lost = lost or backed is None
        if backed is not False:
            continue
        guilty.append(correction)
        severities.append("critical" if _after_closing(case, match[1], match[2], correction, old) else "high")
    if lost and not guilty:
        raise Unjudged("event corrected")
    if not guilty:
        return None
    return found(case, "D13", worst(severities), [rows(e) for e in guilty], guilty)


def _another_record(case: Case, event: Event, correction: Event, new: dt.datetime) -> bool | None:
    """A record of another source within a day of the new value; None where nobody says of which source it is."""
    kind = (event["activity"], event["lifecycle"])
    own = {event.get("source"), correction.get("source")} - {None, ""}
    near = {
        e.get("source") or ""
        for e in case.events
        if (e["activity"], e["lifecycle"]) != kind
        and e["activity"] != "correction"
        and e.get("source") not in own
        and (abs((when(e).date - new.date()).days) <= 1 if when(e).only_date else abs(e["occurred_at"] - new) <= DAY)
    }
    return True if near - {""} else (None if near else False)


def _after_closing(case: Case, activity: str, lifecycle: str, correction: Event, old: dt.datetime) -> bool:
    """Whether the step had closed when its time was changed: as the record said before."""
    if lifecycle in ("complete", "return"):
        closed = old
    else:
        code = "metering" if activity == "application" else activity
        ends = case.all(code, "complete")
        if not ends:
            return False
        closed = ends[-1]["occurred_at"]
    return bool(correction["occurred_at"] >= closed)


# D14, D15, D35

OF_THE_CUSTOMER = ("customer_app", "callcentre")


def _submitted(case: Case) -> dt.date:
    return case.submitted_on


def same_need(a: Case, b: Case) -> bool:
    """The same premises and voltage, capacity within 20 % of the first."""
    facts = [(c.get("premises_id"), c.get("voltage"), c.get("capacity_kw")) for c in (a, b)]
    if any(value is None for one in facts for value in one):
        return False
    (place, voltage, capacity), (place_b, voltage_b, capacity_b) = facts
    return bool(place == place_b and voltage == voltage_b and abs(capacity_b - capacity) <= 0.2 * capacity + 1e-9)


def perhaps_same(a: Case, b: Case) -> bool:
    """Whether nothing that the two say of place, voltage and capacity tells their needs apart: one of no named place
    may be of any that its customer has."""
    places = {c.get("premises_id") for c in (a, b)} - {None}
    if len(places) > 1 or (None in (a.get("premises_id"), b.get("premises_id")) and not _one_customer(a, b)):
        return False
    if len({c.get("voltage") for c in (a, b)} - {None}) > 1:
        return False
    before, after = a.get("capacity_kw"), b.get("capacity_kw")
    return None in (before, after) or bool(abs(after - before) <= 0.2 * before + 1e-9)


def _one_customer(a: Case, b: Case) -> bool:
    return a.get("customer_id") is not None and a.get("customer_id") == b.get("customer_id")


def _endings(case: Case) -> list[Event]:
    return [e for e in case.all_events if e["activity"] == "application" and e["lifecycle"] != "submit"]


def _excused(case: Case) -> bool:
    """Whether any of its endings is the customer's own request, of a lapsed plan, or of a duplicate on its own day."""
    return any(_excuses(case, e) for e in _endings(case))


def _perhaps_asked(case: Case) -> bool:
    """Whether any may be the customer's own request, and hardly any record like it carries a reference (gate c)."""
    return any(
        not refs(e)
        and ((e.get("source") or "") in OF_THE_CUSTOMER or (not e.get("source") and e["lifecycle"] == "withdraw"))
        and not case.file.refs_kept("application", e["lifecycle"])
        for e in _endings(case)
    )


def _excuses(case: Case, ending: Event) -> bool:
    source = ending.get("source") or ""
    asked = source in OF_THE_CUSTOMER or (not source and ending["lifecycle"] == "withdraw")
    if asked and refs(ending) and not only_uploads(ending):
        return True
    if ending["value"] == "lapsed":
        return True
    known = ending["occurred_at"] is not None
    return bool(known and ending["value"] == "duplicate" and when(ending).date == case.submitted_on)


def near_a_limit(case: Case, on: dt.date) -> bool:
    """Within 3 working days (at most half the budget) before a limit, or after it: the whole process, or the step that
    was running. Raises Unjudged where none was near and one cannot be measured."""
    if case.rules is None:
        raise Unjudged("definition")
    left: list[tuple[int, int]] = []
    if case.rules.whole_process:
        clock = total_clock(case, until=on)
        if not force_majeure_lost(case):
            left.append((clock.budget - clock.used, clock.budget))
    unmeasured = force_majeure_lost(case)
    for turn in rounds(case):
        if turn.budget is None:
            continue
        unmeasured = unmeasured or turn.start is None
        if turn.cut and turn.start is not None:
            left.append((turn.budget - case.file.wd(turn.start, on), turn.budget))
    if any(remaining <= min(3, budget / 2) for remaining, budget in left):
        return True
    if unmeasured:
        raise Unjudged("start")
    return False


def d14(case: Case) -> Finding | None:
    ending = case.ending or case.untimed_ending
    if ending is None or _excused(case) or not case.ledger_applies:
        return None
    if ending is not case.ending:
        raise Unjudged("occurred_at")
    accused = _accused(case, ending)
    if accused and _perhaps_asked(case):
        raise Unjudged("ref")
    return accused


def _accused(case: Case, ending: Event) -> Finding | None:
    on = when(ending).date
    if case.served or not near_a_limit(case, on):
        return None
    for name in ("premises_id", "voltage", "capacity_kw"):
        case.need(name)
    case.first_claim  # noqa: B018 - raises where nobody knows the first
    for other in case.file.cases:
        if other is case or not other.claims or not same_need(case, other):
            continue
        submitted = _submitted(other)
        near = case.file.wd(submitted, on) <= 10 if submitted <= on else (submitted - on).days <= 60
        if near:
            return found(case, "D14", "critical", [rows(ending)], [ending])
    if any(other is not case and perhaps_same(case, other) and _perhaps_anew(other, on) for other in case.file.cases):
        raise Unjudged("need")
    return None


def _perhaps_anew(other: Case, on: dt.date) -> bool:
    """Whether it was filed, or may have been, between 10 working days before a day and 60 days after it. What is on
    record of it came no earlier than its application."""
    if other.claims:
        filed = _submitted(other)
        return other.file.wd(filed, on) <= 10 if filed <= on else (filed - on).days <= 60
    seen = min((when(e).date for e in other.events), default=None)
    return seen is None or other.file.wd(seen, on) <= 10


def d15(case: Case) -> Finding | None:
    withdrawn = case.all("application", "withdraw")
    if not withdrawn:
        return None
    guilty = [e for e in withdrawn if only_uploads(e) or case.file.lacks_ref(e)]
    return found(case, "D15", "high", [rows(e) for e in guilty], guilty) if guilty else None


def d35(case: Case) -> Finding | None:
    if (case.ending is not None or case.untimed_ending is not None) and not case.was_energised:
        return None
    case.first_claim  # noqa: B018 - raises where nobody knows the first
    for name in ("premises_id", "voltage", "capacity_kw"):
        case.need(name)
    submitted = _submitted(case)
    endings: list[Event] = []
    lost = False
    for other in case.file.cases:
        certain = bool(other.claims) and same_need(other, case)
        if other is case or other.served or not (certain or perhaps_same(other, case)):
            continue
        if other.ending is None:
            blank = not other.all_events  # whatever became of it
            never = not (blank or other.untimed_ending) or bool(other.all("metering", "complete"))
            lost = lost or not (never or (bool(other.claims) and when(other.first_claim).date > submitted))
            continue
        on = when(other.ending).date
        if 0 <= (submitted - on).days <= 365 and not _excused(other):
            if certain and not _perhaps_asked(other):
                endings.append(other.ending)
            else:
                lost = True
    if len(endings) >= 2:
        return found(case, "D35", "high", [rows(*endings)], endings)
    if len(endings) == 1 and case.file.wd(when(endings[0]).date, submitted) <= 5:
        return found(case, "D35", "medium", [rows(*endings)], endings)
    if lost:
        raise Unjudged("application.terminate")
    return None


# D16


def d16(case: Case) -> Finding | None:  # noqa: C901, PLR0912 - the rule names five ways and two excuses, in its order
    starts = case.all("suspension", "start")
    if not starts:
        if not case.seen("suspension"):
            case.none_kept("suspension")
        elif any(case.untimed("suspension", life) for life in ("start", "end")):
            raise Unjudged("suspension")
        return None
    guilty: list[Event] = []
    excused: list[Event] = []  # perhaps
    unknown = False
    last = when(case.closed).date if case.closed else case.file.as_of
    ends = case.all("suspension", "end")
    stretches: list[tuple[Event, dt.date]] = []
    for start in starts:
        after = [e for e in ends if when(e).date >= when(start).date]
        until = when(after[0]).date if after else last
        try:
            if _in_waiting_time(case, start, after[0] if after else None):
                continue
        except Unjudged:
            excused.append(start)
        try:
            recorded = case.file.entered(start)
        except Unjudged:
            recorded = None  # not said, or when a load ran
        if recorded is None:
            unknown = True
        in_time = recorded is None or case.file.wd(when(start).date, recorded.date()) <= 1
        if start["value"] == "force_majeure" and refs(start) and in_time:
            continue
        if not start["value"] and refs(start) and in_time:
            excused.append(start)
        unknown = unknown or _limits_unknown(case) or _work_lost(case) or not (start["value"] or refs(start))
        stretches.append((start, until))
        if recorded is not None and case.file.wd(when(start).date, recorded.date()) > 1:
            guilty.append(start)
            continue
        if start["value"] == "customer":
            try:
                if case.file.lacks_ref(start):
                    guilty.append(start)
                    continue
            except Unjudged:
                unknown = True
        if _opened_at_limit(case, when(start).date) or _worked_inside(case, start, after[0] if after else None):
            guilty.append(start)
    suspended: set[dt.date] = set()
    for start, until in stretches:
        first = when(start).date
        suspended.update(first + n * DAY for n in range(1, (until - first).days + 1))
    unplaced = any(case.untimed("suspension", life) for life in ("start", "end"))
    if stretches and case.claims and not unplaced:
        working = sum(case.file.calendar.is_working(day) for day in suspended)
        if working > 0.5 * case.file.wd(case.t0.date, last):
            guilty += [start for start, _ in stretches if start not in guilty]
    certain = [e for e in guilty if e not in excused]
    if certain:
        return found(case, "D16", "high", [rows(e) for e in certain], certain)
    if unplaced:
        raise Unjudged("suspension")
    if unknown or guilty:
        raise Unjudged("ref")
    return None


def _in_waiting_time(case: Case, start: Event, end: Event | None) -> bool:
    """Wholly inside the customer's own waiting time: no round of a step sum runs while it lasts. Raises Unjudged where
    the class is not known, or when some round began or ended, and no step came to a result in it."""
    if case.is_transfer or (case.rules is not None and case.rules.whole_process):
        return False
    turns = [] if case.rules is None else rounds(case)
    ran = [_ran(turn, start, end) for turn in turns if turn.began is not None]
    if True in ran:
        return False
    if case.rules is None or None in ran or any(turn.began is None for turn in turns):
        if _worked_inside(case, start, end, field_work=()):
            return False
        raise Unjudged("start")
    case.need("business_type")
    return True


def _limits_unknown(case: Case) -> bool:
    """Nobody knows near which limit, or in how long a time, a suspension was opened."""
    if case.get("business_type") is None or not case.claims or case.end_lost:
        return True
    if case.is_transfer:
        return False
    if case.rules is None or (case.rules.whole_process and not case.all("application", "submit")):
        return True
    return any(turn.budget is not None and turn.start is None for turn in rounds(case))


def _work_lost(case: Case) -> bool:
    """What the utility did, and nobody knows when."""
    return any(
        e["occurred_at"] is None
        and (e["activity"] in UTILITY_WORK or (is_step(e) and e["lifecycle"] in ("complete", "return")))
        for e in case.all_events
    )


def _ran(turn: Round, start: Event, end: Event | None) -> bool | None:
    """Whether a round ran while a suspension lasted; None where they share a day of which no time is known."""
    answers: list[bool | None] = []
    for one, other in ((turn.began, end), (start, turn.end)):
        if one is None or other is None:
            continue  # it has no end yet
        a, b = when(one), when(other)
        same_day = (a.only_date or b.only_date) and a.date == b.date
        answers.append(None if same_day else in_order(a, b))
    return False if False in answers else None if None in answers else True


def _opened_at_limit(case: Case, on: dt.date) -> bool:
    if case.rules is None or case.get("business_type") in (None, "transfer"):
        return False
    left = []
    if case.rules.whole_process and case.all("application", "submit"):
        clock = total_clock(case, until=on)
        left.append((clock.budget - clock.used, clock.budget))
    for turn in rounds(case):
        if turn.budget is None or turn.start is None or turn.start > on:
            continue
        if turn.end is None or when(turn.end).date >= on:
            left.append((turn.budget - case.file.wd(turn.start, on), turn.budget))
    return any(abs(remaining) <= 1 for remaining, budget in left if budget >= 3)


UTILITY_WORK = ("site_survey", "material_issued", "meter_issued", "meter_installed", "work_ticket")


def _worked_inside(case: Case, start: Event, end: Event | None, field_work: tuple[str, ...] = UTILITY_WORK) -> bool:
    for e in case.events:
        work = e["activity"] in field_work or (is_step(e) and e["lifecycle"] in ("complete", "return"))
        if work and in_order(when(start), when(e)) and (end is None or in_order(when(e), when(end))):
            return True
    return False


# D17, D26, D30, D33


def _list(text: str | None) -> frozenset[str] | None:
    return frozenset(one.strip() for one in re.split(r"[;；、,，\n]", text) if one.strip()) if text else None


def _answers_the_submission(case: Case, event: Event) -> bool:
    """Whether a list was given with the answer to the submission, when nobody had looked at anything yet."""
    submit = case.all("application", "submit")
    return bool(submit) and event["occurred_at"] == submit[0]["occurred_at"] and not event["occurred_is_date"]


def d17(case: Case) -> Finding | None:
    severities, guilty = [], []
    for code in sorted({e["activity"] for e in case.events if is_step(e)}):
        returns = [e for e in case.all(code, "return") if not _answers_the_submission(case, e)]
        if len(returns) < 2:
            continue
        lists = [_list(e["value"]) for e in returns]
        first = lists[0]
        if first is not None and any(later is not None and later - first for later in lists[1:]):
            severities.append("high")
        elif any(one is None for one in lists):
            severities.append("medium")
        else:
            continue
        guilty += returns
    return found(case, "D17", worst(severities), [rows(*guilty)], guilty) if guilty else None


def looser(now: Rules, before: Rules) -> bool:
    """Whether `now` gives a longer limit than `before`, or loses its zero investment."""
    return now.limit > before.limit or (before.zero_investment and not now.zero_investment)


def d26(case: Case) -> Finding | None:
    if not case.ledger_applies:
        return None
    filed = case.need("user_class")
    if case.rules is None:
        raise Unjudged("class")
    first = case.first_claim
    if filed == case.rules.user_class:
        return None
    as_filed = rules_of(filed, case.submitted_on, case.get("region"))
    if as_filed is None:
        raise Unjudged("user_class")
    severity = "low"
    if looser(as_filed, case.rules):
        severity = "high" if _charged(case) else "medium"
    return found(case, "D26", severity, [rows(first)], [first])


def _charged(case: Case) -> bool:
    return any(
        e["value"] not in ("prepaid", "refund") and (e.get("amount") is None or e["amount"] > 0)
        for e in case.all("fee_paid")
    )


def national(case: Case) -> list[Step]:
    """The six steps with what is handed in for them."""
    high = case.get("voltage") == "high" or (case.get("voltage") is None and (case.user_class or "").startswith("hv"))
    accepted = () if voltage_unknown(case) else (*LOW, "project_approval") if high else LOW
    papers = {"acceptance": accepted, **DOCUMENTS}
    return [Step(code, None, (code,), papers.get(code, ())) for code in SIX]


def d30(case: Case) -> Finding | None:
    """By the national steps: of a merged step the parts are handed in one by one, if they are recorded so."""
    steps = [step for step in national(case) if step.code not in case.waived]
    taken = _taken(case)
    lost = [(code, lifecycle) for code in SIX for lifecycle in ("start", "complete", "return")]
    if any(case.untimed(*one) for one in [*lost, ("document", "requested")]):
        raise Unjudged("occurred_at")
    guilty: list[tuple[Event, Event]] = []
    for position, step in enumerate(steps):
        starts = case.all(step.code, "start")
        if not starts:
            continue
        ready = _papers_in(case, step.documents)
        candidates = [ready] if ready else []
        if position:
            passes = [case.all(one.code, "complete")[-1:] for one in steps[:position] if one.code in taken] or [[]]
            before = max((e for one in passes for e in one), key=lambda e: (e["occurred_at"], e["_i"]), default=None)
            if candidates and (not passes[-1] or before is None or when(before).date > when(starts[0]).date):
                candidates = []
            elif candidates and before is not None and in_order(when(candidates[0]), when(before)):
                candidates = [before]  # handed in early: the step could not begin before those ahead of it ended
        candidates += _inspection_requests(case, step.code, starts)
        for e in candidates:
            start = next((s for s in starts if not in_order(when(s), when(e))), None)
            if start is None or case.file.wd(when(e).date, when(start).date) <= 1:
                continue
            if not _sent_back(case, e, start, steps[: position + 1]):
                guilty.append((e, start))
        guilty += [
            (e, start)
            for e, start in _handed_in_again(case, step, starts)
            if case.file.wd(when(e).date, when(start).date) > 1
            and not _sent_back(case, e, start, steps[: position + 1])
        ]
    if not guilty:
        _papers_kept(case)
        return None
    return found(case, "D30", "high", [rows(*pair) for pair in guilty], [e for e, _ in guilty])


def _taken(case: Case) -> set[str]:
    """The national steps that the case takes, or may take where nobody says whether the customer is important."""
    if case.rules is None:
        return set(SIX)
    asked = [s for s in case.rules.steps if not s.important_only or case.get("important_customer") is not False]
    return {part for step in asked for part in step.parts}


def _papers_kept(case: Case) -> None:
    """Raises Unjudged where papers are not kept, or nobody knows when they came, or which are needed."""
    keeps = [case.file.org_keeps(case.get("org"), activity) for activity in ("service_contact", "document")]
    kept = case.seen("service_contact") or case.seen("document") or all(keeps)
    if case.untimed("document", "received") or not kept:
        raise Unjudged("document.received")
    if voltage_unknown(case) and case.seen("document"):
        raise Unjudged("voltage")


def _handed_in_again(case: Case, step: Step, starts: list[Event]) -> Iterator[tuple[Event, Event]]:
    """The last of its papers that came after a return, and the start that answered."""
    for back in case.all(step.code, "return"):
        again = [s for s in starts if s["occurred_at"] > back["occurred_at"]][:1]
        papers = [e for e in case.all("document", "received") if kind_of(e["value"]) in step.documents]
        came = [e for e in papers if again and back["occurred_at"] < e["occurred_at"] <= again[0]["occurred_at"]]
        if came:
            yield came[-1], again[0]


def _papers_in(case: Case, kinds: tuple[str, ...]) -> Event | None:
    firsts = []
    for kind in kinds:
        received = [e for e in case.all("document", "received") if kind_of(e["value"]) == kind]
        if not received:
            return None
        firsts.append(received[0])
    return max(firsts, key=lambda e: (e["occurred_at"], e["_i"])) if firsts else None


def _inspection_requests(case: Case, code: str, starts: list[Event]) -> list[Event]:
    """Requests for an inspection that the starts of this step answer: the next inspection to start after them."""
    if code not in ("mid_inspection", "completion_inspection"):
        return []
    inspections = [*case.all("mid_inspection", "start"), *case.all("completion_inspection", "start")]
    out = []
    for e in case.all("service_contact"):
        if e["value"] == "inspection_request":
            after = sorted(
                (s for s in inspections if not in_order(when(s), when(e))), key=lambda s: (s["occurred_at"], s["_i"])
            )
            if after and after[0] in starts:
                out.append(e)
    return out


def _sent_back(case: Case, start: Event, end: Event, steps: list[Any]) -> bool:
    """A return, or a document asked for from the allowed list, in between."""
    allowed = {kind for step in steps for kind in step.documents} | set(AGENT)
    for e in case.events:
        asked = (e["activity"], e["lifecycle"]) == ("document", "requested") and kind_of(e["value"]) in allowed
        asked = asked and not _off_the_path(case, e)
        asked = asked and "volunteered" not in refs(e)
        by_law = (
            e["activity"] == "document" and e["lifecycle"] == "requested" and (e.get("ref") or "").startswith("law:")
        )
        asked = asked or by_law
        back = asked or (is_step(e) and e["lifecycle"] == "return")
        if back and not in_order(when(e), when(start)) and not in_order(when(end), when(e)):
            return True
    return False


def _off_the_path(case: Case, request: Event) -> bool:
    """Whether it is for a step that this customer's case does not have."""
    try:
        return kind_of(request["value"]) not in {kind for step in case.path() for kind in (*step.documents, *AGENT)}
    except Unjudged:
        return False


FIELDS = ("capacity_kw", "voltage", "supply_count", "customer_kind", "enterprise_size", "business_type")


def _fact(name: str, text: str | None) -> Any:
    if not text:
        return None
    try:
        return float(text) if name == "capacity_kw" else int(float(text)) if name == "supply_count" else text
    except ValueError:
        raise Unjudged(name) from None


def d33(case: Case) -> Finding | None:
    if not case.seen("correction"):
        case.none_kept("correction")
        return None
    corrections = [
        (e, match[1])
        for e in case.all("correction", "changed")
        if (match := re.fullmatch(r"case\.([a-z_]+)", e["value"] or "")) and match[1] in FIELDS
    ]
    lost = any(
        e["activity"] == "correction" and e["occurred_at"] is None and (e["value"] or "").startswith("case.")
        for e in case.all_events
    )
    if not corrections:
        if lost:
            raise Unjudged("occurred_at")
        return None
    accepted = case.some("acceptance", "complete")[0]
    guilty, unknown = [], False
    for e, name in corrections:
        if not in_order(when(accepted), when(e)) or (refs(e) and not only_uploads(e)):
            continue
        loosened = _freed(case, e) if name == "business_type" else _loosened(case, e, name, corrections)
        unknown = unknown or loosened is None
        guilty += [e] if loosened else []
    if guilty:
        return found(case, "D33", "high", [rows(e) for e in guilty], guilty)
    if unknown or lost:
        raise Unjudged("class")
    return None


def _freed(case: Case, e: Event) -> bool | None:
    """Whether it became a transfer, which has no limit; None where nobody says so, or no limit was in force."""
    if e["old_value"] == "transfer" or (e["new_value"] or "transfer") != "transfer":
        return False
    return None if None in (e["old_value"], e["new_value"]) or case.submitted_on < FIRST_DAY else True


def _loosened(case: Case, e: Event, name: str, corrections: list[tuple[Event, str]]) -> bool | None:
    """Whether a changed fact gave more time or lost zero investment, if the case was no transfer then."""
    behind = [c for c, other in corrections if other == "business_type" and c["occurred_at"] > e["occurred_at"]]
    kind = behind[0]["old_value"] if behind else case.get("business_type")
    if kind == "transfer":
        return False
    before, now = ({**case.facts, name: _fact(name, e[side])} for side in ("old_value", "new_value"))
    old_rules, new_rules = (_rules_for(case, facts) for facts in (before, now))
    if old_rules is None or new_rules is None:
        return None
    told = kind is not None or not (behind or case.file.has_column("business_type"))
    return looser(new_rules, old_rules) and (told or None)


def _rules_for(case: Case, facts: dict[str, Any]) -> Rules | None:
    user_class = class_by_rules(facts, case.submitted_on, hv_requested=False)
    return rules_of(user_class, case.submitted_on, facts.get("region")) if user_class else None


__all__ = ["File", "sources"]
