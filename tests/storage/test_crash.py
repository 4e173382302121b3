"""What is acknowledged is there, and nothing is there by half: kill, crash, full disk, many writers."""

# ruff: noqa: PT012  # what raises here is the end of the transaction, and what led to it belongs inside

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from storage import Contention, Database, OutcomeUnknown, StorageUnavailable, verify
from tests.storage.samples import store
from tests.storage.worker import SHARED, prepare

ROOT = Path(__file__).parents[2]


def worker(url: str, name: str, count: int, *more: str) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-m", "tests.storage.worker", url, name, str(count), *more]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, cwd=ROOT)


@contextmanager
def killed(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    with process:
        try:
            yield process
        finally:
            process.kill()


def assert_whole(database: Database, acknowledged: list[str]) -> list[str]:
    """Every acknowledged command is there, once; every case agrees with its events. Returns all commands there."""
    with database.read() as tx:
        found = verify(tx)
        assert found.holds, found
        keys = [row.payload.strip('"') for row in tx.all_events() if row.payload.startswith('"')]
        assert len(keys) == len(set(keys))
        assert set(acknowledged) <= set(keys)
        assert all(tx.remembered("worker", key) is not None for key in keys)
        for case_id in SHARED:
            case = tx.case(case_id)
            assert case is not None
            assert [row.round for row in tx.rounds(case_id)] == list(range(3, case.version + 1, 2))
            assert [row.budget for row in tx.deadlines(case_id)] == ([case.version] if case.version > 1 else [])
    return keys


def test_killed_inside_a_transaction_nothing_of_it_remains(database: Database, database_url: str):
    prepare(database)
    with killed(worker(database_url, "a", 4, "halt")) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline().strip() for _ in range(4)]
    assert lines == ["a-0", "a-1", "a-2", "inside"]
    assert assert_whole(database, lines[:3]) == ["a-0", "a-1", "a-2"]
    with database.write() as tx:  # and whoever was waiting goes on
        assert tx.next_serial("wuhan", 2026) == 4


@pytest.mark.parametrize("after", [1, 20, 55])
def test_killed_at_any_moment_nothing_acknowledged_is_lost(database: Database, database_url: str, after):
    prepare(database)
    with killed(worker(database_url, "a", 100_000)) as process:
        assert process.stdout is not None
        acknowledged = [process.stdout.readline().strip() for _ in range(after)]
        process.kill()
        acknowledged += process.stdout.read().split()
    done = assert_whole(database, acknowledged)
    assert len(done) - len(acknowledged) in (0, 1)  # the last one may have been committed and not yet told


def test_four_processes_on_the_same_cases(database: Database, database_url: str):
    prepare(database)
    processes = [worker(database_url, name, 30) for name in "abcd"]
    told = [process.communicate(timeout=120)[0].split() for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0, 0]
    acknowledged = [key for keys in told for key in keys]
    assert len(assert_whole(database, acknowledged)) == len(acknowledged) == 120
    with database.write() as tx:
        assert tx.next_serial("wuhan", 2026) == 121  # no number lost, none given twice
        answers = [tx.remembered("worker", key) for key in acknowledged]
    assert {answer.status for answer in answers if answer is not None} == set(range(1, 121))


def in_threads(count: int, work: Callable[[int], None]) -> None:
    failures: list[BaseException] = []

    def run(number: int) -> None:
        try:
            work(number)
        except BaseException as error:  # noqa: BLE001  # told to the test below
            failures.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def test_threads_of_one_process_write_and_read_at_once(database: Database):
    with database.write() as tx:
        store(tx, "c0")

    def work(number: int) -> None:
        for turn in range(10):
            with database.write() as tx:
                store(tx, f"t{number}-{turn}", events=2)
            with database.read() as tx:
                assert tx.case(f"t{number}-{turn}") is not None

    in_threads(8, work)
    in_threads(1, lambda _: work(9))
    with database.read() as tx:
        assert verify(tx).cases == 91
    assert len([thread for thread in database._writers if not thread.is_alive()]) <= 1, "connections of ended threads"


def test_waiting_too_long_for_another_writer_is_contention(database_url: str):
    with (
        closing(Database.open(database_url)) as first,
        closing(Database.open(database_url, lock_seconds=0.1)) as second,
    ):
        with first.write() as tx:
            store(tx, "c1")

        def other(_: int) -> None:
            with pytest.raises(Contention), second.write() as tx:
                tx.case("c1", lock=True)

        with first.write() as tx:
            tx.case("c1", lock=True)
            in_threads(2, other)
        with second.write() as tx:
            assert tx.case("c1", lock=True) is not None


def test_one_transaction_can_exclude_all_other_writers(database_url: str):
    with (
        closing(Database.open(database_url)) as first,
        closing(Database.open(database_url, lock_seconds=0.1)) as second,
    ):
        with first.write() as tx:
            tx.exclude_writers()
            with pytest.raises(Contention), second.write():
                pass
            with second.read() as reader:
                assert reader.setting("a") is None
            tx.put_setting("a", "b")
        with second.write() as tx:  # the same connection, once turned away, goes on
            assert tx.setting("a") == "b"
        with first.write() as tx:
            tx.put_setting("a", "c")
            with pytest.raises(Contention), second.write() as other:  # nor can it begin before the others have ended
                other.exclude_writers()
        with second.write() as tx:
            tx.exclude_writers()
            assert tx.setting("a") == "c"


def test_a_deadlock_is_contention_for_one_and_success_for_the_other(postgresql_url: str):
    database = Database.open(postgresql_url)
    with database.write() as tx:
        store(tx, "c1")
        store(tx, "c2")
    both = threading.Barrier(2)
    outcomes: list[str] = []

    def work(number: int) -> None:
        order = ("c1", "c2") if number else ("c2", "c1")
        try:
            with database.write() as tx:
                tx.case(order[0], lock=True)
                both.wait(10)
                tx.case(order[1], lock=True)
        except Contention:
            outcomes.append("contention")
        else:
            outcomes.append("success")

    in_threads(2, work)
    assert sorted(outcomes) == ["contention", "success"]
    database.close()


def test_locking_several_cases_goes_by_their_order(postgresql_url: str):
    database = Database.open(postgresql_url)
    with database.write() as tx:
        for number in range(6):
            store(tx, f"c{number}")
    ids = [f"c{number}" for number in range(6)]

    def work(number: int) -> None:
        for _ in range(15):
            with database.write() as tx:
                tx.lock_cases(ids if number % 2 else reversed(ids))

    in_threads(4, work)
    database.close()


def test_a_full_disk_leaves_the_transaction_whole_or_not_at_all(sqlite_url: str):
    database = Database.open(sqlite_url)
    driver = database._writer().driver
    (pages,) = driver.execute("PRAGMA page_count").fetchone()
    driver.execute(f"PRAGMA max_page_count = {pages + 40}")
    stored = 0
    with pytest.raises(StorageUnavailable, match="full"):
        while True:
            with database.write() as tx:
                for number in range(5):
                    store(tx, f"c{stored}-{number}", snapshot="x" * 3000)
            stored += 1
    with database.read() as tx:
        found = verify(tx)
    assert stored > 0
    assert found.holds
    assert (found.cases, found.events) == (5 * stored, 5 * stored)
    # SQLite undoes the whole transaction on a full disk: a savepoint has nothing to go back to, and must not pretend.
    with pytest.raises(StorageUnavailable), database.write() as tx:
        with pytest.raises(StorageUnavailable), tx.savepoint():
            for number in range(100):
                store(tx, f"d{number}", snapshot="x" * 3000)
        tx.put_setting("a", "b")  # would be committed at once: there is no transaction any more
    with database.read() as tx:
        assert verify(tx).cases == 5 * stored
        assert tx.setting("a") is None
    driver.execute(f"PRAGMA max_page_count = {pages + 4000}")
    with database.write() as tx:
        store(tx, "after")
    with database.read() as tx:
        assert verify(tx).cases == 5 * stored + 1
    database.close()


def test_a_crash_of_the_server_loses_nothing_acknowledged(postgresql, postgresql_url: str):
    database = Database.open(postgresql_url)
    prepare(database)
    with killed(worker(postgresql_url, "a", 100_000)) as process:
        assert process.stdout is not None
        acknowledged = [process.stdout.readline().strip() for _ in range(30)]
        postgresql.crash()
        acknowledged += process.stdout.read().split()  # the worker ends with StorageUnavailable
    with pytest.raises(StorageUnavailable), database.read():
        pass
    with pytest.raises(StorageUnavailable), database.write():
        pass
    postgresql.start()
    assert len(assert_whole(database, acknowledged)) - len(acknowledged) in (0, 1)
    with database.write() as tx:
        store(tx, "after")
    database.close()


def test_a_restart_between_two_transactions_is_not_noticed(postgresql, postgresql_url: str):
    database = Database.open(postgresql_url)
    with database.write() as tx:
        store(tx, "c1")
    with database.read() as tx:
        assert tx.case("c1") is not None
    postgresql.crash()
    postgresql.start()
    with database.write() as tx:
        store(tx, "c2")
    with database.read() as tx:
        assert [head.case_id for head in tx.heads()] == ["c1", "c2"]
    database.close()


def test_a_connection_lost_while_committing_says_that_the_outcome_is_unknown(postgresql_url: str):
    database, other = Database.open(postgresql_url), Database.open(postgresql_url)

    def lose(pid: int) -> None:
        with other.write() as tx:
            tx._execute(f"SELECT pg_terminate_backend({pid}, 5000)", ())

    with pytest.raises(OutcomeUnknown, match="idempotency"), database.write() as tx:
        store(tx, "c1")
        assert tx.events("c1")  # now all of it is with the server
        lose(tx._link.driver.info.backend_pid)
    with database.read() as tx:
        assert tx.case("c1") is None
    with database.write() as tx:
        store(tx, "c1")
    # Lost before: nothing was saved, and it is known.
    with pytest.raises(StorageUnavailable) as caught, database.write() as tx:
        lose(tx._link.driver.info.backend_pid)
        tx.setting("a")
    assert type(caught.value) is StorageUnavailable
    with pytest.raises(KeyError), database.write() as tx:
        lose(tx._link.driver.info.backend_pid)
        raise KeyError
    with pytest.raises(StorageUnavailable), database.read() as tx:
        assert tx.setting("a") is None
        lose(tx._link.driver.info.backend_pid)
        tx.case("c1")
    with database.read() as tx:
        assert tx.case("c1") is not None
    for each in (database, other):
        each.close()
