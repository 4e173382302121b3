"""A history as the oracle sees it: cases with their events, and the few words the rules of policy 6 are written in."""

from __future__ import annotations

import datetime as dt
import functools
import itertools
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from definitions.calendar import WorkingCalendar
from tests.replay.oracle.law import SIX, Rules, Step, class_by_rules, rules_of

Event = dict[str, Any]
DAY = dt.timedelta(days=1)
QUARTER = dt.timedelta(minutes=15)


@dataclass(frozen=True)
class Lists:
    """What an organisation declares: service accounts, all-in-one posts, contractors that alone hold a licence."""

    service_accounts: frozenset[str] = frozenset()
    all_in_one: frozenset[str] = frozenset()
    sole_contractors: frozenset[str] = frozenset()


class Finding(NamedTuple):
    """One rule's answer on one case (or one organisation, for S rules). `grounds`: sets of events each of which is
    enough for it; `systems`: of each ground the systems whose records accuse, None where one of them is not named."""

    case_id: str | None
    rule: str
    severity: str
    grounds: tuple[frozenset[int], ...] = ()
    systems: tuple[frozenset[str] | None, ...] = ()
    org: str | None = None


class Unjudged(Exception):
    """Evidence the rule needs is missing."""


class When(NamedTuple):
    """A moment, or only a date."""

    moment: dt.datetime
    only_date: bool

    @property
    def date(self) -> dt.date:
        return self.moment.date()


def when(event: Event) -> When:
    return When(event["occurred_at"], bool(event.get("occurred_is_date")))


def earlier(a: When, b: When, margin: dt.timedelta = QUARTER) -> bool:
    """Before, between systems: by more than 15 minutes; by date where one of them is only a date."""
    if a.only_date or b.only_date:
        return a.date < b.date
    return b.moment - a.moment > margin


def earlier_date(a: When, b: When) -> bool:
    return a.date < b.date and earlier(a, b)


def in_order(a: When, b: When) -> bool:
    """a strictly before b, inside one system."""
    return earlier(a, b, dt.timedelta(0))


def is_step(event: Event) -> bool:
    return event["activity"] in SIX


def refs(event: Event) -> list[str]:
    return [one for one in re.split(r"[;；,，、|\s]+", event.get("ref") or "") if one]


def only_uploads(event: Event) -> bool:
    """Screenshots and uploaded files, which prove nothing."""
    given = refs(event)
    return bool(given) and all(one.lower().replace("：", ":").startswith(("image:", "file:")) for one in given)


def in_batch(event: Event, *prefixes: str) -> bool:
    return (event.get("batch") or "").startswith(prefixes)


_CLAIMS = (("application", "submit"), ("acceptance", "start"), ("acceptance", "complete"))


class Case:
    """A case of the file."""

    def __init__(self, file: File, facts: dict[str, Any], events: list[Event]) -> None:
        self.file = file
        self.facts = facts
        self.id: str = facts["case_id"]
        self.all_events = events
        self.events = sorted(
            (e for e in events if e["occurred_at"] is not None), key=lambda e: (e["occurred_at"], e["_i"])
        )

    def get(self, name: str) -> Any:
        return self.facts.get(name)

    def need(self, name: str) -> Any:
        """A fact the rule cannot do without."""
        value = self.facts.get(name)
        if value is None:
            raise Unjudged(name)
        return value

    def all(self, activity: str, lifecycle: str | None = None, *, no_batch: tuple[str, ...] = ()) -> list[Event]:
        return [
            e
            for e in self.events
            if e["activity"] == activity
            and (lifecycle is None or e["lifecycle"] == lifecycle)
            and not (no_batch and in_batch(e, *no_batch))
        ]

    def some(self, activity: str, lifecycle: str) -> list[Event]:
        """As `all`, for evidence the rule needs."""
        found = self.all(activity, lifecycle)
        if not found:
            raise Unjudged(f"{activity}.{lifecycle}")
        return found

    def untimed(self, activity: str, lifecycle: str) -> bool:
        """It happened, and nobody knows when."""
        return any(
            e["occurred_at"] is None and (e["activity"], e["lifecycle"]) == (activity, lifecycle)
            for e in self.all_events
        )

    def seen(self, activity: str) -> bool:
        """Whether there is such a record, at whatever time."""
        return any(e["activity"] == activity for e in self.all_events)

    def done(self, code: str) -> list[Event]:
        """The completions of a step, those of an unknown time too."""
        return [e for e in self.all_events if (e["activity"], e["lifecycle"]) == (code, "complete")]

    def none_kept(self, activity: str) -> None:
        """Nothing of this in the case: clean where the organisation keeps such records, else Unjudged."""
        if not self.file.org_keeps(self.get("org"), activity):
            raise Unjudged(activity)

    # the claims

    @functools.cached_property
    def all_claims(self) -> list[Event]:
        return [e for e in self.all_events if (e["activity"], e["lifecycle"]) in _CLAIMS]

    @functools.cached_property
    def timed_claims(self) -> list[Event]:
        return [e for e in self.events if (e["activity"], e["lifecycle"]) in _CLAIMS]

    @functools.cached_property
    def claims(self) -> list[Event]:
        """None where one of an unknown time may have been the first: not where the application itself has its time."""
        if self.all("application", "submit") or not any(self.untimed(*one) for one in _CLAIMS):
            return self.timed_claims
        return []

    @property
    def first_claim(self) -> Event:
        if not self.claims:
            raise Unjudged("T0")
        return self.claims[0]

    @property
    def t0(self) -> When:
        first = self.first_claim
        same = [e for e in self.claims if e["occurred_at"] == first["occurred_at"]]
        return When(first["occurred_at"], any(e.get("occurred_is_date") for e in same))

    def names_me(self, event: Event) -> bool:
        mine = {self.id, self.get("case_no")} - {None}
        return any(one in mine for one in refs(event))

    # the law

    @property
    def submitted_on(self) -> dt.date:
        submit = self.all("application", "submit")
        return (submit or self.timed_claims)[0]["occurred_at"].date()

    @functools.cached_property
    def class_by_rules(self) -> str | None:
        if not self.timed_claims or self.is_transfer:
            return None
        asked = any(e["value"] == "hv_request" for e in self.all("document", "received"))
        return class_by_rules(self.facts, self.submitted_on, hv_requested=asked)

    @property
    def user_class(self) -> str | None:
        """The class by the rules, else as filed."""
        return self.class_by_rules or self.get("user_class")

    @functools.cached_property
    def structure(self) -> Rules | None:
        """The steps and documents in force, for rules of order; by the filed class where the facts decide none."""
        return self._rules(self.user_class)

    @functools.cached_property
    def rules(self) -> Rules | None:
        """The rules of the class that the facts give, for limits and charges."""
        return self._rules(self.class_by_rules)

    def _rules(self, user_class: str | None) -> Rules | None:
        return rules_of(user_class, self.submitted_on, self.get("region")) if user_class and self.timed_claims else None

    @property
    def high_voltage(self) -> bool:
        if self.get("voltage") is not None:
            return bool(self.get("voltage") == "high")
        if self.user_class is None:
            raise Unjudged("voltage")
        return self.user_class.startswith("hv")

    @property
    def ledger_applies(self) -> bool:
        """Nothing of the ledger applies to a change of use."""
        return bool(self.need("business_type") != "transfer")

    @property
    def is_transfer(self) -> bool:
        return bool(self.get("business_type") == "transfer")

    @functools.cached_property
    def waived(self) -> set[str]:
        """The steps this case was excused from, whenever; completion inspection is never waived."""
        return {
            e["activity"]
            for e in self.all_events
            if e["lifecycle"] == "waive" and e["activity"] in ("design_review", "mid_inspection")
        }

    def path(self) -> list[Any]:
        """The steps it takes: without those kept for important customers only, when it is none."""
        if self.structure is None:
            raise Unjudged("definition")
        return [
            step
            for step in self.structure.steps
            if not step.important_only or self.need("important_customer")
        ]  # fmt: skip

    def certain_path(self) -> tuple[list[Any], bool]:
        """The steps it takes for certain, and whether these are all; the national order where nothing is in force."""
        if self.structure is None:
            return [Step(code, None, (code,)) for code in SIX], True
        certain = [s for s in self.structure.steps if not s.important_only or self.get("important_customer")]
        open_ = self.get("important_customer") is None and any(s.important_only for s in self.structure.steps)
        return certain, not open_

    # how it ended

    @functools.cached_property
    def ending(self) -> Event | None:
        found = [e for e in self.events if e["activity"] == "application" and e["lifecycle"] != "submit"]
        return found[0] if found else None

    @property
    def untimed_ending(self) -> Event | None:
        """An ending of which nobody knows when it was."""
        found = [
            e
            for e in self.all_events
            if e["activity"] == "application" and e["lifecycle"] != "submit" and e["occurred_at"] is None
        ]
        return found[0] if found else None

    @functools.cached_property
    def energised(self) -> Event | None:
        """The first time: what is completed once more was there."""
        found = self.all("metering", "complete")
        return found[0] if found else None

    @property
    def was_energised(self) -> bool:
        """Whether anybody says so, at whatever time."""
        return self.energised is not None or self.untimed("metering", "complete")

    @property
    def closed(self) -> Event | None:
        """The whole process runs to energisation (policy 5), else to the ending."""
        return self.energised or self.ending

    @property
    def served(self) -> bool:
        """It had power by the time it was ended."""
        return None not in (self.ending, self.energised) and not in_order(when(self.ending), when(self.energised))  # type: ignore[arg-type]  # neither is None

    @property
    def end_lost(self) -> bool:
        """It ended, or was energised, and nobody knows when."""
        return self.closed is None and (self.untimed_ending is not None or self.was_energised)


@dataclass(eq=False)
class File:
    """A whole history. `case_columns`, `event_columns`: the columns the input had at all."""

    raw_cases: Sequence[dict[str, Any]]
    raw_events: Sequence[Event]
    calendar: WorkingCalendar
    as_of: dt.date
    case_columns: Collection[str] | None = None
    lists: Lists = field(default_factory=Lists)
    unsure_proofs: set[str] = field(default_factory=set)
    """The cases with a proof of which nobody knows whether it is used for several customers (D37)."""
    unsure_visits: set[str] = field(default_factory=set)
    """The cases with a visit that may have been one of three within minutes (D38)."""

    def __post_init__(self) -> None:
        by_case: dict[str, list[Event]] = {}
        for index, event in enumerate(self.raw_events):
            event["_i"] = index
            if self._is_later(event) or self._is_copy(event, by_case.get(event["case_id"], [])):
                continue
            by_case.setdefault(event["case_id"], []).append(event)
        known = {facts["case_id"]: facts for facts in self.raw_cases}
        for case_id in by_case:
            known.setdefault(case_id, {"case_id": case_id})
        self.cases = [Case(self, facts, by_case.get(case_id, [])) for case_id, facts in known.items()]
        self.by_id = {case.id: case for case in self.cases}
        self.events = [e for case in self.cases for e in case.events]

    def _is_later(self, event: Event) -> bool:
        """Of after the day of judgement, and not on record by then."""
        times = [at for at in (event["occurred_at"], event.get("recorded_at")) if at is not None]
        ahead = event["activity"] in ("licence_expires", "outage_plan")
        return event["occurred_at"] is not None and not ahead and all(at.date() > self.as_of for at in times)

    @staticmethod
    def _is_copy(event: Event, before: list[Event]) -> bool:
        """Said already, to the minute: of two dates without a time nobody knows whether they are one."""
        if not any(event.get(f"{at}_at") and not event.get(f"{at}_is_date") for at in ("occurred", "recorded")):
            return False
        own = {key: value for key, value in event.items() if key not in ("_i", "row")}
        return any(own == {key: value for key, value in one.items() if key not in ("_i", "row")} for one in before)

    def has_column(self, name: str) -> bool:
        if self.case_columns is not None:
            return name in self.case_columns
        return any(case.get(name) is not None for case in self.cases)

    def org_of(self, event: Event) -> Any:
        return self.by_id[event["case_id"]].get("org")

    @functools.cache  # noqa: B019 - a file lives as long as its test
    def wd(self, start: dt.date, end: dt.date) -> int:
        """Working days in (start, end], counted one by one."""
        if end <= start:
            return 0
        return sum(self.calendar.is_working(start + n * DAY) for n in range(1, (end - start).days + 1))

    @functools.cache  # noqa: B019 - a file lives as long as its test
    def due(self, start: dt.date, budget: int, resting: frozenset[dt.date] = frozenset()) -> dt.date:
        """The last counted working day of `budget` days after `start`."""
        day, left = start, budget
        while left:
            day += DAY
            if self.calendar.is_working(day) and day not in resting:
                left -= 1
        return day

    @functools.cache  # noqa: B019 - a file lives as long as its test
    def org_keeps(self, org: Any, activity: str) -> bool:
        """Whether such records appear for the organisation at all: where they do, their absence from a case says that
        there were none."""
        return any(e["activity"] == activity for c in self.cases if c.get("org") == org for e in c.all_events)

    # gate (b): recorded_at is a load time

    @functools.cached_property
    def loaded(self) -> set[tuple[Any, Any, tuple[int, int]]]:
        """The (source, org, month) whose recorded_at is when a load ran, not when somebody entered it."""
        groups: dict[tuple[Any, Any, tuple[int, int]], list[dt.datetime]] = {}
        for event in (e for case in self.cases for e in case.all_events):
            if event.get("recorded_at") is not None:
                groups.setdefault(self._load_key(event), []).append(event["recorded_at"])
        wider: dict[tuple[Any, ...], list[dt.datetime]] = {}
        for (source, org, _), times in groups.items():
            wider.setdefault((source, org), []).extend(times)
            wider.setdefault((org,), []).extend(times)

        def load(key: tuple[Any, Any, tuple[int, int]], times: list[dt.datetime]) -> bool:
            """A month of few records is loaded where its source is, a source of few where its organisation is."""
            if len(times) >= 20:
                return _is_load(times)
            more = next((w for w in (wider[key[:2]], wider[key[1:2]]) if len(w) >= 20), [])
            return bool(more) and _at_night(more)

        return {key for key, times in groups.items() if load(key, times)}

    def _load_key(self, event: Event) -> tuple[Any, Any, tuple[int, int]]:
        recorded = event["recorded_at"]
        return event.get("source"), self.org_of(event), (recorded.year, recorded.month)

    def entered(self, event: Event) -> dt.datetime:
        """When it was entered, for the rules that gate (b) holds back. Raises Unjudged."""
        if event.get("recorded_at") is None or self._load_key(event) in self.loaded:
            raise Unjudged("recorded_at")
        return event["recorded_at"]

    # gate (c): an absent ref

    @functools.cache  # noqa: B019 - a file lives as long as its test
    def refs_kept(self, activity: str, lifecycle: str) -> bool:
        """Whether an absent ref of such an event says anything."""
        every = (e for case in self.cases for e in case.all_events)
        alike = [e for e in every if e["activity"] == activity and e["lifecycle"] == lifecycle]
        return len(alike) < 20 or sum(bool(refs(e)) for e in alike) >= 0.2 * len(alike)

    def lacks_ref(self, event: Event) -> bool:
        """The event carries no ref, and that is evidence. Raises Unjudged where it is not."""
        if refs(event):
            return False
        if not self.refs_kept(event["activity"], event["lifecycle"]):
            raise Unjudged("ref")
        return True


def _at_night(times: list[dt.datetime]) -> bool:
    night = [0] * 24
    for at in times:
        if at.hour >= 18 or at.hour < 8:
            night[at.hour] += 1
    return sum(sorted(night)[-2:]) >= 0.9 * len(times)


def _is_load(times: list[dt.datetime]) -> bool:
    minutes: dict[tuple[int, int], int] = {}
    for at in times:
        minutes[at.hour, at.minute] = minutes.get((at.hour, at.minute), 0) + 1
    return _at_night(times) or max(minutes.values()) >= 0.5 * len(times)


def rows(*events: Event | None) -> frozenset[int]:
    return frozenset(e["_i"] for e in events if e is not None)


def sources(*events: Event) -> frozenset[str]:
    return frozenset(filter(None, (e.get("source") for e in events)))


def found(
    case: Case, rule: str, severity: str, grounds: Iterable[frozenset[int]], accusing: Iterable[Event]
) -> Finding:
    known = tuple(grounds)
    by_row = {e["_i"]: e.get("source") for e in accusing}
    return Finding(case.id, rule, severity, known, tuple(_systems(by_row, ground) for ground in known))


def _systems(by_row: dict[int, str | None], ground: frozenset[int]) -> frozenset[str] | None:
    named = [by_row[row] for row in ground if row in by_row]
    return frozenset(filter(None, named)) if named and all(named) else None


def worst(severities: Iterable[str]) -> str:
    return min(severities, key=("critical", "high", "medium", "low").index)


def combinations(events: Sequence[Event], size: int) -> list[frozenset[int]]:
    return [rows(*chosen) for chosen in itertools.combinations(events, size)]
