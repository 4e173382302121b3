"""Rules over organisations (S1-S10), policy 6: one-sided binomial of scipy against peers without the organisation,
Benjamini-Hochberg at 1 % over the units of a rule. S3 needs reported totals, which no table here holds."""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

from scipy import stats

from tests.replay.oracle.clocks import measured_total
from tests.replay.oracle.file import Case, File, Finding, Unjudged, is_step, refs, when

LEAST = 20
LEVEL = 0.01
Unit = tuple[Any, Any]
"""Organisation, and who or what in it."""
Pairs = list[tuple[Unit, tuple[str, ...], bool]]
"""A unit, the families it is compared in (the first with enough peers counts), and whether it is a hit."""
Tally = tuple[Any, int, int, int, int]
"""Organisation of a unit, its hits, of how many, and those of other organisations."""


def tallies(pairs: Pairs, least: int = LEAST) -> list[Tally]:
    """What each unit of at least `least` pairs did, beside at least as many of its peers."""
    counted: dict[tuple[Unit, tuple[str, ...]], list[int]] = defaultdict(lambda: [0, 0])
    for unit, families, hit in pairs:
        counted[unit, families][0] += hit
        counted[unit, families][1] += 1
    found: list[Tally] = []
    for (unit, families), (k, n) in counted.items():
        if unit[0] is None or n < least:
            continue
        for family in families:
            others = [t for (u, fs), t in counted.items() if family in fs and u[0] not in (unit[0], None)]
            trials = sum(t[1] for t in others)
            if trials >= least:
                found.append((unit[0], k, n, sum(t[0] for t in others), trials))
                break
    return found


def above(tally: Tally) -> bool:
    """Whether the unit's share of hits lies above that of its peers."""
    _, hits, of, peer_hits, trials = tally
    return hits * trials > peer_hits * of


def above_peers(pairs: Pairs) -> set[Any]:
    """The organisations of the units whose share of hits lies above that of other organisations by more than chance."""
    tested: list[tuple[float, Tally]] = []
    for tally in tallies(pairs):
        _, k, n, hits, trials = tally
        rate = max(hits, trials / (trials + 1)) / trials
        tested.append((stats.binomtest(k, n, min(rate, 1), "greater").pvalue, tally))
    tested.sort(key=lambda one: one[0])
    last = max((i for i, one in enumerate(tested, 1) if one[0] <= LEVEL * i / len(tested)), default=0)
    return {tally[0] for _, tally in tested[:last] if above(tally)}


def _regions(name: str, region: str | None) -> tuple[str, ...]:
    return tuple(f"{name}@{(region or '')[:size]}" for size in (6, 4, 2, 0))


def _one_round(case: Case, code: str) -> tuple[dt.date, dt.date] | None:
    """Start and end of a step that was done at once, without returns."""
    ends, starts = case.all(code, "complete"), case.all(code, "start")
    if len(ends) != 1 or len(starts) > 1 or case.all(code, "return"):
        return None
    begun = starts or (case.all("acceptance", "complete")[-1:] if code == "supply_plan" else [])
    return (when(begun[0]).date, when(ends[0]).date) if begun else None


def s1(file: File) -> Pairs:
    pairs: Pairs = []
    for case in file.cases:
        org = case.get("org")
        try:
            if not case.ledger_applies or case.rules is None:
                continue
            if case.rules.whole_process:
                if case.energised is not None:
                    clock = measured_total(case)
                    name = f"{case.rules.user_class} {clock.budget}"
                    pairs.append(((org, name), (name,), clock.used == clock.budget and not clock.late))
                continue
        except Unjudged:
            continue
        for step in case.rules.steps:
            span = _one_round(case, step.code)
            if step.code == "acceptance" or step.limit is None or step.limit < 2 or span is None:
                continue
            name, day0 = f"{step.code} {step.limit}", f"{step.code} day 0 {step.limit}"
            pairs.append(((org, name), (name,), span[1] == file.due(span[0], step.limit)))
            if case.rules.high_voltage:
                pairs.append(((org, day0), (day0,), span[0] == span[1]))
    return pairs


def s2(file: File) -> Pairs:
    pairs: Pairs = []
    having = [c for c in file.cases if c.get("contractor")]
    for contractor in {c.get("contractor") for c in having} - file.lists.sole_contractors:
        for unit in ("org", "manager"):
            for c in having:
                if c.get(unit):
                    who = (
                        c.get("org"),
                        f"{unit} {c.get('manager') if unit == 'manager' else ''} {contractor} {c.get('region')}",
                    )
                    hit = c.get("contractor") == contractor
                    pairs.append((who, _regions(f"{unit} {contractor}", c.get("region")), hit))
    return pairs


def s4(file: File) -> Pairs:
    region: dict[Any, str] = {}
    for case in file.cases:
        org = case.get("org")
        region[org] = min(region.get(org, "999999"), case.get("region") or "999999")
    events = [e for e in file.events if is_step(e) and e["lifecycle"] != "waive" and not e.get("occurred_is_date")]
    by_source: dict[Any, list[bool]] = defaultdict(list)
    for e in events:
        by_source[e.get("source")].append(e["occurred_at"].second == 0)
    pairs: Pairs = []
    for e in events:
        source = e.get("source")
        if e.get("actor") and sum(by_source[source]) < 0.95 * len(by_source[source]):
            at, org = e["occurred_at"], file.org_of(e)
            hit = at.minute in (0, 30) and at.second == 0
            pairs.append(((org, f"{e['actor']} {source}"), _regions(str(source), region[org]), hit))
    return pairs


def s5(file: File) -> Pairs:
    pairs: Pairs = []
    for e in file.events:
        site = e["activity"] in ("mid_inspection", "completion_inspection", "metering") and e["lifecycle"] == "complete"
        if site and e.get("source") != "field_terminal":
            at, org = when(e), file.org_of(e)
            night = not at.only_date and (at.moment.hour >= 22 or at.moment.hour < 6)
            hit = night or not file.calendar.is_working(at.date)
            pairs.append(((org, "org"), ("org",), hit))
            if e.get("actor"):
                pairs.append(((org, f"actor {e['actor']}"), ("actor",), hit))
    return pairs


def s6(file: File) -> Pairs:
    """Among the closed cases that used up all but the last days of their limit."""
    pairs: Pairs = []
    for case in file.cases:
        try:
            if case.closed is None or not case.ledger_applies:
                continue
            clock = measured_total(case)
        except Unjudged:
            continue
        if clock.used >= clock.budget - min(3, clock.budget / 2):
            pairs.append(((case.get("org"), ""), ("all",), case.ending is not None))
    return pairs


def s7(file: File) -> list[tuple[Any, int, int]]:
    """Of each organisation and kind of paper: in how many cases it was volunteered, of how many."""
    by_org: dict[Any, list[set[str]]] = defaultdict(list)
    for case in file.cases:
        given = {e["value"] for e in case.all("document", "received") if "volunteered" in refs(e)}
        by_org[case.get("org")].append(given)
    return [
        (org, count, len(cases))
        for org, cases in by_org.items()
        for count in Counter(kind for given in cases for kind in given if kind).values()
        if org is not None
    ]


def s8(file: File) -> Pairs:
    pairs: Pairs = []
    for case in file.cases:
        for code in ("supply_plan", "design_review"):
            times: list[list[dt.datetime]] = [[], []]
            for at, life in enumerate(("start", "complete")):
                for e in case.all(code, life):
                    if e.get("recorded_is_date"):
                        continue
                    try:
                        times[at].append(file.entered(e))
                    except Unjudged:
                        continue
            if all(times):
                apart = min(times[1]) - min(times[0])
                pairs.append(((case.get("org"), ""), ("all",), abs(apart) <= dt.timedelta(minutes=5)))
    return pairs


EXEMPTING = (
    "temporary_supply", "test", "trial", "rotation", "replacement", "renewal", "framework", "early_grid_works",
    "pre_application", "planning", "grid_project", "live_line", "maintenance", "standard_design", "reuse",
    "factory_test", "civil_works", "desk_survey", "recheck", "prepaid", "refund",
)  # fmt: skip


def s9(file: File) -> Pairs:
    """An organisation that never had a source is not odd, and nobody's peer."""
    pairs: Pairs = []
    tests: dict[str, Callable[[Case], bool]] = {
        "first_energy": lambda c: not (c.all("first_energy") or c.untimed("first_energy", "observed")),
        "meter_installed": lambda c: not (c.all("meter_installed") or c.untimed("meter_installed", "observed")),
        "recorded_at": lambda c: not any(e.get("recorded_at") for e in c.events),
    }
    energised = [c for c in file.cases if c.was_energised]
    for name, lacks in tests.items():
        having = {c.get("org") for c in energised if not lacks(c)}
        pairs += [((c.get("org"), name), (name,), lacks(c)) for c in energised if c.get("org") in having]
    return pairs


def s10(file: File) -> Pairs:
    def exempted(case: Case) -> bool:
        return any(
            e.get("value") in EXEMPTING or (e.get("batch") or "").startswith(("estate:", "migration:", "outage:"))
            for e in case.events
        )

    return [((case.get("org"), ""), ("all",), exempted(case)) for case in file.cases]


SEVERITY = {
    "S1": "low", "S2": "medium", "S4": "low", "S5": "low", "S6": "medium", "S7": "medium", "S8": "medium", "S9": "low",
    "S10": "low",
}  # fmt: skip
PAIRS: dict[str, Callable[[File], Pairs]] = {
    "S1": s1, "S2": s2, "S4": s4, "S5": s5, "S6": s6, "S8": s8, "S9": s9, "S10": s10,
}  # fmt: skip


def findings(file: File) -> list[Finding]:
    found = {rule: above_peers(pairs(file)) for rule, pairs in PAIRS.items()}
    found["S7"] = {org for org, hits, of in s7(file) if of >= LEAST and hits > 0.2 * of}
    return [
        Finding(None, rule, severity, org=org) for rule, severity in SEVERITY.items() for org in sorted(found[rule])
    ]
