"""The stories of `tests/scenarios/*.yaml`, told to the core one by one; its README says how they are written."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from definitions.book import Book
from tests.core.driver import FACTS, Case, answer, cited, shipped_book
from tests.from_yaml import from_yaml
from workflow.core.deed import Decision
from workflow.core.events import Principal
from workflow.core.evolve import replay

FOLDER = Path(__file__).parents[1] / "scenarios"
STORIES = [
    pytest.param(story, id=f"{path.stem}: {story['name']}")
    for path in sorted(FOLDER.glob("*.yaml"))
    for story in from_yaml(path)
]


def plain(value: Any) -> Any:
    """Dates as a request writes them."""
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return value.isoformat() if isinstance(value, dt.date) else value


def facts(given: str | dict[str, Any]) -> dict[str, Any]:
    if isinstance(given, str):
        return FACTS[given]
    more = dict(given)
    return {**FACTS[more.pop("as")], **more}


def of_timers(pick: Callable[[Case, str], Any]) -> Callable[[Case, Decision, Any], Any]:
    return lambda case, _, expected: {key: pick(case, key) for key in expected}


def missing(case: Case, decision: Decision, _: Any) -> list[str]:
    if decision.refusal is not None:
        return [one["kind"] for one in decision.refusal.extra["missing_documents"]]
    return [one["kind"] for one in case.shown()["missing_documents"]]


def late(_case: Case, decision: Decision, _: Any) -> int | None:
    mark = decision.events[0].payload.get("late")
    return None if mark is None else int(mark["working_days"])


READ: dict[str, Callable[[Case, Decision, Any], Any]] = {
    "refused": lambda _, decision, __: answer(decision),
    "cites": lambda _, decision, expected: sorted(cited(decision) & set(expected)),
    "asks_for": lambda _, decision, __: decision.refusal.extra["fact"] if decision.refusal else None,
    "state": lambda case, _, __: case.state.state,
    "class": lambda case, _, __: case.state.user_class,
    "rules_give": lambda case, _, __: case.state.overridden_class,
    "submitted": lambda case, _, __: case.state.submitted_at.date(),
    "limit": lambda case, _, __: case.definition.total.limit,
    "rules_since": lambda case, _, __: case.definition.in_force_from,
    "missing": missing,
    "late": late,
    "pending": lambda case, _, __: [one.kind for one in case.state.pending],
    "recorded": lambda _, decision, __: [event.type for event in decision.events],
    "steps": lambda case, _, expected: {one.code: one.status for one in case.state.steps if one.code in expected},
    "timers": lambda case, _, expected: sorted(set(case.timers()) & set(expected)),
    "no_timer": lambda case, _, expected: sorted(set(expected) - set(case.timers())),
    "due": of_timers(lambda case, key: case.due(key)),
    "provisional": of_timers(lambda case, key: case.timers()[key].provisional),
    "used": of_timers(lambda case, key: case.standing(key).used),
    "left": of_timers(lambda case, key: case.standing(key).remaining),
    "status": of_timers(lambda case, key: case.standing(key).status),
    "overdue": lambda case, _, __: [one["key"] for one in case.shown()["deadlines"] if one["overdue"]],
    "limits": lambda case, _, __: [one["key"] for one in case.shown()["deadlines"] if one["due_on"] is not None],
    "milestones": lambda case, _, expected: {code: case.milestones()[code] for code in expected},
    "plan": lambda case, _, __: case.plan(),
    "suspensions": lambda case, _, __: [[one.from_, one.to] for one in case.state.suspensions],
    "filed": lambda case, _, expected: {key: case.shown()["chain"]["as_filed"][key] for key in expected},
    "chained": lambda case, _, expected: {key: case.shown()["chain"]["as_chained"][key] for key in expected},
    "linked_to": lambda case, _, __: [link.case_id for link in case.state.chain],
    "plan_valid_until": lambda case, _, __: case.shown()["supply_plan_valid_until"],
    "notices_due": lambda case, _, __: [one["notice"] for one in case.shown()["notices_due"]],
    "managers": lambda case, _, __: [case.state.manager, case.state.project_manager],
    "rating": lambda case, _, __: case.state.rating,
    "charges": lambda case, _, __: [[one.item, one.amount] for one in case.state.charges],
}


def compare(case: Case, decision: Decision, expect: dict[str, Any], where: str) -> None:
    """What is not said to be refused must have been taken."""
    expected = {"refused": None, **expect}
    found = {key: READ[key](case, decision, value) for key, value in expected.items()}
    detail = f" ({decision.refusal.detail.zh})" if decision.refusal else ""
    wanted = {
        key: sorted(value) if key in ("cites", "timers", "no_timer") else value for key, value in expected.items()
    }
    assert found == wanted, where + detail


class Teller:
    """Tells one story: applications by number, commands in order."""

    def __init__(self, book: Book) -> None:
        self.book = book
        self.cases: list[Case] = []

    def apply(self, step: dict[str, Any]) -> tuple[Case, Decision]:
        more = {key: plain(value) for key, value in step.items() if key not in ("given", "at", "do", "expect")}
        case = Case(self.book, number=len(self.cases) + 1)
        ended = tuple(one.state for one in self.cases if one.state.closed)
        decision = case.apply(facts(step["given"]), str(step["at"]), ended, **more)
        if decision.state is not None:
            self.cases.append(case)
        return case, decision

    def act(self, step: dict[str, Any]) -> tuple[Case, Decision]:
        if step["do"] == "apply":
            return self.apply(step)
        reserved = ("at", "do", "by", "case", "expect", "until")
        fields = {key: plain(value) for key, value in step.items() if key not in reserved}
        case, when = self.cases[step.get("case", len(self.cases)) - 1], str(step["at"])
        if step["do"] == "look":
            case.now = case.now.fromisoformat(f"{when} 10:00+08:00")
            return case, Decision((), case.state)
        if step["do"] == "drive":
            case.drive(when, step["until"])
            return case, Decision((), case.state)
        who = Principal(step["by"], "manager") if "by" in step else None
        decision = case.do(step["do"], when, who=who, **fields)
        if case.state.closed:
            # As the service does when a case ends after its need was filed anew.
            for other in self.cases:
                if other.number > case.number and not other.state.closed:
                    other.now = case.now
                    other.link(case.state)
        return case, decision


@pytest.fixture(scope="module")
def book() -> Book:
    return shipped_book()


@pytest.mark.parametrize("story", STORIES)
def test_story(story: dict[str, Any], book: Book):
    teller = Teller(book)
    opening = {key: value for key, value in story.items() if key not in ("name", "then")}
    case, decision = teller.apply(opening)
    compare(case, decision, story.get("expect", {}), "申请 / application")
    for number, step in enumerate(story.get("then", ()), start=1):
        case, decision = teller.act(step)
        compare(case, decision, step.get("expect", {}), f"第 {number} 步 / step {number}: {step['at']} {step['do']}")
    for told in teller.cases:
        assert replay(told.history) == told.state


def test_every_class_has_stories():
    assert set(FACTS) <= {path.stem for path in FOLDER.glob("*.yaml")}
