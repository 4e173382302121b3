"""What every replay does, whoever's law judges it: intake, judging and results, in stages that can be taken up."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import definitions
import workflow
from definitions.model import Clause
from workflow.replay.bounds import bounded, refuse_memory
from workflow.replay.columnar.engines import refuse_engine
from workflow.replay.columnar.judge import Judged
from workflow.replay.intake import BadHistory, Intake, load, ready
from workflow.replay.intake.mapping import READY
from workflow.replay.intake.run import Progress, take_in
from workflow.replay.output.rulebook import Rules
from workflow.replay.output.run import BY, RESULTS, Files, hand_over
from workflow.replay.output.stages import Stages, digest, weight

Judge = Callable[[Intake, Path, Callable[[str, float], None]], Judged]
"""Judges what was taken in into a folder; told a share of its work at a time."""


class Outcome(NamedTuple):
    """What was read, and what was found."""

    intake: Intake
    judged: Judged


@dataclass(frozen=True, slots=True)
class History:
    """A history to replay, and where to. `master`: where Spark runs (None: on this machine).
    `by`: what the results are also parted by (None: they are not)."""

    cases: Path | None
    events: Path | None
    mapping: str | Path
    engine: str
    master: str | None
    as_of: dt.date
    out: Path
    memory_limit: str
    by: str | None
    progress: Progress


def run(
    history: History, *, law: Mapping[str, Any], steps: tuple[str, ...], judge: Judge, rules: Rules,
    clauses: Mapping[str, Clause],
) -> Outcome:  # fmt: skip
    """Read, judge and hand over. Raises BadHistory, ValueError, OSError.

    `law`: what the judging depends on beside the history, for the manifest and the page.  Stages that an earlier run to
    the same folder finished with the same input, rules and date are kept.
    """
    out, progress = history.out, history.progress
    refuse_engine(history.engine, history.master)
    refuse_memory(history.memory_limit)
    if history.by is not None and history.by not in BY:
        raise ValueError(f"只能按 {', '.join(BY)} 分 / results can be parted by {', '.join(BY)}")
    inputs = [(role, path) for role, path in (("cases", history.cases), ("events", history.events)) if path is not None]
    for _, path in inputs:
        if not path.exists():
            raise ValueError(f"没有这个文件或文件夹: {path} / there is no such file or folder: {path}")
    _refuse_to_write_over(out, [path for _, path in inputs])
    table = load(history.mapping, steps)
    told: dict[str, Any] = {
        "as_of": history.as_of.isoformat(),
        "inputs": [
            {"role": role, "name": path.name, "bytes": weight(path), "sha256": digest(path)} for role, path in inputs
        ],
        "mapping": {"name": Path(history.mapping).name, "sha256": _mapping_digest(history.mapping)},
        "program": _program(),
        **law,
    }
    stages = Stages(out, {**told, "engine": history.engine, "by": history.by}, RESULTS)
    kept = stages.finished("intake")
    if kept is None:
        kept = {}
        with stages.stage("intake", kept) as folder:
            try:
                taken = take_in(
                    cases=history.cases, events=history.events, mapping=table, steps=steps, out=folder,
                    memory_limit=history.memory_limit, progress=progress,
                )  # fmt: skip
            except BadHistory:
                # Nothing of the stage stays, but why nothing could be used is what the clerk has to know.
                if (folder / "rejected.csv").exists():
                    (folder / "rejected.csv").replace(out / "rejected.csv")
                raise
            kept.update(counts=taken.counts, steps=taken.steps)
    intake = Intake(
        out / "cases.parquet", out / "events.parquet", out / "rejected.csv", out / "conflicts.csv",
        out / "reconciliation.json", kept["counts"], tuple(kept["steps"]),
    )  # fmt: skip
    many = intake.counts["events"]["written"]

    def share(what: str, part: float) -> None:
        progress(what, round(part * many), many)

    found = stages.finished("judging")
    if found is None:
        found = {}
        with stages.stage("judging", found) as folder, bounded(history.memory_limit):
            judged = judge(intake, folder, share)
            found.update(
                {name: value for name, value in asdict(judged).items() if name not in ("findings", "verdicts")}
            )
    judged = Judged(out / "findings.parquet", out / "verdicts.parquet", **found)
    if stages.finished("output") is None:
        with stages.stage("output", {}) as folder, bounded(history.memory_limit):
            hand_over(
                Files(intake.cases, intake.events, judged.findings, judged.verdicts, intake.rejected), folder,
                counts=intake.counts, later=judged.later, lacked=judged.lacked, run=told, rules=rules, clauses=clauses,
                as_of=history.as_of,
                memory_limit=history.memory_limit, by=history.by, progress=share,
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


def _program() -> str:
    """SHA-256 over the sources and data that the results depend on."""
    home = Path(workflow.__file__).parent
    found = hashlib.sha256()
    for folder in (Path(definitions.__file__).parent, home / "core", home / "replay"):
        for file in sorted(folder.rglob("*")):
            if file.suffix in (".py", ".yaml", ".html", ".csv"):
                found.update(f"{file.relative_to(folder.parent).as_posix()} {digest(file)}\n".encode())
    return found.hexdigest()
