"""The same six-step case in DBOS and SpiffWorkflow, beside the engine in the same rounds.

Each runs in a process of its own, as its users have it: in one process each pays for what the others have imported and
left in memory.
"""

from __future__ import annotations

import multiprocessing
import secrets
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from bench.cases import Marks
from bench.competitors import WARM, Result
from bench.engine import engine, tasks
from bench.report import Section, Target, in_rounds

_OURS = "engine, 32 tasks"


def _ours(many: int) -> float:
    """Commands per second of `many` cases, on a fresh database."""
    marks = Marks(secrets.token_hex(4))
    with tempfile.TemporaryDirectory() as folder, engine(Path(folder) / "others.db") as service:
        tasks(service, marks.cases(("hv_single",), WARM))
        return tasks(service, marks.cases(("hv_single",), many))


def _rate(run: Callable[[int], Result], many: int) -> float:
    return run(many).rate


def _alone(folder: Path, work: Callable[[], float]) -> float:
    """What `work` gives in a process of its own, which makes its files in `folder`: the same disk for all."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn, initializer=_make_files_in, initargs=(folder,)) as pool:
        return pool.submit(work).result()


def _make_files_in(folder: Path) -> None:
    tempfile.tempdir = str(folder)


def section(folder: Path, *, quick: bool) -> Section:
    """Measure. Raises ModuleNotFoundError when the packages of `requirements/bench.txt` are not installed."""
    from bench.competitors import dbos_case, spiff_case  # noqa: PLC0415  # needed nowhere else

    many, rounds = (20, 2) if quick else (200, 5)
    runs: dict[str, Callable[[int], Result]] = {
        "DBOS as it comes (rollback journal)": dbos_case.run,
        "DBOS with a write-ahead log": partial(dbos_case.run, write_ahead_log=True),
        "SpiffWorkflow, loaded for every step": spiff_case.run,
        "SpiffWorkflow, kept in memory": partial(spiff_case.run, reload=False),
    }
    works = {_OURS: partial(_ours, many), **{way: partial(_rate, run, many) for way, run in runs.items()}}
    found = in_rounds({way: partial(_alone, folder, work) for way, work in works.items()}, rounds)
    made = Section("Other engines, the same six-step case", "python -m bench --only others")
    ours = found[_OURS].median
    made.add(_OURS, ours, "commands/s")
    targets = {"DBOS as it comes (rollback journal)": 10.0, "SpiffWorkflow, loaded for every step": 4.0}
    for way in runs:
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
