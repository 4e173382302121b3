"""The law as the running service reads it: the book, the definitions published so far, the calendar with its notices.

A case is pinned to the definition in force when it was submitted, under its content hash.  Definitions that cases use
are published as rows, so that every node, and every later version of the book, reads the ones old cases were pinned to.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Iterator
from hashlib import sha256

import msgspec

from definitions.book import Book, decode, encode
from definitions.calendar import Notice, WorkingCalendar, read_notice, shipped
from definitions.model import NATION, ClassificationRule, Definition, LegalBasisRule, RoleRule
from storage import Damaged, DefinitionRow, NoticeRow, Tx
from workflow.core.times import write

LADDERS_SETTING = "ladders"
"""The hash of the ladders that open timers were last looked at by; while they are being gone through, with the last
timer that was reached."""


def ladders_hash(book: Book, on: dt.date) -> str:
    """The hash of all ladders in force on a date."""
    in_force = {id(one): one for one in (book.ladder(on=on, region=code) for code in (NATION, *book.regions))}
    return sha256(msgspec.json.encode([one.rules for one in in_force.values()], order="sorted")).hexdigest()


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
        """The definition a case is pinned to. Raises Damaged when its row is changed or gone."""
        known = self._known.get(hash_)
        if known is None:
            row = tx.definition(hash_)
            if row is None:
                raise _gone(hash_)
            known = self._known[hash_] = _definition(row)
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
        """The calendar as this transaction sees it; the notices are read again if any has arrived since. Raises Damaged
        when the row of one is changed."""
        setting = tx.setting(CALENDAR_SETTING) or ""
        calendar = self._read.get(setting)
        if calendar is None:
            notices = [notice for row in tx.notices() for notice in _notices(row)]
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
        notices = [notice for row in sorted(tx.notices(), key=lambda r: r.imported_at) for notice in _notices(row)]
        for count in range(len(notices)):
            earlier = shipped().with_notices(notices[:count])
            if earlier.hash == hash_:
                return earlier
        return calendar


def damaged(tx: Tx) -> Iterator[Damaged]:
    """What is wrong with the published definitions and the notices, each row against the hash it is kept under; then
    with the definitions that applications are pinned to and that are gone."""
    for definition in tx.definitions():
        try:
            _definition(definition)
        except Damaged as error:
            yield error
    for notice in tx.notices():
        try:
            _notices(notice)
        except Damaged as error:
            yield error
    for hash_, case_id in tx.unpublished():
        yield _gone(hash_, case_id)


def _definition(row: DefinitionRow) -> Definition:
    try:
        definition = decode(_bytes(row.content))
    except ValueError as error:
        raise _changed("definition", "规则", row.hash) from error
    if definition.hash != row.hash:
        raise _changed("definition", "规则", row.hash)
    return definition


def _notices(row: NoticeRow) -> tuple[Notice, ...]:
    if sha256(_bytes(row.content)).hexdigest() != row.hash:
        raise _changed("calendar_notice", "放假通知", row.hash)
    return read_notice(row.content)


def _bytes(content: object) -> bytes:
    """SQLite keeps bytes where text belongs, when somebody writes them there; nothing of ours has their hash."""
    return content.encode() if isinstance(content, str) else b""


def _changed(table: str, zh: str, hash_: str) -> Damaged:
    return Damaged(
        f"数据库中的{zh} {hash_} 与其哈希不符, 内容被改动, 不予采用; 请由备份恢复 {table} 表中的这一行",
        f"the row {hash_} of {table} was changed: its content does not have that hash, so it is not used; restore it "
        "from a backup",
    )


def _gone(hash_: str, case_id: str | None = None) -> Damaged:
    zh, en = ("", "") if case_id is None else (f" (如申请 {case_id})", f" (as {case_id})")
    return Damaged(
        f"申请所依据的规则 {hash_} 已不在数据库中{zh}; 请由备份恢复 definition 表中的这一行",
        f"the row {hash_} of definition, which applications are pinned to{en}, is gone; restore it from a backup",
    )
