"""`Service`: everything a face may ask for, over one database.

Writes go through the process's one writer and answer with replies to wait for; reads take their own snapshot.  Every
call carries the principal it is made for, and sees that principal's part of the organisation only.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import msgspec
import uuid6

from definitions.book import Book, NoRuleInForce, UnknownClass
from definitions.calendar import CalendarRangeError
from definitions.model import NATION, STEPS
from storage import Damaged, Database, Filter, KeyRow, OrgRow, StaffRow, Tx
from workflow.core import view
from workflow.core.commands import Submission, blank
from workflow.core.events import Principal, folded
from workflow.core.machine import CLOSED
from workflow.core.refusals import Refused, refuse
from workflow.core.times import BUSINESS_ZONE, Clock, business_date, write
from workflow.service import access, notices, rules
from workflow.service.calendar import YearView, year_view
from workflow.service.cases import Answer, Cases, Held, event_view, from_row
from workflow.service.evidence import check_records, evidence_row, not_yet
from workflow.service.health import AlertHealth, as_facts, of_alerts
from workflow.service.judging import Judging
from workflow.service.law import Calendars, Law
from workflow.service.writer import Direct, Reply, Writer

_T = TypeVar("_T")

MOST_PER_PAGE = 500

Progress = Callable[[int, int | None], object]
"""What long work is given to tell how far it is: so many done, of so many (None: unknown)."""

_LONGEST_SIGNATURE = 64

STATES = (*(f"{step}.{phase}" for step in STEPS for phase in ("waiting", "running")), *CLOSED)
"""What the state of an application may be."""


class SystemClock:
    """The machine's clock, in the business zone."""

    def now(self) -> dt.datetime:
        """The present moment."""
        return dt.datetime.now(BUSINESS_ZONE)


class Service:
    """One open database with its writer. Close it, or use it as a context manager."""

    def __init__(self, database: Database, book: Book, clock: Clock, *, one_caller: bool = False) -> None:
        self.database = database
        self.clock = clock
        self.law = Law(book)
        self.calendars = Calendars()
        self.cases = Cases(self.law, self.calendars, clock, lambda: str(uuid6.uuid7()))
        self.judging = Judging(self.law, self.calendars, clock)
        self.writer: Writer | Direct = Direct(database) if one_caller else Writer(database)
        # Whoever counts by a damaged calendar is refused then; `verify` and `doctor`, which say so, are not.
        with database.read() as tx, suppress(Damaged):
            self.calendars.refresh(tx)

    @classmethod
    def open(
        cls, url: str | Path, *, book: Book | None = None, clock: Clock | None = None, one_caller: bool = False
    ) -> Self:
        """Open a migrated database. `one_caller`: commands come one after the other and share no commits. Raises
        StorageError (NotMigrated when `init` is still to be run)."""
        return cls(Database.open(url), book or rules.book(), clock or SystemClock(), one_caller=one_caller)

    def close(self) -> None:
        """Finish what is queued, then close the database."""
        self.writer.close()
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @property
    def today(self) -> dt.date:
        """The present date in the business zone (Asia/Shanghai)."""
        return business_date(self.clock.now())

    def transact(self, work: Callable[[Tx], _T], *, case_id: str | None = None) -> _T:
        """What `work` answers, done by the writer in one transaction; it may be begun more than once. `case_id`: the
        application whose row it locks, so that its turn comes with the commands on it. Raises what `work` raises, and
        StorageError."""
        return self.queue(work, case_id=case_id).result()

    def queue(self, work: Callable[[Tx], _T], *, case_id: str | None = None) -> Reply[_T]:
        """As `transact`, for who does not wait, or waits in an event loop. Raises StorageUnavailable once closed."""
        return self.writer.submit((2, "") if case_id is None else (0, case_id), work)

    # Applications: writing

    def submit(self, principal: Principal, submission: Submission, key: str | None = None) -> Reply[Answer]:
        """A new application. Raises Refused `not-permitted` at once; everything else comes with the answer."""
        access.check_command(self.law.roles, principal, "submit")
        return self.writer.submit(
            (1, submission.org or principal.org or ""),
            lambda tx: self.cases.submission(tx, principal, submission, key),
        )

    def command(
        self,
        principal: Principal,
        case_id: str,
        command: Any,
        key: str | None = None,
        if_match: Collection[int] | None = None,
    ) -> Reply[Answer]:
        """A command on an application; `if_match`: only while it is at one of these versions. Raises Refused
        `not-permitted` at once."""
        access.check_command(self.law.roles, principal, command.command)
        return self.writer.submit(
            (0, case_id), lambda tx: self.cases.command(tx, principal, case_id, command, key=key, if_match=if_match)
        )

    # Applications: reading

    def _case(self, tx: Tx, principal: Principal, case_id: str) -> Held:
        access.check_reads(self.law.roles, principal, "applications")
        self.calendars.refresh(tx)
        return self.cases.load(tx, principal, case_id)

    def application(self, principal: Principal, case_id: str) -> Answer:
        """One application. Raises Refused."""
        with self.database.read() as tx:
            held = self._case(tx, principal, case_id)
            shown = view.application(self.calendars.current(), held.definition, held.state, self.today, held.timers)
            shown["successors"] = self._successors(tx, held)
            known = self.judging.known_to(tx, principal, case_id)
            if known is not None:
                shown["findings"] = known
        return Answer(case_id, held.state.version, render=lambda: msgspec.json.encode(shown))

    def _successors(self, tx: Tx, held: Held) -> list[dict[str, Any]]:
        if not held.state.closed:
            return []
        return [
            {"id": row.id, "application_no": row.application_no, "submitted_at": row.submitted_at, "state": row.state}
            for row in tx.successors(held.row)
        ]

    def applications(
        self,
        principal: Principal,
        *,
        state: str | None = None,
        user_class: str | None = None,
        manager: str | None = None,
        org: str | None = None,
        region: str | None = None,
        external_id: str | None = None,
        due_before: dt.date | None = None,
        overdue: bool | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> dict[str, Any]:
        """A page of applications, newest first: `{"items": […], "next": cursor or None}`. `overdue`: only those with a
        running timer whose remaining days are negative. Raises Refused, also for a state, a class or a unit that does
        not exist: an empty list would say that nothing is there."""
        access.check_reads(self.law.roles, principal, "applications")
        _among("state", state, STATES)
        _among("user_class", user_class, self.law.book.classes)
        limit = max(1, min(limit, MOST_PER_PAGE))
        today = self.today
        with self.database.read() as tx:
            access.check_narrowing(tx, org)
            calendar = self.calendars.refresh(tx)
            filters = Filter(
                scope=principal.org,
                org=org,
                region=region,
                state=state,
                user_class=user_class,
                manager=manager,
                external_id=external_id,
                due_before=None if due_before is None else due_before.isoformat(),
                # Negative remaining days: a working day lies between the due date and today.
                overdue_before=calendar.last_working_on_or_before(today).isoformat() if overdue else None,
                not_overdue_from=calendar.last_working_on_or_before(today).isoformat() if overdue is False else None,
            )
            rows = tx.list_applications(filters, before=cursor, limit=limit + 1)
            held = [self.cases.held(tx, row) for row in rows[:limit]]
        items = [view.application(calendar, one.definition, one.state, today, one.timers) for one in held]
        return {"items": items, "next": rows[limit - 1].id if len(rows) > limit else None}

    def events(self, principal: Principal, case_id: str) -> dict[str, Any]:
        """The history of a case with its hashes. Raises Refused."""
        access.check_reads(self.law.roles, principal, "events")
        with self.database.read() as tx:
            held = self._case(tx, principal, case_id)
            rows = tx.events(case_id)
        waiting = {pending.event: pending.kind for pending in held.state.pending}
        items = []
        for row in rows:
            shown = event_view(from_row(row), (row.prev_hash, row.hash))
            shown["waiting_for_signature"] = waiting.get(row.case_seq)
            items.append(shown)
        return {"items": items, "next": None}

    def deadlines(self, principal: Principal, case_id: str) -> dict[str, Any]:
        """Every timer of a case as of today. Raises Refused."""
        with self.database.read() as tx:
            held = self._case(tx, principal, case_id)
        items = view.deadlines(self.calendars.current(), held.definition, held.state, self.today, held.timers)
        return {"items": items, "next": None}

    def documents(self, principal: Principal, case_id: str) -> dict[str, Any]:
        """The closed lists and what was provided. Raises Refused."""
        with self.database.read() as tx:
            held = self._case(tx, principal, case_id)
        return view.documents(held.definition, held.state)

    def explain(self, principal: Principal, case_id: str) -> dict[str, Any]:
        """怎么算的: the day-by-day account of every due date. Raises Refused."""
        with self.database.read() as tx:
            held = self._case(tx, principal, case_id)
        items = view.explain(self.calendars.current(), held.definition, held.state, self.today)
        return {"items": items, "next": None}

    # Keys

    def authenticate(self, secret: str) -> Principal | None:
        """Who a key belongs to; None when it is unknown or revoked."""
        with self.database.read() as tx:
            row = tx.key(access.hash_of(secret))
        if row is None or row.revoked_at is not None:
            return None
        return Principal(row.name, row.role, row.org)

    def create_key(self, name: str, role: str, org: str | None = None) -> dict[str, Any]:
        """A new key; its secret is in the answer and nowhere else. Raises Refused for a name that signs nothing
        legible or that is another's but for its spelling, an unknown role or unit."""
        if blank(name) or len(name) > _LONGEST_SIGNATURE or not name.isprintable():
            raise refuse(
                "malformed-request",
                f"请写明密钥归谁所有: 1 至 {_LONGEST_SIGNATURE} 个可见字符, 不含换行; 事件以此署名",
                f"Say whose key it is in 1 to {_LONGEST_SIGNATURE} visible characters on one line; events carry it",
            )
        known = [code for code, rule in self.law.roles.items() if not rule.public]
        if role not in known:
            raise refuse(
                "malformed-request",
                f"没有角色 {role}; 可用: {'、'.join(known)}",
                f"There is no role {role}; use one of {', '.join(known)}",
            )
        secret, hashed = access.new_secret()
        row = KeyRow(str(uuid6.uuid7()), name, hashed, role, org, write(self.clock.now()), None)

        def work(tx: Tx) -> None:
            if org is not None:
                access.known_org(tx, org)
            for other in tx.keys():  # noqa: SIM118  # rows of a table, not keys of a dict
                if other.name != name and folded(other.name) == folded(name):
                    raise _one_person(name, other.name)
            tx.add_key(row)

        self.transact(work)
        return {"key": secret, "id": row.id, "name": name, "role": role, "org": org}

    def keys(self) -> list[dict[str, Any]]:
        """All keys, without their secrets."""
        with self.database.read() as tx:
            return [
                {"id": k.id, "name": k.name, "role": k.role, "org": k.org, "created_at": k.created_at,
                 "revoked_at": k.revoked_at}
                for k in tx.keys()  # noqa: SIM118  # rows of a table, not keys of a dict
            ]  # fmt: skip

    def revoke_key(self, which: str) -> int:
        """Revoke the key with this id, or all of that name; how many were revoked. Raises Refused when none is."""
        now = write(self.clock.now())

        def work(tx: Tx) -> int:
            ids = [k.id for k in tx.keys() if which in (k.id, k.name)]  # noqa: SIM118  # rows of a table
            return sum(tx.revoke_key(one, now) for one in ids)

        revoked = self.transact(work)
        if not revoked:
            raise refuse("not-found", f"没有可吊销的密钥 {which}", f"There is no key {which} to revoke")
        return revoked

    # Organisation

    def put_orgs(self, rows: list[OrgRow]) -> None:
        """Insert or replace units. Raises StorageError for an unknown parent or a circle."""
        self.transact(lambda tx: tx.put_orgs(rows))

    def put_staff(self, rows: list[StaffRow]) -> None:
        """Insert or replace staff. Raises Refused for an unknown unit."""

        def work(tx: Tx) -> None:
            for code in {row.org for row in rows}:
                access.known_org(tx, code)
            tx.put_staff(rows)

        self.transact(work)

    # The working calendar

    def import_notice(
        self,
        principal: Principal,
        source: Path | str,
        progress: Callable[[int, int | None], object] = lambda *_: None,
    ) -> notices.Imported:
        """Bring the notices of a YAML file (`Path`) or text in, and recount the open deadlines they move, with an event
        in the history of each changed case. Raises NoticeError with file and line, Refused."""
        return notices.import_notice(self, principal, source, progress)

    # Evidence of other systems

    def receive_evidence(self, principal: Principal, records: list[Any]) -> list[dict[str, Any]]:
        """Keep records of other systems (rows of the replay contract); each is answered accepted or rejected with the
        reason. The `case_id` of a record is the id of an application or its number. A record delivered twice is kept
        once. The cases are judged with them. Raises Refused."""
        access.check_administers(self.law.roles, principal, "evidence")
        checked = check_records(records)
        now = self.clock.now()
        self.judging.prepare()  # not while others wait to write

        def work(tx: Tx) -> list[dict[str, Any]]:
            answers, touched = [], []
            names = {record["case_id"] for record, reason in checked if reason is None}
            rows = {name: tx.case(name) or tx.case_by_number(name) for name in names}
            # Before what hangs on them, as whoever judges does: in another order two would wait for each other.
            tx.lock_cases(row.id for row in rows.values() if row is not None)
            for record, reason in checked:
                if reason is not None:
                    answers.append({"accepted": False, "reason": reason})
                    continue
                row = rows[record["case_id"]]
                if row is None or not access.sees(tx, principal, row.org):
                    answers.append({"accepted": False, "reason": "没有这个申请 / no such application"})
                    continue
                ahead = self.law.pinned(tx, row.definition_hash).late.client_ahead_seconds
                if reason := not_yet(record, now + dt.timedelta(seconds=ahead)):
                    answers.append({"accepted": False, "reason": reason})
                    continue
                told = {**record, "case_id": row.id}
                fresh = tx.add_evidence(evidence_row(str(uuid6.uuid7()), row.id, told, write(now), principal.who))
                answers.append({"accepted": True, "duplicate": not fresh})
                if fresh:
                    touched.append(row.id)
            self.judging.arrived(tx, touched)
            return answers

        return self.transact(work)

    # What applies

    def definition(self, user_class: str, on: dt.date | None = None, region: str | None = None) -> dict[str, Any]:
        """The definition of a class in force on `on` (default today) in `region` (default national). Raises Refused."""
        day = on or self.today
        try:
            found = self.law.resolve(on=day, region=region or NATION, user_class=user_class)
        except UnknownClass as error:
            raise refuse(
                "not-found", f"没有用户类别 {user_class[:64]}", f"There is no user class {user_class[:64]}"
            ) from error
        except NoRuleInForce as error:
            raise refuse(
                "no-rule-in-force",
                f"{day} 没有适用的全国规定 (自 2021-01-01 起施行)",
                f"No national rule was in force on {day} (they apply from 2021-01-01)",
            ) from error
        built: dict[str, Any] = msgspec.to_builtins(found, builtin_types=(dt.date, dt.time))
        return built

    def calendar_year(self, year: int) -> YearView:
        """A year of the working calendar. Raises Refused when the calendar does not reach it."""
        with self.database.read() as tx:
            calendar = self.calendars.refresh(tx)
        try:
            return year_view(year, calendar=calendar)
        except CalendarRangeError as error:
            zh, _, en = str(error).partition(" / ")
            raise refuse("not-found", zh, en or zh) from error

    # Health

    def health(self) -> dict[str, Any]:
        """What the process says of itself, without asking the database."""
        return {
            "alive": True,
            "writer": self.writer.alive(),
            "queued": self.writer.waiting(),
            "calendar_firm_until": self.calendars.current().firm_until,
        }

    def ready(self) -> tuple[bool, dict[str, Any]]:
        """Whether commands can be taken now, and the facts that say so."""
        calendar = self.calendars.current()
        facts: dict[str, Any] = {
            "writer": self.writer.alive(),
            "queued": self.writer.waiting(),
            "calendar_firm_until": calendar.firm_until,
            "database": self.database.dialect,
            "room": self.database.has_room(),
        }
        facts["schema"] = self.database.schema_is_current()
        if facts["schema"]:
            # A fact, and no condition: applications are driven without alerts.
            facts["alerts"] = as_facts(self.alert_health(counted=False))
        return bool(facts["writer"] and facts["schema"] and facts["room"]), facts

    def alert_health(self, *, counted: bool = True) -> AlertHealth:
        """How the sweeps and the outbox are doing. `counted`: with what takes longer the more alerts stand."""
        with self.database.read() as tx:
            calendar = self.calendars.refresh(tx)
            return of_alerts(tx, self.clock.now(), calendar.firm_until, counted=counted)


def _among(field: str, value: str | None, known: Iterable[str]) -> None:
    if value is not None and value not in known:
        values = ", ".join(known)
        raise access.parameter_refused("malformed-request", field, f"应为 {values} 之一", f"must be one of {values}")


def _one_person(name: str, other: str) -> Refused:
    return refuse(
        "malformed-request",
        f"已有密钥归「{other}」所有, 与「{name}」只差全半角、大小写或首尾空格, 一人会成为会签的两人; "
        f"是同一人请照写「{other}」, 不是请换一个分得清的名字",
        f"There is a key of '{other}', which differs from '{name}' only in width, case or blanks at the ends: one "
        f"person could sign as two. Write '{other}' as it stands for the same person, else another name",
    )
