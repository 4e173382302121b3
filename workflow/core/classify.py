"""The class of an application, computed from facts by the table in force on its submission date.

The table is data (`definitions/data/classification.yaml`); here is only how a row is matched: the first row whose
conditions all hold decides [L1 L9 L10 L29 L34].
"""

from __future__ import annotations

from definitions.model import ClassificationRule, ClassRow, Clause, Frozen, Text
from workflow.core.refusals import refuse
from workflow.core.state import Facts
from workflow.core.telling import FACTS


class Classified(Frozen, frozen=True):
    """The class the rules give, and the clauses of the row that gave it."""

    user_class: str
    clauses: tuple[Clause, ...]


def _matches(expected: object, actual: object) -> bool:
    if isinstance(expected, dict):
        if not isinstance(actual, int | float):
            return False
        return bool(expected.get("at_least", actual) <= actual <= expected.get("at_most", actual))
    if isinstance(expected, list | tuple):
        return actual in expected
    return actual == expected


def _holds(row: ClassRow, facts: Facts) -> bool:
    return all(_matches(expected, getattr(facts, name)) for name, expected in row.when.items())


def classify(rule: ClassificationRule, facts: Facts) -> Classified:
    """The class of `facts`. Raises Refused: `fact-needed` where an unknown fact would decide it (it is asked for, never
    assumed), `hv-needs-customer-request` where the filing itself is not allowed."""
    for row in rule.rows:
        if not _holds(row, facts):
            continue
        clauses = tuple(rule.clauses[c] for c in row.clauses)
        if row.then is not None:
            return Classified(row.then, clauses)
        if row.ask is not None:
            fact = FACTS.get(row.ask, Text("", ""))
            raise refuse(
                "fact-needed",
                f"请补充{fact.zh} ({row.ask}): 它决定用户类别, 不能推定",
                f"Please state the {fact.en} ({row.ask}): it decides the class and is never assumed",
                clauses,
                fact=row.ask,
            )
        zh, _, en = (row.refuse or "").partition(" / ")
        raise refuse("hv-needs-customer-request", zh, en, clauses)
    raise refuse("fact-needed", "现有事实不能判定用户类别", "The facts given decide no class")
