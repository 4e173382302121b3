"""One transaction: everything that can be read and written inside it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import compress
from operator import ne
from typing import Any

import sqlalchemy as sa

from storage._accounts import Accounts
from storage._alerts import Alerts
from storage._board import Boards
from storage._findings import Findings
from storage._lists import Lists, case_row, deadline_row
from storage._load_times import LoadTimes
from storage._orders import Orders
from storage._outbox import Outbox
from storage._overview import Overview
from storage._portal import Portal
from storage._registers import Registers
from storage._replays import Replays
from storage._signatures import Signatures
from storage._statements import tables
from storage.dialects import POSTGRESQL
from storage.evidence import chain
from storage.guards import INSTALLED, guards
from storage.rows import CaseRow, DeadlineRow, EventRow, NewEvent, PersonalRow, Remembered, RoundRow

_PLACES = range(len(CaseRow._fields))


class Tx(
    Accounts,
    Alerts,
    Findings,
    Boards,
    Lists,
    LoadTimes,
    Orders,
    Outbox,
    Overview,
    Portal,
    Registers,
    Replays,
    Signatures,
):
    """A transaction, given out by `Database.write()` and `Database.read()`; of no use after their block ends.

    Every method may raise the errors of `storage.errors`: Contention (ask again), Duplicate, Rejected,
    StorageUnavailable.  After one of them the transaction is not committed, even when the error is caught, unless it
    happened inside a `savepoint`.
    """

    # Applications

    def case(self, case_id: str, *, lock: bool = False) -> CaseRow | None:
        """One application. `lock`: nobody else changes it until this transaction ends (in a write transaction)."""
        sql = self._sql.case_for_update if lock else self._sql.case
        row = self._of_case(case_id, sql).fetchone()
        return None if row is None else case_row(row)

    def lock_head(self, case_id: str) -> str | None:
        """The head hash of an application, which nobody else changes until this transaction ends; None when there is
        no such application. For whoever keeps what he has read under it: the same head is the same history."""
        row = self._of_case(case_id, self._sql.head_for_update).fetchone()
        return None if row is None else str(row[0])

    def _of_case(self, case_id: str, sql: str) -> Any:
        """A statement on the row of one application: what waits to be written of others waits on."""
        return (self._execute if case_id in self._changed else self._beside)(sql, (case_id,))

    def case_by_number(self, application_no: str) -> CaseRow | None:
        """The application with this number."""
        c = tables["application"].c
        row = self._query(sa.select(*(c[f] for f in CaseRow._fields)).where(c.application_no == application_no)).first()
        return None if row is None else case_row(row)

    def successors(self, case: CaseRow, personal: PersonalRow | None = None) -> list[CaseRow]:
        """The applications that continue `case`, which ended: same premises or customer, linked to it. `personal`: who
        it is about, when that was read before."""
        candidates = self.alike(case, case.submitted_at, personal)
        return [row for row in candidates if row.predecessor == case.id]

    def alike(self, case: CaseRow, closed_since: str, personal: PersonalRow | None = None) -> list[CaseRow]:
        """As `same_need`, of the premises, customer and address of `case`, which may be among them itself. `personal`:
        who it is about, when that was read before."""
        personal = personal or self.personal(case.id)
        customer, address = (None, None) if personal is None else (personal.customer_id, personal.address)
        return self.same_need(case.premises_id, customer, address, closed_since)

    def same_need(
        self, premises_id: str, customer_id: str | None, address: str | None, closed_since: str
    ) -> list[CaseRow]:
        """Applications of the same premises, or of the same customer at the same address, newest first: open, or closed
        at or after `closed_since`. Whether they are the same need is for the rules to say."""
        rows = self._execute(self._sql.same_need, (premises_id, customer_id, address, closed_since)).fetchall()
        return [case_row(row) for row in rows]

    def lock_cases(self, case_ids: Iterable[str]) -> None:
        """Lock several applications, always in the order of their ids: for a batch, so that batches do not deadlock."""
        if self._backend is POSTGRESQL:  # the write transaction of SQLite is the lock
            application = tables["application"]
            self._query(
                sa.select(application.c.id)
                .where(application.c.id.in_(sorted(set(case_ids))))
                .order_by(application.c.id)
                .with_for_update()
            ).all()

    def insert_case(self, row: CaseRow) -> None:
        """Store a new application. Raises Duplicate("application") when id or number exist."""
        self._beside(self._sql.insert_case, row)

    def update_case(self, row: CaseRow, before: CaseRow) -> None:
        """Store `row` where `before` was read; only what differs is written, so that untouched indexes stay untouched.

        Raises Contention when the application is no longer at `before.version`; it may show when the transaction ends.
        """
        differs = list(map(ne, row, before))
        if not any(differs):
            return
        if row.id in self._changed:  # by another statement perhaps, and that one comes first
            self._send()
        self._changed.add(row.id)
        values = (*compress(row, differs), row.id, before.version)
        self._gather(self._sql.update_case(tuple(compress(_PLACES, differs))), [values])

    # Events

    def append_events(self, case_id: str, first_seq: int, prev_hash: str, events: Sequence[NewEvent]) -> str:
        """Append events to a case's chain and return its new head hash.

        `first_seq` is 1 and `prev_hash` GENESIS for a new case, else `version + 1` and `head_hash` of its row.
        Raises Duplicate("event") when somebody else has appended there; it may show when the transaction ends.
        """
        links = chain(case_id, first_seq, prev_hash, events)
        if not links:
            return prev_hash
        self._gather(self._sql.insert_event, links)
        return links[-1].hash

    def events(self, case_id: str) -> list[EventRow]:
        """The history of a case, in order."""
        return [EventRow._make(row) for row in self._execute(self._sql.events, (case_id,)).fetchall()]

    # Rounds and deadlines

    def put_round(self, row: RoundRow) -> None:
        """Insert or replace one round."""
        self._gather(self._sql.put_round, [row])

    def put_rounds(self, rows: Sequence[RoundRow]) -> None:
        """Insert or replace rounds."""
        if rows:
            self._gather(self._sql.put_round, rows)

    def rounds(self, case_id: str) -> list[RoundRow]:
        """The rounds of a case by step and number."""
        return [RoundRow._make(row) for row in self._execute(self._sql.rounds, (case_id,)).fetchall()]

    def put_deadline(self, row: DeadlineRow) -> None:
        """Insert or replace one deadline."""
        self._gather(self._sql.put_deadline, [row])

    def put_deadlines(self, rows: Sequence[DeadlineRow]) -> None:
        """Insert or replace deadlines."""
        if rows:
            self._gather(self._sql.put_deadline, rows)

    def deadlines(self, case_id: str) -> list[DeadlineRow]:
        """The deadlines of a case by key."""
        return [deadline_row(row) for row in self._execute(self._sql.deadlines, (case_id,)).fetchall()]

    def delete_deadlines(self, case_id: str, keys: Iterable[str]) -> None:
        """Remove deadlines that no longer exist (a step left the path)."""
        if rows := [(case_id, key) for key in keys]:
            self._execute_many(self._sql.delete_deadline, rows)

    def delete_rounds(self, case_id: str, keys: Iterable[tuple[str, int]]) -> None:
        """Remove rounds, by step and number, that no longer exist (a step left the path)."""
        if rows := [(case_id, *key) for key in keys]:
            self._execute_many(self._sql.delete_round, rows)

    def delete_projections(self, case_id: str) -> None:
        """Remove rounds, deadlines and pending records of a case before they are rebuilt from its events."""
        for name in ("step_round", "deadline", "pending_record"):
            self._query(sa.delete(tables[name]).where(tables[name].c.case_id == case_id))

    # Idempotency and numbers

    def remembered(self, principal: str, key: str) -> Remembered | None:
        """The answer given to this key of this principal before."""
        row = self._beside(self._sql.remembered, (principal, key)).fetchone()
        return None if row is None else Remembered._make(row)

    def remember(self, row: Remembered) -> bool:
        """Keep an answer, unless one is kept under this key of this principal: whether it was."""
        return bool(self._beside(self._sql.insert_idempotency, row).rowcount == 1)

    def next_serial(self, org: str, year: int) -> int:
        """The next application number of an org and year, from 1; given back when the transaction does not commit.

        Others asking for the same org and year wait until this transaction ends: that is what leaves no gaps.
        """
        return int(self._beside(self._sql.next_serial, (org, year)).fetchall()[0][0])

    # Personal data

    def put_personal(self, row: PersonalRow) -> None:
        """Insert or replace who a case is about."""
        self._beside(self._sql.put_personal, row)

    def personal(self, case_id: str) -> PersonalRow | None:
        """Who a case is about."""
        row = self._execute(self._sql.personal, (case_id,)).fetchone()
        return None if row is None else PersonalRow._make(row)

    def erase_personal(self, case_id: str) -> bool:
        """Erase personal data and their salt, so that the digest in the chain says nothing any more; False when there
        is nothing to erase."""
        personal = tables["personal"]
        erased = {field: None for field in PersonalRow._fields if field != "case_id"}
        there = personal.c.salt.is_not(None)
        return self._query(sa.update(personal).where(personal.c.case_id == case_id, there).values(erased)).rowcount == 1

    # Safeguards

    def missing_triggers(self) -> list[str]:
        """The append-only triggers that are gone or switched off; empty when all stand guard."""
        there = {row[0] for row in self._query(sa.text(INSTALLED[self._backend.name]))}
        return [one for one in guards(self._backend.name) if one not in there]

    def schema(self) -> str | None:
        """The revision of the schema, or None when there is none."""
        return self.revision() if sa.inspect(self._link.sa).has_table("alembic_version") else None

    def revision(self) -> str | None:
        """The revision of the schema, where there is one."""
        row = self._execute("SELECT version_num FROM alembic_version", ()).fetchone()
        return None if row is None else str(row[0])
