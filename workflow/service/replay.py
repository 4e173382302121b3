"""Replay for the faces: a history is read and judged by our law; no database is needed.

Times are of the business zone (Asia/Shanghai). The law is the shipped book with the overlays of the environment.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable
from pathlib import Path

from definitions.book import Book
from definitions.detectors import Detectors, load_detectors
from workflow.replay.columnar.judge import Judged, judge
from workflow.replay.intake import BadHistory, Intake, ready
from workflow.replay.output import rulebook
from workflow.replay.output.stages import digest
from workflow.replay.reported import read as read_reported
from workflow.service import rules
from workflow.service.calendar import working_calendar
from workflow.service.replay_stages import History, Outcome, Progress, run

__all__ = ["BadHistory", "Intake", "Judged", "Outcome", "ready", "replay"]


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
    by: str | None = None,
    master: str | None = None,
    detectors: Path | None = None,
    reported: Path | None = None,
) -> Outcome:
    """Read a history, judge it as of `as_of` (default: today) and hand over the results.

    Raises BadHistory, ValueError, OSError.  `by`: what the results are also parted by.  `master`: where Spark runs (any
    master URL; by default on this machine).  `detectors`: a folder of rules instead of the shipped ones.  `reported`: a
    table of the totals that organisations reported (S3).
    """
    law, day, found = rules.book(), as_of or rules.today(), load_detectors(detectors)
    calendar = working_calendar([])
    totals = read_reported(reported) if reported else ()
    steps = dict.fromkeys(
        step.code for code in law.classes for step in law.resolve(on=rules.today(), user_class=code).steps
    )

    def judged(intake: Intake, folder: Path, share: Callable[[str, float], None]) -> Judged:
        return judge(
            intake.cases, intake.events, book=law, calendar=calendar, as_of=day, out=folder, detectors=found,
            engine=engine, master=master, memory_limit=memory_limit, temp_dir=folder / ".judge",
            progress=share, reported=totals, twice=intake.counts["events"]["duplicates_kept"] > 0,
        )  # fmt: skip

    return run(
        History(cases, events, mapping, engine, master, day, out, memory_limit, by, progress),
        law={
            "process": None,
            "definitions": _of(law),
            "detectors": digest(detectors) if detectors else "随附 shipped",
            "calendar": calendar.hash,
            "changed": _changed(found),
            **({"reported": digest(reported)} if reported else {}),
        },
        steps=tuple(steps), judge=judged, rules=rulebook.of_law(found), clauses=law.clauses,
    )  # fmt: skip


def _of(law: Book) -> str:
    """SHA-256 over the hashes of every definition: all classes and periods, of the nation and of each region."""
    lines = [law.timeline(code) for code in law.classes]  # the nation's; below, each region's
    lines += [law.timeline(code, region) for region in law.regions for code in law.classes]
    hashes = sorted({one.hash for line in lines for *_, one in line})
    return hashlib.sha256("\n".join(hashes).encode()).hexdigest()


def _changed(found: Detectors) -> list[str]:
    """What differs from the shipped rules, a line each."""
    shipped = {one.rule: one for one in load_detectors().rules}
    lines = []
    for one in found.rules:
        was = shipped.pop(one.rule, None)
        if was is None:
            lines.append(f"{one.rule}: 新规则 new")
            continue
        names = sorted({*was.thresholds, *one.thresholds})
        lines += [
            f"{one.rule} {name}: {was.thresholds.get(name)} → {one.thresholds.get(name)}"
            for name in names
            if was.thresholds.get(name) != one.thresholds.get(name)
        ]
        if was.enabled != one.enabled:
            lines.append(f"{one.rule}: {'启用 switched on' if one.enabled else '停用 switched off'}")
    return [*lines, *(f"{rule}: 删去 removed" for rule in shipped)]
