"""Verifying a whole database: every chain, against the applications and, when given, against a checkpoint."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from storage._lists import by_id
from storage.evidence import Checkpoint, Flaw, verify_case
from storage.rows import EventRow, Head
from storage.transaction import Tx


@dataclass
class Verification:
    """What was found. `flaws` holds the first flaw of each bad case, by case id."""

    cases: int = 0
    events: int = 0
    flaws: list[Flaw] = field(default_factory=list)
    missing_triggers: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether every chain holds and the triggers that protect them are in place."""
        return not self.flaws and not self.missing_triggers


def verify(
    tx: Tx, checkpoint: Checkpoint | None = None, progress: Callable[[int], object] | None = None
) -> Verification:
    """Verify every case that has an application, events or a place in the checkpoint, and the rows that are only ever
    added (`Tx.records`) and have one.

    Reads each table once, in step, and holds one case at a time.  `progress` is told the number of cases done.
    `checkpoint` comes from `read_checkpoint`, which has checked it against itself.
    """
    result = Verification(missing_triggers=tx.missing_triggers())
    marks, records = ((), ()) if checkpoint is None else (checkpoint.heads(), tx.records(checkpoint.format))
    streams = (
        _named("head", tx.heads()), _named("mark", marks), _named("record", records), _named("event", tx.all_events()),
    )  # fmt: skip
    merged = heapq.merge(*streams, key=by_id)  # by case, and within a case in the order of the streams
    for (foreign, stored), found in groupby(merged, key=by_id):
        id_ = f"X'{stored.hex()}'" if foreign else stored  # as SQL names it
        parts: dict[str, list[Any]] = {"head": [None], "mark": [None], "record": [None], "event": []}
        for _, name, part in found:
            parts[name].append(part)
        (*_, head), (*_, mark), (*_, record), events = parts.values()
        # Whatever has an application or events is a case, though somebody put a record under its id.
        if head is None and not events and (record is not None or (mark is not None and mark.seq == 0)):
            flaw = _flaw_of_record(id_, record, mark)
        else:
            flaw = _flaw(id_, events, head, mark)
            result.cases += 1
            result.events += len(events)
            if progress is not None:
                progress(result.cases)
        if flaw is not None:
            result.flaws.append(flaw)
    return result


def _named(name: str, rows: Iterable[Head | EventRow]) -> Iterator[tuple[str, str, Head | EventRow]]:
    return ((row.case_id, name, row) for row in rows)


def _flaw(case_id: str, events: list[EventRow], head: Head | None, mark: Head | None) -> Flaw | None:
    if head is None:
        return Flaw(case_id, 0, "orphan" if events else "missing")
    return verify_case(case_id, events, head, mark)


def _flaw_of_record(id_: str, record: Head | None, mark: Head | None) -> Flaw | None:
    if mark is None:  # it came in later
        return None
    if record is None:
        return Flaw(id_, 0, "record_missing")
    return None if record == mark else Flaw(id_, 0, "record_changed")
