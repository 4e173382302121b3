"""The law as the running service reads it: the book, the definitions published so far, the calendar with its notices.

A case is pinned to the definition in force when it was submitted, under its content hash.  Definitions that cases use
are published as rows, so that every node, and every later version of the book, reads the ones old cases were pinned to.
"""

from __future__ import annotations

import datetime as dt
import threading

from definitions.book import Book, decode, encode
from definitions.calendar import WorkingCalendar, read_notice, shipped
from definitions.model import ClassificationRule, Definition, LegalBasisRule, RoleRule
from storage import DefinitionRow, Tx
from workflow.core.times import write


class Law:
    """Satisfies `core.deed.Rules`; remembers every definition it has resolved or read, by hash."""

    def __init__(self, book: Book) -> None:
        self.book = book
        self._known: dict[str, Definition] = {}
        self._published: set[str] = set()
        self._added: dict[str, Tx] = {}

    @property
    def legal_basis(self) -> LegalBasisRule:
        """How a stated legal basis is read."""
        return self.book.legal_basis

    @property
    def roles(self) -> dict[str, RoleRule]:
        """Who may do what."""
        return self.book.roles

    def resolve(self, *, on: dt.date, region: str, user_class: str) -> Definition:
        """The definition in force. Raises NoRuleInForce, UnknownClass."""
        definition = self.book.resolve(on=on, region=region, user_class=user_class)
        self._known[definition.hash] = definition
        return definition

    def classification(self, *, on: dt.date, region: str) -> ClassificationRule:
        """The classification table in force. Raises NoRuleInForce."""
        return self.book.classification(on=on, region=region)

    def pinned(self, tx: Tx, hash_: str) -> Definition:
        """The definition a case is pinned to. Raises LookupError when it was never published here."""
        known = self._known.get(hash_)
        if known is None:
            row = tx.definition(hash_)
            if row is None:
                raise LookupError(f"没有发布过定义 {hash_} / definition {hash_} was never published in this database")
            known = self._known[hash_] = decode(row.content.encode())
        return known

    def publish(self, tx: Tx, hash_: str, at: dt.datetime) -> bool:
        """Make the definition a row of this database unless it is one; returns whether it was added. Only remembered
        after another transaction has seen the row, so that one that is rolled back publishes again."""
        if hash_ in self._published:
            return False
        if tx.definition(hash_) is not None:
            if self._added.get(hash_) is not tx:
                self._published.add(hash_)
            return False
        self._added[hash_] = tx
        tx.put_definition(DefinitionRow(hash_, encode(self._known[hash_]).decode(), write(at)))
        return True


CALENDAR_SETTING = "calendar"
"""The setting that changes whenever a notice is added, so that a look at one row tells whether to read them again."""


class Calendars:
    """The shipped calendar plus the notices dropped into the database; rebuilt when one arrives, in this process or
    another."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._read: dict[str, WorkingCalendar] = {"": shipped()}
        self._current = self._read[""]

    def current(self) -> WorkingCalendar:
        """The newest calendar read so far."""
        return self._current

    def refresh(self, tx: Tx) -> WorkingCalendar:
        """The calendar as this transaction sees it; the notices are read again if any has arrived since."""
        setting = tx.setting(CALENDAR_SETTING) or ""
        calendar = self._read.get(setting)
        if calendar is None:
            notices = [notice for row in tx.notices() for notice in read_notice(row.content)]
            calendar = shipped().with_notices(notices)
            with self._lock:
                self._read[setting] = calendar
                # Notices only come; a reader whose snapshot is older must not turn the calendar back for the others.
                if len(calendar.dropped_in) >= len(self._current.dropped_in):
                    self._current = calendar
        return calendar

    def known(self, tx: Tx, hash_: str) -> WorkingCalendar:
        """The calendar with this hash: the current one, or the one before the latest notices came. After an
        upgrade that changed the shipped calendar itself, the current one is all there is to count by."""
        calendar = self.refresh(tx)
        if calendar.hash == hash_:
            return calendar
        notices = [
            notice for row in sorted(tx.notices(), key=lambda r: r.imported_at) for notice in read_notice(row.content)
        ]
        for count in range(len(notices)):
            earlier = shipped().with_notices(notices[:count])
            if earlier.hash == hash_:
                return earlier
        return calendar
