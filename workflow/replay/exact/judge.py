"""`judge_case`: one case of a history, judged by the engine itself.

The class comes from the engine's classification table, the order from its machine, documents from its closed lists,
days and due dates from its timers, the chained count from its chain.  What the engine would have refused is a finding;
what the rows do not tell is unjudged, never guessed.  Rules that need the rest of the file are judged elsewhere.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence

from definitions.book import Book
from definitions.calendar import WorkingCalendar
from definitions.model import NATION, STEPS, Definition, Frozen, StepRule
from workflow.core import timers
from workflow.core.chain import as_filed_and_chained, link_of
from workflow.core.counting import Timer
from workflow.core.machine import ENDINGS
from workflow.core.state import State
from workflow.core.times import business_date
from workflow.replay.exact.classes import class_by_rules, definition_of, high_voltage
from workflow.replay.exact.documents import asked_outside_the_list, lawful
from workflow.replay.exact.order import Walk
from workflow.replay.exact.rounds import Reconstruction, reconstruct, suspension_lost
from workflow.replay.exact.rows import History, Row, known_by
from workflow.replay.lists import HV_REQUEST

HV_STEPS = ("design_review", "mid_inspection", "completion_inspection")


class ExactFinding(Frozen, frozen=True):
    """One rule's answer. `about`: what of the case it rests on, such as timer keys, steps or document kinds."""

    rule: str
    severity: str
    about: tuple[str, ...] = ()


class JudgedRound(Frozen, frozen=True):
    """One round as the engine's timers see it. `used`: working days, up to the day of judgement while it runs."""

    step: str
    number: int
    budget: int
    started_on: dt.date
    ended_on: dt.date | None
    due_on: dt.date | None
    used: int
    late: bool


class ExactVerdict(Frozen, frozen=True):
    """What the engine says of a case. `user_class`: by the rules, None where a missing fact decides it; `state`: the
    case as the engine would hold it, for chaining; `torn`: a round under a limit cannot be measured;
    `in_doubt`: a suspension that the total would leave out has lost its start. Counts are working days; None: cannot be
    judged."""

    case_id: str
    user_class: str | None
    definition: str | None
    findings: tuple[ExactFinding, ...]
    unjudged: tuple[str, ...]
    rounds: tuple[JudgedRound, ...] = ()
    limit: int | None = None
    used_filed: int | None = None
    due_on: dt.date | None = None
    on_time_filed: bool | None = None
    used_chained: int | None = None
    on_time_chained: bool | None = None
    state: State | None = None
    torn: bool = False
    in_doubt: bool = False


class _Case:
    """A case before the judge, and the answers so far."""

    def __init__(self, book: Book, calendar: WorkingCalendar, row: Row, history: History) -> None:
        self.book = book
        self.calendar = calendar
        self.row = row
        self.history = history
        self.findings: list[ExactFinding] = []
        self.unjudged: list[str] = []

    @property
    def business_type(self) -> str | None:
        """None where nobody says; nothing of the ledger applies to a transfer."""
        kind: str | None = self.row.get("business_type")
        return kind

    def found(self, rule: str, severity: str, about: Iterable[str] = ()) -> None:
        self.findings.append(ExactFinding(rule, severity, tuple(about)))


def judge_case(
    book: Book,
    calendar: WorkingCalendar,
    case_row: Row,
    event_rows: Iterable[Row],
    as_of: dt.date,
    *,
    before: Sequence[ExactVerdict] = (),
    requested: bool | None = None,
) -> ExactVerdict:
    """Judge one case as of `as_of` (a date of the business zone): classification (D26), order (D08), skipped steps
    (D24), closed lists (D23), charges (D41), rounds and total (L01, L02), both counts. What happened, and was recorded,
    after that date is left out.

    `before`: the verdicts on the earlier cases of its chain, oldest first. D24 names every step the profile in force
    requires; whether a whole organisation lacks a step, and so cannot be judged, is for the caller who sees the file.
    `requested`: whether the customer asked for high voltage in writing; None: as the rows say.
    Raises CalendarRangeError for dates outside the working calendar.
    """
    history = History(known_by(event_rows, as_of))
    case = _Case(book, calendar, case_row, history)
    submitted = history.submission
    if submitted is None:
        _order(case, None)
        if case.business_type != "transfer":
            case.unjudged += ["D23", "D26", "D41", "L01", "L02"]
        return ExactVerdict(case_row["case_id"], None, None, *_answers(case))
    on = submitted.date
    if requested is None:
        requested = any(one.value == HV_REQUEST for one in history.all("document", "received"))
    user_class = class_by_rules(book, case_row, on, hv_requested=requested)
    region = case_row.get("region")
    definition = definition_of(book, user_class, on, region)
    _class(case, definition, on)
    _order(case, definition or definition_of(book, case_row.get("user_class"), on, region))
    _charges(case, definition)
    if definition is None or case.business_type in (None, "transfer"):
        if case.business_type != "transfer":
            case.unjudged += ["L01", "L02"]
        version = definition.version if definition else None
        return ExactVerdict(case_row["case_id"], user_class, version, *_answers(case))
    ended = (one.state for one in before if one.state is not None and one.state.state in ENDINGS.values())
    links = tuple(link_of(one) for one in ended if one.closing is not None)
    return _timed(case, definition, reconstruct(calendar, definition, case_row, history, links), as_of)


def _answers(case: _Case) -> tuple[tuple[ExactFinding, ...], tuple[str, ...]]:
    return tuple(sorted(case.findings, key=lambda one: one.rule)), tuple(sorted(set(case.unjudged)))


def looser(now: Definition, before: Definition) -> bool:
    """Whether `now` gives more time than `before`, or loses its zero investment."""
    lost = before.charges.zero_investment and not now.charges.zero_investment
    return now.total.limit > before.total.limit or lost


def _class(case: _Case, definition: Definition | None, on: dt.date) -> None:
    """D26: filed under another class than the rules give."""
    if case.business_type == "transfer":
        return
    filed = case.row.get("user_class")
    as_filed = definition_of(case.book, filed, on, case.row.get("region"))
    if definition is None or as_filed is None or case.business_type is None or case.history.claim_lost:
        case.unjudged.append("D26")
    elif filed != definition.user_class:
        severity = "low"
        if looser(as_filed, definition):
            severity = "high" if case.history.charged else "medium"
        case.found("D26", severity, (str(filed), definition.user_class))


def _charges(case: _Case, definition: Definition | None) -> None:
    """D41: a charge where the rules of the date allow none."""
    if case.business_type == "transfer":
        return
    if (case.business_type is None or definition is None) and case.history.all("fee_paid"):
        case.unjudged.append("D41")
    elif (
        definition is not None
        and case.business_type is not None
        and definition.charges.zero_investment
        and case.history.charged
    ):
        case.found("D41", "high")


def _order(case: _Case, definition: Definition | None) -> None:
    """D08, D23, D24: what the machine and the closed lists would have refused. Where no definition is in force, steps
    stand in the national order and acceptance is asked of all; where nobody says whether a customer is important, only
    what is asked of all is judged."""
    history, important = case.history, case.row.get("important_customer")
    path = definition or case.book.timeline("hv_single", NATION)[0][2]
    walk = Walk(path, bool(important), history)
    known = important is not None or all(step.required_for == "all" for step in path.steps)
    early = walk.completed_early or walk.started_early
    if early:
        severity = "high" if walk.completed_early else "medium"
        case.found("D08", severity, (f"{late.activity}<{first.activity}" for late, first in early))
    elif (
        not known
        or not walk.completed
        or any((code, life) in history.undated for code in STEPS for life in ("start", "complete"))
    ):
        case.unjudged.append("D08")
    _asked(case, definition, known)
    _skipped(case, walk, known=known, governed=definition is not None)


def _skipped(case: _Case, walk: Walk, *, known: bool, governed: bool) -> None:
    """D24: energised although a step of the path was neither completed nor waived."""
    history = case.history
    if case.business_type == "transfer" or not history.was_energised:
        return
    missed = walk.skipped if governed else walk.skipped[:1] if walk.course[0] in walk.skipped else ()
    missed = tuple(s for s in missed if not any((part, "complete") in history.undated for part in s.parts))
    if case.business_type is not None and missed:
        case.found("D24", "high", (step.code for step in missed))
    elif case.business_type is None or not known or not governed or any(_baseless(history, s) for s in walk.course):
        case.unjudged.append("D24")


def _baseless(history: History, step: StepRule) -> bool:
    """Whether a step was not done, and waived without anybody saying on what basis."""
    waived = [one for part in step.parts for one in history.all(part, "waive")]
    done = any(history.all(part, "complete") for part in step.parts)
    return bool(waived) and not done and not any(one.value for one in waived)


def _asked(case: _Case, definition: Definition | None, known: bool) -> None:
    """D23: what was asked for outside the closed lists of the steps in force."""
    history = case.history
    requested = history.all("document", "requested")
    if case.business_type == "transfer":
        return
    if case.business_type is None or (requested and definition is None):
        case.unjudged.append("D23")
    elif definition is None or not requested:
        _documents(case, [])
    else:
        state = reconstruct(case.calendar, definition, case.row, history).state
        asked = asked_outside_the_list(case.book, definition, state, history, known=known)
        _documents(case, [one.value or "" for one in asked], known=known)


def _documents(case: _Case, outside: list[str], *, known: bool = True) -> None:
    """D23: documents asked for outside the closed list, and inspections that low voltage does not have. `known`:
    whether the case's path is."""
    high = high_voltage(case.row)
    unsaid = any(not (one.value or lawful(one.ref)) for one in case.history.all("document", "requested"))
    if high is False:
        asked = [one for code in HV_STEPS for one in case.history.all(code)]
        outside = outside + [one.activity for one in asked if one.lifecycle != "waive" and not lawful(one.ref)]
    if outside:
        case.found("D23", "high", outside)
    elif high is None or not known or unsaid:
        case.unjudged.append("D23")


def _timed(case: _Case, definition: Definition, built: Reconstruction, as_of: dt.date) -> ExactVerdict:
    """L01, L02 and both counts, by the engine's timers."""
    state, calendar = built.state, case.calendar
    clocks = timers.timers(calendar, definition, state)
    rounds = [_round(calendar, one, as_of) for one in clocks if one.scope == "step" and one.intervals]
    late = [one for one in rounds if one.late]
    torn = any(step.limit is not None and step.code in built.torn for step in definition.steps)
    if late:
        case.found("L01", "high", (f"step:{one.step}:{one.number}" for one in late))
    elif torn or (definition.total.kind != "whole_process" and case.history.claim_lost):
        case.unjudged.append("L01")
    total = next(one for one in clocks if one.scope == "total")
    stand = timers.standing(calendar, total, as_of)
    whole = definition.total.kind == "whole_process"
    measured = (
        bool(case.history.all("application", "submit"))
        if whole
        else not (built.torn or built.missing or case.history.claim_lost)
    )
    backwards = (
        whole and state.closed_at is not None and business_date(state.closed_at) < business_date(state.submitted_at)
    )
    measured = measured and not case.history.end_lost and not backwards
    overdue = total.status == "breached" if state.closed else stand.remaining < 0
    in_doubt = whole and suspension_lost(case.history, definition.total.deductible)
    measured = measured and not (in_doubt and overdue)
    if not measured:
        case.unjudged.append("L02")
        return ExactVerdict(
            state.case_id, definition.user_class, definition.version, *_answers(case), rounds=tuple(rounds),
            limit=definition.total.limit, state=state, torn=torn, in_doubt=in_doubt,
        )  # fmt: skip
    if overdue:
        case.found("L02", "high", ("total",))
    on_time = False if overdue else True if state.closed else None
    used, on_time_chained = stand.used, on_time
    both = as_filed_and_chained(calendar, definition, state, as_of) if state.chain else None
    if both is not None:
        used, on_time_chained = both["as_chained"]["used_working_days"], both["as_chained"]["on_time"]
    return ExactVerdict(
        state.case_id, definition.user_class, definition.version, *_answers(case), rounds=tuple(rounds),
        limit=definition.total.limit, used_filed=stand.used, due_on=total.due_on, on_time_filed=on_time,
        used_chained=used, on_time_chained=on_time_chained, state=state, torn=torn, in_doubt=in_doubt,
    )  # fmt: skip


def _round(calendar: WorkingCalendar, timer: Timer, as_of: dt.date) -> JudgedRound:
    stand = timers.standing(calendar, timer, as_of)
    interval = timer.intervals[0]
    late = timer.status == "breached" if interval.end is not None else stand.remaining < 0
    return JudgedRound(
        timer.step or "", timer.round or 1, timer.budget, interval.counted_from, interval.end, timer.due_on,
        stand.used, late,
    )  # fmt: skip
