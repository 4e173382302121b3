"""Drives applications through the pure core, as the service does through a database: the law, the calendar, a clock set
by hand, and the history so far. Used by the walk, the scenarios and the properties."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

from definitions import WorkingCalendar, load, shipped
from definitions.book import Book
from definitions.model import Definition
from workflow.core import view
from workflow.core.commands import COMMANDS, Submission
from workflow.core.decide import decide, link
from workflow.core.deed import Context, Decision
from workflow.core.events import Event, Principal
from workflow.core.machine import ENERGISED
from workflow.core.state import State
from workflow.core.submission import Identity, submit
from workflow.core.timers import Counted, Standing, Timer, standing, timers
from workflow.core.times import BUSINESS_ZONE, business_date

REGIONS = Path(__file__).parents[1] / "scenarios" / "regions"
CLERK, SUPERVISOR = Principal("clerk", "front_line"), Principal("supervisor", "supervisor")

LOW_VOLTAGE_PAPERS: tuple[dict[str, Any], ...] = ({"kind": "identity"}, {"kind": "premises_title"})
PAPERS: dict[str, tuple[dict[str, Any], ...]] = {
    "low": LOW_VOLTAGE_PAPERS,
    "high": (*LOW_VOLTAGE_PAPERS, {"kind": "project_approval"}),
    "design_review": ({"kind": "designer_qualification"}, {"kind": "design_documents"}),
    "mid_inspection": ({"kind": "contractor_qualification"}, {"kind": "concealed_works_records"}),
    "completion_inspection": ({"kind": "completion_report"},),
}
"""The closed list [L24 L25], written from the text and not read from the definitions."""

_BUSINESS = {"customer_kind": "non_residential", "area": "urban", "region": "420000", "channel": "online"}
FACTS: dict[str, dict[str, Any]] = {
    "residential": {**_BUSINESS, "customer_kind": "residential", "capacity_kw": 8.0, "voltage": "low"},
    "lv_zero": {**_BUSINESS, "enterprise_size": "small", "capacity_kw": 100.0, "voltage": "low"},
    "lv_other": {**_BUSINESS, "enterprise_size": "large", "capacity_kw": 100.0, "voltage": "low"},
    "hv_single": {**_BUSINESS, "enterprise_size": "large", "capacity_kw": 630.0, "voltage": "high"},
    "hv_dual": {
        **_BUSINESS, "enterprise_size": "large", "capacity_kw": 2000.0, "voltage": "high", "supply_count": 2,
    },
}  # fmt: skip

NOTICE_2027 = """
year: 2027
title: 国务院办公厅关于2027年部分节假日安排的通知
number: 国办发明电〔2026〕99号
published_on: 2026-11-20
holidays:
  - {name: 元旦, days: [2027-01-01, 2027-01-02, 2027-01-03]}
  - {name: 春节, days: [2027-02-05, 2027-02-06, 2027-02-07, 2027-02-08, 2027-02-09, 2027-02-10, 2027-02-11]}
  - {name: 清明节, days: [2027-04-03, 2027-04-04, 2027-04-05]}
  - {name: 劳动节, days: [2027-05-01, 2027-05-02, 2027-05-03, 2027-05-04, 2027-05-05]}
  - {name: 端午节, days: [2027-06-09]}
  - {name: 中秋节, days: [2027-09-15]}
  - {name: 国庆节, days: [2027-10-01, 2027-10-02, 2027-10-03, 2027-10-04, 2027-10-05, 2027-10-06, 2027-10-07]}
makeup_workdays: [2027-01-10, 2027-02-14, 2027-04-25, 2027-10-09]
"""
"""An invented notice in the shape of the real ones, with make-up days that nobody can foresee."""


def at(text: str) -> dt.datetime:
    """A moment of the business zone: `2024-01-08 09:00`, or a date for ten in the morning."""
    moment = dt.datetime.fromisoformat(text if len(text) > 10 else f"{text} 10:00")
    return moment.replace(tzinfo=moment.tzinfo or BUSINESS_ZONE)


def shipped_book() -> Book:
    """The shipped law with the regions that the tests invent."""
    return load(regions=REGIONS)


class Case:
    """One application and its history. `now` moves only when a command says so."""

    def __init__(self, book: Book | None = None, calendar: WorkingCalendar | None = None, number: int = 1) -> None:
        self.book = book or shipped_book()
        self.calendar = calendar or shipped()
        self.number = number
        self.now = at("2024-01-08")
        self.history: list[Event] = []
        self.maybe: State | None = None
        self._definitions: dict[str, Definition] = {}

    @property
    def state(self) -> State:
        assert self.maybe is not None, "nothing submitted yet"
        return self.maybe

    @property
    def definition(self) -> Definition:
        """The definition the case is pinned to, found again by its hash."""
        if self.state.definition not in self._definitions:
            for code in self.book.classes:
                for _, _, one in self.book.timeline(code, self.state.facts.region):
                    self._definitions[one.hash] = one
        return self._definitions[self.state.definition]

    def context(self, who: Principal = CLERK) -> Context:
        return Context(self.book, self.calendar, self.now, who)

    def apply(self, facts: dict[str, Any], when: str, ended: tuple[State, ...] = (), **more: Any) -> Decision:
        """Submit; `more` may say documents, occurred_at, reason and the like. Complete papers unless given."""
        self.now = at(when)
        body = {
            "customer": {"id": "C1"}, "premises": {"id": "P1"}, "documents": PAPERS[facts["voltage"]], **facts, **more,
        }  # fmt: skip
        identity = Identity(f"case-{self.number}", lambda: f"BZ-{self.number:06d}", "digest")
        return self._take(submit(self.context(), Submission.model_validate(body), identity, ended))

    def do(self, name: str, when: str | None = None, *, who: Principal | None = None, **fields: Any) -> Decision:
        """Give a command, recorded at `when`. A countersignature comes from the supervisor unless told otherwise."""
        if when is not None:
            self.now = at(when)
        command = COMMANDS.validate_python({"command": name, **fields})
        principal = who or (SUPERVISOR if name == "countersign" else CLERK)
        return self._take(decide(self.context(principal), self.definition, self.state, command))

    def suspend(self, when: str, first: str, last: str | None = None, notice: str = "N1") -> Decision:
        """Force majeure from `first` to `last` (open while None), recorded and countersigned at `when`."""
        dates: dict[str, Any] = {"from": first, "to": last}
        self.do("suspend", when, reason="force_majeure", notice=notice, **dates)
        return self.do("countersign", when)

    def link(self, ended: State) -> None:
        decision = link(self.context(), self.definition, self.state, ended)
        if decision is not None:
            self._take(decision)

    def _take(self, decision: Decision) -> Decision:
        known = None
        if self.maybe is not None:
            known = Counted(self.calendar, self.state, timers(self.calendar, self.definition, self.state))
        self.history.extend(decision.events)
        self.maybe = decision.state
        if known is not None and decision.events:
            # What is taken over from the timers before is what counting them anew gives.
            assert timers(self.calendar, self.definition, self.state, known) == tuple(self.timers().values())
        return decision

    def drive(self, when: str, until: str = ENERGISED) -> Case:
        """Do whatever comes next, all at `when`, until the case is at `until`."""
        while self.state.state != until:
            code, _, phase = self.state.state.rpartition(".")
            if phase == "waiting":
                decision = self.do("submit_step", when, step=code, documents=PAPERS.get(code, ()))
            else:
                decision = self.do("complete_step", when, step=code)
            assert decision.refusal is None, decision.refusal
        return self

    # Looking

    def timers(self) -> dict[str, Timer]:
        return {timer.key: timer for timer in timers(self.calendar, self.definition, self.state)}

    def due(self, key: str = "total") -> dt.date | None:
        return self.timers()[key].due_on

    def standing(self, key: str = "total", on: dt.date | None = None) -> Standing:
        return standing(self.calendar, self.timers()[key], on or business_date(self.now))

    def shown(self) -> dict[str, Any]:
        """The contract's answer as of `now`."""
        return view.application(self.calendar, self.definition, self.state, business_date(self.now))

    def milestones(self) -> dict[str, str]:
        """How each internal milestone is shown as of `now`."""
        shown = view.milestones(self.calendar, self.definition, self.state, business_date(self.now))
        return {one["milestone"]: one["status"] for one in shown}

    def plan(self) -> str | None:
        """How the validity of the supply plan is shown as of `now`."""
        shown = view.plan(self.calendar, self.definition, self.state, business_date(self.now))
        return None if shown is None else shown["status"]


def submitted(user_class: str, when: str = "2024-01-08", **more: Any) -> Case:
    """A fresh application of a class, accepted with complete papers."""
    case = Case()
    decision = case.apply({**FACTS[user_class], **more.pop("facts", {})}, when, **more)
    assert decision.refusal is None, decision.refusal
    return case


def answer(decision: Decision) -> str | None:
    """The code of the refusal, None when the command was taken."""
    return None if decision.refusal is None else decision.refusal.code


def cited(decision: Decision) -> set[str]:
    """The clauses the refusal names."""
    assert decision.refusal is not None
    return {clause.id for clause in decision.refusal.clauses}
