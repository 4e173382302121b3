"""The board (待办): the applications somebody has to act on, the most urgent first [D-BOARD].

A page is read from projections by an index, never from histories: at most nine statements, whatever is stored.  Order:
by the next due date; then open applications without a running limit; then closed ones.  Working days are of the service
clock's day in the business zone (Asia/Shanghai).
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

import msgspec

from definitions.calendar import WorkingCalendar
from definitions.model import BoardBand, Text
from storage import AbsenceRow, BoardFilter, BoardKey, BoardRow, DeadlineRow, OrgRow, SavedViewRow, Tx, key_of
from workflow.core.bands import Reach, band_of, left, reaches
from workflow.core.counting import LEGAL, OPEN_ENDED, used_days
from workflow.core.events import Principal
from workflow.core.next_act import next_act
from workflow.core.refusals import refuse
from workflow.service import access
from workflow.service.masking import Person, person
from workflow.service.service import Service

PER_PAGE: Final = 50
MOST_OF_MORNING: Final = 300
"""Lines of a morning list; more are counted, not named."""
MOST_UNITS: Final = 200
MINE, ALL = "mine", "all"
WAITING, CLOSED = "waiting", "closed"
"""The two groups after the bands: open without a running limit, and ended."""

Clock = Literal["utility", "customer", "stopped", "ended"]
_CURSOR = re.compile(r"([012])\.(\d{4}-\d\d-\d\d)?\.([0-9a-f-]{36})")


class Asked(NamedTuple):
    """Which applications. `whose`: `mine`, `all` that are seen, or the staff id of a manager; `band`: the code of a
    band, `waiting` or `closed`; `number`: of the application, its beginning, or a whole external number, account or
    premises, looked for in everything that is seen."""

    whose: str = MINE
    org: str | None = None
    user_class: str | None = None
    step: str | None = None
    band: str | None = None
    number: str | None = None


class Line(NamedTuple):
    """One application of the board. `limit`: the running limit that is due next; `left`: its working days, negative
    once it is past; `provisional`: of `due_on`; `managed_by`: the manager's name."""

    id: str
    application_no: str
    external_id: str | None
    user_class: str
    business_type: str
    capacity_kw: float
    person: Person
    org: str | None
    manager: str | None
    managed_by: str | None
    submitted_at: dt.datetime
    closed_at: dt.datetime | None
    state: str
    clock: Clock
    limit: DeadlineRow | None
    due_on: dt.date | None
    left: int | None
    provisional: bool
    total_due_on: dt.date | None
    band: BoardBand | None
    next_act: Text | None


class Board(NamedTuple):
    """A page of the board. `counts`: of open applications by band, `waiting` among them; `next`: the cursor of the next
    page; `standing_in_for`: whose applications are shown too, because they are away today."""

    today: dt.date
    lines: list[Line]
    next: str | None
    bands: tuple[Reach, ...]
    counts: dict[str, int]
    views: list[SavedViewRow]
    units: list[OrgRow]
    standing_in_for: tuple[str, ...]


def page(
    service: Service, principal: Principal, asked: Asked, cursor: str | None = None, limit: int = PER_PAGE
) -> Board:
    """A page of the board. Raises Refused."""
    access.check_reads(service.law.roles, principal, "applications")
    today = service.today
    after = None if cursor is None else _key(cursor)
    with service.database.read() as tx:
        calendar = service.calendars.refresh(tx)
        reached = reaches(calendar, today, service.law.book.bands)
        absences = tx.absences(staff=principal.who, until=today.isoformat())
        standing_in = _standing_in(absences, principal.who, today)
        narrowed = _filter(principal, asked, reached, standing_in)
        rows = tx.board(narrowed, after=after, limit=limit + 1)
        lines = _lines(service, tx, principal, rows[:limit], _At(calendar, today, reached))
        counts = tx.board_counts(_filter(principal, asked._replace(band=None), reached, standing_in))
        views = tx.views(principal.who)
        units = tx.units_below(principal.org, MOST_UNITS)
    further = _spelt(key_of(rows[limit - 1])) if len(rows) > limit else None
    return Board(today, lines, further, reached, _by_band(counts, reached), views, units, standing_in)


class Morning(NamedTuple):
    """The morning list (晨会): what is overdue, due today and on the next working day. `more`: how many lines of the
    least urgent were left out."""

    today: dt.date
    groups: list[tuple[BoardBand, list[Line]]]
    counts: dict[str, int]
    more: int


def morning(service: Service, principal: Principal, asked: Asked) -> Morning:
    """The morning list of the viewer, or of who is asked for. Raises Refused."""
    access.check_reads(service.law.roles, principal, "applications")
    today = service.today
    with service.database.read() as tx:
        calendar = service.calendars.refresh(tx)
        reached = reaches(calendar, today, service.law.book.bands)
        urgent = [one for one in reached if one.band.at_most is not None and one.band.at_most <= 1]
        standing_in = _standing_in(tx.absences(staff=principal.who, until=today.isoformat()), principal.who, today)
        everything = _filter(principal, asked._replace(band=None), reached, standing_in)
        due = everything._replace(part=0, due_to=_date(max(one.last for one in urgent if one.last is not None)))
        rows = tx.board(due, limit=MOST_OF_MORNING)
        lines = _lines(service, tx, principal, rows, _At(calendar, today, reached))
        counts = _by_band(tx.board_counts(everything), reached)
    groups = [(one.band, [line for line in lines if line.band == one.band]) for one in urgent]
    total = sum(counts[one.band.code] for one in urgent)
    return Morning(today, groups, counts, total - len(lines))


def _date(day: dt.date | None) -> str | None:
    return None if day is None else day.isoformat()


def _standing_in(absences: Sequence[AbsenceRow], who: str, today: dt.date) -> tuple[str, ...]:
    now = today.isoformat()
    return tuple(sorted({one.staff for one in absences if one.substitute == who and one.first_day <= now}))


def _filter(principal: Principal, asked: Asked, reached: Sequence[Reach], standing_in: Sequence[str]) -> BoardFilter:
    managers: tuple[str, ...] | None = (principal.who, *standing_in)
    if asked.number is not None or asked.whose == ALL:
        managers = None
    elif asked.whose != MINE:
        managers = (asked.whose,)
    narrowed = BoardFilter(
        scope=principal.org,
        managers=managers,
        org=asked.org,
        user_class=asked.user_class,
        step=asked.step,
        number=asked.number,
    )
    if asked.band is None:
        return narrowed
    if asked.band in (WAITING, CLOSED):
        return narrowed._replace(part=1 if asked.band == WAITING else 2)
    for one in reached:
        if one.band.code == asked.band:
            return narrowed._replace(part=0, due_from=_date(one.first), due_to=_date(one.last))
    raise refuse("malformed-request", f"没有 {asked.band[:32]} 这一档", f"There is no band {asked.band[:32]}")


class _At(NamedTuple):
    """By what lines are counted: the calendar, the day, the bands."""

    calendar: WorkingCalendar
    today: dt.date
    reached: Sequence[Reach]


def _lines(service: Service, tx: Tx, principal: Principal, rows: Sequence[BoardRow], at: _At) -> list[Line]:
    in_full = access.may(service.law.roles, principal, reads="personal")
    ids = [row.id for row in rows]
    people, deadlines = (tx.personal_of(ids), tx.deadlines_of(ids)) if ids else ({}, {})
    names = {one.id: one.name for one in tx.members(row.manager for row in rows)}
    return [
        _line(
            row,
            person(people.get(row.id), in_full=in_full),
            [one for one in deadlines.get(row.id, ()) if one.scope in LEGAL],
            names,
            at,
        )
        for row in rows
    ]


def _line(
    row: BoardRow,
    who: Person,
    deadlines: Sequence[DeadlineRow],
    names: dict[str, str],
    at: _At,
) -> Line:
    calendar, today, reached = at
    due = None if row.due_on is None or row.closed_at is not None else dt.date.fromisoformat(row.due_on)
    limit = next((one for one in deadlines if one.status == "running" and one.due_on == row.due_on), None)
    total = next((one for one in deadlines if one.key == "total"), None)
    stretches = {one for deadline in deadlines for one in _suspended(deadline)}
    days = None
    if due is not None:
        days = left(calendar, today, due) if limit is None else _remaining(calendar, today, due, limit)
    return Line(
        id=row.id,
        application_no=row.application_no,
        external_id=row.external_id,
        user_class=row.user_class,
        business_type=row.business_type,
        capacity_kw=row.capacity_kw,
        person=who,
        org=row.org,
        manager=row.manager,
        managed_by=names.get(row.manager or "", row.manager),
        submitted_at=dt.datetime.fromisoformat(row.submitted_at),
        closed_at=None if row.closed_at is None else dt.datetime.fromisoformat(row.closed_at),
        state=row.state,
        clock=_clock(row, any(first <= today <= last for first, last in stretches)),
        limit=limit,
        due_on=due,
        left=days,
        provisional=limit.provisional if limit is not None else row.provisional,
        total_due_on=None if total is None or total.due_on is None else dt.date.fromisoformat(total.due_on),
        band=None if due is None else band_of(reached, due),
        next_act=next_act(row.state),
    )


def _clock(row: BoardRow, suspended: bool) -> Clock:
    """Whose clock runs: the utility's while any limit does, also when documents of the customer are missing."""
    if row.closed_at is not None:
        return "ended"
    if suspended:
        return "stopped"
    return "utility" if row.due_on is not None else "customer"


class _Ledger(msgspec.Struct):
    running: list[tuple[dt.date, dt.date | None]]
    suspended: list[tuple[dt.date, dt.date | None]]


_ledger = msgspec.json.Decoder(_Ledger).decode


def _suspended(deadline: DeadlineRow) -> tuple[tuple[dt.date, dt.date], ...]:
    return tuple((first, last or OPEN_ENDED) for first, last in _ledger(deadline.ledger).suspended)


def _remaining(calendar: WorkingCalendar, today: dt.date, due: dt.date, deadline: DeadlineRow) -> int:
    """What is left of the budget by the ledger; past the due date at least one day over. In a sum of steps only the
    utility's own days are over, however long the customer took since."""
    suspended = _suspended(deadline)
    spent = sum(
        used_days(calendar, first, min(last or today, today), suspended)
        for first, last in _ledger(deadline.ledger).running
    )
    remaining = (deadline.budget or 0) - spent
    return min(remaining, -1) if due < today else remaining


def _by_band(counts: dict[str | None, int], reached: Sequence[Reach]) -> dict[str, int]:
    found = {**{one.band.code: 0 for one in reached}, WAITING: counts.get(None, 0)}
    for day, times in counts.items():
        if day is not None:
            found[band_of(reached, dt.date.fromisoformat(day)).code] += times
    return found


def _spelt(key: BoardKey) -> str:
    return f"{key.part}.{key.due_on or ''}.{key.id}"


def _key(cursor: str) -> BoardKey:
    found = _CURSOR.fullmatch(cursor)
    if found is None or (found[1] == "0") != bool(found[2]):
        raise refuse(
            "malformed-request",
            "分页位置无效; 请回到第一页",
            "This place in the list is not valid; go back to the first page",
        )
    return BoardKey(int(found[1]), found[2], found[3])
