"""Rules over organisations (S1-S10), policy 6: one-sided binomial against peers without the organisation,
Benjamini-Hochberg at 1 % over organisations. S3 needs reported totals, which no table here holds."""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from tests.replay.oracle.clocks import step_clocks, total_clock
from tests.replay.oracle.file import Case, File, Finding, Unjudged, is_step, when
from tests.replay.oracle.over_limit import _excused, near_a_limit

LEAST = 20
LEVEL = 0.01
Tally = dict[Any, tuple[int, int]]


def tail(k: int, n: int, p: float) -> float:
    """P(X >= k) for X ~ Binomial(n, p)."""
    if k <= 0:
        return 1.0
    logs = [
        math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1) + i * math.log(p) + (n - i) * math.log1p(-p)
        for i in range(k, n + 1)
    ]
    top = max(logs)
    return min(1.0, math.exp(top) * sum(math.exp(x - top) for x in logs))


def above_peers(tallies: Tally) -> set[Any]:
    """The keys whose share (hits, trials) lies above that of all others together."""
    values: list[tuple[float, Any]] = []
    hits, trials = (sum(t[i] for t in tallies.values()) for i in (0, 1))
    for key, (k, n) in tallies.items():
        others = trials - n
        if n < LEAST or others < LEAST:
            continue
        p = (hits - k + 1) / (others + 2)
        values.append((tail(k, n, p), key))
    values.sort(key=lambda v: (v[0], str(v[1])))
    last = max((i for i, (value, _) in enumerate(values, 1) if value <= LEVEL * i / len(values)), default=0)
    return {key for _, key in values[:last]}


def _tally(pairs: Iterable[tuple[Any, bool]]) -> Tally:
    hits: Counter[Any] = Counter()
    trials: Counter[Any] = Counter()
    for key, hit in pairs:
        trials[key] += 1
        hits[key] += hit
    return {key: (hits[key], trials[key]) for key in trials}


def _clocks(case: Case) -> list[Any]:
    out: list[Any] = []
    try:
        if not case.ledger_applies or case.rules is None:
            return out
        out += [c for c in step_clocks(case)[0] if c.end is not None]
        if case.rules.whole_process and case.closed is not None:
            out.append(total_clock(case))
    except Unjudged:
        pass
    return out


def s1(file: File) -> set[Any]:
    judged = [(case, clock) for case in file.cases for clock in _clocks(case) if clock.budget >= 2]
    exact = _tally((case.get("org"), clock.used == clock.budget and not clock.late) for case, clock in judged)
    at_once = _tally((case.get("org"), clock.used == 0) for case, clock in judged if case.rules.high_voltage)  # type: ignore[union-attr]  # a judged clock has rules
    return above_peers(exact) | above_peers(at_once)


def s2(file: File) -> set[Any]:
    out = set()
    for unit in ("org", "manager"):
        shares: dict[tuple[Any, str], Tally] = {}
        for region in {case.get("region") for case in file.cases}:
            here = [c for c in file.cases if c.get("region") == region and c.get("contractor") and c.get(unit)]
            for contractor in {c.get("contractor") for c in here} - file.lists.sole_contractors:
                shares[region, contractor] = _tally(
                    ((c.get("org"), c.get(unit)), c.get("contractor") == contractor) for c in here
                )
        values = []
        for key, tally in shares.items():
            for who, (k, n) in tally.items():
                others = [t for other, t in tally.items() if other[0] != who[0]]
                trials = sum(t[1] for t in others)
                if n < LEAST or trials < LEAST:
                    continue
                p = (sum(t[0] for t in others) + 1) / (trials + 2)
                values.append((tail(k, n, p), who, key))
        values.sort(key=str)
        values.sort(key=lambda v: v[0])
        last = max((i for i, v in enumerate(values, 1) if v[0] <= LEVEL * i / len(values)), default=0)
        out |= {who[0] for _, who, _ in values[:last]}
    return out


def s4(file: File) -> set[Any]:
    pairs = []
    keeps: dict[Any, bool] = defaultdict(bool)
    events = [e for e in file.events if is_step(e) and not e.get("occurred_is_date") and e.get("actor")]
    for e in events:
        keeps[e.get("source")] |= e["occurred_at"].second != 0
    for e in events:
        if keeps[e.get("source")]:
            case = file.by_id[e["case_id"]]
            at = e["occurred_at"]
            key = (e.get("source"), case.get("region"))
            pairs.append((key, (e["actor"], case.get("org")), at.minute in (0, 30) and at.second == 0))
    out = set()
    for key in {p[0] for p in pairs}:
        tallies = _tally((actor, hit) for k, actor, hit in pairs if k == key)
        out |= {actor[1] for actor in above_peers(tallies)}
    return out


def s5(file: File) -> set[Any]:
    pairs = []
    for e in file.events:
        site = e["activity"] in ("mid_inspection", "completion_inspection", "metering") and e["lifecycle"] == "complete"
        if site and e.get("source") != "field_terminal":
            at = when(e)
            night = not at.only_date and (at.moment.hour >= 22 or at.moment.hour < 6)
            pairs.append((file.org_of(e), night or not file.calendar.is_working(at.date)))
    return above_peers(_tally(pairs))


def s6(file: File) -> set[Any]:
    pairs = []
    for case in file.cases:
        closed = case.closed
        try:
            if closed is None or not case.ledger_applies or not near_a_limit(case, when(closed).date):
                continue
        except Unjudged:
            continue
        pairs.append((case.get("org"), case.ending is not None and not _excused(case, case.ending)))
    return above_peers(_tally(pairs))


def s7(file: File) -> set[Any]:
    by_org: dict[Any, list[set[str]]] = defaultdict(list)
    for case in file.cases:
        given = {e["value"] for e in case.all("document", "received") if "volunteered" in (e.get("ref") or "")}
        by_org[case.get("org")].append(given)
    out = set()
    for org, cases in by_org.items():
        kinds = Counter(kind for given in cases for kind in given if kind)
        if len(cases) >= LEAST and any(count > 0.2 * len(cases) for count in kinds.values()):
            out.add(org)
    return out


def s8(file: File) -> set[Any]:
    pairs = []
    for case in file.cases:
        for code in ("supply_plan", "design_review"):
            starts, ends = case.all(code, "start"), case.all(code, "complete")
            if not starts or not ends:
                continue
            try:
                apart = file.entered(ends[-1]) - file.entered(starts[-1])
            except Unjudged:
                continue
            pairs.append((case.get("org"), abs(apart) <= dt.timedelta(minutes=5)))
    return above_peers(_tally(pairs))


EXEMPTING = (
    "temporary_supply", "test", "trial", "rotation", "replacement", "renewal", "framework", "early_grid_works",
    "pre_application", "planning", "grid_project", "live_line", "maintenance", "standard_design", "reuse",
    "factory_test", "civil_works", "desk_survey", "recheck", "prepaid", "refund",
)  # fmt: skip


def s9(file: File) -> set[Any]:
    out = set()
    tests: list[Callable[[Case], bool]] = [
        lambda c: not c.all("first_energy"),
        lambda c: not c.all("meter_installed"),
        lambda c: not any(e.get("recorded_at") for e in c.events),
    ]
    for lacks in tests:
        tallies = _tally((c.get("org"), lacks(c)) for c in file.cases if c.energised is not None)
        found = above_peers(tallies)
        out |= {
            org for org in found if tallies[org][0] < tallies[org][1]
        }  # an org that never had the source is not odd
    return out


def s10(file: File) -> set[Any]:
    return above_peers(_tally((c.get("org"), any(e.get("value") in EXEMPTING for e in c.events)) for c in file.cases))


RULES: dict[str, tuple[str, Callable[[File], set[Any]]]] = {
    "S1": ("low", s1), "S2": ("medium", s2), "S4": ("low", s4), "S5": ("low", s5), "S6": ("medium", s6),
    "S7": ("medium", s7), "S8": ("medium", s8), "S9": ("low", s9), "S10": ("low", s10),
}  # fmt: skip


def findings(file: File) -> list[Finding]:
    return [
        Finding(None, rule, severity, org=org)
        for rule, (severity, test) in RULES.items()
        for org in sorted(test(file) - {None})
    ]
