"""Replay of a process that is not ours, for the faces: its mapping reads it, its definition file judges it.

Days are of the process's own calendar; times keep the wall clock that its mapping gives them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from definitions.processes import find_process, load_process
from workflow.replay.columnar.judge import Judged
from workflow.replay.columnar.process import judge_process
from workflow.replay.intake import Intake, load, take_in
from workflow.service import rules

__all__ = ["Judgement", "replay_process"]

Progress = Callable[[str, int, int], None]


class Judgement(NamedTuple):
    """What was read, and what was found."""

    intake: Intake
    judged: Judged


def replay_process(
    *,
    process: str,
    cases: Path | None,
    events: Path | None,
    mapping: str | Path,
    engine: str,
    as_of: dt.date | None,
    out: Path,
    memory_limit: str,
    progress: Progress,
) -> Judgement:
    """Read a history and judge it by `process` (a file, or the name of a shipped one) as of `as_of` (default: today).
    Raises BadHistory, DefinitionError, ValueError, OSError."""
    file = find_process(process)
    if file is None:
        raise ValueError(f"没有流程定义 {process} / there is no process definition {process}")
    law = load_process(file)
    taken = take_in(
        cases=cases, events=events, mapping=load(mapping), steps=law.steps, out=out, memory_limit=memory_limit,
        progress=progress,
    )  # fmt: skip
    judged = judge_process(
        taken.cases,
        taken.events,
        process=law,
        as_of=as_of or rules.today(),
        out=out,
        engine=engine,
        memory_limit=memory_limit,
        temp_dir=out / ".judge",
        progress=lambda what, share: progress(what, round(share * 100), 100),
    )
    return Judgement(taken, judged)
