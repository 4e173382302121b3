"""OCEL 2.0 logs (JSON, XML, SQLite): objects of one type are the cases, events belong to the cases they name.

Three tables: the case objects with the first value of each attribute; the events, one row for each case they are
related to (an event of no case has an empty `case`); and `changes`, later values of a case's attributes with the one
before.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Final, NamedTuple

from workflow.replay.intake.faults import BadHistory, clean
from workflow.replay.intake.raw import Raw, Spool, identifier
from workflow.replay.intake.text import chunks, opened
from workflow.replay.intake.xes import elements, inside

_LARGEST_JSON: Final = 2 << 30


class Thing(NamedTuple):
    """An object: its attributes as (name, time, value), in the order of the file."""

    id: str
    type: str
    attributes: list[tuple[str, str, Any]]


class Happening(NamedTuple):
    """An event: its attributes, and the objects it names as (id, qualifier)."""

    id: str
    type: str
    time: str | None
    attributes: list[tuple[str, Any]]
    related: list[tuple[str, str]]


def read(path: Path, case_object: str | None, stem: Path) -> tuple[Raw, ...]:
    """The cases, events and changes of a log. `case_object`: the type of object that is a case; may be left out when
    there is only one type.  Raises BadHistory."""
    with opened(path) as file:
        head = file.read(64)
    if head.startswith(b"SQLite format 3\0"):
        things, happenings = _sqlite(path)
    elif head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        things, happenings = _xml(path)
    else:
        things, happenings = _json(path)
    try:
        return _spooled(path, things, happenings, case_object, stem)
    except (KeyError, TypeError, AttributeError) as error:
        raise BadHistory(f"{path.name}: 不是 OCEL 2.0 日志 / is no OCEL 2.0 log: {error}") from error


def _spooled(
    path: Path, things: Iterable[Thing], happenings: Iterable[Happening], case_object: str | None, stem: Path
) -> tuple[Raw, ...]:
    objects = list(things)
    types = sorted({thing.type for thing in objects})
    kind = case_object or (types[0] if len(types) == 1 else None)
    if kind not in types:
        raise BadHistory(
            f"{path.name}: 请在对照表用 case_object 写明哪类对象是业务; 日志中有 / "
            f"name in the mapping which type of object is the case (`case_object`); there are: {', '.join(types)}"
        )
    cases = Spool(stem.with_name(stem.name + "-objects"), ("id",))
    changes = Spool(stem.with_name(stem.name + "-changes"), ("case", "attribute", "old", "new", "time"))
    events = Spool(stem.with_name(stem.name + "-events"), ("case", "id", "type", "time"))
    ids = set()
    for thing in objects:
        if thing.type != kind:
            continue
        ids.add(thing.id)
        first: dict[str, str | None] = {}
        latest: dict[str, str | None] = {}
        for name, time, value in sorted(thing.attributes, key=lambda one: one[1]):
            text = _text(value)
            if name in latest and text != latest[name]:
                change = {"case": thing.id, "attribute": name, "old": latest[name], "new": text, "time": time}
                changes.add(change, changes.rows + 1)
            latest[name] = text
            first.setdefault(name, text)
        cases.add({**first, "id": thing.id}, cases.rows + 1)
    for number, one in enumerate(happenings, start=1):
        row = {"id": one.id, "type": one.type, "time": one.time}
        row |= {name: text for name, value in one.attributes if (text := _text(value)) is not None}
        for other, qualifier in one.related:
            if other not in ids:
                row[f"object:{qualifier}"] = other
        for case in dict.fromkeys(other for other, _ in one.related if other in ids) or (None,):
            events.add({**row, "case": case}, number)
    return (
        cases.raw("cases", path.name), events.raw("events", path.name), changes.raw("changes", path.name),
    )  # fmt: skip


def _text(value: Any) -> str | None:
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value == int(value):
        return str(int(value))
    return clean(str(value))


def _json(path: Path) -> tuple[Iterator[Thing], Iterator[Happening]]:
    size, parts = 0, []
    for chunk in chunks(path):
        size += len(chunk)
        if size > _LARGEST_JSON:
            raise BadHistory(f"{path.name}: 超过 2 GiB, 请改用 OCEL 的 SQLite 格式 / over 2 GiB; use the SQLite form")
        parts.append(chunk)
    try:
        log = json.loads(b"".join(parts).decode("utf-8-sig"))
        objects, events = log["objects"], log["events"]
    except (ValueError, RecursionError, KeyError, TypeError) as error:
        raise BadHistory(
            f"{path.name}: 不是完整的 OCEL 2.0 JSON / is no whole OCEL 2.0 JSON: {error!r:.200}"
        ) from error
    return (
        (
            Thing(o["id"], o["type"], [(a["name"], a.get("time") or "", a["value"]) for a in o.get("attributes") or ()])
            for o in objects
        ),
        (
            Happening(
                e["id"], e["type"], e.get("time"),
                [(a["name"], a["value"]) for a in e.get("attributes") or ()],
                [(r["objectId"], r.get("qualifier") or "") for r in e.get("relationships") or ()],
            )
            for e in events
        ),
    )  # fmt: skip


def _xml(path: Path) -> tuple[Iterator[Thing], Iterator[Happening]]:
    def things() -> Iterator[Thing]:
        for one, _ in elements(path, {"object"}, "log"):
            if one.get("type") is not None:
                given = [(a.get("name", ""), a.get("time", ""), a.text) for a in inside(one, "attribute")]
                yield Thing(one.attrib["id"], one.attrib["type"], given)

    def happenings() -> Iterator[Happening]:
        for one, _ in elements(path, {"event"}, "log"):
            if one.get("type") is not None:
                yield Happening(
                    one.attrib["id"], one.attrib["type"], one.get("time"),
                    [(a.get("name", ""), a.text) for a in inside(one, "attribute")],
                    [(r.attrib["object-id"], r.get("qualifier", "")) for r in inside(one, "relationship")],
                )  # fmt: skip

    return things(), happenings()


def _sqlite(path: Path) -> tuple[Iterator[Thing], Iterator[Happening]]:
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True)) as file:
            things, happenings = _tables(file)
    except sqlite3.Error as error:
        raise BadHistory(
            f"{path.name}: 不是完整的 OCEL 2.0 SQLite 日志 / is no whole OCEL 2.0 SQLite log: {error}"
        ) from error
    return iter(things), iter(happenings)


def _tables(file: sqlite3.Connection) -> tuple[list[Thing], list[Happening]]:
    file.row_factory = sqlite3.Row

    def by_type(kind: str) -> dict[str, list[Mapping[str, Any]]]:
        """Rows of every table of one type of object or event, by id."""
        found: dict[str, list[Mapping[str, Any]]] = {}
        for name, table in file.execute(f"SELECT ocel_type, ocel_type_map FROM {kind}_map_type"):  # noqa: S608  # ours
            del name
            for row in file.execute(f"SELECT * FROM {identifier(f'{kind}_{table}')}"):  # noqa: S608  # quoted
                found.setdefault(row["ocel_id"], []).append(dict(row))
        return found

    objects, events = by_type("object"), by_type("event")
    things = []
    for row in file.execute("SELECT ocel_id, ocel_type FROM object"):
        given = []
        for one in objects.get(row["ocel_id"], ()):
            # A row of a later change fills only the attribute that changed.
            changed = one.get("ocel_changed_field")
            for name, value in one.items():
                if name not in ("ocel_id", "ocel_time", "ocel_changed_field") and (changed in (None, name)):
                    given.append((name, str(one.get("ocel_time") or ""), value))
        things.append(Thing(row["ocel_id"], row["ocel_type"], given))
    related: dict[str, list[tuple[str, str]]] = {}
    for row in file.execute("SELECT ocel_event_id, ocel_object_id, ocel_qualifier FROM event_object"):
        related.setdefault(row["ocel_event_id"], []).append((row["ocel_object_id"], row["ocel_qualifier"] or ""))
    happenings = []
    for row in file.execute("SELECT ocel_id, ocel_type FROM event"):
        one = dict((events.get(row["ocel_id"]) or [{}])[0])
        time = one.pop("ocel_time", None)
        given_attributes = [(name, value) for name, value in one.items() if name != "ocel_id"]
        happenings.append(
            Happening(row["ocel_id"], row["ocel_type"], time, given_attributes, related.get(row["ocel_id"], []))
        )
    return things, happenings
