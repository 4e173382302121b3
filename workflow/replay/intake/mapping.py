"""Mapping files: how the tables of a foreign system become cases and events, as data.

A mapping names columns, codes and milestones; it holds no expression that would reach the engine.  Faults are told with
file and line.  `workflow/replay/mappings/` holds the ready ones, and the JSON Schema for editors.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from definitions._shapes import INVALID, At, Bool, Int, ListOf, MapOf, OneOf, Problem, Reader, Record, Shape, Str
from workflow.replay import tables
from workflow.replay.intake.faults import BadHistory

READY: Final = Path(__file__).parent.parent / "mappings"

_TEXT = Str()
_WORD = Str(r"^[a-z][a-z0-9_]*$", ("编码(小写字母、数字、下划线)", "a code in lower case"))
_TEXTS = ListOf(_TEXT, minimum=1)
_SAID = Record({"zh": _TEXT, "en": _TEXT})
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
class _Value:
    """Where a value comes from: a column's name, or a record that says more; `first` holds alternatives."""

    nested: bool = True

    def _record(self) -> Record:
        optional: dict[str, Shape] = {
            "column": _OneOrMore(), "columns": ListOf(_TEXT, minimum=2), "join": _TEXT, "constant": _TEXT,
            "codes": _CODES, "otherwise": OneOf(("reject", "keep", "empty")),
            "extract": Str(None, ("带一个组的正则表达式", "a regular expression with one group"), _one_group),
            "absolute": Bool(only=True), "scale": _Decimal(), "below": _Decimal(), "give": _TEXT,
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


def _one_group(pattern: str) -> None:
    if re.compile(pattern).groups != 1:
        raise ValueError("要有且只有一个组 / it needs exactly one group")


@dataclass(frozen=True, slots=True)
class Value:
    """Where one value comes from. `columns`: names, the first one the table has is read; `joined`: columns read as one
    text with `join` between; `constant`; `first`: the first alternative that gives something; `unknown`: it happened,
    nobody says when.  `codes`: foreign value → ours, `otherwise` for what they lack.  `extract`: the group of this
    pattern.  `below`/`give`: `give` when the number is below.  `optional`: the table may lack the column."""

    columns: tuple[str, ...] = ()
    joined: tuple[str, ...] = ()
    join: str = "+"
    constant: str | None = None
    codes: Mapping[str, str] | None = None
    otherwise: str = "reject"
    extract: str | None = None
    absolute: bool = False
    scale: float | None = None
    below: float | None = None
    give: str | None = None
    first: tuple[Value, ...] = ()
    unknown: bool = False
    optional: bool = False
    prefix: str = ""

    def __iter__(self) -> Iterator[Value]:
        """The alternatives, or the value itself."""
        yield from self.first or (self,)


@dataclass(frozen=True, slots=True)
class Condition:
    """Rows in which `column` holds one of `values`, any value (`filled`) or none (`empty`), or
    matches `pattern`."""

    column: tuple[str, ...]
    values: tuple[str, ...] = ()
    filled: bool = False
    pattern: str | None = None
    because: tuple[str, str] = ("", "")
    empty: bool = False


@dataclass(frozen=True, slots=True)
class Names:
    """Activity names of a foreign log: name → `activity.lifecycle` or `activity.lifecycle=value`; names to ignore."""

    value: Value
    to: Mapping[str, str]
    ignore: tuple[str, ...] = ()
    otherwise: str = "reject"


@dataclass(frozen=True, slots=True)
class Emitter:
    """What makes one event of a row. With a constant activity an empty time means that nothing happened yet."""

    columns: Mapping[str, Value]
    names: Names | None = None
    when: Condition | None = None

    @property
    def sparse(self) -> bool:
        """Whether a row without a time is no event (a milestone column) instead of a fault."""
        activity = self.columns.get("activity")
        return activity is not None and activity.constant is not None


@dataclass(frozen=True, slots=True)
class Header:
    """Where the header stands: the row that holds all of `find`, looked for in the first `within` rows; it is `rows`
    deep, the names of its rows joined by a blank."""

    find: tuple[str, ...] = ()
    within: int = 40
    rows: int = 1


@dataclass(frozen=True, slots=True)
class Snapshots:
    """Successive reports of the same cases. `by`: the report's date; `key`: the case; `milestones`: column → event.
    `run_within`: days after its date within which a report was made, so that a date in that time is not a future one.
    `within`: the part of the report a row stands in, when the parts do not have the same columns."""

    by: Value
    key: Value
    milestones: Mapping[str, str]
    source: str | None = None
    run_within: int = 0
    within: Value | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """One table of the foreign system. `read`: which input it is looked for in; `sheets`: patterns of sheet names."""

    name: str
    read: str
    sheets: tuple[str, ...] = ()
    hidden: bool = False
    header: Header = Header()
    found: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    ignore: tuple[Condition, ...] = ()
    case: Mapping[str, Value] = field(default_factory=dict)
    events: tuple[Emitter, ...] = ()
    snapshots: Snapshots | None = None


@dataclass(frozen=True, slots=True)
class MappingFile:
    """A mapping as read. `steps`: step codes of a process that is not ours (None: the book's). `offsets`: whether a
    time's offset is converted to Shanghai wall clock or dropped because the wall clock of the place is meant."""

    code: str
    tables: tuple[Table, ...]
    steps: tuple[str, ...] | None = None
    classes: tuple[str, ...] = ()
    offsets: str = "convert"
    midnight_is_date: bool = False
    excel_serials: bool = False
    times: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    encoding: str | None = None
    delimiter: str | None = None
    case_object: str | None = None


_CONDITION = Record(
    {"column": _OneOrMore()},
    {
        "values": _TEXTS,
        "filled": Bool(only=True),
        "empty": Bool(only=True),
        "pattern": Str(None, ("正则表达式", "a regular expression"), re.compile),
    },
)
_IGNORED = Record({**_CONDITION.required, "because": _SAID}, _CONDITION.optional)
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
    {"name": _WORD, "read": OneOf(("cases", "events", "changes", "any"))},
    {
        "sheets": _TEXTS,
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
    {"mapping": _WORD, "name": _SAID, "tables": ListOf(_TABLE, minimum=1)},
    {
        "origin": _TEXT,
        "steps": ListOf(_WORD, minimum=1),
        "classes": ListOf(_WORD, minimum=1),
        "offsets": OneOf(("convert", "drop")),
        "midnight_is_date": Bool(),
        "excel_serials": Bool(),
        "times": _TEXTS,
        "missing": _TEXTS,
        "encoding": _TEXT,
        "delimiter": Str(r"^.$", ("一个字符", "one character")),
        "case_object": _TEXT,
    },
)


def schema() -> dict[str, Any]:
    """The JSON Schema of a mapping file."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "baozhuang replay: mapping",
        **SHAPE.schema(),
    }


def ready() -> tuple[str, ...]:
    """The names of the mappings that come with the project."""
    return tuple(sorted(path.stem for path in READY.glob("*.yaml")))


def load(path: Path | str) -> MappingFile:
    """The mapping in `path`, or the ready one of that name. Raises BadHistory with every fault, its file and line."""
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
        reader.problems.extend(_between(mapping, reader, path))
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
        "filled" in found,
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


def said(event: str) -> dict[str, Value]:
    """`activity.lifecycle=value` as constants."""
    activity, _, rest = event.partition(".")
    lifecycle, _, value = rest.partition("=")
    parts = {"activity": activity, "lifecycle": lifecycle} | ({"value": value} if value else {})
    return {name: Value(constant=text) for name, text in parts.items()}


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
            )
        )
    plain = (
        "steps", "classes", "offsets", "midnight_is_date", "excel_serials", "times", "missing", "encoding", "delimiter",
        "case_object",
    )  # fmt: skip
    return MappingFile(found["mapping"], tuple(made), **{key: found[key] for key in plain if key in found})


def _between(mapping: MappingFile, reader: Reader, path: Path) -> Iterator[Problem]:
    """What only shows between the parts: values outside our lists, activities nobody has, tables that give nothing."""
    activities = tables.lifecycles(mapping.steps) if mapping.steps else None
    node = reader.compose(path)

    def problem(text: str, zh: str, en: str) -> Problem:
        return Problem(At(reader, reader.name(path), "").mark(_where(node, text)), zh, en)

    for table in mapping.tables:
        if not (table.case or table.events or table.snapshots):
            yield problem(
                table.name,
                f"表 {table.name} 既不出业务也不出事件",
                f"table {table.name} gives neither cases nor events",
            )
        if table.case and "case_id" not in table.case:
            yield problem(table.name, f"表 {table.name} 的 case 缺 case_id", f"case of {table.name} lacks case_id")
        for columns, gives in [(tables.CASES, table.case), *((tables.EVENTS, e.columns) for e in table.events)]:
            for column in columns:
                if column.values and column.name in gives:
                    for text in _targets(gives[column.name]):
                        if text not in column.values:
                            listed = " | ".join(column.values)
                            yield problem(text, f"{column.name} 只能是 {listed}", f"{column.name} must be {listed}")
        for emitter in table.events:
            lacking = {"case_id", "occurred_at"} - set(emitter.columns)
            if emitter.names is None:
                lacking |= {"activity", "lifecycle"} - set(emitter.columns)
            for name in sorted(lacking):
                yield problem(table.name, f"表 {table.name} 有事件缺 {name}", f"an event of {table.name} lacks {name}")
        for event in _events_named(table):
            activity, _, rest = event.partition(".")
            lifecycle = rest.partition("=")[0]
            if activities is not None and lifecycle not in activities.get(activity, ()):
                yield problem(
                    event, f"没有 {activity}.{lifecycle} 这种事件", f"there is no event {activity}.{lifecycle}"
                )


def _targets(value: Value) -> Iterator[str]:
    for one in value:
        yield from filter(None, (one.constant, one.give, *(one.codes or {}).values()))


def _events_named(table: Table) -> Iterator[str]:
    for emitter in table.events:
        if emitter.sparse and "lifecycle" in emitter.columns:
            yield f"{emitter.columns['activity'].constant}.{emitter.columns['lifecycle'].constant}"
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
