"""What a supervisor sees of a part of the organisation: load, lateness, ageing, breaches, trend, alerts, by unit below.

Every figure is counted from the projections as they stand.  Rates of closed applications are always given together with
what is still open and late, for a rate over closed ones alone hides the slow open ones.  Days are of the business zone
(Asia/Shanghai); what the counting goes by is data [D-OVERVIEW].
"""

from __future__ import annotations

import datetime as dt
from typing import Final, NamedTuple

import msgspec

from definitions.calendar import WorkingCalendar
from definitions.model import OverviewRule
from storage import LoadCount, Tx
from workflow.core.events import Principal
from workflow.service import access
from workflow.service.service import Service
from workflow.service.units import Group, Units

AREAS: Final = ("applications", "alerts", "orders")
"""The areas whose figures stand here: who may not read one of them may not read the overview."""

MOST_MANAGERS: Final = 50


class Unit(msgspec.Struct):
    """One unit with everything below it; the unit looked at stands among them with what it handles itself. `key` None:
    what belongs to no unit. `due_soon`: due by the next working day and not overdue; `ended`: without supply, in the
    period; `ageing`: open ones by the bands of the overview; `steps`: open and overdue ones by step; `broken`: limits
    broken in the period by step, of the whole under None; `alerts`: standing ones by level, `unseen` and `escalated` of
    them; `orders`: not closed, `orders_overdue` without an answer in time."""

    key: str | None
    name: str | None
    open: int = 0
    waiting: int = 0
    overdue: int = 0
    due_soon: int = 0
    energised: int = 0
    energised_late: int = 0
    ended: int = 0
    ageing: list[int] = []
    steps: dict[str, tuple[int, int]] = {}
    broken: dict[str | None, int] = {}
    alerts: dict[str, int] = {}
    unseen: int = 0
    escalated: int = 0
    orders: int = 0
    orders_overdue: int = 0

    @property
    def on_time(self) -> float | None:
        """Of what was energised in the period, the share that broke no limit; None when nothing was."""
        return _share(self.energised - self.energised_late, self.energised)

    @property
    def on_time_with_open(self) -> float | None:
        """The same with every open application that is overdue counted as late."""
        return _share(self.energised - self.energised_late, self.energised + self.overdue)


class Week(msgspec.Struct, frozen=True):
    """One week of the trend, from Monday. `late`: of the energised ones, those that broke a limit."""

    monday: dt.date
    submitted: int
    energised: int
    late: int
    ended: int


class Overview(msgspec.Struct, frozen=True):
    """Everything on the page. `path`: the units from the viewer's own down to the one shown; `ageing_edges`: working
    days; `since`: the first day of the period; `weeks`: oldest first."""

    org: str | None
    name: str | None
    path: tuple[Group, ...]
    as_of: dt.date
    since: dt.date
    ageing_edges: tuple[int, ...]
    total: Unit
    units: tuple[Unit, ...]
    weeks: tuple[Week, ...]
    managers: tuple[LoadCount, ...]


def overview(service: Service, principal: Principal, org: str | None = None) -> Overview:
    """The part of the organisation below `org` (default: the viewer's own). Raises Refused `not-permitted`,
    `unknown-org`."""
    for area in AREAS:
        access.check_reads(service.law.roles, principal, area)
    today = service.today
    with service.database.read() as tx:
        top = principal.org if org is None else access.org_for(tx, principal, org)
        edges = _edges(service.law.book.overview, service.calendars.refresh(tx), today)
        units = Units(tx, top)
        counted = _Counted(units, edges)
        counted.open_ones(tx, top)
        counted.closed_ones(tx, top)
        counted.alerts_and_orders(tx, top, today)
        managers = tx.load_counts(top, edges.due[0], MOST_MANAGERS)
    return Overview(
        org=top,
        name=units.name(top),
        path=units.path(principal.org),
        as_of=today,
        since=edges.since,
        ageing_edges=service.law.book.overview.ageing_working_days,
        total=counted.total,
        units=tuple(sorted(counted.units.values(), key=lambda one: (-one.overdue, -one.open, one.key or ""))),
        weeks=counted.weeks(),
        managers=tuple(managers),
    )


class _Edges(NamedTuple):
    """The days that the counting goes by. `due`: before the first is overdue, also on the rest days right after the due
    date, as on the board; before the second due by the next working day; `submitted`: an application submitted before
    edge number n is older than n bands, the youngest band first; `mondays`: the weeks of the trend, oldest first; all
    as text."""

    due: tuple[str, str]
    submitted: tuple[str, ...]
    since: dt.date
    mondays: tuple[str, ...]


def _edges(rule: OverviewRule, calendar: WorkingCalendar, today: dt.date) -> _Edges:
    soon = calendar.add(today, 1) + dt.timedelta(days=1)
    monday = today - dt.timedelta(days=today.weekday())
    mondays = (monday - dt.timedelta(weeks=back) for back in reversed(range(rule.trend_weeks)))
    return _Edges(
        due=(today.isoformat(), soon.isoformat()),
        submitted=tuple(_first_within(calendar, today, days).isoformat() for days in rule.ageing_working_days),
        since=today - dt.timedelta(days=rule.period_days - 1),
        mondays=tuple(one.isoformat() for one in mondays),
    )


def _first_within(calendar: WorkingCalendar, today: dt.date, days: int) -> dt.date:
    """The first day from which no more than `days` working days have passed until `today`."""
    day = today
    while calendar.count(day - dt.timedelta(days=1), today) <= days:
        day -= dt.timedelta(days=1)
    return day


class _Counted:
    """Rows by unit become units of the page, each with all below it."""

    def __init__(self, units: Units, edges: _Edges) -> None:
        self.total = Unit(None, None)
        self.units: dict[str | None, Unit] = {group.key: Unit(*group) for group in units.below()}
        self._place = units
        self._edges = edges
        self._weeks = {monday: [0, 0, 0, 0] for monday in edges.mondays}

    def _both(self, org: str | None) -> tuple[Unit, Unit]:
        """The total, and the unit of the page that `org` is part of."""
        group = self._place.next_below(org)
        return self.total, self.units.setdefault(group.key, Unit(*group))

    def open_ones(self, tx: Tx, top: str | None) -> None:
        edges = self._edges
        for row in tx.open_counts(top, edges.due, edges.submitted):
            overdue, soon = row.due_before
            step, _, waiting = row.state.partition(".")
            older = (row.cases, *row.submitted_before)
            bands = [more - less for more, less in zip(older, (*older[1:], 0), strict=True)]
            for unit in self._both(row.org):
                unit.open += row.cases
                unit.waiting += row.cases if waiting == "waiting" else 0
                unit.overdue += overdue
                unit.due_soon += soon - overdue
                unit.ageing = [a + b for a, b in zip(unit.ageing or [0] * len(bands), bands, strict=True)]
                had = unit.steps.get(step, (0, 0))
                unit.steps[step] = (had[0] + row.cases, had[1] + overdue)

    def closed_ones(self, tx: Tx, top: str | None) -> None:
        since = self._edges.since.isoformat()
        mondays = self._edges.mondays
        edges = tuple(sorted({since, *mondays}))
        for closed in tx.closed_counts(top, edges):
            first_day = edges[closed.span]
            energised = closed.state == "energised"
            if first_day >= since:
                for unit in self._both(closed.org):
                    unit.energised += closed.cases if energised else 0
                    unit.energised_late += closed.late if energised else 0
                    unit.ended += 0 if energised else closed.cases
            if first_day >= mondays[0]:
                week = self._weeks[max(monday for monday in mondays if monday <= first_day)]
                week[1] += closed.cases if energised else 0
                week[2] += closed.late if energised else 0
                week[3] += 0 if energised else closed.cases
        for submitted in tx.submitted_counts(top, mondays):
            self._weeks[mondays[submitted.span]][0] += submitted.cases
        for broken in tx.breach_counts(top, since):
            for unit in self._both(broken.org):
                unit.broken[broken.step] = unit.broken.get(broken.step, 0) + broken.cases

    def alerts_and_orders(self, tx: Tx, top: str | None, today: dt.date) -> None:
        for alerts in tx.alert_counts(top):
            for unit in self._both(alerts.org):
                unit.alerts[alerts.level] = unit.alerts.get(alerts.level, 0) + alerts.cases
                unit.unseen += alerts.open
                unit.escalated += alerts.escalated
        for orders in tx.order_counts(top, today.isoformat()):
            for unit in self._both(orders.org):
                unit.orders += orders.cases
                unit.orders_overdue += orders.overdue

    def weeks(self) -> tuple[Week, ...]:
        return tuple(Week(dt.date.fromisoformat(monday), *counts) for monday, counts in self._weeks.items())


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
