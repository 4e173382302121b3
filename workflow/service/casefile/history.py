"""The history of a case: both times of every event, who signed it, its hash, and the latest checkpoint."""

from __future__ import annotations

import datetime as dt
from typing import Any, NamedTuple

import msgspec

from definitions.model import Text
from storage import Flaw, verify_case
from workflow.core.events import Principal
from workflow.core.telling import reason_told, told
from workflow.service import access
from workflow.service.casefile.reading import Head, head, read
from workflow.service.cases import from_row
from workflow.service.service import Service
from workflow.service.upkeep import CHECKPOINT_SETTING

EVENTS_SHOWN = 100


class History(NamedTuple):
    """The chain of a case. `flaw`: what is wrong with it, None when it holds; `earlier`: number of the event to read
    back from, None at the beginning."""

    head: Head
    events: list[dict[str, Any]]
    total: int
    earlier: int | None
    head_hash: str
    flaw: Flaw | None
    checkpoint: dict[str, Any] | None


def history(service: Service, principal: Principal, case_id: str, *, before: int | None = None) -> History:
    """The last events of a case, or those before the number `before`. Raises Refused."""
    access.check_reads(service.law.roles, principal, "events")
    with service.database.read() as tx:
        reading = read(service, tx, principal, case_id)
        rows = tx.events(case_id)
        mark = tx.setting(CHECKPOINT_SETTING)
    row = reading.held.row
    flaw = verify_case(case_id, rows)
    if flaw is None and (rows[-1].case_seq, rows[-1].hash) != (row.version, row.head_hash):
        flaw = Flaw(case_id, row.version, "head")
    events = [from_row(one) for one in rows]
    signed = {e.payload["event"]: e for e in events if e.type == "countersigned"}
    waiting = {one.event for one in reading.state.pending}
    items = []
    for event, link in zip(events, rows, strict=True):
        late, by = event.payload.get("late"), signed.get(event.seq)
        if late is not None and "signed_with" in late:
            by = signed.get(late["signed_with"])
        items.append(
            {
                "seq": event.seq,
                "type": event.type,
                "what": told(event.type, event.payload, reading.names),
                "occurred_at": event.occurred_at,
                "recorded_at": event.recorded_at,
                "actor": event.actor,
                "source": event.source,
                "reason": None if event.type in _TOLD_WITH_REASON else _reason(event.payload.get("reason")),
                "evidence": (event.payload.get("evidence") or {}).get("ref"),
                "late": late and {**late, "reason": _reason(late["reason"])},
                "signed_by": None if by is None else by.actor,
                "signed_at": None if by is None else by.recorded_at,
                "unsigned": event.seq in waiting or (late is not None and late.get("signed_with") in waiting),
                "dropped": "proposes" in event.payload and by is None and event.seq not in waiting,
                "prev_hash": link.prev_hash,
                "hash": link.hash,
            }
        )
    last = len(items) if before is None else max(0, min(before - 1, len(items)))
    first = max(0, last - EVENTS_SHOWN)
    checkpoint: dict[str, Any] | None = None
    if mark is not None:
        checkpoint = msgspec.json.decode(mark)
        checkpoint["created_at"] = dt.datetime.fromisoformat(checkpoint["created_at"])
    return History(
        head(reading),
        items[first:last],
        len(items),
        first + 1 if first else None,
        row.head_hash,
        flaw,
        checkpoint,
    )


_TOLD_WITH_REASON = ("suspension_proposed", "withdrawn", "terminated", "refused")
"""Events whose sentence says the reason; that of any other is told beside it."""


def _reason(given: str | None) -> Text | None:
    return reason_told(given) if given else None
