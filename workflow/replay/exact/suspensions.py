"""What is wrong with the suspensions of one case (D16), by the rounds that the engine's own reconstruction gives."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from definitions._expressions import MOMENT_DAY, MOMENT_UNIT
from definitions.calendar import WorkingCalendar
from definitions.detectors import Detectors
from definitions.model import STEPS, Definition
from workflow.core.counting import ONE_DAY, OPEN_ENDED, merged, used_days
from workflow.replay.exact.language import compiled, time_of
from workflow.replay.exact.rounds import Reconstruction
from workflow.replay.lists import (
    ENTERED_LATE,
    FIELD_WORK,
    NEAR_A_LIMIT,
    OVER_HALF,
    WITHOUT_PROOF,
    WORK_INSIDE,
)

if TYPE_CHECKING:
    from workflow.replay.exact.facts import CaseFacts

FACTS: Final = ("flawed_suspension", "suspension_flaw", "suspension_unjudged")
_STEP_ENDED: Final = frozenset(f"{step}.{life}" for step in STEPS for life in ("complete", "return"))
_WORK: Final = _STEP_ENDED | set(FIELD_WORK)
_WHEN: Final = {
    NEAR_A_LIMIT: "near_a_limit",
    ENTERED_LATE: "wdays(began, recorded) > :recorded_working_days",
    # Among too few to compare, gate (c) does not gate: an absent reference says what it says.
    WITHOUT_PROOF: "ground = 'customer' AND ref = ''",
    WORK_INSIDE: "worked_inside",
    OVER_HALF: "wd_at(LEAST(COALESCE(date_of(finished), last_day), last_day)) - wd_at(date_of(began))"
    " > :share_of_elapsed * (wd_at(last_day) - wd_at(date_of(t0)))",
}


_Turn = tuple[str, dt.datetime, dt.datetime | None]
"""A round that ran, in wall clock: step, start and end."""


class _Stretch(NamedTuple):
    """A suspension. `recorded`: when its beginning was entered, where that is known."""

    began: int
    finished: int | None
    recorded: int | None
    ground: str
    ref: str


class Suspensions:
    """The conditions with their thresholds; build once, ask of any number of cases."""

    def __init__(self, rules: Detectors) -> None:
        values = {**rules.gates, **rules.detector("D16").thresholds}
        self._flaws = {name: compiled(text, values) for name, text in _WHEN.items()}
        self._near = compiled("budget >= :smallest_budget AND ABS(budget - used) <= :near_working_days", values)
        # When a notice of force majeure was acted on nobody knows without the time of entry.
        self._noticed = compiled(
            "ref <> '' AND (recorded IS NULL OR wdays(began, recorded) <= :notice_working_days)", values
        )
        self._inside = compiled("earlier(began, at) AND earlier(at, finished)", values)

    def facts(
        self, case: CaseFacts, calendar: WorkingCalendar, law: Definition | None, built: Reconstruction | None
    ) -> dict[str, Any]:
        """The facts named in `FACTS`. `built`: the case as the engine would hold it, where a law is known."""
        dates = frozenset(time_of(event["occurred"]) for event in case.events if (event["occurred"] or 0) % 2)
        found = _Suspended(case, calendar, law, built, _stretches(case), dates)
        waiting = {one: self._waiting(found, one) for one in found.stretches}
        judged = [one for one in found.stretches if waiting[one] is not True]
        flaws = {one: self._flaw(found, one) for one in judged}
        certain = ((one, flaw) for one, flaw in flaws.items() if flaw and waiting[one] is False)
        flawed = min(((one.began, flaw) for one, flaw in certain if not self._noticed_as(found, one, "")), default=None)
        return {
            "flawed_suspension": flawed and flawed[0],
            "suspension_flaw": flawed and flawed[1],
            "suspension_unjudged": any(
                one.recorded is None
                or (waiting[one] is None or self._noticed_as(found, one, "") if flaw else self._unknown(found, one))
                for one, flaw in flaws.items()
            ),
        }

    def _waiting(self, of: _Suspended, one: _Stretch) -> bool | None:
        """Wholly inside the customer's own waiting time: no round of a step sum runs while it lasts. None: without a
        class, or a round's start or end, nobody knows, nor where only dates of one day are known, unless a step that
        ended inside shows that it ran."""
        law, built = of.law, of.built
        if of.case["not_governed"] or (law is not None and law.total.kind == "whole_process"):
            return False
        rounds = () if built is None else tuple(_rounds(built))
        if any(of.ran(turn, one) for turn in rounds):
            return False
        if law is None or built is None or built.torn or any(of.ran(turn, one, perhaps=True) for turn in rounds):
            return False if self._any_inside(of, one, _STEP_ENDED) else None
        return None if not of.case["known_business"] else bool(of.case["acceptance_completes"])

    def _noticed_as(self, of: _Suspended, one: _Stretch, ground: str) -> bool:
        """Whether it was opened for that ground, with a notice and in time."""
        return one.ground == ground and self._noticed(one._asdict(), of.case.worked) is True

    def _unknown(self, of: _Suspended, one: _Stretch) -> bool:
        """Of a suspension in which nothing is wrong: whether it is not known near which limit, beside which work or in
        how long a time it was opened, or why."""
        case, law, built = of.case, of.law, of.built
        if self._noticed_as(of, one, "force_majeure"):
            return False
        lost_work = any(event.kind in _WORK and event["occurred"] is None for event in case.events)
        unended = case["metering_complete"] is None and case["ended"] is None and case["closed"]
        if law is None or built is None:
            unmeasured = not case["not_governed"]
        elif law.total.kind == "whole_process":
            unmeasured = case["submitted"] is None
        else:
            unmeasured = any(step.limit is not None and step.code in built.torn for step in law.steps)
        unsaid = not case["known_business"] or (one.ground == "" and one.ref == "")
        return bool(unmeasured or unsaid or lost_work or unended or case["t0"] is None)

    def _any_inside(self, of: _Suspended, one: _Stretch, kinds: frozenset[str]) -> bool:
        """Whether a record of such a kind lies inside a suspension that is over."""
        return one.finished is not None and any(
            self._inside({**one._asdict(), "at": event["occurred"]}, of.case.worked) is True
            for event in of.case.events
            if event.kind in kinds
        )

    def _flaw(self, of: _Suspended, one: _Stretch) -> str | None:
        """What is wrong with a suspension, first of all."""
        case, known = of.case, one._asdict()
        if self._noticed_as(of, one, "force_majeure"):
            return None
        ended = next((at for name in ("metering_complete", "ended") if (at := case[name]) is not None), None)
        facts = {
            **known,
            "t0": case["t0"],
            "last_day": case["as_of_day"] if ended is None else ended // MOMENT_DAY,
            "near_a_limit": self._near_a_limit(of, one),
            "worked_inside": self._any_inside(of, one, _WORK),
        }
        return next((name for name, when in self._flaws.items() if when(facts, case.worked) is True), None)

    def _near_a_limit(self, of: _Suspended, one: _Stretch) -> bool:
        """Whether a running step, or the whole process, was near its limit when the suspension opened."""
        if of.law is None or of.built is None or not of.case["known_business"]:
            return False
        limits = {step.code: step.limit for step in of.law.steps}
        opened = time_of(one.began)
        left = [
            (limits[step], of.calendar.count(start.date(), opened.date()))
            for step, start, end in _rounds(of.built)
            if start <= opened and (end is None or end > opened)
        ]
        if of.law.total.kind == "whole_process" and of.case["submitted"] is not None:
            left.append((of.law.total.limit, _used_of_the_whole(of, of.law, one)))
        return any(self._near({"budget": budget, "used": used}, of.case.worked) is True for budget, used in left)


class _Suspended(NamedTuple):
    """A case with its suspensions. `dates`: the times of those records of which only the date is known."""

    case: CaseFacts
    calendar: WorkingCalendar
    law: Definition | None
    built: Reconstruction | None
    stretches: tuple[_Stretch, ...]
    dates: frozenset[dt.datetime]

    def ran(self, turn: _Turn, one: _Stretch, *, perhaps: bool = False) -> bool:
        """Whether a round ran while a suspension lasted, or may have (`perhaps`)."""

        def before(first: dt.datetime, second: dt.datetime) -> bool:
            if first not in self.dates and second not in self.dates:
                return first < second
            return first.date() <= second.date() if perhaps else first.date() < second.date()

        _, start, end = turn
        finished = self.case["as_of_day"] * MOMENT_DAY if one.finished is None else one.finished
        return before(start, time_of(finished)) and (end is None or before(time_of(one.began), end))


def _used_of_the_whole(of: _Suspended, law: Definition, one: _Stretch) -> int:
    """What an earlier suspension took from the total is not used, nor is the day on which this one opens."""
    start, opened = _date(of.case["submitted"]), _date(one.began)
    if opened < start:  # said to begin before the application
        return -of.calendar.count(opened, start)
    off = _resting(of.stretches, law)
    return used_days(of.calendar, start, opened, off)


def late_whole(
    case: CaseFacts, calendar: WorkingCalendar, law: Definition, start: int | None, end: int | None
) -> bool | None:
    """Whether a whole process from one moment to another is late, what its suspensions take from it left out; None
    where a moment is not known or lies outside the calendar."""
    if start is None or end is None or None in (case.worked(start // MOMENT_DAY), case.worked(end // MOMENT_DAY - 1)):
        return None
    first, last = _date(start), _date(end)
    off = _resting(_stretches(case), law)
    return last > first and used_days(calendar, first, last - ONE_DAY, off) >= law.total.limit


def _resting(stretches: Iterable[_Stretch], law: Definition) -> tuple[tuple[dt.date, dt.date], ...]:
    """What suspensions take from the total, first and last days."""
    days = ((_date(s.began), OPEN_ENDED if s.finished is None else _date(s.finished), s.ground) for s in stretches)
    return merged((first, last) for first, last, ground in days if ground in law.total.deductible and last >= first)


def _stretches(case: CaseFacts) -> tuple[_Stretch, ...]:
    """The suspensions, each with the end that follows it; what begins while another runs belongs to that one."""

    def in_order(event: Any) -> tuple[int, bool, int]:
        at, is_end = event["occurred"], event.kind == "suspension.end"
        # An end that is only a date lasts the day.
        return at + (MOMENT_DAY - MOMENT_UNIT if is_end and at % 2 else 0), is_end, event.row

    of = ("suspension.start", "suspension.end")
    events = sorted((one for one in case.events if one.kind in of and one["occurred"] is not None), key=in_order)
    number, ends = 0, []
    for one in events:
        ends.append(number)
        number += one.kind == "suspension.end"
    found = []
    for _, group in groupby(zip(ends, events, strict=True), key=lambda pair: pair[0]):
        together = [one for _, one in group]
        starts = [one for one in together if one.kind == "suspension.start"]
        if starts:
            entered = (one["entered"] for one in starts if one["entered"] is not None)
            finished = (one["occurred"] for one in together if one.kind == "suspension.end")
            found.append(
                _Stretch(
                    began=min(one["occurred"] for one in starts),
                    finished=next(finished, None),
                    recorded=min(entered, default=None),
                    ground=max(one["value"] for one in starts),
                    ref=max(one["ref"] for one in starts),
                )
            )
    return tuple(found)


def _rounds(built: Reconstruction) -> Iterator[_Turn]:
    """The rounds that ran; one that a waiver cut short came to no result."""
    for step in built.state.steps:
        for turn in step.rounds:
            if turn.outcome != "waive":
                ended = turn.ended_at
                yield step.code, turn.started_at.replace(tzinfo=None), ended and ended.replace(tzinfo=None)


def _date(at: int) -> dt.date:
    return time_of(at).date()
