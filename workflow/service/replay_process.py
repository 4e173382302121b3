"""A replay asked for from the pages, done: what the process does that `replays.launch` starts.

Apart from `replays`, because it loads the columnar libraries, a hundred MiB that a server has no use for.
"""

from __future__ import annotations

import datetime as dt
import os
import secrets
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from storage import ReplayRunRow, StorageError
from workflow.core.events import Principal
from workflow.core.refusals import Refused
from workflow.core.times import write
from workflow.replay.intake import BadHistory
from workflow.service import live_history, replay
from workflow.service.replays import SILENT_AFTER, files, folder
from workflow.service.service import Service

BEAT_SECONDS: Final = 1.0
MEMORY: Final = "1GB"


class _Stopped(Exception):
    """Somebody stopped it, or another process has it."""


def work(service: Service, run_id: str) -> bool:
    """Do a replay, here and now; whether it was this process that had it. Every stage that an earlier process finished
    is kept. What goes wrong is noted for the page."""
    worker = f"{os.getpid()}:{secrets.token_hex(4)}"
    now = service.clock.now()
    silent_since = write(now - SILENT_AFTER)
    with service.database.write() as tx:
        if not tx.claim_replay(run_id, worker, write(now), silent_since):
            return False
        row = tx.replay_run(run_id)
    assert row is not None  # noqa: S101  # it was claimed
    state, error = "done", None
    try:
        _replay(service, row, _beating(service, row, worker))
    except _Stopped:
        return True
    except (BadHistory, Refused, StorageError, ValueError, OSError) as failure:
        state, error = "failed", _sentence(failure)
    except Exception as failure:  # noqa: BLE001  # told on the page; the process ends either way
        state, error = "failed", f"{type(failure).__name__}: {failure}"
    with service.database.write() as tx:
        tx.end_replay(run_id, worker, state, write(service.clock.now()), None if error is None else error[:1000])
    return True


def _sentence(failure: Exception) -> str:
    if isinstance(failure, Refused):
        return f"{failure.refusal.detail.zh} / {failure.refusal.detail.en}"
    return str(failure)


def _beating(service: Service, row: ReplayRunRow, worker: str) -> Callable[[str, int, int], None]:
    """What the replay tells its progress to: at most once a second it is noted."""
    told: dict[str, Any] = {"at": 0.0, "what": ""}

    def report(what: str, done: int, of: int) -> None:
        at = time.monotonic()
        if what == told["what"] and at - told["at"] < BEAT_SECONDS:
            return
        told.update(at=at, what=what)
        percent = min(100, done * 100 // of) if of else 0
        with service.database.write() as tx:
            if not tx.beat_replay(row.id, worker, write(service.clock.now()), what[:60], percent):
                raise _Stopped

    return report


def _replay(service: Service, row: ReplayRunRow, report: Callable[[str, int, int], None]) -> None:
    place = folder(service, row.id)
    source = place / "input"
    source.mkdir(parents=True, exist_ok=True)
    named: dict[str, Path | None] = {"cases": None, "events": None}
    if row.cases_file is None and row.events_file is None:
        report("取在办和已办申请 / reading the live store", 0, 0)
        live_history.write(service, Principal("system:replay", "admin", row.org), source, None)
        named = {"cases": source / "cases.parquet", "events": source / "events.parquet"}
    else:
        for role, digest, name in (
            ("cases", row.cases_file, row.cases_name),
            ("events", row.events_file, row.events_name),
        ):
            if digest is None or name is None:
                continue
            path = files(service).path(digest)
            if path is None:
                raise BadHistory(f"上传的文件 {name} 已不在文件库中 / the uploaded file {name} is gone from the store")
            # The intake tells a file by its ending, so it stands under the name it came with.
            named[role] = under_its_name = source / f"{role}-{name}"
            if not under_its_name.exists():
                try:
                    os.link(path, under_its_name)
                except OSError:
                    shutil.copyfile(path, under_its_name)
    replay.replay(
        cases=named["cases"], events=named["events"], mapping=row.mapping, engine="duckdb",
        as_of=dt.date.fromisoformat(row.as_of), out=place / "out", memory_limit=MEMORY, progress=report,
    )  # fmt: skip
