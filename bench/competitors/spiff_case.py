"""A six-step case in SpiffWorkflow, serialised whole and committed to SQLite after every step.

SpiffWorkflow is a library without a store of its own: its user loads the workflow's text, completes a task, and saves
the text again.  The steps of an application lie days apart, so each one begins with the load, as each of our commands
begins with reading its case; `run(cases, reload=False)` keeps the workflow in memory instead, its best case.  Saving
the fresh case counts as time and not as a step.
"""

from __future__ import annotations

import sqlite3
import tempfile
import time
from contextlib import closing
from functools import partial
from pathlib import Path

from SpiffWorkflow.bpmn.serializer import BpmnWorkflowSerializer
from SpiffWorkflow.bpmn.specs.bpmn_process_spec import BpmnProcessSpec
from SpiffWorkflow.bpmn.specs.defaults import EndEvent, ManualTask, StartEvent
from SpiffWorkflow.bpmn.specs.event_definitions.simple import NoneEventDefinition
from SpiffWorkflow.bpmn.workflow import BpmnWorkflow
from SpiffWorkflow.util.task import TaskState

from bench.competitors import WARM, Result, durable, main, versions
from definitions.model import STEPS


def _process() -> BpmnProcessSpec:
    """Start, the six steps as tasks of a person, end."""
    process = BpmnProcessSpec("connection")
    last = StartEvent(process, "submission", NoneEventDefinition())
    process.start.connect(last)
    for step in STEPS:
        task = ManualTask(process, step)
        last.connect(task)
        last = task
    energised = EndEvent(process, "energised", NoneEventDefinition())
    last.connect(energised)
    energised.connect(process.end)
    return process


class _Engine:
    """The process, its serialiser and the rows they are saved in."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self.process, self.serializer, self.database = _process(), BpmnWorkflowSerializer(), database
        database.execute("CREATE TABLE workflow (id INTEGER PRIMARY KEY, state TEXT NOT NULL)")

    def drive(self, case: int, *, reload: bool) -> int:
        """Take one application from submission to energised; the number of steps made durable."""
        workflow = BpmnWorkflow(self.process)
        workflow.do_engine_steps()
        self._save(case, workflow)
        for step in STEPS:
            if reload:
                workflow = self._load(case)
            task = workflow.get_next_task(state=TaskState.READY, manual=True)
            if task.task_spec.name != step:
                raise AssertionError(f"expected {step}, found {task.task_spec.name}")
            task.run()
            workflow.do_engine_steps()
            self._save(case, workflow)
        if not workflow.completed:
            raise AssertionError(f"case {case} did not end")
        return len(STEPS)

    def _save(self, case: int, workflow: BpmnWorkflow) -> None:
        state = self.serializer.serialize_json(workflow)
        self.database.execute("REPLACE INTO workflow VALUES (?, ?)", (case, state))

    def _load(self, case: int) -> BpmnWorkflow:
        (state,) = self.database.execute("SELECT state FROM workflow WHERE id = ?", (case,)).fetchone()
        return self.serializer.deserialize_json(state)


def run(cases: int, *, reload: bool = True) -> Result:
    """Take `cases` applications one after another through their six steps.

    `reload`: begin every step from the stored text, as a server does; otherwise the workflow stays in memory.
    """
    with tempfile.TemporaryDirectory() as folder, closing(durable(Path(folder, "spiff.sqlite"))) as database:
        engine = _Engine(database)
        for case in range(WARM):
            engine.drive(case, reload=reload)
        begin = time.perf_counter()
        steps = sum(engine.drive(case, reload=reload) for case in range(WARM, WARM + cases))
        seconds = time.perf_counter() - begin
    return Result(steps, seconds, versions("SpiffWorkflow"))


if __name__ == "__main__":
    main({"loaded for every step": run, "kept in memory": partial(run, reload=False)})
