"""Replay for the faces: a history is read and judged; no database is needed.

Times are of the business zone (Asia/Shanghai). The law is the shipped book with the overlays of the environment.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import definitions
import workflow
from definitions.book import Book
from definitions.detectors import Detectors, load_detectors
from workflow.replay.columnar.judge import Judged, judge
from workflow.replay.intake import BadHistory, Intake, load, ready, take_in
from workflow.replay.intake.mapping import READY
from workflow.replay.output import RESULTS, Files, hand_over
from workflow.replay.output.stages import Stages, digest, weight
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
    detectors: Path | None = None,
) -> Outcome:
    """Read a history, judge it as of `as_of` (default: today) and hand over the results.

    Raises BadHistory, ValueError, OSError.  `detectors`: a folder of rules instead of the shipped ones.
    Stages that an earlier run into `out` finished with the same input, rules and date are kept.
    """
    law, day, found = rules.book(), as_of or rules.today(), load_detectors(detectors)
    calendar = working_calendar([])
    inputs = [(role, path) for role, path in (("cases", cases), ("events", events)) if path is not None]
    _refuse_to_write_over(out, [path for _, path in inputs])
    table = load(mapping)
    run: dict[str, Any] = {
        "as_of": day.isoformat(),
        "inputs": [
            {"role": role, "name": path.name, "bytes": weight(path), "sha256": digest(path)} for role, path in inputs
        ],
        "mapping": {"name": Path(mapping).name, "sha256": _mapping_digest(mapping)},
        "definitions": _of(law),
        "detectors": digest(detectors) if detectors else "随附 shipped",
        "calendar": calendar.hash,
        "program": _program(),
        "changed": _changed(found),
    }
    stages = Stages(out, {**run, "engine": engine}, RESULTS)
    if stages.finished("intake") is None:
        facts: dict[str, Any] = {}
        with stages.stage("intake", facts) as folder:
            steps = tuple(
                dict.fromkeys(
                    s.code for code in law.classes for s in law.resolve(on=rules.today(), user_class=code).steps
                )
            )
            taken = take_in(
                cases=cases, events=events, mapping=table, steps=steps, out=folder, memory_limit=memory_limit,
                progress=progress,
            )  # fmt: skip
            facts.update(counts=taken.counts, steps=taken.steps)
    kept = stages.finished("intake")
    intake = Intake(
        out / "cases.parquet", out / "events.parquet", out / "rejected.csv", out / "conflicts.csv",
        out / "reconciliation.json", kept["counts"], tuple(kept["steps"]),
    )  # fmt: skip
    many = intake.counts["events"]["written"]

    def share(what: str, part: float) -> None:
        progress(what, round(part * many), many)

    if stages.finished("judging") is None:
        facts = {}
        with stages.stage("judging", facts) as folder:
            judged = judge(
                intake.cases, intake.events, book=law, calendar=calendar, as_of=day, out=folder, detectors=found,
                engine=engine, memory_limit=memory_limit, temp_dir=folder / ".judge", progress=share,
            )  # fmt: skip
            facts.update(
                {name: value for name, value in asdict(judged).items() if name not in ("findings", "verdicts")}
            )
    judged = Judged(out / "findings.parquet", out / "verdicts.parquet", **stages.finished("judging"))
    if stages.finished("output") is None:
        with stages.stage("output", {}) as folder:
            hand_over(
                Files(intake.cases, intake.events, judged.findings, judged.verdicts, intake.rejected), folder,
                counts=intake.counts, run=run, rules=found, book=law, as_of=day, memory_limit=memory_limit,
                progress=share,
            )  # fmt: skip
    return Outcome(intake, judged)


def _refuse_to_write_over(out: Path, inputs: list[Path]) -> None:
    for path in inputs:
        if path.resolve().parent == out.resolve() or path.resolve() == out.resolve():
            raise ValueError(
                f"结果文件夹 {out} 里有输入文件 {path.name}, 请另选一个 / "
                f"the input {path.name} lies in the folder for the results; choose another"
            )


def _mapping_digest(mapping: str | Path) -> str:
    return digest(READY / f"{mapping}.yaml" if mapping in ready() else Path(mapping))


def _of(law: Book) -> str:
    """SHA-256 over the hashes of every definition: all classes, regions and periods."""
    hashes = sorted(
        {one.hash for region in law.regions for code in law.classes for *_, one in law.timeline(code, region)}
    )
    return hashlib.sha256("\n".join(hashes).encode()).hexdigest()


def _program() -> str:
    """SHA-256 over the sources and data that the results depend on."""
    home = Path(workflow.__file__).parent
    found = hashlib.sha256()
    for folder in (Path(definitions.__file__).parent, home / "core", home / "replay"):
        for file in sorted(folder.rglob("*")):
            if file.suffix in (".py", ".yaml", ".html", ".csv"):
                found.update(f"{file.relative_to(folder.parent).as_posix()} {digest(file)}\n".encode())
    return found.hexdigest()


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
