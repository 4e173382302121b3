"""Open applications brought over from another system with their history (上线切换).

Every case goes through the engine's own rules, command by command, in one piece: whole or not at all.  Its events
carry the batch `migration:<file>` and a reason; what happened long ago is late, and stays marked so.  A suspension or
waiver stays proposed unless the history carries the second person.  What the engine does not model (records of other
systems, a customer's own suspension, corrections made in the old system) is kept as evidence of the case.

A file is JSON (`cutover_files`) or tables of the replay contract (`cutover_tables`); `takeout` writes the former.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from pydantic import ValidationError

from storage import Filter, StaffRow, Tx
from workflow.core.commands import COMMANDS, Code, Submission
from workflow.core.events import Principal
from workflow.core.refusals import Refused
from workflow.core.state import State
from workflow.core.times import write
from workflow.service import access
from workflow.service.cases import Answer
from workflow.service.cutover_files import Case, Entry, Found, from_json
from workflow.service.cutover_tables import from_tables
from workflow.service.evidence import check_records, evidence_row
from workflow.service.reading import faults
from workflow.service.service import Progress, Service
from workflow.service.tables import is_json

CASES_AT_ONCE = 20
"""Cases brought over in one transaction: other writers wait no longer than that takes."""

TURN_SETTING = "case_import"
"""The setting that names the batch brought over last. Who writes it has the turn until the transaction ends."""


class Migrated(Submission):
    """A submission that came over with a batch, which no other channel may state."""

    batch: Code


class Moved(msgspec.Struct):
    """What became of a file. `cases` = imported + already there + rejected; `rows` of the history = applied + kept as
    evidence + those of cases rejected or already there + orphans. `reclassified`: filed class, class by the rules.
    `not_carried`: columns that an application has no place for. `unknown_managers`: customer managers who are nobody of
    the staff, or more than one, each with the number of entries that name them; no alert reaches them."""

    cases: int = 0
    imported: int = 0
    already: int = 0
    rejected: list[dict[str, str]] = []
    rows: int = 0
    applied: int = 0
    kept: int = 0
    passed_over: int = 0
    orphans: list[dict[str, str]] = []
    reclassified: list[dict[str, str]] = []
    not_carried: list[str] = []
    unknown_managers: Counter[str] = msgspec.field(default_factory=Counter)


class _Rejected(Exception):
    """The case cannot come over; where it failed and why."""

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(reason)
        self.place = place
        self.reason = reason


def import_cases(service: Service, principal: Principal, path: Path, events: Path | None, progress: Progress) -> Moved:
    """Bring the applications of a file over; `events`: the second table, where the first file holds only `cases`.

    Importing again adds nothing. Raises BadFile when the files cannot be read as such, Refused.
    """
    access.check_administers(service.law.roles, principal, "applications")
    read = Found(cases=list(from_json(path))) if is_json(path) else from_tables(path, events)
    found = read.cases
    report = Moved(cases=len(found), orphans=read.orphans, not_carried=read.not_carried)
    report.rows = sum(case.rows for case in found) + len(report.orphans)
    batch = f"migration:{path.name}"[:64]
    for start in range(0, len(found), CASES_AT_ONCE):
        part = found[start : start + CASES_AT_ONCE]

        def work(tx: Tx, part: list[Case] = part) -> Moved:
            tx.put_setting(TURN_SETTING, batch)  # of two imports at once the second must see what the first has brought
            crossing = _Crossing(service, principal, batch, tx)
            for case in part:
                crossing.take(case)
            return crossing.done

        done = service.transact(work)
        for name in ("imported", "already", "applied", "kept", "passed_over"):
            setattr(report, name, getattr(report, name) + getattr(done, name))
        report.rejected += done.rejected
        report.reclassified += done.reclassified
        report.unknown_managers += done.unknown_managers
        progress(start + len(part), len(found))
    return report


class _Crossing:
    """Puts cases of one file through the engine inside a transaction, and counts in `done` what became of them."""

    def __init__(self, service: Service, principal: Principal, batch: str, tx: Tx) -> None:
        self.service = service
        self.principal = principal
        self.batch = batch
        self.tx = tx
        self.done = Moved()
        self.staff: dict[str, list[StaffRow]] = {}
        for member in tx.staff():
            for name in {member.id, member.name}:
                self.staff.setdefault(name, []).append(member)

    def take(self, case: Case) -> None:
        """One case: imported, there already, or rejected with the reason."""
        try:
            if not case.faults and self._is_there(case):
                self.done.already += 1
                self.done.passed_over += case.rows
                return
            with self.tx.savepoint():
                applied, kept, unknown = self._bring(case)
        except _Rejected as rejected:
            self.done.passed_over += case.rows
            self.done.rejected.append(
                {"place": rejected.place, "external_id": case.external_id or "", "reason": rejected.reason}
            )
            return
        self.done.imported += 1
        self.done.applied += applied
        self.done.kept += kept
        self.done.unknown_managers.update(unknown)

    def _is_there(self, case: Case) -> bool:
        return bool(self.tx.list_applications(Filter(external_id=case.external_id), limit=1))

    def _person(self, actor: str | None) -> Principal:
        """Who an entry is recorded for: the importer, who answers for the record, with the person it names."""
        own = self.principal
        return own if actor is None else Principal(f"{own.who}:{actor}", own.role, own.org)

    def _member(self, stated: Any, org: Any) -> str | None:
        """The id of whoever a file calls `stated`, by id or by name; of several of one name, whoever belongs to `org`.
        None when that is not one person."""
        found = self.staff.get(stated, []) if isinstance(stated, str) else []
        for among in ([one for one in found if one.id == stated], found, [one for one in found if one.org == org]):
            if len(among) == 1:
                return among[0].id
        return None

    def _managed(self, said: dict[str, Any], org: Any, unknown: list[str]) -> dict[str, Any]:
        """What a file says, with the customer manager by the id of the staff; who is not found goes to `unknown`."""
        manager = said.get("manager")
        if manager is None:
            return said
        member = self._member(manager, org)
        if member is None:
            unknown.append(str(manager))
        return {**said, "manager": member or manager}

    def _bring(self, case: Case) -> tuple[int, int, list[str]]:
        """Put one case through the engine; how many rows became part of it, how many evidence, and the customer
        managers who were not found. Raises _Rejected."""
        if case.faults:
            raise _Rejected(case.place, "; ".join(case.faults))
        why = f"系统切换迁移 / brought over from another system{f' ({case.origin})' if case.origin else ''}"
        unknown: list[str] = []
        org = case.body.get("org") or self.principal.org
        body = self._managed(case.body, org, unknown)
        body = {**body, "batch": self.batch, "reason": body.get("reason") or why}
        submission = _valid(case.place, Migrated.model_validate, body)
        cases, tx = self.service.cases, self.tx
        case_id = _done(case.place, cases.submission(tx, self._person(case.actor), submission, None))
        state = self._state(case.place, case_id)
        filed, kept = case.filed_class, 0
        first_events = {0: 1}
        for number, entry in enumerate(case.history, start=1):
            asked = entry.command(state)
            if asked is None:
                self._keep(case_id, entry)
                kept += 1
                continue
            command = self._command(entry, self._managed(asked, org, unknown), why, first_events)
            first_events[number] = state.version + 1
            _done(entry.place, cases.command(tx, self._person(entry.actor), case_id, command, key=None, if_match=None))
            state = self._state(entry.place, case_id)
        if filed is not None and filed != state.user_class:
            self.done.reclassified.append(
                {"external_id": case.external_id or "", "filed": filed, "by_rules": state.user_class}
            )
        return case.rows - kept, kept, unknown

    def _command(self, entry: Entry, asked: dict[str, Any], why: str, first_events: dict[int, int]) -> Any:
        asked = {**asked, "batch": self.batch}
        explained = "note" if asked.get("command") in ("suspend", "terminate") else "reason"
        asked[explained] = asked.get(explained) or why
        if entry.signs is not None:
            if entry.signs not in first_events:
                raise _Rejected(
                    entry.place, f"signs {entry.signs} 不是此前的条目 / signs {entry.signs}: no earlier entry"
                )
            asked["event"] = first_events[entry.signs]
        command = _valid(entry.place, COMMANDS.validate_python, asked)
        try:
            access.check_command(self.service.law.roles, self.principal, command.command)
        except Refused as refused:
            raise _Rejected(entry.place, _reason(refused)) from refused
        return command

    def _state(self, place: str, case_id: str) -> State:
        try:
            return self.service.cases.load(self.tx, self.principal, case_id).state
        except Refused as refused:  # assigned to a unit that the importer does not see
            raise _Rejected(place, _reason(refused)) from refused

    def _keep(self, case_id: str, entry: Entry) -> None:
        ((record, reason),) = check_records([{**(entry.record or {}), "case_id": case_id}], history=True)
        if reason is not None:
            raise _Rejected(entry.place, reason)
        now = write(self.service.clock.now())
        self.tx.add_evidence(evidence_row(self.service.cases.new_id(), case_id, record, now, self.principal.who))


def _valid(place: str, read: Callable[[Any], Any], value: Any) -> Any:
    try:
        return read(value)
    except ValidationError as error:
        raise _Rejected(place, "; ".join(faults(error))) from error


def _done(place: str, answer: Answer) -> str:
    """The id of the case that an answer is about. Raises _Rejected when it is a refusal."""
    if answer.refusal is not None:
        raise _Rejected(place, _reason(Refused(answer.refusal)))
    return str(answer.case_id)


def _reason(refused: Refused) -> str:
    refusal = refused.refusal
    return f"{refusal.detail.zh} / {refusal.detail.en} ({refusal.code})"
