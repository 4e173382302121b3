"""Open applications brought over from another system with their history (上线切换), and taken out the same way.

Every case goes through the engine's own rules, command by command, in one piece: whole or not at all.  Its events
carry the batch `migration:<file>` and a reason; what happened long ago is late, and stays marked so.  A suspension or
waiver stays proposed unless the history carries the second person.  What the engine does not model (records of other
systems, a customer's own suspension, corrections made in the old system) is kept as evidence of the case.

A file is JSON (the body of POST /applications with `external_id` and `history`: commands in order, each with
`occurred_at`, and if known `actor`; a countersignature may say with `signs` which entry it signs, 0 being the
submission) or tables of the replay contract (`cases`, `events`).
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
from pydantic import ValidationError

from storage import EventRow, Filter, PersonalRow, Tx
from workflow.core.commands import COMMANDS, Code, Submission
from workflow.core.events import Principal
from workflow.core.refusals import Refused
from workflow.core.state import State
from workflow.core.times import BUSINESS_ZONE, write
from workflow.service import access
from workflow.service.cases import Answer
from workflow.service.evidence import check_records, evidence_row
from workflow.service.imports import RECORD_COLUMNS, record_of
from workflow.service.reading import faults
from workflow.service.service import Service
from workflow.service.tables import (
    BadFile,
    BadValue,
    Row,
    Vocabulary,
    as_flag,
    as_number,
    as_text,
    is_json,
    read_json,
    read_tables,
)

Progress = Callable[[int, int | None], object]

CASES_AT_ONCE = 20
"""Cases brought over in one transaction: other writers wait no longer than that takes."""

CASE_COLUMNS: Vocabulary = {
    "case_id": ("申请标识", "工单编号", "流程编号", "申请编号"),
    "case_no": ("工单号", "原编号"),
    "customer_id": ("客户编号", "户号"),
    "customer_name": ("客户名称", "户名", "用户名称"),
    "phone": ("联系电话", "电话"),
    "premises_id": ("用电地址编码", "用电点编号", "地址编码"),
    "address": ("用电地址", "地址"),
    "customer_kind": ("客户类型", "用户性质"),
    "enterprise_size": ("企业规模",),
    "capacity_kw": ("报装容量", "申请容量", "容量"),
    "voltage": ("电压", "电压类别"),
    "supply_count": ("电源数", "供电电源数"),
    "area": ("城乡", "城乡类别"),
    "region": ("行政区划", "行政区划代码", "区划代码"),
    "org": ("供电单位", "单位编码", "单位"),
    "manager": ("客户经理",),
    "contractor": ("施工单位",),
    "user_class": ("用户类别",),
    "business_type": ("业务类型", "流程类型"),
    "predecessor_case": ("前序申请",),
    "channel": ("受理渠道", "渠道"),
    "voltage_kv": ("电压等级", "供电电压"),
    "important_customer": ("重要用户", "重要客户"),
    "prior_capacity_kw": ("原有容量", "原容量"),
    "account_opened_on": ("立户日期", "开户日期"),
}
"""The columns of `cases`, and three for the personal data that the replay contract has no place for."""

SPELLINGS: dict[str, dict[str, str]] = {
    "customer_kind": {"居民": "residential", "非居民": "non_residential"},
    "enterprise_size": {
        "微型": "micro", "个体工商户": "micro", "小微": "small", "小型": "small", "中型": "medium", "大型": "large",
    },
    "voltage": {"低压": "low", "高压": "high"},
    "area": {"城市": "urban", "城镇": "urban", "城区": "urban", "农村": "rural", "乡村": "rural"},
    "channel": {"线上": "online", "网上": "online", "营业厅": "hall", "电话": "phone", "上门": "visit"},
    "business_type": {"新装": "new", "增容": "increase", "临时": "temporary", "临时用电": "temporary"},
}  # fmt: skip

_NOT_CARRIED = ("contractor", "user_class", "predecessor_case", "prior_capacity_kw", "account_opened_on")
"""Columns of `cases` that an application has no field for. The class follows from the facts; the report says where it
differs. Predecessors are found by the need itself."""


class Migrated(Submission):
    """A submission that came over with a batch, which no other channel may state."""

    batch: Code


class Entry(msgspec.Struct, frozen=True):
    """One thing of a case's history. `command`: what it asks of the engine, given the case as it stands; None when it
    is only kept as evidence. `record`: the row to keep then."""

    place: str
    actor: str | None
    command: Callable[[State], dict[str, Any] | None]
    record: dict[str, Any] | None = None
    signs: int | None = None


class Case(msgspec.Struct):
    """One application as a file has it. `faults`: what cannot be read."""

    place: str
    external_id: str | None
    body: dict[str, Any]
    actor: str | None = None
    history: list[Entry] = []
    faults: list[str] = []
    filed_class: str | None = None
    origin: str | None = None
    rows: int = 0


class Moved(msgspec.Struct):
    """What became of a file. `cases` = imported + already there + rejected; `rows` of the history = applied + kept as
    evidence + those of cases rejected or already there + orphans. `reclassified`: filed class, class by the rules.
    `not_carried`: columns that an application has no place for."""

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


class _Rejected(Exception):
    """The case cannot come over; where it failed and why."""

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(reason)
        self.place = place
        self.reason = reason


# ---- bringing over ---------------------------------------------------------------------------------------------------


def import_cases(service: Service, principal: Principal, path: Path, events: Path | None, progress: Progress) -> Moved:
    """Bring the applications of a file over; `events`: the second table, where the first file holds only `cases`.

    Importing again adds nothing. Raises BadFile when the files cannot be read as such, Refused.
    """
    access.check_administers(service.law.roles, principal, "applications")
    report = Moved()
    found = list(_from_json(path)) if is_json(path) else _from_tables(path, events, report)
    report.cases = len(found)
    report.rows = sum(case.rows for case in found) + len(report.orphans)
    batch = f"migration:{path.name}"[:64]
    for start in range(0, len(found), CASES_AT_ONCE):
        part = found[start : start + CASES_AT_ONCE]

        def work(tx: Tx, part: list[Case] = part) -> Moved:
            crossing = _Crossing(service, principal, batch, tx)
            for case in part:
                crossing.take(case)
            return crossing.done

        done: Moved = service.writer.submit((2, ""), work).result()
        for name in ("imported", "already", "applied", "kept", "passed_over"):
            setattr(report, name, getattr(report, name) + getattr(done, name))
        report.rejected += done.rejected
        report.reclassified += done.reclassified
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

    def take(self, case: Case) -> None:
        """One case: imported, there already, or rejected with the reason."""
        try:
            if not case.faults and self._is_there(case):
                self.done.already += 1
                self.done.passed_over += case.rows
                return
            with self.tx.savepoint():
                applied, kept = self._bring(case)
        except _Rejected as rejected:
            self.done.passed_over += case.rows
            self.done.rejected.append(
                {"place": rejected.place, "external_id": case.external_id or "", "reason": rejected.reason}
            )
            return
        self.done.imported += 1
        self.done.applied += applied
        self.done.kept += kept

    def _is_there(self, case: Case) -> bool:
        return bool(self.tx.list_applications(Filter(external_id=case.external_id), limit=1))

    def _person(self, actor: str | None) -> Principal:
        """Who an entry is recorded for: the importer, who answers for the record, with the person it names."""
        own = self.principal
        return own if actor is None else Principal(f"{own.who}:{actor}", own.role, own.org)

    def _bring(self, case: Case) -> tuple[int, int]:
        """Put one case through the engine; how many rows became part of it and how many evidence. Raises _Rejected."""
        if case.faults:
            raise _Rejected(case.place, "; ".join(case.faults))
        why = f"系统切换迁移 / brought over from another system{f' ({case.origin})' if case.origin else ''}"
        body = {**case.body, "batch": self.batch, "reason": case.body.get("reason") or why}
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
            command = self._command(entry, asked, why, first_events)
            first_events[number] = state.version + 1
            _done(entry.place, cases.command(tx, self._person(entry.actor), case_id, command, key=None, if_match=None))
            state = self._state(entry.place, case_id)
        if filed is not None and filed != state.user_class:
            self.done.reclassified.append(
                {"external_id": case.external_id or "", "filed": filed, "by_rules": state.user_class}
            )
        return case.rows - kept, kept

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
        ((record, reason),) = check_records([{**(entry.record or {}), "case_id": case_id}])
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


# ---- JSON ------------------------------------------------------------------------------------------------------------


def _from_json(path: Path) -> Iterator[Case]:
    seen: dict[str, str] = {}
    for place, one in read_json(path):
        if isinstance(one, BadValue) or not isinstance(one, dict):
            yield Case(place, None, {}, faults=[str(one) if isinstance(one, BadValue) else _OBJECT])
            continue
        history, actor = one.get("history", []), one.get("actor")
        body = {key: value for key, value in one.items() if key not in ("history", "actor")}
        external_id = one.get("external_id")
        case = Case(place, external_id if isinstance(external_id, str) else None, body, faults=[])
        case.actor = _stated(actor, f"{place} actor", case.faults)
        case.faults += _needed(place, body, "external_id", "occurred_at")
        _once(case, seen)
        if not isinstance(history, list):
            case.faults.append(f"{place} history: 应为列表 / must be a list")
            history = []
        case.history = [
            _entry(f"{place} history[{number}]", step, case.faults) for number, step in enumerate(history, start=1)
        ]
        case.rows = len(history)
        yield case


_OBJECT = "应为对象 {…} / must be an object"


def _needed(place: str, body: Mapping[str, Any], *names: str) -> list[str]:
    return [f"{place} {name}: 必填 / is required" for name in names if not body.get(name)]


def _stated(value: Any, place: str, faults_: list[str]) -> str | None:
    if value is None or (isinstance(value, str) and 0 < len(value) <= 64):
        return value
    faults_.append(f"{place}: 应为 1 至 64 字的姓名 / must be a name of 1 to 64 characters")
    return None


def _once(case: Case, seen: dict[str, str]) -> None:
    if case.external_id is None:
        return
    first = seen.setdefault(case.external_id, case.place)
    if first != case.place:
        case.faults.append(f"{case.external_id} 在 {first} 已出现 / was in the file before, at {first}")


def _entry(place: str, one: Any, faults_: list[str]) -> Entry:
    if not isinstance(one, dict):
        faults_.append(f"{place}: {_OBJECT}")
        one = {}
    else:
        faults_ += _needed(place, one, "command", "occurred_at")
    signs = one.get("signs")
    if signs is not None and type(signs) is not int:
        faults_.append(f"{place} signs: 应为条目序号 / must be the number of an entry")
    body = {key: value for key, value in one.items() if key not in ("actor", "signs")}
    return Entry(
        place,
        _stated(one.get("actor"), f"{place} actor", faults_),
        lambda _: body,
        signs=signs if type(signs) is int else None,
    )


# ---- tables ----------------------------------------------------------------------------------------------------------


def _from_tables(path: Path, events: Path | None, report: Moved) -> list[Case]:
    cases: dict[str, Case] = {}
    found: list[Case] = []
    seen: dict[str, str] = {}
    tables = read_tables(path, CASE_COLUMNS)
    left_out: dict[str, None] = {}
    for table in tables:
        if "case_id" not in table.columns:
            raise BadFile([f"{table.name}: 缺少列 case_id (申请标识) / the column case_id is missing"])
        left_out |= dict.fromkeys((*(c for c in table.columns if c in _NOT_CARRIED), *table.unknown))
        for row in table.rows:
            case = _case(row)
            found.append(case)
            _once(case, seen)
            if case.external_id is not None:
                cases.setdefault(case.external_id, case)
    rows: dict[str, list[tuple[Row, dict[str, Any]]]] = {}
    for table in read_tables(events or path, RECORD_COLUMNS):
        left_out |= dict.fromkeys((*(c for c in table.columns if c in ("recorded_at", "device")), *table.unknown))
        for row in table.rows:
            _sort_in(row, cases, rows, report)
    for external_id, case in cases.items():
        _read_history(case, rows.get(external_id, []))
    report.not_carried = list(left_out)
    return found


def _sort_in(
    row: Row, cases: dict[str, Case], rows: dict[str, list[tuple[Row, dict[str, Any]]]], report: Moved
) -> None:
    try:
        record = record_of(row)
    except BadValue as error:
        record, fault = {"case_id": _safely(row.values.get("case_id"))}, f"{row.place}: {error}"
    else:
        ((_, reason),) = check_records([record])
        fault = "" if reason is None else f"{row.place}: {reason}"
    case = cases.get(record.get("case_id") or "")
    if case is None:
        unknown = "申请表中没有这件申请 / the table of cases has no such case"
        report.orphans.append(
            {"place": row.place, "external_id": record.get("case_id") or "", "reason": fault or unknown}
        )
        return
    case.rows += 1
    if fault:
        case.faults.append(fault)
    else:
        rows.setdefault(case.external_id or "", []).append((row, record))


def _safely(value: Any) -> str | None:
    try:
        return as_text(value)
    except BadValue:
        return None


def _case(row: Row) -> Case:
    """A row of `cases` as a submission, without its time, which is the event's."""
    found: dict[str, Any] = {}
    faults_: list[str] = []
    for column, value in row.values.items():
        convert: Callable[[Any], Any] = _CONVERT.get(column, as_text)
        try:
            one = convert(value)
        except BadValue as error:
            faults_.append(f"{row.place} {column}: {error}")
            continue
        found[column] = SPELLINGS[column].get(one, one) if column in SPELLINGS else one
    faults_ += _needed(row.place, found, "case_id")
    body = {
        "external_id": found.get("case_id"),
        "customer": _present(id=found.get("customer_id"), name=found.get("customer_name"), phone=found.get("phone")),
        "premises": _present(id=found.get("premises_id"), address=found.get("address")),
        **{column: found[column] for column in _FACTS if found.get(column) is not None},
    }
    return Case(
        row.place, found.get("case_id"), body, faults=faults_,
        filed_class=found.get("user_class"), origin=found.get("case_no"),
    )  # fmt: skip


def _whole(value: Any) -> int | float | None:
    number = as_number(value)
    return int(number) if number is not None and number == int(number) else number


_CONVERT: dict[str, Callable[[Any], Any]] = {
    "capacity_kw": as_number, "voltage_kv": as_number, "prior_capacity_kw": as_number, "supply_count": _whole,
    "important_customer": as_flag,
}  # fmt: skip
_FACTS = (
    "customer_kind", "enterprise_size", "capacity_kw", "voltage", "supply_count", "area", "region", "org", "manager",
    "business_type", "channel", "voltage_kv", "important_customer",
)  # fmt: skip


def _present(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _read_history(case: Case, rows: list[tuple[Row, dict[str, Any]]]) -> None:
    """The rows of `events` as the submission's time and documents, and what followed."""
    ordered = _in_order(rows)
    start = next(
        (one for one in ordered if (one[1]["activity"], one[1].get("lifecycle")) == ("application", "submit")), None
    )
    if start is None:
        case.faults.append(f"{case.place}: 没有 application.submit 事件 / there is no event application.submit")
        return
    submitted = start[1]
    case.actor = submitted.get("actor")
    case.body |= _present(occurred_at=submitted["occurred_at"], source=submitted.get("source"))
    documents, later, ends = [], [], _ends_of_suspensions(ordered)
    for row, record in ordered:
        if record is submitted or any(record is end for _, end in ends):
            continue
        kind = (record["activity"], record.get("lifecycle"))
        if kind == ("document", "received") and _moment(record) <= _moment(submitted):
            documents.append(_document(record))
        else:
            later.append((row, record))
    if documents:
        case.body["documents"] = documents
    case.history = [_table_entry(row, record, ends) for row, record in later]


def _moment(record: Mapping[str, Any]) -> dt.datetime:
    moment = dt.datetime.fromisoformat(record["occurred_at"])
    return moment.replace(tzinfo=BUSINESS_ZONE) if moment.tzinfo is None else moment


def _in_order(rows: list[tuple[Row, dict[str, Any]]]) -> list[tuple[Row, dict[str, Any]]]:
    """By time, then as in the file; but what was handed in with a step comes before the step's start."""
    ordered = sorted(rows, key=lambda one: _moment(one[1]))
    for index, (_, record) in enumerate(ordered):
        if record.get("lifecycle") != "start" or record["activity"] in ("application", "suspension"):
            continue
        at, following = index, index + 1
        while following < len(ordered) and _moment(ordered[following][1]) == _moment(record):
            if ordered[following][1]["activity"] == "document":
                ordered.insert(at, ordered.pop(following))
                at += 1
            following += 1
    return ordered


def _ends_of_suspensions(
    ordered: list[tuple[Row, dict[str, Any]]],
) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Each force-majeure suspension with the event that ended it: together they are one command."""
    begun: list[dict[str, Any]] = []
    pairs = []
    for _, record in ordered:
        if record["activity"] == "suspension" and record.get("value", "force_majeure") == "force_majeure":
            if record.get("lifecycle") == "start":
                begun.append(record)
            elif record.get("lifecycle") == "end" and begun:
                pairs.append((begun.pop(0), record))
    return pairs


def _document(record: Mapping[str, Any]) -> dict[str, Any]:
    ref = record.get("ref") or ""
    return _present(
        kind=record.get("value"),
        volunteered=True if ref == "volunteered" else None,
        legal_basis=ref if ref.startswith("law:") else None,
    )


def _table_entry(row: Row, record: dict[str, Any], ends: list[tuple[dict[str, Any], dict[str, Any]]]) -> Entry:
    translate = _TRANSLATIONS.get((record["activity"], record.get("lifecycle") or "")) or _STEP_TRANSLATIONS.get(
        record.get("lifecycle") or ""
    )
    if translate is None or record["activity"] in _NEVER_STEPS:
        return Entry(row.place, record.get("actor"), lambda _: None, record)
    end = next((end for start, end in ends if start is record), None)

    def command(state: State) -> dict[str, Any] | None:
        asked = translate(record, state, end)
        if asked is None:
            return None
        evidence = _present(ref=record.get("ref"), source=record.get("source"))
        common = _present(
            occurred_at=record["occurred_at"],
            source=record.get("source"),
            evidence=evidence if "ref" in evidence and asked["command"] not in _REF_IS_PART else None,
        )
        return {**common, **asked}

    return Entry(row.place, record.get("actor"), command, record)


Translation = Callable[[Mapping[str, Any], State, Mapping[str, Any] | None], dict[str, Any] | None]

_REF_IS_PART = ("register_documents", "request_documents", "suspend", "withdraw", "countersign")
_NEVER_STEPS = ("correction",)


def _started(record: Mapping[str, Any], state: State, _: object) -> dict[str, Any] | None:
    """A step handed in; where the clock started by itself, the record is evidence of no more."""
    if state.state == f"{record['activity']}.running":
        return None
    return {"command": "submit_step", "step": record["activity"]}


def _returned(record: Mapping[str, Any], *_: object) -> dict[str, Any]:
    defects = [one.strip() for one in re.split(r"[;；\n]", record.get("value") or "") if one.strip()]
    return {"command": "return_step", "step": record["activity"], "defects": defects}


def _suspended(record: Mapping[str, Any], _: State, end: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if record.get("value", "force_majeure") != "force_majeure":
        return None
    days = {"from": record["occurred_at"][:10], "to": None if end is None else end["occurred_at"][:10]}
    return {"command": "suspend", "reason": "force_majeure", "notice": record.get("ref"), **days}


def _terminated(record: Mapping[str, Any], *_: object) -> dict[str, Any]:
    value = record.get("value") or "other"
    if value in ("lapsed", "duplicate", "other"):
        return {"command": "terminate", "reason": value}
    return {"command": "terminate", "reason": "other", "note": value}


def _withdrawn(record: Mapping[str, Any], *_: object) -> dict[str, Any]:
    evidence = _present(ref=record.get("ref"), source=record.get("source"))
    return {"command": "withdraw", "reason": record.get("value") or "客户申请撤回", "evidence": evidence}


def _requested(record: Mapping[str, Any], *_: object) -> dict[str, Any]:
    document = _document(record)
    document.pop("volunteered", None)
    return {"command": "request_documents", "documents": [document]}


_TRANSLATIONS: dict[tuple[str, str], Translation] = {
    ("application", "withdraw"): _withdrawn,
    ("application", "terminate"): _terminated,
    ("application", "refuse"): lambda record, *_: {"command": "refuse", "legal_basis": record.get("value")},
    ("document", "requested"): _requested,
    ("document", "received"): lambda record, *_: {"command": "register_documents", "documents": [_document(record)]},
    ("suspension", "start"): _suspended,
    ("suspension", "countersign"): lambda *_: {"command": "countersign"},
}
_STEP_TRANSLATIONS: dict[str, Translation] = {
    "start": _started,
    "complete": lambda record, *_: {"command": "complete_step", "step": record["activity"]},
    "return": _returned,
    "waive": lambda record, *_: {
        "command": "waive_step", "step": record["activity"], "legal_basis": record.get("value"),
    },
    "countersign": lambda *_: {"command": "countersign"},
}  # fmt: skip


# ---- taking out ------------------------------------------------------------------------------------------------------


def export_cases(service: Service, principal: Principal, ids: Iterable[str] | None) -> Iterator[dict[str, Any]]:
    """Applications with their history, as `import_cases` reads them: those named, else every open one. An attempt that
    was refused is left out; what the system notes of itself comes about again. Raises Refused."""
    access.check_administers(service.law.roles, principal, "applications")
    with service.database.read() as tx:
        wanted = ids if ids is not None else [row.id for row in tx.cases() if row.closed_at is None]
        for case_id in wanted:
            service.cases.load(tx, principal, case_id)
            yield _exported(tx.events(case_id), tx.personal(case_id), case_id)


def _exported(rows: list[EventRow], person: PersonalRow | None, case_id: str) -> dict[str, Any]:
    first, payload = rows[0], msgspec.json.decode(rows[0].payload)
    facts = {name: value for name, value in payload["facts"].items() if name not in ("premises_id", "external_id")}
    override = payload.get("class_override")
    if person is None or person.customer_id is None:
        raise BadFile([f"{case_id}: 客户资料已删除, 不能导出 / its personal data were erased; it cannot be taken out"])
    out = {
        "external_id": payload["facts"].get("external_id") or case_id,
        "customer": _present(id=person.customer_id, name=person.customer_name, phone=person.phone),
        "premises": _present(id=payload["facts"]["premises_id"], address=person.address),
        **facts,
        **_present(
            org=payload.get("org"),
            manager=payload.get("manager"),
            class_override=override and {"class": payload["user_class"], "reason": override["reason"]},
        ),
        "documents": _documents_out(payload["documents"]),
        **_common(first, payload),
        "history": [],
    }
    ordinals = {1: 0}
    for row in rows[1:]:
        payload = msgspec.json.decode(row.payload)
        asked = _asked(row.type, payload)
        if asked is None:
            continue
        if "signs" in asked:
            asked["signs"] = ordinals[asked["signs"]]
        out["history"].append({**_common(row, payload), **asked})
        ordinals[row.case_seq] = len(out["history"])
    return out


def _common(row: EventRow, payload: Mapping[str, Any]) -> dict[str, Any]:
    late = payload.get("late") or {}
    return _present(
        occurred_at=row.occurred_at,
        source=row.source,
        actor=row.actor,
        reason=payload.get("reason") or late.get("reason"),
        evidence=payload.get("evidence"),
    )


def _documents_out(documents: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in one.items() if key not in ("step", "received_at")} for one in documents]


def _asked(type_: str, payload: Mapping[str, Any]) -> dict[str, Any] | None:
    """The command that led to an event; None where the engine itself adds the event again."""
    if type_ == "step_submitted" and payload.get("automatic"):
        return None
    simple = _COMMAND_OF.get(type_)
    if simple is not None:
        command, fields = simple
        return {"command": command, **_present(**{field: payload.get(field) for field in fields})}
    special = _SPECIAL.get(type_)
    return None if special is None else special(payload)


_COMMAND_OF: dict[str, tuple[str, tuple[str, ...]]] = {
    "documents_requested": ("request_documents", ("step", "documents")),
    "step_submitted": ("submit_step", ("step",)),
    "step_completed": ("complete_step", ("step", "plan_reason")),
    "step_returned": ("return_step", ("step", "defects")),
    "resumed": ("resume", ("to",)),
    "withdrawn": ("withdraw", ()),
    "terminated": ("terminate", ("note",)),
    "refused": ("refuse", ("legal_basis",)),
    "charge_added": ("add_charge", ("item", "amount", "collector", "beyond_boundary")),
    "notified": ("notify", ("notice", "channel")),
    "rated": ("rate", ("score", "comment")),
}
_SPECIAL: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "documents_registered": lambda p: {
        "command": "register_documents", "step": p["step"], "documents": _documents_out(p["documents"]),
    },
    "assigned": lambda p: {"command": "assign", **p["to"]},
    "step_waiver_proposed": lambda p: {"command": "waive_step", **p["proposal"]},
    "suspension_proposed": lambda p: {
        "command": "suspend", "reason": p["proposal"]["ground"],
        **_present(notice=p["proposal"]["notice"], to=p["proposal"]["to"], note=(p.get("late") or {}).get("reason")),
        "from": p["proposal"]["from"],
    },
    "correction_proposed": lambda p: {
        "command": "correct", "field": p["proposal"]["field"], "new_value": p["proposal"]["new_value"],
    },
    "countersigned": lambda p: {"command": "countersign", "signs": p["event"]},
    "approval_added": lambda p: {"command": "add_approval", **_present(approval=p["name"], **{key: p.get(key) for key in ("authority", "voltage", "voltage_kv")})},
    "approval_decided": lambda p: {
        "command": "decide_approval", "approval": str(p["approval"]["number"]), "decision": p["approval"]["decision"],
    },
}  # fmt: skip
