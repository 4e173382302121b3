"""The oracle: every rule of policy 6 on a whole history, slow and plain, and the verdicts.

It shares nothing with the rules it checks but the question whether a day is worked.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from definitions.calendar import WorkingCalendar
from tests.replay.oracle import back_filled, off_system, other, over_limit, peers
from tests.replay.oracle.clocks import measured_total, resting, total_clock
from tests.replay.oracle.evidence import lacking
from tests.replay.oracle.file import (
    DAY,
    Case,
    Event,
    File,
    Finding,
    Lists,
    Unjudged,
    in_order,
    only_uploads,
    refs,
    when,
)

PER_CASE: dict[str, Callable[[Case], Finding | None]] = {
    **{f"D0{n}": getattr(off_system, f"d0{n}") for n in range(1, 8)},
    "D08": back_filled.d08, "D09": back_filled.d09, "D10": back_filled.d10, "D11": back_filled.d11,
    "D13": over_limit.d13, "D14": over_limit.d14, "D15": over_limit.d15, "D16": over_limit.d16, "D17": over_limit.d17,
    "D19": off_system.d19, "D20": back_filled.d20, "D21": other.d21, "D22": back_filled.d22, "D23": other.d23,
    "D24": back_filled.d24, "D25": back_filled.d25, "D26": over_limit.d26, "D27": off_system.d27,
    "D28": back_filled.d28, "D29": back_filled.d29, "D30": over_limit.d30, "D31": off_system.d31,
    "D33": over_limit.d33, "D34": off_system.d34, "D35": over_limit.d35, "D41": other.d41, "D43": back_filled.d43,
    "L01": over_limit.l01, "L02": over_limit.l02,
}  # fmt: skip
ACROSS: dict[str, Callable[[File], list[Finding]]] = {
    "D12": back_filled.d12, "D18": back_filled.d18, "D37": other.d37, "D38": back_filled.d38,
}  # fmt: skip

TAGS = {
    "off_system": "D01 D02 D03 D04 D05 D06 D07 D19 D27 D31",
    "back_filled": "D08 D09 D10 D11 D12 D13 D18 D20 D22 D24 D25 D28 D29 D38 D43 S8",
    "re_run": "D14 D15 D35 S6",
    "over_limit": "D16 D17 D26 D30 D33 L01 L02",
    "other": "D21 D23 D34 D37 D41 S1 S2 S3 S4 S5 S7 S9 S10",
}
TAG = {rule: tag for tag, rules in TAGS.items() for rule in rules.split()}
NEVER_COUNT = {"L01", "L02", "D26", *TAGS["other"].split()} - {"D34"}


@dataclass
class Verdict:
    """The answer on one case, as the contract of replay writes it."""

    case_id: str
    user_class: str | None
    verdict: str
    tags: tuple[str, ...]
    unjudged: tuple[str, ...]
    used_working_days_filed: int | None = None
    used_working_days_chained: int | None = None
    limit_working_days: int | None = None
    on_time_filed: bool | None = None
    on_time_chained: bool | None = None


@dataclass
class Answer:
    """Findings and verdicts of a history."""

    findings: list[Finding] = field(default_factory=list)
    verdicts: dict[str, Verdict] = field(default_factory=dict)

    def fired(self) -> set[tuple[str, str, str]]:
        """(case or organisation, rule, severity)."""
        return {(f.case_id or f.org or "", f.rule, f.severity) for f in self.findings}


def judge(
    cases: Sequence[dict[str, Any]],
    events: Sequence[Event],
    *,
    calendar: WorkingCalendar,
    as_of: dt.date,
    case_columns: Collection[str] | None = None,
    lists: Lists | None = None,
) -> Answer:
    """Judge a history of canonical rows."""
    file = File(cases, [dict(e) for e in events], calendar, as_of, case_columns, lists or Lists())
    answer = Answer()
    unjudged: dict[str, list[str]] = defaultdict(list)
    for rule, test in PER_CASE.items():
        for case in file.cases:
            try:
                found = test(case)
            except Unjudged:
                unjudged[case.id].append(rule)
                continue
            if found is not None:
                answer.findings.append(found)
            elif lacking(rule, case):
                unjudged[case.id].append(rule)
    for across in ACROSS.values():
        answer.findings += across(file)
    unsure = {**back_filled.gated(file), "D37": file.unsure_proofs}
    unsure["D38"] = (unsure["D38"] | file.unsure_visits) - {one.case_id for one in answer.findings if one.rule == "D38"}
    for rule, cases_ in unsure.items():
        for case_id in cases_:
            unjudged[case_id].append(rule)
    answer.findings += peers.findings(file)
    by_case: dict[str, list[Finding]] = defaultdict(list)
    for one in answer.findings:
        if one.case_id is not None:
            by_case[one.case_id].append(one)
    for case in file.cases:
        answer.verdicts[case.id] = _verdict(case, by_case[case.id], sorted(unjudged[case.id]))
    return answer


def suspected(findings: Sequence[Finding]) -> bool:
    """One critical; two high on different events; one high and two medium of different systems."""
    counting = [f for f in findings if f.rule not in NEVER_COUNT]
    if any(f.severity == "critical" for f in counting):
        return True
    high = [f for f in counting if f.severity == "high"]
    medium = [f for f in counting if f.severity == "medium"]
    if any(_apart(a, b) for a, b in itertools.combinations(high, 2)):
        return True
    return any(_other_systems((h, *two)) for h in high for two in itertools.combinations(medium, 2))


def _apart(a: Finding, b: Finding) -> bool:
    """No single wrong value could have caused both."""
    return any(not (x & y) for x in a.grounds for y in b.grounds)


def _other_systems(findings: Sequence[Finding]) -> bool:
    """Each can rest on systems of its own: none carries two of them, and a record that names none shows nothing."""
    named = [[one for one in f.systems if one is not None] for f in findings]
    return any(all(not (x & y) for x, y in itertools.combinations(chosen, 2)) for chosen in itertools.product(*named))


def _core_facts(case: Case) -> bool:
    if not case.claims or case.closed is None:
        return False
    if case.ending is not None and not case.was_energised:
        return case.is_transfer or case.structure is not None
    try:
        steps = case.path()
    except Unjudged:
        return False
    if any(not (set(s.parts) & case.waived) and not any(case.all(p, "complete") for p in s.parts) for s in steps):
        return False
    return case.seen("meter_installed") or case.seen("first_energy")


def _verdict(case: Case, findings: list[Finding], unjudged: list[str]) -> Verdict:
    if suspected(findings):
        word = "suspected"
    elif findings:
        word = "notice"
    elif case.closed is None and not case.end_lost:
        word = "open"
    else:
        word = "clear" if _core_facts(case) else "cannot_judge"
    tags = tuple(sorted({TAG[f.rule] for f in findings}))
    verdict = Verdict(case.id, case.user_class, word, tags, tuple(unjudged))
    try:
        if case.ledger_applies:
            _count(case, verdict)
    except Unjudged:
        pass
    return verdict


def _count(case: Case, verdict: Verdict) -> None:
    """Used days and being on time, as filed and as chained."""
    clock = measured_total(case)
    verdict.limit_working_days, verdict.used_working_days_filed = clock.budget, clock.used
    verdict.on_time_filed = False if clock.late else None if clock.running else True
    chain = chain_of(case)
    verdict.used_working_days_chained, verdict.on_time_chained = clock.used, verdict.on_time_filed
    if not chain:
        return
    rules = case.rules
    if rules is None:
        return
    if not rules.whole_process:
        used = clock.used + sum(total_clock(one).used for one in chain)
        late = used > rules.limit
    else:
        start = chain[0].submitted_on
        end = clock.end or case.file.as_of
        off = set(resting(case))
        for one, following in zip(chain, [*chain[1:], case], strict=True):
            off |= resting(one)
            ending = one.ending
            if ending is not None and refs(ending) and not only_uploads(ending) and ending["lifecycle"] == "withdraw":
                day = when(ending).date
                while day < following.submitted_on:
                    day += DAY
                    off.add(day)
        days = [start + n * DAY for n in range(1, (end - start).days + 1)]
        used = sum(case.file.calendar.is_working(day) and day not in off for day in days)
        due = case.file.due(start, rules.limit, frozenset(off))
        late = end > due if clock.end else used > rules.limit
    verdict.used_working_days_chained = used
    verdict.on_time_chained = False if late else None if clock.running else True


def chain_of(case: Case) -> list[Case]:
    """The ended cases of the same need before this one, oldest first: those it names, else found by premises."""
    chain: list[Case] = []
    seen = {case.id}
    current: Case | None = case
    while current is not None:
        before = _predecessor(current)
        if before is None or before.id in seen:
            break
        seen.add(before.id)
        chain.insert(0, before)
        current = before
    return chain


def _predecessor(case: Case) -> Case | None:
    named = case.file.by_id.get(case.get("predecessor_case"))
    if named is not None and named.ending is not None and named.energised is None:
        return named
    found = []
    for one in case.file.cases:
        if (
            one is case
            or one.ending is None
            or one.energised is not None
            or not one.claims
            or not over_limit.same_need(one, case)
        ):
            continue
        ended, submitted = when(one.ending).date, case.submitted_on
        near = case.file.wd(submitted, ended) <= 10 if submitted <= ended else (submitted - ended).days <= 365
        if near and not _met(one, case) and (one.t0.moment, one.id) < (case.t0.moment, case.id):
            found.append(one)
    return max(found, key=lambda c: (c.ending["occurred_at"], c.id)) if found else None  # type: ignore[index]  # only ended cases are kept


def _met(ended: Case, case: Case) -> bool:
    """Whether another case of the need was energised behind that ending and before `case` was filed."""
    submit = case.all("application", "submit")
    filed = when(submit[0]) if submit else case.t0
    return any(
        one not in (ended, case)
        and one.claims
        and one.energised is not None
        and over_limit.same_need(ended, one)
        and in_order(when(ended.ending), when(one.energised))  # type: ignore[arg-type]  # an ended case
        and not in_order(filed, when(one.energised))
        for one in case.file.cases
    )
