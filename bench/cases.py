"""The applications the bench drives: who applies for what in each class, and the commands up to energisation.

Every case takes the shortest lawful way, nothing returned, suspended or corrected: a command costs least there, and the
bare loop beside it writes the same few rows.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count, zip_longest
from typing import Any

from workflow.replay.lists import HANDED_IN
from workflow.service import COMMANDS, Answer, Command, Principal, Service, Submission

FRONT_LINE = Principal("bench", "front_line")
"""Who gives the commands: the front-line system of the whole utility, as a key without a unit."""

UNITS = tuple(f"county-{number:02d}" for number in range(10))
"""The units the applications belong to, round robin; each numbers its own."""

_LOW = {"voltage": "low", "documents": [{"kind": "identity"}, {"kind": "premises_title"}]}
_HIGH = {
    "voltage": "high",
    "customer_kind": "non_residential",
    "capacity_kw": 630.0,
    "documents": [*_LOW["documents"], {"kind": "project_approval"}],
}
_FACTS: dict[str, dict[str, Any]] = {
    "residential": {**_LOW, "customer_kind": "residential", "capacity_kw": 8.0},
    "lv_zero": {**_LOW, "customer_kind": "non_residential", "enterprise_size": "micro", "capacity_kw": 50.0},
    "lv_other": {**_LOW, "customer_kind": "non_residential", "enterprise_size": "large", "capacity_kw": 250.0},
    "hv_single": {**_HIGH, "supply_count": 1},
    "hv_dual": {**_HIGH, "supply_count": 2},
}
CLASSES = tuple(_FACTS)


def _complete(step: str) -> dict[str, Any]:
    return {"command": "complete_step", "step": step}


def _hand_in(step: str) -> dict[str, Any]:
    documents = [{"kind": kind} for kind in HANDED_IN.get(step, ())]
    return {"command": "submit_step", "step": step, "documents": documents}


_AFTER_PLAN = [
    part(step)
    for step in ("design_review", "mid_inspection", "completion_inspection", "metering")
    for part in (_hand_in, _complete)
]
_TWO_STEPS = [_complete("acceptance"), _complete("metering")]
_SIX_STEPS = [_complete("acceptance"), _complete("supply_plan"), *_AFTER_PLAN]
BODIES: dict[str, list[dict[str, Any]]] = {
    "residential": _TWO_STEPS,
    "lv_zero": _TWO_STEPS,
    "lv_other": [_complete("acceptance"), _complete("supply_plan"), _hand_in("metering"), _complete("metering")],
    "hv_single": _SIX_STEPS,
    "hv_dual": _SIX_STEPS,
}
"""The JSON of the commands that follow a submission, by class."""


def submission_body(user_class: str, mark: str, unit: str) -> dict[str, Any]:
    """The JSON of a submission. `mark`: stands in every name that must be the application's own."""
    return {
        **_FACTS[user_class],
        "external_id": f"E{mark}",
        "customer": {"id": f"C{mark}", "name": f"用户 {mark}", "phone": "13900000000"},
        "premises": {"id": f"P{mark}", "address": f"江岸区沿江大道 {mark} 号"},
        "area": "urban",
        "region": "420102",
        "org": unit,
        "channel": "online",
        "manager": f"manager-{unit}",
    }


_COMMANDS: dict[str, list[Command]] = {
    user_class: [COMMANDS.validate_python(body) for body in bodies] for user_class, bodies in BODIES.items()
}


@dataclass
class Case:
    """One application to drive. `turn`: the number of its next command, 0 for the submission, which an application that
    is stored already no longer has."""

    mark: str
    user_class: str
    submission: Submission | None = None
    id: str = ""
    turn: int = 0
    commands: list[Command] = field(init=False)
    keys: list[str] = field(init=False)

    def __post_init__(self) -> None:
        self.commands = _COMMANDS[self.user_class]
        self.keys = [f"{self.mark}-{turn:02d}" for turn in range(self.length)]

    @property
    def length(self) -> int:
        """How many commands take it from nothing to energised."""
        return 1 + len(self.commands)

    @property
    def key(self) -> str:
        """The idempotency key of the next command."""
        return self.keys[self.turn]

    def ask(self, service: Service) -> Any:
        """Hand the next command to the engine; the reply to wait for."""
        if self.submission is not None and not self.turn:
            return service.submit(FRONT_LINE, self.submission, self.key)
        return service.command(FRONT_LINE, self.id, self.commands[self.turn - 1], self.key)

    def take(self, answer: Answer) -> None:
        """Note the answer. Raises AssertionError when the command was refused: then nothing was measured."""
        if answer.refusal is not None or answer.case_id is None:
            raise AssertionError(f"{self.user_class}, command {self.turn}: {answer.refusal}")
        self.id = answer.case_id
        self.turn += 1


class Marks:
    """Marks of cases that no other run of the bench has used on the same database."""

    def __init__(self, run: str) -> None:
        self._run = run
        self._numbers = count()

    def case(self, user_class: str) -> Case:
        """A fresh application of this class."""
        number = next(self._numbers)
        mark = f"{self._run}{number:08d}"
        body = submission_body(user_class, mark, UNITS[number % len(UNITS)])
        return Case(mark, user_class, Submission.model_validate(body))

    def stored(self, case_id: str, user_class: str, state: str) -> Case:
        """An open application of the database, to go on with from its `state`."""
        step, _, standing = state.partition(".")
        following = _hand_in(step) if standing == "waiting" else _complete(step)
        turn = 1 + BODIES[user_class].index(following)
        return Case(f"{self._run}{next(self._numbers):08d}", user_class, id=case_id, turn=turn)

    def cases(self, classes: Sequence[str], many: int) -> list[Case]:
        """`many` fresh applications of `classes` in turn."""
        return [self.case(classes[number % len(classes)]) for number in range(many)]


def in_turn(cases: Sequence[Case]) -> Iterator[Case]:
    """The cases, each as often as it has commands left, one command of each before the next: so that, as in life, days
    and other people's commands lie between two commands of one case."""
    turns = [[case] * (case.length - case.turn) for case in cases]
    for row in zip_longest(*turns):
        yield from (case for case in row if case is not None)


class SteadyClock:
    """A clock that moves on with every look at it, so that steps take days without anybody waiting for them."""

    def __init__(self, start: dt.datetime, each: dt.timedelta) -> None:
        self._start, self._each, self._looks = start, each, count()

    def now(self) -> dt.datetime:
        """The present moment of this clock."""
        return self._start + next(self._looks) * self._each
