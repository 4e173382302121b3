"""What a rule would rest on and nobody knows the time of: it is never clean for that (policy 6, gate a)."""

from __future__ import annotations

from collections.abc import Callable

from tests.replay.oracle.file import Case, Event, in_batch, only_uploads, refs, when
from tests.replay.oracle.law import HV_ONLY, SIX
from tests.replay.oracle.off_system import NO_NEW_SUPPLY, supplied_before

TEMPORARY = ("temporary_supply", "test")


def _kind(*kinds: str, but: tuple[str, ...] = (), only: tuple[str, ...] = ()) -> Callable[[Case, Event], bool]:
    """Records of these activities, without some values, or of some values only."""

    def asked(case: Case, e: Event) -> bool:
        return e["activity"] in kinds and e["value"] not in but and (not only or e["value"] in only)

    return asked


def _own(*kinds: str, but: tuple[str, ...] = (), only: tuple[str, ...] = ()) -> Callable[[Case, Event], bool]:
    """The same, where they name the case."""
    return lambda case, e: case.names_me(e) and _kind(*kinds, but=but, only=only)(case, e)


def _not_of_an_estate(asked: Callable[[Case, Event], bool]) -> Callable[[Case, Event], bool]:
    return lambda case, e: asked(case, e) and not in_batch(e, "estate:")


def _step(e: Event, *lifecycles: str) -> bool:
    return e["activity"] in SIX and e["lifecycle"] in lifecycles


def _inspection_of_low_voltage(case: Case, e: Event) -> bool:
    inspection = e["activity"] in HV_ONLY and _step(e, "start", "complete", "return")
    return e["lifecycle"] == "requested" or (inspection and not case.high_voltage)


def _paid_for_nothing(case: Case, e: Event) -> bool:
    paid = _kind("fee_paid", but=("prepaid", "refund"))(case, e) and (e.get("amount") is None or e["amount"] > 0)
    return paid and case.rules is not None and case.rules.zero_investment


def _first_energy_of_new_supply(case: Case, e: Event) -> bool:
    return _kind("first_energy", but=(*TEMPORARY, "trial"))(case, e) and case.get("business_type") != "increase"


_ENERGY = _kind("first_energy", but=TEMPORARY)
_METER = _not_of_an_estate(_kind("meter_installed", but=("rotation", *TEMPORARY)))
NEEDED: dict[str, Callable[[Case, Event], bool]] = {
    "D01": _ENERGY,
    "D02": _METER,
    "D03": _first_energy_of_new_supply,
    "D04": lambda case, e: (
        (not e.get("ref") or case.names_me(e))
        and _kind("contract_signed", "fee_paid", but=("renewal", "framework"))(case, e)
    ),
    "D05": _own("material_issued", but=("early_grid_works",)),
    "D06": _kind("site_survey", but=("pre_application", "planning")),
    "D07": _kind("service_contact", only=("connection_request",)),
    "D10": lambda _, e: _step(e, "complete"),
    "D15": lambda _, e: e["lifecycle"] == "withdraw" and (not refs(e) or only_uploads(e)),
    "D17": lambda _, e: _step(e, "return"),
    "D19": _own("work_ticket", "outage_plan", but=("grid_project", "live_line", "maintenance")),
    "D20": _kind(
        "design_dated", "test_report_dated", "completion_report_dated", but=("standard_design", "reuse", "factory_test")
    ),
    "D21": _kind("licence_expires", only=("designer", "contractor", "")),
    "D23": _inspection_of_low_voltage,
    "D27": lambda case, e: (
        e["activity"] in ("meter_installed", "first_energy")
        or _own("contract_signed", "fee_paid", "material_issued")(case, e)
    ),
    "D28": lambda case, e: (
        _kind("meter_installed", but=("rotation", "replacement"))(case, e)
        or _own("work_ticket", only=("connection",))(case, e)
    ),
    "D29": _kind("first_energy", but=("trial", *TEMPORARY)),
    "D30": _kind("service_contact", only=("inspection_request",)),
    "D31": _not_of_an_estate(_kind("works_started", but=("civil_works", "grid_project", "early_grid_works"))),
    "D41": _paid_for_nothing,
}


def _applies(rule: str, case: Case) -> bool:
    """Whether the rule is about the case at all."""
    kind = case.get("business_type")
    if rule in ("D01", "D02"):
        return not (kind and supplied_before(case))
    if rule in ("D03", "D10"):
        return case.high_voltage
    if rule in ("D23", "D41"):
        return not case.is_transfer
    if rule == "D28":
        return case.was_energised
    if rule == "D29":
        live = [e for e in case.all("first_energy") if e["value"] not in ("trial", *TEMPORARY)]
        there = kind in NO_NEW_SUPPLY and bool(live and case.claims) and when(live[0]).date < case.t0.date
        return kind not in ("increase", "transfer") and not there
    return rule != "D31" or kind != "increase"


def untimed(rule: str, case: Case) -> bool:
    """Whether a rule that found nothing lacks the time of such a record."""
    needed = NEEDED.get(rule)
    return (
        needed is not None
        and _applies(rule, case)
        and any(needed(case, e) for e in case.all_events if e["occurred_at"] is None)
    )
