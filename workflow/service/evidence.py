"""Evidence: records of other systems checked as they come in, projections rebuilt from the events.

The rows are those of the replay contract (design: Replay input, `events`).  A row that cannot be read is answered with
the reason; it is never dropped silently.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Container, Iterator, Mapping
from typing import Annotated, Any, Final

import msgspec
from pydantic import BeforeValidator, Field, ValidationError, WithJsonSchema

from definitions.alerting import Ladder
from definitions.calendar import WorkingCalendar
from definitions.records import LIFECYCLES, OBSERVED, STEP_LIFECYCLES
from storage import Damaged, DeadlineRow, EvidenceRow, FindingEventRow, FindingRow, PersonalRow, Tx, personal_digest
from workflow.core import review
from workflow.core.commands import Code, Line, Moment, Prose, Source, Strict
from workflow.core.evolve import replay
from workflow.core.rungs import course_of_row, next_look
from workflow.core.timers import timers
from workflow.core.times import BUSINESS_ZONE, write
from workflow.replay.tables import FORETOLD, VALUES
from workflow.service.cases import from_row
from workflow.service.law import LADDERS_SETTING, Law, ladders_hash
from workflow.service.projection import begun, case_row, deadline_row, pending_rows, rounds_changed

TOLD: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(OBSERVED, ("observed",)),
    "document": LIFECYCLES["document"],
}
"""What a record of another system may tell. The course of an application, its suspensions and its corrections are what
the commands recorded: a record from elsewhere must neither make it nor excuse it [L15]."""


def _midnight(value: object) -> object:
    """A bare date is its first moment, which the rules compare as a date [policy 6]."""
    return f"{value}T00:00:00" if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value) else value


_EITHER = {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "string", "format": "date"}]}


class Record(Strict):
    """One row of the replay contract's `events` table, of those in `TOLD`. `note`: what else whoever wrote it down
    wants to be known; no rule reads it."""

    case_id: Code
    activity: Code
    lifecycle: Code | None = None
    occurred_at: Annotated[Moment, BeforeValidator(_midnight), WithJsonSchema(_EITHER)]
    recorded_at: Moment | None = None
    actor: Line | None = None
    device: Line | None = None
    source: Source | None = None
    value: Prose | None = None
    old_value: Prose | None = None
    new_value: Prose | None = None
    ref: Line | None = None
    batch: Line | None = None
    amount: Annotated[float, Field(strict=True, ge=-1e12, le=1e12)] | None = None
    party: Line | None = None
    note: Prose | None = None


def check_records(records: list[Any], *, history: bool = False) -> list[tuple[dict[str, Any], str | None]]:
    """Each record as it would be kept, with the reason it is rejected (None when it is not). `history`: they come
    of the system an application comes over from, which tells its steps too."""
    return [_checked(record, history) for record in records]


def _checked(record: Any, history: bool) -> tuple[dict[str, Any], str | None]:
    try:
        read = Record.model_validate(record)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "record"
        return {}, f"{where} 无法读取 / cannot read {where}: {first['msg']}"
    reason = _not_known(read) if history else _not_told(read)
    if reason is not None:
        return {}, reason
    if (known := VALUES.get((read.activity, "observed"))) is not None and read.value not in known:
        words = ", ".join(known)
        return {}, f"{read.activity} 的 value 应为 {words} 之一 / the value of {read.activity} is one of {words}"
    kept = read.model_dump(exclude_none=True)
    for name in ("occurred_at", "recorded_at"):
        if name in kept:
            kept[name] = write(kept[name])
    return kept, None


def not_yet(record: Mapping[str, Any], latest: dt.datetime) -> str | None:
    """Why a checked record is rejected that tells what happens after `latest`; None when it does not, or when
    by its nature it speaks of a day to come."""
    moment = dt.datetime.fromisoformat(record["occurred_at"]).astimezone(BUSINESS_ZONE)
    if moment <= latest or record["activity"] in FORETOLD:
        return None
    return (
        f"发生时间 {moment:%Y-%m-%d %H:%M} 晚于当前时间, 不接收尚未发生的事; 请核对 occurred_at 后重发 / occurred_at "
        f"{moment:%Y-%m-%d %H:%M} lies in the future; check it and send again"
    )


def observed(activity: str, lifecycle: str | None) -> bool:
    """Whether records of other systems tell this."""
    return (lifecycle or "observed") in TOLD.get(activity, ())


def _not_known(read: Record) -> str | None:
    """Why a row of a history tells nothing; None when it does. Whether an activity that the contract does not name is
    a step of the application is for the engine to say."""
    lives = LIFECYCLES.get(read.activity, STEP_LIFECYCLES)
    alone = lives[0] if len(lives) == 1 else None  # goes without saying
    known = lives if alone else (*lives, "countersign")
    if (read.lifecycle or alone) in known:
        return None
    what, words = f"{read.activity}.{read.lifecycle or ''}", ", ".join(known)
    return (
        f"不认识 {what}; {read.activity} 的 lifecycle (阶段) 应为 {words} 之一 / {what} is not known; the lifecycle of "
        f"{read.activity} is one of {words}"
    )


def _not_told(read: Record) -> str | None:
    if observed(read.activity, read.lifecycle):
        return None
    what = f"{read.activity}.{read.lifecycle or 'observed'}"
    of = ", ".join(f"{activity}.{life}" for activity, lives in TOLD.items() for life in lives)
    return (
        f"不接收 {what}: 申请的环节、中止和更正以本系统的命令为准; 可接收: {of} / {what} is not taken: steps, "
        f"suspensions and corrections of an application are recorded by commands; taken are: {of}"
    )


def evidence_row(id_: str, case_id: str, record: dict[str, Any], received_at: str, received_by: str) -> EvidenceRow:
    """A checked record as it is stored for a case; the digest makes a second delivery of it harmless."""
    content = msgspec.json.encode(record, order="sorted")
    digest = hashlib.sha256(content).hexdigest()
    return EvidenceRow(id_, case_id, content.decode(), digest, received_at, received_by)


def rewritten(tx: Tx) -> Iterator[Damaged]:
    """The records of other systems that are no longer what came in, or stand with another application."""
    for row, whole in tx.all_evidence():
        if whole and hashlib.sha256(row.content.encode()).hexdigest() == row.digest and _case_of(row) == row.case_id:
            continue
        yield Damaged(
            f"外部记录 {row.id} (申请 {row.case_id}) 与收到时不符, 被改动过; 请由备份恢复 evidence_record 表中的这一行",
            f"the row {row.id} of evidence_record (application {row.case_id}) was changed since it came in; restore it "
            "from a backup",
        )


class _Named(msgspec.Struct):
    case_id: str


def _case_of(row: EvidenceRow) -> str | None:
    try:
        return msgspec.json.decode(row.content, type=_Named).case_id
    except msgspec.DecodeError:
        return None


def restated(tx: Tx) -> Iterator[Damaged]:
    """The findings whose history is no longer what was written, or that do not stand as it tells."""
    for id_, row, events, whole in tx.all_findings():
        if not whole:
            table, zh = "finding_event", "的处理经过被改动或移除过"
        elif row is None or not _stands_as_told(row, events):
            table, zh = "finding", "与其处理经过不符, 被改动或移除过"
        else:
            continue
        yield Damaged(
            f"发现 {id_} {zh}; 请由备份恢复 {table} 表中的有关各行",
            f"rows of {table} about the finding {id_} were changed or removed; restore them from a backup",
        )


def _stands_as_told(row: FindingRow, events: list[FindingEventRow]) -> bool:
    """Whether a finding is what its history gives. When the inspectors were told is no part of it."""
    told: dict[str, Any] = {"stands": False, "status": "open", "reply_by": None}
    for event in events:
        said = msgspec.json.decode(event.payload)
        if event.type in review.ACTS:
            told |= {name: said[name] for name in ("status", "reply_by") if name in said}
        else:
            told |= {**said, "stands": event.type != "lapsed"}
    told |= {"found_at": events[0].at, "changed_at": events[-1].at} if events else {}
    try:
        there = {**row._asdict(), "evidence": msgspec.json.decode(row.evidence)}
    except msgspec.DecodeError:
        return False
    return all(told.get(name) == value for name, value in there.items() if name not in ("id", "told_at"))


def disowned(tx: Tx, broken: Container[str]) -> Iterator[Damaged]:
    """The personal data whose digest is not the one in the chain of their application. Erased they may be once it has
    ended, and as a whole. `broken`: applications whose chain does not hold, and says nothing of anybody."""
    for case_id, payload, closed, row in tx.people():
        if case_id in broken:
            continue
        if row is not None:
            erased = not any(row[1:])
            if closed if erased else _chained(payload, row):
                continue
        yield Damaged(
            f"申请 {case_id} 的客户资料与受理时不符, 被改动或移除过; 请由备份恢复 personal 表中的这一行",
            f"the row {case_id} of personal was changed or removed since the application came in; restore it from a "
            "backup",
        )


def _chained(payload: str, row: PersonalRow) -> bool:
    # SQLite keeps bytes where text belongs, when somebody writes them there.
    if row.salt is None or not all(value is None or isinstance(value, str) for value in row):
        return False
    digest: str = msgspec.json.decode(payload)["personal_digest"]
    return digest == personal_digest(row.salt, *row[2:])


def rebuilt(
    tx: Tx, law: Law, calendar: WorkingCalendar, case_id: str, today: dt.date | None = None
) -> dict[str, list[Any]]:
    """The projection rows of a case as its events give them: `application`, `rounds`, `deadlines`, `pending`.
    `today`: the day by whose ladder the sweep begins anew; None leaves that out. Raises ValueError when the case has no
    events."""
    rows = tx.events(case_id)
    state = replay(from_row(row) for row in rows)
    definition = law.pinned(tx, state.definition)
    fresh = timers(calendar, definition, state)
    ladder = None if today is None else law.book.ladder(on=today, region=state.facts.region)
    return {
        "application": [case_row(state, fresh, rows[-1].hash)],
        "rounds": sorted(rounds_changed(case_id, state.steps, ()).rows),
        "deadlines": sorted(deadline_row(case_id, timer, calendar, ladder) for timer in begun(fresh)),
        "pending": sorted(pending_rows(state, {row.case_seq: row.recorded_at for row in rows})),
    }


def stored(tx: Tx, case_id: str) -> dict[str, list[Any]]:
    """The projection rows of a case as they stand."""
    row = tx.case(case_id)
    return {
        "application": [] if row is None else [row],
        "rounds": tx.rounds(case_id),
        "deadlines": tx.deadlines(case_id),
        "pending": tx.pending(case_id),
    }


def differing(tx: Tx, law: Law, calendar: WorkingCalendar, today: dt.date) -> Iterator[str]:
    """The ids of the cases whose projections are not what their events give, or for which the sweep would look too late
    (by the ladders of `today`, once it has gone by them). The calendar a due date was counted by is not compared, as an
    untouched case keeps the mark of the calendar of its day."""
    swept = tx.setting(LADDERS_SETTING) == ladders_hash(law.book, today)
    for row in tx.cases():
        fresh, there = rebuilt(tx, law, calendar, row.id), stored(tx, row.id)
        ladder = law.book.ladder(on=today, region=row.region)
        overlooked = swept and any(_overlooked(calendar, ladder, one, today) for one in there["deadlines"])
        for rows in (fresh, there):
            rows["deadlines"] = [one._replace(calendar_hash="", look_on=None) for one in rows["deadlines"]]
        if overlooked or any(set(rows) != set(there[name]) for name, rows in fresh.items()):
            yield row.id


def _overlooked(calendar: WorkingCalendar, ladder: Ladder, row: DeadlineRow, today: dt.date) -> bool:
    """Whether a deadline has a rung after `today` that the sweep, which only ever looks too early, would miss."""
    try:
        course = course_of_row(
            calendar, scope=row.scope, budget=row.budget, due_on=row.due_on, ledger=row.ledger, status=row.status
        )
        rung = next_look(calendar, ladder, course, today)
    except (TypeError, ValueError, LookupError, msgspec.MsgspecError):  # such a row is not what the events give either
        return True
    return rung is not None and not (isinstance(row.look_on, str) and row.look_on <= rung.isoformat())


def rebuild(tx: Tx, law: Law, calendar: WorkingCalendar, case_id: str, today: dt.date) -> None:
    """Throw the projections of a case away and write them anew from its events; the sweep looks at it from the first
    rung again, which raises nothing twice."""
    fresh = rebuilt(tx, law, calendar, case_id, today)
    before = tx.case(case_id)
    if before is None:
        tx.insert_case(fresh["application"][0])
    else:
        tx.update_case(fresh["application"][0], before)
    tx.delete_projections(case_id)
    tx.put_rounds(fresh["rounds"])
    tx.put_deadlines(fresh["deadlines"])
    tx.add_pending(fresh["pending"])
