"""The working calendar for the faces: due dates with their day-by-day account, and what a year looks like.

It reads the law and the files it is pointed at, no database and no clock.  Dates and naive times are of the business
zone (Asia/Shanghai); limits are working days.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from typing import Literal

import msgspec

from definitions.book import Book, DefinitionError, NoRuleInForce, UnknownClass
from definitions.calendar import (
    AccountDay,
    CalendarDay,
    CalendarRangeError,
    DayKind,
    Notice,
    NoticeError,
    WorkingCalendar,
    read_notice,
    shipped,
    weekday_name,
)
from definitions.model import Clause, Definition, Frozen, Text
from workflow.core.timers import counted_from
from workflow.core.times import BUSINESS_ZONE, business_date

__all__ = [
    "BAD_QUESTION",
    "AccountDay",
    "CalendarRangeError",
    "Due",
    "NoticeError",
    "Question",
    "Spell",
    "YearView",
    "due_after",
    "due_under",
    "parse_count",
    "parse_date",
    "parse_notice_file",
    "parse_start",
    "spells",
    "weekday_name",
    "working_calendar",
    "year_view",
]


class Question(ValueError):
    """A question that has no answer as asked. The message says in Chinese and English what to change."""


BAD_QUESTION = (Question, CalendarRangeError, NoticeError, NoRuleInForce, UnknownClass, DefinitionError)
"""What a face turns into a sentence for the clerk: each carries a bilingual message."""


class Rule(Frozen, frozen=True):
    """The limit a due date was computed under. `step` None: the limit of the whole (`kind` says which whole).
    `counting`: how a submission on a rest day or after hours is counted."""

    user_class: str
    name: Text
    step: str | None
    step_name: Text | None
    kind: Literal["step", "whole_process", "step_sum"]
    region: str
    on: dt.date
    counting: Literal["strict", "deemed"]
    definition: str
    clauses: tuple[Clause, ...]


class Due(Frozen, frozen=True):
    """A due date and how it came about. `start`: the date given; `counted_from`: the start day, which is not counted
    and differs from `start` only where a submission is deemed received later; `days`: the account, start day first.
    `firm_until`, `calendar`: the horizon and identity of the calendar used."""

    due_on: dt.date
    provisional: bool
    start: dt.date
    counted_from: dt.date
    working_days: int
    days: tuple[AccountDay, ...]
    firm_until: dt.date
    calendar: str
    rule: Rule | None = None


class YearView(Frozen, frozen=True):
    """A year of the calendar: the notices it rests on, and its days that are not plain workdays or weekends."""

    year: int
    working_days: int
    provisional: bool
    firm_until: dt.date
    calendar: str
    notices: tuple[Notice, ...]
    days: tuple[CalendarDay, ...]


class Spell(Frozen, frozen=True):
    """Neighbouring days of a year that are the same for the same reason."""

    first: CalendarDay
    last: CalendarDay
    days: int


def parse_start(text: str) -> dt.date | dt.datetime:
    """A date (`2026-01-04`) or a time (`2026-01-04T10:00`) in the business zone; an offset is converted into it.

    Raises `Question` for anything else.
    """
    try:
        if _DATE.fullmatch(text):
            return dt.date.fromisoformat(text)
        if _MOMENT.match(text):
            moment = dt.datetime.fromisoformat(text)
            return moment.replace(tzinfo=BUSINESS_ZONE) if moment.tzinfo is None else moment.astimezone(BUSINESS_ZONE)
    except (ValueError, OverflowError):  # no such day, or none in the business zone: refused below
        pass
    raise Question(
        f"“{text}”不是日期或时间, 请写成 2026-01-04 或 2026-01-04T10:00 / "
        f"{text!r} is not a date or time; write 2026-01-04 or 2026-01-04T10:00"
    )


_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}")


def parse_date(text: str) -> dt.date:
    """A date like 2026-01-04. Raises `Question` for anything else, a time included."""
    parsed = parse_start(text)
    if isinstance(parsed, dt.datetime):
        raise Question(f"“{text}”应只写日期, 如 2026-01-04 / {text!r} should be a date alone, like 2026-01-04")
    return parsed


def parse_count(text: str) -> int:
    """A whole number that is not negative, in ASCII digits. Raises `Question` for anything else."""
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise Question(f"“{text}”不是可用的整数 / {text!r} is not a usable whole number")
    return int(text)


def working_calendar(files: Iterable[Path] = ()) -> WorkingCalendar:
    """The shipped calendar with the notices of `files`. Raises `NoticeError`."""
    calendar = shipped()
    return calendar.with_notices(notice for file in files for notice in parse_notice_file(file))


def parse_notice_file(path: Path) -> tuple[Notice, ...]:
    """The notices in a YAML file, each judged by itself. Raises `NoticeError` with file and line of every problem."""
    try:
        return read_notice(path)
    except OSError as error:
        raise NoticeError([f"{path}: 无法打开文件 / the file cannot be opened: {error.strerror}"]) from error


def due_after(start: dt.date | dt.datetime, working_days: int, *, calendar: WorkingCalendar) -> Due:
    """The due date `working_days` after `start`. Raises `Question` (negative number) and `CalendarRangeError`."""
    if working_days < 0:
        raise Question(f"工作日数不能为负: {working_days} / working days cannot be negative: {working_days}")
    day = _date(start)
    return _due(day, day, working_days, calendar, None)


def due_under(
    start: dt.date | dt.datetime,
    *,
    user_class: str,
    step: str | None,
    on: dt.date | None,
    region: str,
    counting: Literal["strict", "deemed"] | None,
    law: Book,
    calendar: WorkingCalendar,
) -> Due:
    """The due date of a step, or of the whole where `step` is None, when its clock starts at `start`.

    `on`: the submission date that decides which limits are in force, by default the date of `start`.  `counting`: the
    practice for rest days and after hours, by default the definition's.  Raises `NoRuleInForce`, `UnknownClass`,
    `Question` (no such step, or one without a limit of its own) and `CalendarRangeError`.
    """
    day = _date(start)
    on = on or day
    try:
        definition = law.resolve(on=on, region=region, user_class=user_class)
    except ValueError as error:  # the region is not a code
        raise Question(str(error)) from error
    practice = counting or definition.counting.rest_day_submission
    moment = start if isinstance(start, dt.datetime) else dt.datetime.combine(start, dt.time(), BUSINESS_ZONE)
    first = counted_from(
        calendar,
        msgspec.structs.replace(definition.counting, rest_day_submission=practice),
        moment.astimezone(BUSINESS_ZONE),
    )
    limit, step_name, kind, cited = _limit(definition, step)
    rule = Rule(
        user_class=user_class,
        name=definition.name,
        step=step,
        step_name=step_name,
        kind=kind,
        region=region,
        on=on,
        counting=practice,
        definition=definition.hash,
        clauses=tuple(definition.clauses[clause] for clause in dict.fromkeys((*cited, *definition.counting.clauses))),
    )
    return _due(day, first, limit, calendar, rule)


def _limit(
    definition: Definition, step: str | None
) -> tuple[int, Text | None, Literal["step", "whole_process", "step_sum"], tuple[str, ...]]:
    if step is None:
        return definition.total.limit, None, definition.total.kind, definition.total.clauses
    rule = next((rule for rule in definition.steps if rule.code == step), None)
    if rule is None:
        path = "、".join(f"{rule.code} ({rule.name.zh})" for rule in definition.steps)
        codes = ", ".join(rule.code for rule in definition.steps)
        raise Question(
            f"{definition.name.zh}没有环节 {step}; 可用: {path} / "
            f"{definition.user_class} has no step {step}; it has {codes}"
        )
    if rule.limit is None:
        raise Question(
            f"{definition.name.zh}只限全过程时限, {rule.name.zh}没有单独时限; 请去掉 --step / "
            f"{definition.user_class} is limited as a whole, {step} has no limit of its own; leave out --step"
        )
    return rule.limit, rule.name, "step", rule.clauses


def _due(start: dt.date, first: dt.date, working_days: int, calendar: WorkingCalendar, rule: Rule | None) -> Due:
    days = calendar.account(first, working_days)
    return Due(
        due_on=days[-1].date,
        provisional=calendar.provisional_between(start, days[-1].date),
        start=start,
        counted_from=first,
        working_days=working_days,
        days=tuple(days),
        firm_until=calendar.firm_until,
        calendar=calendar.hash,
        rule=rule,
    )


def _date(start: dt.date | dt.datetime) -> dt.date:
    return business_date(start) if isinstance(start, dt.datetime) else start


def year_view(year: int, *, calendar: WorkingCalendar) -> YearView:
    """What a year holds beyond plain workdays and weekends. Raises `CalendarRangeError`."""
    days = calendar.year(year)
    return YearView(
        year=year,
        working_days=sum(day.working for day in days),
        provisional=days[-1].date > calendar.firm_until,
        firm_until=calendar.firm_until,
        calendar=calendar.hash,
        notices=tuple(notice for notice in calendar.notices if notice.year == year),
        days=tuple(day for day in days if day.kind in (DayKind.holiday, DayKind.makeup_workday)),
    )


def spells(days: Iterable[CalendarDay]) -> list[Spell]:
    """Runs of neighbouring days of one kind, festival, notice and standing, in order."""

    def alike(numbered: tuple[int, CalendarDay]) -> tuple[object, ...]:
        index, day = numbered
        return day.date.toordinal() - index, day.kind, day.name, day.notice, day.provisional

    runs = ([day for _, day in run] for _, run in groupby(enumerate(days), key=alike))
    return [Spell(first=run[0], last=run[-1], days=len(run)) for run in runs]
