"""The morning list (晨会): one message per person at the start of the working day.

A customer manager reads of the own applications, a supervisor of those of the unit and below: what is overdue, due
today, and due on the next working day.  Who has nothing of the kind gets nothing.
"""

from __future__ import annotations

import datetime as dt
from typing import Final, NamedTuple

import msgspec

from definitions.calendar import WorkingCalendar
from storage import CaseRow, Filter, MessageRow, StaffRow, Tx
from workflow.alerts.recipients import Directory
from workflow.alerts.sweep import Run
from workflow.alerts.texts import Told
from workflow.core.next_act import next_act, whose_clock
from workflow.core.times import BUSINESS_ZONE, write
from workflow.service.messages import fresh

DONE_SETTING: Final = "digest_done"
"""The date of the last morning on which everybody's list was made."""

AT_SETTING: Final = "digest_after"
"""Date and staff id up to which the lists of a morning have been made: where a run that was cut short goes on."""

PAGE: Final = 50
MOST_COUNTED: Final = 1000
MOST_NAMED: Final = 10
ROLES: Final = ("manager", "supervisor")


class Morning(NamedTuple):
    """What a list is about: today and the next working day."""

    today: dt.date
    next_day: dt.date


def sweep(run: Run) -> None:
    """The sweep `digest`: on working days, once the hour has come, every person's list of the day."""
    service = run.service
    rule = service.law.book.delivery(on=run.today)
    if run.now.astimezone(BUSINESS_ZONE).time() < rule.digest_at:
        return
    with service.database.read() as tx:
        calendar = service.calendars.refresh(tx)
        if not calendar.is_working(run.today) or tx.setting(DONE_SETTING) == run.today.isoformat():
            return
        day, _, after = (tx.setting(AT_SETTING) or "").partition(" ")
        directory = Directory.read(tx)
        people = [member for member in tx.staff() if member.role in ROLES]
    run.begins()
    people = [member for member in people if day != run.today.isoformat() or member.id > after]
    morning = Morning(run.today, calendar.add(run.today, 1))
    while people:
        room = run.room(PAGE)
        if not room:
            return
        page, people = people[:room], people[room:]
        run.count(len(page), _make(run, directory, calendar, morning, page))
    service.transact(lambda tx: tx.put_setting(DONE_SETTING, run.today.isoformat()))


def _make(run: Run, directory: Directory, calendar: WorkingCalendar, morning: Morning, page: list[StaffRow]) -> int:
    lists: list[tuple[StaffRow, Told]] = []
    with run.service.database.read() as tx:
        for member in page:
            told = compose(calendar, morning, of_person(tx, member, morning))
            if told is not None:
                lists.append((member, told))
    messages = [
        _message(member, way.recipient, way.channel, told, run)
        for member, told in lists
        for way in directory.ways(member.id)
    ]

    def store(tx: Tx) -> None:
        tx.queue_messages(messages)
        tx.put_setting(AT_SETTING, f"{run.today} {page[-1].id}")

    run.service.transact(store)
    return len(messages)


def of_person(tx: Tx, member: StaffRow, morning: Morning) -> list[CaseRow]:
    """The open applications of a person that are due up to the next working day, the earliest first."""
    before = (morning.next_day + dt.timedelta(days=1)).isoformat()
    mine = Filter(manager=member.id, due_before=before)
    if member.role == "supervisor":
        mine = Filter(scope=member.org, due_before=before)
    return tx.most_urgent(mine, MOST_COUNTED)


def compose(calendar: WorkingCalendar, morning: Morning, rows: list[CaseRow]) -> Told | None:
    """The list, Chinese first; None when there is nothing to say. `rows`: open, due up to the next working day."""
    today, next_day = morning.today.isoformat(), morning.next_day.isoformat()
    overdue = [row for row in rows if row.due_on is not None and row.due_on < today]
    due_today = [row for row in rows if row.due_on == today]
    # A due date is a working day; the days between belong to none.
    due_next = [row for row in rows if row.due_on is not None and today < row.due_on <= next_day]
    if not (overdue or due_today or due_next):
        return None
    more = "+" if len(rows) >= MOST_COUNTED else ""
    counts = (len(overdue), len(due_today), len(due_next))
    title = (
        f"【晨会清单】{today}: 已超期 {counts[0]}{more}, 今日到期 {counts[1]}{more}, 下一工作日到期 {counts[2]}{more}"
    )
    lines = [title]
    for name, some in (("已超期", overdue), ("今日到期", due_today), (f"{next_day} 到期", due_next)):
        lines.extend(f"{name}: {_line(calendar, row, morning.today)}" for row in some[:MOST_NAMED])
        if len(some) > MOST_NAMED:
            lines.append(f"{name}: 另有 {len(some) - MOST_NAMED}{more} 件")
    lines.append("")
    lines.append(
        f"Morning list {today}: {counts[0]}{more} overdue, {counts[1]}{more} due today, "
        f"{counts[2]}{more} due on {next_day}."
    )
    return Told(title, "\n".join(lines))


def _line(calendar: WorkingCalendar, row: CaseRow, today: dt.date) -> str:
    due = dt.date.fromisoformat(row.due_on or "")
    parts = [row.application_no, f"截止 {due}{'(暂定)' if row.provisional else ''}"]
    if due < today:
        parts.append(f"已超 {max(1, calendar.count(due, today))} 个工作日")
    said = (whose_clock(row.state), next_act(row.state))
    return ", ".join((*parts, *(one.zh for one in said if one is not None)))


def _message(member: StaffRow, recipient: str, channel: str, told: Told, run: Run) -> MessageRow:
    body = {"title": told.title, "text": told.text, "date": run.today.isoformat()}
    return fresh(
        "digest", recipient, channel, msgspec.json.encode(body).decode(), write(run.now), org=member.org,
        dedupe=f"digest:{run.today}:{recipient}:{channel}",
    )  # fmt: skip
