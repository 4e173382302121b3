"""The order of steps, as a `transitions` machine per definition.

One detached machine (no model, no auto transitions) serves every case of a definition; a small view object is fired
through it.  Why something is refused is said by `decide`: here a forbidden order is only `False`.
"""

from __future__ import annotations

import functools
import logging
from typing import NamedTuple

from transitions import Machine, MachineError

from definitions.model import Definition, StepRule
from workflow.core.state import State, Step

logging.getLogger("transitions").setLevel(logging.WARNING)

ENDINGS = {"withdraw": "withdrawn", "terminate": "terminated", "refuse": "refused"}
"""The commands that end a case before energising, and the state each leaves."""

ENERGISED = "energised"
CLOSED = (ENERGISED, *ENDINGS.values())


class View:
    """What a machine needs to know of a case: its state."""

    __slots__ = ("state",)

    def __init__(self, state: str) -> None:
        self.state = state


class Course(NamedTuple):
    """The steps a case takes, and the machine that orders them."""

    steps: tuple[StepRule, ...]
    machine: Machine


_COURSES: dict[tuple[str, bool], Course] = {}


def course(definition: Definition, important_customer: bool) -> Course:
    """The course of a case under this definition; built once per definition hash."""
    key = (definition.hash, important_customer)
    known = _COURSES.get(key)
    if known is None:
        steps = tuple(step for step in definition.steps if important_customer or step.required_for == "all")
        known = _COURSES[key] = Course(steps, _build(steps))
    return known


def path(definition: Definition, important_customer: bool) -> tuple[StepRule, ...]:
    """The steps this case takes: all of the definition's, less those a regional profile keeps for important customers
    only."""
    return course(definition, important_customer).steps


def machine_for(definition: Definition, important_customer: bool) -> Machine:
    """The machine that orders a case of this definition; the same object for every such case."""
    return course(definition, important_customer).machine


def step_with(definition: Definition, state: State, part: str) -> Step | None:
    """The case's step that holds the national step `part`: itself, or the regional step it was merged into."""
    for rule in definition.steps:
        if part in rule.parts:
            return state.step(rule.code)
    return None


def entry(step: StepRule) -> str:
    """The state in which a step is entered after the one before it: running where nothing is waited for."""
    return f"{step.code}.waiting" if step.starts == "hand_in" else f"{step.code}.running"


def _build(steps: tuple[StepRule, ...]) -> Machine:
    states = [f"{step.code}.{phase}" for step in steps for phase in ("waiting", "running")]
    machine = Machine(
        model=None,
        states=[*states, *CLOSED],
        initial=states[0],
        auto_transitions=False,
        send_event=False,
        queued=False,
    )
    for step, after in zip(steps, (*steps[1:], None), strict=True):
        following = ENERGISED if after is None else entry(after)
        waiting, running = f"{step.code}.waiting", f"{step.code}.running"
        machine.add_transition("submit_step", waiting, running)
        machine.add_transition("return_step", running, waiting)
        machine.add_transition("complete_step", running, following)
        if step.waivable and after is not None:
            machine.add_transition("waive_step", waiting, following)
            machine.add_transition("waive_step", running, following)
    for trigger, ending in ENDINGS.items():
        for state in states:
            machine.add_transition(trigger, state, ending)
    return machine


@functools.cache  # a machine without conditions answers the same every time; few triggers and states to remember
def fire(machine: Machine, trigger: str, state: str) -> str | None:
    """The state after `trigger`, or None when the order does not allow it now."""
    view = View(state)
    event = machine.events.get(trigger)
    if event is None:
        return None
    try:
        moved = event.trigger(view)
    except MachineError:
        return None
    return view.state if moved else None
