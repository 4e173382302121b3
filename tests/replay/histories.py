"""Labelled histories: lawful cases as they come, each rule's guilty patterns, and the innocents that look like them.

`PATTERNS` is the list; `small_history` draws a mixed file from a seed, `disturbed` adds what real files do to their
rows (lost values, dates without times, doubled and shifted rows), for which there is no label, only equality of judges.
"""

from __future__ import annotations

import datetime as dt
import functools
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from definitions.calendar import WorkingCalendar, shipped
from tests.replay.oracle.law import SIX, Rules, rules_of

CLASSES = ("residential", "lv_zero", "lv_other", "hv_single", "hv_dual")
HIGH = ("hv_single", "hv_dual")
BUSINESS = ("lv_zero", "lv_other", *HIGH)
WHOLE = ("residential", "lv_zero")
PAPERS = {
    "acceptance": ("identity", "premises_title"),
    "design_review": ("designer_qualification", "design_documents"),
    "mid_inspection": ("contractor_qualification", "concealed_works_records"),
    "completion_inspection": ("completion_report",),
}
COLUMNS = (
    "activity", "lifecycle", "occurred_at", "recorded_at", "actor", "device", "source", "value", "old_value",
    "new_value",     "ref", "batch", "amount", "party", "occurred_is_date", "recorded_is_date",
)  # fmt: skip
FACTS = (
    "case_id", "case_no", "customer_id", "premises_id", "customer_kind", "enterprise_size", "capacity_kw", "voltage",
    "supply_count", "area", "region", "org", "manager", "contractor", "user_class", "business_type", "predecessor_case",
    "channel", "voltage_kv", "important_customer", "prior_capacity_kw", "account_opened_on",
)  # fmt: skip

_CLASS_FACTS: dict[str, dict[str, Any]] = {
    "residential": {"customer_kind": "residential", "capacity_kw": 8.0, "voltage": "low", "supply_count": 1},
    "lv_zero": {"customer_kind": "non_residential", "enterprise_size": "small", "capacity_kw": 80.0, "voltage": "low",
                "supply_count": 1},
    "lv_other": {"customer_kind": "non_residential", "enterprise_size": "large", "capacity_kw": 100.0, "voltage": "low",
                 "supply_count": 1},
    "hv_single": {"customer_kind": "non_residential", "enterprise_size": "large", "capacity_kw": 630.0,
                  "voltage": "high", "supply_count": 1},
    "hv_dual": {"customer_kind": "non_residential", "enterprise_size": "large", "capacity_kw": 2000.0,
                "voltage": "high", "supply_count": 2},
}  # fmt: skip
_SOURCES = {
    "site_survey": "field_terminal", "works_started": "archive", "contract_signed": "contract", "fee_paid": "finance",
    "material_issued": "material", "meter_issued": "metering", "meter_installed": "metering",
    "first_energy": "metering",
        "work_ticket": "dispatch", "outage_plan": "dispatch", "design_dated": "archive", "test_report_dated": "archive",
    "completion_report_dated": "archive", "licence_expires": "archive", "callback": "callcentre",
    "service_contact": "callcentre",
}  # fmt: skip


@functools.cache
def calendar() -> WorkingCalendar:
    return shipped()


class Draft:
    """One case being written. `must`: rules that have to fire; `may`: others that may; everything else must not."""

    def __init__(self, rng: random.Random, facts: dict[str, Any]) -> None:
        self.rng = rng
        self.facts: dict[str, Any] = {**dict.fromkeys(FACTS), **facts}
        self.events: list[dict[str, Any]] = []
        self.must: set[str] = set()
        self.may: set[str] = set()
        self.pattern = "lawful"

    @property
    def id(self) -> str:
        return str(self.facts["case_id"])

    def add(self, activity: str, lifecycle: str, at: dt.datetime | dt.date, **more: Any) -> dict[str, Any]:
        only_date = not isinstance(at, dt.datetime)
        moment = at if isinstance(at, dt.datetime) else dt.datetime.combine(at, dt.time())
        source = _SOURCES.get(activity, "marketing")
        recorded = moment + dt.timedelta(seconds=self.rng.randint(5, 240))
        if only_date:
            recorded = moment + dt.timedelta(hours=self.rng.randint(9, 16), minutes=self.rng.randint(0, 59))
        role = activity if activity in SIX else "clerk"
        event = {
            **dict.fromkeys(COLUMNS),
            "case_id": self.id,
            "activity": activity,
            "lifecycle": lifecycle,
            "occurred_at": moment,
            "recorded_at": recorded,
            "actor": f"{self.facts['org']}-{role}-{self.rng.randint(1, 40)}",
            "source": source,
            "occurred_is_date": only_date,
            "recorded_is_date": False,
            **more,
        }
        self.events.append(event)
        return event

    def seen(self, activity: str, at: dt.datetime | dt.date, **more: Any) -> dict[str, Any]:
        return self.add(activity, "observed", at, **more)

    def get(self, activity: str, lifecycle: str = "observed") -> dict[str, Any]:
        """The last such event."""
        return [e for e in self.events if (e["activity"], e["lifecycle"]) == (activity, lifecycle)][-1]

    def has(self, activity: str, lifecycle: str = "observed") -> bool:
        return any((e["activity"], e["lifecycle"]) == (activity, lifecycle) for e in self.events)

    def drop(self, activity: str, lifecycle: str | None = None) -> None:
        self.events = [
            e for e in self.events if not (e["activity"] == activity and lifecycle in (None, e["lifecycle"]))
        ]

    def after(self, moment: dt.datetime) -> None:
        """Nothing happens after `moment`."""
        self.events = [e for e in self.events if e["occurred_at"] <= moment]

    @property
    def t0(self) -> dt.datetime:
        return self.get("application", "submit")["occurred_at"]

    @property
    def rules(self) -> Rules:
        rules = rules_of(self.facts["user_class"], self.t0.date(), self.facts["region"])
        assert rules is not None
        return rules

    def move(self, event: dict[str, Any], at: dt.datetime) -> None:
        """Put an event elsewhere in time, its record with it."""
        event["recorded_at"] = at + (event["recorded_at"] - event["occurred_at"])
        event["occurred_at"] = at


def days(moment: dt.datetime, n: int) -> dt.datetime:
    """`n` working days later (earlier), at the same hour."""
    day = moment.date()
    if n >= 0:
        return dt.datetime.combine(calendar().add(day, n), moment.time())
    while n:
        day -= dt.timedelta(days=1)
        n += calendar().is_working(day)
    return dt.datetime.combine(day, moment.time())


def _later(rng: random.Random, moment: dt.datetime, n: int) -> dt.datetime:
    """`n` working days later; within the same day some while later."""
    if n == 0:
        return moment + dt.timedelta(minutes=rng.randint(25, 55), seconds=rng.randint(0, 59))
    return dt.datetime.combine(
        calendar().add(moment.date(), n), dt.time(9, rng.randint(1, 59), rng.randint(0, 59))
    ) + dt.timedelta(hours=rng.randint(0, 3))


class Maker:
    """Writes cases from a seed. Orgs, premises, customers and serial numbers run through one file."""

    def __init__(self, seed: int, orgs: int = 3, years: tuple[int, int] = (2021, 2025)) -> None:
        self.rng = random.Random(seed)
        self.orgs = [f"4201{n:02d}" for n in range(1, orgs + 1)]
        self.years = years
        self.count = 0

    def lawful(
        self, user_class: str | None = None, *, org: str | None = None, at: dt.datetime | None = None, **facts: Any
    ) -> Draft:
        """A case inside every limit, with the records of all systems; submitted `at`, or whenever."""
        rng = self.rng
        user_class = user_class or rng.choice(CLASSES)
        self.count += 1
        number = self.count
        day = dt.date(rng.randint(*self.years), rng.randint(1, 12), rng.randint(1, 28))
        if user_class == "lv_zero" and day.year == 2021:  # there was no such class then, but in cities that promised it
            day = day.replace(year=2022)
        if rng.random() > 0.1:
            day = calendar().add(day, 1)
        submitted = dt.datetime.combine(day, dt.time(8, 30, rng.randint(0, 59))) + dt.timedelta(
            minutes=rng.randint(0, 90)
        )
        submitted = at or submitted
        day = submitted.date()
        base = {
            "case_id": f"C{number:05d}",
            "customer_id": f"U{number:05d}",
            "premises_id": f"P{number:05d}",
            "area": "urban",
            "region": "420000",
            "org": org or rng.choice(self.orgs),
            "manager": f"M{rng.randint(1, 9)}",
            "user_class": user_class,
            "business_type": "new",
            "channel": rng.choice(("online", "hall", "phone")),
            "important_customer": False,
            **_CLASS_FACTS[user_class],
        }
        draft = Draft(rng, {**base, **facts})
        draft.facts["case_no"] = f"BZ-{submitted:%Y%m%d%H%M%S}"
        _course(draft, submitted)
        return draft


def _course(draft: Draft, submitted: dt.datetime) -> None:
    rng, high = draft.rng, draft.facts["voltage"] == "high"
    papers = (*PAPERS["acceptance"], *(("project_approval",) if high else ()))
    for kind in papers:
        draft.add("document", "received", submitted, value=kind)
    draft.add("application", "submit", submitted, source=rng.choice(("marketing", "customer_app")))
    user_class = draft.facts["user_class"]
    accepted = _later(rng, submitted, rng.choice((0, 0, 1)))
    draft.add("acceptance", "start", submitted)
    draft.add("acceptance", "complete", accepted)
    if user_class in WHOLE:
        energised = _later(rng, accepted, rng.randint(1, 3))
        if user_class == "lv_zero":
            draft.seen("site_survey", accepted + dt.timedelta(minutes=10))
            draft.seen("contract_signed", accepted + dt.timedelta(minutes=15), ref=draft.id)
        draft.add("metering", "start", accepted)
        _energise(draft, energised)
        return
    plan_limit = {"lv_other": 3, "hv_single": 10, "hv_dual": 20}[user_class]
    planned = _later(rng, accepted, rng.randint(1, plan_limit - 1))
    draft.add("supply_plan", "start", accepted)
    draft.seen("site_survey", accepted + dt.timedelta(minutes=rng.randint(5, 20)))
    draft.add("supply_plan", "complete", planned)
    draft.seen("contract_signed", _later(rng, planned, 1), ref=draft.id)
    ready = _later(rng, planned, rng.randint(2, 9))
    if high:
        ready = _works(draft, planned)
    draft.seen("fee_paid", ready - dt.timedelta(minutes=9), ref=draft.id, amount=3000.0)
    draft.add("metering", "start", ready)
    _energise(draft, _later(rng, ready, 1))


def _works(draft: Draft, planned: dt.datetime) -> dt.datetime:
    """Design, works and inspections of a high-voltage case; answers when the meter can be asked for."""
    rng = draft.rng
    dated = calendar().add(planned.date(), 2)
    draft.seen("design_dated", dated)
    at = _later(rng, planned, rng.randint(4, 8))
    for role, code in (
        ("designer", "design_review"),
        ("contractor", "mid_inspection"),
        (None, "completion_inspection"),
    ):
        for kind in PAPERS[code]:
            draft.add("document", "received", at - dt.timedelta(minutes=3), value=kind)
        if code == "mid_inspection":
            draft.seen("works_started", calendar().add(draft.get("design_review", "complete")["occurred_at"].date(), 1))
            draft.seen("material_issued", at - dt.timedelta(hours=1))
        if code == "completion_inspection":
            draft.seen("test_report_dated", at.date() - dt.timedelta(days=1))
            draft.seen("completion_report_dated", at.date() - dt.timedelta(days=1))
            draft.seen("service_contact", at - dt.timedelta(minutes=2), value="inspection_request")
        if role:
            draft.seen("licence_expires", dt.date(at.year + 3, 6, 30), value=role)
        draft.add(code, "start", at)
        done = _later(rng, at, rng.randint(0, 1))
        draft.add(code, "complete", done)
        at = _later(rng, done, rng.randint(3, 12))
    return at


def _energise(draft: Draft, at: dt.datetime) -> None:
    draft.seen("work_ticket", at - dt.timedelta(hours=1), ref=draft.id, value="connection")
    draft.seen("meter_installed", at - dt.timedelta(minutes=40))
    draft.seen("first_energy", at - dt.timedelta(minutes=20))
    draft.add("metering", "complete", at)
    if draft.rng.random() < 0.3:
        draft.seen("callback", at.date(), value="energised")


# ---- patterns --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pattern:
    """How a case of `classes` becomes guilty of `rule`, or only looks so. `change` answers further cases, if any."""

    rule: str
    name: str
    guilty: bool
    classes: tuple[str, ...]
    change: Callable[[Maker, Draft], Iterable[Draft] | None]
    may: frozenset[str] = frozenset()


PATTERNS: list[Pattern] = []


def _pattern(
    rule: str, name: str, classes: tuple[str, ...] = CLASSES, *, guilty: bool, may: str = ""
) -> Callable[[Callable[[Maker, Draft], Any]], Callable[[Maker, Draft], Any]]:
    def keep(change: Callable[[Maker, Draft], Any]) -> Callable[[Maker, Draft], Any]:
        PATTERNS.append(Pattern(rule, name, guilty, classes, change, frozenset(may.split())))
        return change

    return keep


def guilty(rule: str, name: str, classes: tuple[str, ...] = CLASSES, may: str = "") -> Any:
    """A pattern the rule must find; `may`: what else may fire."""
    return _pattern(rule, name, classes, guilty=True, may=may)


def innocent(rule: str, name: str, classes: tuple[str, ...] = CLASSES, may: str = "") -> Any:
    """A look-alike: nothing may fire."""
    return _pattern(rule, name, classes, guilty=False, may=may)


def draw(maker: Maker, pattern: Pattern) -> list[Draft]:
    """The cases of one pattern; the first carries the label."""
    draft = maker.lawful(maker.rng.choice(pattern.classes))
    more = list(pattern.change(maker, draft) or ())
    draft.pattern = f"{pattern.rule}:{pattern.name}"
    draft.may |= pattern.may
    if pattern.guilty and not any(pattern.rule in one.must for one in (draft, *more)):
        draft.must.add(pattern.rule)
    for one in more:
        one.pattern = draft.pattern
        one.may |= pattern.may
    return [draft, *more]


@dataclass
class History:
    """A file of canonical rows with its labels."""

    cases: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    drafts: list[Draft] = field(default_factory=list)

    def take(self, drafts: Iterable[Draft]) -> None:
        for draft in drafts:
            self.drafts.append(draft)
            self.cases.append(draft.facts)
            self.events += draft.events

    def shuffled(self, rng: random.Random) -> History:
        """Rows in the order files have: none; every row knows its position."""
        rng.shuffle(self.cases)
        rng.shuffle(self.events)
        for rows in (self.cases, self.events):
            for position, row in enumerate(rows, start=1):
                row["row"] = position
        return self


def small_history(seed: int, size: int = 40, share: float = 0.6, rules: Iterable[str] = ()) -> History:
    """A mixed file: some lawful cases, some of the patterns, each labelled. `rules`: patterns of these alone."""
    import tests.replay.patterns  # noqa: F401 - fills PATTERNS

    maker = Maker(seed)
    history = History()
    patterns = [one for one in PATTERNS if one.rule in rules] if rules else PATTERNS
    while len(history.cases) < size:
        if maker.rng.random() < share:
            history.take(draw(maker, maker.rng.choice(patterns)))
        else:
            history.take([maker.lawful()])
    return history.shuffled(maker.rng)


def organisations(seed: int, size: int = 160, orgs: int = 5) -> History:
    """A file of lawful cases of several organisations, the first of which has a habit of its own: one contractor, no
    record of energy, times on the hour, volunteered papers, or work at night, by the seed."""
    maker = Maker(seed, orgs=orgs, years=(2023, 2024))
    history, rng = History(), random.Random(seed)
    for _ in range(size):
        draft = maker.lawful(org=rng.choice(maker.orgs), contractor=rng.choice(("甲", "乙", "丙")))
        if draft.facts["org"] == maker.orgs[0]:
            _habit(draft, seed % 5, rng)
        history.take([draft])
    return history.shuffled(rng)


def _habit(draft: Draft, kind: int, rng: random.Random) -> None:
    if kind == 0:
        draft.facts["contractor"] = "甲"
    elif kind == 1:
        draft.drop("first_energy")
    elif kind == 2:
        for event in draft.events:
            if event["activity"] in SIX:
                event["occurred_at"] = event["occurred_at"].replace(minute=0, second=0)
    elif kind == 3 and rng.random() < 0.6:
        draft.add("document", "received", draft.t0, value="promise", ref="volunteered")
    elif kind == 4 and rng.random() < 0.6:
        done = draft.get("metering", "complete")
        draft.move(done, done["occurred_at"].replace(hour=23))


def in_the_city(history: History) -> History:
    """The same cases in the sample city of `tests/scenarios/regions`, whose merged steps are recorded as one."""
    when = {e["case_id"]: e["occurred_at"] for e in history.events if e["lifecycle"] == "submit"}
    merged = {
        case["case_id"]
        for case in history.cases
        if case["user_class"] == "hv_single" and when[case["case_id"]].year >= 2024
    }
    for case in history.cases:
        case["region"] = "420100"
    parts = {*SIX[2:5], *(kind for code in SIX[2:5] for kind in PAPERS[code])}
    history.events = [
        e for e in history.events if not (e["case_id"] in merged and (e["activity"] in parts or e["value"] in parts))
    ]
    return history


# ---- disturbance -----------------------------------------------------------------------------------------------------

_LOSABLE_FACTS = (
    "business_type", "enterprise_size", "capacity_kw", "voltage", "supply_count", "area", "user_class", "premises_id",
    "customer_kind", "important_customer", "org", "customer_id", "case_no",
)  # fmt: skip
_VALUES = {
    "first_energy": ("trial", "temporary_supply", "test"), "meter_installed": ("rotation", "replacement"),
    "contract_signed": ("renewal", "framework"),
    "site_survey": ("pre_application", "planning", "desk_survey", "recheck"),
    "works_started": ("civil_works", "grid_project"), "work_ticket": ("maintenance", "connection", "live_line"),
    "fee_paid": ("prepaid", "refund"), "design_dated": ("reuse",), "material_issued": ("early_grid_works",),
    "service_contact": ("connection_request", "inspection_request", "appointment", "enquiry"),
}  # fmt: skip


def disturbed(seed: int, size: int = 25, rules: Iterable[str] = ()) -> History:  # noqa: C901, PLR0912 - a list of what goes wrong
    """A file without labels, in which anything may be wrong. `rules`: of the patterns, those of these rules alone."""
    history = small_history(seed, size, share=0.7, rules=rules)
    rng = random.Random(seed + 1)
    for case in history.cases:
        if rng.random() < 0.2:
            case[rng.choice(_LOSABLE_FACTS)] = None
        if rng.random() < 0.1:
            case["business_type"] = rng.choice(("increase", "transfer", "temporary", "decrease", "reconnect"))
            if rng.random() < 0.5:
                case["prior_capacity_kw"], case["account_opened_on"] = 50.0, dt.date(2019, 5, 5)
        if rng.random() < 0.1:
            case["user_class"] = rng.choice(CLASSES)
    kept = []
    for event in history.events:
        chance = rng.random()
        if chance < 0.02:
            continue
        kept.append(event)
        if chance < 0.04:
            kept.append(dict(event))
        elif chance < 0.10:
            shift = dt.timedelta(days=rng.choice((-40, -8, -3, -1, 1, 2, 5, 30)), minutes=rng.randint(-200, 200))
            event["occurred_at"] += shift
            if rng.random() < 0.7:
                event["recorded_at"] += shift
        elif chance < 0.13:
            event["recorded_at"] = None
        elif chance < 0.17:
            event["occurred_at"] = dt.datetime.combine(event["occurred_at"].date(), dt.time())
            event["occurred_is_date"] = True
        elif chance < 0.19:
            event["occurred_at"], event["occurred_is_date"] = None, False
        elif chance < 0.22:
            event["recorded_at"] += dt.timedelta(days=rng.randint(1, 12))
        elif chance < 0.24:
            event["batch"] = rng.choice(("migration:1", "estate:7", "outage:3", "other"))
        elif chance < 0.27 and event["activity"] in _VALUES:
            event["value"] = rng.choice(_VALUES[event["activity"]])
        elif chance < 0.29:
            event["ref"] = rng.choice((None, "image:ab12", "file:ff", "REC-1", event["case_id"]))
        elif chance < 0.31:
            event["source"] = rng.choice((None, "field_terminal", "archive", "customer_app"))
        elif chance < 0.32:
            event["actor"] = None
    history.events = kept
    return history.shuffled(rng)
