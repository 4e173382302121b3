"""Complaints (投诉) about an application: never changed, answered in writing.

The ledger gives no limit for an answer [D-PORTAL], so none is counted down; how many working days a complaint has
waited is told to who has to answer it.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec
import uuid6
from pydantic import ValidationError

from definitions.calendar import WorkingCalendar
from storage import ComplaintRow, Tx
from workflow.core.commands import Prose, Strict
from workflow.core.events import Principal
from workflow.core.refusals import Refused, refuse
from workflow.core.times import business_date
from workflow.service import access
from workflow.service.portal import house
from workflow.service.retries import once
from workflow.service.service import MOST_PER_PAGE, Service


class Said(Strict):
    """What is complained about, or what is answered."""

    text: Prose


def said(text: str) -> Said:
    """What was written. Raises Refused when it is empty, too long or holds control characters."""
    try:
        return Said(text=text.replace("\r\n", "\n"))
    except ValidationError as error:
        raise refuse(
            "malformed-request", "请写明内容, 至多 4000 字", "Please write it down, in at most 4000 characters"
        ) from error


class Answer(msgspec.Struct, frozen=True):
    """An answer to a complaint."""

    text: str
    by: str
    at: dt.datetime


class Complaint(msgspec.Struct, frozen=True):
    """A complaint with its answers. `waited`: working days from the complaint to its first answer, or until today."""

    id: str
    case_id: str
    text: str
    at: dt.datetime
    answers: list[Answer]
    waited: int
    application_no: str = ""


def make(service: Service, case_id: str, text: str, key: str) -> None:
    """Keep a complaint; the same `key` keeps one. Raises Refused `idempotency-key-reused`."""
    _keep(service, house.PORTAL, case_id, said(text), answers=None, key=key)


def _keep(
    service: Service, principal: Principal, case_id: str, said: Said, *, answers: str | None, key: str | None
) -> str:
    at = house.now(service)

    def work(tx: Tx) -> str:
        def kept() -> str:
            row = ComplaintRow(str(uuid6.uuid7()), case_id, answers, said.text, principal.who, at)
            tx.add_complaint(row)
            return row.id

        return once(tx, principal, key, about=(f"complaint {answers or case_id}", said), at=at, make=kept)[0]

    return service.transact(work)


def threads(rows: list[ComplaintRow], calendar: WorkingCalendar, today: dt.date) -> list[Complaint]:
    """Complaints with their answers, oldest first."""
    return [
        _thread(row, [one for one in rows if one.answers == row.id], calendar, today)
        for row in rows
        if row.answers is None
    ]


def _thread(
    row: ComplaintRow, answers: list[ComplaintRow], calendar: WorkingCalendar, today: dt.date, number: str = ""
) -> Complaint:
    at = dt.datetime.fromisoformat(row.at)
    replies = [Answer(one.text, one.by, dt.datetime.fromisoformat(one.at)) for one in answers]
    end = business_date(replies[0].at) if replies else today
    start = business_date(at)
    return Complaint(row.id, row.case_id, row.text, at, replies, calendar.count(start, max(start, end)), number)


# ---- for the staff ---------------------------------------------------------------------------------------------------


def listed(
    service: Service,
    principal: Principal,
    *,
    answered: bool | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> dict[str, Any]:
    """A page of the complaints about applications of the viewer's unit and below, newest first. Raises Refused."""
    access.check_reads(service.law.roles, principal, house.AREA)
    limit = max(1, min(limit, MOST_PER_PAGE))
    with service.database.read() as tx:
        calendar = service.calendars.refresh(tx)
        rows = tx.list_complaints(scope=principal.org, answered=answered, before=cursor, limit=limit + 1)
        shown = rows[:limit]
        replies = tx.answers([row.id for row, _ in shown])
    today = service.today
    items = [
        _thread(row, [one for one in replies if one.answers == row.id], calendar, today, number)
        for row, number in shown
    ]
    return {"items": items, "next": shown[-1][0].id if len(rows) > limit else None}


def of_case(service: Service, principal: Principal, case_id: str) -> dict[str, Any]:
    """The complaints of one application, with its number and state. Raises Refused."""
    access.check_reads(service.law.roles, principal, house.AREA)
    with service.database.read() as tx:
        calendar = service.calendars.refresh(tx)
        held = service.cases.load(tx, principal, case_id)
        rows, tracking = tx.complaints(case_id), tx.tracking_of(case_id)
    return {
        "id": case_id,
        "application_no": held.state.application_no,
        "state": held.state.state,
        "complaints": threads(rows, calendar, service.today),
        "code_issued_at": None if tracking is None else dt.datetime.fromisoformat(tracking.issued_at),
        "code_issued_by": None if tracking is None else tracking.issued_by,
    }


def answer(service: Service, principal: Principal, complaint_id: str, said: Said, key: str | None = None) -> None:
    """Answer a complaint in writing; the customer reads it on the tracking page. Raises Refused."""
    access.check_administers(service.law.roles, principal, house.AREA)
    with service.database.read() as tx:
        row = tx.complaint(complaint_id)
        if row is None or row.answers is not None:
            raise _no_complaint()
        service.calendars.refresh(tx)
        service.cases.load(tx, principal, row.case_id)
    _keep(service, principal, row.case_id, said, answers=row.id, key=key)


def _no_complaint() -> Refused:
    return refuse("not-found", "没有找到这条投诉", "There is no such complaint")
