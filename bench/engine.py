"""Durable commands per second through the engine, beside a bare `sqlite3` loop writing the same rows."""

from __future__ import annotations

import asyncio
import datetime as dt
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from bench.bare import Bare, ThroughStorage, prepare
from bench.cases import CLASSES, UNITS, Case, Marks, SteadyClock, in_turn
from bench.recording import Names, Pattern, Written, again, record, written
from bench.report import Section, Spread, Target, in_rounds
from storage import Database, OrgRow
from workflow.core.times import BUSINESS_ZONE
from workflow.service import Service

CALLERS = 32
START = dt.datetime(2025, 3, 3, 9, tzinfo=BUSINESS_ZONE)

Drive = Callable[[Service, Sequence[Case]], float]


def prepared_database(path: Path) -> None:
    """A new database with the units the applications belong to."""
    units = [OrgRow(code, "city", "county", code, None, "420102") for code in UNITS]
    with closing(Database.open(path, migrate=True)) as database, database.write() as tx:
        tx.put_orgs([OrgRow("city", None, "city", "city", None, "420100"), *units])


@contextmanager
def engine(path: Path, *, one_caller: bool = False) -> Iterator[Service]:
    """The engine over a new database, on a clock of its own that moves on by ten minutes a command."""
    prepared_database(path)
    clock = SteadyClock(START, dt.timedelta(minutes=10))
    with Service.open(path, clock=clock, one_caller=one_caller) as service:
        yield service


def one_at_a_time(service: Service, cases: Sequence[Case]) -> float:
    """A single caller, who waits for every answer; commands per second."""
    began = time.perf_counter()
    commands = _drive(service, cases)
    return commands / (time.perf_counter() - began)


def _drive(service: Service, cases: Sequence[Case]) -> int:
    commands = 0
    for case in in_turn(cases):
        case.take(case.ask(service).result())
        commands += 1
    return commands


def threads(service: Service, cases: Sequence[Case]) -> float:
    """32 callers, each a thread that waits for its answers; commands per second."""
    failed: list[BaseException] = []

    def caller(mine: Sequence[Case]) -> None:
        try:
            _drive(service, mine)
        except BaseException as error:
            failed.append(error)
            raise

    parts = [cases[number::CALLERS] for number in range(CALLERS)]
    callers = [threading.Thread(target=caller, args=(part,)) for part in parts]
    began = time.perf_counter()
    for one in callers:
        one.start()
    for one in callers:
        one.join()
    seconds = time.perf_counter() - began
    if failed:
        raise failed[0]
    return sum(case.length for case in cases) / seconds


def tasks(service: Service, cases: Sequence[Case], *, render: bool = False) -> float:
    """32 callers, each a task of one event loop, as the HTTP face asks; commands per second. `render`: the answer is
    written out as JSON as well."""

    async def caller(mine: Sequence[Case]) -> None:
        for case in in_turn(mine):
            answer = await case.ask(service)
            case.take(answer)
            if render and not answer.body:
                raise AssertionError("an answer without a body")

    async def all_callers() -> float:
        parts = [cases[number::CALLERS] for number in range(CALLERS)]
        began = time.perf_counter()
        await asyncio.gather(*(caller(part) for part in parts))
        return time.perf_counter() - began

    seconds = asyncio.run(all_callers())
    return sum(case.length for case in cases) / seconds


class _Beside:
    """The engine and the bare loop, each over a database of its own, writing the same kind of cases."""

    def __init__(self, folder: Path, classes: Sequence[str], many: int, stack: ExitStack) -> None:
        self._classes, self._many = classes, many
        self._marks = Marks(secrets.token_hex(4))
        self._service = stack.enter_context(engine(folder / "engine.db"))
        self._lone = stack.enter_context(engine(folder / "lone.db", one_caller=True))
        self._bare = stack.enter_context(closing(Bare(folder / "bare.db")))
        self._storage = stack.enter_context(closing(ThroughStorage(folder / "storage.db")))
        steps = written(record(self._service, self._marks.cases(classes, many)))
        self._recorded: list[tuple[Pattern, Names]] = [(Pattern(one, own), own) for own, one in steps]
        self.rows = sum(_rows(one) for _, one in steps) / len(steps)

    def _again(self) -> list[Written]:
        return again(self._recorded, secrets.token_hex(4))

    def _engine(self, drive: Drive, service: Service | None = None) -> Callable[[], float]:
        return lambda: drive(service or self._service, self._marks.cases(self._classes, self._many))

    def _by_bare(self, per_commit: int) -> Callable[[], float]:
        return lambda: self._bare.run(prepare(self._again()), per_commit)

    def measure(self, rounds: int) -> dict[str, Spread]:
        """Commands per second of every way."""
        ways: dict[str, Callable[[], float]] = {
            "bare sqlite3, one commit a command": self._by_bare(1),
            "engine, one at a time": self._engine(one_at_a_time, self._lone),
            "engine, one at a time, opened for many callers": self._engine(one_at_a_time),
            "engine, 32 tasks": self._engine(tasks),
            "engine, 32 threads": self._engine(threads),
            "engine, 32 tasks, answers rendered": self._engine(lambda s, c: tasks(s, c, render=True)),
            "storage alone, one commit a command": lambda: self._storage.run(self._again()),
            "storage alone, 32 commands a commit": lambda: self._storage.run(self._again(), CALLERS),
            "bare sqlite3, 32 commands a commit": self._by_bare(CALLERS),
        }
        return in_rounds(ways, rounds)


def _rows(one: Written) -> int:
    rest = 1 if one.personal is None else 3  # the application; with a submission also its person and the serial number
    return rest + 1 + len(one.events) + len(one.rounds) + len(one.deadlines)


def section(folder: Path, *, quick: bool) -> Section:
    """Measure."""
    made = Section("Durable commands through the engine (SQLite, synchronous=FULL)", "python -m bench --only engine")
    many, rounds = (40, 2) if quick else (200, 7)
    for name, classes in (("six steps", ("hv_single",)), ("all classes", CLASSES)):
        place = folder / name.replace(" ", "-")
        place.mkdir()
        with ExitStack() as stack:
            beside = _Beside(place, classes, many, stack)
            found = beside.measure(rounds)
            made.notes.append(
                f"{name}: {beside.rows:.1f} rows a command; lowest to highest of {rounds} rounds: "
                + "; ".join(f"{way} {spread}" for way, spread in found.items())
            )
        for way, spread in found.items():
            made.add(f"{name}: {way}", spread.median, "commands/s")
        bare = found["bare sqlite3, one commit a command"].median
        for way, bound in (("one at a time", 0.4), ("32 tasks", 1.0)):
            share = found[f"engine, {way}"].median / bare
            made.add(f"{name}: engine, {way}, of the bare loop", share, "share", Target(bound))
    made.notes.append(
        "32 callers: judged on tasks of one event loop, which is how the HTTP face asks; with threads, waking them "
        "is part of the figure"
    )
    made.notes.append(
        "one at a time: judged in a process of one caller, which the command line and the imports are; opened for many "
        "callers, as a server is, a lone one also pays for handing his work to the thread that writes"
    )
    return made
