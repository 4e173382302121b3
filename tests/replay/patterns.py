"""Each rule's guilty patterns, and the innocents that look like them; every function changes one lawful case."""

from __future__ import annotations

import datetime as dt
from typing import Any

from tests.replay.histories import (
    BUSINESS,
    CLASSES,
    HIGH,
    WHOLE,
    Draft,
    Maker,
    calendar,
    days,
    guilty,
    innocent,
)

HOUR = dt.timedelta(hours=1)
MINUTE = dt.timedelta(minutes=1)


def _before(draft: Draft, activity: str, working_days: int, **more: Any) -> dict[str, Any]:
    """A record of another system some working days before T0."""
    return draft.seen(activity, days(draft.t0, -working_days), **more)


def _old_customer(draft: Draft, kind: str) -> None:
    draft.facts |= {"business_type": kind, "prior_capacity_kw": 50.0, "account_opened_on": dt.date(2015, 3, 2)}


# D01, D02
@guilty("D01", "used before applying", may="D29")
def _(m: Maker, d: Draft) -> None:
    _before(d, "first_energy", 6)
    if d.facts["voltage"] == "high":
        d.must, d.may = {"D01"}, {"D03"}


@guilty("D01", "used in the morning, applied at noon", WHOLE, may="D29 D28 D08")
def _(m: Maker, d: Draft) -> None:
    d.seen("first_energy", d.t0 - 2 * HOUR)


@innocent("D01", "minutes before, clocks differ", WHOLE)
def _(m: Maker, d: Draft) -> None:
    d.seen("first_energy", d.t0 - 10 * MINUTE, value=None)
    d.events[-1]["occurred_at"] = d.t0 - 10 * MINUTE


@innocent("D01", "increase of an old customer", ("lv_other", "lv_zero"))
def _(m: Maker, d: Draft) -> None:
    _old_customer(d, "increase")
    _before(d, "first_energy", 300)
    _before(d, "meter_installed", 301)


@innocent("D01", "temporary supply on the site", ("lv_other", "lv_zero"))
def _(m: Maker, d: Draft) -> None:
    _before(d, "first_energy", 9, value="temporary_supply")


@guilty("D02", "meter before application")
def _(m: Maker, d: Draft) -> None:
    _before(d, "meter_installed", 5)


@innocent("D02", "meter of the developer's estate", ("residential",))
def _(m: Maker, d: Draft) -> None:
    _before(d, "meter_installed", 90, batch="estate:77")


@innocent("D02", "old meter rotated")
def _(m: Maker, d: Draft) -> None:
    _before(d, "meter_installed", 30, value="rotation")


# D03
@guilty("D03", "energised before inspection", HIGH)
def _(m: Maker, d: Draft) -> None:
    d.move(d.get("first_energy"), d.get("completion_inspection", "complete")["occurred_at"] - 26 * HOUR)
    d.may |= {"D29"}


@innocent("D03", "trial run before inspection", HIGH)
def _(m: Maker, d: Draft) -> None:
    d.seen("first_energy", d.get("completion_inspection", "complete")["occurred_at"] - 26 * HOUR, value="trial")


# D04, D05, D06
@guilty("D04", "contract first", BUSINESS)
def _(m: Maker, d: Draft) -> None:
    _before(d, "contract_signed", 4, ref=m.rng.choice((None, d.id)))


@innocent("D04", "framework contract", BUSINESS)
def _(m: Maker, d: Draft) -> None:
    _before(d, "contract_signed", 40, value="framework")


@innocent("D04", "contract of another case", BUSINESS)
def _(m: Maker, d: Draft) -> None:
    _before(d, "contract_signed", 40, ref="C99999")


@guilty("D05", "material first", BUSINESS)
def _(m: Maker, d: Draft) -> None:
    _before(d, "material_issued", 3, ref=d.id)


@innocent("D05", "van stock", BUSINESS)
def _(m: Maker, d: Draft) -> None:
    _before(d, "material_issued", 3)


@innocent("D05", "early grid works", BUSINESS)
def _(m: Maker, d: Draft) -> None:
    _before(d, "material_issued", 3, ref=d.id, value="early_grid_works")


@guilty("D06", "survey first", BUSINESS)
def _(m: Maker, d: Draft) -> None:
    _before(d, "site_survey", 4)


@innocent("D06", "advice before applying", BUSINESS)
def _(m: Maker, d: Draft) -> None:
    _before(d, "site_survey", 12, value="pre_application")


# D07
@guilty("D07", "request kept back")
def _(m: Maker, d: Draft) -> None:
    _before(d, "service_contact", 5, value="connection_request")


@guilty("D07", "papers kept back", may="D30")
def _(m: Maker, d: Draft) -> None:
    first = d.t0
    for e in d.events:
        if e["activity"] == "document" and e["occurred_at"] <= first:
            d.move(e, days(e["occurred_at"], -4))


@innocent("D07", "papers were asked for")
def _(m: Maker, d: Draft) -> None:
    asked = _before(d, "service_contact", 5, value="connection_request")
    d.add("document", "requested", asked["occurred_at"] + HOUR, value="identity")


@innocent("D07", "only an enquiry")
def _(m: Maker, d: Draft) -> None:
    _before(d, "service_contact", 20, value="enquiry")


# D08
@guilty("D08", "plan after design", HIGH, may="L01 L02 D20 D43 D31 D30 D03")
def _(m: Maker, d: Draft) -> None:
    d.move(d.get("supply_plan", "complete"), d.get("design_review", "complete")["occurred_at"] + 2 * HOUR)


@innocent("D08", "a failed round", HIGH)
def _(m: Maker, d: Draft) -> None:
    start = d.get("design_review", "start")
    d.add("design_review", "start", start["occurred_at"] - 90 * MINUTE)
    d.add("design_review", "return", start["occurred_at"] - 30 * MINUTE, value="图纸缺页")
    for e in d.events:
        if e["activity"] == "document" and e["value"] in ("designer_qualification", "design_documents"):
            d.move(e, start["occurred_at"] - 91 * MINUTE)


@innocent("D08", "dates only, one date", ("lv_other",), may="D30")
def _(m: Maker, d: Draft) -> None:
    day = d.get("supply_plan", "complete")
    start = d.get("metering", "start")
    for e in (day, start):
        at = dt.datetime.combine(day["occurred_at"].date(), dt.time())
        e |= {"occurred_at": at, "occurred_is_date": True, "recorded_at": at + 10 * HOUR}
    end = days(day["occurred_at"] + 10 * HOUR, 2)
    for activity in ("meter_installed", "first_energy", "work_ticket", "callback", "fee_paid", "contract_signed"):
        d.drop(activity)
    d.move(d.get("metering", "complete"), end)
    d.seen("meter_installed", end - HOUR)


# D09, D10
@guilty("D09", "entered in one go", HIGH, may="D11 L01")
def _(m: Maker, d: Draft) -> None:
    last = d.get("completion_inspection", "complete")["recorded_at"]
    for n, code in enumerate(("design_review", "mid_inspection")):
        d.get(code, "complete")["recorded_at"] = last - (n + 1) * 3 * MINUTE


@guilty("D09", "two inspections in one breath", HIGH, may="D30 D31 D20 L01 D11")
def _(m: Maker, d: Draft) -> None:
    d.move(d.get("mid_inspection", "complete"), d.get("completion_inspection", "complete")["occurred_at"] - 11 * MINUTE)
    d.may |= {"D08"}


@innocent("D09", "inspection and energising on one visit", HIGH)
def _(m: Maker, d: Draft) -> None:
    done = d.get("completion_inspection", "complete")["occurred_at"]
    for activity, lifecycle, gap in (
        ("metering", "start", 1), ("work_ticket", "observed", 1), ("fee_paid", "observed", 1),
        ("meter_installed", "observed", 2),
        ("first_energy", "observed", 5), ("metering", "complete", 6),
    ):  # fmt: skip
        d.move(d.get(activity, lifecycle), done + gap * MINUTE)
    if d.has("callback"):
        d.drop("callback")


@guilty("D10", "everything on one day", HIGH, may="D09 D11 D30 D31 D20 D08 L01 L02 D03 D43 D22")
def _(m: Maker, d: Draft) -> None:
    last = d.get("metering", "complete")["occurred_at"]
    for n, code in enumerate(("completion_inspection", "mid_inspection", "design_review", "supply_plan"), start=1):
        for lifecycle in ("complete", "start"):
            d.move(d.get(code, lifecycle), last - n * 31 * MINUTE - (lifecycle == "start") * MINUTE)


# D11, D12
@guilty("D11", "entered four days late", may="D29 L01")
def _(m: Maker, d: Draft) -> None:
    e = d.get("metering", "complete")
    e["recorded_at"] = days(e["recorded_at"], 4)


@guilty("D11", "entered before it happened")
def _(m: Maker, d: Draft) -> None:
    e = d.get("metering", "complete")
    e["recorded_at"] = e["occurred_at"] - 5 * HOUR


@innocent("D11", "field terminal, offline")
def _(m: Maker, d: Draft) -> None:
    e = d.get("metering", "complete")
    e["recorded_at"], e["source"] = days(e["recorded_at"], 3), "field_terminal"


@innocent("D11", "system outage")
def _(m: Maker, d: Draft) -> None:
    e = d.get("metering", "complete")
    e["recorded_at"], e["batch"] = days(e["recorded_at"], 4), "outage:2024-03"


@guilty("D12", "an evening of catching up", ("residential",), may="D11 D09 D29")
def _(m: Maker, d: Draft) -> list[Draft]:
    evening = days(d.get("metering", "complete")["occurred_at"], 30).replace(hour=16, minute=0)
    many = [d, *(m.lawful("residential", org=d.facts["org"], at=days(d.t0, n % 3)) for n in range(1, 16))]
    quiet = [m.lawful("residential", org=d.facts["org"]) for _ in range(9)]
    for one in many:
        for lifecycle in ("start", "complete"):
            e = one.get("metering", lifecycle)
            e["actor"] = f"{d.id}-catcher"
            e["recorded_at"] = evening + m.rng.randint(0, 59) * MINUTE
        one.must.add("D12")
    for one in quiet:
        one.get("acceptance", "complete")["actor"] = f"{d.id}-catcher"
    return [*many[1:], *quiet]


# D13
@guilty("D13", "late made timely", WHOLE, may="D11")
def _(m: Maker, d: Draft) -> None:
    e = d.get("metering", "complete")
    old = days(e["occurred_at"], 40)
    d.add("correction", "changed", days(old, 1), value="metering.complete.occurred_at", old_value=f"{old}",
          new_value=f"{e['occurred_at']}")  # fmt: skip


@innocent("D13", "a correction that changes no verdict", WHOLE)
def _(m: Maker, d: Draft) -> None:
    e = d.get("metering", "complete")
    old = e["occurred_at"] + 2 * MINUTE
    d.add("correction", "changed", days(old, 1), value="metering.complete.occurred_at", old_value=f"{old}",
          new_value=f"{e['occurred_at']}")  # fmt: skip


@innocent("D13", "approved and shown by the meter", WHOLE)
def _(m: Maker, d: Draft) -> None:
    e = d.get("metering", "complete")
    old = days(e["occurred_at"], 40)
    d.add("correction", "changed", days(old, 1), value="metering.complete.occurred_at", old_value=f"{old}",
          new_value=f"{e['occurred_at']}", ref="APPROVAL-7")  # fmt: skip


# D14, D15, D35
def _end_near_limit(d: Draft, lifecycle: str, **more: Any) -> dict[str, Any]:
    d.drop("metering")
    for activity in ("meter_installed", "first_energy", "work_ticket", "callback"):
        d.drop(activity)
    end = days(d.t0.replace(hour=15), d.rules.limit - 1)
    return d.add("application", lifecycle, end, **more)


def _again(m: Maker, d: Draft, working_days: int) -> Draft:
    """The same need, applied for again."""
    ended = [e for e in d.events if e["activity"] == "application" and e["lifecycle"] != "submit"][-1]
    keep = ("org", "premises_id", "customer_id", "customer_kind", "enterprise_size", "capacity_kw")
    at = days(ended["occurred_at"], working_days).replace(hour=9)
    return m.lawful(d.facts["user_class"], at=at, **{k: d.facts[k] for k in keep})


@guilty("D14", "ended before the limit, filed again", WHOLE, may="D15 D26 D41")
def _(m: Maker, d: Draft) -> list[Draft]:
    _end_near_limit(d, "terminate", value="other")
    other = _again(m, d, 3)
    other.may |= {"D35"}
    return [other]


@innocent("D14", "the customer's own request", WHOLE, may="D26")
def _(m: Maker, d: Draft) -> list[Draft]:
    _end_near_limit(d, "withdraw", value="need changed", source="customer_app", ref=f"APP-{d.id}")
    return [_again(m, d, 3)]


@innocent("D14", "plan lapsed", WHOLE)
def _(m: Maker, d: Draft) -> list[Draft]:
    _end_near_limit(d, "terminate", value="lapsed")
    return [_again(m, d, 3)]


@innocent("D14", "another need", WHOLE)
def _(m: Maker, d: Draft) -> list[Draft]:
    _end_near_limit(d, "terminate", value="other")
    other = _again(m, d, 3)
    other.facts["capacity_kw"] *= 1.5
    return [other]


@guilty("D15", "withdrawn without a trace")
def _(m: Maker, d: Draft) -> None:
    _withdraw(d, ref=m.rng.choice((None, f"image:{d.id}")))


def _withdraw(d: Draft, **more: Any) -> None:
    accepted = d.get("acceptance", "complete")["occurred_at"]
    d.after(accepted + 5 * MINUTE)
    d.drop("supply_plan")
    d.drop("metering")
    d.add("application", "withdraw", accepted + 30 * MINUTE, **more)


@innocent("D15", "withdrawn by a platform record")
def _(m: Maker, d: Draft) -> None:
    _withdraw(d, ref=f"APP-{d.id}", source="customer_app")


@guilty("D35", "ended twice, filed a third time", ("residential",), may="D14 D15 S6 D26")
def _(m: Maker, d: Draft) -> list[Draft]:
    _withdraw(d, ref=None, value="other")
    d.may |= {"D15"}
    second = _again(m, d, 8)
    _withdraw(second, ref=None)
    second.may |= {"D15", "D35", "D14"}
    third = _again(m, second, 9)
    third.must.add("D35")
    return [second, third]


# D16, D17
@guilty("D16", "suspended the day before the limit", WHOLE, may="D15")
def _(m: Maker, d: Draft) -> None:
    near = days(d.t0.replace(hour=14), d.rules.limit - 1)
    for e in d.events:
        if e["activity"] in ("metering", "meter_installed", "first_energy", "work_ticket", "callback") and (
            e["lifecycle"] != "start"
        ):
            d.move(e, e["occurred_at"].replace(year=near.year, month=near.month, day=near.day) + 5 * HOUR)
    d.add("suspension", "start", near, value="customer", ref=f"REC-{d.id}")
    d.add("suspension", "end", near + 2 * HOUR, value="customer")


@guilty("D16", "suspension entered afterwards", ("hv_single", "hv_dual"))
def _(m: Maker, d: Draft) -> None:
    at = d.get("supply_plan", "start")["occurred_at"] + 30 * MINUTE
    e = d.add("suspension", "start", at, value="customer", ref=f"REC-{d.id}")
    e["recorded_at"] = days(at, 4)
    d.add("suspension", "end", at + 10 * MINUTE, value="customer")


@innocent("D16", "force majeure with its notice", BUSINESS)
def _(m: Maker, d: Draft) -> None:
    at = d.get("acceptance", "complete")["occurred_at"] + 2 * MINUTE
    d.add("suspension", "start", at, value="force_majeure", ref="NOTICE-2023-7")
    d.add("suspension", "end", at + 3 * MINUTE, value="force_majeure", ref="NOTICE-2023-7")


@innocent("D16", "while the customer builds", HIGH)
def _(m: Maker, d: Draft) -> None:
    planned = d.get("supply_plan", "complete")["occurred_at"]
    d.add("suspension", "start", planned + 5 * MINUTE, value="customer", ref=f"REC-{d.id}")
    d.add("suspension", "end", days(planned, 1), value="customer")


@guilty("D17", "a new fault each time", HIGH, may="D30 L01")
def _(m: Maker, d: Draft) -> None:
    _returned(d, "缺图纸", "缺盖章")


@innocent("D17", "what was left of the first list", HIGH, may="D30")
def _(m: Maker, d: Draft) -> None:
    _returned(d, "缺图纸;缺盖章", "缺盖章")


def _returned(d: Draft, *lists: str) -> None:
    start = d.get("design_review", "start")
    at = start["occurred_at"] - 3 * HOUR
    for e in d.events:
        if e["activity"] == "document" and e["value"] in ("designer_qualification", "design_documents"):
            d.move(e, at)
    for one in lists:
        d.add("design_review", "start", at)
        d.add("design_review", "return", at + 20 * MINUTE, value=one)
        at += 40 * MINUTE


# D19, D20, D21
@guilty("D19", "outage planned first", BUSINESS)
def _(m: Maker, d: Draft) -> None:
    _before(d, m.rng.choice(("outage_plan", "work_ticket")), 4, ref=d.id)


@innocent("D19", "maintenance of the line", BUSINESS)
def _(m: Maker, d: Draft) -> None:
    _before(d, "work_ticket", 4, ref=d.id, value="maintenance")


@innocent("D19", "ticket of another case", BUSINESS)
def _(m: Maker, d: Draft) -> None:
    _before(d, "work_ticket", 4, ref="C88888")


@guilty("D20", "design older than the plan", HIGH)
def _(m: Maker, d: Draft) -> None:
    d.seen("design_dated", d.t0.date())
    d.events[-1]["occurred_at"] -= dt.timedelta(days=9)


@innocent("D20", "standard design", HIGH)
def _(m: Maker, d: Draft) -> None:
    d.seen("design_dated", d.t0.date() - dt.timedelta(days=400), value="standard_design")


@guilty("D21", "licence run out", HIGH)
def _(m: Maker, d: Draft) -> None:
    licence = next(e for e in d.events if e["activity"] == "licence_expires" and e["value"] == "designer")
    licence["occurred_at"] = dt.datetime.combine(d.t0.date() - dt.timedelta(days=3), dt.time())


@innocent("D21", "licence extended", HIGH)
def _(m: Maker, d: Draft) -> None:
    licence = next(e for e in d.events if e["activity"] == "licence_expires" and e["value"] == "designer")
    licence["occurred_at"] = dt.datetime.combine(d.t0.date() - dt.timedelta(days=3), dt.time())
    licence["ref"] = "extension:2024-8"


# D22, D23, D24
@guilty("D22", "one hand", HIGH)
def _(m: Maker, d: Draft) -> None:
    for e in d.events:
        if e["lifecycle"] == "complete":
            e["actor"] = f"one-{d.id}"


@guilty("D23", "a commitment letter")
def _(m: Maker, d: Draft) -> None:
    d.add("document", "requested", d.t0 + 2 * MINUTE, value="commitment_letter")


@guilty("D23", "a second form of one kind")
def _(m: Maker, d: Draft) -> None:
    d.add("document", "requested", d.t0 + 2 * MINUTE, value="id_card")
    d.add("document", "requested", d.t0 + 3 * MINUTE, value="passport")


@guilty("D23", "an inspection at low voltage", ("lv_other", "lv_zero", "residential"))
def _(m: Maker, d: Draft) -> None:
    d.add("completion_inspection", "start", d.get("acceptance", "complete")["occurred_at"] + MINUTE)


@innocent("D23", "from the list")
def _(m: Maker, d: Draft) -> None:
    d.add("document", "requested", d.t0 + 2 * MINUTE, value="identity")


@innocent("D23", "a law asks for it")
def _(m: Maker, d: Draft) -> None:
    d.add(
        "document",
        "requested",
        d.t0 + 2 * MINUTE,
        value="环评批复",
        ref="law:《中华人民共和国环境影响评价法》第二十五条",
    )


@innocent("D23", "volunteered")
def _(m: Maker, d: Draft) -> None:
    d.add("document", "requested", d.t0 + 2 * MINUTE, value="deferral_letter", ref="volunteered")


@guilty("D24", "no plan", ("lv_other",), may="D43 L02 L01 D30")
def _(m: Maker, d: Draft) -> None:
    d.drop("supply_plan")


@guilty("D24", "no inspection", HIGH, may="L02 D30")
def _(m: Maker, d: Draft) -> None:
    d.drop("completion_inspection")


@innocent("D24", "waived with its basis", HIGH)
def _(m: Maker, d: Draft) -> None:
    at = d.get("mid_inspection", "start")["occurred_at"]
    d.drop("mid_inspection")
    d.add("mid_inspection", "waive", at, value="law:《电力法》第二十五条")


# D25, D28, D29
@guilty("D25", "the customer says ten days before")
def _(m: Maker, d: Draft) -> None:
    d.seen("callback", days(d.t0, -10).date(), value="submitted")


@innocent("D25", "the customer says the day before")
def _(m: Maker, d: Draft) -> None:
    d.seen("callback", days(d.t0, -1).date(), value="submitted")


@guilty("D28", "done on paper before the meter", may="D29 L01")
def _(m: Maker, d: Draft) -> None:
    done = d.get("metering", "complete")["occurred_at"]
    d.drop("callback")
    for activity in ("meter_installed", "first_energy"):
        d.move(d.get(activity), days(done, 4))


@innocent("D28", "the customer draws no power yet")
def _(m: Maker, d: Draft) -> None:
    d.move(d.get("first_energy"), days(d.get("metering", "complete")["occurred_at"], 20))


@innocent("D28", "meter replaced later")
def _(m: Maker, d: Draft) -> None:
    d.seen("meter_installed", days(d.get("metering", "complete")["occurred_at"], 200), value="replacement")


@guilty("D29", "live and never filed", may="D16")
def _(m: Maker, d: Draft) -> None:
    d.drop("metering", "complete")
    d.drop("callback")
    d.may |= {"L01", "L02"}


@innocent("D29", "trial run", HIGH)
def _(m: Maker, d: Draft) -> None:
    done = d.get("completion_inspection", "complete")["occurred_at"]
    d.seen("first_energy", done + HOUR, value="trial")


# D26, D27
@guilty("D26", "filed under a looser class", ("residential",))
def _(m: Maker, d: Draft) -> None:
    d.facts["user_class"] = "lv_zero"


@guilty("D26", "zero investment lost", ("lv_zero",), may="D23")
def _(m: Maker, d: Draft) -> None:
    d.facts["user_class"] = "lv_other"


@guilty("D27", "acceptance dated back", may="D11 D07")
def _(m: Maker, d: Draft) -> None:
    entry = days(d.get("metering", "complete")["occurred_at"], 2)
    for e in d.events:
        if e["activity"] in ("application", "acceptance"):
            e["recorded_at"] = entry


@innocent("D27", "accepted on the terminal", ("residential",))
def _(m: Maker, d: Draft) -> None:
    for e in d.events:
        if e["activity"] in ("application", "acceptance"):
            e["source"] = "field_terminal"
            e["recorded_at"] = days(e["recorded_at"], 1)
    if d.t0.date() != d.get("acceptance", "complete")["occurred_at"].date() or not calendar().is_working(d.t0.date()):
        for e in d.events:
            if e["activity"] in ("application", "acceptance"):
                e["recorded_at"] = e["occurred_at"] + MINUTE


@innocent("D27", "entered from paper after an outage", ("residential",))
def _(m: Maker, d: Draft) -> None:
    entry = days(d.get("metering", "complete")["occurred_at"], 2)
    for e in d.events:
        if e["activity"] in ("application", "acceptance"):
            e["recorded_at"], e["batch"] = entry, "outage:5"


# D30, D31, D33, D34
@guilty("D30", "papers in, clock not started", HIGH)
def _(m: Maker, d: Draft) -> None:
    start = d.get("design_review", "start")["occurred_at"]
    for e in d.events:
        if e["activity"] == "document" and e["value"] in ("designer_qualification", "design_documents"):
            d.move(e, days(start, -3))


@innocent("D30", "more was asked for", HIGH)
def _(m: Maker, d: Draft) -> None:
    start = d.get("design_review", "start")["occurred_at"]
    for e in d.events:
        if e["activity"] == "document" and e["value"] in ("designer_qualification", "design_documents"):
            d.move(e, days(start, -3))
    d.add("document", "requested", days(start, -2), value="design_documents")


@innocent("D30", "an appointment", HIGH)
def _(m: Maker, d: Draft) -> None:
    start = d.get("completion_inspection", "start")["occurred_at"]
    d.seen("service_contact", days(start, -3), value="appointment")


@guilty("D31", "built before applying", BUSINESS)
def _(m: Maker, d: Draft) -> None:
    _before(d, "works_started", 5)


@guilty("D31", "built before the design was passed", HIGH)
def _(m: Maker, d: Draft) -> None:
    d.seen("works_started", d.get("supply_plan", "complete")["occurred_at"] + HOUR)


@innocent("D31", "civil works", BUSINESS)
def _(m: Maker, d: Draft) -> None:
    _before(d, "works_started", 50, value="civil_works")


@guilty("D33", "capacity raised out of zero investment", ("lv_other",))
def _(m: Maker, d: Draft) -> list[Draft]:
    later = m.lawful(
        "lv_other",
        at=dt.datetime.combine(dt.date(2024, 3, m.rng.randint(4, 8)), dt.time(9, 10)),
        capacity_kw=200.0,
        enterprise_size="small",
    )
    at = later.get("supply_plan", "complete")["occurred_at"] + MINUTE
    later.add("correction", "changed", at, value="case.capacity_kw", old_value="100", new_value="200")
    later.must.add("D33")
    return [later]


@innocent("D33", "at the customer's request", ("hv_single",))
def _(m: Maker, d: Draft) -> None:
    at = d.get("supply_plan", "complete")["occurred_at"] + MINUTE
    d.facts |= {"supply_count": 2, "user_class": "hv_dual"}
    d.add("correction", "changed", at, value="case.supply_count", old_value="1", new_value="2", ref=f"APP-{d.id}")


@innocent("D33", "made tighter", ("hv_single",))
def _(m: Maker, d: Draft) -> None:
    at = d.get("supply_plan", "complete")["occurred_at"] + MINUTE
    d.add("correction", "changed", at, value="case.supply_count", old_value="2", new_value="1")


@guilty("D34", "new supply called increase", ("lv_other", "lv_zero"))
def _(m: Maker, d: Draft) -> None:
    d.facts["business_type"] = "increase"


@innocent("D34", "a real increase", ("lv_other", "lv_zero"))
def _(m: Maker, d: Draft) -> None:
    _old_customer(d, "increase")


# D37, D38, D41, D43
@guilty("D37", "one picture for two customers", may="D15")
def _(m: Maker, d: Draft) -> list[Draft]:
    other = m.lawful(org=d.facts["org"])
    for one in (d, other):
        one.seen("service_contact", one.t0 + MINUTE, value="enquiry", ref=f"image:{d.id}-same")
        one.must.add("D37")
    return [other]


@innocent("D37", "one notice for all")
def _(m: Maker, d: Draft) -> list[Draft]:
    other = m.lawful(org=d.facts["org"])
    for one in (d, other):
        one.seen("service_contact", one.t0 + MINUTE, value="enquiry", ref="file:NOTICE-2023-1")
    return [other]


def _round_trip(m: Maker, d: Draft) -> list[Draft]:
    """Two more meters fitted by the same hand, three minutes apart."""
    done = d.get("metering", "complete")["occurred_at"]
    others = [m.lawful("residential", org=d.facts["org"], at=d.t0) for _ in range(2)]
    for n, one in enumerate((d, *others)):
        one.drop("callback")
        for activity, lifecycle, gap in _FINISH:
            one.move(one.get(activity, lifecycle), done + (3 * n - gap) * MINUTE)
        one.get("metering", "complete")["actor"] = f"{d.id}-runner"
        one.facts["case_no"] = None
    return others


_FINISH = (
    ("metering", "complete", 0), ("meter_installed", "observed", 8), ("first_energy", "observed", 6),
    ("work_ticket", "observed", 9),
)  # fmt: skip


@guilty("D38", "three places in ten minutes", ("residential",), may="D08")
def _(m: Maker, d: Draft) -> list[Draft]:
    others = _round_trip(m, d)
    for one in (d, *others):
        one.must.add("D38")
    return others


@innocent("D38", "one batch", ("residential",), may="D08")
def _(m: Maker, d: Draft) -> list[Draft]:
    others = _round_trip(m, d)
    for one in (d, *others):
        one.get("metering", "complete")["batch"] = f"estate:{d.id}"
    return others


@guilty("D41", "a charge at home", ("residential",), may="D26")
def _(m: Maker, d: Draft) -> None:
    d.seen("fee_paid", d.get("metering", "complete")["occurred_at"], amount=200.0, ref=d.id)


@innocent("D41", "prepaid electricity", ("residential",))
def _(m: Maker, d: Draft) -> None:
    d.seen("fee_paid", d.get("metering", "complete")["occurred_at"], amount=200.0, value="prepaid", ref=d.id)


@guilty("D43", "plan before the survey", ("lv_other", *HIGH), may="D16")
def _(m: Maker, d: Draft) -> None:
    d.move(d.get("site_survey"), days(d.get("supply_plan", "complete")["occurred_at"], 2))


@innocent("D43", "a second look", ("lv_other", *HIGH))
def _(m: Maker, d: Draft) -> None:
    d.seen("site_survey", days(d.get("supply_plan", "complete")["occurred_at"], 2), value="recheck")


# L01, L02
@guilty("L01", "plan late", ("lv_other", *HIGH), may="L02 D20 D08 D31 D43 D30 D16")
def _(m: Maker, d: Draft) -> None:
    plan = d.get("supply_plan", "complete")
    d.move(plan, days(d.get("supply_plan", "start")["occurred_at"], d.rules.steps[1].limit + 1))  # type: ignore[operator]  # it has one


@guilty("L02", "energised late", WHOLE, may="D26")
def _(m: Maker, d: Draft) -> None:
    end = days(d.t0.replace(hour=14), d.rules.limit + 1)
    d.drop("callback")
    for activity, lifecycle in (
        ("metering", "complete"),
        ("meter_installed", "observed"),
        ("first_energy", "observed"),
        ("work_ticket", "observed"),
    ):
        d.move(d.get(activity, lifecycle), end)


@innocent("L02", "force majeure taken off", ("residential",))
def _(m: Maker, d: Draft) -> None:
    at = d.get("acceptance", "complete")["occurred_at"] + 2 * MINUTE
    stop = days(at, 8)
    d.add("suspension", "start", at, value="force_majeure", ref="NOTICE-9")
    d.add("suspension", "end", stop, value="force_majeure", ref="NOTICE-9")
    end = days(stop, 1).replace(hour=16)
    d.drop("callback")
    for activity, lifecycle in (
        ("metering", "complete"),
        ("meter_installed", "observed"),
        ("first_energy", "observed"),
        ("work_ticket", "observed"),
    ):
        d.move(d.get(activity, lifecycle), end)


@innocent("L02", "transfer: nothing of the ledger applies", WHOLE)
def _(m: Maker, d: Draft) -> None:
    _old_customer(d, "transfer")
    end = days(d.t0.replace(hour=14), d.rules.limit + 9)
    d.drop("callback")
    for activity, lifecycle in (
        ("metering", "complete"),
        ("meter_installed", "observed"),
        ("first_energy", "observed"),
        ("work_ticket", "observed"),
    ):
        d.move(d.get(activity, lifecycle), end)


assert CLASSES
