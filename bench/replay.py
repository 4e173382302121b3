"""A whole replay by the size of the history, beside a bare fold of the same events, plain DuckDB, and PM4Py."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Any, Final

from bench import histories
from bench.report import Section, Target

_MEMORY: Final = "8GB"
_COMPARED: Final = 10_000_000
"""Events of the history on which the goals are judged."""
_LEARNT: Final = {"tokens": ("token replay", 1), "temporal": ("temporal profile", 10), "skeleton": ("log skeleton", 1)}
"""What PM4Py is asked, and of which part of the events: it had no temporal profile of a million after ten minutes."""


def section(folder: Path, *, quick: bool, huge: bool) -> Section:
    """Replay, fold and floor on each size, and PM4Py on the smallest."""
    made = Section(
        "Replay of a history (DuckDB, 2 threads or as many as there are cores)", "python -m bench --only replay"
    )
    sizes = [20_000, 100_000] if quick else [1_000_000, _COMPARED]
    if huge and not quick:
        sizes.append(10 * _COMPARED)
    judged = sizes[1]
    rates: dict[int, float] = {}
    for size in sizes:
        history = folder / f"history-{size}"
        told = histories.write(history, size)
        rates[size] = _size(
            made, folder, history, told, rounds=3 if size <= judged and not quick else 1, goals=size == judged
        )
        if size == sizes[0]:
            _others(made, folder, history, told["events"] if not quick else size // 10, rates[size])
        shutil.rmtree(history)
    if len(sizes) > 2:
        made.add(
            f"rate at {_short(sizes[2])}, of that at {_short(judged)}",
            rates[sizes[2]] / rates[judged],
            "share",
            Target(0.8),
        )
    made.notes.append(
        "each figure is the middle of three rounds that take turns (100 million, --quick: one), each a process; "
        f"memory bound {_MEMORY}, beyond which DuckDB spills; the history is generated, shuffled, with text ids"
    )
    made.notes.append(
        "import: contract Parquet to canonical tables; output: findings.csv, report.html, desk.xlsx, summary.json; "
        "the whole also takes digests of input and results and settles them on the disk"
    )
    return made


def _short(events: int) -> str:
    return f"{events // 1_000_000} million" if events >= 1_000_000 else f"{events:,}"


def _size(made: Section, folder: Path, history: Path, told: dict[str, Any], *, rounds: int, goals: bool) -> float:
    """The figures of one size; answers the rate of the whole."""
    events, name = told["events"], _short(round(told["events"], -4) if told["events"] > 1_000_000 else told["events"])
    found: dict[str, list[dict[str, float]]] = {"replay": [], "fold": [], "floor": []}
    for number in range(rounds):
        for way in list(found)[:: -1 if number % 2 else 1]:
            found[way].append(_run(way, history, folder / "work"))

    def rate(way: str, what: str) -> float:
        return float(events / median(one[what] for one in found[way]))

    for what, shown in (("import", "import"), ("rules", "all rules"), ("output", "output"), ("whole", "whole")):
        goal = Target(1_000_000) if goals and what == "whole" else None
        made.add(f"{name} events: {shown}", rate("replay", what), "events/s", goal)
    made.add(f"{name} events: bare fold, 70 aggregates a case", rate("fold", "seconds"), "events/s")
    made.add(
        f"{name} events: whole, of the bare fold", rate("replay", "whole") / rate("fold", "seconds"), "share",
        Target(0.5) if goals else None,
    )  # fmt: skip
    made.add(f"{name} events: plain DuckDB, order, repeats and durations only", rate("floor", "seconds"), "events/s")
    peak = max(one["peak"] for one in found["replay"])
    made.add(f"{name} events: peak memory of the replay", peak, "MiB", Target(16 * 2**30, below=True))
    first = found["replay"][0]
    made.notes.append(
        f"{name}: {told['cases']:,} cases, {first['findings']:,.0f} findings; seconds of the whole "
        f"{_spread(found['replay'], 'whole')}, of the fold {_spread(found['fold'], 'seconds')}; processor seconds "
        f"{_spread(found['replay'], 'cpu')} and {_spread(found['fold'], 'cpu')}"
    )
    return rate("replay", "whole")


def _spread(found: list[dict[str, float]], what: str) -> str:
    values = [one[what] for one in found]
    return f"{min(values):.3g} to {max(values):.3g}"


def _others(made: Section, folder: Path, history: Path, events: int, own: float) -> None:
    """PM4Py, whose algorithms each answer one question; once each, on `events` or the part of them it gets through."""
    if importlib.util.find_spec("pm4py") is None:
        made.notes.append("PM4Py is not installed here: not measured")
        return
    for way, (name, part) in _LEARNT.items():
        found = _run(way, history, folder / "work", "--events", str(events // part))
        rate = found["events"] / found["seconds"]
        made.add(f"PM4Py {name}, {found['events']:,.0f} events", rate, "events/s")
        made.add(f"whole replay over PM4Py {name}", own / rate, "times")
    made.notes.append("PM4Py: models learnt from 500 cases beforehand, the log in memory; only the checking is timed")


def _run(way: str, history: Path, work: Path, *more: str) -> dict[str, float]:
    shutil.rmtree(work, ignore_errors=True)
    command = [sys.executable, "-m", "bench.replay_ways", way, str(history), str(work), "--memory", _MEMORY, *more]
    answer = subprocess.run(command, check=False, capture_output=True, text=True)
    if answer.returncode:
        raise RuntimeError(f"{' '.join(command)}: {answer.stderr[-2000:]}")
    shutil.rmtree(work, ignore_errors=True)
    told: dict[str, float] = json.loads(answer.stdout.splitlines()[-1])
    return told
