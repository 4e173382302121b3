"""Supervision orders, causes of breaches, calendar feeds, and the dated deadlines that both of these show."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa

from storage._execution import Execution
from storage._lists import in_org
from storage._statements import tables
from storage.rows import CauseRow, Dated, FeedRow, OrderRow

_order = tables["supervision_order"]
_cause = tables["breach_cause"]
_feed = tables["feed"]
_deadline = tables["deadline"]
_application = tables["application"]

_ORDER = [_order.c[field] for field in OrderRow._fields]
_CAUSE = [_cause.c[field] for field in CauseRow._fields]
_FEED = [_feed.c[field] for field in FeedRow._fields]
_LEGAL = _deadline.c.scope.in_(("step", "total", "approval"))


class Orders(Execution):
    """Reading and writing orders, causes and feeds."""

    # Supervision orders

    def add_order(self, row: OrderRow) -> None:
        """Store a supervision order."""
        self._query(sa.insert(_order).values(row._asdict()))

    def order(self, order_id: str) -> OrderRow | None:
        """One supervision order."""
        row = self._query(sa.select(*_ORDER).where(_order.c.id == order_id)).first()
        return None if row is None else OrderRow._make(row)

    def list_orders(
        self,
        *,
        scope: str | None = None,
        org: str | None = None,
        status: str | None = None,
        case_id: str | None = None,
        alert_id: str | None = None,
        before: str | None = None,
        limit: int = 50,
    ) -> list[OrderRow]:
        """Up to `limit` orders, newest first; narrowed as lists of applications are."""
        c = _order.c
        wanted = sa.select(*_ORDER).order_by(c.id.desc()).limit(limit)
        for unit in (scope, org):
            if unit is not None:
                wanted = wanted.where(in_org(c.org, unit))
        for column, value in ((c.status, status), (c.case_id, case_id), (c.alert_id, alert_id)):
            if value is not None:
                wanted = wanted.where(column == value)
        if before is not None:
            wanted = wanted.where(c.id < before)
        return [OrderRow._make(row) for row in self._query(wanted)]

    def answer_order(self, order_id: str, answer: str, by: str, at: str) -> bool:
        """Answer an open order; its reply date is looked at no more. False when it is not open."""
        answered = sa.update(_order).where(_order.c.id == order_id, _order.c.status == "open")
        values = {"status": "answered", "answer": answer, "answered_by": by, "answered_at": at, "look_on": None}
        return self._query(answered.values(values)).rowcount == 1

    def close_order(self, order_id: str, note: str | None, by: str, at: str) -> bool:
        """Close an answered order; False when it is not answered or closed already."""
        closed = sa.update(_order).where(_order.c.id == order_id, _order.c.status == "answered")
        values = {"status": "closed", "closing_note": note, "closed_by": by, "closed_at": at}
        return self._query(closed.values(values)).rowcount == 1

    def due_order_looks(self, day: str, limit: int, *, lock: bool = False) -> list[OrderRow]:
        """Up to `limit` orders whose `look_on` is `day` or earlier. `lock`: nobody else changes them; those that
        another worker holds are left out."""
        wanted = sa.select(*_ORDER).where(_order.c.look_on <= day).order_by(_order.c.look_on).limit(limit)
        if lock:
            wanted = wanted.with_for_update(skip_locked=True)
        return [OrderRow._make(row) for row in self._query(wanted)]

    def move_order_looks(self, moved: Iterable[tuple[str | None, str]]) -> None:
        """Set `look_on` of orders, each given as (look_on, id)."""
        for look_on, order_id in moved:
            self._query(sa.update(_order).where(_order.c.id == order_id).values(look_on=look_on))

    # Causes

    def add_cause(self, row: CauseRow) -> None:
        """State the cause of a breach; earlier statements stay."""
        self._query(sa.insert(_cause).values(row._asdict()))

    def causes(self, case_ids: Iterable[str]) -> list[CauseRow]:
        """What was stated of these cases, oldest first: of each timer the last one counts."""
        wanted = sa.select(*_CAUSE).where(_cause.c.case_id.in_(list(case_ids)))
        return [CauseRow._make(row) for row in self._query(wanted.order_by(_cause.c.stated_at, _cause.c.id))]

    def breaches(
        self,
        overdue_before: str,
        *,
        scope: str | None = None,
        org: str | None = None,
        with_cause: bool | None = None,
        before: tuple[str, str] | None = None,
        limit: int = 50,
    ) -> list[Dated]:
        """Legal limits that were broken: ended late, or running and due before the date `overdue_before`; newest
        application first. `with_cause` leaves those with, or without, a stated cause; `before` is the (case_id, key) of
        the last one of the page before."""
        d = _deadline.c
        late = sa.or_(d.status == "breached", sa.and_(d.status == "running", d.due_on < overdue_before))
        wanted = _dated(scope, org).where(_LEGAL, late, d.due_on.is_not(None)).limit(limit)
        stated = sa.exists().where(_cause.c.case_id == d.case_id, _cause.c.key == d.key)
        if with_cause is not None:
            wanted = wanted.where(stated if with_cause else ~stated)
        if before is not None:
            wanted = wanted.where(sa.tuple_(d.case_id, d.key) < before)
        rows = self._query(wanted.order_by(d.case_id.desc(), d.key.desc()))
        return [_as_dated(row) for row in rows]

    # Feeds

    def add_feed(self, row: FeedRow) -> None:
        """Store a calendar feed."""
        self._query(sa.insert(_feed).values(row._asdict()))

    def feed(self, token_hash: str) -> FeedRow | None:
        """The feed with this SHA-256 (hex) of its token, revoked or not."""
        row = self._query(sa.select(*_FEED).where(_feed.c.token_hash == token_hash)).first()
        return None if row is None else FeedRow._make(row)

    def feeds(self, scope: str | None = None) -> list[FeedRow]:
        """Feeds, oldest first; `scope`: those of an org and below."""
        wanted = sa.select(*_FEED).order_by(_feed.c.created_at, _feed.c.id)
        if scope is not None:
            wanted = wanted.where(in_org(_feed.c.org, scope))
        return [FeedRow._make(row) for row in self._query(wanted)]

    def revoke_feed(self, feed_id: str, at: str) -> bool:
        """Revoke a feed; False when there is none or it was revoked before."""
        revoke = sa.update(_feed).where(_feed.c.id == feed_id, _feed.c.revoked_at.is_(None))
        return self._query(revoke.values(revoked_at=at)).rowcount == 1

    def dated_deadlines(self, manager: str, scope: str | None = None, limit: int = 1000) -> list[Dated]:
        """Open deadlines that name a date, of every scope, of the applications of a manager; the earliest first."""
        d = _deadline.c
        wanted = _dated(scope, None).where(
            _application.c.manager == manager,
            _application.c.closed_at.is_(None),
            d.status == "running",
            d.due_on.is_not(None),
        )
        return [_as_dated(row) for row in self._query(wanted.order_by(d.due_on, d.case_id, d.key).limit(limit))]


def _dated(scope: str | None, org: str | None) -> sa.Select[tuple[object, ...]]:
    d, a = _deadline.c, _application.c
    wanted = sa.select(
        d.case_id, a.application_no, a.org, a.manager, a.user_class, a.version, d.key, d.scope, d.step, d.round,
        d.budget, d.due_on, d.provisional, d.status,
    ).join_from(_deadline, _application, a.id == d.case_id)  # fmt: skip
    for unit in (scope, org):
        if unit is not None:
            wanted = wanted.where(in_org(a.org, unit))
    return wanted


def _as_dated(values: sa.Row[tuple[object, ...]]) -> Dated:
    row = Dated._make(values)
    return row if row.provisional is True else row._replace(provisional=bool(row.provisional))
