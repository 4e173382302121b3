"""The log of contacts: what was said with a customer, written down by the staff.

A contact is a record like those that other systems send (`service_contact` of the replay contract), kept with them and
never changed: so the rules that look for an application held back (D07) or a clock started late (D30) read the office's
own log too.  It proves nothing about steps and starts no clock.  Moments are of the business zone (Asia/Shanghai).
"""

from __future__ import annotations

import datetime as dt
from typing import Any, Literal, get_args

import msgspec
import uuid6

from storage import EvidenceRow, Tx
from workflow.core.commands import Line, Moment, Prose, Strict
from workflow.core.events import Principal
from workflow.core.refusals import refuse
from workflow.core.times import write
from workflow.service import access
from workflow.service.evidence import evidence_row
from workflow.service.retries import once
from workflow.service.service import Service

AREA = "contacts"
ACTIVITY = "service_contact"
MOST_SHOWN = 100

Subject = Literal["enquiry", "connection_request", "inspection_request", "appointment", "pre_application"]
By = Literal["phone", "hall", "visit", "message", "online"]
SUBJECTS: tuple[str, ...] = get_args(Subject)
WAYS: tuple[str, ...] = get_args(By)
_SOURCES = {"phone": "callcentre", "online": "customer_app", "message": "customer_app"}


class RecordContact(Strict):
    """A contact with the customer. `subject`: what it was about, in the words of the replay contract; `by`: how; `ref`:
    the recording or platform record that proves it; `note` holds no personal data."""

    subject: Subject
    by: By
    occurred_at: Moment
    note: Prose | None = None
    ref: Line | None = None


def record(
    service: Service, principal: Principal, case_id: str, asked: RecordContact, key: str | None = None
) -> tuple[str, bool]:
    """Write a contact down. Its id, and whether it was there before under the same `key`. Raises Refused."""
    access.check_administers(service.law.roles, principal, AREA)
    now = service.clock.now()
    if asked.occurred_at > now:
        raise refuse(
            "time-in-future",
            f"联系时间 {asked.occurred_at:%Y-%m-%d %H:%M} 晚于当前时间; 请核对",
            f"The contact would lie in the future ({asked.occurred_at:%Y-%m-%d %H:%M}); check the time",
        )

    def work(tx: Tx) -> tuple[str, bool]:
        service.cases.load(tx, principal, case_id)

        def make() -> str:
            said: dict[str, Any] = {
                "case_id": case_id,
                "activity": ACTIVITY,
                "lifecycle": "observed",
                "occurred_at": write(asked.occurred_at),
                "recorded_at": write(now),
                "actor": principal.who,
                "device": asked.by,
                "source": _SOURCES.get(asked.by, "marketing"),
                "value": asked.subject,
            }
            said |= {name: value for name in ("ref", "note") if (value := getattr(asked, name)) is not None}
            row = evidence_row(str(uuid6.uuid7()), case_id, said, write(now), principal.who)
            tx.add_evidence(row)
            return row.id

        return once(tx, principal, key, about=(f"contact of {case_id}", asked), at=write(now), make=make)

    return service.transact(work, case_id=case_id)


def shown(rows: list[EvidenceRow]) -> list[dict[str, Any]]:
    """The contacts among the records of a case, the latest first; `recorded_by` tells our staff from other systems."""
    found = []
    for row in rows:
        said: dict[str, Any] = msgspec.json.decode(row.content)
        if said.get("activity") == ACTIVITY:
            found.append(
                {
                    "subject": said.get("value"),
                    "by": said.get("device"),
                    "source": said.get("source"),
                    "occurred_at": dt.datetime.fromisoformat(said["occurred_at"]),
                    "received_at": dt.datetime.fromisoformat(row.received_at),
                    "recorded_by": row.received_by,
                    "ref": said.get("ref"),
                    "note": said.get("note"),
                }
            )
    return sorted(found, key=lambda one: one["occurred_at"], reverse=True)
