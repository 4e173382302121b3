"""The notice that arranges a year's holidays (放假安排通知), and the reader of the file it is dropped in as.

A notice is a value with a content hash.  Everything that can be judged from the notice alone is judged here, and the
reader gives each problem its file and line; what depends on the calendar it joins is judged in `calendar`.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
import yaml

from definitions.model import Frozen, Text

LATE_DECEMBER = 22
"""A year's notice may also set days from this day of December of the year before; until it is in, they are open."""

Place = tuple[str | int, ...]
Problem = tuple[Place, str, str]


class NoticeError(ValueError):
    """A notice that cannot be used. `problems` has one bilingual sentence per problem, with file and line."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class NoticeHoliday(Frozen, frozen=True):
    """One festival of a notice and the days off it gives, weekends inside the span included or not."""

    name: Text
    days: tuple[dt.date, ...]


class Notice(Frozen, frozen=True):
    """One notice of the State Council or its General Office on a year's holidays.

    `holidays` are days off, `makeup_workdays` weekend days that are worked.  `cancelled` are days that an earlier
    notice, or the statutory festivals, arranged and this one returns to what their weekday says.  `origin` is where it
    was read (file:line), for messages only: it is not part of the identity.
    """

    year: int
    title: str
    number: str
    published_on: dt.date
    holidays: tuple[NoticeHoliday, ...]
    makeup_workdays: tuple[dt.date, ...]
    cancelled: tuple[dt.date, ...] = ()
    origin: str = ""

    @property
    def hash(self) -> str:
        """SHA-256 (hex) over the canonical JSON of the notice without `origin`."""
        return hashlib.sha256(encode_notice(self)).hexdigest()

    @property
    def rest_days(self) -> dict[dt.date, Text]:
        """The days off, each with its festival."""
        return {day: holiday.name for holiday in self.holidays for day in holiday.days}


def encode_notice(notice: Notice) -> bytes:
    """Canonical JSON of a notice without `origin`, as it is stored and hashed. `read_notice` reads it too."""
    content = msgspec.to_builtins(notice)
    del content["origin"]
    return msgspec.json.encode(content, order="deterministic")


def decode_notice(content: bytes) -> Notice:
    """The notice stored as `content`. Raises `NoticeError` when the content is not one."""
    try:
        return msgspec.json.decode(content, type=Notice)
    except msgspec.MsgspecError as error:
        raise NoticeError([f"已存的放假通知无法读取：{error} / A stored notice cannot be read: {error}"]) from error


def contradictions(notice: Notice) -> Iterator[Problem]:
    """What is wrong with a notice taken alone: each problem with its place in the notice, in Chinese and English."""
    for field in ("title", "number"):
        if not getattr(notice, field).strip():
            yield (field,), f"{field} 不能为空", f"{field} must not be empty"
    if notice.published_on.year not in (notice.year - 1, notice.year):
        yield (
            ("published_on",),
            f"成文日期 {notice.published_on} 与年度 {notice.year} 不符（应在上一年或当年）",
            f"published_on {notice.published_on} does not fit {notice.year} (the year before, or that year)",
        )
    listed: Counter[dt.date] = Counter()
    for place, day in _placed_days(notice):
        listed[day] += 1
        if listed[day] == 2:
            yield place, f"{day} 写了两次", f"{day} is listed twice"
        if day.year != notice.year and not (day.year == notice.year - 1 and late_december(day)):
            yield (
                place,
                f"{day} 不属于 {notice.year} 年（上一年只能写 12 月 {LATE_DECEMBER} 日至 31 日）",
                f"{day} is not in {notice.year} (of the year before, only 22 to 31 December may be set)",
            )
        if place[0] == "makeup_workdays" and day.weekday() < 5:
            yield (
                place,
                f"{day} 是{weekday_name(day).zh}，本来就上班，不能写作调休上班日",
                f"{day} is a {weekday_name(day).en}: a make-up workday must fall on a weekend",
            )
    for index, holiday in enumerate(notice.holidays):
        if not holiday.days:
            yield ("holidays", index), f"{holiday.name.zh}没有日期", f"{holiday.name.en} has no days"


def late_december(day: dt.date) -> bool:
    """Whether the next year's notice may still set `day`."""
    return day.month == 12 and day.day >= LATE_DECEMBER


def weekday_name(day: dt.date) -> Text:
    """The weekday in both languages."""
    return Text(zh="星期" + "一二三四五六日"[day.weekday()], en=_WEEKDAYS[day.weekday()])


_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def _placed_days(notice: Notice) -> Iterator[tuple[Place, dt.date]]:
    for index, holiday in enumerate(notice.holidays):
        for at, day in enumerate(holiday.days):
            yield ("holidays", index, "days", at), day
    for field in ("makeup_workdays", "cancelled"):
        for at, day in enumerate(getattr(notice, field)):
            yield (field, at), day


def read_notice(source: Path | str, *, names: Mapping[str, Text]) -> tuple[Notice, ...]:
    """The notices written in a YAML file (`Path`) or text (`str`): one mapping, or a list of them.

    `names` gives the festivals that may be written by their Chinese name alone.  Raises `NoticeError` with every
    problem found, each with file and line; `OSError` when the file cannot be opened.
    """
    text, origin = (source, "<text>") if isinstance(source, str) else (_utf8(source), source.name)
    try:
        # Not the C loader: libyaml overruns the stack, and kills the process, on a deeply nested file.
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        problem = getattr(error, "problem", None) or error
        raise NoticeError([f"{origin}:{line}: 不是有效的 YAML / not valid YAML: {problem}"]) from error
    except RecursionError as error:
        raise NoticeError([f"{origin}:1: 嵌套太深，不是放假通知 / nested too deeply for a notice"]) from error
    if root is None:
        raise NoticeError([f"{origin}:1: 文件是空的 / the file is empty"])
    nodes = root.value if isinstance(root, yaml.SequenceNode) else [root]
    reading = _Reading(origin, names)
    notices = [notice for notice in map(reading.notice, nodes) if notice]
    if reading.problems:
        raise NoticeError(reading.problems)
    return tuple(notices)


def _utf8(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise NoticeError([f"{path.name}:1: 请用 UTF-8 保存文件 / save the file as UTF-8"]) from error


_FIELDS = frozenset(Notice.__struct_fields__) - {"origin"}
_REQUIRED = ("year", "title", "number", "published_on")


class _Reading:
    """One pass over the nodes of a file, collecting problems instead of stopping at the first."""

    def __init__(self, origin: str, names: Mapping[str, Text]) -> None:
        self.origin = origin
        self.names = names
        self.problems: list[str] = []
        self.lines: dict[Place, int] = {}

    def complain(self, line: int, zh: str, en: str) -> None:
        self.problems.append(f"{self.origin}:{line}: {zh} / {en}")

    def notice(self, node: yaml.Node) -> Notice | None:
        """The notice at `node`, or None when it has problems."""
        before = len(self.problems)
        self.lines = {}
        fields = self.mapping(node, _FIELDS, _REQUIRED)
        notice = Notice(
            year=self.integer(fields.get("year")),
            title=self.string(fields.get("title")),
            number=self.string(fields.get("number")),
            published_on=self.date(fields.get("published_on")),
            holidays=tuple(
                self.holiday(item, ("holidays", index)) for index, item in enumerate(self.items(fields.get("holidays")))
            ),
            makeup_workdays=self.dates(fields.get("makeup_workdays"), ("makeup_workdays",)),
            cancelled=self.dates(fields.get("cancelled"), ("cancelled",)),
            origin=f"{self.origin}:{_line(node)}",
        )
        if len(self.problems) > before:
            return None
        self.lines |= {(name,): _line(value) for name, value in fields.items()}
        for place, zh, en in contradictions(notice):
            self.complain(self.lines[place], zh, en)
        return notice if len(self.problems) == before else None

    def holiday(self, node: yaml.Node, place: Place) -> NoticeHoliday:
        fields = self.mapping(node, frozenset({"name", "days", "from", "to"}), ("name",))
        self.lines[place] = _line(node)
        if "days" in fields and fields.keys() & {"from", "to"}:
            self.complain(_line(node), "days 与 from/to 只能写一种", "write either days or from/to")
        if "days" in fields or not fields.keys() & {"from", "to"}:
            days = self.dates(fields.get("days"), (*place, "days"))
        else:
            days = self.span(node, fields, (*place, "days"))
        return NoticeHoliday(name=self.festival(fields.get("name")), days=days)

    def span(self, node: yaml.Node, fields: Mapping[str, yaml.Node], place: Place) -> tuple[dt.date, ...]:
        if not {"from", "to"} <= fields.keys():
            self.complain(_line(node), "from 与 to 须同时写明", "from and to belong together")
            return ()
        first, last = self.date(fields["from"]), self.date(fields["to"])
        length = (last - first).days + 1
        if not 1 <= length <= 31:
            self.complain(_line(fields["to"]), f"{first} 至 {last} 不是合理的假期", f"{first} to {last} is no holiday")
            return ()
        self.lines |= {(*place, at): _line(fields["from"]) for at in range(length)}
        return tuple(first + dt.timedelta(days=at) for at in range(length))

    def festival(self, node: yaml.Node | None) -> Text:
        if isinstance(node, yaml.MappingNode):
            fields = self.mapping(node, frozenset({"zh", "en"}), ("zh", "en"))
            return Text(zh=self.string(fields.get("zh")), en=self.string(fields.get("en")))
        name = self.string(node)
        if node is not None and name not in self.names:
            known = "、".join(self.names)
            self.complain(
                _line(node),
                f"不认识的节日“{name}”，请写 {{zh: …, en: …}}，或用：{known}",
                f"unknown festival; write {{zh: …, en: …}} or one of: {known}",
            )
        return self.names.get(name, Text(zh=name, en=name))

    def dates(self, node: yaml.Node | None, place: Place) -> tuple[dt.date, ...]:
        items = self.items(node)
        self.lines |= {(*place, at): _line(item) for at, item in enumerate(items)}
        return tuple(map(self.date, items))

    def mapping(self, node: yaml.Node, allowed: frozenset[str], required: tuple[str, ...]) -> dict[str, yaml.Node]:
        if not isinstance(node, yaml.MappingNode):
            self.complain(_line(node), "这里应写成“键: 值”", "a mapping is expected here")
            return {}
        fields: dict[str, yaml.Node] = {}
        for key, value in node.value:
            name = str(key.value)
            if name not in allowed:
                self.complain(
                    _line(key), f"不认识的键 {name}", f"unknown key {name}; allowed: {', '.join(sorted(allowed))}"
                )
            elif name in fields:
                self.complain(_line(key), f"键 {name} 写了两次", f"the key {name} is given twice")
            fields[name] = value
        for name in required:
            if name not in fields:
                self.complain(_line(node), f"缺少 {name}", f"{name} is missing")
        return fields

    def items(self, node: yaml.Node | None) -> list[yaml.Node]:
        if node is None:
            return []
        if not isinstance(node, yaml.SequenceNode):
            self.complain(_line(node), "这里应写成列表", "a list is expected here")
            return []
        return list(node.value)

    def string(self, node: yaml.Node | None) -> str:
        if node is None:
            return ""
        if not isinstance(node, yaml.ScalarNode):
            self.complain(_line(node), "这里应写文字", "text is expected here")
            return ""
        return str(node.value)

    def integer(self, node: yaml.Node | None) -> int:
        written = self.string(node)
        if node is not None and not (written.isascii() and written.isdigit() and len(written) == 4):
            self.complain(_line(node), f"“{written}”不是四位数年份", f"{written!r} is not a four-digit year")
            return 0
        return int(written or 0)

    def date(self, node: yaml.Node | None) -> dt.date:
        written = self.string(node)
        try:
            if _DATE.fullmatch(written):
                return dt.date.fromisoformat(written)
        except ValueError:  # no such day: complained of below
            pass
        if node is not None:
            line = _line(node)
            self.complain(line, f"“{written}”不是日期，请写成 2027-01-01", f"{written!r} is not a date like 2027-01-01")
        return dt.date.min


_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
