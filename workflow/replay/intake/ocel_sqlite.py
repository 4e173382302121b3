"""OCEL 2.0 in SQLite: its tables taken together, as the JSON form would say the same."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final, NamedTuple

from workflow.replay.intake.faults import BadHistory
from workflow.replay.intake.raw import identifier

Row = dict[str, Any]
_NO_ATTRIBUTES: Final = ("ocel_id", "ocel_time", "ocel_changed_field")


class Told(NamedTuple):
    """All objects, or all events. `listed`: those that the table of all of them names; `orphans`: rows of other tables
    that belong to none, each as `row` and `type` (of the object or event, None where nobody says)."""

    listed: list[Row]
    orphans: list[Row]


def read(path: Path) -> tuple[Told, Told]:
    """The objects and the events. Raises BadHistory for a file that is damaged or lacks a table or column."""
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True)) as file:
            # Bytes that are no UTF-8 cost the cell they stand in.
            file.text_factory = lambda text: text.decode(errors="surrogateescape")
            return _objects(file), _events(file)
    except (sqlite3.Error, KeyError) as error:
        raise BadHistory(
            f"{path.name}: 不是完整的 OCEL 2.0 SQLite 日志 / is no whole OCEL 2.0 SQLite log: {error}"
        ) from error


def _rows(file: sqlite3.Connection, table: str) -> Iterator[Row]:
    found = file.execute(f"SELECT * FROM {identifier(table)}")  # noqa: S608  # quoted
    names = [name for name, *_ in found.description]
    return (dict(zip(names, row, strict=True)) for row in found)


def _by_id(file: sqlite3.Connection, kind: str) -> dict[str, list[tuple[Any, Row]]]:
    """Rows of every table of one type of object or event, by id, each with its type."""
    found: dict[str, list[tuple[Any, Row]]] = {}
    for one in list(_rows(file, f"{kind}_map_type")):
        for row in _rows(file, f"{kind}_{one['ocel_type_map']}"):
            found.setdefault(str(row["ocel_id"]), []).append((one["ocel_type"], row))
    return found


def _left(rows: dict[str, list[tuple[Any, Row]]]) -> list[Row]:
    return [{"type": kind, "row": row} for many in rows.values() for kind, row in many]


def _objects(file: sqlite3.Connection) -> Told:
    rows, listed = _by_id(file, "object"), []
    for one in _rows(file, "object"):
        given = []
        for _, row in rows.pop(str(one["ocel_id"]), ()):
            # A row of a later change fills only the attribute that changed.
            changed, time = row.get("ocel_changed_field"), row.get("ocel_time")
            given += [
                {"name": name, "value": value, "time": time}
                for name, value in row.items()
                if name not in _NO_ATTRIBUTES and changed in (None, name)
            ]
        listed.append({"id": one["ocel_id"], "type": one["ocel_type"], "attributes": given})
    return Told(listed, _left(rows))


def _events(file: sqlite3.Connection) -> Told:
    rows, listed = _by_id(file, "event"), []
    related: dict[str, list[Row]] = {}
    for one in _rows(file, "event_object"):
        named = {"objectId": one["ocel_object_id"], "qualifier": one["ocel_qualifier"]}
        related.setdefault(str(one["ocel_event_id"]), []).append(named)
    for one in _rows(file, "event"):
        own = str(one["ocel_id"])
        _, row = rows[own].pop(0) if rows.get(own) else (None, {})
        given = [{"name": name, "value": value} for name, value in row.items() if name not in _NO_ATTRIBUTES]
        listed.append(
            {"id": one["ocel_id"], "type": one["ocel_type"], "time": row.get("ocel_time"), "attributes": given,
             "relationships": related.get(own, [])}
        )  # fmt: skip
    known = {str(one["id"]) for one in listed}
    strays = {own: [(None, row) for row in many] for own, many in related.items() if own not in known}
    return Told(listed, [*_left(rows), *_left(strays)])
