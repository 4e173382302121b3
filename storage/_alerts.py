"""Alerts: the claim of a rung, the sweep's bookmarks, clearing, acknowledging, heartbeats.

A rung is claimed by inserting its alert, which is unique by subject, key, level and day; whoever inserts it queues its
messages in the same transaction.  So any number of workers raise each alert once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, NamedTuple

import sqlalchemy as sa

from storage._execution import Execution, rendered
from storage._lists import in_org
from storage._statements import Order, tables
from storage.dialects import Backend
from storage.rows import AlertFilter, AlertRow, Look, SweepRow

_alert = tables["alert"]
_deadline = tables["deadline"]
_application = tables["application"]
_sweep = tables["sweep"]

_ALERT = [_alert.c[field] for field in AlertRow._fields]
_CLAIM = ("subject", "key", "level", "day")
# Literals, not parameters: only so may SQLite use the partial indexes.
_CLEARED: sa.ColumnElement[str] = sa.literal_column("'cleared'")
_STANDING = _alert.c.status != _CLEARED
_OPEN = _alert.c.status == sa.literal_column("'open'")


class Raised(NamedTuple):
    """What became of rungs: `new` were claimed now; `revived` had been cleared, as the deadline then stood otherwise,
    and stand again under their old ids; the rest were claimed before."""

    new: list[AlertRow]
    revived: list[AlertRow]


class Standing(NamedTuple):
    """An alert that stands, and the status and due date that its deadline has now (None when there is none)."""

    case_id: str
    id: str
    key: str
    day: str
    due_on: str
    status: str | None
    now_due_on: str | None


class Alerts(Execution):
    """Reading and writing alerts."""

    # Raising

    def due_looks(self, day: str, limit: int) -> list[Look]:
        """Up to `limit` deadlines whose `look_on` is `day` or earlier, oldest first. They stay this worker's until its
        write transaction ends: others get the next ones."""
        d, a = _deadline.c, _application.c
        wanted = (
            sa.select(
                d.case_id, d.key, d.scope, d.step, d.budget, d.ledger, d.due_on, d.status, d.look_on,
                a.org, a.region, a.manager, a.application_no,
            )
            .join_from(_deadline, _application, a.id == d.case_id)
            .where(d.look_on <= day)
            .order_by(d.look_on)
            .limit(limit)
            .with_for_update(of=_deadline, skip_locked=True)
        )  # fmt: skip
        return [Look._make(row) for row in self._query(wanted)]

    def oldest_look(self) -> str | None:
        """The earliest `look_on` there is: what the sweep has to do first, and how far it is behind."""
        look_on = _deadline.c.look_on
        return self._query(sa.select(look_on).where(look_on.is_not(None)).order_by(look_on).limit(1)).scalar()

    def move_looks(self, moved: Iterable[tuple[str | None, str, str]]) -> None:
        """Set `look_on` of deadlines, each given as (look_on, case_id, key)."""
        rows = list(moved)
        if rows:
            self._execute_many(_move_look(self._backend), rows)

    def look_again(self, rows: Iterable[tuple[str, str, str]]) -> None:
        """Have running deadlines, each given as (day, case_id, key), looked at from that day on, unless they are to be
        looked at before it."""
        c = _deadline.c
        for day, case_id, key in rows:
            later = sa.or_(c.look_on.is_(None), c.look_on > day)
            again = sa.update(_deadline).where(c.case_id == case_id, c.key == key, c.status == "running", later)
            self._query(again.values(look_on=day))

    def look_at_all(self, day: str, after: tuple[str, str], limit: int) -> list[tuple[str, str]]:
        """Have up to `limit` open deadlines looked at from `day` on, in the order of (case_id, key) following `after`;
        which ones. Those that are being written at this moment are left out: their writer sets the look."""
        c = _deadline.c
        wanted = (
            sa.select(c.case_id, c.key)
            .where(c.status.in_(("running", "suspended")), sa.tuple_(c.case_id, c.key) > after)
            .order_by(c.case_id, c.key)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        found: Sequence[Any] = self._query(wanted).all()
        page = [(row[0], row[1]) for row in found]
        self.move_looks([(day, case_id, key) for case_id, key in page])
        return page

    def raise_alerts(self, rows: Sequence[AlertRow]) -> Raised:
        """Claim rungs by inserting their alerts. A rung that was cleared meanwhile stands again, with its old id."""
        if not rows:
            return Raised([], [])
        self._execute_many(_claim(self._backend), rows)
        if self._cursor.rowcount == len(rows):
            return Raised(list(rows), [])
        there = self._claimed(rows)
        raised = Raised([], [])
        for row in rows:
            known = there[_claim_of(row)]
            if known.id == row.id:
                raised.new.append(row)
            elif known.status == "cleared":
                raised.revived.append(self._revive(known, row))
        return raised

    def _claimed(self, rows: Sequence[AlertRow]) -> dict[tuple[str, ...], AlertRow]:
        subjects = sorted({row.subject for row in rows})
        found: dict[tuple[str, ...], AlertRow] = {}
        for at in range(0, len(subjects), 500):
            wanted = sa.select(*_ALERT).where(_alert.c.subject.in_(subjects[at : at + 500]))
            found.update((_claim_of(row), row) for row in map(AlertRow._make, self._query(wanted)))
        return found

    def _revive(self, known: AlertRow, row: AlertRow) -> AlertRow:
        """Let a cleared alert stand again as `row` says; what was noted on it stays."""
        fields = ("org", "manager", "due_on", "remaining", "status", "escalate_at", "cleared_at", "cleared_because")
        now = {field: getattr(row, field) for field in fields}
        self._query(sa.update(_alert).where(_alert.c.id == known.id).values(now))
        return known._replace(**now)

    # Clearing

    def clear_alerts(self, case_id: str, keys: Iterable[str], now: str, because: str) -> None:
        """Clear what stands of the timers `keys` of a case, because they were met, moved, suspended… To be called after
        their deadlines were written, so that a sweep at work on them has ended."""
        rows = [(now, because, case_id, key) for key in keys]
        if rows:
            self._gather(_clear(self._backend), rows)

    def hand_over_alerts(self, case_id: str, manager: str | None, org: str | None) -> None:
        """What stands of a case goes with it to another manager or unit, who find it in their lists."""
        standing = sa.update(_alert).where(_alert.c.case_id == case_id, _STANDING)
        self._query(standing.values(manager=manager, org=org))

    def clear_subject(self, subject: str, now: str, because: str) -> int:
        """Clear what stands of a subject that is no case; how many."""
        clear = sa.update(_alert).where(_alert.c.subject == subject, _STANDING)
        return self._query(clear.values(status="cleared", cleared_at=now, cleared_because=because)).rowcount

    def clear_ids(self, ids: Sequence[str], now: str, because: str) -> int:
        """Clear alerts by id, those that still stand; how many."""
        if not ids:
            return 0
        clear = sa.update(_alert).where(_alert.c.id.in_(ids), _STANDING)
        return self._query(clear.values(status="cleared", cleared_at=now, cleared_because=because)).rowcount

    def standings(self, after: tuple[str, str], limit: int, *, lock: bool = False) -> list[Standing]:
        """A page of the alerts of cases that stand, in the order of (case_id, id), following `after`, each with how its
        deadline stands now. `lock`: nobody else changes them; those that another worker holds are left out."""
        d, c = _deadline.c, _alert.c
        wanted = (
            sa.select(c.case_id, c.id, c.key, c.day, c.due_on, d.status, d.due_on)
            .outerjoin_from(_alert, _deadline, sa.and_(d.case_id == c.case_id, d.key == c.key))
            .where(_STANDING, c.case_id.is_not(None), sa.tuple_(c.case_id, c.id) > after)
            .order_by(c.case_id, c.id)
            .limit(limit)
        )
        if lock:
            wanted = wanted.with_for_update(of=_alert, skip_locked=True)
        return [Standing._make(row) for row in self._query(wanted)]

    # Reading

    def alert(self, alert_id: str, *, lock: bool = False) -> AlertRow | None:
        """One alert. `lock` as of `Tx.case`."""
        wanted = sa.select(*_ALERT).where(_alert.c.id == alert_id)
        row = self._query(wanted.with_for_update() if lock else wanted).first()
        return None if row is None else AlertRow._make(row)

    def alerts_by_id(self, ids: Sequence[str]) -> dict[str, AlertRow]:
        """Alerts by id, those there are."""
        wanted = sa.select(*_ALERT).where(_alert.c.id.in_(list(ids)))
        return {row.id: row for row in map(AlertRow._make, self._query(wanted))} if ids else {}

    def list_alerts(self, narrowed: AlertFilter, *, before: str | None = None, limit: int = 50) -> list[AlertRow]:
        """Up to `limit` alerts, newest first; `before` is the id of the last one of the page before."""
        wanted = sa.select(*_ALERT).order_by(_alert.c.id.desc()).limit(limit)
        for field, value in narrowed._asdict().items():
            if value is None:
                continue
            if field in ("scope", "org"):
                wanted = wanted.where(in_org(_alert.c.org, value))
            elif field == "status" and value == "standing":
                wanted = wanted.where(_STANDING)
            elif field == "escalated":
                wanted = wanted.where((_alert.c.escalations > 0) == value)
            elif field == "but_scope":
                wanted = wanted.where(_alert.c.scope != value)
            else:
                wanted = wanted.where(_alert.c[field] == value)
        if before is not None:
            wanted = wanted.where(_alert.c.id < before)
        return [AlertRow._make(row) for row in self._query(wanted)]

    def standing_of_case(self, case_id: str) -> list[AlertRow]:
        """What stands of a case, oldest first."""
        wanted = sa.select(*_ALERT).where(_alert.c.case_id == case_id, _STANDING).order_by(_alert.c.id)
        return [AlertRow._make(row) for row in self._query(wanted)]

    def standing_by_level(self) -> dict[str, int]:
        """How many alerts stand, by level."""
        counted = sa.select(_alert.c.level, sa.func.count()).where(_STANDING).group_by(_alert.c.level)
        rows: Sequence[Any] = self._query(counted).all()
        return {row[0]: row[1] for row in rows}

    # Acting on them

    def acknowledge_alert(self, alert_id: str, by: str, at: str, note: str | None) -> bool:
        """Acknowledge an open alert; False when it is not open (the first acknowledgement stands)."""
        values = {"status": "acknowledged", "acknowledged_by": by, "acknowledged_at": at, "note": note}
        acknowledge = sa.update(_alert).where(_alert.c.id == alert_id, _OPEN).values(values)
        return self._query(acknowledge).rowcount == 1

    def snooze_alert(self, alert_id: str, until: str, reason: str) -> bool:
        """Let a standing alert rest until a moment, when it comes up again: it is not escalated before; False when it
        does not stand."""
        c = _alert.c
        snooze = sa.update(_alert).where(c.id == alert_id, _STANDING)
        again = sa.case((sa.or_(~_OPEN, c.escalate_at > until), c.escalate_at), else_=until)
        return self._query(snooze.values(snoozed_until=until, snooze_reason=reason, escalate_at=again)).rowcount == 1

    def alerts_to_escalate(self, now: str, limit: int, *, lock: bool = False) -> list[AlertRow]:
        """Up to `limit` open alerts that nobody has acknowledged in time, and that do not rest. `lock` as of
        `standings`."""
        c = _alert.c
        wanted = (
            sa.select(*_ALERT)
            .where(
                _OPEN,
                c.escalate_at.is_not(None),
                c.escalate_at <= now,
                sa.or_(c.snoozed_until.is_(None), c.snoozed_until <= now),
            )
            .order_by(c.escalate_at)
            .limit(limit)
        )
        if lock:
            wanted = wanted.with_for_update(skip_locked=True)
        return [AlertRow._make(row) for row in self._query(wanted)]

    def set_escalations(self, rows: Iterable[tuple[int, str | None, str]]) -> None:
        """Note escalations, each given as (how many there were, when the next is due, alert id)."""
        for escalations, escalate_at, alert_id in rows:
            update = sa.update(_alert).where(_alert.c.id == alert_id)
            self._query(update.values(escalations=escalations, escalate_at=escalate_at))

    # Heartbeats

    def sweep_started(self, name: str, worker: str, at: str) -> None:
        """A sweep begins; what is known of its last good run stays."""
        insert = self._backend.insert(_sweep).values(
            name=name, worker=worker, started_at=at, finished_at=None, last_good_at=None, looked=0, done=0,
            cut_short=False, error=None,
        )  # fmt: skip
        begun = {"worker": worker, "started_at": at, "finished_at": None}
        self._query(insert.on_conflict_do_update(index_elements=["name"], set_=begun))

    def sweep_finished(self, row: SweepRow) -> None:
        """A sweep has ended: well (`last_good_at` set, no `error`) or not (`last_good_at` None: the old one stays)."""
        insert = self._backend.insert(_sweep).values(row._asdict())
        good = sa.func.coalesce(insert.excluded.last_good_at, _sweep.c.last_good_at)
        rest = {f: insert.excluded[f] for f in SweepRow._fields if f not in ("name", "last_good_at")}
        self._query(insert.on_conflict_do_update(index_elements=["name"], set_={**rest, "last_good_at": good}))

    def sweeps(self) -> list[SweepRow]:
        """The heartbeats by name."""
        wanted = sa.select(*(_sweep.c[field] for field in SweepRow._fields)).order_by(_sweep.c.name)
        rows = [SweepRow._make(row) for row in self._query(wanted)]
        return [row._replace(cut_short=bool(row.cut_short)) for row in rows]


def _claim_of(row: AlertRow) -> tuple[str, ...]:
    return (row.subject, row.key, row.level, row.day)


@cache
def _claim(backend: Backend) -> str:
    insert = backend.insert(_alert).values({f: sa.bindparam(f) for f in AlertRow._fields})
    return rendered(backend, insert.on_conflict_do_nothing(index_elements=list(_CLAIM)), AlertRow._fields)


@cache
def _move_look(backend: Backend) -> str:
    c = _deadline.c
    move = sa.update(_deadline).values(look_on=sa.bindparam("look"))
    move = move.where(c.case_id == sa.bindparam("of"), c.key == sa.bindparam("timer"))
    return rendered(backend, move, ("look", "of", "timer"))


@cache
def _clear(backend: Backend) -> Order:
    clear = (
        sa.update(_alert)
        .values(status=_CLEARED, cleared_at=sa.bindparam("at"), cleared_because=sa.bindparam("why"))
        .where(_alert.c.case_id == sa.bindparam("of"), _alert.c.key == sa.bindparam("timer"), _STANDING)
    )
    return Order(rendered(backend, clear, ("at", "why", "of", "timer")), rank=1)
