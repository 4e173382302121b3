"""A six-step case as a DBOS workflow: every step a durable `DBOS.step`, kept in SQLite.

DBOS writes the workflow's status at its start and end and one row per step; all of it counts as time, only the six
steps count as steps.  It creates its file with a rollback journal (synchronous=FULL, SQLite's default), which is what
its users get and what `run(cases)` measures; a write-ahead log makes it faster, so that is offered beside it.
"""

from __future__ import annotations

import tempfile
import time
from functools import partial
from pathlib import Path

from dbos import DBOS, DBOSConfig

from bench.competitors import WARM, Result, durable, main, versions
from definitions.model import STEPS


def _step(case: int, step: str) -> dict[str, object]:
    return {"case": case, "step": step}


def _case(case: int) -> int:
    return sum(1 for step in STEPS if _durable_step(case, step)["step"] == step)


_durable_step = DBOS.step()(_step)
_workflow = DBOS.workflow()(_case)


def run(cases: int, *, write_ahead_log: bool = False) -> Result:
    """Take `cases` applications one after another through their six steps.

    `write_ahead_log`: put the file into the mode that our own databases use; otherwise as DBOS creates it.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "dbos.sqlite")
        if write_ahead_log:
            durable(file).close()
        DBOS(config=DBOSConfig(name="bench", system_database_url=f"sqlite:///{file}", log_level="ERROR"))
        DBOS.launch()
        try:
            for case in range(WARM):
                _workflow(case)
            begin = time.perf_counter()
            steps = sum(_workflow(case) for case in range(WARM, WARM + cases))
            seconds = time.perf_counter() - begin
        finally:
            DBOS.destroy()
    return Result(steps, seconds, versions("dbos", "SQLAlchemy"))


if __name__ == "__main__":
    main({"as it comes": run, "with a write-ahead log": partial(run, write_ahead_log=True)})
