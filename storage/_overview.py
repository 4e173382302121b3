"""What a supervisor's overview is counted from: applications, breaches, alerts, orders by unit, each in one query."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from storage._execution import Execution
from storage._lists import in_org
from storage._statements import tables

_application = tables["application"]
_deadline = tables["deadline"]
_alert = tables["alert"]
_order = tables["supervision_order"]
_staff = tables["staff"]

_LIMITS = ("step", "total")


class OpenCount(NamedTuple):
    """Open applications of one unit in one state: all of them, and how many lie before each of the edges asked for."""

    org: str | None
    state: str
    cases: int
    due_before: tuple[int, ...]
    submitted_before: tuple[int, ...]


class ClosedCount(NamedTuple):
    """Applications of one unit that ended in `state` between edge number `span` and the next; `late`: those of them
    that broke a legal limit on their way."""

    org: str | None
    state: str
    span: int
    cases: int
    late: int


class SpanCount(NamedTuple):
    """How many of one unit fall between edge number `span` and the next."""

    org: str | None
    span: int
    cases: int


class StepCount(NamedTuple):
    """Broken limits of one unit: of a step, or of the whole (`step` None)."""

    org: str | None
    step: str | None
    cases: int


class AlertCount(NamedTuple):
    """Standing alerts of one unit and level; `open`: acknowledged by nobody; `escalated`: passed on."""

    org: str | None
    level: str
    cases: int
    open: int
    escalated: int


class OrderCount(NamedTuple):
    """Supervision orders of one unit that are not closed; `overdue`: their reply date has passed without an answer."""

    org: str | None
    cases: int
    overdue: int


class LoadCount(NamedTuple):
    """Open applications of one manager (None: nobody's), and how many of them are overdue."""

    manager: str | None
    name: str | None
    cases: int
    overdue: int


class Overview(Execution):
    """Counting for whoever supervises. `scope`: an org and every one below; None counts all. Dates and moments are text
    as stored (Asia/Shanghai); edges ascend, and a `span` counts from the edge with its number, which is included."""

    def open_counts(
        self, scope: str | None, due_edges: Sequence[str], submitted_edges: Sequence[str]
    ) -> list[OpenCount]:
        """Open applications by unit and state; `due_edges` and `submitted_edges` are dates, exclusive."""
        c = _application.c
        edges = [_how_many(c.due_on < edge) for edge in due_edges]
        ages = [_how_many(c.submitted_at < edge) for edge in submitted_edges]
        wanted = sa.select(c.org, c.state, sa.func.count(), *edges, *ages).where(c.closed_at.is_(None))
        rows: Any = self._query(_within(wanted, c.org, scope).group_by(c.org, c.state))
        cut = 3 + len(due_edges)
        return [OpenCount._make((*row[:3], tuple(map(int, row[3:cut])), tuple(map(int, row[cut:])))) for row in rows]

    def load_counts(self, scope: str | None, overdue_before: str, limit: int) -> list[LoadCount]:
        """Open applications by manager, with his name where he is known: up to `limit`, the most overdue first."""
        c = _application.c
        overdue = _how_many(c.due_on < overdue_before)
        count = sa.func.count()
        wanted = sa.select(c.manager, count.label("n"), overdue.label("late")).where(c.closed_at.is_(None))
        by = _within(wanted, c.org, scope).group_by(c.manager).order_by(overdue.desc(), count.desc(), c.manager)
        most = by.limit(limit).subquery()
        named = sa.select(most.c.manager, _staff.c.name, most.c.n, most.c.late).outerjoin_from(
            most, _staff, _staff.c.id == most.c.manager
        )
        rows: Any = self._query(named.order_by(most.c.late.desc(), most.c.n.desc(), most.c.manager))
        return [LoadCount._make((*row[:3], int(row[3]))) for row in rows]

    def closed_counts(self, scope: str | None, edges: Sequence[str]) -> list[ClosedCount]:
        """Applications that ended since the first of `edges`, by unit, state and span of the day they ended."""
        c, d = _application.c, _deadline.c
        broke = sa.exists().where(d.case_id == c.id, d.status == "breached", d.scope.in_(_LIMITS))
        span = _span(c.closed_at, edges)
        wanted = sa.select(c.org, c.state, span, sa.func.count(), _how_many(broke)).where(c.closed_at >= edges[0])
        rows: Any = self._query(_within(wanted, c.org, scope).group_by(c.org, c.state, span))
        return [ClosedCount._make((*row[:4], int(row[4]))) for row in rows]

    def submitted_counts(self, scope: str | None, edges: Sequence[str]) -> list[SpanCount]:
        """Applications submitted since the first of `edges`, by unit and span; open and closed are found apart, each by
        its own index."""
        c = _application.c
        span = _span(c.submitted_at, edges)
        since = c.submitted_at >= edges[0]
        parts = [
            _within(sa.select(c.org, span.label("span"), sa.func.count().label("n")).where(since, place), c.org, scope)
            for place in (c.closed_at.is_(None), c.closed_at >= edges[0])
        ]
        both = sa.union_all(*(part.group_by(c.org, span) for part in parts)).subquery()
        rows: Any = self._query(
            sa.select(both.c.org, both.c.span, sa.func.sum(both.c.n)).group_by(both.c.org, both.c.span)
        )
        return [SpanCount(row[0], row[1], int(row[2])) for row in rows]

    def breach_counts(self, scope: str | None, due_from: str) -> list[StepCount]:
        """Limits of steps and wholes that were due on the date `due_from` or later and ended late, by unit and step."""
        a, d = _application.c, _deadline.c
        wanted = (
            sa.select(a.org, d.step, sa.func.count())
            .join_from(_deadline, _application, a.id == d.case_id)
            .where(d.status == "breached", d.scope.in_(_LIMITS), d.due_on >= due_from)
        )
        rows: Any = self._query(_within(wanted, a.org, scope).group_by(a.org, d.step))
        return [StepCount._make(row) for row in rows]

    def alert_counts(self, scope: str | None) -> list[AlertCount]:
        """Alerts that stand, by unit and level; those about findings are the inspectors' own."""
        c = _alert.c
        unseen, passed_on = _how_many(c.status == "open"), _how_many(c.escalations > 0)
        wanted = sa.select(c.org, c.level, sa.func.count(), unseen, passed_on)
        wanted = wanted.where(c.status != "cleared", c.scope != "finding")
        rows: Any = self._query(_within(wanted, c.org, scope).group_by(c.org, c.level))
        return [AlertCount._make((*row[:3], int(row[3]), int(row[4]))) for row in rows]

    def order_counts(self, scope: str | None, today: str) -> list[OrderCount]:
        """Supervision orders that are not closed, by unit."""
        c = _order.c
        overdue = _how_many(sa.and_(c.answered_at.is_(None), c.reply_by < today))
        wanted = sa.select(c.org, sa.func.count(), overdue).where(c.closed_at.is_(None))
        rows: Any = self._query(_within(wanted, c.org, scope).group_by(c.org))
        return [OrderCount(row[0], row[1], int(row[2])) for row in rows]


def _within(wanted: sa.Select[Any], column: sa.ColumnElement[str | None], scope: str | None) -> sa.Select[Any]:
    return wanted if scope is None else wanted.where(in_org(column, scope))


def _how_many(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
    return sa.func.coalesce(sa.func.sum(sa.case((condition, 1), else_=0)), 0)


def _span(column: sa.ColumnElement[str | None], edges: Sequence[str]) -> sa.ColumnElement[int]:
    """The number of the last of `edges` that `column` has reached."""
    return sa.case(*((column >= edges[at], at) for at in reversed(range(len(edges)))), else_=-1)
