"""Findings for the faces: lists, one with its history, the review, and how often each rule was right.

Inspectors and administrators see every finding of their part of the organisation.  Managers and supervisors, whom it is
about, see one once the unit's statement is invited; front-line systems none (`roles.yaml`: `reads` and `administers`).
A finding of a replay is one of a run; on the live store `run` is empty.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, Literal

import msgspec
import uuid6

from definitions.model import Text
from storage import FindingEventRow, FindingFilter, FindingRow, Tx
from workflow.core import review
from workflow.core.commands import Day, Prose, Strict
from workflow.core.events import Principal
from workflow.core.refusals import Refused, refuse
from workflow.core.times import business_date, write
from workflow.replay.exact.typed import event_rows
from workflow.replay.output.words import CLASSES, SAID, SEVERITIES, SOURCES, TAGS, VERDICTS, kind
from workflow.service import access, papers
from workflow.service.judging import AREA, history, may_see, side, subject
from workflow.service.service import MOST_PER_PAGE, Service
from workflow.service.timeline import drawing, records

STATUSES = {code: Text(zh, en) for code, (zh, en) in review.STATUSES.items()}
"""The names of a review's statuses."""
ACTS = {code: Text(one.zh, one.en.capitalize()) for code, one in review.ACTS.items()}
"""The names of its acts."""
EVENTS = {
    "found": Text("发现", "Found"),
    "changed": Text("证据有变", "The evidence changed"),
    "lapsed": Text("依据消失, 不再成立", "Its ground is gone; it no longer stands"),
    "stands_again": Text("重新成立", "It stands again"),
    **ACTS,
}
WORDS = {
    "severity": SEVERITIES,
    "tag": TAGS,
    "source": SOURCES,
    "said": SAID,
    "finding_event": EVENTS,
    "verdict": VERDICTS,
    "user_class": CLASSES,
}
"""The words for codes, by kind."""
ActName = Literal["invite", "state", "confirm", "exclude", "reopen", "rectify", "recheck", "fail_recheck"]


class Review(Strict):
    """One act of a review. `text`: the invitation, the statement, the reason; needed by all but `invite`. `reply_by`:
    by when the unit may answer an invitation."""

    act: ActName
    text: Prose | None = None
    reply_by: Day | None = None


def listed(
    service: Service,
    principal: Principal,
    *,
    case_id: str | None = None,
    rule: str | None = None,
    status: str | None = None,
    org: str | None = None,
    severity: str | None = None,
    run: str = "",
    cursor: str | None = None,
    limit: int = 50,
) -> dict[str, Any]:
    """A page of findings, newest first: `{"items": […], "next": cursor or None}`. `status`: one of a review's, or
    `standing`, `lapsed`. Raises Refused."""
    access.check_reads(service.law.roles, principal, AREA)
    limit = max(1, min(limit, MOST_PER_PAGE))
    narrowed = _narrowed(service, principal, run)._replace(
        org=org, case_id=case_id, rule=rule, severity=severity, status=status
    )
    with service.database.read() as tx:
        if not run:  # a replayed history has units of its own
            access.check_narrowing(tx, org)
        rows = tx.list_findings(narrowed, before=cursor, limit=limit + 1)
    names = rule_names(service)
    return {
        "items": [shown(row, names) for row in rows[:limit]],
        "next": rows[limit - 1].id if len(rows) > limit else None,
    }


def one(service: Service, principal: Principal, finding_id: str) -> dict[str, Any]:
    """One finding with its history and what this principal may do about it. Raises Refused."""
    access.check_reads(service.law.roles, principal, AREA)
    with service.database.read() as tx:
        return told_of(service, tx, principal, _seen(service, tx, principal, finding_id))


def act(service: Service, principal: Principal, finding_id: str, asked: Review) -> dict[str, Any]:
    """Do one act of a review; it is kept as an event. Raises Refused: `transition-not-allowed`, `not-permitted`."""
    access.check_reads(service.law.roles, principal, AREA)
    now = service.clock.now()
    today = business_date(now)
    _check_asked(asked, today)

    def work(tx: Tx) -> dict[str, Any]:
        row = _seen(service, tx, principal, finding_id, lock=True)
        if review.ACTS[asked.act].by not in _sides(service, principal, row):
            raise _not_for(access.role_name(service.law.roles, principal), asked.act)
        reply_by = None if row.reply_by is None else dt.date.fromisoformat(row.reply_by)
        status = review.after(asked.act, row.status, reply_by, today)
        fresh = row._replace(
            status=status,
            changed_at=write(now),
            reply_by=row.reply_by if asked.reply_by is None else asked.reply_by.isoformat(),
        )
        tx.update_finding(fresh)
        payload = {"text": asked.text, "reply_by": fresh.reply_by if asked.act == "invite" else None, "status": status}
        kept = msgspec.json.encode({key: value for key, value in payload.items() if value is not None}, order="sorted")
        tx.append_finding_events(
            [FindingEventRow(str(uuid6.uuid7()), row.id, asked.act, write(now), principal.who, kept.decode())]
        )
        tx.clear_subject(subject(row.id), write(now), "reviewed")
        return told_of(service, tx, principal, fresh)

    return service.transact(work)


def precision(service: Service, principal: Principal, *, run: str | None = "") -> dict[str, Any]:
    """How often each rule was right where its findings were reviewed: `{"items": [{rule, name, found, reviewed,
    confirmed, excluded, precision}], "next": None}`. `precision` is None where nothing was reviewed; `run`: None counts
    the live store and all replays together. Raises Refused."""
    access.check_administers(service.law.roles, principal, AREA)
    with service.database.read() as tx:
        rows = tx.count_findings(FindingFilter(run=run, scope=principal.org), "rule", "status")
    names = rule_names(service)
    counts: dict[str, dict[str, int]] = {}
    for rule, status, many in rows:
        counts.setdefault(rule, {})[status] = many
    items = []
    for rule, by_status in sorted(counts.items()):
        right = sum(many for status, many in by_status.items() if status in review.TRUE)
        wrong = sum(many for status, many in by_status.items() if status in review.FALSE)
        items.append(
            {
                "rule": rule,
                "name": name_of(names, rule),
                "found": sum(by_status.values()),
                "reviewed": right + wrong,
                "confirmed": right,
                "excluded": wrong,
                "precision": round(right / (right + wrong), 4) if right + wrong else None,
            }
        )
    return {"items": items, "next": None}


def record_name(code: str) -> Text:
    """What a kind of record (`metering.complete`) is called."""
    return kind(code)


def rule_names(service: Service) -> Mapping[str, Text]:
    """The names of the rules by number."""
    return {one.rule: one.name for one in service.judging.detectors.rules}


def name_of(names: Mapping[str, Text], rule: str) -> dict[str, str]:
    """The name of a rule in both languages; a rule that is gone stands for itself."""
    found = names.get(rule)
    return {"zh": rule, "en": rule} if found is None else {"zh": found.zh, "en": found.en}


def shown(row: FindingRow, names: Mapping[str, Text]) -> dict[str, Any]:
    """A finding as the contract shows it."""
    return {
        "id": row.id,
        "run": row.run or None,
        "case_id": row.case_id,
        "application_no": row.case_no,
        "org": row.org,
        "rule": row.rule,
        "name": name_of(names, row.rule),
        "tag": row.tag,
        "severity": row.severity,
        "evidence": msgspec.json.decode(row.evidence),
        "explanation": row.explanation,
        "explanation_en": row.explanation_en,
        "stands": row.stands,
        "status": row.status,
        "reply_by": None if row.reply_by is None else dt.date.fromisoformat(row.reply_by),
        "found_at": dt.datetime.fromisoformat(row.found_at),
        "changed_at": dt.datetime.fromisoformat(row.changed_at),
    }


def told_of(service: Service, tx: Tx, principal: Principal, row: FindingRow) -> dict[str, Any]:
    """A finding with its history and what this principal may do about it."""
    events = [
        {
            "type": event.type,
            "at": dt.datetime.fromisoformat(event.at),
            "by": event.by,
            **{key: value for key, value in msgspec.json.decode(event.payload).items() if key in _OF_AN_ACT},
        }
        for event in tx.finding_events(row.id)
    ]
    acts = _possible(service, principal, row)
    return {**shown(row, rule_names(service)), "history": events, "acts": list(acts)}


def _sides(service: Service, principal: Principal, row: FindingRow) -> tuple[str, ...]:
    """For whom this principal acts. A unit of a replayed history may have nobody here: its statement, which came on
    paper, is entered by who reviews."""
    own = side(service.law.roles, principal)
    return ("reviewer", "unit") if own == "reviewer" and row.run else (own,)


def _possible(service: Service, principal: Principal, row: FindingRow) -> list[str]:
    return [act for own in _sides(service, principal, row) for act in review.possible(row.status, own)]


def first_acts() -> list[str]:
    """What may be done about a finding nobody has looked at."""
    return list(review.possible("open", "reviewer"))


_OF_AN_ACT = ("text", "reply_by", "status")


def _narrowed(service: Service, principal: Principal, run: str) -> FindingFilter:
    reviewed = None if side(service.law.roles, principal) == "reviewer" else True
    return FindingFilter(run=run, scope=principal.org, reviewed=reviewed)


def _seen(service: Service, tx: Tx, principal: Principal, finding_id: str, *, lock: bool = False) -> FindingRow:
    row = tx.finding(finding_id, lock=lock)
    if row is None or not access.sees(tx, principal, row.org) or not may_see(service.law.roles, principal, row):
        raise refuse("not-found", f"没有找到发现 {finding_id[:64]}", f"There is no finding {finding_id[:64]}")
    return row


def _check_asked(asked: Review, today: dt.date) -> None:
    if asked.act == "invite":
        if asked.reply_by is None or asked.reply_by <= today:
            raise refuse(
                "malformed-request", "reply_by: 请写明今天之后的说明期限", "reply_by: state a date after today"
            )
    elif asked.text is None:
        raise refuse("malformed-request", "text: 请写明说明或理由", "text: state the statement or the reason")
    elif asked.reply_by is not None:
        raise refuse("malformed-request", "reply_by: 只用于 invite", "reply_by: only with invite")


def _not_for(role: Text, name: str) -> Refused:
    rule = review.ACTS[name]
    who = ("检查人员", "an inspector") if rule.by == "reviewer" else ("被查单位的主管或客户经理", "the unit concerned")
    return refuse(
        "not-permitted",
        f"角色“{role.zh}”不能{rule.zh}; 应由{who[0]}办理",
        f"The role “{role.en}” may not {rule.en}; that is for {who[1]}",
    )


def desk(service: Service, principal: Principal, *, limit: int = 30, **narrowed: str | None) -> dict[str, Any]:
    """A page of live findings, and how many there are by review status and by severity, of those that stand. Raises
    Refused."""
    page = listed(service, principal, limit=limit, **narrowed)  # type: ignore[arg-type]  # names of filters
    with service.database.read() as tx:
        counted = tx.count_findings(_narrowed(service, principal, "")._replace(status="standing"), "status", "severity")
    by_status: dict[str, int] = dict.fromkeys(review.STATUSES, 0)
    by_severity: dict[str, int] = dict.fromkeys(SEVERITIES, 0)
    for status, severity, many in counted:
        by_status[status] += many
        by_severity[severity] += many
    return {**page, "by_status": by_status, "by_severity": by_severity, "total": sum(by_status.values())}


def file(service: Service, principal: Principal, finding_id: str) -> dict[str, Any]:
    """One finding with its history, the other findings on its case that the principal may see, and the case's records
    on one line of time. Raises Refused."""
    access.check_reads(service.law.roles, principal, AREA)
    with service.database.read() as tx:
        row = _seen(service, tx, principal, finding_id)
        told = told_of(service, tx, principal, row)
        known = [
            one
            for one in tx.findings_of("", row.case_id)
            if one.stands and one.id != row.id and may_see(service.law.roles, principal, one)
        ]
        case = history(tx, row.case_id)
    names = rule_names(service)
    others = [shown(one, names) for one in known]
    rows = list(event_rows(case.events, service.judging.steps))
    return {"finding": told, "others": others, "drawing": drawing(rows, [told]), "records": records(rows)}


def paper(service: Service, principal: Principal, finding_id: str, form: Literal["docx", "xlsx"]) -> tuple[str, bytes]:
    """The working paper of a live case: every finding on it that the principal may see. Its name without ending, and
    its content. Raises Refused."""
    access.check_administers(service.law.roles, principal, AREA)
    with service.database.read() as tx:
        row = _seen(service, tx, principal, finding_id)
        told = [told_of(service, tx, principal, one) for one in tx.findings_of("", row.case_id)]
    number = row.case_no or row.case_id
    return number, written(service, f"工作底稿 {number}", told, form)


def written(service: Service, title: str, told: list[dict[str, Any]], form: Literal["docx", "xlsx"]) -> bytes:
    """The working paper over findings with their histories."""
    of_rule = {one.rule: one.clauses for one in service.judging.detectors.rules}
    papers_ = papers.rows(told, service.law.book.clauses, of_rule)
    note = f"制作于 {service.today}; 规则所示为疑点, 以核实意见为准。"
    return (papers.word_file if form == "docx" else papers.excel_file)(title, papers_, note)
