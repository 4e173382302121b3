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


def _completes(case: Case, step: Any) -> list[Event]:
    """Completions of a step of the path, or of what was merged into it."""
    return sorted(
        (e for part in step.parts for e in case.all(part, "complete")), key=lambda e: (e["occurred_at"], e["_i"])
    )


def _not_waived(case: Case) -> list[Any]:
    return [step for step in case.path() if not set(step.parts) & case.waived]


def d08(case: Case) -> Finding | None:
    steps = _not_waived(case)
    high, medium = [], []
    for i, first in enumerate(steps):
        passes = _completes(case, first)
        if not passes:
            continue
        last = passes[-1]
        for later in steps[i + 1 :]:
            high += [rows(e, last) for e in _completes(case, later) if in_order(when(e), when(last))]
            for part in later.parts:
                medium += [rows(e, last) for e in case.all(part, "start") if in_order(when(e), when(last))]
    if not any(_completes(case, step) for step in steps):
        raise Unjudged("step.complete")
    if high:
        return Finding(case.id, "D08", "high", tuple(high), frozenset({"marketing"}))
    if medium:
        return Finding(case.id, "D08", "medium", tuple(medium), frozenset({"marketing"}))
    return None


def d09(case: Case) -> Finding | None:
    """The steps of the path, and those recorded although the profile does not ask for them."""
    path = {step.code for step in case.path()}
    codes = [code for code in SIX if code not in case.waived and (code in path or case.all(code, "complete"))]
    last = {}
    for code in codes:
        kept = [e for e in case.all(code, "complete") if not in_batch(e, "migration:", "estate:")]
        if kept:
            last[code] = kept[-1]
    if not last:
        if any(case.all(code, "complete") for code in codes):
            return None
        raise Unjudged("step.complete")
    recorded = {code: case.file.entered(e) for code, e in last.items() if not e.get("recorded_is_date")}
    grounds = []
    for three in zip(codes, codes[1:], codes[2:], strict=False):
        if all(code in recorded for code in three):
            times = [recorded[code] for code in three]
            one_visit = (
                three[1:] == ("completion_inspection", "metering")
                and when(last[three[1]]).date == when(last[three[2]]).date
            )
            if max(times) - min(times) <= dt.timedelta(minutes=10) and not one_visit:
                grounds.append(rows(*(last[code] for code in three)))
    a, b = last.get("mid_inspection"), last.get("completion_inspection")
    grounds += [
        rows(x, y)
        for x in ([a] if a else [])
        for y in ([b] if b else [])
        if not (when(x).only_date or when(y).only_date)
        and abs(when(y).moment - when(x).moment) < dt.timedelta(minutes=30)
    ]
    return Finding(case.id, "D09", "high", tuple(grounds), frozenset({"marketing"})) if grounds else None


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
    return case.get("org"), case.t0.date.year, case.t0.date.month


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
    alike = [c for c in case.file.cases if c.claims and _is_hv(c) and _month(c) == key]
    if len(alike) >= 20 and sum(bool(_one_day(c)) for c in alike) >= 0.3 * len(alike):
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
    entries = [e for e in case.events if is_step(e) or (e["activity"], e["lifecycle"]) == ("application", "submit")]
    judged, guilty = False, []
    for e in entries:
        if in_batch(e, "outage:", "migration:"):
            judged = True
            continue
        try:
            late = lag(case.file, e)
        except Unjudged:
            continue
        judged = True
        if late > (3 if e.get("source") == "field_terminal" else 1) or _recorded_before(e):
            guilty.append(e)
    if not judged:
        raise Unjudged("recorded_at")
    return found(case, "D11", "high", [rows(e) for e in guilty], guilty) if guilty else None


def d12(file: File) -> list[Finding]:
    """One actor's bursts of entries within any hour; the finding is on each case of a burst."""
    entries: dict[tuple[Any, str], list[tuple[dt.datetime, Event]]] = defaultdict(list)
    for e in file.events:
        actor = e.get("actor")
        if not is_step(e) or not actor or actor in file.lists.service_accounts or in_batch(e, "outage:", "migration:"):
            continue
        try:
            entered = file.entered(e)
        except Unjudged:
            continue
        entries[file.org_of(e), actor].append((entered, e))
    out: dict[str, list[Event]] = defaultdict(list)
    for recorded in entries.values():
        usual = statistics.median(Counter(at.replace(minute=0, second=0, microsecond=0) for at, _ in recorded).values())
        for start, _ in recorded:
            burst = [e for at, e in recorded if start <= at <= start + dt.timedelta(hours=1)]
            late = sum(lag(file, e) > 1 for e in burst)
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


def d18(file: File) -> list[Finding]:
    series: dict[tuple[Any, str], list[tuple[int, dt.datetime, Case]]] = defaultdict(list)
    for case in file.cases:
        serial = _serial(case)
        if serial and case.claims and not in_batch(case.first_claim, "migration:", "estate:"):
            series[case.get("org"), serial[0]].append((serial[1], case.t0.moment, case))
    out = []
    for members in series.values():
        members.sort(key=lambda m: (m[0], m[2].id))
        if len(members) < 21:
            continue
        numbers, times = _ranks([m[0] for m in members]), _ranks([m[1] for m in members])
        try:
            together = statistics.correlation(numbers, times)
        except statistics.StatisticsError:
            continue
        if together < 0.95:
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
        for e in case.all(code, "complete"):
            if e.get("actor") and e["actor"] not in case.file.lists.all_in_one:
                by_actor[e["actor"]].setdefault(code, e)
    return next((list(done.values()) for _, done in sorted(by_actor.items()) if len(done) >= 4), [])


def d22(case: Case) -> Finding | None:
    if not case.high_voltage:
        return None
    if not any(e.get("actor") for code in SIX for e in case.all(code, "complete")):
        raise Unjudged("actor")
    done = _one_hand(case)
    if not done:
        return None
    alike = [c for c in case.file.cases if c.get("org") == case.get("org") and _is_hv(c)]
    common = len(alike) >= 20 and sum(bool(_one_hand(c)) for c in alike) >= 0.1 * len(alike)
    return found(case, "D22", "low" if common else "medium", combinations(done, 4), done)


def d24(case: Case) -> Finding | None:
    if not case.ledger_applies or case.energised is None:
        return None
    absent = []
    for step in case.path():
        if (
            any(case.all(part, "complete") or case.untimed(part, "complete") for part in step.parts)
            or set(step.parts) & case.waived
        ):
            continue
        if step.code in ("design_review", "mid_inspection") and _rarely_recorded(case, step.code):
            continue
        if _never_recorded(case, step):
            continue
        absent.append(step.code)
    if not absent:
        return None
    return found(case, "D24", "high", [rows(case.energised)], [case.energised])


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
            record, agreeing = (
                case.first_claim,
                [s for s in case.all("service_contact") if s["value"] == "connection_request"],
            )
        elif e["value"] == "energised" and case.energised is not None:
            record, agreeing = case.energised, [*case.all("first_energy"), *case.all("meter_installed")]
        else:
            continue
        judged = True
        said, written = when(e).date, when(record).date
        before, after = case.file.wd(said, written), case.file.wd(written, said)
        if max(before, after) <= 1:
            continue
        agreed = any(
            s.get("source") != e.get("source") and max(_apart(case, when(s).date, said)) <= 1 for s in agreeing
        )
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
    if case.energised is None:
        return None
    done = when(case.energised)
    fitted = [e for e in case.all("meter_installed") if e["value"] not in ("rotation", "replacement")]
    tickets = [e for e in case.all("work_ticket") if e["value"] == "connection" and case.names_me(e)]
    calls = [e for e in case.all("callback") if e["value"] == "energised"]
    if not (fitted or tickets or calls):
        raise Unjudged("meter_installed")
    guilty = [records[0] for records in (fitted, tickets) if records and done.date < when(records[0]).date]
    guilty += [e for e in calls if case.file.wd(done.date, when(e).date) > 1][:1]
    if not guilty:
        return None
    severity = "critical" if len(sources(*guilty)) >= 2 else "high"
    return found(case, "D28", severity, [rows(e, case.energised) for e in guilty], guilty)


def d29(case: Case) -> Finding | None:
    case.some("first_energy", "observed")
    if case.need("business_type") in ("increase", "transfer"):
        return None
    live = [e for e in case.all("first_energy") if e["value"] not in ("trial", "temporary_supply", "test")]
    if not live:
        return None
    on = when(live[0]).date
    if case.need("business_type") in ("reconnect", "split", "decrease") and case.claims and on < case.t0.date:
        return None  # the supply that was there
    filed = case.all("metering", "complete")
    if not filed and case.untimed("metering", "complete"):
        raise Unjudged("metering.complete")
    for e in filed:
        recorded = (e.get("recorded_at") or e["occurred_at"]).date()
        if case.file.wd(on, recorded) <= 5:
            return None
    if not filed and case.file.wd(on, case.file.as_of) <= 5:
        return None
    return found(case, "D29", "medium", [rows(live[0])], [live[0]])


SITE_STEPS = ("mid_inspection", "completion_inspection", "metering")


def d38(file: File) -> list[Finding]:
    """One actor or device at three premises within ten minutes."""
    visits: dict[tuple[Any, str, str], list[Event]] = defaultdict(list)
    for e in file.events:
        if e["activity"] in SITE_STEPS and e["lifecycle"] == "complete" and not e.get("occurred_is_date"):
            for who in ("actor", "device"):
                if e.get(who):
                    visits[file.org_of(e), who, e[who]].append(e)
    out: dict[str, set[int]] = defaultdict(set)
    for events in visits.values():
        events.sort(key=lambda e: (e["occurred_at"], e["_i"]))
        for e in events:
            near = [
                x for x in events if dt.timedelta(0) <= x["occurred_at"] - e["occurred_at"] <= dt.timedelta(minutes=10)
            ]
            near = [x for x in near if file.by_id[x["case_id"]].get("premises_id")]
            places = Counter(
                ("batch", x["batch"]) if x.get("batch") else ("premises", file.by_id[x["case_id"]].get("premises_id"))
                for x in near
            )
            if len(places) >= 3:
                for x in near:
                    out[x["case_id"]].add(x["_i"])
    by_index = {e["_i"]: e for e in file.events}
    return [
        found(file.by_id[c], "D38", "medium", [frozenset(seen)], [by_index[i] for i in seen]) for c, seen in out.items()
    ]


def d43(case: Case) -> Finding | None:
    if case.user_class == "residential" or case.get("customer_kind") == "residential":
        return None
    surveys = case.some("site_survey", "observed")
    plan = case.some("supply_plan", "complete")[-1]
    if case.user_class is None and case.get("customer_kind") is None:
        raise Unjudged("customer_kind")
    if when(surveys[0]).date <= when(plan).date:
        return None
    guilty = [e for e in surveys if e["value"] not in ("desk_survey", "recheck")][:1]
    return found(case, "D43", "medium", [rows(e, plan) for e in guilty], guilty) if guilty else None
