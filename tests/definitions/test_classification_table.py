"""The classification table: hand-worked applications, with a small matcher of this test's own."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from definitions.book import NoRuleInForce, load
from definitions.model import ClassificationRule

SHOP: dict[str, Any] = {
    "customer_kind": "non_residential", "voltage": "low", "supply_count": 1, "area": "urban",
    "enterprise_size": "micro", "capacity_kw": 100.0, "hv_request_ref": None,
}  # fmt: skip


def holds(test: Any, fact: Any) -> bool:
    if isinstance(test, dict):
        return bool(test.get("at_least", -1) <= fact <= test.get("at_most", 10**12))
    return fact in test if isinstance(test, tuple) else fact == test


def outcome(rule: ClassificationRule, **facts: Any) -> str:
    known = {**SHOP, **facts}
    row = next(row for row in rule.rows if all(holds(test, known[name]) for name, test in row.when.items()))
    return row.then or (f"ask {row.ask}" if row.ask else "refuse " + ", ".join(row.clauses[:1]))


CASES = [
    # day, facts, expected, why
    ("2024-05-06", {"customer_kind": "residential", "enterprise_size": None}, "residential", "a household"),
    ("2024-05-06", {"customer_kind": "residential", "voltage": "high"}, "residential", "residential comes first"),
    ("2024-05-06", {"capacity_kw": 160}, "lv_zero", "urban 160 kW inclusive [L10 I35]"),
    ("2024-05-06", {"capacity_kw": 160.1}, "lv_other", "just above 160 kW"),
    ("2024-05-06", {"capacity_kw": 160, "area": "rural"}, "lv_zero", "160 kW everywhere from 2023 [L10]"),
    ("2022-05-06", {"capacity_kw": 160}, "lv_zero", "urban 160 kW from 2022 [L9 I23]"),
    ("2022-05-06", {"capacity_kw": 100, "area": "rural"}, "lv_zero", "rural 100 kW from 2022 [L9 I24]"),
    ("2022-05-06", {"capacity_kw": 101, "area": "rural"}, "lv_other", "rural above 100 kW in 2022"),
    ("2021-05-06", {"capacity_kw": 5}, "lv_other", "no national capacity in 2021"),
    ("2021-05-06", {"capacity_kw": 5, "enterprise_size": None}, "lv_other", "size would decide nothing in 2021"),
    ("2024-05-06", {"enterprise_size": "small"}, "lv_zero", "small counts like micro"),
    ("2024-05-06", {"enterprise_size": "medium"}, "lv_other", "a medium enterprise has no zero investment"),
    ("2024-05-06", {"enterprise_size": None}, "ask enterprise_size", "unknown size decides: ask"),
    ("2024-05-06", {"enterprise_size": None, "capacity_kw": 161}, "lv_other", "unknown size decides nothing"),
    ("2024-05-06", {"voltage": "high", "capacity_kw": 630, "enterprise_size": "large"}, "hv_single", "one source"),
    ("2024-05-06", {"voltage": "high", "capacity_kw": 630, "supply_count": 2}, "hv_dual", "two sources"),
    ("2024-05-06", {"voltage": "high", "capacity_kw": 630, "supply_count": 3}, "hv_dual", "more than two [D-SUPPLY]"),
    ("2024-05-06", {"voltage": "high", "capacity_kw": 160}, "refuse L29", "L29 from 2023"),
    ("2024-05-06", {"voltage": "high", "capacity_kw": 160, "supply_count": 2}, "refuse L29", "L29, dual as well"),
    ("2024-05-06", {"voltage": "high", "capacity_kw": 161}, "hv_single", "above the ceiling"),
    ("2024-05-06", {"voltage": "high", "capacity_kw": 160, "hv_request_ref": "R-1"}, "hv_single", "asked in writing"),
    ("2024-05-06", {"voltage": "high", "capacity_kw": 160, "enterprise_size": "medium"}, "hv_single", "not zero"),
    ("2024-05-06", {"voltage": "high", "capacity_kw": 160, "enterprise_size": None}, "ask enterprise_size", "ask"),
    ("2022-05-06", {"voltage": "high", "capacity_kw": 160}, "hv_single", "L29 not yet in force"),
]


@pytest.mark.parametrize(("day", "facts", "expected", "why"), CASES, ids=[f"{c[0]} {c[3]}" for c in CASES])
def test_class_by_the_rules(day, facts, expected, why):
    rule = load().classification(on=dt.date.fromisoformat(day))
    assert outcome(rule, **facts) == expected
    assert all(code in rule.clauses for row in rule.rows for code in row.clauses)


@pytest.mark.parametrize(
    ("day", "urban", "rural", "ceiling"),
    [
        ("2021-01-01", None, None, None), ("2021-12-31", None, None, None), ("2022-01-01", 160, 100, None),
        ("2022-12-31", 160, 100, None), ("2023-01-01", 160, 160, 160), ("2026-11-23", 160, 160, 160),
    ],
)  # fmt: skip
def test_thresholds_by_day(day, urban, rural, ceiling):
    rule = load().classification(on=dt.date.fromisoformat(day))
    assert (rule.zero_investment_kw, rule.low_voltage_kw) == ({"urban": urban, "rural": rural}, ceiling)


def test_no_table_before_2021():
    with pytest.raises(NoRuleInForce):
        load().classification(on=dt.date(2020, 12, 31))
