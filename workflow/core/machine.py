"""The order of steps, as a `transitions` machine per definition.

One detached machine (no model, no auto transitions) serves every case of a definition; a small view object is fired
through it.  Why something is refused is said by `decide`: here a forbidden order is only `False`.
"""

from __future__ import annotations

import logging
from functools import lru_cache

from transitions import Machine, MachineError

from definitions.model import Definition, StepRule

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


def path(definition: Definition, important_customer: bool) -> tuple[StepRule, ...]:
    """The steps this case takes: all of the definition's, less those a regional profile keeps for important customers
    only."""
    if important_customer:
        return definition.steps
    return tuple(step for step in definition.steps if step.required_for == "all")


def entry(step: StepRule) -> str:
    """The state in which a step is entered after the one before it: running where nothing is waited for."""
    return f"{step.code}.waiting" if step.starts == "hand_in" else f"{step.code}.running"


@lru_cache(maxsize=512)
def _machine(steps: tuple[tuple[str, str, bool], ...]) -> Machine:
    """`steps`: code, entry state and waivable of each step in order."""
    states = [f"{code}.{phase}" for code, _, _ in steps for phase in ("waiting", "running")]
    machine = Machine(
        model=None,
        states=[*states, *CLOSED],
        initial=states[0],
        auto_transitions=False,
        send_event=False,
        queued=False,
    )
    for index, (code, _, waivable) in enumerate(steps):
        following = steps[index + 1][1] if index + 1 < len(steps) else ENERGISED
        waiting, running = f"{code}.waiting", f"{code}.running"
        machine.add_transition("submit_step", waiting, running)
        machine.add_transition("return_step", running, waiting)
        machine.add_transition("complete_step", running, following)
        if waivable and following != ENERGISED:
            for phase in (waiting, running):
                machine.add_transition("waive_step", phase, following)
    for trigger, ending in ENDINGS.items():
        machine.add_transition(trigger, states, ending)
    return machine


def machine_for(definition: Definition, important_customer: bool) -> Machine:
    """The machine that orders a case of this definition; the same object for every such case."""
    return _machine(tuple((s.code, entry(s), s.waivable) for s in path(definition, important_customer)))


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
