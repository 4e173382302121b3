"""Lawful cases by columns: one part of a generated history, before any of its cases is made guilty."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from definitions.calendar import shipped
from definitions.model import UserClass
from workflow.replay.lists import HANDED_IN

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

CLASSES = get_args(UserClass)
RESIDENTIAL, LV_ZERO, LV_OTHER, HV_SINGLE, HV_DUAL = range(5)
SHARES = (0.55, 0.2, 0.1, 0.12, 0.03)
DAY = 86_400
HANDS = 40
HAND = 1000
PART = 60_000
"""Cases generated at a time: it bounds the memory."""

ORGS, REGIONS = 120, ("420000", "420200", "430000")
EPOCH = np.datetime64("2021-01-04", "D").astype(np.int64)
LAST = np.datetime64("2025-10-31", "D").astype(np.int64)


class Days:
    """Working-day arithmetic over arrays of day numbers since 1970."""

    def __init__(self) -> None:
        calendar = shipped()
        first, last = np.datetime64("2019-01-01"), np.datetime64("2028-12-31")
        self.origin = int(first.astype(np.int64))
        days = np.arange(first, last)
        worked = np.array([calendar.is_working(day.item()) for day in days])
        self.upto = np.cumsum(worked)
        self.days = np.flatnonzero(worked) + self.origin

    def add(self, day: Ints, n: Ints | int) -> Ints:
        """The n-th working day after `day` (before it, for negative n); `day` itself for 0."""
        n = np.broadcast_to(np.asarray(n, dtype=np.int64), day.shape)
        ordinal = self.upto[day - self.origin]
        worked = np.where(self.is_worked(day), 1, 0)
        ahead = self.days[ordinal + n - 1]
        behind = self.days[ordinal - worked + n]
        return np.where(n == 0, day, np.where(n > 0, ahead, behind))

    def is_worked(self, day: Ints) -> Mask:
        index = day - self.origin
        worked: Mask = np.diff(self.upto, prepend=0)[index] > 0
        return worked


calendar_days = functools.cache(Days)
"""Built once."""


@dataclass
class Stream:
    """Rows of one activity, for the cases `case`. Times are seconds since 1970, Asia/Shanghai wall clock."""

    activity: str
    lifecycle: str
    case: Ints
    occurred: Ints
    recorded: Ints
    source: str
    value: Any = None
    ref: NDArray[Any] | None = None
    batch: NDArray[Any] | None = None
    actor: Ints | None = None
    amount: float | None = None
    old_value: NDArray[Any] | None = None
    new_value: NDArray[Any] | None = None

    def __post_init__(self) -> None:
        # Streams are moved one by one; two may have been made from one array.
        self.occurred, self.recorded = self.occurred.copy(), self.recorded.copy()


class Part:
    """One part of a file: `n` cases from number `first`."""

    def __init__(self, rng: np.random.Generator, first: int, n: int, rate: float) -> None:
        self.rng, self.first, self.n, self.rate = rng, first, n, rate
        self.days = calendar_days()
        self.streams: dict[tuple[str, str], Stream] = {}
        self.extra: list[Stream] = []
        self.labels: list[tuple[Ints, str, bool]] = []
        self.untouched = np.ones(n, dtype=bool)
        self.no_serial = np.zeros(n, dtype=bool)
        self.serial = np.arange(n) * 10 + 10
        self.cls = rng.choice(5, n, p=SHARES).astype(np.int64)
        # Serial numbers rise with time inside an org, so submissions are drawn in order.
        day = np.sort(rng.integers(EPOCH, LAST, n))
        keep = rng.random(n) < 0.08
        self.day = np.where(keep, day, self.days.add(day - 1, 1))
        self.org = rng.integers(0, ORGS, n)
        zero_too_early = (self.cls == LV_ZERO) & (self.day < np.datetime64("2022-01-01", "D").astype(np.int64))
        self.cls[zero_too_early] = LV_OTHER
        self.submitted = self.day * DAY + 8 * 3600 + 1800 + rng.integers(0, 5400, n)
        self.ids = np.arange(first, first + n)
        self.texts = texts("BZ42-", self.ids)
        self.columns: dict[str, NDArray[Any]] = {}
        self._facts()
        self._lawful()

    # facts

    def _facts(self) -> None:
        cls, n = self.cls, self.n
        high = cls >= HV_SINGLE
        self.high = high
        self.columns = {
            "customer_kind": np.where(cls == RESIDENTIAL, "residential", "non_residential").astype(object),
            "enterprise_size": np.array([None, "small", "large", "large", "large"], dtype=object)[cls],
            "capacity_kw": np.array([8.0, 80.0, 100.0, 630.0, 2000.0])[cls],
            "voltage": np.where(high, "high", "low").astype(object),
            "supply_count": np.where(cls == HV_DUAL, 2, 1),
            "area": np.where(self.rng.random(n) < 0.7, "urban", "rural").astype(object),
            "user_class": np.array(CLASSES, dtype=object)[cls],
            "business_type": np.full(n, "new", dtype=object),
            "prior_capacity_kw": np.full(n, np.nan),
            "account_opened_on": np.full(n, None, dtype=object),
            "premises": self.ids.copy(),
            "customer": self.ids.copy(),
        }

    # the lawful course

    def _later(self, moment: Ints, n: Ints | int) -> Ints:
        """`n` working days later at some hour; some minutes later where n is 0."""
        n = np.broadcast_to(np.asarray(n, dtype=np.int64), moment.shape)
        size = moment.shape[0]
        same = moment + self.rng.integers(1500, 3300, size)
        other = self.days.add(moment // DAY, n) * DAY + 9 * 3600 + self.rng.integers(60, 4 * 3600, size)
        return np.where(n == 0, same, other)

    def _add(self, activity: str, lifecycle: str, case: Ints, at: Ints, source: str = "marketing", **more: Any) -> None:
        recorded = at + self.rng.integers(5, 240, at.shape[0])
        hands: Ints = self.rng.integers(0, HANDS, at.shape)
        actor = hands if source == "marketing" else None
        self.streams[activity, lifecycle] = Stream(activity, lifecycle, case, at, recorded, source, actor=actor, **more)

    def _see(self, activity: str, case: Ints, at: Ints, source: str, **more: Any) -> None:
        self._add(activity, "observed", case, at, source, **more)

    def _lawful(self) -> None:
        every = np.arange(self.n)
        rng = self.rng
        self.at: dict[str, Ints] = {"submit": self.submitted}
        for kind in ("identity", "premises_title"):
            self.extra.append(
                Stream("document", "received", every, self.submitted, self.submitted + 30, "marketing", kind)
            )
        self._add("application", "submit", every, self.submitted)
        accepted = self._later(self.submitted, rng.choice([0, 0, 1], self.n))
        self._add("acceptance", "start", every, self.submitted)
        self._add("acceptance", "complete", every, accepted)
        whole = np.flatnonzero(self.cls <= LV_ZERO)
        stepped = np.flatnonzero(self.cls >= LV_OTHER)
        high = np.flatnonzero(self.high)
        at = self.submitted[high]
        self.extra.append(Stream("document", "received", high, at, at + 30, "marketing", "project_approval"))
        ready = accepted.copy()
        limit = np.array([0, 0, 3, 10, 20])[self.cls[stepped]]
        planned = accepted.copy()
        planned[stepped] = self._later(accepted[stepped], rng.integers(1, limit))
        self._add("supply_plan", "start", stepped, accepted[stepped])
        self._add("supply_plan", "complete", stepped, planned[stepped])
        business = np.flatnonzero(self.cls != RESIDENTIAL)
        self._see(
            "site_survey", business, accepted[business] + rng.integers(300, 1300, business.size), "field_terminal"
        )
        self._see("contract_signed", stepped, self._later(planned[stepped], 1), "contract", ref=stepped)
        ready[stepped] = self._later(planned[stepped], rng.integers(2, 10, stepped.size))
        ready[high] = self._works(high, planned[high])
        self._see("fee_paid", stepped, ready[stepped] - 540, "finance", ref=stepped, amount=3000.0)
        self._add("metering", "start", every, ready)
        done = ready.copy()
        done[whole] = self._later(ready[whole], rng.integers(1, 4, whole.size))
        done[stepped] = self._later(ready[stepped], 1)
        self._see("work_ticket", every, done - 3600, "dispatch", ref=every, value="connection")
        self._see("meter_installed", every, done - 2400, "metering")
        self._see("first_energy", every, done - 1200, "metering")
        self._add("metering", "complete", every, done)
        self.at |= {"accepted": accepted, "planned": planned, "ready": ready, "done": done}

    def _works(self, high: Ints, planned: Ints) -> Ints:
        rng = self.rng
        self._see("design_dated", high, self.days.add(planned // DAY, 2) * DAY, "archive")
        at = self._later(planned, rng.integers(4, 9, high.size))
        passed = planned
        for code, kinds in HANDED_IN.items():
            for kind in kinds:
                self.extra.append(Stream("document", "received", high, at - 180, at - 150, "marketing", kind))
            if code == "mid_inspection":
                self._see("works_started", high, self.days.add(passed // DAY, 1) * DAY, "archive")
                self._see("material_issued", high, at - 3600, "material")
            if code == "completion_inspection":
                self._see("completion_report_dated", high, (at // DAY - 1) * DAY, "archive")
            self._add(code, "start", high, at)
            passed = self._later(at, rng.integers(0, 2, high.size))
            self._add(code, "complete", high, passed)
            at = self._later(passed, rng.integers(3, 13, high.size))
        for role in ("designer", "contractor"):
            expires = (planned // DAY + 1100) * DAY
            self.extra.append(Stream("licence_expires", "observed", high, expires, planned, "archive", role))
        return at

    # who gets a label

    def take(self, rule: str, *, guilty: bool, classes: tuple[int, ...] = (0, 1, 2, 3, 4), share: float = 1.0) -> Ints:
        """Fresh cases of these classes for a pattern: `rate` of them, less where its `share` is smaller."""
        able = np.flatnonzero(self.untouched & np.isin(self.cls, classes))
        chosen = able[self.rng.random(able.size) < self.rate * share]
        self.untouched[chosen] = False
        self.labels.append((self.ids[chosen], rule, guilty))
        return np.sort(chosen)

    def where(self, activity: str, lifecycle: str, cases: Ints) -> tuple[Stream, Ints]:
        """The stream, and the places of `cases` in it."""
        stream = self.streams[activity, lifecycle]
        places = np.searchsorted(stream.case, cases)
        return stream, places

    def before(self, cases: Ints, activity: str, working_days: int, source: str, **more: Any) -> None:
        """Records of another system some working days before T0."""
        at = self.days.add(self.day[cases], -working_days) * DAY + 10 * 3600 + self.rng.integers(0, 3600, cases.size)
        self.extra.append(Stream(activity, "observed", cases, at, at + 60, source, **more))

    def shift(self, activity: str, lifecycle: str, cases: Ints, at: Ints) -> None:
        stream, places = self.where(activity, lifecycle, cases)
        stream.recorded[places] += at - stream.occurred[places]
        stream.occurred[places] = at

    def drop(self, activity: str, lifecycle: str, cases: Ints) -> None:
        stream, places = self.where(activity, lifecycle, cases)
        keep = np.ones(stream.case.size, dtype=bool)
        keep[places] = False
        for name in ("case", "occurred", "recorded", "ref", "batch", "actor"):
            column = getattr(stream, name)
            if column is not None:
                setattr(stream, name, column[keep])


def texts(prefix: str, numbers: Ints, width: int = 9) -> pa.Array:
    """`prefix` and the numbers with leading zeros, as an Arrow text column."""
    digits = pc.utf8_lpad(pa.array(numbers).cast(pa.string()), width, "0")
    return pc.binary_join_element_wise(pa.scalar(prefix), digits, "")
