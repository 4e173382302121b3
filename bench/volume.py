"""The rate at a million stored applications, beside the rate at a thousand.

The stored applications are copies of cases that the engine drove, under names of their own, with chains of their own,
so that the engine goes on with any of them.  Filling is done once; the file stays in `var/bench` until what a stored
case looks like changes.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import random
import secrets
import shutil
import sqlite3
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, NamedTuple

import definitions
import storage
import workflow
from bench.bulk import batches, filling, insert
from bench.cases import CLASSES, Case, Marks, SteadyClock
from bench.engine import CALLERS, START, prepared_database, tasks
from bench.recording import Names, Pattern, Standing, names_of, record
from bench.report import Section, Target, in_rounds
from storage import (
    GENESIS,
    CaseRow,
    Database,
    DeadlineRow,
    DefinitionRow,
    EventRow,
    Head,
    NewEvent,
    PersonalRow,
    Remembered,
    RoundRow,
    event_hash,
    personal_digest,
    verify_case,
)
from workflow.service import Service, SystemClock

FEW = 1_000
SHARES = {"residential": 60, "lv_zero": 20, "lv_other": 10, "hv_single": 7, "hv_dual": 3}
"""Percent of the stored applications, about as a province sees them."""

OPEN = 0.2
"""Share of the stored applications that are still open, each after a random command; rows of the whole table."""

SETS = 24
"""How many of each class the engine drives to copy from, one set after another over some nine months."""

SAMPLE = 1_000
"""How many chains are verified before a filled file is used."""

_POOL = 100_000
"""How many open applications, drawn at random, the commands are spread over; fewer when there are fewer."""

_WARM_UP = 300
_TABLES: dict[str, tuple[str, ...]] = {
    "application": CaseRow._fields,
    "event": EventRow._fields,
    "step_round": RoundRow._fields,
    "deadline": DeadlineRow._fields,
    "idempotency": Remembered._fields,
    "personal": PersonalRow._fields,
}

_CAME_AT = {"event": "recorded_at", "step_round": "started_at", "deadline": "due_on"}
"""By what the rows of a batch of applications are written in the order of time. In life weeks lie between the rows of
one application, and those of others come in between; written one application after the other they would fill every page
of the tables to the brim, and each later row would split one."""


class Mould(NamedTuple):
    """What copies are cast from: an application as it stood after one of its commands."""

    pattern: Pattern
    names: Names
    started: dt.datetime
    serial: tuple[str, int]
    salt: str
    person: tuple[str, str | None, str | None, str | None]


def fingerprint() -> str:
    """What decides what a stored case looks like, as a hash: rules, rows, core and this bench."""
    digest = hashlib.sha256()
    for package in (definitions, storage, workflow):
        root = Path(str(package.__file__)).parent
        kept = ("data", "models.py", "evidence.py", "core", "projection.py", "cases.py")
        for path in sorted(path for path in root.rglob("*") if path.suffix in (".py", ".yaml")):
            if any(part in kept for part in path.relative_to(root).parts):
                digest.update(path.read_bytes())
    for name in ("cases.py", "recording.py", "volume.py"):
        digest.update((Path(__file__).parent / name).read_bytes())
    return digest.hexdigest()[:12]


def moulds(folder: Path) -> tuple[dict[str, list[list[Mould]]], list[DefinitionRow]]:
    """By class: the moulds of each driven case, after its first command to after its last; and the definitions they are
    pinned to, as rows."""
    cast: dict[str, list[list[Mould]]] = {user_class: [] for user_class in CLASSES}
    path = folder / "moulds.db"
    prepared_database(path)
    marks = Marks(secrets.token_hex(4))
    clock = SteadyClock(START, dt.timedelta(hours=8))  # a set of five cases takes some eleven days
    with Service.open(path, clock=clock) as service:
        for _ in range(SETS):
            stages: dict[str, list[Mould]] = defaultdict(list)
            for case, standing in record(service, marks.cases(CLASSES, len(CLASSES))):
                stages[case.mark].append(_mould(case, standing))
                if case.turn == case.length:
                    cast[case.user_class].append(stages[case.mark])
        with service.database.read() as tx:
            published = list(tx.definitions())
    return cast, published


def _mould(case: Case, standing: Standing) -> Mould:
    own = names_of(case.mark, standing)
    row, person = standing.row, standing.personal
    # Each table's rows as a list, in the order of `_TABLES`.
    rows = [[row], standing.events, standing.rounds, standing.deadlines, standing.remembered[-1:], [person]]
    submitted = dt.datetime.fromisoformat(row.submitted_at)
    return Mould(
        Pattern(rows, own), own, submitted, (row.org or "", submitted.year), str(person.salt),
        (str(person.customer_id), person.customer_name, person.phone, person.address),
    )  # fmt: skip


def copies(cast: dict[str, list[list[Mould]]], many: int, serials: Counter[tuple[str, int]]) -> Iterator[list[Any]]:
    """`many` applications, oldest first, each as its rows by table. `serials` counts the numbers given out."""
    chance = random.Random(20260104)
    classes, weights = list(SHARES), list(SHARES.values())
    for number in range(many):
        stages = cast[chance.choices(classes, weights)[0]][number * SETS // many]
        mould = stages[chance.randrange(len(stages) - 1)] if chance.random() < OPEN else stages[-1]
        serials[mould.serial] += 1
        yield _copy(mould, number, serials[mould.serial])


def _copy(mould: Mould, number: int, serial: int) -> list[Any]:
    mark = f"stored{number:010d}"
    person = [value and value.replace(mould.names.mark, mark) for value in mould.person]
    # Version 7 begins with milliseconds: ids run as they do when the applications come in.
    stamp = f"{int(mould.started.timestamp() * 1000) + number:012x}"
    names = {
        "id": f"{stamp[:8]}-{stamp[8:]}-7000-8000-{number:012x}",
        "mark": mark,
        "number": f"{mould.names.number[:-6]}{serial:06d}",
        "digest": personal_digest(mould.salt, str(person[0]), *person[1:]),
    }
    rows: list[Any] = mould.pattern.fill(names)
    head, links = GENESIS, []
    for event in rows[1]:
        link = event_hash(event.case_id, event.case_seq, NewEvent(*event[2:8]), head)
        links.append(event._replace(prev_hash=head, hash=link))
        head = link
    rows[0] = [rows[0][0]._replace(head_hash=head)]
    rows[1] = links
    return rows


def fill(path: Path, many: int) -> float:
    """Write a database of `many` applications to `path`; the seconds it took. The file appears whole or not at all."""
    began = time.perf_counter()
    draft = path.with_suffix(".part")
    draft.unlink(missing_ok=True)
    prepared_database(draft)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        cast, published = moulds(Path(folder))
    serials: Counter[tuple[str, int]] = Counter()
    with filling(draft) as connection:
        insert(connection, "definition", DefinitionRow._fields, published)
        done = 0
        for batch in batches(copies(cast, many, serials)):
            for place, (table, fields) in enumerate(_TABLES.items()):
                rows = [row for case in batch for row in case[place]]
                if table in _CAME_AT:
                    rows.sort(key=_moment(fields.index(_CAME_AT[table])))
                insert(connection, table, fields, rows)
            done += len(batch)
            if sys.stderr.isatty():
                print(f"\r{done:,} of {many:,} applications", end="", file=sys.stderr)
        last = [(org, year, number) for (org, year), number in serials.items()]
        insert(connection, "serial", ("org", "year", "last"), last)
    if sys.stderr.isatty():
        print(file=sys.stderr)
    _check(draft)
    draft.replace(path)
    return time.perf_counter() - began


def _moment(place: int) -> Callable[[Any], str]:
    return lambda row: row[place] or ""


def _check(path: Path) -> None:
    """Verify the chains of a sample. Raises AssertionError with the first flaw."""
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute("SELECT id FROM application ORDER BY random() LIMIT ?", (SAMPLE,)).fetchall()
    with closing(Database.open(path)) as database, database.read() as tx:
        for (case_id,) in found:
            row = tx.case(case_id)
            head = None if row is None else Head(case_id, row.version, row.head_hash)
            flaw = verify_case(case_id, tx.events(case_id), head)
            if head is None or flaw is not None:
                raise AssertionError(f"{case_id}: {flaw}")


class Stored:
    """A filled database under the engine: commands on random open applications; for every one that is energised a new
    one is submitted, so that as many stay open."""

    def __init__(self, path: Path, stack: ExitStack) -> None:
        self._path = path
        self._marks = Marks(secrets.token_hex(4))
        self._chance = random.Random(20260104)
        with closing(sqlite3.connect(path)) as connection:
            open_cases = connection.execute(
                "SELECT id, user_class, state FROM application WHERE closed_at IS NULL ORDER BY random() LIMIT ?",
                (_POOL,),
            ).fetchall()
        self._pool = [self._marks.stored(*row) for row in open_cases]
        self._service = stack.enter_context(Service.open(path, clock=SystemClock()))

    def run(self, commands: int) -> float:
        """Give that many commands, as 32 tasks; commands per second."""
        classes = self._chance.choices(list(SHARES), list(SHARES.values()), k=commands)
        fresh = [self._marks.case(user_class) for user_class in classes]
        left = iter(range(commands))

        async def caller() -> None:
            case = None
            for _ in left:
                if case is None:
                    place = self._chance.randrange(len(self._pool))
                    self._pool[place], self._pool[-1] = self._pool[-1], self._pool[place]
                    case = self._pool.pop()
                case.take(await case.ask(self._service))
                if case.turn == case.length:
                    # The next command submits another one: both databases see as many endings as beginnings.
                    case = fresh.pop()
                else:
                    self._pool.append(case)
                    case = None
            if case is not None and case.turn:
                self._pool.append(case)

        async def all_callers() -> float:
            began = time.perf_counter()
            await asyncio.gather(*(caller() for _ in range(CALLERS)))
            return time.perf_counter() - began

        return commands / asyncio.run(all_callers())

    def drive(self, cases: int) -> float:
        """Drive new six-step cases from submission to energisation, as 32 tasks; commands per second."""
        return tasks(self._service, self._marks.cases(("hv_single",), cases))

    @property
    def count(self) -> int:
        """The applications stored."""
        with closing(sqlite3.connect(self._path)) as connection:
            return int(connection.execute("SELECT count(*) FROM application").fetchone()[0])

    @property
    def size(self) -> int:
        """The bytes on disk."""
        return sum(part.stat().st_size for part in self._path.parent.glob(f"{self._path.name}*"))


def section(folder: Path, kept: Path, *, stored: int, quick: bool) -> Section:
    """Measure, filling a database of `stored` applications under `kept` unless it is there."""
    made = Section("Rate by stored volume, 32 callers", f"python -m bench --only volume --stored {stored}")
    commands, cases, rounds = (600, 40, 2) if quick else (3_000, 200, 5)
    path = kept / f"stored-{stored}-{fingerprint()}.db"
    if path.exists():
        made.notes.append("filled by an earlier run")
    else:
        for old in kept.glob(f"stored-{stored}-*"):
            old.unlink()
        made.add("filling, engine-made cases copied in bulk", fill(path, stored), "seconds")
    few_path = folder / "few.db"
    fill(few_path, FEW)

    def at_few(measure: Callable[[Stored], float]) -> Callable[[], float]:
        def run() -> float:
            # A fresh copy for every round, or a thousand would soon be several.
            copy = Path(shutil.copyfile(few_path, folder / "few-copy.db"))
            with ExitStack() as stack:
                few = Stored(copy, stack)
                few.run(_WARM_UP)
                return measure(few)

        return run

    with ExitStack() as stack:
        many = Stored(path, stack)

        def at_many(measure: Callable[[Stored], float]) -> Callable[[], float]:
            def run() -> float:
                many.run(_WARM_UP)
                return measure(many)

            return run

        works: dict[str, Callable[[Stored], float]] = {
            "new six-step cases": lambda held: held.drive(cases),
            "random open applications": lambda held: held.run(commands),
        }
        ways = {
            f"{work}, {beside:,} stored": at(measure)
            for work, measure in works.items()
            for beside, at in ((FEW, at_few), (stored, at_many))
        }
        found = in_rounds(ways, rounds)
        made.add("applications in the larger database at the end", many.count, "number")
        made.add("the larger database on disk", many.size, "MiB")
    for name, spread in found.items():
        made.add(name, spread.median, "commands/s")
    for work in works:
        fewer, more = (found[f"{work}, {beside:,} stored"].median for beside in (FEW, stored))
        made.add(f"{work}: the larger, of the smaller", more / fewer, "share", Target(0.8))
    made.notes += [
        f"lowest to highest of {rounds} rounds: " + "; ".join(f"{way} {spread}" for way, spread in found.items()),
        "stored: " + ", ".join(f"{name} {share} %" for name, share in SHARES.items()) + f"; {OPEN:.0%} of them open",
    ]
    return made
