"""A worker to be killed: `python -m tests.alerts.chaos_worker URL STARTED`.

Its clock reads the morning of the test plus the seconds since STARTED, and it waits shorter than the rule says, so that
an hour of failing fits into a minute.
"""

from __future__ import annotations

import datetime as dt
import signal
import sys
import time
from typing import Any

import msgspec

from tests import disk
from tests.core.driver import shipped_book
from workflow.alerts import deliver, due, worker
from workflow.alerts.channels.webhook import Limits
from workflow.alerts.deliver import Delivery
from workflow.alerts.sweep import Sweep
from workflow.core.times import BUSINESS_ZONE
from workflow.service import Service, health

MORNING = dt.datetime(2026, 3, 16, 6, tzinfo=BUSINESS_ZONE)
"""A Monday before the offices open."""


class MovingClock:
    """The morning, and on from there."""

    def __init__(self, started: float) -> None:
        self._started = started

    def now(self) -> dt.datetime:
        return MORNING + dt.timedelta(seconds=time.time() - self._started)


class Impatient:
    """The book with short waits."""

    def __init__(self, book: Any) -> None:
        self._book = book

    def __getattr__(self, name: str) -> Any:
        return getattr(self._book, name)

    def delivery(self, *, on: dt.date) -> Any:
        rule = self._book.delivery(on=on)
        return msgspec.structs.replace(rule, retry_seconds=(1,) * 60, lease_seconds=10)


def main(url: str, started: str) -> None:
    """Work until told to stop or killed."""
    disk.wait_for_none()
    deliver.REST_SECONDS = (1, 1, 1, 1, 1)  # type: ignore[misc]  # a minute of real rest would outlast the test
    health.EVERY.update(due=1, deliver=1)
    book: Any = Impatient(shipped_book())
    with Service.open(url, book=book, clock=MovingClock(float(started))) as service:
        name = worker.new_name()
        delivery = Delivery(service, name, limits=Limits(0.5, 0.5, 0.3, 1.0), relay_seconds=2.0)
        sweeps = [Sweep("due", due.run), Sweep("deliver", delivery.sweep)]
        working = worker.Worker(service, name, sweeps)
        signal.signal(signal.SIGTERM, lambda *_: working.stop.set())
        with working:
            working.stop.wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
