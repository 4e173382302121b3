"""Facts of one case that need its rare records side by side: papers, returns, late starts, corrections (D07 D13 D17 D30
D33). Suspensions have a module of their own.

Conditions are of the language of the rules, with the thresholds of their files; moments and days are its numbers.
"""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from definitions._expressions import MOMENT_DAY, MOMENT_UNIT
from definitions.book import Book, region_or_nation
from definitions.calendar import WorkingCalendar
from definitions.detectors import Detectors
from definitions.model import STEPS, Definition
from workflow.core.state import Round
from workflow.replay.exact.classes import class_by_rules, definition_of, high_voltage, in_force
from workflow.replay.exact.judge import looser
from workflow.replay.exact.language import EPOCH, compiled, moment
from workflow.replay.exact.rounds import Reconstruction
from workflow.replay.exact.rows import Row
from workflow.replay.exact.suspensions import late_whole
from workflow.replay.lists import (
    ACCEPTED_ON,
    CLASS_FACTS,
    HANDED_IN,
    INSPECTIONS,
    PAPERS,
    PROJECT,
    SUBMITTED,
    WHOLE,
    changeable,
    papers_of,
)
from workflow.replay.references import listed, references

if TYPE_CHECKING:
    from workflow.replay.exact.facts import CaseFacts, Event

FACTS: Final = (
    "held_contact", "asked_after_documents", "documents_complete", "second_return", "returns_grew",
    "returns_excused", "waiting_start", "late_start", "improved_after", "improved_before", "changed_lost", "loosened",
    "change_unknown",
)  # fmt: skip


class Papers:
    """The conditions with their thresholds; build once, ask of any number of cases."""

    def __init__(self, rules: Detectors) -> None:
        def condition(text: str, *of: str) -> Any:
            return compiled(
                text, {**rules.gates, **{k: v for one in of for k, v in rules.detector(one).thresholds.items()}}
            )

        self._between = condition("NOT earlier(at, low) AND NOT earlier(high, at)")
        self._earlier = condition("earlier(a, b)")
        self._started_late = condition("wdays(ready, began) > :working_days", "D30")
        self._better = condition("past_due(was_from, was_to, budget) AND NOT past_due(now_from, now_to, budget)")
        self._sum_better = condition(
            "used <= total AND used + GREATEST(wd_at(was_to) - wd_at(was_from), 0)"
            " - GREATEST(wd_at(now_to) - wd_at(now_from), 0) > total"
        )
        self._near_in_time = condition(
            f"ABS(instant(at) - instant(now)) <= :other_record_days * {MOMENT_DAY // MOMENT_UNIT}", "D13"
        )

    def facts(
        self,
        case: CaseFacts,
        book: Book,
        calendar: WorkingCalendar,
        row: Row,
        *,
        on: dt.date | None,
        law: Definition | None,
        built: Reconstruction | None,
        used: int | None,
        refused: set[int],
    ) -> dict[str, Any]:
        """The facts named in `FACTS`. `on`: the date of the submission; `law`: the definition the case is judged by;
        `built`: the case as the engine would hold it; `used`: its used working days; `refused`: the rows of requests
        that the closed lists do not allow."""
        got = _received(case, book, row)
        high = high_voltage(row)
        complete = None if high is None else _last_of(got, (*ACCEPTED_ON, PROJECT) if high else ACCEPTED_ON)
        kinds = _kinds(book, region_or_nation(row.get("region")))
        starts = self._starts(case, got, complete, _taken(law, row.get("important_customer")))
        return {
            "documents_complete": complete,
            **self._asked(case, complete),
            **_returns(case),
            **self._late_starts(case, (*starts, *_handed_in_again(case, kinds)), refused),
            **self._corrections(case, None if law is None else _Counted(law, built, used, calendar)),
            **_reclassed(case, book, row, on),
        }

    def holds_between(self, case: CaseFacts, at: int | None, low: int | None, high: int | None) -> bool:
        """Whether a moment lies between two others, as far as their clocks can tell."""
        return self._between({"at": at, "low": low, "high": high}, case.worked) is True

    def is_earlier(self, case: CaseFacts, a: int | None, b: int | None) -> bool:
        """Whether a moment is known to lie before another, as far as their clocks can tell."""
        return self._earlier({"a": a, "b": b}, case.worked) is True

    def _asked(self, case: CaseFacts, complete: int | None) -> dict[str, Any]:
        """D07: what was entered afterwards excuses nobody; where nobody says when it was entered, the time told has to
        do."""
        contacts = [at for one, at in _dated(case, "service_contact.observed") if one["value"] == "connection_request"]
        asked = [_or(one["entered"], one["occurred"]) for one in case.events if one.kind == "document.requested"]
        return {
            "held_contact": min(
                (one for one in contacts if not any(self.holds_between(case, at, one, case["t0"]) for at in asked)),
                default=None,
            ),
            "asked_after_documents": any(self.holds_between(case, at, complete, case["t0"]) for at in asked),
        }

    def _late_starts(
        self, case: CaseFacts, starts: Iterable[tuple[int | None, int | None]], refused: set[int]
    ) -> dict[str, int | None]:
        """D30: what should have started a step's clock, and when it was started, where nothing was asked for in
        between."""
        excuses = [at for one, at in _dated(case, *(f"{step}.return" for step in STEPS))]
        excuses += [at for one, at in _dated(case, "document.requested") if _asks(one, refused)]
        late = [
            (ready, began)
            for ready, began in starts
            if ready is not None
            and began is not None
            and self._started_late({"ready": ready, "began": began}, case.worked) is True
            and not any(self.holds_between(case, at, ready, began) for at in excuses)
        ]
        return {
            "waiting_start": min((ready for ready, _ in late), default=None),
            "late_start": min((began for _, began in late), default=None),
        }

    def _starts(
        self, case: CaseFacts, got: Mapping[str, int], complete: int | None, taken: frozenset[str]
    ) -> Iterator[tuple[int | None, int | None]]:
        """What should start a step's clock, and what did. `taken`: the steps that the case takes."""
        yield complete, case["acceptance_start"]
        for step, kinds in HANDED_IN.items():
            before = STEPS[: STEPS.index(step)]
            ready = _last_of(got, kinds)
            ahead = next((one for one in reversed(before) if one in taken and case[f"{one}_waived"] == 0), None)
            if ready is None or ahead is None or case[f"{ahead}_pass"] is None:
                continue
            # Papers handed in early wait for the step before: nothing could have started.
            passes = [at for one in before if (at := case[f"{one}_pass"]) is not None]
            yield max([ready, *passes]), case[f"{step}_start"]
        starts = [at for _, at in _dated(case, *(f"{step}.start" for step in INSPECTIONS))]
        for one, asked in _dated(case, "service_contact.observed"):
            if one["value"] == "inspection_request":
                yield asked, min((at for at in starts if not self.is_earlier(case, at, asked)), default=None)

    def _corrections(self, case: CaseFacts, by: _Counted | None) -> dict[str, Any]:
        """D13: changed times that turned late into on time, after and before what they change had closed; and whether a
        record whose time was changed is not there."""
        after, before, lost = [], [], False
        for one, at in _dated(case, "correction.changed"):
            if not one["value"].endswith(".occurred_at"):
                continue
            changed = _CHANGED.get(one["value"])
            if changed is not None and case[changed] is None:
                lost = True
                continue
            if by is None:
                continue
            change = _Change(one["value"], _time(one["old_value"]), _time(one["new_value"]))
            spans = _spans(case, by, change)
            if spans is None:
                lost = True
                continue
            if change.was is None or change.now is None:
                continue  # from when to when cannot be read
            closings = list(self._bettered(case, by, change, spans))
            if not closings:
                continue
            backed = self._backed(case, one, change.now)
            lost = lost or backed is None
            if backed is not False:
                continue
            done = [closing is not None and at // MOMENT_UNIT >= closing // MOMENT_UNIT for closing in closings]
            after += [at for closed in done if closed]
            before += [at for closed in done if not closed]
        return {
            "improved_after": min(after, default=None),
            "improved_before": min(before, default=None),
            "changed_lost": lost,
        }

    def _bettered(self, case: CaseFacts, by: _Counted, change: _Change, spans: Iterable[_Span]) -> Iterator[int | None]:
        """Of each limit that the change of a time keeps: when what it limits was done, None while it is not."""
        law, whole = by.law, by.law.total.kind == "whole_process"
        for span in spans:
            side = "from" if span.moved_start else "to"
            was, now = ({"from": span.began, "to": span.finished, side: at} for at in (change.was, change.now))
            days = {f"{then}_{end}": _day(at) for then, of in (("was", was), ("now", now)) for end, at in of.items()}
            known = {"budget": span.budget, "used": by.used, "total": law.total.limit, **days}
            summed = span.summed and not whole and span.budget is not None
            if self._better(known, case.worked) is True or (summed and self._sum_better(known, case.worked) is True):
                yield span.finished
        if whole and change.field in WHOLE:
            began, done = _or(case["submitted"], case["t0"]), _or(case["metering_complete"], case["ended"])
            ends = change.field != SUBMITTED
            whole_spans = [(began, at) if ends else (at, done) for at in (change.was, change.now)]
            if [late_whole(case, by.calendar, law, *span) for span in whole_spans] == [True, False]:
                yield done

    def _backed(self, case: CaseFacts, correction: Event, now: int | None) -> bool | None:
        """Whether an approval and a record of another system stand for the correction; None where it is not known of
        which system a record is that may. The record that was corrected, and its system, say nothing for it."""
        if correction["ref"] == "":
            return False
        kind = correction["value"].removesuffix(".occurred_at")
        own = {correction["src"], *(one["src"] for one in case.events if one.kind == kind)} - {0}
        near = {
            one["src"]
            for one in case.events
            if one["src"] not in own
            and one.kind not in (kind, "correction.changed")
            and self._near_in_time({"at": one["occurred"], "now": now}, case.worked) is True
        }
        return True if near - {0} else (None if near else False)


_CHANGED: Final = changeable(STEPS)


class _Counted(NamedTuple):
    """What limits a case: its definition, its rounds, the working days it has used, and how they are counted."""

    law: Definition
    built: Reconstruction | None
    used: int | None
    calendar: WorkingCalendar


class _Change(NamedTuple):
    """A corrected time: whose, from when to when."""

    field: str
    was: int | None
    now: int | None


class _Span(NamedTuple):
    """A round that a changed time began (`moved_start`) or ended. `summed`: the step sum changes with it."""

    budget: int | None
    began: int | None
    finished: int | None
    moved_start: bool
    summed: bool = True


def _dated(case: CaseFacts, *kinds: str) -> Iterator[tuple[Event, int]]:
    """The events of these kinds whose time is known."""
    return ((one, one["occurred"]) for one in case.events if one.kind in kinds and one["occurred"] is not None)


def _or(first: int | None, second: int | None) -> int | None:
    return second if first is None else first


def _day(at: int | None) -> int | None:
    return None if at is None else at // MOMENT_DAY


def _last_of(got: Mapping[str, int], kinds: Iterable[str]) -> int | None:
    """When the last of several papers came; None until all are in."""
    moments = [got.get(kind) for kind in kinds]
    known = [at for at in moments if at is not None]
    return max(known) if len(known) == len(moments) else None


def _received(case: CaseFacts, book: Book, row: Row) -> dict[str, int]:
    """When each kind of paper was first received."""
    got: dict[str, int] = {}
    kinds = _kinds(book, region_or_nation(row.get("region")))
    for one, at in _dated(case, "document.received"):
        kind = kinds.get(one["value"])
        if kind is not None:
            got[kind] = min(at, got.get(kind, at))
    return got


@functools.lru_cache(maxsize=256)
def _kinds(book: Book, region: str) -> Mapping[str, str]:
    """The kind of paper that each word means in a region, at whatever time."""
    items = (item for one in book.classes for _, _, item in book.timeline(one, region))
    return {word: kind for item in items for word, (_, kind, _) in papers_of(item).items()}


def _handed_in_again(case: CaseFacts, kinds: Mapping[str, str]) -> Iterator[tuple[int | None, int | None]]:
    """After each return of a step, when the last of its papers came again before it was started once more, and that
    start."""
    for step, papers in PAPERS.items():
        starts = [at for _, at in _dated(case, f"{step}.start")]
        for _, back in _dated(case, f"{step}.return"):
            began = min((at for at in starts if at > back), default=None)
            if began is not None:
                came = [at for one, at in _dated(case, "document.received") if kinds.get(one["value"]) in papers]
                yield max((at for at in came if back < at <= began), default=None), began


def _asks(request: Event, refused: set[int]) -> bool:
    """Whether a request holds a step up: not one that may not be made, nor a paper that the customer volunteered."""
    return request.row not in refused and "volunteered" not in references(request["ref"])


def _taken(law: Definition | None, important: bool | None) -> frozenset[str]:
    """The national steps that a case takes, or may take, by the definition it is judged by."""
    if law is None:
        return frozenset(STEPS)
    asked = (step for step in law.steps if step.required_for == "all" or important is not False)
    return frozenset(part for step in asked for part in step.parts)


def _returns(case: CaseFacts) -> dict[str, Any]:
    """D17: several returns of one step, and whether the later lists stay within the first. The list that answers the
    submission at its very moment names papers that nobody has looked at yet."""
    seconds, grown, answered = [], [], case["submitted"]
    for step in STEPS:
        # A row said twice is one return.
        returns = [(at, one["value"]) for one, at in _dated(case, f"{step}.return")]
        lists = sorted({(at, text) for at, text in returns if at != answered or at % 2 == 1})
        if len(lists) < 2:
            continue
        first = set(listed(lists[0][1]))
        grew = lists[0][1] != "" and any(set(listed(text)) - first for _, text in lists[1:])
        grown.append(grew)
        if grew or any(text == "" for _, text in lists):
            seconds.append(lists[1][0])
    return {
        "second_return": min(seconds, default=None),
        "returns_grew": any(grown),
        "returns_excused": bool(grown) and not seconds,
    }


def _spans(case: CaseFacts, by: _Counted, change: _Change) -> list[_Span] | None:
    """The rounds that a changed time began or ended; of several the one whose time it now is, None where that cannot be
    told. The plan runs from acceptance where it has no start of its own: what one loses the other gains."""
    activity, _, life = change.field.removesuffix(".occurred_at").partition(".")
    code = "acceptance" if activity == "application" else activity
    if code not in STEPS or life not in ("submit", "start", "complete", "return"):
        return []
    several = case[f"{code}_starts"] > 1 or case[f"{code}_completes"] > 1 or case[f"{code}_returns"] > 0
    begins = life in ("submit", "start")
    if several or life == "return":
        turn = _round_of(case, by, change, code=code, life=life)
        if turn is None:
            return [] if by.law.total.kind == "whole_process" else None
        budget = next(step.limit for step in by.law.steps if step.code == code)
        finished = turn.ended_at if turn.outcome in ("complete", "return") else None
        return [_Span(budget, _at(turn.started_at), None if finished is None else _at(finished), begins)]
    if change.field == "acceptance.start.occurred_at" and case["submitted"] is not None:
        return []  # the clock runs from the submission
    rules = {step.code: step for step in by.law.steps if step.parts == (step.code,)}
    plan = next((step for step in by.law.steps if "supply_plan" in step.parts), None)
    derived = plan is not None and plan.starts != "hand_in" and case["supply_plan_starts"] == 0
    given = change.field == "acceptance.complete.occurred_at" and derived
    limit = rules[code].limit if code in rules else None
    spans = [_Span(limit, _start_of(case, by.law, code), case[f"{code}_pass"], begins, not given)]
    if given:
        limit = rules["supply_plan"].limit if "supply_plan" in rules else None
        spans.append(_Span(limit, case["acceptance_pass"], case["supply_plan_pass"], True, False))
    return spans


def _round_of(case: CaseFacts, by: _Counted, change: _Change, *, code: str, life: str) -> Round | None:
    """The round of a step that begins or ends with a changed time, as it now is."""
    turns = () if by.built is None else next((s.rounds for s in by.built.state.steps if s.code == code), ())
    submitted, now = case["submitted"], change.now
    found = []
    for at, turn in enumerate(turns):
        began = _at(turn.started_at)
        of_submission = submitted is not None and began // MOMENT_UNIT == submitted // MOMENT_UNIT
        own = began if life == "start" else None if turn.outcome not in ("complete", "return") else _at(turn.ended)
        if code == "acceptance" and case["t0"] is None:
            fits = False
        elif life == "submit":
            fits = of_submission
        elif life == "start":
            fits = _day(began) == _day(now) and not (code == "acceptance" and of_submission)
        else:
            fits = own is not None and _day(own) == _day(now)
        if fits:
            exact = own is not None and now is not None and own // MOMENT_UNIT == now // MOMENT_UNIT
            found.append((exact, at, turn))
    return max(found, key=lambda one: one[:2])[2] if found else None


def _at(time: dt.datetime) -> int:
    return int((time.replace(tzinfo=None) - EPOCH) / dt.timedelta(microseconds=1)) * MOMENT_UNIT


def _start_of(case: CaseFacts, law: Definition, step: str) -> int | None:
    if step == "acceptance":
        # An application that lost its time was made before that, and nobody knows how long.
        return _or(case["submitted"], None if case["t0"] is None else case["acceptance_start"])
    of = next((rule for rule in law.steps if step in rule.parts), None)
    own = case[f"{step}_starts"] > 0
    derived = case["acceptance_pass"] if of is not None and of.starts != "hand_in" and not own else None
    return _or(case[f"{step}_start"], derived)


def _time(text: str | None) -> int | None:
    """The moment that a correction speaks of; None where it cannot be read."""
    if text is None:
        return None
    try:
        return moment(dt.datetime.fromisoformat(text), None, len(text) == 10)
    except ValueError:
        return None


_NUMBERS: Final[Mapping[str, Callable[[str], float]]] = {
    "capacity_kw": float,
    "supply_count": lambda text: int(float(text)),
}


def _reclassed(case: CaseFacts, book: Book, row: Row, on: dt.date | None) -> dict[str, Any]:
    """D33: the first change of a fact after acceptance that gave a longer limit or lost zero investment, and whether
    there is one of which nobody can say that."""
    accepted = case["acceptance_complete"]
    of_business = [
        (at, one["old_value"]) for one, at in _dated(case, "correction.changed") if one["value"] == _BUSINESS
    ]
    found, unknown = [], False
    for one, at in _dated(case, "correction.changed"):
        name = one["value"].removeprefix("case.")
        if name == one["value"] or name not in (*CLASS_FACTS, "business_type"):
            continue
        if accepted is None or at <= accepted or (one["ref"] != "" and not one["only_uploads"]):
            continue
        old, new = one["old_value"], one["new_value"]
        if one["value"] == _BUSINESS:
            # What became a transfer has no limit any more, where there was one.
            freed = old not in (None, "transfer") and new == "transfer"
            if freed and on is not None and in_force(book, on, row.get("region")):
                found.append(at)
            elif freed or (new is None and old != "transfer") or (old is None and new == "transfer"):
                unknown = True
            continue
        kind = min(((until, was) for until, was in of_business if until > at), default=(at, case["business_type"]))[1]
        was, now = (_definition(book, {**row, name: _fact(name, text)}, on) for text in (old, new))
        if kind == "transfer":
            continue
        if was is None or now is None:
            unknown = True
        elif looser(now, was):
            if kind:
                found.append(at)
            else:
                unknown = True
    return {"loosened": min(found, default=None), "change_unknown": unknown}


_BUSINESS: Final = "case.business_type"


def _fact(name: str, text: str | None) -> Any:
    """What a correction says that a fact was or is; None where it cannot be read."""
    if text is None or name not in _NUMBERS:
        return text
    try:
        return _NUMBERS[name](text)
    except ValueError:
        return None


def _definition(book: Book, row: Row, on: dt.date | None) -> Definition | None:
    """The definition of the class by these facts; a region's promise to whoever files is not asked for."""
    if on is None:
        return None
    user_class = class_by_rules(book, {**row, "user_class": "lv_other"}, on, hv_requested=True)
    return definition_of(book, user_class, on, row.get("region"))
