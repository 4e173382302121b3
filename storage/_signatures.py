"""Records that wait for a second signature, as a queue over all applications."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import sqlalchemy as sa

from storage._execution import Execution
from storage._lists import in_org
from storage._statements import tables
from storage.rows import PendingRow, Waiting

_pending = tables["pending_record"]
_application = tables["application"]
_event = tables["event"]

Place = tuple[str, str, int]
"""Where a page of the queue ended: `since`, case id and event of its last row."""


class Signatures(Execution):
    """Reading and writing what waits for a second signature."""

    def add_pending(self, rows: Sequence[PendingRow]) -> None:
        """Store records that wait from now on."""
        if rows:
            self._query(sa.insert(_pending).values([row._asdict() for row in rows]))

    def remove_pending(self, case_id: str, events: Iterable[int]) -> None:
        """Remove records that wait no longer: signed, or dropped when the case ended."""
        self._query(sa.delete(_pending).where(_pending.c.case_id == case_id, _pending.c.event.in_(list(events))))

    def move_pending(self, case_id: str, org: str | None) -> None:
        """What waits in a case goes to the unit that has taken it over."""
        self._query(sa.update(_pending).where(_pending.c.case_id == case_id).values(org=org))

    def pending(self, case_id: str) -> list[PendingRow]:
        """What waits in one case, by event."""
        c = _pending.c
        rows = self._query(
            sa.select(*(c[field] for field in PendingRow._fields)).where(c.case_id == case_id).order_by(c.event)
        )
        return [PendingRow._make(row) for row in rows]

    def waiting(
        self, scope: str | None = None, *, kind: str | None = None, after: Place | None = None, limit: int = 50
    ) -> list[Waiting]:
        """Up to `limit` records that wait in `scope` and the units below it, longest waiting first; `after` is the
        place of the last row of the page before."""
        p, a, e = _pending.c, _application.c, _event.c
        wanted = (
            sa.select(
                p.case_id, p.event, p.kind, p.actor, p.org, p.since, a.application_no, a.user_class, a.state, a.manager,
                a.version, e.occurred_at, e.type, e.payload,
            )
            .join_from(_pending, _application, a.id == p.case_id)
            .join(_event, sa.and_(e.case_id == p.case_id, e.case_seq == p.event))
            .order_by(p.since, p.case_id, p.event)
            .limit(limit)
        )  # fmt: skip
        if scope is not None:
            wanted = wanted.where(in_org(p.org, scope))
        if kind is not None:
            wanted = wanted.where(p.kind == kind)
        if after is not None:
            wanted = wanted.where(sa.tuple_(p.since, p.case_id, p.event) > after)
        return [Waiting._make(row) for row in self._query(wanted)]
