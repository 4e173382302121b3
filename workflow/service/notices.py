"""A calendar notice brought into a running installation, and the open deadlines it moves.

The notice becomes a row, and the setting that tells every process to read the calendar anew changes, in one transaction
that no other writer overlaps.  So a decision is counted either by the old calendar and committed before, or by the new
one: recounting, which begins after, finds every due date that the old one gave.  Recounting goes page by page in short
transactions; it can be interrupted and is finished by importing the same notice again.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from definitions.calendar import Notice, NoticeError, encode_notice, read_notice
from storage import NoticeRow, Tx
from workflow.core.deed import Context
from workflow.core.events import Principal
from workflow.core.times import write
from workflow.service import access
from workflow.service.law import CALENDAR_SETTING

if TYPE_CHECKING:
    from workflow.service.service import Service

UNFINISHED_SETTING = "calendar_recount"
"""Set while deadlines are still to be recounted; empty when all are."""

PAGE = 200
"""Deadlines looked at in one transaction: other writers wait no longer than that takes."""


class Imported(msgspec.Struct, frozen=True):
    """What an import did. `notices`: numbers of the notices in the file; `added`: those that were new; `recounted`:
    open deadlines looked at; `changed`: cases whose due dates moved or became firm, each with an event."""

    notices: list[str]
    added: list[str]
    recounted: int
    changed: int
    firm_until: str


def import_notice(
    service: Service, principal: Principal, source: Path | str, progress: Callable[[int, int | None], object]
) -> Imported:
    """Bring in the notices of a YAML file (`Path`) or text and recount open deadlines.

    Raises NoticeError, with file and line, for a notice that contradicts itself or the calendar, or that is dated after
    today: it is a row for good, and only a later one changes it; Refused.
    """
    access.check_administers(service.law.roles, principal, "calendar")
    notices = read_notice(source)
    today = service.today
    if early := [notice for notice in notices if notice.published_on > today]:
        raise NoticeError([_not_yet(notice, today) for notice in early])
    added = service.transact(lambda tx: _add(service, principal, tx, notices))
    numbers = [notice.number for notice in notices]
    looked_at, changed = _recount(service, principal, notices, progress)
    service.transact(lambda tx: tx.put_setting(UNFINISHED_SETTING, ""))
    return Imported(numbers, added, looked_at, changed, service.calendars.current().firm_until.isoformat())


def _not_yet(notice: Notice, today: dt.date) -> str:
    return (
        f"{notice.origin}: 成文日期 {notice.published_on} 晚于今天 {today}; 请对照通知原文核对 published_on 后再导入 / "
        f"published_on {notice.published_on} lies after today, {today}; compare it with the notice, then import again"
    )


def _add(service: Service, principal: Principal, tx: Tx, notices: tuple[Notice, ...]) -> list[str]:
    tx.exclude_writers()
    calendar = service.calendars.refresh(tx)
    known = {notice.hash for notice in calendar.notices}
    extended = calendar.with_notices(notices)
    now = write(service.clock.now())
    added = []
    for notice in notices:
        if notice.hash not in known:
            content = encode_notice(notice).decode()
            tx.put_notice(NoticeRow(notice.hash, notice.year, content, now, principal.who))
            added.append(notice.number)
    if added:
        tx.put_setting(CALENDAR_SETTING, extended.hash)
        tx.put_setting(UNFINISHED_SETTING, ", ".join(added))
    return added


def _recount(
    service: Service,
    principal: Principal,
    notices: tuple[Notice, ...],
    progress: Callable[[int, int | None], object],
) -> tuple[int, int]:
    """Deadlines looked at, and cases changed. A due date before the first day that the notices speak of stands."""
    days = [day for notice in notices for day in (*notice.rest_days, *notice.makeup_workdays, *notice.cancelled)]
    before = (min(days) - dt.timedelta(days=1)).isoformat() if days else ""
    names = ", ".join(notice.number for notice in notices)
    looked_at = changed = 0
    after = ("", "")

    def page(tx: Tx) -> tuple[list[tuple[str, str]], int]:
        calendar = service.calendars.refresh(tx)
        context = Context(service.law, calendar, service.clock.now(), principal)
        keys = [(row.case_id, row.key) for row in tx.deadlines_to_recount(before, after=after, limit=PAGE)]
        cases = sorted({case_id for case_id, _ in keys})
        tx.lock_cases(cases)
        return keys, sum(service.cases.recount(tx, context, case_id, names) for case_id in cases)

    while True:
        keys, moved = service.transact(page)
        looked_at, changed = looked_at + len(keys), changed + moved
        progress(looked_at, None)
        if len(keys) < PAGE:
            return looked_at, changed
        after = keys[-1]
