"""What a rule may speak of, for one case: facts folded from its events, those that the law of its day supplies, and
what cases of the same need tell of it.

A fact is worked out when a rule first asks for it.  Gates that compare many cases (`gates.yaml`) hold for one case as
they would for a file of this case alone, but for load times (gate b) where whoever asks knows better.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Final

from definitions._expressions import MOMENT_DAY, MOMENT_UNIT
from definitions.book import Book
from definitions.calendar import WorkingCalendar
from definitions.detectors import Detectors, Fact
from definitions.model import STEPS, Definition
from workflow.replay.exact import papers, suspensions
from workflow.replay.exact.classes import class_by_rules, definition_of, high_voltage
from workflow.replay.exact.documents import asked_outside_the_list, lawful
from workflow.replay.exact.judge import HV_STEPS, ExactVerdict, JudgedRound, judge_case
from workflow.replay.exact.language import EPOCH, Compiled, compiled, moment
from workflow.replay.exact.load_times import Month, loaded, minutes, month_of, times
from workflow.replay.exact.needs import Site, explained, nearness, of_the_same_need
from workflow.replay.exact.papers import Papers
from workflow.replay.exact.rounds import Reconstruction, reconstruct
from workflow.replay.exact.rows import History, Record, Row, once
from workflow.replay.exact.suspensions import Suspensions
from workflow.replay.references import only_uploads, references
from workflow.replay.tables import SOURCE_NUMBERS


class Event(dict[str, Any]):
    """One event as a condition sees it, with what evidence says of it."""

    __slots__ = ("kind", "recorded_in", "row")

    def __init__(self, row: Row, names: frozenset[str]) -> None:
        source, ref = row.get("source"), row.get("ref") or ""
        super().__init__(
            value=row.get("value") or "",
            old_value=row.get("old_value"),
            new_value=row.get("new_value"),
            ref=ref,
            batch=row.get("batch") or "",
            actor=row.get("actor") or "",
            device=row.get("device") or "",
            amount=row.get("amount"),
            occurred=moment(row.get("occurred_at"), source, bool(row.get("occurred_is_date"))),
            recorded=moment(row.get("recorded_at"), source, bool(row.get("recorded_is_date"))),
            names_case=ref != "" and (ref in names or not names.isdisjoint(references(ref))),
            only_uploads=only_uploads(ref),
            src=SOURCE_NUMBERS.get(source or "", 0),
        )
        self["entered"] = self["recorded"]
        self.kind = f"{row['activity']}.{row['lifecycle']}"
        self.recorded_in = month_of(row)
        self.row: int = row.get("row") or 0


class Folded:
    """A folded fact, ready to be worked out."""

    def __init__(self, fact: Fact, values: Mapping[str, Any]) -> None:
        self.of = frozenset(fact.of)
        self.take = fact.take
        self._where: Compiled | None = None if fact.where is None else compiled(fact.where, values)
        self.column = {"recorded": "recorded", "entered": "entered"}.get(fact.take.partition("_")[2], "occurred")

    def takes(self, event: Event, case: Told) -> bool:
        """Whether the condition of the fact holds for an event."""
        return self._where is None or self._where(event, case.worked) is True

    def of_case(self, case: Told) -> Any:
        """The fact of a case; a number of nothing is nought."""
        held = [event for event in case.events if event.kind in self.of and self.takes(event, case)]
        if self.take == "count":
            return len(held)
        if self.take == "total":
            amounts = [event["amount"] for event in held if event["amount"] is not None]
            return sum(amounts) if amounts else None
        moments = (event[self.column] for event in held if event[self.column] is not None)
        return (min if self.take.startswith("first") else max)(moments, default=None)


class Common:
    """The facts that every rule may name, ready to be worked out."""

    def __init__(self, rules: Detectors) -> None:
        self.gates = rules.gates
        self.restart = rules.detector("D14").thresholds
        self.again = rules.detector("D35").thresholds
        self.asked_in_writing = frozenset(rules.detector("D26").thresholds["request_documents"])  # type: ignore[arg-type]  # a list, as its file says
        self.folded = {name: Folded(fact, rules.gates) for name, fact in rules.folded.items()}
        self.derived = {name: compiled(text, rules.gates) for name, text in rules.derived.items()}
        self.papers, self.suspensions = Papers(rules), Suspensions(rules)


class Told(dict[str, Any]):
    """What the events of one case tell, by name: folded facts and those derived from them. `load_months`: those of its
    organisation whose times of recording are load times (gate b), None: as a file of this case alone would show.
    `site`: what the case tells those of its need, None where it does not say enough."""

    def __init__(
        self,
        common: Common,
        calendar: WorkingCalendar,
        *,
        row: Row,
        rows: Iterable[Row],
        load_months: Collection[Month] | None = None,
    ) -> None:
        super().__init__()
        names = frozenset(one for one in (row.get("case_id"), row.get("case_no")) if one)
        rows = once(rows)
        self.events = [Event(one, names) for one in rows]
        self._common, self._calendar = common, calendar
        if load_months is None:
            load_months = loaded({month: times(of) for month, of in minutes(rows).items()}, common.gates)
        for event in self.events:
            if event.recorded_in in load_months:
                event["entered"] = None
        if self["traces_untimed"] and self["submitted"] is None:
            self["t0"] = None  # the trace that nobody knows the time of may have been the first
        self.site = _site(self, row)

    def __missing__(self, name: str) -> Any:
        folded = self._common.folded.get(name)
        found = folded.of_case(self) if folded is not None else self._common.derived[name](self, self.worked)
        self[name] = found
        return found

    def folded(self, name: str) -> Folded | None:
        """The shared folded fact of that name, None for any other."""
        return self._common.folded.get(name)

    def worked(self, day: int | None) -> int | None:
        """Working days up to and including a day; None outside the calendar."""
        if day is None:
            return None
        date = EPOCH.date() + dt.timedelta(days=day)
        first, last = self._calendar.first_day, self._calendar.last_day
        return self._calendar.count(first, date) if first <= date <= last else None


class CaseFacts(Told):
    """The facts of one case by name; a fact that only a whole file shows is a KeyError. `beside`: the cases found by
    the same premises, or the same customer and address; None: nobody looked."""

    def __init__(
        self,
        common: Common,
        book: Book,
        calendar: WorkingCalendar,
        *,
        row: Row,
        rows: Iterable[Row],
        as_of: dt.date,
        beside: Iterable[Site] | None = None,
        load_months: Collection[Month] | None = None,
    ) -> None:
        rows = list(rows)
        super().__init__(common, calendar, row=row, rows=rows, load_months=load_months)
        self.update(_supplied(self, book, calendar, row=row, rows=rows, as_of=as_of))
        self.update(of_the_same_need(self.site, beside, common.restart, common.again, self.worked))


_WORDS: Final = """
    business_type has_business_type has_account_columns prior_capacity_kw opened_day customer_kind user_class hv
    class_by_rules law_class not_governed total_limit filed_limit rules_limit zero_investment filed_zero
    path_known requires_supply_plan requires_completion requires_design requires_mid high_voltage_asked as_of_day
    late_round late_step late_limit late_used rounds_known total_late total_known used
    outside_document outside_kind lv_extra_step withdraw_ref_expected torn
    org_has_contacts org_has_corrections org_has_suspensions org_has_documents org_has_acceptance org_has_plan
    org_has_completion org_has_metering org_has_charges
    group_acceptance group_supply_plan group_design_review group_mid_inspection group_completion_inspection
    group_metering
    restart_known restart_lost earlier_ending_lost ending_unsure ending_proved restarted_by
    earlier_endings earlier_ending_case quick_return
    near_known near_limit
"""
SUPPLIED: Final = frozenset((*_WORDS.split(), *papers.FACTS, *suspensions.FACTS))
"""The supplied facts that one case shows by itself, or with those of the same need beside it. That its organisation has
a kind of record at all is shown by the case's own; it only ever decides whether a rule lacks evidence."""
ASSUMED: Final = frozenset({"earlier_case_of_premises"})
"""What is not known here: facts built on it take it as unknown, and a rule that asks for it is judged elsewhere."""


def _supplied(
    facts: CaseFacts, book: Book, calendar: WorkingCalendar, *, row: Row, rows: list[Row], as_of: dt.date
) -> dict[str, Any]:
    history, common = History(rows), facts._common  # noqa: SLF001  # one thing in two parts
    business = row.get("business_type") or ""
    asked = any(one.value in common.asked_in_writing for one in history.all("document", "received"))
    not_governed = business == "transfer"
    start = history.submission
    on = None if start is None else start.date
    strict, lenient = (None, None) if on is None else _classes(book, row, on, asked=asked)
    filed = row.get("user_class") or ""
    region = row.get("region")
    law = None if on is None or not_governed else definition_of(book, lenient, on, region)
    as_filed = None if on is None else definition_of(book, filed, on, region)
    by_rules = None if on is None else definition_of(book, strict, on, region)
    built = _built(calendar, law, row, history)
    refused = _refused(book, law, built, history)
    high = high_voltage(row)
    facts.update(
        as_of_day=_day_number(as_of), not_governed=not_governed, business_type=business, has_business_type=True
    )
    judged = judge_case(book, calendar, {**row, "user_class": filed or None}, rows, as_of, requested=True)
    return {
        "has_account_columns": "prior_capacity_kw" in row and "account_opened_on" in row,
        "prior_capacity_kw": row.get("prior_capacity_kw"),
        "opened_day": _day_number(row.get("account_opened_on")),
        "earlier_case_of_premises": None,
        "customer_kind": row.get("customer_kind"),
        "user_class": filed,
        "hv": high,
        "class_by_rules": None if not_governed else strict,
        "law_class": None if not_governed else (lenient or (filed if filed in book.classes else None)),
        "high_voltage_asked": asked,
        "total_limit": law and law.total.limit,
        "filed_limit": as_filed and as_filed.total.limit,
        "rules_limit": by_rules and by_rules.total.limit,
        "zero_investment": by_rules and by_rules.charges.zero_investment,
        "filed_zero": as_filed is not None and as_filed.charges.zero_investment,
        "withdraw_ref_expected": True,  # gate (c): of one case; the engine takes no withdrawal without a reference
        "torn": False,
        **_path(law or as_filed, row.get("important_customer")),
        **_outside(facts, refused, high),
        **_clocks(facts, judged, law is not None or not_governed),
        **nearness(
            _as_ended(facts, judged, lambda known: judge_case(book, calendar, row, known, as_of, requested=True), rows),
            whole=None if law is None else law.total.kind == "whole_process",
            submitted=facts["submitted"] is not None,
            served=_served(facts),
            restart=common.restart,
        ),
        **common.papers.facts(
            facts,
            book,
            calendar,
            row,
            on=on,
            law=law,
            built=built,
            used=judged.used_filed,
            refused={one.row or 0 for one in refused},
        ),
        **common.suspensions.facts(facts, calendar, law, built),
        **{f"org_has_{what}": _has(facts, kinds) for what, kinds in _OF_THE_ORG.items()},
    }


def _site(facts: Told, row: Row) -> Site | None:
    voltage, capacity, claimed = row.get("voltage"), row.get("capacity_kw"), facts["t0"]
    if not row.get("premises_id") or voltage is None or capacity is None or claimed is None:
        return None
    filed = claimed if facts["submitted"] is None else facts["submitted"]
    rule = facts._common.restart  # noqa: SLF001  # one thing in two parts
    endings = [event for event in facts.events if event.kind in _ENDINGS]
    ended = None if _served(facts) else facts["ended"]
    proved = any(
        explained(event, withdrawn=event.kind == "application.withdraw", filed=filed, rule=rule) for event in endings
    )
    unread = bool(row.get("rejected_rows")) or bool(endings)
    lost = unread and facts["ended"] is None and facts["metering_complete"] is None
    return Site(row["case_id"], voltage, capacity, claimed, filed, ended, proved, lost)


def _as_ended(
    facts: CaseFacts, judged: ExactVerdict, judge: Callable[[list[Row]], ExactVerdict], rows: list[Row]
) -> ExactVerdict:
    """The case as it stood when it was ended: before whatever was energised under its number later on."""
    if facts["ended"] is None or facts["metering_complete"] is None:
        return judged
    return judge([one for one in rows if (one["activity"], one["lifecycle"]) != ("metering", "complete")])


def _served(facts: Told) -> bool:
    """Whether it had been energised by the time it was ended."""
    ended, done = facts["ended"], facts["metering_complete"]
    if ended is None or done is None:
        return False
    dates = ended % 2 == 1 or done % 2 == 1
    return bool(done // MOMENT_DAY <= ended // MOMENT_DAY if dates else done // MOMENT_UNIT <= ended // MOMENT_UNIT)


_OF_THE_ORG: Final[Mapping[str, tuple[str, ...]]] = {
    "contacts": ("service_contact.observed",),
    "corrections": ("correction.changed",),
    "suspensions": ("suspension.start", "suspension.end"),
    "documents": ("document.requested", "document.received"),
    "acceptance": ("acceptance.complete",),
    "plan": ("supply_plan.complete",),
    "completion": ("completion_inspection.complete",),
    "metering": ("metering.complete", "first_energy.observed"),
    "charges": ("fee_paid.observed",),
}


def _has(facts: CaseFacts, kinds: tuple[str, ...]) -> bool:
    return any(event.kind in kinds for event in facts.events)


def _classes(book: Book, row: Row, on: dt.date, *, asked: bool) -> tuple[str | None, str | None]:
    """The class by the rules, and the one whose limits hold. They differ where high voltage needs the customer's
    written request and nobody has seen one: by the rules the case then belongs to low voltage."""
    lenient = class_by_rules(book, row, on, hv_requested=True)
    strict = lenient if asked else class_by_rules(book, row, on, hv_requested=False)
    if strict is None and lenient is not None and lenient.startswith("hv"):
        strict = class_by_rules(book, {**row, "voltage": "low"}, on, hv_requested=True)
    return strict, lenient


def _day_number(day: dt.date | None) -> int | None:
    return None if day is None else (day - EPOCH.date()).days


def _path(law: Definition | None, important: bool | None) -> dict[str, Any]:
    """The steps that the case takes: those of the national order where no definition is in force."""
    if law is None:
        groups: dict[str, str | None] = {step: step for step in STEPS}
        required: dict[str, bool | None] = dict.fromkeys(STEPS)
    else:
        of = {part: step for step in law.steps for part in step.parts}
        required = {step: step in of and (of[step].required_for == "all" or important) for step in STEPS}
        groups = {step: of[step].code if required[step] else None for step in STEPS}
    # What is merged into another step is done with it.
    alone = {step: required[step] if groups[step] in (None, step) else False for step in STEPS}
    return {
        "path_known": law is None or None not in required.values(),
        **{f"group_{step}": code for step, code in groups.items()},
        "requires_supply_plan": alone["supply_plan"],
        "requires_completion": alone["completion_inspection"],
        "requires_design": alone["design_review"],
        "requires_mid": alone["mid_inspection"],
    }


_REBUILT: Final = (("document", "requested"), ("suspension", "start"), ("correction", "changed"))
"""What is held against the state that the case was in."""


def _built(calendar: WorkingCalendar, law: Definition | None, row: Row, history: History) -> Reconstruction | None:
    """The case as the engine would hold it; None where no rule asks for that."""
    if law is None or not any(history.all(*one) for one in _REBUILT):
        return None
    return reconstruct(calendar, law, row, history)


def _refused(book: Book, law: Definition | None, built: Reconstruction | None, history: History) -> list[Record]:
    """The papers that were asked for outside the closed lists."""
    return [] if law is None or built is None else asked_outside_the_list(book, law, built.state, history)


def _outside(facts: CaseFacts, refused: list[Record], high: bool | None) -> dict[str, Any]:
    """D23: what was asked for outside the closed lists, and inspections that low voltage does not have."""
    first = min(refused, key=lambda one: (one.at, one.value or ""), default=None)
    extra = [
        event["occurred"]
        for event in facts.events
        if high is False
        and event.kind.partition(".")[0] in HV_STEPS
        and event.kind.partition(".")[2] != "waive"
        and event["occurred"] is not None
        and not lawful(event["ref"])
    ]
    return {
        "outside_document": None if first is None else _moment_of(first),
        "outside_kind": None if first is None else first.value,
        "lv_extra_step": min(extra, default=None),
    }


def _moment_of(record: Record) -> int | None:
    return moment(record.at.replace(tzinfo=None), record.source, record.only_date)


def _clocks(facts: CaseFacts, judged: ExactVerdict, governed: bool) -> dict[str, Any]:
    """L01 and L02 as the engine's own timers say."""
    late = next((one for one in judged.rounds if one.late), None)
    total_late = any(one.rule == "L02" for one in judged.findings)
    return {
        "late_round": None if late is None else _round_moment(facts, late),
        "late_step": None if late is None else late.step,
        "late_limit": None if late is None else late.budget,
        "late_used": None if late is None else late.used,
        "rounds_known": governed and "L01" not in judged.unjudged,
        "total_late": next((at for kinds in _TOTAL if (at := _first(facts, kinds)) is not None), None)
        if total_late
        else None,
        "total_known": governed and "L02" not in judged.unjudged,
        "used": judged.used_filed,
    }


def _round_moment(facts: CaseFacts, late: JudgedRound) -> int | None:
    """The record that ended the late round, else the one that began it."""
    if late.ended_on is not None:
        ends = tuple(f"{late.step}.{life}" for life in ("complete", "return", "waive"))
        ended = _first(facts, ends, late.ended_on) or _first(facts, _ENDINGS, late.ended_on)
        if ended is not None:
            return ended
    starts = (f"{late.step}.start", "application.submit", "acceptance.complete")
    return next((at for kind in starts if (at := _first(facts, (kind,), late.started_on)) is not None), None)


_TOTAL: Final = (
    ("metering.complete",),
    ("application.withdraw", "application.terminate", "application.refuse"),
    ("application.submit",),
    ("acceptance.start", "acceptance.complete"),
)
"""What ended the whole, else what began it."""
_ENDINGS: Final = ("application.withdraw", "application.terminate", "application.refuse")


def _first(facts: CaseFacts, kinds: tuple[str, ...], on: dt.date | None = None) -> int | None:
    day = _day_number(on)
    moments = (event["occurred"] for event in facts.events if event.kind in kinds and event["occurred"] is not None)
    return min((at for at in moments if day is None or at // MOMENT_DAY == day), default=None)
