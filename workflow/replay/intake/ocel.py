"""OCEL 2.0 logs (JSON, XML, SQLite): objects of one type are the cases, events belong to the cases they name.

Three tables: the case objects with the first value of each attribute; the events, one row for each case they are
related to (an event of no case has an empty `case`); and `changes`, later values of a case's attributes with the one
before.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

from workflow.replay.intake import ocel_sqlite
from workflow.replay.intake.faults import BadHistory, clean, unreadable
from workflow.replay.intake.raw import Raw, Spool
from workflow.replay.intake.text import chunks, encoding_of, opened
from workflow.replay.intake.xes import elements, inside

_LARGEST_JSON: Final = 2 << 30
_OWN: Final = ("id", "type", "time", "case")
"""Columns of ours: an attribute of such a name is called `attribute:name`."""


class Thing(NamedTuple):
    """An object: its attributes as (name, time, value), in the order of the file."""

    id: str
    type: str
    attributes: list[tuple[str, str, Any]]


class Happening(NamedTuple):
    """An event: its attributes, and the objects it names as (id, qualifier)."""

    id: str | None
    type: str | None
    time: str | None
    attributes: list[tuple[str, Any]]
    related: list[tuple[str, str]]


_Read = TypeVar("_Read", Thing, Happening)


class Torn(NamedTuple):
    """What stands in the place of an object or event and is none. `fault`: the code of what is wrong; `type`: of the
    object, where it is known."""

    content: Any
    fault: str = "shape"
    type: str | None = None


def read(path: Path, case_object: str | None, stem: Path) -> tuple[Raw, ...]:
    """The cases, events and changes of a log. `case_object`: the type of object that is a case; may be left out when
    there is only one type.  Raises BadHistory."""
    with opened(path) as file:
        head = file.read(64)
    if head.startswith(b"SQLite format 3\0"):
        things, happenings = _sqlite(path)
    elif head.replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n").startswith(b"<"):
        things, happenings = _xml(path)
    else:
        things, happenings = _json(path)
    return _spooled(path, things, happenings, case_object, stem)


def _spooled(
    path: Path, things: Iterable[Thing | Torn], happenings: Iterable[Happening | Torn], case_object: str | None,
    stem: Path,
) -> tuple[Raw, ...]:  # fmt: skip
    objects = list(things)
    types = sorted({thing.type for thing in objects if isinstance(thing, Thing)})
    kind = case_object or (types[0] if len(types) == 1 else None)
    if kind not in types:
        raise BadHistory(
            f"{path.name}: 请在对照表用 case_object 写明哪类对象是业务; 日志中有 / "
            f"name in the mapping which type of object is the case (`case_object`); there are: {', '.join(types)}"
        )
    cases = Spool(stem.with_name(stem.name + "-objects"), ("id",))
    changes = Spool(stem.with_name(stem.name + "-changes"), ("case", "attribute", "old", "new", "time"))
    events = Spool(stem.with_name(stem.name + "-events"), ("case", "id", "type", "time"))
    ids = {thing.id for thing in objects if isinstance(thing, Thing) and thing.type == kind}
    torn: dict[str, list[tuple[int, str, str]]] = {"cases": [], "events": []}
    for number, thing in enumerate(objects, start=1):
        if isinstance(thing, Torn):
            if thing.type in (None, kind):
                torn["cases"].append((number, _shown(thing.content, ids), thing.fault))
            continue
        if thing.type != kind:
            continue
        first: dict[str, str | None] = {}
        latest: dict[str, str | None] = {}
        for name, time, value in sorted(thing.attributes, key=lambda one: one[1]):
            text = _text(value)
            if name in latest and text != latest[name]:
                change = {"case": thing.id, "attribute": name, "old": latest[name], "new": text, "time": time}
                changes.add(change, number)
            latest[name] = text
            first.setdefault(name, text)
        cases.add({**{_foreign(name): text for name, text in first.items()}, "id": thing.id}, number)
    for number, one in enumerate(happenings, start=1):
        if isinstance(one, Torn):
            torn["events"].append((number, _shown(one.content, ids), one.fault))
            continue
        row: dict[str, str | None] = {
            _foreign(name): text for name, value in one.attributes if (text := _text(value)) is not None
        }
        row |= {f"object:{qualifier}": other for other, qualifier in one.related if other not in ids}
        row.update(id=one.id, type=one.type, time=one.time)
        for case in dict.fromkeys(other for other, _ in one.related if other in ids) or (None,):
            events.add({**row, "case": case}, number)
    return (
        cases.raw("cases", path.name, torn=torn["cases"]), events.raw("events", path.name, torn=torn["events"]),
        changes.raw("changes", path.name),
    )  # fmt: skip


def _foreign(name: str) -> str:
    return f"attribute:{name}" if name.lower() in _OWN or name.startswith("#") else name


def _shown(content: Any, ids: set[str]) -> str:
    """What is no object or event as a text, behind the ids of the cases that it names."""

    def inside(one: Any) -> Iterator[str]:
        if isinstance(one, dict):
            one = list(one.values())
        if isinstance(one, list):
            for part in one:
                yield from inside(part)
        elif _is_scalar(one):
            yield str(one)

    named = dict.fromkeys(text for text in inside(content) if text in ids)
    text = json.dumps(content, ensure_ascii=False, default=str)
    return "; ".join([*named, text])[:500].encode(errors="replace").decode()


def _is_scalar(value: Any) -> bool:
    return isinstance(value, (str, int, float)) and not isinstance(value, bool)


def _name(value: Any) -> str:
    """An id, a type, the name of an attribute: a text, or a number. Raises TypeError for anything else."""
    text = _text(value) if _is_scalar(value) else None
    if text is None or not text.strip():
        raise TypeError(f"no name: {value!r}")
    return text


def _said(value: Any) -> str | None:
    """A text or a number as text, None where there is none. Raises TypeError for anything else."""
    return None if value is None or value == "" else _name(value)


def _text(value: Any) -> str | None:
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, (list, dict)):
        value = json.dumps(value, ensure_ascii=False)
    text = value.decode(errors="surrogateescape") if isinstance(value, bytes) else str(value)
    try:
        text.encode()
    except UnicodeEncodeError:
        return unreadable("bytes", text.encode(errors="replace").decode())
    return clean(text)


def _json(path: Path) -> tuple[Iterator[Thing | Torn], Iterator[Happening | Torn]]:
    size, parts = 0, []
    for chunk in chunks(path):
        size += len(chunk)
        if size > _LARGEST_JSON:
            raise BadHistory(f"{path.name}: 超过 2 GiB, 请改用 OCEL 的 SQLite 格式 / over 2 GiB; use the SQLite form")
        parts.append(chunk)
    try:
        log = json.loads(b"".join(parts).decode(encoding_of(path)))
        objects, events = ([*_listed(log[name])] for name in ("objects", "events"))
    except (ValueError, RecursionError, KeyError, TypeError) as error:
        raise BadHistory(
            f"{path.name}: 不是完整的 OCEL 2.0 JSON / is no whole OCEL 2.0 JSON: {error!r:.200}"
        ) from error
    return _whole(objects, _thing), _whole(events, _happening)


def _listed(value: Any) -> list[Any]:
    if value is not None and not isinstance(value, list):
        raise TypeError(f"no list: {value!r:.50}")
    return value or []


def _whole(given: Iterable[Any], read_one: Callable[[Any], _Read]) -> Iterator[_Read | Torn]:
    """Each of them as it is meant; one that is broken costs itself alone."""
    for one in given:
        try:
            yield read_one(one)
        except (KeyError, TypeError, AttributeError):
            yield Torn(one)


def _thing(o: Any) -> Thing:
    attributes = [(_name(a["name"]), _said(a.get("time")) or "", a["value"]) for a in _listed(o.get("attributes"))]
    return Thing(_name(o["id"]), _name(o["type"]), attributes)


def _happening(e: Any) -> Happening:
    return Happening(
        _said(e.get("id")), _said(e.get("type")), _said(e.get("time")),
        [(_name(a["name"]), a["value"]) for a in _listed(e.get("attributes"))],
        [(_name(r["objectId"]), _said(r.get("qualifier")) or "") for r in _listed(e.get("relationships"))],
    )  # fmt: skip


def _xml(path: Path) -> tuple[Iterator[Thing | Torn], Iterator[Happening | Torn]]:
    def given(tag: str) -> Iterator[dict[str, Any]]:
        for one, _ in elements(path, {tag}, "log"):
            if one.get("id") is None and one.get("type") is None:
                continue  # an object that an event names in the manner of OCEL 1.0
            attributes = [{**a.attrib, "value": a.text} for a in inside(one, "attribute")]
            related = [
                {"objectId": r.get("object-id"), "qualifier": r.get("qualifier")} for r in inside(one, "relationship")
            ]
            yield {**one.attrib, "attributes": attributes, "relationships": related}

    return _whole(given("object"), _thing), _whole(given("event"), _happening)


def _sqlite(path: Path) -> tuple[Iterator[Thing | Torn], Iterator[Happening | Torn]]:
    objects, events = ocel_sqlite.read(path)

    def orphans(many: list[dict[str, Any]]) -> Iterator[Torn]:
        for one in many:
            yield Torn(one["row"], "orphan", _text(one["type"]))

    return (
        chain(_whole(objects.listed, _thing), orphans(objects.orphans)),
        chain(_whole(events.listed, _happening), orphans(events.orphans)),
    )
