"""The labelled histories of one case, judged alone as a live case is: found is what the columns find."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest

from definitions import load, shipped
from definitions.detectors import load_detectors
from definitions.model import STEPS
from tests.replay.outside.harness import History, read, replay
from workflow.replay.exact.rules import CaseRules
from workflow.replay.exact.typed import event_rows
from workflow.replay.tables import CASES

AS_OF = dt.date(2024, 12, 31)
RULES = CaseRules(load_detectors(), load())
SEEN_BESIDE_OTHERS = {"D14", "D35"}
_READ: dict[str, Callable[[str], Any]] = {
    "number": float, "count": int, "flag": lambda text: text == "True", "date": dt.date.fromisoformat,
}  # fmt: skip


def alone(history: History, case_id: str) -> dict[str, str]:
    """What is found on a case by its own rows."""
    row = next(one for one in history.cases if one["case_id"] == case_id)
    kinds = {column.name: _READ.get(column.kind, str) for column in CASES}
    case = {name: kinds[name](value) for name, value in row.items() if value != ""}
    told = [{k: v for k, v in one.items() if v != ""} for one in history.events if one["case_id"] == case_id]
    events = [{**one, **({"amount": float(one["amount"])} if "amount" in one else {})} for one in told]
    found = RULES.judge(shipped(), case, event_rows(events, STEPS), AS_OF)
    return {one.rule: one.severity for one in found if one.rule not in SEEN_BESIDE_OTHERS}


@pytest.mark.parametrize("name", ["off_system", "back_filled", "over_limit", "look_alikes", "other", "undated"])
def test_a_case_alone_is_judged_as_by_columns(name, tmp_path):
    history = read(name)
    answers = replay(tmp_path, history)
    torn = {row["case_id"] for row in answers.rejected}
    asked = set(RULES.rules) - SEEN_BESIDE_OTHERS
    wrong = []
    for told in history.told:
        columns = answers.said(told.case_id)
        # That it is new supply filed as an increase is seen beside the other cases of the premises.
        if told.case_id in torn or "times" in told.expect or "D34" in columns:
            continue
        meant = {rule: severity for rule, severity in columns.items() if rule in asked}
        if (found := alone(history, told.case_id)) != meant:
            wrong.append((told.name, found, meant))
    assert wrong == []
