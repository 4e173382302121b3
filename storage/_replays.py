"""Replays asked for from the pages: which there are, who is at work on one, how far it is."""

from __future__ import annotations

import sqlalchemy as sa

from storage._execution import Execution
from storage._lists import in_org
from storage._statements import tables
from storage.rows import ReplayRunRow

_run = tables["replay_run"]
_RUN = [_run.c[field] for field in ReplayRunRow._fields]


class Replays(Execution):
    """Reading and writing replays."""

    def add_replay(self, row: ReplayRunRow) -> None:
        """Store a replay that was asked for."""
        self._query(sa.insert(_run).values(row._asdict()))

    def replay_run(self, run_id: str) -> ReplayRunRow | None:
        """One replay."""
        row = self._query(sa.select(*_RUN).where(_run.c.id == run_id)).first()
        return None if row is None else ReplayRunRow._make(row)

    def list_replays(self, scope: str | None, *, before: str | None = None, limit: int = 50) -> list[ReplayRunRow]:
        """Up to `limit` replays, newest first; `scope`: those of an org and below."""
        wanted = sa.select(*_RUN).order_by(_run.c.id.desc()).limit(limit)
        if scope is not None:
            wanted = wanted.where(in_org(_run.c.org, scope))
        if before is not None:
            wanted = wanted.where(_run.c.id < before)
        return [ReplayRunRow._make(row) for row in self._query(wanted)]

    def claim_replay(self, run_id: str, worker: str, now: str, silent_since: str) -> bool:
        """Take a replay that nobody is at work on, or whose worker has not been heard of since a moment; False when
        another is, or it is done."""
        c = _run.c
        idle = sa.or_(
            c.state.in_(("queued", "stopped", "failed")),
            sa.and_(c.state == "running", sa.or_(c.beat_at.is_(None), c.beat_at < silent_since)),
        )
        taken = sa.update(_run).where(c.id == run_id, idle)
        values = {"state": "running", "worker": worker, "beat_at": now, "error": None, "finished_at": None}
        return self._query(taken.values(values)).rowcount == 1

    def beat_replay(self, run_id: str, worker: str, now: str, stage: str, percent: int) -> bool:
        """Say how far it is; False when it is no longer this worker's."""
        c = _run.c
        own = sa.update(_run).where(c.id == run_id, c.worker == worker, c.state == "running")
        return self._query(own.values(beat_at=now, stage=stage, percent=percent)).rowcount == 1

    def end_replay(self, run_id: str, worker: str, state: str, now: str, error: str | None = None) -> bool:
        """It has come to an end in `state`; False when it is no longer this worker's."""
        c = _run.c
        own = sa.update(_run).where(c.id == run_id, c.worker == worker, c.state == "running")
        values = {"state": state, "finished_at": now, "beat_at": now, "error": error}
        return self._query(own.values(values)).rowcount == 1

    def stop_replay(self, run_id: str, now: str) -> bool:
        """Have a replay stopped: its worker finds out with its next beat. False when it is not at work."""
        c = _run.c
        running = sa.update(_run).where(c.id == run_id, c.state.in_(("queued", "running")))
        return self._query(running.values(state="stopped", finished_at=now)).rowcount == 1
