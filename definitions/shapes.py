"""The shapes a YAML file of the book may have, written once and used twice: to read a file with its line numbers, and
to publish the JSON Schema that editors check against.

Reading never stops at the first fault: every shape reports what it finds to the `Reader` and returns `INVALID`.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

import yaml

_BaseLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

INHERIT: Final = "inherit"
"""In an overlay: from this date the region falls back to what stands above it."""

DATE_PATTERN: Final = r"^\d{4}-\d{2}-\d{2}$"
CLAUSE_PATTERN: Final = r"^(L[1-9]\d?|I[1-9]\d?|S-[A-Z0-9-]+|D-[A-Z0-9-]+|R\d{6}-[A-Za-z0-9-]+)$"
WORD: Final = r"^[a-z][a-z0-9_]*$"
INVALID: Final = object()

_TYPE_NAMES: Final = {
    "tag:yaml.org,2002:str": "text",
    "tag:yaml.org,2002:int": "integer",
    "tag:yaml.org,2002:float": "number",
    "tag:yaml.org,2002:bool": "true/false",
    "tag:yaml.org,2002:null": "null",
    "tag:yaml.org,2002:timestamp": "date",
    "tag:yaml.org,2002:seq": "list",
    "tag:yaml.org,2002:map": "mapping",
}


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """Where something is written: the file, relative to its data directory, and the line counted from 1."""

    file: str
    line: int


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One fault in the data: where, and a sentence in both languages."""

    mark: Mark
    zh: str
    en: str

    def __str__(self) -> str:
        return f"{self.mark.file}:{self.mark.line}: {self.zh} / {self.en}"


class DefinitionError(ValueError):
    """The data of the book are refused; `problems` lists every fault found, in file and line order."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(map(str, self.problems)))


@dataclass(frozen=True, slots=True)
class Entry:
    """One value of a timeline: in force from `start` until the next entry's start."""

    start: dt.date
    value: Any
    clauses: tuple[str, ...]
    last_verified_on: dt.date
    mark: Mark


Timeline = tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Located:
    """Clause ids cited without a date (by a fee item, a document kind …), with their place."""

    ids: tuple[str, ...]
    mark: Mark


@dataclass(slots=True)
class Reader:
    """Reads the files of one data directory and collects every problem and every citation met on the way."""

    root: Path
    overlays: Path | None = None
    problems: list[Problem] = field(default_factory=list)
    citations: list[Located] = field(default_factory=list)

    def compose(self, path: Path) -> yaml.Node | None:
        """The node tree of `path`, or None after reporting why there is none."""
        name = self.name(path)
        try:
            loader = _BaseLoader(path.read_text(encoding="utf-8"))
            try:
                node: yaml.Node | None = loader.get_single_node()
            finally:
                loader.dispose()
        except UnicodeDecodeError:
            self.problems.append(Problem(Mark(name, 1), "文件不是 UTF-8 编码", "the file is not UTF-8"))
            return None
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            line = mark.line + 1 if mark else 1
            what = getattr(error, "problem", None) or str(error)
            self.problems.append(Problem(Mark(name, line), f"YAML 语法错误: {what}", f"YAML syntax error: {what}"))
            return None
        if node is None:
            self.problems.append(Problem(Mark(name, 1), "文件是空的", "the file is empty"))
        return node

    def name(self, path: Path) -> str:
        """How messages call `path`: relative to the data directory, or, for overlays, to their parent."""
        homes = [self.root, *([self.overlays.parent] if self.overlays else [])]
        home = next((home for home in homes if path.is_relative_to(home)), None)
        return path.relative_to(home).as_posix() if home else path.as_posix()

    def read(self, path: Path, shape: Shape) -> Any:
        """What `path` says in `shape`; INVALID parts are left out and reported."""
        node = self.compose(path)
        return INVALID if node is None else shape.read(node, At(self, self.name(path), ""))


@dataclass(frozen=True, slots=True)
class At:
    """Where reading has got to: file, and the path of keys inside it for messages."""

    reader: Reader
    file: str
    path: str

    def below(self, key: str) -> At:
        return At(self.reader, self.file, f"{self.path}.{key}" if self.path else key)

    def mark(self, node: yaml.Node) -> Mark:
        return Mark(self.file, node.start_mark.line + 1)

    def refuse(self, node: yaml.Node, zh: str, en: str) -> Any:
        where = f"{self.path}: " if self.path else ""
        self.reader.problems.append(Problem(self.mark(node), where + zh, where + en))
        return INVALID


class Shape(Protocol):
    """What a value may look like."""

    def read(self, node: yaml.Node, at: At) -> Any: ...
    def schema(self) -> dict[str, Any]: ...


def _wrong_type(node: yaml.Node, at: At, wanted_zh: str, wanted_en: str) -> Any:
    kind = _TYPE_NAMES.get(node.tag, node.tag)
    shown = f" {node.value!r}" if isinstance(node, yaml.ScalarNode) else ""
    return at.refuse(node, f"应为{wanted_zh}, 现为 {kind}{shown}", f"must be {wanted_en}, found {kind}{shown}")


def _scalar(node: yaml.Node, *tags: str) -> str | None:
    if isinstance(node, yaml.ScalarNode) and node.tag in {f"tag:yaml.org,2002:{tag}" for tag in tags}:
        return str(node.value)
    return None


@dataclass(frozen=True, slots=True)
class Str:
    """Text, not empty; `pattern` is searched as a whole."""

    pattern: str | None = None
    say: tuple[str, str] = ("文字", "text")
    test: Callable[[str], object] | None = None

    def read(self, node: yaml.Node, at: At) -> Any:
        value = _scalar(node, "str")
        if value is None:
            return _wrong_type(node, at, self.say[0] + "(数字、日期样式的文字请加引号)", self.say[1] + " (quote it)")
        if not value.strip() or (self.pattern and not re.search(self.pattern, value)):
            return at.refuse(node, f"{value!r} 不是{self.say[0]}", f"{value!r} is not {self.say[1]}")
        if self.test:
            try:
                self.test(value)
            except (ValueError, re.error) as error:
                return at.refuse(node, f"{value!r} 不是{self.say[0]}: {error}", f"{value!r} is not {self.say[1]}")
        return value

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": self.pattern or r"\S"}


@dataclass(frozen=True, slots=True)
class Date:
    """A calendar date, YYYY-MM-DD."""

    def read(self, node: yaml.Node, at: At) -> Any:
        value = _scalar(node, "timestamp", "str")
        if value is None or not re.search(DATE_PATTERN, value):
            return _wrong_type(node, at, "日期 YYYY-MM-DD", "a date YYYY-MM-DD")
        try:
            return dt.date.fromisoformat(value)
        except ValueError:
            return at.refuse(node, f"没有 {value} 这一天", f"there is no day {value}")

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "format": "date", "pattern": DATE_PATTERN}


@dataclass(frozen=True, slots=True)
class Int:
    """A whole number, not below `minimum`."""

    minimum: int = 0

    def read(self, node: yaml.Node, at: At) -> Any:
        value = _scalar(node, "int")
        if value is None or not re.fullmatch(r"-?(0|[1-9]\d*)", value):
            return _wrong_type(node, at, "整数", "a whole number")
        if int(value) < self.minimum:
            return at.refuse(node, f"{value} 小于 {self.minimum}", f"{value} is below {self.minimum}")
        return int(value)

    def schema(self) -> dict[str, Any]:
        return {"type": "integer", "minimum": self.minimum}


@dataclass(frozen=True, slots=True)
class Share:
    """A share between 0 and 1, written 0.2 for 20 %."""

    def read(self, node: yaml.Node, at: At) -> Any:
        value = _scalar(node, "int", "float")
        if value is None or not re.fullmatch(r"\d+(\.\d+)?", value):
            return _wrong_type(node, at, "比例, 如 0.2", "a share such as 0.2")
        if float(value) > 1:
            return at.refuse(node, f"比例 {value} 大于 1", f"the share {value} is above 1")
        return float(value)

    def schema(self) -> dict[str, Any]:
        return {"type": "number", "minimum": 0, "maximum": 1}


@dataclass(frozen=True, slots=True)
class Bool:
    """true or false; `only` allows one of them."""

    only: bool | None = None

    def read(self, node: yaml.Node, at: At) -> Any:
        value = _scalar(node, "bool")
        if value not in ("true", "false") or (self.only is not None and (value == "true") is not self.only):
            wanted = "true/false" if self.only is None else str(self.only).lower()
            return _wrong_type(node, at, f" {wanted}", wanted)
        return value == "true"

    def schema(self) -> dict[str, Any]:
        return {"type": "boolean"} if self.only is None else {"const": self.only}


@dataclass(frozen=True, slots=True)
class OneOf:
    """One of a closed list of words."""

    words: tuple[str, ...]

    def read(self, node: yaml.Node, at: At) -> Any:
        value = _scalar(node, "str")
        if value in self.words:
            return value
        listed = " | ".join(self.words)
        return _wrong_type(node, at, f"其中之一: {listed}", f"one of {listed}")

    def schema(self) -> dict[str, Any]:
        return {"enum": list(self.words)}


@dataclass(frozen=True, slots=True)
class Maybe:
    """`null`, or the shape inside."""

    of: Shape

    def read(self, node: yaml.Node, at: At) -> Any:
        return None if _scalar(node, "null") is not None else self.of.read(node, at)

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [{"type": "null"}, self.of.schema()]}


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list without repeated scalar members."""

    of: Shape
    minimum: int = 0

    def read(self, node: yaml.Node, at: At) -> Any:
        if not isinstance(node, yaml.SequenceNode):
            return _wrong_type(node, at, "列表", "a list")
        if len(node.value) < self.minimum:
            return at.refuse(node, f"至少要有 {self.minimum} 项", f"needs at least {self.minimum} item(s)")
        items: list[Any] = []
        valid = True
        for index, item in enumerate(node.value):
            value = self.of.read(item, at.below(str(index)))
            if value is INVALID:
                valid = False
            elif value in items:
                at.refuse(item, f"{value!r} 重复", f"{value!r} is listed twice")
                valid = False
            else:
                items.append(value)
        return tuple(items) if valid else INVALID

    def schema(self) -> dict[str, Any]:
        return {"type": "array", "items": self.of.schema(), "minItems": self.minimum, "uniqueItems": True}


def _pairs(node: yaml.Node, at: At) -> Iterator[tuple[str, yaml.Node, yaml.Node]]:
    """Key text, key node and value node of a mapping, refusing what is not a plain key and what comes twice."""
    seen: dict[str, int] = {}
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            at.refuse(key, "键应为文字", "a key must be plain text")
        elif key.value in seen:
            first = seen[key.value]
            at.refuse(key, f"键 {key.value} 重复(第 {first} 行已有)", f"duplicate key {key.value} (line {first})")
        else:
            seen[key.value] = key.start_mark.line + 1
            yield key.value, key, value


@dataclass(frozen=True, slots=True)
class MapOf:
    """A mapping whose keys follow one pattern."""

    pattern: str
    of: Shape
    minimum: int = 0

    def read(self, node: yaml.Node, at: At) -> Any:
        if not isinstance(node, yaml.MappingNode):
            return _wrong_type(node, at, "键值表", "a mapping")
        found: dict[str, Any] = {}
        for name, key, value in _pairs(node, at):
            if not re.search(self.pattern, name):
                at.refuse(key, f"不认识的键 {name}", f"unknown key {name}")
                continue
            read = self.of.read(value, at.below(name))
            if read is not INVALID:
                found[name] = read
        if len(node.value) < self.minimum:
            return at.refuse(node, f"至少要有 {self.minimum} 项", f"needs at least {self.minimum} item(s)")
        return found

    def schema(self) -> dict[str, Any]:
        return {
            "type": "object",
            "patternProperties": {self.pattern: self.of.schema()},
            "additionalProperties": False,
            "minProperties": self.minimum,
        }


@dataclass(frozen=True, slots=True)
class Record:
    """A mapping with named fields; a `Record` inside another simply nests."""

    required: Mapping[str, Shape]
    optional: Mapping[str, Shape] = field(default_factory=dict)

    def read(self, node: yaml.Node, at: At) -> Any:
        if not isinstance(node, yaml.MappingNode):
            return _wrong_type(node, at, "键值表", "a mapping")
        shapes = {**self.required, **self.optional}
        found: dict[str, Any] = {}
        present: set[str] = set()
        for name, key, value in _pairs(node, at):
            if name not in shapes:
                known = ", ".join(shapes)
                at.refuse(key, f"不认识的键 {name}(可用: {known})", f"unknown key {name} (known: {known})")
                continue
            present.add(name)
            read = shapes[name].read(value, at.below(name))
            if read is not INVALID:
                found[name] = read
        for name in self.required:
            if name not in present:
                at.refuse(node, f"缺少 {name}", f"{name} is missing")
        return found

    def schema(self) -> dict[str, Any]:
        shapes = {**self.required, **self.optional}
        return {
            "type": "object",
            "properties": {name: shape.schema() for name, shape in shapes.items()},
            "required": list(self.required),
            "additionalProperties": False,
        }


@dataclass(frozen=True, slots=True)
class Marked:
    """A record that remembers where it stands, under the key `mark`."""

    of: Record

    def read(self, node: yaml.Node, at: At) -> Any:
        found = self.of.read(node, at)
        return found if found is INVALID else {**found, "mark": at.mark(node)}

    def schema(self) -> dict[str, Any]:
        return self.of.schema()


@dataclass(frozen=True, slots=True)
class Citations:
    """Clause ids, at least one: nothing stands in the book without its ground."""

    def read(self, node: yaml.Node, at: At) -> Any:
        ids = ListOf(Str(CLAUSE_PATTERN, ("条款编号", "a clause id")), minimum=1).read(node, at)
        if ids is INVALID:
            return INVALID
        at.reader.citations.append(Located(ids, at.mark(node)))
        return ids

    def schema(self) -> dict[str, Any]:
        return ListOf(Str(CLAUSE_PATTERN), minimum=1).schema()


@dataclass(frozen=True, slots=True)
class Dated:
    """A timeline: `values` by the date each comes into force, in order; `clauses` for all of them or for each; and the
    date on which a person last compared them with the clause."""

    of: Shape
    inherit: bool = False

    def _record(self) -> Record:
        return Record(
            {"values": _ByDate(self.of, self.inherit), "clauses": _DatedCitations(), "last_verified_on": Date()}
        )

    def read(self, node: yaml.Node, at: At) -> Any:
        fields = self._record().read(node, at)
        if fields is INVALID or len(fields) < 3 or not fields["values"]:
            return INVALID
        clauses = fields["clauses"]
        entries = []
        for start, (value, mark) in fields["values"].items():
            if isinstance(clauses, dict) and start not in clauses:
                return at.refuse(node, f"{start} 的值没有条款", f"the value of {start} has no clause")
            cited = clauses[start] if isinstance(clauses, dict) else clauses
            entries.append(Entry(start, value, cited, fields["last_verified_on"], mark))
        if isinstance(clauses, dict) and (idle := [day for day in clauses if day not in fields["values"]]):
            return at.refuse(node, f"{idle[0]} 有条款而没有值", f"{idle[0]} has a clause and no value")
        return tuple(entries)

    def schema(self) -> dict[str, Any]:
        return self._record().schema()


@dataclass(frozen=True, slots=True)
class _ByDate:
    of: Shape
    inherit: bool

    def read(self, node: yaml.Node, at: At) -> Any:
        if not isinstance(node, yaml.MappingNode) or not node.value:
            return at.refuse(node, "应为 日期: 值, 至少一项", "must be date: value, at least one")
        found: dict[dt.date, tuple[Any, Mark]] = {}
        latest: dt.date | None = None
        valid = True
        for name, key, value in _pairs(node, at):
            start = Date().read(key, at.below(name))
            if start is INVALID:
                valid = False
                continue
            if latest is not None and start <= latest:
                at.refuse(key, f"{start} 应在 {latest} 之后: 日期须由早到晚", f"{start} must come after {latest}")
                valid = False
            latest = start
            falls_back = self.inherit and _scalar(value, "str") == INHERIT
            read = INHERIT if falls_back else self.of.read(value, at.below(name))
            if read is INVALID:
                valid = False
            else:
                found[start] = (read, at.mark(value))
        return found if valid and len(found) == len(node.value) else INVALID

    def schema(self) -> dict[str, Any]:
        value = {"anyOf": [{"const": INHERIT}, self.of.schema()]} if self.inherit else self.of.schema()
        return _by_date_schema(value)


@dataclass(frozen=True, slots=True)
class _DatedCitations:
    def read(self, node: yaml.Node, at: At) -> Any:
        if not isinstance(node, yaml.MappingNode):
            return Citations().read(node, at)
        if not node.value:
            return at.refuse(node, "至少要有 1 项", "needs at least 1 item(s)")
        found: dict[dt.date, tuple[str, ...]] = {}
        for name, key, value in _pairs(node, at):
            start = Date().read(key, at.below(name))
            cited = Citations().read(value, at.below(name))
            if start is INVALID or cited is INVALID:
                return INVALID
            found[start] = cited
        return found

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [Citations().schema(), _by_date_schema(Citations().schema())]}


def _by_date_schema(value: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "patternProperties": {DATE_PATTERN: value},
        "additionalProperties": False,
        "minProperties": 1,
    }


CODE: Final = Str(WORD, ("编码(小写字母、数字、下划线)", "a code in lower case"))
NAME: Final = Record({"zh": Str(), "en": Str()})
"""A name in both languages."""
