"""Commands sharing commits: one thread writes, many callers wait.

A durable commit costs far more than a decision.  Callers hand in their work and get a future; the writer takes whatever
has gathered and runs it in one transaction.  A future is answered only after the commit.  When anything in a batch goes
wrong, the batch is rolled back and each piece is run again by itself, so one caller's fault is never another's.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, NamedTuple

import structlog

from storage import Contention, Database, Duplicate, OutcomeUnknown, StorageError, StorageUnavailable, Tx

log = structlog.get_logger("baozhuang.writer")

MOST_PER_COMMIT = 128
RETRIES = 8


class Job(NamedTuple):
    """One piece of work: `run` inside a transaction, perhaps more than once. `order` sorts a batch so that rows are
    always locked in the same order, whichever process runs it."""

    order: tuple[int, str]
    run: Callable[[Tx], Any]
    future: Future[Any]


class Writer:
    """The one thread of this process that writes."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._queue: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._closed = False
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._work, name="baozhuang-writer", daemon=True)
        self._thread.start()

    def submit(self, order: tuple[int, str], run: Callable[[Tx], Any]) -> Future[Any]:
        """Hand in work. The future's result is set after the commit; its exception when nothing was written.
        Raises StorageUnavailable once closed."""
        future: Future[Any] = Future()
        with self._lock:
            if self._closed:
                raise StorageUnavailable("服务正在停止, 请稍后重试", "the service is stopping; try again shortly")
            self._queue.put(Job(order, run, future))
        return future

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

    def _gather(self) -> tuple[list[Job], bool]:
        jobs: list[Job] = []
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
            jobs = [job for job in jobs if job.future.set_running_or_notify_cancel()]
            if len(jobs) > 1:
                self._together(jobs)
            elif jobs:
                self._alone(jobs[0])

    def _together(self, jobs: list[Job]) -> None:
        jobs.sort(key=lambda job: job.order)
        try:
            with self._database.write() as tx:
                results = [job.run(tx) for job in jobs]
        except OutcomeUnknown as error:
            # Running these again could do them twice: the callers are told, and ask again under their keys.
            for job in jobs:
                job.future.set_exception(error)
        except Exception as error:  # noqa: BLE001  # whatever it was, each caller gets its own below
            if not isinstance(error, StorageError):
                log.warning("batch_rolled_back", jobs=len(jobs), error=type(error).__name__)
            for job in jobs:
                self._alone(job)
        else:
            for job, result in zip(jobs, results, strict=True):
                job.future.set_result(result)

    def _alone(self, job: Job) -> None:
        for attempt in range(1, RETRIES + 1):
            try:
                with self._database.write() as tx:
                    result = job.run(tx)
            except (Contention, Duplicate) as error:
                # The same idempotency key in another process at the same moment: asked again, the answer is remembered.
                again = isinstance(error, Contention) or error.table == "idempotency"
                if attempt == RETRIES or not again:
                    job.future.set_exception(error)
                    return
                time.sleep(0.005 * attempt)
            except BaseException as error:  # noqa: BLE001  # handed to the caller, who raises it
                job.future.set_exception(error)
                return
            else:
                job.future.set_result(result)
                return
