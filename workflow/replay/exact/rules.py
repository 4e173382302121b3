"""`CaseRules`: the detectors that one case's own records decide, with those of the same need beside it.

Which rules these are follows from what they name: a rule that speaks of a fact only a whole file shows (peers, bursts,
an organisation's habits) is left to the replay of a file.  The rules, their thresholds and their sentences are
the ones the engines run; so a finding here is the finding that a replay of the same case gives.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable
from typing import Any, Final

from definitions._expressions import THIS, about, names, parse
from definitions.book import Book
from definitions.calendar import WorkingCalendar
from definitions.detectors import MOMENT_OR_NONE, PLACE, Detector, Detectors
from definitions.model import STEPS, Frozen
from definitions.records import event_kinds
from workflow.replay.exact.facts import ASSUMED, SUPPLIED, CaseFacts, Common, Folded, Told
from workflow.replay.exact.language import compiled, moment_text, source_of
from workflow.replay.exact.load_times import Month
from workflow.replay.exact.needs import Site
from workflow.replay.exact.rows import Row


class Found(Frozen, frozen=True):
    """A finding on one case. `evidence`: as the contract has it, `records` (accusing ones first) and what was said."""

    rule: str
    tag: str
    severity: str
    evidence: dict[str, Any]
    explanation: str
    explanation_en: str


class CaseRules:
    """The rules that can be judged when a record arrives; build once, judge any number of cases."""

    def __init__(self, detectors: Detectors, book: Book) -> None:
        self._book = book
        self._common = Common(detectors)
        known = _decidable(detectors)
        self._rules = [
            _Rule(one, detectors)
            for one in detectors.detectors
            if one.enabled and _named(one) <= known | set(one.facts) | set(one.thresholds)
        ]

    @property
    def rules(self) -> tuple[str, ...]:
        """The numbers of the rules that are judged here."""
        return tuple(rule.detector.rule for rule in self._rules)

    def judge(
        self,
        calendar: WorkingCalendar,
        case: Row,
        events: Iterable[Row],
        as_of: dt.date,
        beside: Iterable[Site] | None = None,
        *,
        load_months: Collection[Month] | None = None,
    ) -> tuple[Found, ...]:
        """What the rules find on a case (rows as `typed.event_rows` gives them) as of a date of the business zone.
        `beside`: the cases of the same premises, or of the same customer and address; None: nobody looked for them.
        `load_months`: those of its organisation that carry load times; None: as a file of this case alone would show.
        Raises CalendarRangeError for dates outside the working calendar."""
        facts = CaseFacts(
            self._common, self._book, calendar, row=case, rows=events, as_of=as_of, beside=beside,
            load_months=load_months,
        )  # fmt: skip
        return tuple(found for rule in self._rules if (found := rule.judge(facts)) is not None)

    def site(self, calendar: WorkingCalendar, case: Row, events: Iterable[Row]) -> Site | None:
        """What a case tells those of its need; None where it does not say enough. It is not judged for that."""
        return Told(self._common, calendar, row=case, rows=events, load_months=()).site  # none of it rests on entering


def _decidable(detectors: Detectors) -> set[str]:
    """The shared facts that one case shows."""
    known = {*detectors.folded, *SUPPLIED}
    for name, text in detectors.derived.items():
        if names(parse(text)) <= known | ASSUMED:
            known.add(name)
    return known


def _named(one: Detector) -> set[str]:
    """Every fact that a rule speaks of."""
    found: set[str] = set()
    for text in (one.applies, one.needs, *(branch.when for branch in one.branches)):
        found |= names(parse(text))
    for branch in one.branches:
        found.update((*branch.witness, *branch.against))
        if branch.witness_if:
            found |= names(parse(branch.witness_if)) - {THIS}
    return found


class _OfRule(dict[str, Any]):
    """The facts of a case, and those that only this rule folds."""

    def __init__(self, own: dict[str, Folded], facts: CaseFacts) -> None:
        super().__init__()
        self._own, self._facts = own, facts

    def __missing__(self, name: str) -> Any:
        own = self._own.get(name)
        value = self[name] = self._facts[name] if own is None else own.of_case(self._facts)
        return value


class _Rule:
    def __init__(self, detector: Detector, detectors: Detectors) -> None:
        self.detector = detector
        values = {**detectors.gates, **detector.thresholds}
        self._own = {name: Folded(fact, values) for name, fact in detector.facts.items()}
        self._folded = {**detectors.folded, **detector.facts}
        self._applies = compiled(detector.applies, values)
        self._branches = [(branch, compiled(branch.when, values)) for branch in detector.branches]
        named = [name for branch in detector.branches for name in branch.witness]
        named += [name for branch in detector.branches for name in branch.against]
        self._resting = {
            (branch, name): compiled(about(branch.witness_if, name), values)
            for branch in detector.branches
            if branch.witness_if
            for name in branch.witness
        }
        self._witnesses = list(dict.fromkeys(named))
        texts = "".join(text.zh + text.en for text in detector.sentences)
        said = (m for m in PLACE.finditer(texts) if ":" in m[0] and not m[0].endswith(":moment}"))
        self._said = list(dict.fromkeys(match[1] for match in said))

    def judge(self, case: CaseFacts) -> Found | None:
        facts = _OfRule(self._own, case)
        if self._applies(facts, case.worked) is not True:
            return None
        branch = next((branch for branch, when in self._branches if when(facts, case.worked) is True), None)
        if branch is None:
            return None
        resting = ((name, self._resting.get((branch, name))) for name in branch.witness)
        accusing = {name for name, when in resting if when is None or when(facts, case.worked) is True}
        accusing.update(branch.against)
        shown = [record for name in self._witnesses if name in accusing and (record := self._record(name, facts, case))]
        said = {name: "" if facts[name] is None else str(facts[name]) for name in self._said}
        texts = self.detector.sentence(branch)
        return Found(
            self.detector.rule, self.detector.tag, branch.severity, {"records": shown, **said},
            _told(texts.zh, facts, "zh"), _told(texts.en, facts, "en"),
        )  # fmt: skip

    def _record(self, name: str, facts: _OfRule, case: CaseFacts) -> dict[str, Any] | None:
        """The record behind a moment: of several the first by kind, in the order of the fact, and then by what it says,
        so that no order of rows matters."""
        at = facts[name]
        fact = self._folded.get(name)
        folded = self._own.get(name) or case.folded(name)
        column = "recorded" if fact is not None and fact.take.endswith(("_recorded", "_entered")) else "occurred"
        events = [
            event
            for event in case.events
            if event[column] == at
            and at is not None
            and (fact is None or event.kind in fact.of)
            and (folded is None or folded.takes(event, case))
        ]
        if not events:
            return None
        kinds = event_kinds(STEPS) if fact is None else list(fact.of)
        event = min(
            events, key=lambda one: (kinds.index(one.kind), *map(_last_if_none, (one[n] for n in _TOLD)), one.row)
        )
        return {"field": event.kind, "value": moment_text(at), "source": source_of(at), "row": event.row}


_TOLD: Final = ("occurred", "recorded", "value", "ref", "batch", "actor", "device", "amount")


def _last_if_none(value: Any) -> tuple[bool, Any]:
    return value is None, 0 if value is None else value


def _told(text: str, facts: _OfRule, language: str) -> str:
    def fill(name: str, how: str) -> str:
        value = facts[name]
        if how == "moment":
            return MOMENT_OR_NONE[language] if value is None else moment_text(value)
        if not how:
            return moment_text(value)
        return "" if value is None else str(value)

    return PLACE.sub(lambda match: fill(match[1], match[0].strip("{}").partition(":")[2]), text)
