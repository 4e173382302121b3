"""Commands sharing commits: one thread writes, many callers wait.

A durable commit costs far more than a decision.  Callers hand in their work and get a reply to wait for; the writer
takes whatever has gathered and runs it in one transaction.  A reply is given only after the commit.  When anything in a
batch goes wrong, the batch is rolled back and each piece is run again by itself, so one caller's fault is never
another's.

A process of one caller, as a command of the command line is, works in the caller's own thread instead (`Direct`).
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
import time
from collections.abc import Callable, Generator, Iterable
from operator import attrgetter
from typing import Any, Generic, TypeVar

import structlog

from storage import Contention, Database, Duplicate, OutcomeUnknown, StorageError, StorageUnavailable, Tx

log = structlog.get_logger("baozhuang.writer")

MOST_PER_COMMIT = 128
RETRIES = 8
SECONDS_TO_RETRY = 10
"""Work that others stood in the way of is not begun again after this long: everybody behind it waits as well."""


_T = TypeVar("_T")


class Reply(Generic[_T]):
    """A piece of work and what became of it: `result()` waits for it in a thread, `await` in an event loop. A caller
    that goes away does not undo the work.

    `run` is what to do inside a transaction, perhaps more than once; `order` sorts a batch so that rows are always
    locked in the same order, whichever process runs it.

    Not a `concurrent.futures.Future`: that one wakes the event loop once for every answer, each time at the price of a
    system call and of a fight for the interpreter's lock; the replies of one commit are given to a loop all at once.
    """

    __slots__ = ("_done", "_error", "_tasks", "_threads", "_value", "order", "run")

    def __init__(self, order: tuple[int, str], run: Callable[[Tx], _T]) -> None:
        self.order = order
        self.run = run
        self._done = False
        self._value: _T
        self._error: BaseException | None = None
        # Whoever waits enters the list first and then looks whether it is done; whoever gives the reply marks it done
        # first and then looks into the list. So nobody is missed, though somebody may be told twice.
        self._threads: list[threading.Event] = []
        self._tasks: list[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = []

    def done(self) -> bool:
        """Whether the work has been done or has failed."""
        return self._done

    def result(self, timeout: float | None = None) -> _T:
        """What the work returned, waiting for it. Raises what it raised; TimeoutError after `timeout` seconds."""
        if not self._done:
            given = threading.Event()
            self._threads.append(given)
            if not self.done() and not given.wait(timeout):
                raise TimeoutError
        return self._outcome()

    def __await__(self) -> Generator[Any, None, _T]:
        """What the work returned, waiting for it in the running event loop. Raises what it raised."""
        if not self._done:
            loop = asyncio.get_running_loop()
            given: asyncio.Future[None] = loop.create_future()
            self._tasks.append((loop, given))
            if not self.done():
                yield from given
        return self._outcome()

    def _outcome(self) -> _T:
        if self._error is not None:
            raise self._error
        return self._value

    def give(self, value: _T) -> None:
        """The work is done; whoever waits is still to be told."""
        self._value = value
        self._done = True

    def fail(self, error: BaseException) -> None:
        """The work failed; whoever waits is still to be told."""
        self._error = error
        self._done = True

    def tell(self, loops: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]]) -> None:
        """Wake the threads that wait for this reply; enter the tasks that do into `loops`, by their event loop."""
        for event in self._threads:
            event.set()
        for loop, given in self._tasks:
            loops.setdefault(loop, []).append(given)


def _wake(replies: Iterable[Reply[Any]]) -> None:
    """Tell everybody who waits for one of `replies`: each event loop once."""
    loops: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
    for reply in replies:
        reply.tell(loops)
    for loop, waiting in loops.items():
        # A loop that was closed has nobody left who waits.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(_release, waiting)


def _release(waiting: list[asyncio.Future[None]]) -> None:
    for given in waiting:
        if not given.done():
            given.set_result(None)


class Direct:
    """Work done where it is handed in, each piece in a transaction of its own: for a process of one caller, who would
    gain nothing from a thread between him and the database and pays a tenth of a command for it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._closed = False
        self._turn = threading.Lock()

    def submit(self, order: tuple[int, str], run: Callable[[Tx], _T]) -> Reply[_T]:
        """Do the work. Its reply has been given; an exception means that nothing was written.
        Raises StorageUnavailable once closed."""
        reply = Reply(order, run)
        with self._turn:
            if self._closed:
                raise _stopping()
            _alone(self._database, reply)
        return reply

    def waiting(self) -> int:
        """How many pieces of work are queued: none ever."""
        return 0

    def alive(self) -> bool:
        """Whether work is taken."""
        return not self._closed

    def close(self) -> None:
        """Finish what is being done, then take nothing more."""
        with self._turn:
            self._closed = True


class Writer:
    """The one thread of this process that writes."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._queue: queue.SimpleQueue[Reply[Any] | None] = queue.SimpleQueue()
        self._closed = False
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._work, name="baozhuang-writer", daemon=True)
        self._thread.start()

    def submit(self, order: tuple[int, str], run: Callable[[Tx], _T]) -> Reply[_T]:
        """Hand in work. Its reply is given after the commit; an exception means that nothing was written.
        Raises StorageUnavailable once closed."""
        reply = Reply(order, run)
        with self._lock:
            if self._closed:
                raise _stopping()
            self._queue.put(reply)
        return reply

    def waiting(self) -> int:
        """How many pieces of work are queued."""
        return self._queue.qsize()

    def alive(self) -> bool:
        """Whether the writer thread runs."""
        return self._thread.is_alive()

    def close(self) -> None:
        """Finish what is queued, then stop."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._queue.put(None)
        self._thread.join()

    def _gather(self) -> tuple[list[Reply[Any]], bool]:
        jobs: list[Reply[Any]] = []
        job = self._queue.get()
        while True:
            if job is None:
                return jobs, True
            jobs.append(job)
            if len(jobs) >= MOST_PER_COMMIT:
                return jobs, False
            try:
                job = self._queue.get_nowait()
            except queue.Empty:
                return jobs, False

    def _work(self) -> None:
        last = False
        while not last:
            jobs, last = self._gather()
            if len(jobs) > 1:
                self._together(jobs)
            elif jobs:
                _alone(self._database, jobs[0])
            _wake(jobs)

    def _together(self, jobs: list[Reply[Any]]) -> None:
        jobs.sort(key=attrgetter("order"))
        begun = False
        try:
            with self._database.write() as tx:
                begun = True
                results = [job.run(tx) for job in jobs]
        except Exception as error:  # noqa: BLE001  # whatever it was, each caller gets its own below
            # Outcome unknown: running these again could do them twice; the callers are told, and ask again under their
            # keys. Not begun: another writer has let none in for as long as one waits, and each would wait as long.
            if isinstance(error, OutcomeUnknown) or (isinstance(error, Contention) and not begun):
                for job in jobs:
                    job.fail(error)
                return
            if not isinstance(error, StorageError):
                log.warning("batch_rolled_back", jobs=len(jobs), error=type(error).__name__)
            for job in jobs:
                _alone(self._database, job)
        else:
            for job, result in zip(jobs, results, strict=True):
                job.give(result)


def _alone(database: Database, job: Reply[Any]) -> None:
    """Do one piece of work in a transaction of its own, again while others stand in the way; its reply is given."""
    give_up = time.monotonic() + SECONDS_TO_RETRY
    for attempt in range(1, RETRIES + 1):
        begun = False
        try:
            with database.write() as tx:
                begun = True
                result = job.run(tx)
        except (Contention, Duplicate) as error:
            # The same idempotency key in another process at the same moment: asked again, the answer is remembered.
            again = begun if isinstance(error, Contention) else error.table == "idempotency"
            if attempt == RETRIES or not again or time.monotonic() > give_up:
                job.fail(error)
                return
            time.sleep(0.005 * attempt)
        except BaseException as error:  # noqa: BLE001  # handed to the caller, who raises it
            job.fail(error)
            return
        else:
            job.give(result)
            return


def _stopping() -> StorageUnavailable:
    return StorageUnavailable("服务正在停止, 请稍后重试", "the service is stopping; try again shortly")
