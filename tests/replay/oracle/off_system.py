"""Work done before the application was (D01-D07, D19, D27, D31, D34), one function per rule of policy 6."""

from __future__ import annotations

import datetime as dt

from tests.replay.oracle.file import (
    DAY,
    Case,
    Event,
    Finding,
    Unjudged,
    When,
    earlier,
    earlier_date,
    found,
    in_batch,
    in_order,
    rows,
    when,
    worst,
)

NO_NEW_SUPPLY = ("increase", "transfer", "reconnect", "split", "decrease")
NOT_PERMANENT = ("temporary_supply", "test")


def supplied_before(case: Case) -> bool:
    """A customer who had electricity already, unless the file shows that he had not (D34)."""
    kind = case.need("business_type")
    if kind not in NO_NEW_SUPPLY:
        return False
    return not (kind in ("increase", "transfer") and d34_holds(case))


def _energy(case: Case, *more: str) -> list[Event]:
    return [e for e in case.all("first_energy") if e["value"] not in (*NOT_PERMANENT, *more)]


def _meters(case: Case) -> list[Event]:
    fitted = case.all("meter_installed", no_batch=("estate:",))
    return [e for e in fitted if e["value"] not in ("rotation", *NOT_PERMANENT)]


def _contracts_and_fees(case: Case, *, of_old_supply: bool | None = None) -> list[Event]:
    """Those of this case: with no ref or with one naming it; of an increase or a transfer only with one naming it."""
    if of_old_supply is None:
        of_old_supply = _supplied_before_for_contracts(case)
    return [
        e
        for e in (*case.all("contract_signed"), *case.all("fee_paid"))
        if e["value"] not in ("renewal", "framework") and (case.names_me(e) or (not e.get("ref") and not of_old_supply))
    ]


def _supplied_before_for_contracts(case: Case) -> bool:
    return case.need("business_type") in ("increase", "transfer") and not d34_holds(case)


def d01(case: Case) -> Finding | None:
    if case.get("business_type") and supplied_before(case):
        return None
    case.some("first_energy", "observed")
    t0 = case.t0
    case.need("business_type")
    days = [e for e in _energy(case) if earlier_date(when(e), t0)]
    hours = [e for e in _energy(case) if earlier(when(e), t0) and when(e).date == t0.date]
    if days:
        return found(case, "D01", "critical", [rows(e, case.first_claim) for e in days], days)
    if hours:
        return found(case, "D01", "medium", [rows(e, case.first_claim) for e in hours], hours)
    return None


def d02(case: Case) -> Finding | None:
    if case.get("business_type") and supplied_before(case):
        return None
    case.some("meter_installed", "observed")
    t0 = case.t0
    case.need("business_type")
    guilty = [e for e in _meters(case) if earlier_date(when(e), t0)]
    return _on_t0(case, "D02", "critical", guilty)


def _on_t0(case: Case, rule: str, severity: str, guilty: list[Event]) -> Finding | None:
    if not guilty:
        return None
    return found(case, rule, severity, [rows(e, case.first_claim) for e in guilty], guilty)


def d03(case: Case) -> Finding | None:
    if not case.high_voltage:
        return None
    last = case.some("completion_inspection", "complete")[-1]
    kind = case.get("business_type")
    if kind is None and not any(in_order(when(e), when(last)) for e in case.all("metering", "complete")):
        raise Unjudged("business_type")
    energy = [] if kind == "increase" and not d34_holds(case) else _energy(case, "trial")
    old_supply = kind in ("reconnect", "split", "decrease") or (kind == "transfer" and not d34_holds(case))
    lost = old_supply and bool(energy) and not case.claims
    if lost or (old_supply and energy and when(energy[0]).date < case.t0.date):
        energy = []
    live = case.all("metering", "complete")
    if not live and not case.all("first_energy"):
        raise Unjudged("first_energy")
    guilty = [e for e in energy if earlier(when(e), when(last))] + [e for e in live if in_order(when(e), when(last))]
    if not guilty and lost:
        raise Unjudged("T0")
    if not guilty:
        return None
    return found(case, "D03", "critical", [rows(e, last) for e in guilty], guilty)


def d04(case: Case) -> Finding | None:
    if not case.all("contract_signed") and not case.all("fee_paid"):
        raise Unjudged("contract_signed")
    if case.get("business_type") is None:  # what names the case is its own, whatever it is about
        named = [e for e in _contracts_and_fees(case, of_old_supply=True) if earlier_date(when(e), case.t0)]
        if named:
            return _on_t0(case, "D04", "high", named)
    return _on_t0(case, "D04", "high", [e for e in _contracts_and_fees(case) if earlier_date(when(e), case.t0)])


def d05(case: Case) -> Finding | None:
    issued = [e for e in case.some("material_issued", "observed") if e["value"] != "early_grid_works"]
    t0 = case.t0
    return _on_t0(case, "D05", "medium", [e for e in issued if case.names_me(e) and earlier(when(e), t0)])


def d06(case: Case) -> Finding | None:
    surveys = [e for e in case.some("site_survey", "observed") if e["value"] not in ("pre_application", "planning")]
    t0 = case.t0

    def more_than_a_day(e: Event) -> bool:
        if when(e).only_date or t0.only_date:
            return (t0.date - when(e).date).days > 1
        return t0.moment - when(e).moment > DAY

    return _on_t0(case, "D06", "medium", [e for e in surveys if more_than_a_day(e)])


def d07(case: Case) -> Finding | None:
    """Held back: asked for, or every acceptance document in, more than a working day before T0."""
    t0 = case.t0
    asked = [e for e in case.all("service_contact") if e["value"] == "connection_request"]
    complete = _all_in(case)
    candidates = [*asked, *([complete] if complete else [])]
    guilty = [
        e
        for e in candidates
        if case.file.wd(when(e).date, t0.date) > 1 and not _documents_asked_between(case, when(e), t0)
    ]
    if any(e["occurred_at"] is None and not _is_entered(case, e) for e in requests(case)):
        raise Unjudged("document.requested")
    if not guilty:
        keeps = [case.file.org_keeps(case.get("org"), activity) for activity in ("service_contact", "document")]
        if case.untimed("document", "received") or not (complete or case.seen("service_contact") or all(keeps)):
            raise Unjudged("document.received")
        if voltage_unknown(case) and case.seen("document"):
            raise Unjudged("voltage")
    return _on_t0(case, "D07", "high", guilty)


def requests(case: Case) -> list[Event]:
    return [e for e in case.all_events if (e["activity"], e["lifecycle"]) == ("document", "requested")]


def _is_entered(case: Case, event: Event) -> bool:
    try:
        return bool(case.file.entered(event))
    except Unjudged:
        return False


def voltage_unknown(case: Case) -> bool:
    """Nobody says which papers the case needs."""
    try:
        return case.high_voltage is None
    except Unjudged:
        return True


def _all_in(case: Case) -> Event | None:
    """The event with which the acceptance documents were complete."""
    if case.structure is None:
        return None
    firsts = []
    for kind in case.structure.steps[0].documents:
        received = [e for e in case.all("document", "received") if kind_of(e["value"]) == kind]
        if not received:
            return None
        firsts.append(received[0])
    return max(firsts, key=lambda e: (e["occurred_at"], e["_i"]))


def kind_of(value: str | None) -> str | None:
    from tests.replay.oracle.law import FORMS

    return FORMS.get(value or "", value)


def _documents_asked_between(case: Case, start: When, end: When) -> bool:
    """A list was handed out in between: by when it was recorded, else by when it is said to have been asked for."""
    for e in case.all_events:
        at = e.get("recorded_at") or e["occurred_at"]
        if (e["activity"], e["lifecycle"]) != ("document", "requested") or at is None:
            continue
        only_date = bool(e.get("recorded_is_date") if e.get("recorded_at") else e.get("occurred_is_date"))
        if start.only_date or end.only_date or only_date:
            between = start.date <= at.date() <= end.date
        else:
            between = start.moment <= at <= end.moment
        if between:
            return True
    return False


def d19(case: Case) -> Finding | None:
    tickets = [*case.all("work_ticket"), *case.all("outage_plan")]
    if not tickets:
        raise Unjudged("work_ticket")
    t0 = case.t0
    guilty = [
        e
        for e in tickets
        if case.names_me(e) and e["value"] not in ("grid_project", "live_line", "maintenance") and earlier(when(e), t0)
    ]
    return _on_t0(case, "D19", "high", guilty)


def d27(case: Case) -> Finding | None:
    """Acceptance dated back: the work lies before the day on which the case was entered, though not before T0."""
    t0 = case.t0
    entries = [e for e in case.all_claims if not in_batch(e, "outage:", "migration:")]
    if not entries:
        raise Unjudged("T0r")
    entered = [(case.file.entered(e), e) for e in entries]
    t0r, entry = min(entered, key=lambda pair: (pair[0], pair[1]["_i"]))
    first = [e for at, e in entered if at == t0r and e.get("source") == "field_terminal"]
    if any(case.file.wd(when(e).date, t0r.date()) <= 3 for e in first):
        return None
    nameless = [e for at, e in entered if at == t0r and not e.get("source")]
    if t0.date < t0r.date() and any(case.file.wd(when(e).date, t0r.date()) <= 3 for e in nameless):
        raise Unjudged("source")

    def between(e: Event) -> bool:
        return (
            when(e).date < t0r.date()
            and (when(e).only_date or t0r - when(e).moment > dt.timedelta(minutes=15))
            and not earlier_date(when(e), t0)
            and not in_batch(e, "outage:", "migration:")
        )

    named = [e for e in (*case.all("contract_signed"), *case.all("fee_paid")) if case.names_me(e)]
    paper = [e for e in named if e["value"] not in ("renewal", "framework")]
    paper += [e for e in case.all("material_issued") if case.names_me(e) and e["value"] != "early_grid_works"]
    paper = [e for e in paper if between(e)]
    own = [e for kind in ("contract_signed", "fee_paid", "material_issued") for e in case.all(kind) if case.names_me(e)]
    if not (own or case.all("first_energy") or case.all("meter_installed")):
        raise Unjudged("meter_installed")
    live = [e for e in (*_energy(case), *_meters(case)) if between(e)]
    if case.get("business_type") is None and (case.all("first_energy") or case.all("meter_installed")):
        if not paper:
            raise Unjudged("business_type")
        live = []
    elif live and supplied_before(case):
        live = []
    if not live and not paper:
        return None
    guilty = live or paper
    grounds = [rows(e, entry) for e in guilty]
    return found(case, "D27", "critical" if live else "high", grounds, guilty)


def d31(case: Case) -> Finding | None:
    if case.get("business_type") == "increase":
        return None
    case.need("business_type")
    works = case.some("works_started", "observed")
    works = [
        e
        for e in works
        if e["value"] not in ("civil_works", "grid_project", "early_grid_works") and not in_batch(e, "estate:")
    ]
    before = [e for e in works if case.claims and earlier_date(when(e), case.t0)]
    if before:
        return _on_t0(case, "D31", "high", before)
    passed = case.all("design_review", "complete")
    lost = case.untimed("design_review", "complete")
    if passed and not lost and "design_review" not in case.waived and _design_required(case):
        before = [e for e in works if earlier_date(when(e), when(passed[0]))]
    if before:
        return found(case, "D31", "medium", [rows(e, passed[0]) for e in before], before)
    case.first_claim  # noqa: B018 - raises where nobody knows the first
    if lost and "design_review" not in case.waived and (case.structure is None or _design_required(case)):
        raise Unjudged("design_review")
    return None


def _design_required(case: Case) -> bool:
    return any(step.code == "design_review" for step in case.path())


def d34_holds(case: Case) -> bool:
    try:
        return d34(case) is not None
    except Unjudged:
        return False


def d34(case: Case) -> Finding | None:
    """New supply filed as an increase or a transfer."""
    if case.need("business_type") not in ("increase", "transfer"):
        return None
    if not (case.file.has_column("prior_capacity_kw") and case.file.has_column("account_opened_on")):
        raise Unjudged("prior_capacity_kw")
    t0 = case.t0
    opened, prior = case.get("account_opened_on"), case.get("prior_capacity_kw")
    if prior if opened is None else opened < t0.date:
        return None
    premises, unsure = case.need("premises_id"), False
    for other in case.file.cases:
        whose = other.get("customer_id") is not None and other.get("customer_id") == case.get("customer_id")
        perhaps = other.get("premises_id") is None and whose
        if other is case or not (perhaps or other.get("premises_id") == premises):
            continue
        if other.claims and not perhaps and other.t0.moment < t0.moment:
            return None
        unsure = unsure or not other.claims or (perhaps and other.t0.moment < t0.moment)
    if unsure:
        raise Unjudged("premises_id")
    return found(case, "D34", "high", [rows(case.first_claim)], [case.first_claim])


__all__ = ["d01", "d02", "d03", "d04", "d05", "d06", "d07", "d19", "d27", "d31", "d34", "kind_of", "worst"]
