"""The outbox: messages waiting to be sent, and where they go.

A worker takes messages by a lease and sends them outside any transaction.  One that dies leaves its leases to run out,
and the messages are sent again under the same id: at least once, never lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import sqlalchemy as sa

from storage._execution import Execution, rendered
from storage._lists import in_org, starts_with
from storage._statements import tables
from storage.dialects import Backend
from storage.rows import DestinationRow, MessageFilter, MessageRow

_message = tables["message"]
_alert = tables["alert"]
_destination = tables["destination"]

# Literals, not parameters: only so may SQLite use the partial indexes.
_PENDING = _message.c.status == sa.literal_column("'pending'")
_DEAD = _message.c.status == sa.literal_column("'dead'")

_MESSAGE = [_message.c[field] for field in MessageRow._fields]
_DESTINATION = [_destination.c[field] for field in DestinationRow._fields]


class Outbox(Execution):
    """Reading and writing messages and destinations."""

    # Queueing

    def queue_messages(self, rows: Sequence[MessageRow]) -> None:
        """Queue messages; one that was queued before under the same `dedupe` stays as it is, but goes out after all if
        it had been cancelled."""
        if rows:
            self._execute_many(_queue(self._backend), rows)

    # Sending

    def lease_messages(self, worker: str, now: str, until: str, limit: int) -> list[MessageRow]:
        """Take up to `limit` messages that may go out now, oldest first, for `worker` until the moment `until`;
        messages of alerts that have been cleared are cancelled instead."""
        c = _message.c
        ripe = [_PENDING, c.not_before <= now, sa.or_(c.claimed_until.is_(None), c.claimed_until <= now)]
        wanted = (
            sa.select(c.id, sa.func.coalesce(_alert.c.status, "").label("stands"))
            .outerjoin_from(_message, _alert, _alert.c.id == c.alert_id)
            .where(*ripe)
            .order_by(c.not_before, c.id)
            .limit(limit)
            .with_for_update(of=_message, skip_locked=True)
        )
        found: Sequence[Any] = self._query(wanted).all()
        self.cancel_messages([row[0] for row in found if row[1] == "cleared"])
        ids = [row[0] for row in found if row[1] != "cleared"]
        if not ids:
            return []
        lease = sa.update(_message).where(c.id.in_(ids)).values(claimed_by=worker, claimed_until=until)
        rows = [MessageRow._make(row) for row in self._query(lease.returning(*_MESSAGE))]
        return sorted(rows, key=lambda row: (row.not_before, row.id))

    def cancel_messages(self, ids: Sequence[str]) -> int:
        """Cancel messages that have not been sent; how many."""
        if not ids:
            return 0
        cancel = sa.update(_message).where(_message.c.id.in_(ids), _PENDING)
        return self._query(cancel.values(status="cancelled", claimed_by=None, claimed_until=None)).rowcount

    def message_sent(self, message_id: str, at: str, proof: str | None) -> bool:
        """It was delivered: recorded whoever holds the lease by now. False when that is known already."""
        c = _message.c
        sent = sa.update(_message).where(c.id == message_id, c.status != "sent")
        values = {"status": "sent", "sent_at": at, "proof": proof, "claimed_by": None, "claimed_until": None}
        return self._query(sent.values({**values, "attempts": c.attempts + 1})).rowcount == 1

    def message_failed(self, message_id: str, worker: str, error: str, not_before: str | None) -> bool:
        """An attempt failed; the next one is not before the moment given, and with None there is none: it is dead.
        False when `worker` no longer holds the lease, so that another one's attempt decides."""
        c = _message.c
        failed = sa.update(_message).where(c.id == message_id, _PENDING, c.claimed_by == worker)
        values = {"last_error": error, "claimed_by": None, "claimed_until": None, "attempts": c.attempts + 1}
        values |= {"status": "dead"} if not_before is None else {"not_before": not_before}
        return self._query(failed.values(values)).rowcount == 1

    def postpone_messages(self, ids: Sequence[str], worker: str, not_before: str) -> int:
        """Give leases back without an attempt, for a later moment; how many."""
        if not ids:
            return 0
        c = _message.c
        later = sa.update(_message).where(c.id.in_(ids), _PENDING, c.claimed_by == worker)
        return self._query(later.values(claimed_by=None, claimed_until=None, not_before=not_before)).rowcount

    def release_messages(self, worker: str) -> int:
        """Give back every lease of a worker that stops; how many."""
        c = _message.c
        release = sa.update(_message).where(_PENDING, c.claimed_by == worker)
        return self._query(release.values(claimed_by=None, claimed_until=None)).rowcount

    def retry_message(self, message_id: str, now: str) -> bool:
        """Queue a dead message again, with its attempts counted from nothing; False when it is not dead."""
        retry = sa.update(_message).where(_message.c.id == message_id, _DEAD)
        return self._query(retry.values(status="pending", attempts=0, not_before=now)).rowcount == 1

    def read_message(self, message_id: str, at: str) -> bool:
        """A message was read in the inbox; False when there is none or it was read before."""
        c = _message.c
        read = sa.update(_message).where(c.id == message_id, c.read_at.is_(None)).values(read_at=at)
        return self._query(read).rowcount == 1

    # Reading

    def message(self, message_id: str) -> MessageRow | None:
        """One message."""
        row = self._query(sa.select(*_MESSAGE).where(_message.c.id == message_id)).first()
        return None if row is None else MessageRow._make(row)

    def message_by_dedupe(self, dedupe: str) -> MessageRow | None:
        """The message queued under this `dedupe`."""
        row = self._query(sa.select(*_MESSAGE).where(_message.c.dedupe == dedupe)).first()
        return None if row is None else MessageRow._make(row)

    def list_messages(self, narrowed: MessageFilter, *, before: str | None = None, limit: int = 50) -> list[MessageRow]:
        """Up to `limit` messages, newest first; `before` is the id of the last one of the page before."""
        c = _message.c
        wanted = sa.select(*_MESSAGE).order_by(c.id.desc()).limit(limit)
        for field, value in narrowed._asdict().items():
            if value is None:
                continue
            if field == "scope":
                wanted = wanted.where(in_org(c.org, value))
            elif field == "unread":
                wanted = wanted.where(c.read_at.is_(None) if value else c.read_at.is_not(None))
            elif field == "status" and value == "dead":
                wanted = wanted.where(_DEAD)
            elif field == "alert_id":
                wanted = wanted.where(starts_with(c.dedupe, f"{value}:"))
            else:
                wanted = wanted.where(c[field] == value)
        if before is not None:
            wanted = wanted.where(c.id < before)
        return [MessageRow._make(row) for row in self._query(wanted)]

    def oldest_unsent(self, now: str) -> str | None:
        """Since when the oldest message that may go out has been waiting."""
        c = _message.c
        oldest = sa.select(sa.func.min(c.not_before)).where(_PENDING, c.not_before <= now)
        return self._query(oldest).scalar()

    def pending_count(self) -> int:
        """How many messages wait to be sent, now or later."""
        return int(self._query(sa.select(sa.func.count()).where(_PENDING)).scalar_one())

    def dead_count(self) -> int:
        """How many messages were given up."""
        return int(self._query(sa.select(sa.func.count()).where(_DEAD)).scalar_one())

    # Destinations

    def add_destination(self, row: DestinationRow) -> None:
        """Store a destination."""
        self._query(sa.insert(_destination).values(row._asdict()))

    def destination(self, destination_id: str) -> DestinationRow | None:
        """One destination, disabled or not."""
        row = self._query(sa.select(*_DESTINATION).where(_destination.c.id == destination_id)).first()
        return None if row is None else DestinationRow._make(row)

    def destinations(self, scope: str | None = None) -> list[DestinationRow]:
        """Destinations, oldest first; `scope`: those of an org and below."""
        wanted = sa.select(*_DESTINATION).order_by(_destination.c.created_at, _destination.c.id)
        if scope is not None:
            wanted = wanted.where(in_org(_destination.c.org, scope))
        return [DestinationRow._make(row) for row in self._query(wanted)]

    def disable_destination(self, destination_id: str, at: str) -> bool:
        """Send nothing there any more; False when there is none or it was disabled before."""
        c = _destination.c
        disable = sa.update(_destination).where(c.id == destination_id, c.disabled_at.is_(None))
        return self._query(disable.values(disabled_at=at)).rowcount == 1


@cache
def _queue(backend: Backend) -> str:
    insert: Any = backend.insert(_message).values({f: sa.bindparam(f) for f in MessageRow._fields})
    again = {f: insert.excluded[f] for f in ("status", "not_before", "sent_at")}
    queued = insert.on_conflict_do_update(
        index_elements=["dedupe"], set_=again, where=_message.c.status == sa.literal_column("'cancelled'")
    )
    return rendered(backend, queued, MessageRow._fields)
