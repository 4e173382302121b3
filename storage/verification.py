"""Verifying a whole database: every chain, against the applications and, when given, against a checkpoint."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import Any

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
    """Verify every case that has an application, events or a place in the checkpoint.

    Reads each table once, in step, and holds one case at a time.  `progress` is told the number of cases done.
    `checkpoint` comes from `read_checkpoint`, which has checked it against itself.
    """
    result = Verification(missing_triggers=tx.missing_triggers())
    marks = checkpoint.heads() if checkpoint is not None else ()
    streams = (_named("head", tx.heads()), _named("mark", marks), _named("event", tx.all_events()))
    merged = heapq.merge(*streams, key=itemgetter(0))  # by case, and within a case in the order of the streams
    for case_id, found in groupby(merged, key=itemgetter(0)):
        parts: dict[str, list[Any]] = {"head": [None], "mark": [None], "event": []}
        for _, name, part in found:
            parts[name].append(part)
        flaw = _flaw(case_id, parts["event"], parts["head"][-1], parts["mark"][-1])
        result.cases += 1
        result.events += len(parts["event"])
        if flaw is not None:
            result.flaws.append(flaw)
        if progress is not None:
            progress(result.cases)
    return result


def _named(name: str, rows: Iterable[Head | EventRow]) -> Iterator[tuple[str, str, Head | EventRow]]:
    return ((row.case_id, name, row) for row in rows)


def _flaw(case_id: str, events: list[EventRow], head: Head | None, mark: Head | None) -> Flaw | None:
    if head is None:
        return Flaw(case_id, 0, "orphan" if events else "missing")
    return verify_case(case_id, events, head, mark)
