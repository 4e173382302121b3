"""What a rule would rest on and nobody knows the time of, or of what it is: it is never clean for that (policy 6, gates
a and c)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

from tests.replay.oracle.file import Case, Event, Unjudged, earlier, earlier_date, in_batch, only_uploads, refs, when
from tests.replay.oracle.law import HV_ONLY, SIX
from tests.replay.oracle.off_system import NO_NEW_SUPPLY, d34_holds, supplied_before
from tests.replay.oracle.other import lawful

TEMPORARY = ("temporary_supply", "test")


def _kind(*kinds: str, but: tuple[str, ...] = (), only: tuple[str | None, ...] = ()) -> Callable[[Case, Event], bool]:
    """Records of these activities, without some values, or of some values only."""

    def asked(case: Case, e: Event) -> bool:
        return e["activity"] in kinds and e["value"] not in but and (not only or e["value"] in only)

    return asked


def _own(*kinds: str, but: tuple[str, ...] = (), only: tuple[str | None, ...] = ()) -> Callable[[Case, Event], bool]:
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


def _inspected_or_energised(case: Case, e: Event) -> bool:
    if e["activity"] in ("completion_inspection", "metering") and e["lifecycle"] == "complete":
        return True
    return _kind("first_energy", but=(*TEMPORARY, "trial"))(case, e) and case.get("business_type") != "increase"


def _one_of_two_inspections(case: Case, e: Event) -> bool:
    both = ("mid_inspection", "completion_inspection")
    done = e["activity"] in both and _step(e, "complete") and not in_batch(e, "migration:", "estate:")
    return done and all(case.done(code) for code in both)


def _beside_a_changed_time(case: Case, e: Event) -> bool:
    changes = [
        c for c in case.all_events if c["activity"] == "correction" and not (c["value"] or "").startswith("case.")
    ]
    return e in changes or (
        bool(changes) and (e["activity"] == "application" or _step(e, "start", "complete", "return"))
    )


def _dated(case: Case, *kinds: str) -> bool:
    return any(case.all(kind) for kind in kinds)


def _paper_or_what_it_is_older_than(case: Case, e: Event) -> bool:
    papers = ("design_dated", "test_report_dated", "completion_report_dated")
    return (
        _kind(*papers, but=("standard_design", "reuse", "factory_test"))(case, e)
        or (e["activity"] == "supply_plan" and _step(e, "complete") and _dated(case, papers[0]))
        or (e["activity"] == "design_review" and _step(e, "complete") and _dated(case, *papers[1:]))
    )


def _energised_as_the_customer_says(case: Case, e: Event) -> bool:
    said = any(one["value"] == "energised" for one in case.all("callback"))
    return said and case.energised is None and (e["activity"], e["lifecycle"]) == ("metering", "complete")


def _licence_or_what_it_supports(case: Case, e: Event) -> bool:
    held = {one["value"] or "" for one in case.all("licence_expires")}
    role = {"design_review": "designer", "mid_inspection": "contractor"}.get(e["activity"])
    return _kind("licence_expires", only=("designer", "contractor", ""))(case, e) or (
        role is not None and _step(e, "complete") and bool(held & {role, ""})
    )


_ENERGY = _kind("first_energy", but=TEMPORARY)
_METER = _not_of_an_estate(_kind("meter_installed", but=("rotation", *TEMPORARY)))
NEEDED: dict[str, Callable[[Case, Event], bool]] = {
    "D01": _ENERGY,
    "D02": _METER,
    "D03": _inspected_or_energised,
    "D04": lambda case, e: (
        (not e.get("ref") or case.names_me(e))
        and _kind("contract_signed", "fee_paid", but=("renewal", "framework"))(case, e)
    ),
    "D05": _own("material_issued", but=("early_grid_works",)),
    "D06": _kind("site_survey", but=("pre_application", "planning")),
    "D07": _kind("service_contact", only=("connection_request", "", None)),
    "D09": _one_of_two_inspections,
    "D10": lambda _, e: _step(e, "complete"),
    "D13": _beside_a_changed_time,
    "D15": lambda _, e: e["lifecycle"] == "withdraw" and (not refs(e) or only_uploads(e)),
    "D17": lambda _, e: _step(e, "return"),
    "D19": _own("work_ticket", "outage_plan", but=("grid_project", "live_line", "maintenance")),
    "D20": _paper_or_what_it_is_older_than,
    "D21": _licence_or_what_it_supports,
    "D23": _inspection_of_low_voltage,
    "D25": lambda case, e: e["activity"] == "callback" or _energised_as_the_customer_says(case, e),
    "D27": lambda case, e: (
        e["activity"] in ("meter_installed", "first_energy")
        or _own("contract_signed", "fee_paid", "material_issued")(case, e)
    ),
    "D28": lambda case, e: (
        _kind("meter_installed", but=("rotation", "replacement"))(case, e)
        or _own("work_ticket", only=("connection",))(case, e)
        or _kind("callback", only=("energised",))(case, e)
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
    if rule == "D04":
        return True
    if rule in ("D13", "D23", "D41"):
        return not case.is_transfer
    if rule == "D28":
        return case.was_energised
    if rule == "D29":
        live = [e for e in case.all("first_energy") if e["value"] not in ("trial", *TEMPORARY)]
        there = kind in NO_NEW_SUPPLY and bool(live and case.claims) and when(live[0]).date < case.t0.date
        return kind not in ("increase", "transfer") and not there
    return rule != "D31" or kind != "increase"


def _held(case: Case, e: Event) -> bool:
    """It may have been what the application waited for."""
    return e["occurred_at"] is not None and case.file.wd(when(e).date, case.t0.date) > 1


def _unreferred(*kinds: str, but: tuple[str, ...]) -> Callable[[Case, Event], bool]:
    """Before T0, without a reference where that says nothing (gate c)."""

    def asked(case: Case, e: Event) -> bool:
        return _kind(*kinds, but=but)(case, e) and _silent(case, e) and earlier(when(e), case.t0)

    return asked


def _silent(case: Case, e: Event) -> bool:
    return e["occurred_at"] is not None and not refs(e) and not case.file.refs_kept(e["activity"], e["lifecycle"])


def _of_an_increase(case: Case, e: Event) -> bool:
    paper = _kind("contract_signed", "fee_paid", but=("renewal", "framework"))(case, e) and _silent(case, e)
    grown = case.get("business_type") in ("increase", "transfer") and not d34_holds(case)
    return paper and grown and earlier_date(when(e), case.t0)


def _before_the_entry(case: Case, e: Event) -> bool:
    papers = ("contract_signed", "fee_paid", "material_issued")
    if not (_kind(*papers, but=("renewal", "framework", "early_grid_works"))(case, e) and _silent(case, e)):
        return False
    entries = [(case.file.entered(one), one) for one in case.all_claims if not in_batch(one, "outage:", "migration:")]
    t0r = min(at for at, _ in entries)
    synced = (one for at, one in entries if at == t0r and one.get("source") == "field_terminal")
    if any(case.file.wd(when(one).date, t0r.date()) <= 3 for one in synced):
        return False
    apart = when(e).only_date or t0r - when(e).moment > dt.timedelta(minutes=15)
    return when(e).date < t0r.date() and apart


def _perhaps_the_ticket(case: Case, e: Event) -> bool:
    unsaid = (not e["value"] and case.names_me(e)) or (e["value"] in ("connection", "", None) and _silent(case, e))
    known = any(one["value"] == "connection" and case.names_me(one) for one in case.all("work_ticket"))
    first = case.all("metering", "complete")[:1]
    return (
        e["activity"] == "work_ticket"
        and e["occurred_at"] is not None
        and unsaid
        and not known
        and any(earlier_date(when(done), when(e)) for done in first)
    )


UNSAID: dict[str, Callable[[Case, Event], bool]] = {
    "D04": _of_an_increase,
    "D05": _unreferred("material_issued", but=("early_grid_works",)),
    "D07": lambda case, e: (
        not e["value"]
        and (e["activity"] == "service_contact" or (e["activity"], e["lifecycle"]) == ("document", "received"))
        and _held(case, e)
    ),
    "D13": lambda _, e: e["activity"] == "correction" and not e["value"],
    "D19": _unreferred("work_ticket", "outage_plan", but=("grid_project", "live_line", "maintenance")),
    "D23": lambda _, e: e["lifecycle"] == "requested" and not e["value"] and not lawful(e),
    "D25": lambda _, e: e["activity"] == "callback" and not e["value"],
    "D27": _before_the_entry,
    "D28": lambda case, e: (e["activity"] == "callback" and not e["value"]) or _perhaps_the_ticket(case, e),
    "D30": lambda _, e: e["activity"] in ("document", "service_contact") and not e["value"],
    "D33": lambda _, e: e["activity"] == "correction" and not e["value"],
}
"""What may have been the very thing, by rule: nobody says what it was, or for which case."""


def lacking(rule: str, case: Case) -> bool:
    """Whether a rule that found nothing lacks the time of such a record, or what it was."""
    needed, unsaid = NEEDED.get(rule), UNSAID.get(rule)
    if not _applies(rule, case):
        return False
    if needed is not None and any(needed(case, e) for e in case.all_events if e["occurred_at"] is None):
        return True
    try:
        return unsaid is not None and any(unsaid(case, e) for e in case.all_events)
    except Unjudged:
        return True
