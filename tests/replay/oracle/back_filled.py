"""What was entered afterwards or out of order (D08-D12, D18, D20, D22, D24, D25, D28, D29, D38, D43), policy 6."""

from __future__ import annotations

import datetime as dt
import re
import statistics
from collections import Counter, defaultdict
from typing import Any

from tests.replay.oracle.file import (
    Case,
    Event,
    File,
    Finding,
    Unjudged,
    combinations,
    earlier_date,
    found,
    in_batch,
    in_order,
    is_step,
    rows,
    sources,
    when,
    worst,
)
from tests.replay.oracle.law import SIX

TEN = dt.timedelta(minutes=10)


def _completes(case: Case, step: Any) -> list[Event]:
    """Completions of a step of the path, or of what was merged into it."""
    return sorted(
        (e for part in step.parts for e in case.all(part, "complete")), key=lambda e: (e["occurred_at"], e["_i"])
    )


def d08(case: Case) -> Finding | None:
    steps, all_known = case.certain_path()
    steps = [step for step in steps if not set(step.parts) & case.waived]
    high: list[tuple[Event, Event]] = []
    medium: list[tuple[Event, Event]] = []
    for i, first in enumerate(steps):
        passes = _completes(case, first)
        if not passes:
            continue
        last = passes[-1]
        for later in steps[i + 1 :]:
            high += [(e, last) for e in _completes(case, later) if in_order(when(e), when(last))]
            for part in later.parts:
                medium += [(e, last) for e in case.all(part, "start") if in_order(when(e), when(last))]
    for severity, pairs in (("high", high), ("medium", medium)):
        if pairs:
            return found(case, "D08", severity, [rows(*pair) for pair in pairs], [e for e, _ in pairs])
    completed = [code for code in SIX if case.all(code, "complete")]
    if (
        not all_known
        or not completed
        or any(case.untimed(code, life) for code in SIX for life in ("start", "complete"))
    ):
        raise Unjudged("step.complete")
    return None


def d09(case: Case) -> Finding | None:
    """The steps of the path, and those recorded although the profile does not ask for them."""
    codes = [code for code in SIX if case.done(code)]
    last: dict[str, Event] = {}
    recorded: dict[str, dt.datetime] = {}
    unknown = not codes
    for code in codes:
        kept = [e for e in case.done(code) if not in_batch(e, "migration:", "estate:")]
        for e in kept:
            try:
                at = case.file.entered(e)
            except Unjudged:
                unknown = True
                continue
            if code not in recorded or at > recorded[code]:
                recorded[code], last[code] = at, e
            unknown = unknown or bool(e.get("recorded_is_date"))
    grounds = []
    for three in zip(codes, codes[1:], codes[2:], strict=False):
        if all(code in recorded and not last[code].get("recorded_is_date") for code in three):
            times = [recorded[code] for code in three]
            one_visit = three[1:] == ("completion_inspection", "metering") and abs(times[2] - times[1]) <= TEN
            ends = [e for code in three[1:] for e in case.all(code, "complete")[-1:]]
            one_visit = one_visit and len(ends) == 2 and when(ends[0]).date == when(ends[1]).date
            if max(times) - min(times) <= TEN and not one_visit:
                grounds.append(rows(*(last[code] for code in three)))
    done = {code: [e for e in case.all(code, "complete") if not in_batch(e, "migration:", "estate:")] for code in codes}
    a, b = (done.get(code, [])[-1:] for code in ("mid_inspection", "completion_inspection"))
    grounds += [
        rows(x, y)
        for x in a
        for y in b
        if not (when(x).only_date or when(y).only_date)
        and abs(when(y).moment - when(x).moment) < dt.timedelta(minutes=30)
    ]
    if grounds:
        return found(case, "D09", "high", grounds, [e for code in codes for e in case.all(code, "complete")])
    if unknown:
        raise Unjudged("recorded_at")
    return None


def _one_day(case: Case) -> list[Event]:
    """Completions of four or more steps on one date, one for each step."""
    by_date: dict[dt.date, dict[str, Event]] = defaultdict(dict)
    for code in SIX:
        if code not in case.waived:
            for e in case.all(code, "complete"):
                by_date[when(e).date].setdefault(code, e)
    for _, done in sorted(by_date.items()):
        if len(done) >= 4:
            return list(done.values())
    return []


def _month(case: Case) -> tuple[Any, int, int]:
    last = max(when(e).date for code in SIX for e in case.all(code, "complete"))
    return case.get("org"), last.year, last.month


def _is_hv(case: Case) -> bool:
    try:
        return case.high_voltage
    except Unjudged:
        return False


def d10(case: Case) -> Finding | None:
    if not case.high_voltage:
        return None
    if not any(case.all(code, "complete") for code in SIX):
        raise Unjudged("step.complete")
    done = _one_day(case)
    key = _month(case)
    dated = [c for c in case.file.cases if any(c.all(code, "complete") for code in SIX)]
    alike = [c for c in dated if _is_hv(c) and _month(c) == key]
    if done and len(alike) >= 20 and sum(bool(_one_day(c)) for c in alike) >= 0.3 * len(alike):
        raise Unjudged("org-month")
    return found(case, "D10", "high", combinations(done, 4), done) if done else None


def lag(file: File, event: Event) -> int:
    """Working days from when it happened to when it was entered."""
    return file.wd(event["occurred_at"].date(), file.entered(event).date())


def _recorded_before(event: Event) -> bool:
    recorded, occurred = event["recorded_at"], event["occurred_at"]
    if event.get("occurred_is_date") or event.get("recorded_is_date"):
        return bool(recorded.date() < occurred.date())
    return bool(occurred - recorded > dt.timedelta(minutes=2))  # clocks of terminals may be so much ahead


def d11(case: Case) -> Finding | None:
    entries = [e for e in case.all_events if is_step(e) or (e["activity"], e["lifecycle"]) == ("application", "submit")]
    unknown, guilty = not entries, []
    for e in entries:
        if in_batch(e, "outage:", "migration:"):
            continue
        if e["occurred_at"] is None or not _entered(case.file, e):
            unknown = True
            continue
        late = lag(case.file, e)
        source = e.get("source")
        if late > (1 if source not in (None, "field_terminal") else 3) or _recorded_before(e):
            guilty.append(e)
        elif source is None and late > 1:
            unknown = True  # it may have been a terminal
    if guilty:
        return found(case, "D11", "high", [rows(e) for e in guilty], guilty)
    if unknown:
        raise Unjudged("recorded_at")
    return None


def d12(file: File) -> list[Finding]:
    """One actor's bursts of entries within any hour; the finding is on each case of a burst."""
    entries: dict[tuple[Any, str], list[tuple[dt.datetime, Event]]] = defaultdict(list)
    for e in (e for case in file.cases for e in case.all_events):
        actor = e.get("actor")
        if not is_step(e) or not actor or actor in file.lists.service_accounts or in_batch(e, "outage:", "migration:"):
            continue
        try:
            entered = file.entered(e)
        except Unjudged:
            continue
        if e.get("recorded_is_date"):
            continue
        entries[file.org_of(e), actor].append((entered, e))
    out: dict[str, list[Event]] = defaultdict(list)
    for recorded in entries.values():
        usual = statistics.median(Counter(at.replace(minute=0, second=0, microsecond=0) for at, _ in recorded).values())
        for start, _ in recorded:
            burst = [e for at, e in recorded if start <= at <= start + dt.timedelta(hours=1)]
            late = sum(e["occurred_at"] is not None and lag(file, e) > 1 for e in burst)
            if len(burst) >= 30 and len(burst) >= 5 * usual and late > 0.5 * len(burst):
                for e in burst:
                    if e not in out[e["case_id"]]:
                        out[e["case_id"]].append(e)
    return [found(file.by_id[c], "D12", "medium", [rows(*events)], events) for c, events in out.items()]


def _serial(case: Case) -> tuple[str, int] | None:
    match = re.fullmatch(r"(.*?)(\d+)", case.get("case_no") or "")
    return (match[1], int(match[2])) if match else None


def _ranks(values: list[Any]) -> list[float]:
    """Average ranks."""
    ordered = sorted(values)
    return [(ordered.index(v) + len(ordered) - ordered[::-1].index(v) + 1) / 2 for v in values]


def _rising(members: list[Case]) -> bool:
    """Gate (d): serial and T0 rise together."""
    if len(members) < 21:
        return False
    numbers, times = _ranks([_serial(c) for c in members]), _ranks([c.t0.moment for c in members])
    try:
        return statistics.correlation(numbers, times) >= 0.95
    except statistics.StatisticsError:  # nothing rises where all are equal
        return False


def d18(file: File) -> list[Finding]:
    series: dict[tuple[Any, str], list[tuple[int, dt.datetime, Case]]] = defaultdict(list)
    for case in file.cases:
        serial = _serial(case)
        if serial and case.claims and not any(in_batch(e, "migration:", "estate:") for e in case.claims):
            series[case.get("org"), serial[0]].append((serial[1], case.t0.moment, case))
    out = []
    for members in series.values():
        members.sort(key=lambda m: (m[0], m[2].get("row")))
        if not _rising([m[2] for m in members]):
            continue
        for at in range(20, len(members)):
            moments = sorted(m[1] for m in members[at - 20 : at])
            median = (moments[9] + (moments[10] - moments[9]) / 2).date()
            case = members[at][2]
            if file.wd(case.t0.date, median) > 2:
                out.append(found(case, "D18", "high", [rows(case.first_claim)], [case.first_claim]))
    return out


def d20(case: Case) -> Finding | None:
    guilty, judged = [], False
    pairs = (
        ("design_dated", "supply_plan"),
        ("test_report_dated", "design_review"),
        ("completion_report_dated", "design_review"),
    )
    for record, step in pairs:
        passed = case.all(step, "complete")
        dated = case.all(record)
        if not passed or not dated:
            continue
        judged = True
        own = [e for e in dated if e["value"] not in ("standard_design", "reuse", "factory_test")]
        guilty += [(e, passed[0]) for e in own if when(e).date < when(passed[0]).date]
    if not judged:
        raise Unjudged("design_dated")
    if not guilty:
        return None
    return found(case, "D20", "medium", [rows(*pair) for pair in guilty], [e for e, _ in guilty])


def _one_hand(case: Case) -> list[Event]:
    by_actor: dict[str, dict[str, Event]] = defaultdict(dict)
    for code in SIX:
        for e in case.done(code):
            if e.get("actor") and e["actor"] not in case.file.lists.all_in_one:
                by_actor[e["actor"]].setdefault(code, e)
    return next((list(done.values()) for _, done in sorted(by_actor.items()) if len(done) >= 4), [])


def _unsigned(case: Case) -> None:
    """Raises Unjudged where steps of which nobody says who did them may make up four of one actor."""
    actors: dict[str, set[str]] = defaultdict(set)
    for code in SIX:
        for e in case.done(code):
            if e.get("actor") not in (*case.file.lists.all_in_one, *case.file.lists.service_accounts):
                actors[e.get("actor") or ""].add(code)
    unsaid = len(actors.pop("", ()))
    if unsaid and max(map(len, actors.values()), default=0) + unsaid >= 4:
        raise Unjudged("actor")


def d22(case: Case) -> Finding | None:
    if not case.high_voltage:
        return None
    if not any(e.get("actor") for code in SIX for e in case.all(code, "complete")):
        raise Unjudged("actor")
    done = _one_hand(case)
    if not done:
        _unsigned(case)
        return None
    alike = [c for c in case.file.cases if c.get("org") == case.get("org") and _is_hv(c)]
    common = len(alike) >= 20 and sum(bool(_one_hand(c)) for c in alike) >= 0.1 * len(alike)
    return found(case, "D22", "low" if common else "medium", combinations(done, 4), done)


def d24(case: Case) -> Finding | None:
    if case.is_transfer or not case.was_energised:
        return None
    case.need("business_type")
    steps, all_known = case.certain_path()
    if case.structure is None:
        steps, all_known = steps[:1], False  # acceptance is asked of all
    absent, gated = [], False
    for step in steps:
        if _baseless(case, step):
            gated = True  # waived, and nobody says on what basis
        if (
            any(case.all(part, "complete") or case.untimed(part, "complete") for part in step.parts)
            or set(step.parts) & case.waived
        ):
            continue
        rarely = step.code in ("design_review", "mid_inspection") and _rarely_recorded(case, step.code)
        if rarely or _never_recorded(case, step):
            gated = True
            continue
        absent.append(step.code)
    if absent:
        done = [e for e in case.all_events if (e["activity"], e["lifecycle"]) == ("metering", "complete")]
        return found(case, "D24", "high", [rows(done[0])], done[:1])
    if gated or not all_known:
        raise Unjudged("step")
    return None


def _baseless(case: Case, step: Any) -> bool:
    waivers = [e for e in case.all_events if e["lifecycle"] == "waive" and e["activity"] in {*step.parts} & case.waived]
    return bool(waivers) and not any(e["value"] for e in waivers) and not any(case.done(part) for part in step.parts)


def _never_recorded(case: Case, step: Any) -> bool:
    """Not one of twenty or more cases that must have the step has it, of the organisation or of everybody: it was not
    handed in."""
    for among in ([c for c in case.file.cases if c.get("org") == case.get("org")], case.file.cases):
        asked, having = 0, 0
        for one in among:
            if one.energised is None and not one.untimed("metering", "complete"):
                continue
            try:
                path = one.path()
            except Unjudged:
                continue
            found_step = next((s for s in path if step.code == s.code), None)
            if found_step is not None:
                asked += 1
                having += bool(one.all(step.code, "complete") or step.code in one.waived)
        if asked >= 20 and not having:
            return True
    return False


def _rarely_recorded(case: Case, code: str) -> bool:
    """More than 30 % of the org's energised HV cases lack the step: the profile may be another than we think."""
    alike = [c for c in case.file.cases if c.get("org") == case.get("org") and _is_hv(c) and c.energised is not None]
    lacking = [c for c in alike if not c.all(code, "complete") and code not in c.waived]
    return len(alike) >= 20 and len(lacking) > 0.3 * len(alike)


def d25(case: Case) -> Finding | None:
    callbacks = case.some("callback", "observed")
    severities, guilty, grounds, judged = [], [], [], False
    for e in callbacks:
        if e["value"] == "submitted":
            asked = [s for s in case.all("service_contact") if s["value"] in ("connection_request", "appointment")]
            record, agreeing = case.first_claim, [*asked[:1], *case.all("document", "received")[:1]]
        elif e["value"] == "energised" and case.energised is not None:
            record, agreeing = (
                case.all("metering", "complete")[-1],
                [*case.all("first_energy")[:1], *case.all("meter_installed")[:1]],
            )
        else:
            continue
        judged = True
        said, written = when(e).date, when(record).date
        before, after = case.file.wd(said, written), case.file.wd(written, said)
        if max(before, after) <= 1:
            continue
        agreed = any(max(_apart(case, when(s).date, said)) <= 1 for s in agreeing)
        severe = (e["value"] == "submitted" and before > 5) or agreed
        severities.append("high" if severe else "medium")
        guilty.append(e)
        grounds.append(rows(e, record))
    if not judged:
        raise Unjudged("record")
    return found(case, "D25", worst(severities), grounds, guilty) if guilty else None


def _apart(case: Case, a: dt.date, b: dt.date) -> tuple[int, int]:
    return case.file.wd(a, b), case.file.wd(b, a)


def d28(case: Case) -> Finding | None:
    if not case.was_energised:
        return None
    if case.energised is None:
        raise Unjudged("metering.complete")
    done = when(case.energised)
    fitted = [e for e in case.all("meter_installed") if e["value"] not in ("rotation", "replacement")]
    tickets = [e for e in case.all("work_ticket") if e["value"] == "connection" and case.names_me(e)]
    calls = [e for e in case.all("callback") if e["value"] == "energised"]
    if not (case.all("meter_installed") or tickets or calls):
        raise Unjudged("meter_installed")
    guilty = [records[0] for records in (fitted, tickets) if records and earlier_date(done, when(records[0]))]
    guilty += [e for e in calls if case.file.wd(done.date, when(e).date) > 1][:1]
    if not guilty:
        return None
    severity = "critical" if len(sources(*guilty)) >= 2 else "high"
    return found(case, "D28", severity, [rows(e, case.energised) for e in guilty], guilty)


def d29(case: Case) -> Finding | None:
    if case.get("business_type") in ("increase", "transfer"):
        return None
    case.some("first_energy", "observed")
    case.need("business_type")
    live = [e for e in case.all("first_energy") if e["value"] not in ("trial", "temporary_supply", "test")]
    if not live:
        return None
    on = when(live[0]).date
    if case.need("business_type") in ("reconnect", "split", "decrease"):
        if not case.claims:
            raise Unjudged("T0")
        if on < case.t0.date:
            return None  # the supply that was there
    filed = case.done("metering")
    # A time of loading is no time of entry.
    entered = [case.file.entered(e) for e in filed if _entered(case.file, e)]
    if filed and not entered:
        done = [e["occurred_at"].date() for e in filed if e["occurred_at"] is not None]
        if not done or case.file.wd(on, min(done)) <= 5:
            raise Unjudged("recorded_at")
    elif filed and case.file.wd(on, min(entered).date()) <= 5:
        return None
    if not filed and case.file.wd(on, case.file.as_of) <= 5:
        return None
    return found(case, "D29", "medium", [rows(live[0])], [live[0]])


def gated(file: File) -> dict[str, set[str]]:
    """The cases that a rule across cases could not judge (D12, D18, D38), by rule."""
    out: dict[str, set[str]] = {"D12": set(), "D18": set(), "D38": set()}
    series: dict[tuple[Any, str], list[tuple[int, int, Case]]] = defaultdict(list)
    for case in file.cases:
        if not any(
            e.get("actor") and _entered(file, e) and not e.get("recorded_is_date")
            for e in case.all_events
            if is_step(e)
        ):
            out["D12"].add(case.id)
        visits = [e for code in SITE_STEPS for e in case.done(code)]
        seen = [e for e in visits if e["occurred_at"] is not None and (e.get("actor") or e.get("device"))]
        if visits and not (seen and case.get("premises_id")):
            out["D38"].add(case.id)
        serial = _serial(case)
        exempt = any(in_batch(e, "migration:", "estate:") for e in case.claims)
        if not exempt:
            out["D18"].add(case.id)
        if serial and case.claims and not exempt:
            series[case.get("org"), serial[0]].append((serial[1], case.get("row"), case))
    for members in series.values():
        members.sort(key=lambda m: m[:2])
        if _rising([m[2] for m in members]):
            out["D18"] -= {case.id for _, _, case in members[20:]}
    return out


def _entered(file: File, event: Event) -> bool:
    try:
        return file.entered(event) is not None
    except Unjudged:
        return False


SITE_STEPS = ("mid_inspection", "completion_inspection", "metering")


def d38(file: File) -> list[Finding]:
    """One actor or device at three premises within ten minutes. What lacks its place, its time or its actor may have
    been one of them."""
    every = [e for case in file.cases for e in case.all_events]
    done = [
        e
        for e in every
        if e["activity"] in SITE_STEPS and e["lifecycle"] == "complete" and not e.get("occurred_is_date")
    ]
    out: dict[str, set[int]] = defaultdict(set)
    for who in ("actor", "device"):
        for whose in {(file.org_of(e), e[who]) for e in done if e.get(who)}:
            own = [e for e in done if (file.org_of(e), e.get(who)) == whose]
            of_nobody = [e for e in done if file.org_of(e) == whose[0] and not e.get("actor") and not e.get("device")]
            for first in (e for e in [*own, *of_nobody] if e["occurred_at"] is not None):
                near = [e for e in own if _within(first, e)]
                named = [e for e in near if _place(file, e)]
                if first in own and len({_place(file, e) for e in named}) >= 3:
                    for e in named:
                        out[e["case_id"]].add(e["_i"])
                perhaps = [
                    e for e in [*own, *of_nobody] if _within(first, e) or (e in own and e["occurred_at"] is None)
                ]
                if near and len({_place(file, e) or e["case_id"] for e in perhaps}) >= 3:
                    file.unsure_visits |= {e["case_id"] for e in perhaps}
    file.unsure_visits -= set(out)
    by_index = {e["_i"]: e for e in file.events}
    return [
        found(file.by_id[c], "D38", "medium", [frozenset(seen)], [by_index[i] for i in seen]) for c, seen in out.items()
    ]


def _within(first: Event, e: Event) -> bool:
    at = e["occurred_at"]
    return at is not None and dt.timedelta(0) <= at - first["occurred_at"] <= dt.timedelta(minutes=10)


def _place(file: File, e: Event) -> tuple[str, str] | None:
    """Where it was done: a batch is one place."""
    premises = file.by_id[e["case_id"]].get("premises_id")
    return ("batch", e["batch"]) if e.get("batch") else ("premises", premises) if premises else None


def d43(case: Case) -> Finding | None:
    if case.user_class == "residential" or case.get("customer_kind") == "residential":
        return None
    surveys = case.some("site_survey", "observed")
    if case.untimed("site_survey", "observed"):
        raise Unjudged("site_survey")
    plan = case.some("supply_plan", "complete")[0]
    if case.user_class is None and case.get("customer_kind") is None:
        raise Unjudged("customer_kind")
    if not earlier_date(when(plan), when(surveys[0])):
        return None
    guilty = [e for e in surveys if e["value"] not in ("desk_survey", "recheck")][:1]
    return found(case, "D43", "medium", [rows(e, plan) for e in guilty], guilty) if guilty else None
