"""Replay of a process that is not ours, for the faces: its mapping reads it, its definition file judges it.

Days are of the process's own calendar; times keep the wall clock that its mapping gives them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

from definitions.processes import find_process, load_process
from workflow.replay.columnar.judge import Judged
from workflow.replay.columnar.process import judge_process
from workflow.replay.intake import Intake
from workflow.replay.intake.run import Progress
from workflow.replay.output import rulebook
from workflow.replay.output.stages import digest
from workflow.service import rules
from workflow.service.replay_stages import History, Outcome, run

__all__ = ["Outcome", "replay_process"]


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
    by: str | None = None,
    master: str | None = None,
) -> Outcome:
    """Read a history and judge it by `process` (a file, or the name of a shipped one) as of `as_of` (default: today);
    the results are those of our own law's replay.  Raises BadHistory, DefinitionError, ValueError, OSError."""
    file = find_process(process)
    if file is None:
        raise ValueError(f"没有流程定义 {process} / there is no process definition {process}")
    law, day = load_process(file), as_of or rules.today()

    def judged(intake: Intake, folder: Path, share: Callable[[str, float], None]) -> Judged:
        return judge_process(
            intake.cases, intake.events, process=law, as_of=day, out=folder, engine=engine, master=master,
            memory_limit=memory_limit, temp_dir=folder / ".judge", progress=share,
        )  # fmt: skip

    return run(
        History(cases, events, mapping, engine, master, day, out, memory_limit, by, progress),
        law={
            "process": {"code": law.process, "zh": law.name.zh, "en": law.name.en, "origin": law.origin},
            "definitions": digest(file),
            "detectors": "见流程定义 in the process definition",
            "calendar": {"natural": "自然日 every day", "weekdays": "周一至周五 Monday to Friday"}[law.days],
            "changed": [],
        },
        steps=law.steps, judge=judged, rules=rulebook.of_process(law), clauses={},
    )  # fmt: skip
