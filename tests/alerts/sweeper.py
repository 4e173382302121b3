"""A worker process for tests: sweeps what is due at a moment it is given, and tells each run on standard output.

`python -m tests.alerts.sweeper URL MOMENT once|loop`
"""

from __future__ import annotations

import sys
import threading
import time

import structlog

from tests import disk
from tests.core.driver import shipped_book
from tests.service.conftest import HandClock
from workflow.alerts import due, upkeep
from workflow.alerts.sweep import Pulse, Sweep
from workflow.service import Service


def main(url: str, moment: str, mode: str) -> None:
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    disk.wait_for_none()
    service = Service.open(url, book=shipped_book(), clock=HandClock(moment))
    pulse = Pulse(service, f"sweeper-{id(service)}", threading.Event())
    tell("ready")
    sys.stdin.readline()  # all begin at once
    while True:
        row = pulse.beat(Sweep("due", due.run))
        tell(f"{row.done} {row.error or '-'}")
        if mode == "once" and not row.cut_short and row.error is None:
            break
        if mode == "loop":
            pulse.beat(Sweep("escalate", upkeep.escalate))
            time.sleep(0.05)
    service.close()


def tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
