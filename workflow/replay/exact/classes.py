"""The class of a case by the rules of its submission date, by the engine's own table.

A fact that the history lacks is tried with every value it could have: where all answers agree it decides nothing, where
they differ (or the table asks for it) the class is unknown, never assumed.
"""

from __future__ import annotations

import datetime as dt
import itertools
from typing import Any

from definitions.book import Book, NoRuleInForce, region_or_nation
from definitions.model import NATION, ClassificationRule, Definition
from workflow.core.classify import classify
from workflow.core.refusals import Refused
from workflow.core.state import Facts
from workflow.replay.exact.rows import Row
from workflow.replay.lists import HV_REQUEST

"""Kind of a received document: the customer's written request for high voltage (D-HV-REQUEST)."""

_ANY: dict[str, tuple[Any, ...]] = {
    "customer_kind": ("residential", "non_residential"),
    "voltage": ("low", "high"),
    "supply_count": (1, 2),
    "area": ("urban", "rural"),
}


def facts_of(case: Row, **known: Any) -> Facts:
    """The facts of a case row; what is missing must be `known`."""

    def get(name: str, otherwise: Any = None) -> Any:
        value = known.get(name, case.get(name))
        return otherwise if value is None else value

    return Facts(
        customer_kind=get("customer_kind", ""),
        capacity_kw=get("capacity_kw", 0.0),
        voltage=get("voltage", ""),
        area=get("area", ""),
        region=get("region", NATION),
        channel=get("channel", ""),
        premises_id=get("premises_id", ""),
        supply_count=get("supply_count", 1),
        enterprise_size=get("enterprise_size"),
        business_type=get("business_type", "new"),
        voltage_kv=get("voltage_kv"),
        important_customer=bool(get("important_customer", False)),
        hv_request_ref=get("hv_request_ref"),
    )


def _candidates(rule: ClassificationRule, case: Row) -> list[dict[str, Any]]:
    """Every way to fill in what the case lacks."""
    missing = {name: values for name, values in _ANY.items() if case.get(name) is None}
    if case.get("capacity_kw") is None:
        # One capacity below, at and above every threshold decides as all capacities do.
        bounds = {b for b in (*rule.zero_investment_kw.values(), rule.low_voltage_kw) if b is not None}
        missing["capacity_kw"] = tuple(sorted({float(b) + d for b in bounds for d in (0, 1)} | {1.0}))
    return [dict(zip(missing, values, strict=True)) for values in itertools.product(*missing.values())]


def class_by_rules(book: Book, case: Row, on: dt.date, *, hv_requested: bool) -> str | None:
    """The class that the table in force on `on` gives; None where a missing fact decides it, where the filing itself
    would be refused, or where no rule was in force."""
    try:
        rule = book.classification(on=on, region=region_or_nation(case.get("region")))
    except NoRuleInForce:
        return None
    known = {"hv_request_ref": HV_REQUEST} if hv_requested else {}
    answers = set()
    for filled in _candidates(rule, case):
        try:
            answers.add(classify(rule, facts_of(case, **filled, **known)).user_class)
        except Refused:
            return None
        if len(answers) > 1:
            return None
    answer = answers.pop()
    return _as_promised(book, rule, case) if answer == "lv_other" else answer


def _as_promised(book: Book, rule: ClassificationRule, case: Row) -> str | None:
    """Where the nation leaves zero investment to the region's promise and none is on record, a small user filed as
    `lv_zero` was promised it by the filing; without the facts it is open [D-ZERO-2021]."""
    left_open = {area for area, kw in rule.zero_investment_kw.items() if kw is None}
    if not (case.get("area") in left_open or (left_open and left_open == set(rule.zero_investment_kw))):
        return "lv_other"
    size, capacity, filed = case.get("enterprise_size"), case.get("capacity_kw"), case.get("user_class")
    if size not in (None, *rule.zero_investment_sizes) or (capacity or 0) > book.zero_investment_ceiling():
        return "lv_other"
    if filed not in (None, "", "lv_zero"):
        return "lv_other"
    return None if size is None or capacity is None or not filed else "lv_zero"


def definition_of(book: Book, user_class: str | None, on: dt.date, region: str | None) -> Definition | None:
    """The definition in force, a national one where the region is no code; None for an unknown class or before there
    were rules."""
    if user_class not in book.classes:
        return None
    try:
        return book.resolve(on=on, user_class=user_class, region=region_or_nation(region))
    except NoRuleInForce:
        return None


def in_force(book: Book, on: dt.date, region: str | None) -> bool:
    """Whether there were rules at all."""
    try:
        book.classification(on=on, region=region_or_nation(region))
    except NoRuleInForce:
        return False
    return True


def high_voltage(row: Row) -> bool | None:
    """Whether a case is one of high voltage: as it says, else by its class; None where nobody says."""
    if row.get("voltage") is not None:
        return bool(row["voltage"] == "high")
    if row.get("customer_kind") == "residential":
        return False
    filed = row.get("user_class")
    return filed in ("hv_single", "hv_dual") if filed else None
