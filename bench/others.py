"""The same six-step case in DBOS and SpiffWorkflow, beside the engine in the same rounds."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path

from bench.cases import Marks
from bench.engine import engine, tasks
from bench.report import Section, Target, in_rounds

_OURS = "engine, 32 tasks"


def section(folder: Path, *, quick: bool) -> Section:
    """Measure. Raises ModuleNotFoundError when the packages of `requirements/bench.txt` are not installed."""
    from bench.competitors import dbos_case, spiff_case  # noqa: PLC0415  # needed nowhere else

    many, rounds = (20, 2) if quick else (200, 5)
    marks = Marks(secrets.token_hex(4))
    with engine(folder / "others.db") as service:
        ways: dict[str, Callable[[], float]] = {
            _OURS: lambda: tasks(service, marks.cases(("hv_single",), many)),
            "DBOS as it comes (rollback journal)": lambda: dbos_case.run(many).rate,
            "DBOS with a write-ahead log": lambda: dbos_case.run(many, write_ahead_log=True).rate,
            "SpiffWorkflow, loaded for every step": lambda: spiff_case.run(many).rate,
            "SpiffWorkflow, kept in memory": lambda: spiff_case.run(many, reload=False).rate,
        }
        found = in_rounds(ways, rounds)
    made = Section("Other engines, the same six-step case", "python -m bench --only others")
    ours = found[_OURS].median
    made.add(_OURS, ours, "commands/s")
    targets = {"DBOS as it comes (rollback journal)": 10.0, "SpiffWorkflow, loaded for every step": 4.0}
    for way in list(ways)[1:]:
        made.add(way, found[way].median, "steps/s")
        bound = targets.get(way)
        made.add(f"engine over {way}", ours / found[way].median, "times", Target(bound) if bound else None)
    made.notes.append(
        f"lowest to highest of {rounds} rounds: " + "; ".join(f"{way} {spread}" for way, spread in found.items())
    )
    made.notes.append(
        "a case is 11 commands to us (hand-in and result of a step are two) and 6 steps to them; compared are durable "
        "changes of state a second"
    )
    return made
