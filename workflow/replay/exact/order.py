"""The order of steps: a finished history driven through the engine's own machine.

What the machine refuses is kept, not repaired: a step done while an earlier one was still due (D08 when that one was
passed later, D24 when it never was).  A record that is only a date stands wherever on its day the order needs it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from definitions.model import Definition, StepRule
from workflow.core.machine import fire, machine_for, path
from workflow.replay.exact.rows import History, Record

_LIFECYCLES = ("start", "complete", "return")


class Walk:
    """A walk through the machine. `refused`: records it did not allow, with the state it stood in. `completed_early`:
    pairs of a later step's completion and the pass of an earlier one behind it; `started_early` likewise."""

    def __init__(self, definition: Definition, important_customer: bool, history: History) -> None:
        self.machine = machine_for(definition, important_customer)
        waived = {one.activity for one in history.records if one.lifecycle == "waive"}
        course = path(definition, important_customer)
        self.waived = tuple(step.code for step in course if step.waivable and waived & set(step.parts))
        self.course = course
        self.state = f"{course[0].code}.waiting"
        self.done: dict[int, Record] = {}
        self.completed = False
        self.begun: dict[int, Record] = {}
        self.refused: list[tuple[Record, str]] = []
        self.completed_early: list[tuple[Record, Record]] = []
        self.started_early: list[tuple[Record, Record]] = []
        for record in _in_order(history, course):
            self._take(record)

    @property
    def skipped(self) -> tuple[StepRule, ...]:
        """Steps of the path that were neither completed nor waived."""
        return tuple(step for i, step in enumerate(self.course) if i not in self.done and step.code not in self.waived)

    def _take(self, record: Record) -> None:
        position = _position(self.course, record)
        self.completed = self.completed or record.lifecycle == "complete"
        if position is None or self.course[position].code in self.waived:
            return
        self._excuse()
        if record.lifecycle == "start":
            self._fire("submit_step", position, record)
            self.begun.setdefault(position, record)
        elif record.lifecycle == "return":
            self._fire("return_step", position, record)
        else:
            self._complete(position, record)

    def _complete(self, position: int, record: Record) -> None:
        behind = [(later, one) for later, one in self.done.items() if later > position and one.before(record)]
        self.completed_early += [(one, record) for _, one in behind]
        self.started_early += [
            (one, record) for later, one in self.begun.items() if later > position and one.before(record)
        ]
        if self.state == f"{self.course[position].code}.waiting":
            self._fire("submit_step", position, record)
        self._fire("complete_step", position, record)
        self.done.setdefault(position, record)

    def _fire(self, trigger: str, position: int, record: Record) -> None:
        code = self.course[position].code
        reached = fire(self.machine, trigger, self.state) if self.state.rpartition(".")[0] == code else None
        if reached is None:
            self.refused.append((record, self.state))
        else:
            self.state = reached

    def _excuse(self) -> None:
        """Move past steps that were waived, and those that the history completed before their turn."""
        while True:
            code = self.state.rpartition(".")[0]
            position = next((i for i, step in enumerate(self.course) if step.code == code), None)
            if position is None:
                return
            if code in self.waived:
                reached = fire(self.machine, "waive_step", self.state)
            elif position in self.done:
                running = fire(self.machine, "submit_step", self.state) or self.state
                reached = fire(self.machine, "complete_step", running)
            else:
                return
            if reached is None:
                return
            self.state = reached


def _position(course: Sequence[StepRule], record: Record) -> int | None:
    return next((i for i, step in enumerate(course) if record.activity in step.parts), None)


def _in_order(history: History, course: Sequence[StepRule]) -> Iterator[Record]:
    """The step records as they could have happened: of one moment in the order of the path; a record that is only a
    date before a completion of a later step on its day."""
    steps = [
        (position, record)
        for record in history.records
        if record.lifecycle in _LIFECYCLES and (position := _position(course, record)) is not None
    ]

    def key(one: tuple[int, Record]) -> tuple[int, int]:
        return one[0], _LIFECYCLES.index(one[1].lifecycle)

    for _, day in groupby(sorted(steps, key=lambda one: one[1].date), key=lambda one: one[1].date):
        today = list(day)
        loose = sorted((one for one in today if one[1].only_date), key=key)
        for one in sorted((one for one in today if not one[1].only_date), key=lambda one: (one[1].at, *key(one))):
            if one[1].lifecycle == "complete":
                while loose and loose[0][0] < one[0]:
                    yield loose.pop(0)[1]
            yield one[1]
        for one in loose:
            yield one[1]
