"""Calendar feeds: the due dates of one manager's applications, for Outlook and telephones.

A feed's token is its only key: it stands in the address that a calendar program asks, so it opens nothing else, is kept
as a digest only, and can be revoked.  A manager makes feeds of its own applications; who administers feeds, of
anybody's in its part of the organisation.
"""

from __future__ import annotations

import datetime as dt
import re
import secrets
from collections.abc import Iterator
from typing import Any

import uuid6

from definitions.calendar import CalendarRangeError, WorkingCalendar
from definitions.model import Definition, Text
from storage import FeedRow, Tx
from workflow.core import times
from workflow.core.commands import Code, Strict
from workflow.core.events import Principal
from workflow.core.refusals import refuse
from workflow.core.timers import Timer
from workflow.core.times import write
from workflow.reports.due_calendar import DueDay, feed
from workflow.service import access
from workflow.service.alerts import AREA as ALERTS
from workflow.service.cases import Held
from workflow.service.retries import once
from workflow.service.service import Service

AREA = "feeds"
_TOKEN = re.compile(r"[A-Za-z0-9_-]{16,128}", re.ASCII)
MOST_DATES = 1000
"""Dates in one feed, the earliest first; nobody works off more."""


class CreateFeed(Strict):
    """Whose applications; the key's own person when it is left out."""

    manager: Code | None = None


def create(service: Service, principal: Principal, asked: CreateFeed, key: str | None = None) -> dict[str, Any]:
    """A new feed; its token is in the answer and nowhere else: `token` and `path` are None where one was made under the
    same `key` before. Raises Refused."""
    manager = asked.manager or principal.who
    _check(service, principal, manager)
    token = secrets.token_urlsafe(32)
    now = write(service.clock.now())
    row = FeedRow(str(uuid6.uuid7()), access.hash_of(token), manager, principal.org, now, principal.who)

    def work(tx: Tx) -> dict[str, Any]:
        def make() -> str:
            tx.add_feed(row)
            return row.id

        made, again = once(tx, principal, key, about=("feed", asked), at=now, make=make)
        if not again:
            return {**_shown(row), "token": token, "path": f"/feeds/{token}.ics"}
        there = next(one for one in tx.feeds() if one.id == made)
        return {**_shown(there), "token": None, "path": None}

    return service.transact(work)


def listed(service: Service, principal: Principal) -> dict[str, Any]:
    """The feeds this principal may revoke, without their tokens, oldest first. Raises Refused."""
    access.check_reads(service.law.roles, principal, ALERTS)
    with service.database.read() as tx:
        rows = tx.feeds(principal.org)
    return {"items": [_shown(row) for row in rows if _may(service, principal, row.manager)], "next": None}


def revoke(service: Service, principal: Principal, feed_id: str) -> dict[str, Any]:
    """Revoke a feed for good; again changes nothing. Raises Refused."""
    access.check_administers(service.law.roles, principal, ALERTS)
    at = write(service.clock.now())

    def work(tx: Tx) -> dict[str, Any]:
        for row in tx.feeds(principal.org):
            if row.id == feed_id and _may(service, principal, row.manager):
                tx.revoke_feed(feed_id, at)
                return _shown(row._replace(revoked_at=row.revoked_at or at))
        raise refuse("not-found", f"没有找到日历订阅 {feed_id[:64]}", f"There is no feed {feed_id[:64]}")

    return service.transact(work)


def content(service: Service, token: str) -> tuple[bytes, dt.datetime | None] | None:
    """The calendar that `token` opens, and when the newest of its dates was changed (None: it has none); None when the
    token is unknown or revoked."""
    if not _TOKEN.fullmatch(token):
        return None
    with service.database.read() as tx:
        row = tx.feed(access.hash_of(token))
        if row is None or row.revoked_at is not None:
            return None
        calendar = service.calendars.refresh(tx)
        days = list(_days(service, tx, calendar, row))
    opens = service.law.book.delivery(on=service.today).opens
    return feed(f"报装 {row.manager}", days, opens=opens), max((day.changed_at for day in days), default=None)


def _check(service: Service, principal: Principal, manager: str) -> None:
    access.check_administers(service.law.roles, principal, ALERTS)
    if not _may(service, principal, manager):
        access.check_administers(service.law.roles, principal, AREA)


def _may(service: Service, principal: Principal, manager: str) -> bool:
    return manager == principal.who or access.may(service.law.roles, principal, administers=AREA)


def _shown(row: FeedRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "manager": row.manager,
        "org": row.org,
        "created_at": times.read(row.created_at),
        "created_by": row.created_by,
        "revoked_at": times.read(row.revoked_at),
    }


def _days(service: Service, tx: Tx, calendar: WorkingCalendar, row: FeedRow) -> Iterator[DueDay]:
    held: dict[str, Held] = {}
    for dated in tx.dated_deadlines(row.manager, row.org, MOST_DATES):
        if dated.case_id not in held:
            case = tx.case(dated.case_id)
            if case is None:
                continue
            held[dated.case_id] = service.cases.held(tx, case)
        one = held[dated.case_id]
        timer = next((timer for timer in one.timers if timer.key == dated.key), None)
        if timer is None or timer.due_on is None:
            continue
        name, limit = _named(one.definition, timer)
        state = one.state
        yield DueDay(
            uid=f"{state.case_id}.{timer.key}@baozhuang",
            due_on=timer.due_on,
            title=f"{name.zh}到期 {state.application_no}",
            description="\n".join(
                f"{text.zh} / {text.en}" for text in (name, one.definition.name, limit) if text is not None
            ),
            provisional=timer.provisional,
            sequence=state.version,
            changed_at=state.last_recorded_at,
            warned_on=_working_day_before(calendar, timer.due_on),
        )


def _working_day_before(calendar: WorkingCalendar, day: dt.date) -> dt.date | None:
    try:
        return calendar.last_working_on_or_before(day - dt.timedelta(days=1))
    except CalendarRangeError:
        return None


def _named(definition: Definition, timer: Timer) -> tuple[Text, Text | None]:
    """What a timer is called, and how its limit is told."""
    limit = Text(f"时限 {timer.budget} 个工作日", f"limit: {timer.budget} working days")
    match timer.scope:
        case "step":
            step = next((rule.name for rule in definition.steps if rule.code == timer.step), None)
            return step or Text(timer.step or timer.key, timer.step or timer.key), limit
        case "total" if definition.total.kind == "whole_process":
            return Text("全过程", "Whole process"), limit
        case "total":
            return Text("各环节合计", "Sum of the steps"), limit
        case "approval":
            return Text(timer.name or "政府审批", timer.name or "Government approval"), limit
        case "plan":
            return Text("供电方案有效期", "Validity of the supply plan"), None
        case _:
            code = timer.key.partition(":")[2]
            called = next((rule.name for rule in definition.milestones if rule.code == code), Text(code, code))
            return (
                Text(f"内部里程碑 {called.zh}", f"Internal milestone: {called.en}"),
                Text("不是法定时限", "no legal limit"),
            )
