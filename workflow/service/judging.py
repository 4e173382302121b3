"""Judging live cases: what the rules say of a case when a record of it arrives, kept as findings.

A case is judged on what the engine recorded and on the records of other systems about it, turned into the rows of a
replay, beside the cases of the same need and with the load times of its unit (`load_times`): a replay of the whole
store finds the same.  Dates are of the business zone (Asia/Shanghai).
"""

from __future__ import annotations

import datetime as dt
import hashlib
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import msgspec
import uuid6

from definitions.calendar import WorkingCalendar
from definitions.detectors import Detectors, load_detectors
from definitions.model import RoleRule
from storage import CaseRow, DeadlineRow, FindingEventRow, FindingRow, JudgementRow, Tx, UnitMonth
from workflow.core.events import Principal
from workflow.core.machine import ENDINGS
from workflow.core.times import Clock, business_date, write
from workflow.replay.exact.load_times import Month, minutes
from workflow.replay.exact.needs import Site
from workflow.replay.exact.rules import CaseRules, Found
from workflow.replay.exact.typed import event_rows
from workflow.replay.from_engine import Row, rows
from workflow.service import load_times
from workflow.service.cases import from_row
from workflow.service.evidence import observed
from workflow.service.law import Calendars, Law

AT_ONCE = 20
"""Cases that are judged with the records they came with; more are left to the worker, so that nobody waits."""

AREA = "findings"
"""The area of `roles.yaml`."""
SYSTEM = "system:rules"
"""Who finds."""


class History(NamedTuple):
    """A live case as a replay reads it: its row, and its events as text."""

    case: Row
    events: list[Row]


def history(tx: Tx, case_id: str) -> History:
    """What the engine recorded of a case, and the records of other systems about it. Raises ValueError when the case
    has no events."""
    person = tx.personal(case_id)
    told = rows([from_row(row) for row in tx.events(case_id)], None if person is None else person.customer_id)
    records: list[Row] = [msgspec.json.decode(row.content) for row in tx.evidence(case_id)]
    return History(
        told.case, [*told.events, *(one for one in records if observed(one["activity"], one.get("lifecycle")))]
    )


class _Told(NamedTuple):
    """A live case: its row, its events as text and as the judges read them, its unit ('' for none), and how many were
    recorded in each minute of the day, by source and month."""

    case: Row
    events: list[Row]
    rows: list[dict[str, Any]]
    org: str
    minutes: dict[Month, Counter[int]]


class Judging:
    """The rules over live cases; one for each open service."""

    def __init__(self, law: Law, calendars: Calendars, clock: Clock, detectors: Detectors | None = None) -> None:
        self._law, self._calendars, self._clock = law, calendars, clock
        self._detectors = detectors
        self._lock = threading.Lock()
        self._rules: CaseRules | None = None
        self.steps = tuple(dict.fromkeys(step for code in law.book.classes for step in _steps(law, code)))
        self._digest = ""

    @property
    def detectors(self) -> Detectors:
        """The rules and their texts."""
        if self._detectors is None:
            self._detectors = load_detectors()
        return self._detectors

    @property
    def rules(self) -> CaseRules:
        """The rules that one case decides, made ready when they are first needed."""
        with self._lock:
            if self._rules is None:
                self._rules = CaseRules(self.detectors, self._law.book)
        return self._rules

    @property
    def digest(self) -> str:
        """What the findings depend on beside the case: another digest has every case judged anew."""
        if not self._digest:
            self._digest = hashlib.sha256(msgspec.json.encode(self.detectors, order="sorted")).hexdigest()[:16]
        return self._digest

    def prepare(self) -> None:
        """Make the rules ready, which takes a second the first time."""
        _ = self.rules

    def known_to(self, tx: Tx, principal: Principal, case_id: str) -> list[dict[str, Any]] | None:
        """The standing findings on a case in few words, those that the principal may see; None for a role that reads
        none."""
        roles = self._law.roles
        if principal.role not in roles or AREA not in roles[principal.role].reads:
            return None
        rows = [row for row in tx.findings_of("", case_id) if row.stands and may_see(roles, principal, row)]
        return [
            {"id": row.id, "rule": row.rule, "tag": row.tag, "severity": row.severity, "status": row.status}
            for row in rows
        ]

    def judge(self, tx: Tx, case_id: str) -> bool:
        """Judge a case and keep what is found, once however often it is asked; whether anything changed. As the last of
        a write transaction. Raises LookupError for an unknown case, CalendarRangeError for dates outside the calendar;
        nothing has been written then."""
        months: list[UnitMonth] = []
        changed = self._judge(tx, case_id, months)
        tx.mark_months(months)
        return changed

    def judge_each(self, tx: Tx, case_ids: Iterable[str]) -> list[tuple[str, bool | Exception]]:
        """As `judge`, of several cases in one transaction: each with whether anything changed, or why it could not be
        judged."""
        months: list[UnitMonth] = []
        done: list[tuple[str, bool | Exception]] = []
        for case_id in case_ids:
            try:
                done.append((case_id, self._judge(tx, case_id, months)))
            except (LookupError, ValueError) as error:  # one case nobody can judge must not keep the others from it
                done.append((case_id, error))
        tx.mark_months(months)
        return done

    def _judge(self, tx: Tx, case_id: str, months: list[UnitMonth] | None) -> bool:
        """`months`: gets those to be marked; None: only what is found is kept, and the case waits on."""
        case = tx.case(case_id, lock=True)
        if case is None:
            raise LookupError(case_id)
        before = tx.claim_judgement(case_id)
        now = self._clock.now()
        calendar, today = self._calendars.refresh(tx), business_date(now)
        told = self._told(tx, case_id)
        beside = [self._site(tx, calendar, one.id) for one in self._of_the_same_need(tx, case)]
        loaded = tx.loaded_months(told.org)
        found = self.rules.judge(
            calendar, told.case, told.rows, today, [one for one in beside if one is not None], load_months=loaded
        )
        changed = self._keep(tx, case, found, write(now))
        if months is None:
            return changed
        filed_within: Any = self.detectors.detector("D29").thresholds["working_days"]
        look_on = (
            None if case.closed_at else _look_on(calendar, tx.deadlines(case_id), told.events, today, filed_within)
        )
        after = JudgementRow(
            case_id, case.version, self.digest, write(now), None if look_on is None else look_on.isoformat(), None
        )
        months += load_times.keep(tx, case_id, told.org, told.minutes, loaded)
        if before.rules != self.digest:  # by other rules the same times may be no load
            months += (UnitMonth(told.org, *month) for month in told.minutes)
        if after._replace(judged_at=None) != before._replace(judged_at=None) or changed:
            tx.put_judgement(after)
        return changed

    def recount(self, tx: Tx, case_id: str) -> None:
        """Keep anew when the records of a case were made, and have it judged again where that differs. As the last of a
        write transaction. Raises ValueError when the case has no events."""
        tx.claim_judgement(case_id)
        told = self._told(tx, case_id)
        loaded = [(row.source, row.month) for row in tx.recorded_months(case_id) if row.loaded]
        if months := load_times.keep(tx, case_id, told.org, told.minutes, loaded):
            tx.mark_stale([case_id], write(self._clock.now()))
            tx.mark_months(months)

    def miscounted(self, tx: Tx) -> Iterator[str]:
        """The cases of which it is not kept when their records were made, or which are not there though it is; those
        that wait to be judged are not asked about."""
        yield from map(str, tx.unowned_months())
        for row in tx.cases():
            judged = tx.judgement(row.id)
            if judged is None or (judged.version, judged.rules, judged.stale_since) != (row.version, self.digest, None):
                continue
            told = self._told(tx, row.id)
            there = [one._replace(loaded=False) for one in tx.recorded_months(row.id)]
            if there != load_times.rows(row.id, told.org, told.minutes):
                yield row.id

    def arrived(self, tx: Tx, case_ids: Iterable[str]) -> None:
        """Records about these cases came in: judge them now when they are few; the worker does it in any case, and
        keeps when they were made, for which nobody who delivers records should wait. A case that cannot be judged is
        for the worker to tell of: the records are kept whatever happens."""
        ids = sorted(set(case_ids))
        tx.mark_stale(ids, write(self._clock.now()))
        if len(ids) > AT_ONCE:
            return
        for case_id in ids:
            try:
                self._judge(tx, case_id, None)
            except (LookupError, ValueError):
                continue

    def _told(self, tx: Tx, case_id: str) -> _Told:
        told = history(tx, case_id)
        rows = list(event_rows(told.events, self.steps))
        return _Told(told.case, told.events, rows, told.case.get("org") or "", minutes(rows))

    def _of_the_same_need(self, tx: Tx, case: CaseRow) -> list[CaseRow]:
        """The cases that may have been ended to file this one, or were filed when this one was ended: of the same
        premises, or of the same customer and address, and alike."""
        restart: Any = self.detectors.detector("D14").thresholds
        again: Any = self.detectors.detector("D35").thresholds
        longest = dt.timedelta(days=max(again["window_days"], restart["after_days"]))
        since = write(dt.datetime.fromisoformat(case.submitted_at) - longest)
        return [
            one
            for one in tx.alike(case, since)
            if one.id != case.id and one.voltage == case.voltage and (_ended(one) or _ended(case))
        ]

    def _site(self, tx: Tx, calendar: WorkingCalendar, case_id: str) -> Site | None:
        told = history(tx, case_id)
        return self.rules.site(calendar, told.case, event_rows(told.events, self.steps))

    def _keep(self, tx: Tx, case: CaseRow, found: tuple[Found, ...], at: str) -> bool:
        there = {row.rule: row for row in tx.findings_of("", case.id, lock=True)}
        changed = False
        for one in found:
            fresh = _row(case, one, at)
            old = there.pop(one.rule, None)
            if old is None:
                tx.add_finding(fresh)
                tx.append_finding_events([event(fresh, "found", at, content(fresh))])
                changed = True
                continue
            now = fresh._replace(
                id=old.id, status=old.status, reply_by=old.reply_by, found_at=old.found_at, told_at=old.told_at
            )
            if now._replace(changed_at=old.changed_at) != old:
                tx.update_finding(now)
                tx.append_finding_events([event(now, "changed" if old.stands else "stands_again", at, content(now))])
                changed = True
        for old in there.values():
            if old.stands:
                tx.update_finding(old._replace(stands=False, changed_at=at))
                tx.append_finding_events([event(old, "lapsed", at, {"version": case.version})])
                tx.clear_subject(subject(old.id), at, "lapsed")
                changed = True
        return changed


def side(roles: dict[str, RoleRule], principal: Principal) -> str:
    """Whether this principal reviews (`reviewer`), or speaks for the unit concerned (`unit`)."""
    return "reviewer" if AREA in roles[principal.role].administers else "unit"


def may_see(roles: dict[str, RoleRule], principal: Principal, row: FindingRow) -> bool:
    """Whether a finding is shown: to who reviews always, to the unit concerned once its statement is invited."""
    return side(roles, principal) == "reviewer" or row.status != "open"


def subject(finding_id: str) -> str:
    """What an alert about a finding is about."""
    return f"finding:{finding_id}"


def _ended(case: CaseRow) -> bool:
    return case.state in ENDINGS.values()


def _steps(law: Law, code: str) -> list[str]:
    return [part for *_, one in law.book.timeline(code) for step in one.steps for part in step.parts]


def _row(case: CaseRow, one: Found, at: str) -> FindingRow:
    # Positions in a list of records mean nothing in a history that goes on.
    records = [{key: value for key, value in record.items() if key != "row"} for record in one.evidence["records"]]
    evidence = msgspec.json.encode({**one.evidence, "records": records}).decode()
    return FindingRow(
        str(uuid6.uuid7()), "", case.id, case.application_no, case.org, one.rule, one.tag, one.severity, evidence,
        one.explanation, one.explanation_en, True, "open", None, at, at,
    )  # fmt: skip


def content(row: FindingRow) -> dict[str, Any]:
    """What a finding says, as its history keeps it."""
    return {
        "run": row.run,
        "case_id": row.case_id,
        "case_no": row.case_no,
        "org": row.org,
        "rule": row.rule,
        "tag": row.tag,
        "severity": row.severity,
        "evidence": msgspec.json.decode(row.evidence),
        "explanation": row.explanation,
        "explanation_en": row.explanation_en,
    }


def event(row: FindingRow, type_: str, at: str, payload: dict[str, Any]) -> FindingEventRow:
    """An entry of the history of a finding that the rules themselves make."""
    return FindingEventRow(
        str(uuid6.uuid7()), row.id, type_, at, SYSTEM, msgspec.json.encode(payload, order="sorted").decode()
    )


def _look_on(
    calendar: WorkingCalendar, limits: Iterable[DeadlineRow], events: list[Row], today: dt.date, filed_within: int
) -> dt.date | None:
    """The next day on which time alone may change what is found of an open case: the working day after each due date,
    and once an energised one should have been filed, so many working days later (D29)."""
    days = [
        calendar.add(dt.date.fromisoformat(limit.due_on), 1)
        for limit in limits
        if limit.due_on is not None and limit.status in {"running", "suspended"} and limit.scope in {"step", "total"}
    ]
    for row in events:
        if row["activity"] == "first_energy":
            energised = dt.date.fromisoformat(row["occurred_at"][:10])
            days.append(calendar.add(energised, filed_within + 1))
    return min((day for day in days if day > today), default=None)
