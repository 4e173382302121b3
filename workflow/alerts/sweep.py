"""What every sweep is given and what it answers: bounds, heartbeat, and a stop that is heeded between two pages.

A sweep works in short transactions, page by page, until nothing is left, its count or its time is used up, or the
worker is told to stop; then it says that it was cut short and goes on next time.  Where it stands is in the database
only.
"""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

import structlog

from storage import StorageError, SweepRow
from workflow.core.times import business_date, write
from workflow.service import Service
from workflow.service.health import EVERY

log = structlog.get_logger("baozhuang.worker")

AT_MOST = 20_000
"""Rows one run of a sweep looks at."""

SECONDS = 20.0
"""For how long one run goes on."""

HEARTBEAT_SECONDS = 10.0
"""A run that found nothing is told no more often than this, so that idling hardly writes."""

LONGEST_ERROR = 500


class Run:
    """One run of one sweep. `now` is the moment it began: a run judges everything as of one moment."""

    def __init__(
        self,
        service: Service,
        worker: str,
        stop: threading.Event,
        at_most: int = AT_MOST,
        seconds: float = SECONDS,
    ) -> None:
        self.service = service
        self.worker = worker
        self.stop = stop
        self.now = service.clock.now()
        self.since: dt.datetime | None = None
        """From when on a round counts as made; None: it is made at its own interval."""
        self.looked = 0
        self.done = 0
        self.cut_short = False
        self.faults: list[str] = []
        self._at_most = at_most
        self._until = time.monotonic() + seconds
        self._begin: Callable[[], None] | None = None

    @property
    def today(self) -> dt.date:
        """The date of `now` in the business zone."""
        return business_date(self.now)

    def count(self, looked: int, done: int) -> None:
        """Rows looked at, and what was done about them."""
        self.looked += looked
        self.done += done

    def fault(self, what: str, error: Exception) -> None:
        """One row could not be judged: it is told, and the others go on."""
        self.faults.append(f"{what}: {type(error).__name__}: {error}")
        log.error("row_failed", what=what, error=type(error).__name__)

    def room(self, page: int) -> int:
        """How many rows the next page may have, at most `page`; 0 when the run ends here, which is cutting it short."""
        left = min(page, self._at_most - self.looked)
        if left <= 0 or self.stop.is_set() or time.monotonic() >= self._until:
            self.cut_short = True
            return 0
        return left

    def begins(self) -> None:
        """Called once there is something to do: says that the run is under way."""
        if self._begin is not None:
            self._begin()
            self._begin = None


class Sweep(NamedTuple):
    """A sweep: its name, which has an interval in `health.EVERY`, and what it does."""

    name: str
    run: Callable[[Run], None]

    @property
    def every(self) -> int:
        """Seconds from one beginning to the next."""
        return EVERY[self.name]


class Pulse:
    """Runs sweeps for one worker and keeps their heartbeats."""

    def __init__(self, service: Service, worker: str, stop: threading.Event) -> None:
        self._service = service
        self._worker = worker
        self._stop = stop
        self._told: dict[str, float] = {}

    def beat(self, sweep: Sweep, since: dt.datetime | None = None) -> SweepRow:
        """One run, with its heartbeat; `since` as in `Run`. Whatever goes wrong is told there and in the log, and never
        leaves here: the other sweeps go on, and this one begins again next time."""
        run = Run(self._service, self._worker, self._stop)
        run.since = since
        started = write(run.now)
        run._begin = lambda: self._started(sweep.name, started)  # noqa: SLF001  # made for each other
        error: str | None = None
        try:
            sweep.run(run)
        except StorageError as failure:  # nothing was lost: the next run finds what is still to be done
            error = f"{failure.zh} / {failure.en}"
            log.warning("sweep_failed", sweep=sweep.name, error=type(failure).__name__)
        except Exception as failure:
            error = f"{type(failure).__name__}: {failure}"
            log.exception("sweep_failed", sweep=sweep.name)
        if error is None and run.faults:
            error = f"{len(run.faults)}: {run.faults[0]}"
        finished = write(self._service.clock.now())
        row = SweepRow(
            sweep.name, self._worker, started, finished, None if error else finished, run.looked, run.done,
            run.cut_short, None if error is None else error[:LONGEST_ERROR],
        )  # fmt: skip
        self._finished(row, idle=error is None and not run.looked and not run.done)
        if run.done or run.cut_short:
            log.info("sweep", name=sweep.name, looked=run.looked, done=run.done, cut_short=run.cut_short)
        return row

    def _started(self, name: str, at: str) -> None:
        with self._service.database.write() as tx:
            tx.sweep_started(name, self._worker, at)

    def _finished(self, row: SweepRow, *, idle: bool) -> None:
        if idle and time.monotonic() - self._told.get(row.name, -HEARTBEAT_SECONDS) < HEARTBEAT_SECONDS:
            return
        try:
            with self._service.database.write() as tx:
                tx.sweep_finished(row)
            self._told[row.name] = time.monotonic() if idle else -HEARTBEAT_SECONDS
        except StorageError as failure:
            # The database is away: the heartbeat that stays out says so to everybody else.
            log.warning("heartbeat_lost", sweep=row.name, error=type(failure).__name__)
