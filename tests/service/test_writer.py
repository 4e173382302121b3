"""Many callers, one writer: nobody loses a command, nobody pays for another's fault, a full disk is survived."""

from __future__ import annotations

import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing
from typing import Any

import pytest

from storage import Contention, Database, StorageUnavailable, Tx, verify
from tests.core.driver import shipped_book
from tests.service.conftest import CLERK, Desk, refused
from workflow.core.events import Principal
from workflow.service import Refused, Service
from workflow.service.writer import Direct, Reply, Writer

THREADS = 32


def test_thirty_two_callers_on_the_same_and_on_different_cases(desk: Desk):
    shared = desk.submit("residential", 0).case_id
    assert shared is not None
    barrier = threading.Barrier(THREADS)
    outcomes: Counter[str] = Counter()

    def caller(number: int) -> list[str | None]:
        barrier.wait(30)
        own = desk.submit("lv_other", number + 1, key=f"s{number}")
        assert own.refusal is None
        answers = [
            # Everybody wants to finish acceptance of the shared case: one can.
            desk.do(shared, "complete_step", step="acceptance"),
            # Everybody tells of the same delivery under one key each, twice.
            desk.do(shared, "notify", notice="hotlines", key=f"n{number}"),
            desk.do(shared, "notify", notice="hotlines", key=f"n{number}"),
            desk.do(own.case_id, "complete_step", step="acceptance"),
            desk.do(own.case_id, "complete_step", step="metering"),
        ]
        outcomes.update(f"{index}:{refused(answer)}" for index, answer in enumerate(answers))
        return [own.case_id, str(answers[2].replayed)]

    with ThreadPoolExecutor(THREADS) as pool:
        found = list(pool.map(caller, range(THREADS)))
    assert len({case_id for case_id, _ in found}) == THREADS
    assert {replayed for _, replayed in found} == {"True"}
    assert outcomes == {
        "0:None": 1, "0:transition-not-allowed": THREADS - 1, "1:None": THREADS, "2:None": THREADS,
        "3:None": THREADS, "4:transition-not-allowed": THREADS,
    }  # fmt: skip
    # submitted + completed + one notice each
    assert desk.shown(shared)["version"] == 2 + THREADS
    assert len(desk.shown(shared)["notices"]) == THREADS
    numbers = sorted(one["application_no"] for one in desk.service.applications(CLERK, limit=100)["items"])
    assert numbers == [f"BZ-2024-{n:06}" for n in range(1, THREADS + 2)]
    assert desk.disagreeing() == []
    with desk.service.database.read() as tx:
        assert verify(tx).holds


def test_two_who_saw_the_same_version_one_wins(desk: Desk):
    case_id = desk.submit("residential").case_id
    assert case_id is not None
    command = {"command": "notify", "notice": "hotlines"}
    futures = [desk.start(case_id, command, if_match=1) for _ in range(8)]
    codes = Counter(refused(future.result(30)) for future in futures)
    assert codes == {None: 1, "stale-version": 7}


class Held:
    """Keeps the writer busy, so that what is handed in meanwhile makes one batch."""

    def __init__(self, writer: Writer | Direct) -> None:
        self.entered, self.release = threading.Event(), threading.Event()
        self.future = writer.submit((0, ""), self._wait)
        assert self.entered.wait(30)

    def _wait(self, _: Tx) -> None:
        self.entered.set()
        assert self.release.wait(30)


def test_one_bad_job_is_rolled_back_and_harms_nobody(desk: Desk):
    writer = desk.service.writer
    held = Held(writer)

    def bad(tx: Tx) -> None:
        tx.put_setting("bad", "written")
        raise RuntimeError("a fault of the program")

    def good(number: int) -> Reply[Any]:
        return writer.submit((0, f"g{number}"), lambda tx: tx.put_setting(f"good{number}", "1"))

    futures = [good(1), writer.submit((0, "g2"), bad), good(3)]
    submitted = desk.service.submit(CLERK, desk.body("residential"))
    held.release.set()
    with pytest.raises(RuntimeError, match="a fault of the program"):
        futures[1].result(30)
    for future in (futures[0], futures[2]):
        future.result(30)
    assert submitted.result(30).refusal is None
    with desk.service.database.read() as tx:
        assert [tx.setting(name) for name in ("good1", "bad", "good3")] == ["1", None, "1"]
    assert writer.alive()
    assert desk.disagreeing() == []


def test_a_definition_is_published_with_the_case_even_after_a_rollback(desk: Desk):
    """What the service remembers having published must be there although the first try was undone."""
    held = Held(desk.service.writer)
    submitted = desk.service.submit(CLERK, desk.body("hv_dual"))

    def bad(_: Tx) -> None:
        raise RuntimeError("after the submission, in the same transaction")

    spoilt = desk.service.writer.submit((9, "last"), bad)
    held.release.set()
    case_id = submitted.result(30).case_id
    assert case_id is not None
    with pytest.raises(RuntimeError):
        spoilt.result(30)
    pinned = desk.shown(case_id)["definition"]["hash"]
    with desk.service.database.read() as tx:
        assert tx.definition(pinned) is not None


def test_a_full_disk_is_said_so_and_survived(sqlite_desk: Desk):
    desk, number = sqlite_desk, 0

    def room(more_pages: int) -> None:
        """The limit belongs to the connection, and that to the writer's thread."""

        def work(_: Tx) -> None:
            driver = desk.service.database._writer().driver
            (pages,) = driver.execute("PRAGMA page_count").fetchone()
            driver.execute(f"PRAGMA max_page_count = {pages + more_pages}")

        desk.service.writer.submit((0, ""), work).result(30)

    room(20)
    taken: list[str | None] = []

    def fill() -> None:
        nonlocal number
        while len(taken) < 1000:
            number += 1
            taken.append(desk.submit("residential", number, key=f"k{number}").case_id)

    with pytest.raises(StorageUnavailable):
        fill()
    assert taken
    assert desk.disagreeing() == []
    assert [desk.shown(case_id)["id"] for case_id in taken] == taken
    room(10_000)
    # Asked again under the same key, it is there once.
    answer = desk.submit("residential", number, key=f"k{number}")
    assert (answer.refusal, answer.replayed) == (None, False)
    assert len(desk.service.applications(CLERK, limit=500)["items"]) == len(taken) + 1
    assert desk.disagreeing() == []


@pytest.fixture
def kept_waiting(sqlite_url: str):
    """A writer whose database another program holds, and how often it has asked for its turn."""
    turns: list[None] = []
    with closing(Database.open(sqlite_url, lock_seconds=0.05)) as database, closing(Writer(database)) as writer:
        write = database.write

        def counted() -> AbstractContextManager[Tx]:
            turns.append(None)
            return write()

        database.write = counted  # type: ignore[method-assign,assignment]  # to count
        with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            yield writer, turns


def test_whom_another_writer_lets_not_in_is_told_at_once_alone_or_with_others(kept_waiting):
    writer, turns = kept_waiting
    with pytest.raises(Contention):
        writer.submit((1, ""), lambda tx: None).result(30)
    assert len(turns) == 1
    jobs = [Reply((1, str(number)), lambda tx: None) for number in range(3)]
    writer._together(jobs)
    for job in jobs:
        with pytest.raises(Contention):
            job.result(0)
    assert len(turns) == 2


def test_who_stood_in_the_way_is_not_waited_for_without_end(monkeypatch: pytest.MonkeyPatch, sqlite_desk: Desk):
    monkeypatch.setattr("workflow.service.writer.SECONDS_TO_RETRY", -1)
    runs: list[None] = []

    def overtaken(tx: Tx) -> None:
        runs.append(None)
        raise Contention("另一个操作", "another")

    with pytest.raises(Contention):
        sqlite_desk.service.writer.submit((1, ""), overtaken).result(30)
    assert len(runs) == 1


def test_a_stopped_service_takes_nothing_more(sqlite_url: str, clock):
    service = Service.open(sqlite_url, book=shipped_book(), clock=clock)
    desk = Desk(service, clock)
    held = Held(service.writer)
    queued = service.submit(CLERK, desk.body("residential"))
    closing = threading.Thread(target=service.close)
    closing.start()
    held.release.set()
    closing.join(30)
    # What had been handed in before was finished.
    assert queued.result(1).refusal is None
    with pytest.raises(StorageUnavailable):
        desk.submit("residential", 2)


def test_a_command_refused_by_the_role_never_reaches_the_writer(sqlite_desk: Desk):
    waiting = sqlite_desk.service.writer.waiting()
    with pytest.raises(Refused):
        sqlite_desk.service.submit(Principal("i", "inspector"), sqlite_desk.body("residential"))
    assert sqlite_desk.service.writer.waiting() == waiting


@pytest.fixture
def lone(sqlite_url: str, clock) -> Iterator[Desk]:
    with Service.open(sqlite_url, book=shipped_book(), clock=clock, one_caller=True) as service:
        yield Desk(service, clock)


def test_one_caller_has_his_answer_when_he_has_handed_his_work_in(lone: Desk):
    reply = lone.service.submit(CLERK, lone.body("residential"), "k1")
    assert reply.done()
    case_id = reply.result(0).case_id
    assert lone.do(case_id, "complete_step", step="acceptance").refusal is None
    assert lone.do(case_id, "complete_step", step="metering").refusal is None
    assert lone.shown(case_id)["state"] == "energised"
    assert lone.submit("residential", key="k1").case_id == case_id
    assert lone.disagreeing() == []


def test_what_fails_for_one_caller_is_undone_and_told_with_the_reply(lone: Desk):
    def bad(tx: Tx) -> None:
        tx.put_setting("bad", "written")
        raise RuntimeError("a fault of the program")

    reply = lone.service.writer.submit((2, ""), bad)
    with pytest.raises(RuntimeError, match="a fault of the program"):
        reply.result(0)
    with lone.service.database.read() as tx:
        assert tx.setting("bad") is None
    assert lone.submit("residential").refusal is None


def test_two_threads_of_a_service_for_one_caller_take_turns(lone: Desk):
    def caller(number: int) -> str | None:
        return lone.submit("lv_other", number, key=f"k{number}").case_id

    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(caller, range(40)))
    assert len(found) == 40
    assert None not in found
    assert lone.disagreeing() == []


def test_a_closed_service_of_one_caller_takes_nothing_more(sqlite_url: str, clock):
    service = Service.open(sqlite_url, book=shipped_book(), clock=clock, one_caller=True)
    assert service.writer.alive()
    service.close()
    assert not service.writer.alive()
    with pytest.raises(StorageUnavailable):
        Desk(service, clock).submit("residential")
