"""The worker: runs the sweeps of one process, by itself until it is told to stop, or once.

APScheduler keeps the time, from its memory store: a handful of interval jobs over our own tables, never one job for
each deadline.  Any number of workers may run on one PostgreSQL, and several on one SQLite file; what they share is in
the database.
"""

from __future__ import annotations

import datetime as dt
import logging
import os
import secrets
import signal
import socket
import threading
from collections.abc import Callable, Iterable
from types import FrameType, TracebackType
from typing import Any, Self

import structlog
from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_MAX_INSTANCES, EVENT_JOB_MISSED, JobEvent
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from storage import StorageError, SweepRow
from workflow.alerts import customer, dates, digest, due, findings, upkeep
from workflow.alerts.deliver import Delivery
from workflow.alerts.sweep import Pulse, Sweep
from workflow.core.times import BUSINESS_ZONE
from workflow.service import Service
from workflow.service.health import EVERY

log = structlog.get_logger("baozhuang.worker")

ONCE_RUNS = 1000
"""With `once`, a sweep that was cut short goes on, but not for ever."""

_EVENTS = {
    EVENT_JOB_MISSED: "sweep_missed",
    EVENT_JOB_MAX_INSTANCES: "sweep_still_running",
    EVENT_JOB_ERROR: "sweep_crashed",
}


def new_name() -> str:
    """A name for a worker: machine, process, and something no other has."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}"


class Worker:
    """The sweeps over one open service, which the caller closes."""

    def __init__(self, service: Service, name: str | None = None, sweeps: Iterable[Sweep] | None = None) -> None:
        self.name = name or new_name()
        self.stop = threading.Event()
        self._service = service
        self._delivery = Delivery(service, self.name)
        self.sweeps = tuple(sweeps or self._all())
        self._pulse = Pulse(service, self.name, self.stop)
        self._scheduler: BackgroundScheduler | None = None

    def _all(self) -> list[Sweep]:
        run: dict[str, Callable[[Any], None]] = {
            "due": due.run,
            "deliver": self._delivery.sweep,
            "escalate": upkeep.escalate,
            "stale": upkeep.stale,
            "ladders": upkeep.ladders,
            "horizon": dates.horizon,
            "reports": dates.reports,
            "orders": dates.orders,
            "notices": customer.sweep,
            "digest": digest.sweep,
            "findings": findings.sweep,
            "leftovers": upkeep.leftovers,
        }
        # Delivery comes last when they run one after the other, so that what was raised goes out at once.
        return [Sweep(name, run[name]) for name in sorted(EVERY, key=lambda name: name == "deliver")]

    def once(self) -> list[SweepRow]:
        """Run every sweep, one after the other, each until it has nothing left to do; how each ended."""
        rows, since = [], self._service.clock.now()
        for sweep in self.sweeps:
            row = self._pulse.beat(sweep, since)
            for _ in range(ONCE_RUNS):
                if not row.cut_short or row.error or self.stop.is_set():
                    break
                more = self._pulse.beat(sweep, since)
                row = more._replace(
                    started_at=row.started_at, looked=row.looked + more.looked, done=row.done + more.done
                )
            rows.append(row)
        return rows

    def start(self) -> None:
        """Begin to run the sweeps in the background, each as often as `health.EVERY` says, the first time at once."""
        logging.getLogger("apscheduler").setLevel(logging.ERROR)  # every run is a line of ours, with what it did
        scheduler = BackgroundScheduler(
            timezone=BUSINESS_ZONE,
            executors={"default": ThreadPoolExecutor(len(self.sweeps))},
            # A sweep that comes late still runs, once: what it missed is in the database.
            job_defaults={"coalesce": True, "misfire_grace_time": None, "max_instances": 1},
        )
        scheduler.add_listener(self._heard, EVENT_JOB_MISSED | EVENT_JOB_MAX_INSTANCES | EVENT_JOB_ERROR)
        for sweep in self.sweeps:
            scheduler.add_job(
                self._beat, "interval", args=(sweep,), id=sweep.name, seconds=sweep.every,
                next_run_time=dt.datetime.now(BUSINESS_ZONE), jitter=min(1, sweep.every / 10),
            )  # fmt: skip
        self._scheduler = scheduler
        scheduler.start()
        log.info("worker_started", worker=self.name, sweeps=[sweep.name for sweep in self.sweeps])

    def _beat(self, sweep: Sweep) -> None:
        """Run it, and again at once while more is waiting than one run may do."""
        while not self.stop.is_set():
            row = self._pulse.beat(sweep)
            if not row.cut_short or row.error:
                return

    def _heard(self, event: JobEvent) -> None:
        exception = getattr(event, "exception", None)
        kind = None if exception is None else type(exception).__name__
        log.warning(_EVENTS[event.code], sweep=event.job_id, error=kind)

    def close(self) -> None:
        """Stop: no sweep begins, those at work end after their page, and messages on their way are finished."""
        self.stop.set()
        if self._scheduler is not None:
            self._scheduler.shutdown(wait=True)
            self._scheduler = None
            log.info("worker_stopped", worker=self.name)
        try:
            with self._service.database.write() as tx:
                tx.release_messages(self.name)
        except StorageError as error:  # the leases run out by themselves
            log.warning("leases_kept", error=type(error).__name__)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def run_once(service: Service) -> list[SweepRow]:
    """Every sweep once, by a worker of its own; how each ended."""
    worker = Worker(service)
    try:
        return worker.once()
    finally:
        worker.close()


def serve(service: Service, *, beside: int | None = None) -> None:
    """Run a worker until SIGTERM or Ctrl-C, or until the process `beside`, which started this one, is gone. For the
    main thread of a process of its own."""
    worker = Worker(service)

    def stop(number: int, _: FrameType | None) -> None:
        log.info("worker_stopping", signal=signal.Signals(number).name)
        worker.stop.set()

    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, stop)
    with worker:
        while not worker.stop.wait(1.0):
            if beside is not None and os.getppid() != beside:
                log.warning("worker_orphaned", beside=beside)
                worker.stop.set()
