"""What makes a case of a generated history guilty of one rule, and what only looks so; each change works on columns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.history_parts import DAY, HAND, HV_DUAL, HV_SINGLE, LV_OTHER, LV_ZERO, RESIDENTIAL, Ints, Part, Stream

Pattern = Callable[[Part], None]
PATTERNS: list[Pattern] = []


def pattern(change: Pattern) -> Pattern:
    """Register a pattern."""
    PATTERNS.append(change)
    return change


BUSINESS = (LV_ZERO, LV_OTHER, HV_SINGLE, HV_DUAL)
HIGH = (HV_SINGLE, HV_DUAL)
WHOLE = (RESIDENTIAL, LV_ZERO)


def _simple(
    rule: str, activity: str, working_days: int, source: str, classes: tuple[int, ...] = (0, 1, 2, 3, 4), *,
    guilty: bool, mine: bool = False, value: str | None = None, batch: str | None = None,
) -> None:  # fmt: skip
    """A record of another system before T0, guilty or excused by its value, batch or ref."""

    def change(part: Part) -> None:
        cases = part.take(rule, guilty=guilty, classes=classes)
        more: dict[str, Any] = {"value": value}
        if mine:
            more["ref"] = cases
        if batch:
            more["batch"] = np.full(cases.size, batch, dtype=object)
        part.before(cases, activity, working_days, source, **more)

    PATTERNS.append(change)


_simple("D01", "first_energy", 6, "metering", (RESIDENTIAL, LV_ZERO, LV_OTHER), guilty=True)
_simple("D01", "first_energy", 9, "metering", (LV_ZERO, LV_OTHER), value="temporary_supply", guilty=False)
_simple("D02", "meter_installed", 5, "metering", guilty=True)
_simple("D02", "meter_installed", 90, "metering", (RESIDENTIAL,), batch="estate:77", guilty=False)
_simple("D02", "meter_installed", 30, "metering", value="rotation", guilty=False)
_simple("D04", "contract_signed", 4, "contract", BUSINESS, mine=True, guilty=True)
_simple("D04", "contract_signed", 40, "contract", BUSINESS, value="framework", guilty=False)
_simple("D05", "material_issued", 3, "material", BUSINESS, mine=True, guilty=True)
_simple("D05", "material_issued", 3, "material", BUSINESS, guilty=False)
_simple("D06", "site_survey", 4, "field_terminal", BUSINESS, guilty=True)
_simple("D06", "site_survey", 12, "field_terminal", BUSINESS, value="pre_application", guilty=False)
_simple("D07", "service_contact", 5, "callcentre", value="connection_request", guilty=True)
_simple("D07", "service_contact", 20, "callcentre", value="enquiry", guilty=False)
_simple("D19", "outage_plan", 4, "dispatch", BUSINESS, mine=True, guilty=True)
_simple("D19", "outage_plan", 4, "dispatch", BUSINESS, mine=True, value="maintenance", guilty=False)
_simple("D31", "works_started", 5, "archive", BUSINESS, guilty=True)
_simple("D31", "works_started", 50, "archive", BUSINESS, value="civil_works", guilty=False)
_simple("D20", "design_dated", 200, "archive", HIGH, value="standard_design", guilty=False)
_simple("D20", "design_dated", 9, "archive", HIGH, guilty=True)


@pattern
def _d03(part: Part) -> None:
    cases = part.take("D03", guilty=True, classes=HIGH)
    stream, places = part.where("completion_inspection", "complete", cases)
    part.shift("first_energy", "observed", cases, stream.occurred[places] - 26 * 3600)


@pattern
def _d03_trial(part: Part) -> None:
    cases = part.take("D03", guilty=False, classes=HIGH)
    stream, places = part.where("completion_inspection", "complete", cases)
    at = stream.occurred[places] - 26 * 3600
    part.extra.append(Stream("first_energy", "observed", cases, at, at + 60, "metering", "trial"))


@pattern
def _increase(part: Part) -> None:
    cases = part.take("D01", guilty=False, classes=(LV_ZERO, LV_OTHER))
    _old_customer(part, cases, "increase")
    part.before(cases, "first_energy", 250, "metering")
    part.before(cases, "meter_installed", 251, "metering")


@pattern
def _transfer(part: Part) -> None:
    cases = part.take("L02", guilty=False, classes=WHOLE)
    _old_customer(part, cases, "transfer")
    at = part.days.add(part.day[cases], 40) * DAY + 14 * 3600
    _finish(part, cases, at)


def _old_customer(part: Part, cases: Ints, kind: str) -> None:
    part.columns["business_type"][cases] = kind
    part.columns["prior_capacity_kw"][cases] = 50.0
    part.columns["account_opened_on"][cases] = np.datetime64("2015-03-02").item()


def _finish(part: Part, cases: Ints, at: Ints) -> None:
    """Everything at the end of the cases happens around `at`."""
    part.shift("metering", "complete", cases, at)
    for activity, gap in (("work_ticket", 3600), ("meter_installed", 2400), ("first_energy", 1200)):
        part.shift(activity, "observed", cases, at - gap)


@pattern
def _l02(part: Part) -> None:
    cases = part.take("L02", guilty=True, classes=WHOLE)
    limit = np.where(part.cls[cases] == RESIDENTIAL, 5, 25)
    _finish(part, cases, part.days.add(part.day[cases], limit + 2) * DAY + 14 * 3600)


@pattern
def _l01(part: Part) -> None:
    cases = part.take("L01", guilty=True, classes=(LV_OTHER,))
    late = part.days.add(part.at["accepted"][cases] // DAY, 5) * DAY + 11 * 3600
    part.shift("supply_plan", "complete", cases, late)
    part.shift("contract_signed", "observed", cases, late + 3600)
    part.shift("metering", "start", cases, part.days.add(late // DAY, 3) * DAY + 10 * 3600)
    part.shift("fee_paid", "observed", cases, part.days.add(late // DAY, 3) * DAY + 9 * 3600)
    _finish(part, cases, part.days.add(late // DAY, 4) * DAY + 14 * 3600)


@pattern
def _d09(part: Part) -> None:
    cases = part.take("D09", guilty=True, classes=HIGH)
    last, places = part.where("completion_inspection", "complete", cases)
    for n, code in enumerate(("mid_inspection", "design_review"), start=1):
        stream, at = part.where(code, "complete", cases)
        stream.recorded[at] = last.recorded[places] - n * 180


@pattern
def _d11(part: Part) -> None:
    cases = part.take("D11", guilty=True)
    stream, places = part.where("metering", "complete", cases)
    stream.recorded[places] = part.days.add(stream.occurred[places] // DAY, 4) * DAY + 15 * 3600


@pattern
def _d11_outage(part: Part) -> None:
    cases = part.take("D11", guilty=False)
    stream, places = part.where("metering", "complete", cases)
    stream.recorded[places] = part.days.add(stream.occurred[places] // DAY, 4) * DAY + 15 * 3600
    if stream.batch is None:
        stream.batch = np.full(stream.case.size, None, dtype=object)
    stream.batch[places] = "outage:2024-03"


@pattern
def _d13(part: Part) -> None:
    cases = part.take("D13", guilty=True, classes=WHOLE)
    stream, places = part.where("metering", "complete", cases)
    new = stream.occurred[places]
    old = part.days.add(new // DAY, 40) * DAY + 10 * 3600
    at = old + DAY
    part.extra.append(
        Stream(
            "correction", "changed", cases, at, at + 60, "marketing", "metering.complete.occurred_at",
            old_value=_text(old), new_value=_text(new),
        )
    )  # fmt: skip


def _text(seconds: Ints) -> NDArray[Any]:
    moments = seconds.astype("datetime64[s]").astype(str)
    return np.array([moment.replace("T", " ") for moment in moments.tolist()], dtype=object)


def _end(part: Part, cases: Ints, at: Ints, *, lifecycle: str, value: str, source: str, ref: NDArray[Any]) -> None:
    """The cases end before metering."""
    for lifecycle_ in ("start", "complete"):
        part.drop("metering", lifecycle_, cases)
    for activity in ("work_ticket", "meter_installed", "first_energy"):
        part.drop(activity, "observed", cases)
    row = Stream("application", lifecycle, cases, at, at + 90, source, value, ref=ref)
    row.actor = np.zeros(cases.size, np.int64)
    part.extra.append(row)


def _restart(part: Part, *, guilty: bool) -> None:
    first = part.take("D14", guilty=guilty, classes=(RESIDENTIAL,), share=2.0)
    first = first[: first.size // 2 * 2]
    pairs = first.reshape(2, -1) if first.size else np.empty((2, 0), dtype=np.int64)
    ended, again = pairs
    # The second case is the same need: its facts and its course are moved behind the ending of the first.
    at = part.days.add(part.day[ended], 4) * DAY + 15 * 3600
    submitted = part.days.add(at // DAY, 3)
    part.columns["premises"][again] = part.columns["premises"][ended]
    part.columns["customer"][again] = part.columns["customer"][ended]
    part.org[again] = part.org[ended]
    _move(part, again, submitted)
    refs = np.array([f"APP-{n}" for n in part.ids[ended]], dtype=object)
    if guilty:
        _end(part, ended, at, lifecycle="terminate", value="other", source="marketing", ref=refs)
    else:
        _end(part, ended, at, lifecycle="withdraw", value="need changed", source="customer_app", ref=refs)
    # Only the ended case carries the finding; a serial drawn before its new date would be another one (D18).
    numbers, rule, fault = part.labels.pop()
    kept = np.isin(numbers, part.ids[ended])
    part.labels.append((numbers[kept], rule, fault))
    part.labels.append((part.ids[again], "D35" if guilty else "D14", guilty))
    part.no_serial[again] = True


def _move(part: Part, cases: Ints, day: Ints) -> None:
    """The whole course of residential cases to another day, at the same hours, metering two working days later."""
    start = day * DAY + 9 * 3600
    gaps = {("application", "submit"): 0, ("acceptance", "start"): 0, ("acceptance", "complete"): 1800}
    for (activity, lifecycle), gap in {**gaps, ("metering", "start"): 1800}.items():
        part.shift(activity, lifecycle, cases, start + gap)
    for stream in part.extra[:2]:  # the two papers of every case
        stream.occurred[cases] = start
        stream.recorded[cases] = start + 30
    _finish(part, cases, part.days.add(day, 2) * DAY + 11 * 3600)


@pattern
def _d14(part: Part) -> None:
    _restart(part, guilty=True)


@pattern
def _d14_customer(part: Part) -> None:
    _restart(part, guilty=False)


@pattern
def _d15(part: Part) -> None:
    cases = part.take("D15", guilty=True, classes=WHOLE)
    refs = np.array([f"image:{n}" for n in cases], dtype=object)
    at = part.at["accepted"][cases] + 1800
    _end(part, cases, at, lifecycle="withdraw", value="other", source="marketing", ref=refs)


@pattern
def _d18(part: Part) -> None:
    """Entered months later, under a serial number of that later day."""
    cases = part.take("D18", guilty=True, classes=(RESIDENTIAL,), share=0.5)
    moved = cases[cases < part.n - 3100]
    part.labels[-1] = (part.ids[moved], "D18", True)
    part.serial[moved] += 30_005


@pattern
def _d21(part: Part) -> None:
    cases = part.take("D21", guilty=True, classes=HIGH)
    for stream in part.extra:
        if stream.activity == "licence_expires" and stream.value == "designer":
            stream.occurred[np.searchsorted(stream.case, cases)] = (part.day[cases] - 3) * DAY


@pattern
def _d22(part: Part) -> None:
    cases = part.take("D22", guilty=True, classes=HIGH, share=0.5)
    for code in ("supply_plan", "design_review", "mid_inspection", "completion_inspection"):
        stream, places = part.where(code, "complete", cases)
        if stream.actor is not None:
            stream.actor[places] = HAND + cases


@pattern
def _d23(part: Part) -> None:
    cases = part.take("D23", guilty=True)
    at = part.submitted[cases] + 120
    part.extra.append(Stream("document", "requested", cases, at, at + 30, "marketing", "commitment_letter"))


@pattern
def _d23_listed(part: Part) -> None:
    cases = part.take("D23", guilty=False)
    at = part.submitted[cases] + 120
    part.extra.append(Stream("document", "requested", cases, at, at + 30, "marketing", "identity"))


@pattern
def _d24(part: Part) -> None:
    cases = part.take("D24", guilty=True, classes=HIGH)
    for lifecycle in ("start", "complete"):
        part.drop("completion_inspection", lifecycle, cases)


@pattern
def _d25(part: Part) -> None:
    cases = part.take("D25", guilty=True)
    at = part.days.add(part.day[cases], -10) * DAY
    part.extra.append(
        Stream("callback", "observed", cases, at, part.at["done"][cases] + DAY, "callcentre", "submitted")
    )


@pattern
def _d26(part: Part) -> None:
    cases = part.take("D26", guilty=True, classes=(RESIDENTIAL,))
    part.columns["user_class"][cases] = "lv_zero"


@pattern
def _d27(part: Part) -> None:
    cases = part.take("D27", guilty=True)
    entry = part.days.add(part.at["done"][cases] // DAY, 2) * DAY + 10 * 3600
    for activity, lifecycle in (("application", "submit"), ("acceptance", "start"), ("acceptance", "complete")):
        stream, places = part.where(activity, lifecycle, cases)
        stream.recorded[places] = entry


@pattern
def _d28(part: Part) -> None:
    cases = part.take("D28", guilty=True)
    for activity in ("meter_installed", "first_energy"):
        part.shift(activity, "observed", cases, part.days.add(part.at["done"][cases] // DAY, 4) * DAY + 10 * 3600)


@pattern
def _d28_unused(part: Part) -> None:
    cases = part.take("D28", guilty=False)
    part.shift("first_energy", "observed", cases, part.days.add(part.at["done"][cases] // DAY, 20) * DAY + 10 * 3600)


@pattern
def _d29(part: Part) -> None:
    cases = part.take("D29", guilty=True)
    part.drop("metering", "complete", cases)


@pattern
def _d30(part: Part) -> None:
    cases = part.take("D30", guilty=True, classes=HIGH)
    start, places = part.where("design_review", "start", cases)
    for stream in part.extra:
        if stream.activity == "document" and stream.value in ("designer_qualification", "design_documents"):
            rows = np.searchsorted(stream.case, cases)
            stream.occurred[rows] = part.days.add(start.occurred[places] // DAY, -3) * DAY + 10 * 3600
            stream.recorded[rows] = stream.occurred[rows] + 30


@pattern
def _d34(part: Part) -> None:
    cases = part.take("D34", guilty=True, classes=(LV_ZERO, LV_OTHER))
    part.columns["business_type"][cases] = "increase"


@pattern
def _d41(part: Part) -> None:
    cases = part.take("D41", guilty=True, classes=(RESIDENTIAL,))
    at = part.at["done"][cases]
    part.extra.append(Stream("fee_paid", "observed", cases, at, at + 60, "finance", amount=200.0))


@pattern
def _d41_prepaid(part: Part) -> None:
    cases = part.take("D41", guilty=False, classes=(RESIDENTIAL,))
    at = part.at["done"][cases]
    part.extra.append(Stream("fee_paid", "observed", cases, at, at + 60, "finance", "prepaid", amount=200.0))


@pattern
def _d43(part: Part) -> None:
    cases = part.take("D43", guilty=True, classes=(LV_OTHER, *HIGH))
    at = part.days.add(part.at["planned"][cases] // DAY, 2) * DAY + 9 * 3600
    part.shift("site_survey", "observed", cases, at)
