"""The scenarios of each class, written for a customer manager, against the shipped book."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from definitions.book import NoRuleInForce, load
from definitions.model import Definition
from tests.from_yaml import from_yaml

FOLDER = Path(__file__).parent / "scenarios"
FILES = {path.stem: from_yaml(path) for path in sorted(FOLDER.glob("*.yaml"))}
SCENARIOS = [
    pytest.param(file["class"], scenario, id=f"{stem}: {scenario['name']}")
    for stem, file in FILES.items()
    for scenario in file["scenarios"]
]

READ: dict[str, Callable[[Definition], Any]] = {
    "path": lambda d: [step.code for step in d.steps],
    "total": lambda d: {"kind": d.total.kind, "limit": d.total.limit, "deductible": list(d.total.deductible)},
    "limits": lambda d: {step.code: step.limit for step in d.steps},
    "starts": lambda d: {step.code: step.starts for step in d.steps},
    "documents": lambda d: {step.code: [document.kind for document in step.documents] for step in d.steps},
    "zero_investment": lambda d: d.charges.zero_investment,
    "catalogue": lambda d: [item.code for item in d.charges.catalogue],
    "plan_months": lambda d: d.plan_validity.months if d.plan_validity else None,
    "notices": lambda d: [notice.code for notice in d.notices],
    "channels": lambda d: {notice.code: list(notice.channels) for notice in d.notices},
    "waivable": lambda d: [step.code for step in d.steps if step.waivable],
    "required_for_all": lambda d: [step.code for step in d.steps if step.required_for == "all"],
}


def told(definition: Definition) -> set[str]:
    """The clauses the path and the limits of the definition rest on."""
    return {
        *definition.step_clauses,
        *definition.total.clauses,
        *(c for step in definition.steps for c in step.clauses),
    }


def test_every_class_has_scenarios():
    assert tuple(FILES) == load().classes


@pytest.mark.parametrize(("user_class", "scenario"), SCENARIOS)
def test_scenario(user_class: str, scenario: dict[str, Any]):
    apart = ("name", "submitted_on", "no_rule", "cites", "limits_cite")
    asked = {key: scenario[key] for key in scenario if key not in apart}
    if scenario.get("no_rule"):
        with pytest.raises(NoRuleInForce, match="没有可适用于"):
            load().resolve(on=scenario["submitted_on"], user_class=user_class)
        return
    definition = load().resolve(on=scenario["submitted_on"], user_class=user_class)
    assert {key: READ[key](definition) for key in asked} == asked
    assert set(scenario.get("cites", ())) <= told(definition)
    limits = [definition.total.clauses, *(step.clauses for step in definition.steps if step.limit is not None)]
    assert all(set(scenario.get("limits_cite", ())) <= set(clauses) for clauses in limits)
    assert told(definition) <= set(definition.clauses)


@pytest.mark.parametrize("user_class", ["lv_other", "hv_single", "hv_dual"])
def test_the_steps_add_up_to_the_sum_of_the_ledger(user_class):
    for _, _, definition in load().timeline(user_class):
        assert sum(step.limit or 0 for step in definition.steps) == definition.total.limit
