"""The working calendar (工作日历): which days are worked, and arithmetic in working days over them.

Firm days rest on the yearly notices of the State Council's General Office: the package `chinese_calendar` for the days
it covers, repaired and cited by `data/calendar/notices.yaml`, and notices dropped in later.  Beyond the horizon
(`firm_until`) days are computed from weekends and the statutory festivals and are provisional (暂定).  The last ten
days of the last covered year stay provisional too, because the next notice may still set them.

Dates are calendar dates of the business zone (Asia/Shanghai); limits are working days (工作日).  Counting
follows Civil Code art. 201 (民法典第二百零一条): the start day is not counted.  Make-up workdays (调休) are worked.
"""

from __future__ import annotations

import datetime as dt
import enum
import functools
import hashlib
from collections.abc import Collection, Iterable, Mapping
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import yaml
from chinese_calendar import constants as base

from definitions._calendar_notice import (
    LATE_DECEMBER,
    Notice,
    NoticeError,
    NoticeHoliday,
    contradictions,
    decode_notice,
    encode_notice,
    late_december,
    weekday_name,
)
from definitions._calendar_notice import read_notice as _read_notice
from definitions.model import Frozen, Text

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "AccountDay",
    "CalendarDay",
    "CalendarRangeError",
    "DayKind",
    "Notice",
    "NoticeError",
    "NoticeHoliday",
    "WorkingCalendar",
    "decode_notice",
    "encode_notice",
    "read_notice",
    "shipped",
    "weekday_name",
]

FIRST_DAY = dt.date(2004, 1, 1)
LAST_DAY = dt.date(2099, 12, 31)
_DATA = Path(__file__).parent / "data" / "calendar"


class CalendarRangeError(ValueError):
    """A date outside the calendar, or a limit that would end outside it. The message is bilingual."""


class DayKind(enum.StrEnum):
    """What a day is. `workday` and `makeup_workday` are worked; `holiday` may fall on any weekday."""

    workday = "workday"
    makeup_workday = "makeup_workday"
    weekend = "weekend"
    holiday = "holiday"


class CalendarDay(Frozen, frozen=True):
    """One day. `weekday`: ISO, Monday 1 to Sunday 7. `name`: its festival, for a holiday or a make-up workday.
    `notice`: number (文号) of the notice the day rests on; None when `provisional`."""

    date: dt.date
    weekday: int
    kind: DayKind
    name: Text | None
    notice: str | None
    provisional: bool
    working: bool


class AccountDay(Frozen, frozen=True):
    """One row of a day-by-day account. `counted`: the running count of working days, None when the day is not counted.
    `reason`: why it is or is not counted; `suspended` is a working day that was excluded."""

    date: dt.date
    weekday: int
    kind: DayKind
    name: Text | None
    notice: str | None
    provisional: bool
    counted: int | None
    reason: Literal["start", "working", "weekend", "holiday", "suspended"]


# Codes of the day kinds in the calendar's byte string: worked kinds come first, so that "working" is one comparison.
_KINDS = (DayKind.workday, DayKind.makeup_workday, DayKind.weekend, DayKind.holiday)
_WORKDAY, _MAKEUP, _WEEKEND, _HOLIDAY = range(4)


class _Mark(Frozen, frozen=True):
    """What a day is beyond its weekday: the festival, and the notice that arranged it (None: the statute alone)."""

    name: Text
    notice: str | None


class WorkingCalendar:
    """An immutable calendar of every day from `first_day` to `last_day`. Built by `shipped` and `with_notices`.

    `firm_until`: the horizon, the last day that rests on a notice; later days are provisional.  `hash`: SHA-256 (hex)
    of the days, the horizon and the notices dropped in, so that two nodes can tell whether they count alike.
    `notices`: every notice behind the calendar, oldest year first, changes after what they change.
    """

    __slots__ = (
        "_kinds",
        "_marks",
        "_worked",
        "_worked_to",
        "dropped_in",
        "firm_until",
        "first_day",
        "hash",
        "last_day",
        "notices",
    )

    def __init__(
        self, kinds: bytes, marks: Mapping[dt.date, _Mark], notices: tuple[Notice, ...], dropped_in: tuple[Notice, ...]
    ) -> None:
        self.first_day = FIRST_DAY
        self.last_day = LAST_DAY
        self.notices = notices
        self.dropped_in = dropped_in
        self.firm_until = dt.date(notices[-1].year, 12, LATE_DECEMBER - 1)
        self._kinds = kinds
        self._marks = marks
        # _worked_to[i]: working days up to and including day i; _worked[k]: the (k+1)-th working day of the calendar.
        self._worked_to = list(accumulate(kind < _WEEKEND for kind in kinds))
        self._worked = [dt.date.fromordinal(_ORIGIN + index) for index, kind in enumerate(kinds) if kind < _WEEKEND]
        identity = hashlib.sha256(f"{self.first_day} {self.firm_until}\n".encode() + kinds)
        for notice_hash in sorted(notice.hash for notice in dropped_in):
            identity.update(bytes.fromhex(notice_hash))
        self.hash = identity.hexdigest()

    def __repr__(self) -> str:
        return f"<WorkingCalendar {self.first_day}..{self.last_day}, firm until {self.firm_until}, {self.hash[:12]}>"

    def _index(self, day: dt.date) -> int:
        if isinstance(day, dt.datetime):
            raise TypeError("the working calendar takes dates of the business zone, not moments")
        index = day.toordinal() - _ORIGIN
        if 0 <= index < len(self._kinds):
            return index
        raise CalendarRangeError(
            f"日期 {day} 超出工作日历的范围（{self.first_day} 至 {self.last_day}），请核对年份 / "
            f"{day} is outside the working calendar ({self.first_day} to {self.last_day}); check the year"
        )

    def is_working(self, day: dt.date) -> bool:
        """Whether `day` is a working day, make-up workdays included. Raises `CalendarRangeError`."""
        return self._kinds[self._index(day)] < _WEEKEND

    def provisional_between(self, start: dt.date, end: dt.date) -> bool:
        """Whether any day in (start, end] is provisional, so that a count over it may still change."""
        self._index(start), self._index(end)
        return end > start and end > self.firm_until

    def day(self, day: dt.date) -> CalendarDay:
        """What `day` is, and the notice it rests on. Raises `CalendarRangeError`."""
        code = self._kinds[self._index(day)]
        mark = self._marks.get(day)
        return CalendarDay(
            date=day,
            weekday=day.isoweekday(),
            kind=_KINDS[code],
            name=mark.name if mark else None,
            notice=None if day > self.firm_until else mark.notice if mark else self._notice_of_year(day.year),
            provisional=day > self.firm_until,
            working=code < _WEEKEND,
        )

    def _notice_of_year(self, year: int) -> str | None:
        return next((notice.number for notice in self.notices if notice.year == year), None)

    def year(self, year: int) -> list[CalendarDay]:
        """Every day of `year`, in order. Raises `CalendarRangeError`."""
        if not self.first_day.year <= year <= self.last_day.year:
            raise CalendarRangeError(
                f"{year} 年超出工作日历的范围（{self.first_day.year} 至 {self.last_day.year} 年） / "
                f"the year {year} is outside the working calendar ({self.first_day.year} to {self.last_day.year})"
            )
        first = dt.date(year, 1, 1)
        return [self.day(first + dt.timedelta(days=n)) for n in range((dt.date(year, 12, 31) - first).days + 1)]

    def add(self, start: dt.date, n: int, excluded: Collection[dt.date] = ()) -> dt.date:
        """The `n`-th working day after `start`, which is not counted [民法典 201]; `start` itself when n is 0.

        `excluded` days are not counted (a suspension's days).  Raises `CalendarRangeError` when start or result lie
        outside the calendar, `ValueError` for a negative n.
        """
        index = self._index(start)
        if n <= 0:
            if n < 0:
                raise ValueError(f"工作日数不能为负：{n} / a number of working days cannot be negative: {n}")
            return start
        if excluded:
            return self._add_excluding(start, n, excluded)
        try:
            return self._worked[self._worked_to[index] + n - 1]
        except IndexError:
            raise self._ends_outside(start, n) from None

    def _add_excluding(self, start: dt.date, n: int, excluded: Collection[dt.date]) -> dt.date:
        before = self._worked_to[self._index(start)]
        skipped = {day for day in excluded if day > start and self.is_working(day)}
        passed = 0
        while True:
            try:
                due = self._worked[before + n + passed - 1]
            except IndexError:
                raise self._ends_outside(start, n) from None
            reached = sum(day <= due for day in skipped)
            if reached == passed:
                return due
            passed = reached

    def _ends_outside(self, start: dt.date, n: int) -> CalendarRangeError:
        return CalendarRangeError(
            f"从 {start} 起 {n} 个工作日超出工作日历的末日 {self.last_day} / "
            f"{n} working days from {start} end after the last day of the calendar, {self.last_day}"
        )

    def add_many(self, starts: NDArray[Any], n: int) -> NDArray[Any]:
        """`add` over an array: `datetime64[D]`, or proleptic ordinals (`date.toordinal`) of any integer type.

        Answers in the type it was given.  Raises `CalendarRangeError` when any start or result lies outside the
        calendar (NaT included), `TypeError` for another unit or type, `ValueError` for a negative n.
        """
        import numpy as np  # noqa: PLC0415 - a tenth of a second that single additions should not pay

        if n < 0:
            raise ValueError(f"工作日数不能为负：{n} / a number of working days cannot be negative: {n}")
        is_date = starts.dtype == np.dtype("datetime64[D]")
        if not is_date and starts.dtype.kind not in "iu":
            raise TypeError(f"add_many takes datetime64[D] or integer ordinals, not {starts.dtype}")
        origin = _ORIGIN - (_UNIX_EPOCH if is_date else 0)
        days = starts.view(np.int64) if is_date else starts
        # For one n the whole calendar is one table start -> result; an addition is then a single look-up.
        worked_to = np.asarray(self._worked_to, dtype=np.int64)
        worked = np.flatnonzero(np.frombuffer(self._kinds, dtype=np.uint8) < _WEEKEND)
        usable = len(worked_to) if n == 0 else int(np.searchsorted(worked_to, max(len(worked) - n, -1), side="right"))
        if days.size and not (origin <= days.min() and days.max() < origin + usable):
            raise CalendarRangeError(
                f"{starts.min()} 至 {starts.max()} 中有日期或其后第 {n} 个工作日超出工作日历"
                f"（{self.first_day} 至 {self.last_day}） / between {starts.min()} and {starts.max()} a date, or the "
                f"working day {n} after it, is outside the calendar ({self.first_day} to {self.last_day})"
            )
        table = np.arange(usable) if n == 0 else worked[worked_to[:usable] + (n - 1)]
        found: NDArray[np.int64] = (table + origin)[days - origin]
        return found.view("datetime64[D]") if is_date else found.astype(starts.dtype, copy=False)

    def count(self, start: dt.date, end: dt.date) -> int:
        """Working days in (start, end]; 0 when `end` is not after `start`. Raises `CalendarRangeError`."""
        until, before = self._index(end), self._index(start)
        return self._worked_to[until] - self._worked_to[before] if until > before else 0

    def last_working_on_or_before(self, day: dt.date) -> dt.date:
        """`day` itself when it is worked, else the last working day before it. Raises `CalendarRangeError`."""
        worked = self._worked_to[self._index(day)]
        if not worked:
            raise CalendarRangeError(
                f"{day} 之前没有日历内的工作日（日历始于 {self.first_day}） / "
                f"no working day of the calendar lies on or before {day} (it begins on {self.first_day})"
            )
        return self._worked[worked - 1]

    def account(self, start: dt.date, budget: int, excluded: Collection[dt.date] = ()) -> list[AccountDay]:
        """Every day from `start` (first row, not counted) to the due date (last row) of `budget` working days.

        `excluded` working days are shown as suspended and not counted.  Raises like `add`, whose result is the date
        of the last row.
        """
        due = self.add(start, budget, excluded)
        rows: list[AccountDay] = []
        counted = 0
        for offset in range((due - start).days + 1):
            day = self.day(start + dt.timedelta(days=offset))
            reason: Literal["start", "working", "weekend", "holiday", "suspended"]
            if not offset:
                reason = "start"
            elif not day.working:
                reason = "holiday" if day.kind is DayKind.holiday else "weekend"
            elif day.date in excluded:
                reason = "suspended"
            else:
                reason = "working"
                counted += 1
            rows.append(
                AccountDay(
                    date=day.date,
                    weekday=day.weekday,
                    kind=day.kind,
                    name=day.name,
                    notice=day.notice,
                    provisional=day.provisional,
                    counted=counted if reason == "working" else None,
                    reason=reason,
                )
            )
        return rows

    def with_notices(self, notices: Iterable[Notice]) -> WorkingCalendar:
        """A new calendar in which `notices` hold as well.

        A notice for the year after the last covered one extends the horizon and must give every statutory festival; a
        notice for a covered year is a change: it must be newer than those it changes, and what it does not mention
        stays, unless it gives every statutory festival again: then it stands in their place.  They apply in the order
        of their dates; a notice already in the calendar changes nothing.  Raises `NoticeError` with every
        contradiction, each with the file and line of its notice.
        """
        known = {notice.hash for notice in self.notices}
        fresh = {notice.hash: notice for notice in notices if notice.hash not in known}
        draft = _Draft(self._kinds, self._marks, self.notices, self.dropped_in)
        for notice in sorted(fresh.values(), key=lambda notice: (notice.published_on, notice.year, notice.number)):
            draft.apply(notice)
        if draft.problems:
            raise NoticeError(draft.problems)
        return draft.calendar() if fresh else self


class _Draft:
    """A calendar being extended: days are overwritten notice by notice, problems collected."""

    def __init__(
        self, kinds: bytes, marks: Mapping[dt.date, _Mark], notices: Iterable[Notice], dropped_in: Iterable[Notice]
    ) -> None:
        self.kinds = bytearray(kinds)
        self.marks = dict(marks)
        self.notices = list(notices)
        self.dropped_in = list(dropped_in)
        self.problems: list[str] = []

    def calendar(self) -> WorkingCalendar:
        return WorkingCalendar(bytes(self.kinds), self.marks, tuple(self.notices), tuple(self.dropped_in))

    def apply(self, notice: Notice) -> None:
        before = len(self.problems)
        for _, zh, en in contradictions(notice):
            self.refuse(notice, zh, en)
        last = self.notices[-1].year
        if any(notice.number == other.number for other in self.notices):
            self.refuse(
                notice,
                f"{notice.number} 已在日历中且内容不同；改正录入错误：尚未导入的改原文件，已导入的另写一份，"
                "number 注明“更正”，published_on 写更正之日",
                f"{notice.number} is in the calendar with other content; to mend a typing error, change its file, or "
                "once it is imported write another: its number marked as a correction, published_on the day of it",
            )
        elif notice.year == last + 1 <= LAST_DAY.year:
            self.begin_year(notice)
        elif FIRST_DAY.year <= notice.year <= last:
            self.check_newer(notice)
            if _statutory(notice.year) and not _forgotten(notice):
                self.begin_again(notice)
        else:
            self.refuse(
                notice,
                f"{notice.year} 年不能接在已有通知的 {last} 年之后，请先导入 {last + 1} 年的通知",
                f"{notice.year} does not follow {last}, the last year with a notice; import {last + 1} first",
            )
        if len(self.problems) == before:
            self.overwrite(notice)

    def refuse(self, notice: Notice, zh: str, en: str) -> None:
        self.problems.append(f"{notice.origin or notice.number}: {zh} / {en}")

    def check_newer(self, notice: Notice) -> None:
        before = [other for other in self.notices if other.year == notice.year]
        newest = max(before, key=lambda n: n.published_on)
        if notice.published_on <= newest.published_on:
            self.refuse(
                notice,
                f"{notice.year} 年已有 {newest.number}（{newest.published_on}），只有更晚成文的通知才能调整它",
                f"{notice.year} rests on {newest.number} ({newest.published_on}); only a later notice changes it",
            )
        # What a notice that was replaced since had arranged may be taken away: said too much, but nothing wrong.
        arranged = {day for other in before for day in (*other.rest_days, *other.makeup_workdays)}
        for day in notice.cancelled:
            if day not in self.marks and day not in arranged:
                self.refuse(
                    notice, f"{day} 原本没有安排，无从取消", f"{day} is not arranged, so it cannot be cancelled"
                )

    def begin_year(self, notice: Notice) -> None:
        """Clear what was provisional for the year, after checking that no statutory festival was forgotten."""
        for day, name in _forgotten(notice).items():
            self.refuse(
                notice,
                f"缺少法定节日 {name.zh} {day}；若通知确已取消，请写入 cancelled",
                f"the festival {name.en} {day} is missing; if the notice takes it away, list it as cancelled",
            )
        for day in _festivals().days:
            if day.year == notice.year:
                self.clear(day)

    def begin_again(self, notice: Notice) -> None:
        """Clear what the notices before it arranged for its year."""
        before = {other.number for other in self.notices if other.year == notice.year}
        for day in [day for day, mark in self.marks.items() if mark.notice in before]:
            self.clear(day)

    def clear(self, day: dt.date) -> None:
        self.kinds[day.toordinal() - _ORIGIN] = _by_weekday(day)
        self.marks.pop(day, None)

    def overwrite(self, notice: Notice) -> None:
        for day in notice.cancelled:
            self.clear(day)
        for day, name in notice.rest_days.items():
            self.kinds[day.toordinal() - _ORIGIN] = _HOLIDAY
            self.marks[day] = _Mark(name, notice.number)
        for day in notice.makeup_workdays:
            self.kinds[day.toordinal() - _ORIGIN] = _MAKEUP
            self.marks[day] = _Mark(_nearest_festival(day, notice), notice.number)
        self.notices.append(notice)
        self.notices.sort(key=lambda other: (other.year, other.published_on))
        self.dropped_in.append(notice)


def _statutory(year: int) -> dict[dt.date, Text]:
    """The statutory festivals of a year that the shipped calendar has no notice for; none for the others."""
    return {day: name for day, (name, in_lieu) in _festivals().days.items() if day.year == year and not in_lieu}


def _forgotten(notice: Notice) -> dict[dt.date, Text]:
    """The statutory festivals of its year that a notice neither gives nor takes away."""
    given = {*notice.rest_days, *notice.cancelled}
    return {day: name for day, name in _statutory(notice.year).items() if day not in given}


def _nearest_festival(day: dt.date, notice: Notice) -> Text:
    """A make-up workday is named after the festival next to it, as the notices do by paragraph."""
    rest_days = notice.rest_days
    nearest = min(rest_days, key=lambda other: abs(other - day), default=None)
    return rest_days[nearest] if nearest else Text(zh="调休上班", en="make-up workday")


def read_notice(source: Path | str) -> tuple[Notice, ...]:
    """The notices in a YAML file (`Path`) or text (`str`), judged each by itself.

    Raises `NoticeError` with every problem, each with file and line, and `OSError` when the file cannot be opened.
    Whether a notice fits the calendar is judged by `WorkingCalendar.with_notices`.
    """
    return _read_notice(source, names={name.zh: name for name in _festivals().names.values()})


# --- the shipped calendar ---------------------------------------------------------------------------------------------

_ORIGIN = FIRST_DAY.toordinal()
_UNIX_EPOCH = dt.date(1970, 1, 1).toordinal()


class _Base(Frozen, frozen=True):
    package: str
    version: str
    licence: str
    names: dict[str, str]


class _Citation(Frozen, frozen=True):
    year: int
    number: str
    published_on: dt.date
    certainty: Literal["text", "reported"]
    title: str = ""
    days: tuple[dt.date, ...] = ()
    quote: str = ""


class _Repair(Frozen, frozen=True):
    day: dt.date
    kind: DayKind
    festival: str
    notice: str
    quote: str


class _Notices(Frozen, frozen=True):
    """`data/calendar/notices.yaml`: what stands behind the days of the base package, and repairs to them."""

    last_verified_on: dt.date
    base: _Base
    names: dict[str, Text]
    title: str
    notices: tuple[_Citation, ...]
    changes: tuple[_Citation, ...]
    repairs: tuple[_Repair, ...]


class _Festivals(Frozen, frozen=True):
    """`data/calendar/festivals.yaml` with its dates written out. `days`: the festival, and whether given in lieu."""

    names: dict[str, Text]
    days: dict[dt.date, tuple[Text, bool]]


def _load(name: str) -> Any:
    # The C loader when PyYAML has it: the same answer ten times sooner.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load((_DATA / name).read_text(encoding="utf-8"), Loader=loader)  # noqa: S506 - a safe loader either way


@functools.cache
def _citations() -> _Notices:
    return msgspec.convert(_load("notices.yaml"), _Notices)


@functools.cache
def _festivals() -> _Festivals:
    data = _load("festivals.yaml")
    names = msgspec.convert(data["names"], dict[str, Text])
    days: dict[dt.date, tuple[Text, bool]] = {}
    for year, festivals in data["years"].items():
        for code, dates in festivals.items():
            for key, written in dates.items():
                for text in written:
                    day = dt.date(year, int(text[:2]), int(text[3:]))
                    name = names[code]
                    if day in days:  # two festivals on one day, as Mid-Autumn in the National Day holiday
                        other = days[day][0]
                        name = Text(zh=f"{other.zh}、{name.zh}", en=f"{other.en} and {name.en}")
                    days[day] = (name, key == "in_lieu")
    return _Festivals(names=names, days=days)


@functools.cache
def shipped() -> WorkingCalendar:
    """The calendar as shipped: firm from 2004-01-01 to ten days before the end of the last year with a notice,
    provisional from there to 2099-12-31. Built once."""
    cited = _citations()
    festivals = _festivals()
    yearly = {notice.year: notice for notice in cited.notices}
    changed = {day: change.number for change in cited.changes for day in change.days}
    names = {label: {**festivals.names, **cited.names}[code] for label, code in cited.base.names.items()}

    def behind(day: dt.date) -> str:
        """The notice an arranged day rests on: a change, or the notice of its year, which reaches back into the
        December before."""
        return changed.get(day) or yearly[day.year + late_december(day)].number

    arranged = {day: (_HOLIDAY, _Mark(names[label], behind(day))) for day, label in base.holidays.items()}
    arranged |= {day: (_MAKEUP, _Mark(names[label], behind(day))) for day, label in base.workdays.items()}
    arranged |= {
        repair.day: (_KINDS.index(repair.kind), _Mark(festivals.names[repair.festival], repair.notice))
        for repair in cited.repairs
    }
    notices = tuple(
        _as_notice(citation, cited.title, arranged)
        for citation in sorted((*cited.notices, *cited.changes), key=lambda notice: (notice.year, notice.published_on))
    )
    horizon = dt.date(notices[-1].year, 12, 31)
    arranged |= {day: (_HOLIDAY, _Mark(name, None)) for day, (name, _) in festivals.days.items() if day > horizon}
    size = LAST_DAY.toordinal() - _ORIGIN + 1
    week = bytes(_by_weekday(FIRST_DAY + dt.timedelta(days=n)) for n in range(7))
    kinds = bytearray((week * (size // 7 + 1))[:size])
    for day, (kind, _) in arranged.items():
        kinds[day.toordinal() - _ORIGIN] = kind
    return WorkingCalendar(bytes(kinds), {day: mark for day, (_, mark) in arranged.items()}, notices, ())


def _as_notice(citation: _Citation, title: str, arranged: Mapping[dt.date, tuple[int, _Mark]]) -> Notice:
    """The notice with the days the calendar takes from it (for a changed year: as left by the change)."""
    days = sorted(day for day, (_, mark) in arranged.items() if mark.notice == citation.number)
    rest: dict[Text, list[dt.date]] = {}
    for day in days:
        kind, mark = arranged[day]
        if kind == _HOLIDAY:
            rest.setdefault(mark.name, []).append(day)
    return Notice(
        year=citation.year,
        title=citation.title or title.format(year=citation.year),
        number=citation.number,
        published_on=citation.published_on,
        holidays=tuple(NoticeHoliday(name=name, days=tuple(dates)) for name, dates in rest.items()),
        makeup_workdays=tuple(day for day in days if arranged[day][0] == _MAKEUP),
    )


def _by_weekday(day: dt.date) -> int:
    return _WEEKEND if day.weekday() >= 5 else _WORKDAY
