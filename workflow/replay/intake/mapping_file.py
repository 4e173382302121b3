"""Mapping files, read with their line numbers: every fault is told with file and line.

`workflow/replay/mappings/` holds the ready ones, and the JSON Schema for editors.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from definitions.json_schema import published
from definitions.records import lifecycles
from definitions.shapes import (
    CODE,
    INVALID,
    NAME,
    At,
    Bool,
    Int,
    ListOf,
    MapOf,
    OneOf,
    Problem,
    Reader,
    Record,
    Shape,
    Str,
)  # fmt: skip
from workflow.replay import tables
from workflow.replay.intake.faults import BadHistory
from workflow.replay.intake.mapping import (
    READY,
    Condition,
    Emitter,
    Header,
    MappingFile,
    Names,
    Snapshots,
    Table,
    Value,
    said,
)  # fmt: skip

_TEXT = Str()
_TEXTS = ListOf(_TEXT, minimum=1)
_CODES = MapOf(r"(?s)^.*$", _TEXT)


@dataclass(frozen=True, slots=True)
class _OneOrMore:
    """A name, or several of which the first that the table has is meant."""

    def read(self, node: yaml.Node, at: At) -> Any:
        if isinstance(node, yaml.SequenceNode):
            return _TEXTS.read(node, at)
        name = _TEXT.read(node, at)
        return name if name is INVALID else (name,)

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [_TEXT.schema(), _TEXTS.schema()]}


@dataclass(frozen=True, slots=True)
class _Decimal:
    """A number."""

    def read(self, node: yaml.Node, at: At) -> Any:
        if isinstance(node, yaml.ScalarNode) and re.fullmatch(r"-?\d+(\.\d+)?", node.value):
            return float(node.value)
        return at.refuse(node, "应为数值", "must be a number")

    def schema(self) -> dict[str, Any]:
        return {"type": "number"}


@dataclass(frozen=True, slots=True)
class _Scale:
    """A number that others can be multiplied by without all becoming nothing."""

    def read(self, node: yaml.Node, at: At) -> Any:
        found = _Decimal().read(node, at)
        return at.refuse(node, "不能为 0", "must not be 0") if found == 0 else found

    def schema(self) -> dict[str, Any]:
        return {"type": "number", "not": {"const": 0}}


@dataclass(frozen=True, slots=True)
class _Value:
    """Where a value comes from: a column's name, or a record that says more; `first` holds alternatives."""

    nested: bool = True

    def _record(self) -> Record:
        optional: dict[str, Shape] = {
            "column": _OneOrMore(), "columns": ListOf(_TEXT, minimum=2), "join": _TEXT, "constant": _TEXT,
            "codes": _CODES, "otherwise": OneOf(("reject", "keep", "empty")),
            "extract": Str(None, ("带一个组的正则表达式", "a regular expression with one group"), _extracted),
            "absolute": Bool(only=True), "scale": _Scale(), "below": _Decimal(), "give": _TEXT,
            "unknown": Bool(only=True), "optional": Bool(only=True), "prefix": _TEXT,
        }  # fmt: skip
        if self.nested:
            optional["first"] = ListOf(_Value(nested=False), minimum=2)
        return Record({}, optional)

    def read(self, node: yaml.Node, at: At) -> Any:
        if isinstance(node, yaml.ScalarNode):
            name = _TEXT.read(node, at)
            return name if name is INVALID else Value(columns=(name,))
        found = self._record().read(node, at)
        if found is INVALID:
            return INVALID
        ways = [key for key in ("column", "columns", "constant", "first", "unknown") if key in found]
        if len(ways) != 1:
            return at.refuse(
                node, "column、columns、constant、first、unknown 须写且只写一个",
                "give exactly one of column, columns, constant, first, unknown",
            )  # fmt: skip
        if ("below" in found) != ("give" in found):
            return at.refuse(node, "below 与 give 须同时写", "below and give belong together")
        if "otherwise" in found and "codes" not in found:
            return at.refuse(node, "otherwise 须与 codes 同用", "otherwise needs codes")
        return Value(
            columns=found.get("column", ()),
            joined=found.get("columns", ()),
            join=found.get("join", "+"),
            constant=found.get("constant"),
            codes=found.get("codes"),
            otherwise=found.get("otherwise", "reject"),
            extract=found.get("extract"),
            absolute="absolute" in found,
            scale=found.get("scale"),
            below=found.get("below"),
            give=found.get("give"),
            first=found.get("first", ()),
            unknown="unknown" in found,
            optional="optional" in found,
            prefix=found.get("prefix", ""),
        )

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [_TEXT.schema(), self._record().schema()]}


def _tells_a_day(form: str) -> None:
    """Raise ValueError unless a day written in `form` is read back from it by the engine that will read the file."""
    noon = "TIMESTAMPTZ '2026-11-28 12:00+08'"  # with a zone, for forms that write one
    if _asked(f"SELECT CAST(strptime(strftime({noon}, $1), $1) AS DATE) = DATE '2026-11-28'", form) != (True,):
        raise ValueError("须有年、月、日 / it needs year, month and day")


_TIME = Str(
    None,
    ("时间格式, 如 %d/%m/%Y %H:%M, 须有年、月、日",
     "a form of times with year, month and day, such as %d/%m/%Y %H:%M"),
    _tells_a_day,
)  # fmt: skip


def _one_group(pattern: str) -> None:
    if re.compile(pattern).groups != 1:
        raise ValueError("要有且只有一个组 / it needs exactly one group")


def _searched(pattern: str) -> None:
    """Raise ValueError or re.error for what the engine that searches the rows does not take: it looks neither ahead
    nor back."""
    re.compile(pattern)
    _asked("SELECT regexp_matches('', $1)", pattern)


def _extracted(pattern: str) -> None:
    _one_group(pattern)
    _searched(pattern)


def _asked(question: str, text: str) -> tuple[Any, ...] | None:
    """What the engine answers. Raises ValueError when it cannot read `text`."""
    import duckdb  # noqa: PLC0415  # slow to load, and most mappings have nothing to ask

    try:
        with duckdb.connect() as connection:
            connection.execute("SET TimeZone = 'Asia/Shanghai'")
            return connection.execute(question, [text]).fetchone()
    except duckdb.Error as error:
        raise ValueError(str(error).splitlines()[0]) from error


_CONDITION = Record(
    {"column": _OneOrMore()},
    {
        "values": _TEXTS,
        "filled": Bool(only=True),
        "empty": Bool(only=True),
        "pattern": Str(None, ("正则表达式", "a regular expression"), _searched),
    },
)
_IGNORED = Record({**_CONDITION.required, "because": NAME}, _CONDITION.optional)
_EVENT_NAME: Final = r"^[a-z_]+\.[a-z_]+(=.+)?$"
_EVENT = Str(_EVENT_NAME, ("活动.动作, 如 metering.complete", "activity.lifecycle such as metering.complete"))
_GIVEN = {column.name for column in tables.EVENTS if not column.derived}
_NAMES = Record({"to": MapOf(r"(?s)^.*$", _EVENT)}, {
    "column": _OneOrMore(), "columns": ListOf(_TEXT, minimum=2), "join": _TEXT, "ignore": _TEXTS,
    "otherwise": OneOf(("reject", "ignore")),
})  # fmt: skip
_EMITTER = Record(
    {},
    {**{name: _Value() for name in sorted(_GIVEN)}, "event": _EVENT, "names": _NAMES, "when": _CONDITION},
)
_TABLE = Record(
    {"name": CODE, "read": OneOf(("cases", "events", "changes", "any"))},
    {
        "sheets": _TEXTS,
        "optional": Bool(),
        "hidden": Bool(),
        "header": Record({}, {"find": _TEXTS, "within": Int(1), "rows": Int(1)}),
        "found": MapOf(
            r"^[a-z][a-z0-9_]*$",
            Record({"sheet": _TEXT, "pattern": Str(None, ("正则表达式", "a pattern"), _one_group)}),
        ),
        "ignore": ListOf(_IGNORED),
        "case": Record({}, {column.name: _Value() for column in tables.CASES if not column.derived}),
        "events": ListOf(_EMITTER, minimum=1),
        "snapshots": Record(
            {"by": _Value(), "key": _Value(), "milestones": MapOf(r"\S", _EVENT, minimum=1)},
            {"source": _TEXT, "run_within": Int(0), "within": _Value()},
        ),
    },
)
SHAPE: Final = Record(
    {"mapping": CODE, "name": NAME, "tables": ListOf(_TABLE, minimum=1)},
    {
        "origin": _TEXT,
        "steps": ListOf(CODE, minimum=1),
        "classes": ListOf(CODE, minimum=1),
        "offsets": OneOf(("convert", "drop")),
        "midnight_is_date": Bool(),
        "excel_serials": Bool(),
        "times": ListOf(_TIME, minimum=1),
        "missing": _TEXTS,
        "encoding": _TEXT,
        "delimiter": Str(r"^.$", ("一个字符", "one character")),
        "case_object": _TEXT,
    },
)


def schema() -> dict[str, Any]:
    """The JSON Schema of a mapping file."""
    return published("baozhuang replay: mapping", SHAPE)


def ready() -> tuple[str, ...]:
    """The names of the mappings that come with the project."""
    return tuple(sorted(path.stem for path in READY.glob("*.yaml")))


def load(path: Path | str, steps: tuple[str, ...] = ()) -> MappingFile:
    """The mapping in `path`, or the ready one of that name. `steps`: of the process it will be read for, unless it has
    its own; events that the process does not have are faults. Raises BadHistory with every fault, its file and line."""
    if isinstance(path, str) and path in ready():
        path = READY / f"{path}.yaml"
    path = Path(path)
    if not path.is_file():
        raise BadHistory(
            f"没有对照表 {path}; 随软件附带的有 / there is no mapping {path}; ready ones are: {', '.join(ready())}"
        )
    reader = Reader(path.parent)
    found = reader.read(path, SHAPE)
    if found is not INVALID and not reader.problems:
        mapping = _assemble(found)
        reader.problems.extend(_Between(mapping, mapping.steps or steps, reader, path).problems())
    if reader.problems:
        raise BadHistory(*(str(problem) for problem in sorted(reader.problems)))
    return mapping


def _condition(found: dict[str, Any] | None) -> Condition | None:
    if found is None:
        return None
    because = found.get("because", {"zh": "", "en": ""})
    return Condition(
        found["column"],
        found.get("values", ()),
        found.get("pattern"),
        (because["zh"], because["en"]),
        "empty" in found,
    )


def _emitter(found: dict[str, Any]) -> Emitter:
    columns = {name: value for name, value in found.items() if name in _GIVEN}
    if event := found.get("event"):
        columns |= said(event)
    names = found.get("names")
    return Emitter(
        columns,
        names
        and Names(
            Value(columns=names.get("column", ()), joined=names.get("columns", ()), join=names.get("join", "+")),
            names["to"],
            names.get("ignore", ()),
            names.get("otherwise", "reject"),
        ),
        _condition(found.get("when")),
    )


def _assemble(found: dict[str, Any]) -> MappingFile:
    made = []
    for one in found["tables"]:
        snapshots = one.get("snapshots")
        made.append(
            Table(
                one["name"],
                one["read"],
                one.get("sheets", ()),
                one.get("hidden", False),
                Header(**one.get("header", {})),
                {name: (there["sheet"], there["pattern"]) for name, there in one.get("found", {}).items()},
                tuple(filter(None, map(_condition, one.get("ignore", ())))),
                one.get("case", {}),
                tuple(map(_emitter, one.get("events", ()))),
                snapshots
                and Snapshots(
                    snapshots["by"],
                    snapshots["key"],
                    snapshots["milestones"],
                    snapshots.get("source"),
                    snapshots.get("run_within", 0),
                    snapshots.get("within"),
                ),
                one.get("optional", False),
            )
        )
    plain = (
        "steps", "classes", "offsets", "midnight_is_date", "excel_serials", "times", "missing", "encoding", "delimiter",
        "case_object",
    )  # fmt: skip
    return MappingFile(found["mapping"], tuple(made), **{key: found[key] for key in plain if key in found})


class _Between:
    """What only shows between the parts: values outside our lists, activities nobody has, tables that give nothing."""

    def __init__(self, mapping: MappingFile, steps: tuple[str, ...], reader: Reader, path: Path) -> None:
        self._mapping = mapping
        self._steps = steps
        self._node = reader.compose(path)
        self._at = At(reader, reader.name(path), "")

    def problems(self) -> Iterator[Problem]:
        """Every fault, at the first place that names what is wrong."""
        for table in self._mapping.tables:
            yield from self._lacking(table)
            yield from self._outside(table)
            yield from self._unheard_of(table)

    def _problem(self, text: str, zh: str, en: str) -> Problem:
        return Problem(self._at.mark(_where(self._node, text)), zh, en)

    def _lacking(self, table: Table) -> Iterator[Problem]:
        name = table.name
        if not (table.case or table.events or table.snapshots):
            yield self._problem(name, f"表 {name} 既不出业务也不出事件", f"table {name} gives neither cases nor events")
        if table.snapshots and table.events:
            zh = f"表 {name} 是逐次月报, 不另读 events: 日期列写在 milestones 里"
            yield self._problem(
                "events", zh, f"{name} holds successive reports, where events are not read: name them milestones"
            )
        if table.case and "case_id" not in table.case:
            yield self._problem(name, f"表 {name} 的 case 缺 case_id", f"case of {name} lacks case_id")
        for emitter in table.events:
            needed = {"case_id", "occurred_at"} | (set() if emitter.names else {"activity", "lifecycle"})
            for column in sorted(needed - set(emitter.columns)):
                yield self._problem(name, f"表 {name} 有事件缺 {column}", f"an event of {name} lacks {column}")

    def _outside(self, table: Table) -> Iterator[Problem]:
        """Values outside the closed lists of our columns."""
        for columns, gives in [(tables.CASES, table.case), *((tables.EVENTS, e.columns) for e in table.events)]:
            for column in columns:
                allowed = " | ".join(column.values)
                for text in _targets(gives[column.name]) if column.values and column.name in gives else ():
                    if text not in column.values:
                        yield self._problem(text, f"{column.name} 只能是 {allowed}", f"{column.name} must be {allowed}")

    def _unheard_of(self, table: Table) -> Iterator[Problem]:
        """Events that the process does not have."""
        if not self._steps:
            return
        activities = lifecycles(self._steps)
        for event in _events_named(table):
            activity, _, rest = event.partition(".")
            lifecycle = rest.partition("=")[0]
            if lifecycle not in activities.get(activity, ()):
                pair = f"{activity}.{lifecycle}"
                told = ", ".join(activities.get(activity, activities))
                yield self._problem(
                    event, f"没有 {pair} 这种事件(可用: {told})", f"there is no event {pair} (known: {told})"
                )


def _targets(value: Value) -> Iterator[str]:
    for one in value:
        yield from filter(None, (one.constant, one.give, *(one.codes or {}).values()))


def _events_named(table: Table) -> Iterator[str]:
    for emitter in table.events:
        if emitter.sparse and "lifecycle" in emitter.columns:
            event = f"{emitter.columns['activity'].constant}.{emitter.columns['lifecycle'].constant}"
            value = emitter.columns.get("value", Value()).constant
            yield event if value is None else f"{event}={value}"
        if emitter.names:
            yield from emitter.names.to.values()
    if table.snapshots:
        yield from table.snapshots.milestones.values()


def _where(node: yaml.Node | None, text: str) -> yaml.Node:
    """The first scalar of the file that reads `text`, or the file's first line."""
    if node is None:
        raise ValueError("the file has been read before")
    waiting = [node]
    while waiting:
        one = waiting.pop(0)
        if isinstance(one, yaml.ScalarNode) and one.value == text:
            return one
        if isinstance(one, yaml.SequenceNode):
            waiting = [*one.value, *waiting]
        elif isinstance(one, yaml.MappingNode):
            waiting = [part for pair in one.value for part in pair] + waiting
    return node
