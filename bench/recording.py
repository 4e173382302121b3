"""The rows the engine writes, read back after every command, and the same rows again under other names.

With them the bare loop writes what the engine writes, and a database is filled with a million applications that are
the engine's own.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from bench.cases import FRONT_LINE, Case, in_turn
from storage import CaseRow, DeadlineRow, EventRow, PersonalRow, Remembered, RoundRow, Tx
from workflow.service import Service


class Standing(NamedTuple):
    """Every row of one application, as it stands."""

    row: CaseRow
    events: list[EventRow]
    rounds: list[RoundRow]
    deadlines: list[DeadlineRow]
    remembered: list[Remembered]
    personal: PersonalRow


class Written(NamedTuple):
    """The rows one command wrote. `before`: the application's row as it was; None for a submission, which alone writes
    `personal`."""

    before: CaseRow | None
    row: CaseRow
    events: list[EventRow]
    rounds: list[RoundRow]
    deadlines: list[DeadlineRow]
    remembered: Remembered
    personal: PersonalRow | None


class Names(NamedTuple):
    """What an application's rows hold of its own. `digest`: of its personal data, in its first event."""

    id: str
    mark: str
    number: str
    digest: str


def record(service: Service, cases: Sequence[Case]) -> list[tuple[Case, Standing]]:
    """Drive the cases to energisation, one command at a time; how each case stood after each command, in order."""
    steps: list[tuple[Case, Standing]] = []
    latest: dict[str, Standing] = {}
    for case in in_turn(cases):
        key = case.key
        case.take(case.ask(service).result())
        with service.database.read() as tx:
            known = latest[case.mark].remembered if case.mark in latest else []
            latest[case.mark] = standing = _standing(tx, case.id, key, known)
        steps.append((case, standing))
    return steps


def _standing(tx: Tx, case_id: str, key: str, known: list[Remembered]) -> Standing:
    row, personal, remembered = tx.case(case_id), tx.personal(case_id), tx.remembered(FRONT_LINE.who, key)
    if row is None or personal is None or remembered is None:
        raise AssertionError(f"{case_id}: an acknowledged command left no rows")
    kept = [*known, remembered]
    return Standing(row, tx.events(case_id), tx.rounds(case_id), tx.deadlines(case_id), kept, personal)


def written(steps: Sequence[tuple[Case, Standing]]) -> list[tuple[Names, Written]]:
    """What each command wrote: the difference it made."""
    latest: dict[str, Standing] = {}
    made: list[tuple[Names, Written]] = []
    for case, now in steps:
        was = latest.get(case.mark)
        latest[case.mark] = now
        made.append(
            (
                names_of(case.mark, now),
                Written(
                    None if was is None else was.row,
                    now.row,
                    now.events if was is None else now.events[was.row.version :],
                    now.rounds if was is None else [one for one in now.rounds if one not in was.rounds],
                    now.deadlines if was is None else [one for one in now.deadlines if one not in was.deadlines],
                    now.remembered[-1],
                    now.personal if was is None else None,
                ),
            )
        )
    return made


def names_of(mark: str, standing: Standing) -> Names:
    """The application's own names."""
    digest = json.loads(standing.events[0].payload)["personal_digest"]
    return Names(standing.row.id, mark, standing.row.application_no, digest)


class Pattern:
    """A nest of rows with blanks where an application's own names stand."""

    def __init__(self, rows: tuple[Any, ...] | list[Any], own: Names) -> None:
        self._make = rows._make if hasattr(rows, "_make") else type(rows)
        self._values = list(rows)
        self._blanks: list[tuple[int, str]] = []
        self._nested: list[tuple[int, Pattern]] = []
        for place, value in enumerate(rows):
            if isinstance(value, tuple | list):
                self._nested.append((place, Pattern(value, own)))
            elif isinstance(value, str):
                blank = value.replace("%", "%%")
                for name, token in own._asdict().items():
                    blank = blank.replace(token, f"%({name})s")
                if blank % own._asdict() != blank:
                    self._blanks.append((place, blank))

    def fill(self, names: dict[str, str]) -> Any:
        """The rows under these names."""
        values = self._values.copy()
        for place, blank in self._blanks:
            values[place] = blank % names
        for place, nested in self._nested:
            values[place] = nested.fill(names)
        return self._make(values)


def again(made: Sequence[tuple[Pattern, Names]], run: str) -> list[Written]:
    """The recorded commands under names of the same shape that only `run` (eight hexadecimal digits) uses. Their hashes
    stay those of the record: who writes them does not look at them."""
    names: dict[str, dict[str, str]] = {}
    for _, own in made:
        if own.id not in names:
            number = f"{len(names):08d}"
            names[own.id] = {
                "id": f"{run}-0000-7000-8000-{number:0>12}",
                "mark": f"{run}{number}",
                "number": f"{own.number[:-6]}{run}-{number}",
                "digest": own.digest,
            }
    return [pattern.fill(names[own.id]) for pattern, own in made]
