"""What a file of a cut-over holds: one case after another, each with its history and with what cannot be read of it.

JSON is the body of POST /applications with `external_id` and `history`: commands in order, each with `occurred_at`, and
if known `actor`; a countersignature may say with `signs` which entry it signs, 0 being the submission.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from workflow.core.state import State
from workflow.service.tables import BadValue, read_json


class Entry(msgspec.Struct, frozen=True):
    """One thing of a case's history. `command`: what it asks of the engine, given the case as it stands; None when it
    is only kept as evidence. `record`: the row to keep then."""

    place: str
    actor: str | None
    command: Callable[[State], dict[str, Any] | None]
    record: dict[str, Any] | None = None
    signs: int | None = None


class Case(msgspec.Struct):
    """One application as a file has it. `faults`: what cannot be read."""

    place: str
    external_id: str | None
    body: dict[str, Any]
    actor: str | None = None
    history: list[Entry] = []
    faults: list[str] = []
    filed_class: str | None = None
    origin: str | None = None
    rows: int = 0


class Found(msgspec.Struct):
    """What was found. `orphans`: rows of a history whose case is in no table; `not_carried`: columns that an
    application has no place for."""

    cases: list[Case] = []
    orphans: list[dict[str, str]] = []
    not_carried: list[str] = []


def present(**values: Any) -> dict[str, Any]:
    """The values that are there."""
    return {name: value for name, value in values.items() if value is not None}


def from_json(path: Path) -> Iterator[Case]:
    """The cases of a JSON or JSON-lines file. Raises BadFile when the file as a whole cannot be read."""
    seen: dict[str, str] = {}
    for place, one in read_json(path):
        if isinstance(one, BadValue) or not isinstance(one, dict):
            yield Case(place, None, {}, faults=[str(one) if isinstance(one, BadValue) else _OBJECT])
            continue
        history, actor = one.get("history", []), one.get("actor")
        body = {key: value for key, value in one.items() if key not in ("history", "actor")}
        external_id = one.get("external_id")
        case = Case(place, external_id if isinstance(external_id, str) else None, body, faults=[])
        case.actor = _stated(actor, f"{place} actor", case.faults)
        case.faults += needed(place, body, "external_id", "occurred_at")
        once(case, seen)
        if not isinstance(history, list):
            case.faults.append(f"{place} history: 应为列表 / must be a list")
            history = []
        case.history = [
            _entry(f"{place} history[{number}]", step, case.faults) for number, step in enumerate(history, start=1)
        ]
        case.rows = len(history)
        yield case


_OBJECT = "应为对象 {…} / must be an object"


def needed(place: str, body: Mapping[str, Any], *names: str) -> list[str]:
    """A sentence for each of `names` that `body` lacks."""
    return [f"{place} {name}: 必填 / is required" for name in names if not body.get(name)]


def _stated(value: Any, place: str, faults_: list[str]) -> str | None:
    if value is None or (isinstance(value, str) and 0 < len(value) <= 64):
        return value
    faults_.append(f"{place}: 应为 1 至 64 字的姓名 / must be a name of 1 to 64 characters")
    return None


def once(case: Case, seen: dict[str, str]) -> None:
    """Note the case; a second one of the same id is a fault."""
    if case.external_id is None:
        return
    first = seen.setdefault(case.external_id, case.place)
    if first != case.place:
        case.faults.append(f"{case.external_id} 在 {first} 已出现 / was in the file before, at {first}")


def _entry(place: str, one: Any, faults_: list[str]) -> Entry:
    if not isinstance(one, dict):
        faults_.append(f"{place}: {_OBJECT}")
        one = {}
    else:
        faults_ += needed(place, one, "command", "occurred_at")
    signs = one.get("signs")
    if signs is not None and type(signs) is not int:
        faults_.append(f"{place} signs: 应为条目序号 / must be the number of an entry")
    body = {key: value for key, value in one.items() if key not in ("actor", "signs")}
    return Entry(
        place,
        _stated(one.get("actor"), f"{place} actor", faults_),
        lambda _: body,
        signs=signs if type(signs) is int else None,
    )
