"""Replay for the faces: a history is read and judged; no database is needed.

Times are of the business zone (Asia/Shanghai). The law is the shipped book with the overlays of the environment.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from workflow.replay.columnar.judge import Judged, judge
from workflow.replay.intake import BadHistory, Intake, load, ready, take_in
from workflow.service import rules
from workflow.service.calendar import working_calendar

__all__ = ["BadHistory", "Intake", "Judged", "Outcome", "ready", "replay"]

Progress = Callable[[str, int, int], None]
"""Told what is being done, how much of it is behind, and how much there is (0: not known)."""


class Outcome(NamedTuple):
    """What was read, and what was found."""

    intake: Intake
    judged: Judged


def replay(
    *,
    cases: Path | None,
    events: Path | None,
    mapping: str | Path,
    engine: str,
    as_of: dt.date | None,
    out: Path,
    memory_limit: str,
    progress: Progress,
) -> Outcome:
    """Read a history and judge it as of `as_of` (default: today). Raises BadHistory, ValueError, OSError."""
    law, today = rules.book(), rules.today()
    steps = tuple(
        dict.fromkeys(step.code for code in law.classes for step in law.resolve(on=today, user_class=code).steps)
    )
    taken = take_in(
        cases=cases, events=events, mapping=load(mapping), steps=steps, out=out, memory_limit=memory_limit,
        progress=progress,
    )  # fmt: skip
    judged = judge(
        taken.cases,
        taken.events,
        book=law,
        calendar=working_calendar([]),
        as_of=as_of or today,
        out=out,
        engine=engine,
        memory_limit=memory_limit,
        temp_dir=out / ".judge",
        progress=lambda what, share: progress(what, round(share * 100), 100),
    )
    return Outcome(taken, judged)
