"""Accounts, the sessions of those who are signed in, and failed attempts to sign in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from storage._execution import Execution
from storage._statements import tables
from storage.rows import AccountRow, FailureRow, SessionRow, StaffRow

_account = tables["account"]
_session = tables["session"]
_failure = tables["sign_in_failure"]
_staff = tables["staff"]

_ACCOUNT = [_account.c[field] for field in AccountRow._fields]
_SESSION = [_session.c[field] for field in SessionRow._fields]
_STAFF = [_staff.c[field] for field in StaffRow._fields]


def _account_row(values: Sequence[Any]) -> AccountRow:
    """The row of an account; SQLite knows no booleans."""
    row = AccountRow._make(values)
    return row._replace(must_change=bool(row.must_change))


class Accounts(Execution):
    """Reading and writing who may sign in and who has."""

    # Accounts

    def add_account(self, row: AccountRow) -> None:
        """Store a new account. Raises Duplicate("account") when the person has one."""
        self._query(sa.insert(_account).values(row._asdict()))

    def account(self, staff: str) -> tuple[AccountRow, StaffRow] | None:
        """The account of a member of the staff, disabled or not, and the member."""
        found = self._query(
            sa.select(*_ACCOUNT, *_STAFF).join(_staff, _staff.c.id == _account.c.staff).where(_account.c.staff == staff)
        ).first()
        return None if found is None else _with_staff(found)

    def accounts(self) -> list[tuple[AccountRow, StaffRow]]:
        """All accounts with their people, by id."""
        both = sa.select(*_ACCOUNT, *_STAFF).join(_staff, _staff.c.id == _account.c.staff).order_by(_account.c.staff)
        return [_with_staff(found) for found in self._query(both)]

    def set_password(self, staff: str, password_hash: str, *, must_change: bool, at: str) -> bool:
        """Replace the password; False when there is no such account."""
        values = {"password_hash": password_hash, "must_change": must_change, "changed_at": at}
        return self._query(sa.update(_account).where(_account.c.staff == staff).values(values)).rowcount == 1

    def set_disabled(self, staff: str, at: str | None) -> bool:
        """Disable an account, or enable it (`at` None); False when there is no such account."""
        return self._query(sa.update(_account).where(_account.c.staff == staff).values(disabled_at=at)).rowcount == 1

    # Sessions

    def add_session(self, row: SessionRow) -> None:
        """Store a new session."""
        self._query(sa.insert(_session).values(row._asdict()))

    def session(self, token_hash: str) -> tuple[SessionRow, AccountRow, StaffRow] | None:
        """The session with this SHA-256 (hex) of its token, whose account it is, and the person; run out or not."""
        found = self._query(
            sa.select(*_SESSION, *_ACCOUNT, *_STAFF)
            .join(_account, _account.c.staff == _session.c.staff)
            .join(_staff, _staff.c.id == _session.c.staff)
            .where(_session.c.token_hash == token_hash)
        ).first()
        if found is None:
            return None
        width = len(SessionRow._fields)
        return (SessionRow._make(found[:width]), *_with_staff(found[width:]))

    def note_session(self, token_hash: str, seen_at: str) -> None:
        """Note that a session is in use."""
        self._query(sa.update(_session).where(_session.c.token_hash == token_hash).values(seen_at=seen_at))

    def end_session(self, token_hash: str) -> None:
        """End one session."""
        self._query(sa.delete(_session).where(_session.c.token_hash == token_hash))

    def end_sessions(self, staff: str) -> int:
        """End all sessions of a person; how many there were."""
        return self._query(sa.delete(_session).where(_session.c.staff == staff)).rowcount

    def forget_sessions(self, ended_before: str, seen_before: str) -> None:
        """Drop the sessions that have run out."""
        self._query(
            sa.delete(_session).where(sa.or_(_session.c.ends_at < ended_before, _session.c.seen_at < seen_before))
        )

    # Attempts

    def add_failures(self, rows: Sequence[FailureRow]) -> None:
        """Note attempts that have not succeeded."""
        self._query(sa.insert(_failure).values([row._asdict() for row in rows]))

    def failures(self, subjects: Sequence[str], since: str) -> dict[str, int]:
        """How many attempts of each subject have failed since; those without any are left out."""
        c = _failure.c
        failed = sa.select(c.subject, sa.func.count().label("times")).where(c.subject.in_(subjects), c.at >= since)
        return {str(row.subject): int(row.times) for row in self._query(failed.group_by(c.subject))}

    def drop_failures(self, *, of: str, ids: Sequence[str]) -> None:
        """Forget the attempts of the subject `of`, and those with these ids."""
        self._query(sa.delete(_failure).where(sa.or_(_failure.c.subject == of, _failure.c.id.in_(ids))))

    def forget_failures(self, before: str) -> None:
        """Drop attempts made before this moment."""
        self._query(sa.delete(_failure).where(_failure.c.at < before))


def _with_staff(values: Sequence[Any]) -> tuple[AccountRow, StaffRow]:
    width = len(AccountRow._fields)
    return _account_row(values[:width]), StaffRow._make(values[width:])
