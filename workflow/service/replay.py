"""Replay for the faces: a history is read and judged by our law; no database is needed.

Times are of the business zone (Asia/Shanghai). The law is the shipped book with the overlays of the environment.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from msgspec import structs

from definitions.book import Book
from definitions.detectors import Detector, Detectors, Statistic, Threshold, load_detectors
from workflow.replay.columnar.judge import Judged, judge
from workflow.replay.intake import BadHistory, Intake, ready
from workflow.replay.intake.run import Progress
from workflow.replay.output import rulebook
from workflow.replay.output.stages import digest
from workflow.replay.reported import read as read_reported
from workflow.service import rules
from workflow.service.calendar import working_calendar
from workflow.service.replay_stages import History, Outcome, run

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
    shipped = load_detectors()
    theirs = {one.rule: one for one in shipped.rules}
    lines = []
    for one in found.rules:
        was = theirs.pop(one.rule, None)
        lines += [f"{one.rule}: 新规则 new"] if was is None else _between(one, was)
    lines += [f"{rule}: 删去 removed" for rule in theirs]
    lines += _values("gates", found.gates, shipped.gates) + _values("verdicts", found.verdicts, shipped.verdicts)
    if any(getattr(found, facts) != getattr(shipped, facts) for facts in ("folded", "derived", "supplied")):
        lines.append("facts: 事实改动 facts changed")
    return lines


def _between(one: Detector | Statistic, was: Detector | Statistic) -> list[str]:
    """What differs in one rule: its values and weights in full, of the rest what it is."""
    lines = _values(one.rule, one.thresholds, was.thresholds)
    if was.enabled != one.enabled:
        lines.append(f"{one.rule}: {'启用 switched on' if one.enabled else '停用 switched off'}")
    mine, theirs = (", ".join(_severities(each)) for each in (one, was))
    if mine != theirs:
        lines.append(f"{one.rule} severity: {theirs} → {mine}")
    others = [name for name in one.__struct_fields__ if name not in _TOLD and getattr(one, name) != getattr(was, name)]
    if _conditions(one) != _conditions(was):
        others.append("findings")
    return [*lines, *([f"{one.rule}: 改动 changed: {', '.join(others)}"] if others else [])]


_TOLD: Final = ("thresholds", "enabled", "severity", "branches", "last_verified_on")


def _severities(one: Detector | Statistic) -> list[str]:
    return [branch.severity for branch in one.branches] if isinstance(one, Detector) else [one.severity]


def _conditions(one: Detector | Statistic) -> list[object]:
    """The findings of a rule but for their weights."""
    return [structs.replace(branch, severity="low") for branch in one.branches] if isinstance(one, Detector) else []


def _values(of: str, mine: Mapping[str, Threshold], theirs: Mapping[str, Threshold]) -> list[str]:
    return [
        f"{of} {name}: {_shown(theirs.get(name))} → {_shown(mine.get(name))}"
        for name in sorted({*mine, *theirs})
        if mine.get(name) != theirs.get(name)
    ]


def _shown(value: Threshold | None) -> str:
    words = "" if value is None else ", ".join(value) if isinstance(value, tuple) else str(value)
    return words or "无 none"
