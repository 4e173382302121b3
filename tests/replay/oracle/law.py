"""The law as the oracle knows it: written from policy 1 to 3, not read from `definitions`, so that a slip in the data
or in the code that reads it shows as a difference.

The sample city 420100 of `tests/scenarios/regions` is written here a second time, from its own articles.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import Any

SIX = ("acceptance", "supply_plan", "design_review", "mid_inspection", "completion_inspection", "metering")
"""The national order of the steps."""
HV_ONLY = ("design_review", "mid_inspection", "completion_inspection")
FIRST_DAY = dt.date(2021, 1, 1)
SAMPLE_CITY = "420100"

LOW = ("identity", "premises_title")
DOCUMENTS = {
    "design_review": ("designer_qualification", "design_documents"),
    "mid_inspection": ("contractor_qualification", "concealed_works_records"),
    "completion_inspection": ("completion_report",),
}
AGENT = ("agent_authorisation", "agent_identity")
FORMS = {
    "id_card": "identity", "居民身份证": "identity", "business_licence": "identity", "营业执照": "identity",
    "passport": "identity", "real_estate_certificate": "premises_title", "不动产权证": "premises_title",
    "house_title": "premises_title", "房产证": "premises_title", "lease": "premises_title",
}  # fmt: skip
"""Some forms of a kind, and the kind; enough for the histories made here."""


@dataclass(frozen=True)
class Step:
    """A step of the path in force. `limit`: working days of one round. `parts`: the national steps merged into it."""

    code: str
    limit: int | None
    parts: tuple[str, ...]
    documents: tuple[str, ...] = ()
    hand_in: bool = False
    important_only: bool = False


@dataclass(frozen=True)
class Rules:
    """What binds a case: its steps, its total and whether nothing may be charged."""

    user_class: str
    steps: tuple[Step, ...]
    kind: str
    limit: int
    zero_investment: bool

    @property
    def whole_process(self) -> bool:
        return self.kind == "whole_process"

    @property
    def high_voltage(self) -> bool:
        return self.user_class.startswith("hv")


def _step(code: str, limit: int | None, voltage: str, hand_in: bool) -> Step:
    papers = DOCUMENTS.get(code, ())
    if code == "acceptance":
        papers = LOW if voltage == "low" else (*LOW, "project_approval")
    return Step(code, limit, (code,), papers, hand_in)


def rules_of(user_class: str, on: dt.date, region: str | None) -> Rules | None:
    """The rules of a class on a submission date; None before 2021, when none are known."""
    if on < FIRST_DAY:
        return None
    city = region == SAMPLE_CITY
    if user_class in ("residential", "lv_zero"):
        limit = 5 if user_class == "residential" else 25 if on.year == 2021 else 20 if on.year == 2022 else 15
        if user_class == "residential" and city and on >= dt.date(2024, 1, 1):
            limit = 3
        two = (_step("acceptance", None, "low", False), _step("metering", None, "low", False))
        return Rules(user_class, two, "whole_process", limit, True)
    if user_class == "lv_other":
        three = (
            _step("acceptance", 1, "low", False), _step("supply_plan", 3, "low", False),
            _step("metering", 2, "low", True),
        )  # fmt: skip
        return Rules(user_class, three, "step_sum", 6, False)
    if user_class not in ("hv_single", "hv_dual"):
        return None
    limits = (1, 10 if user_class == "hv_single" else 20, 3, 2, 3, 3)
    steps = [_step(code, days, "high", code in SIX[2:]) for code, days in zip(SIX, limits, strict=True)]
    if city and on >= dt.date(2024, 1, 1):
        if user_class == "hv_single":
            papers = tuple(kind for step in steps[2:] for kind in step.documents)
            steps = [*steps[:2], Step("metering", 8, SIX[2:], papers, True)]
        else:
            steps = [replace(s, important_only=s.code in SIX[2:4]) for s in steps]
    return Rules(user_class, tuple(steps), "step_sum", 22 if user_class == "hv_single" else 32, False)


def class_by_rules(case: dict[str, Any], on: dt.date, *, hv_requested: bool) -> str | None:
    """The class that the facts give on `on`; None where a missing fact decides it, or where a high-voltage filing would
    need a customer's request that nobody shows."""
    if on < FIRST_DAY:
        return None
    if case.get("customer_kind") is None:
        return None
    if case["customer_kind"] == "residential":
        return "residential"
    voltage, capacity, size = case.get("voltage"), case.get("capacity_kw"), case.get("enterprise_size")
    if voltage is None:
        return None
    if voltage == "high":
        if on.year >= 2023 and not hv_requested and size in (None, "micro", "small") and (capacity or 0) <= 160:
            return None
        if case.get("supply_count") is None:
            return None
        return "hv_dual" if case["supply_count"] >= 2 else "hv_single"
    areas = [case["area"]] if case.get("area") else ["urban", "rural"]
    unsaid = on.year == 2021 and not (case.get("region") == SAMPLE_CITY and "urban" in areas)
    if (
        unsaid
        and case.get("user_class") in (None, "lv_zero")
        and size not in ("medium", "large")
        and (capacity or 0) <= 160
    ):
        # What the region promised in 2021 no history tells: the filing is the promise.
        return None if None in (size, capacity, case.get("user_class")) else "lv_zero"
    answers = {_low(area, capacity, size, on, case.get("region")) for area in areas}
    return answers.pop() if len(answers) == 1 else None


def _low(area: str, capacity: float | None, size: str | None, on: dt.date, region: str | None) -> str | None:
    ceiling = None if on.year == 2021 else 100 if (on.year == 2022 and area == "rural") else 160
    if region == SAMPLE_CITY and area == "urban":
        ceiling = 200
    if ceiling is None or size in ("medium", "large"):
        return "lv_other"
    if capacity is not None and capacity > ceiling:
        return "lv_other"
    if capacity is None or size is None:
        return None
    return "lv_zero"
