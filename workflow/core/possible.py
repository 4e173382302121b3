"""What may be done of an application now: every command is tried on it, and the engine itself says yes or no.

No rule is repeated here.  A command is tried with values that say nothing (a *probe*); what refuses it is either its
place (the order of steps, a suspension, the class) or its content.  Only the former means that it cannot be done now:
content is what the clerk is about to fill in.  Pure; nothing that is tried changes the case.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from typing import Any

from definitions.model import Definition, Frozen
from workflow.core.commands import COMMANDS
from workflow.core.decide import decide
from workflow.core.deed import Context
from workflow.core.refusals import Refusal
from workflow.core.state import State
from workflow.core.times import business_date

OF_PLACE = (
    "transition-not-allowed", "suspension-in-force", "step-not-allowed", "charge-not-allowed", "milestone-unknown",
    "time-before-previous-step",
)  # fmt: skip
"""Refusals that no other content would lift."""


class Possible(Frozen, frozen=True):
    """A command and whether it may be given now. `step`: the step in force, for commands on a step; `refusal`: why it
    cannot be given, None when it can."""

    command: str
    step: str | None
    refusal: Refusal | None = None


_Probe = Callable[[Definition, State, dt.date], Iterable[dict[str, Any]]]


def _plain(**fields: Any) -> _Probe:
    return lambda _definition, _state, _today: ({**fields},)


def _on_step(**fields: Any) -> _Probe:
    return lambda definition, state, _today: ({"step": state.current or definition.steps[-1].code, **fields},)


def _charges(definition: Definition, _state: State, _today: dt.date) -> Iterable[dict[str, Any]]:
    """Every item of the catalogue, for works beyond the site boundary where that makes a difference."""
    items = [item.code for item in definition.charges.catalogue] or ["任何费用"]
    return ({"item": item, "amount": 1.0, "beyond_boundary": beyond} for beyond in (True, False) for item in items)


def _milestones(definition: Definition, _state: State, _today: dt.date) -> Iterable[dict[str, Any]]:
    return ({"milestone": code} for code in [rule.code for rule in definition.milestones] or ["-"])


_PROBES: dict[str, _Probe] = {
    "request_documents": _plain(documents=[{"kind": "-"}]),
    "register_documents": _plain(documents=[{"kind": "-", "volunteered": True}]),
    "submit_step": _on_step(),
    "complete_step": _on_step(),
    "return_step": _on_step(defects=["-"]),
    "waive_step": _on_step(legal_basis="-"),
    "assign": _plain(manager="-"),
    "suspend": lambda _definition, _state, today: (
        {"reason": "force_majeure", "notice": "-", "from": today.isoformat()},
    ),
    "resume": _plain(),
    "refuse": _plain(legal_basis="-"),
    "withdraw": _plain(reason="-", evidence={"ref": "-"}),
    "terminate": _plain(reason="other"),
    "correct": _plain(field="-", new_value="-", reason="-"),
    "countersign": _plain(),
    "add_charge": _charges,
    "add_approval": _plain(),
    "decide_approval": _plain(decision="granted"),
    "notify": _plain(notice="-"),
    "reach_milestone": _milestones,
    "rate": _plain(score=5),
}
"""One probe for each command; a test holds the two lists together."""

_STEPWISE = ("submit_step", "complete_step", "return_step", "waive_step")


def possible(context: Context, definition: Definition, state: State, names: Iterable[str]) -> tuple[Possible, ...]:
    """Those of the commands `names` that act on an existing application, each with why it cannot be given now."""
    return tuple(
        Possible(
            name,
            state.current if name in _STEPWISE else None,
            _refused(context, definition, state, name),
        )
        for name in names
        if name in _PROBES
    )


def _refused(context: Context, definition: Definition, state: State, name: str) -> Refusal | None:
    """Why no probe of the command gets past its place; None when one does."""
    last: Refusal | None = None
    for fields in _PROBES[name](definition, state, business_date(context.now)):
        command = COMMANDS.validate_python({"command": name, **fields})
        found = decide(context, definition, state, command).refusal
        if found is None or found.code not in OF_PLACE:
            return None
        last = found
    return last


def may_sign(context: Context, definition: Definition, state: State, event: int) -> Refusal | None:
    """Why the acting principal cannot sign the record `event` now; None when he can."""
    command = COMMANDS.validate_python({"command": "countersign", "event": event})
    return decide(context, definition, state, command).refusal
