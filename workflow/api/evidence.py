"""`POST /evidence`: records of other systems, each answered by itself."""

from __future__ import annotations

from typing import Annotated, Any

from anyio import to_thread
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from workflow.api import bodies, respond
from workflow.api.parameters import Caller, service_of
from workflow.service import Principal, Service
from workflow.service.validation import field_path

MOST_RECORDS = 5000


class Records(BaseModel):
    """Rows of the replay contract's `events` table: `case_id`, `activity`, `lifecycle`, `occurred_at`, …"""

    model_config = ConfigDict(extra="forbid")

    records: Annotated[list[Any], Field(min_length=1, max_length=MOST_RECORDS)]


def _answers(service: Service, caller: Principal, records: list[Any]) -> list[dict[str, Any]]:
    flaws = [bodies.flaw(record) for record in records]
    sound = [record for record, found in zip(records, flaws, strict=True) if found is None]
    taken = iter(service.receive_evidence(caller, sound))
    return [next(taken) if found is None else _rejected(*found) for found in flaws]


def _rejected(path: tuple[int | str, ...], zh: str, en: str) -> dict[str, Any]:
    field = field_path(path) if path else "record"
    return {"accepted": False, "reason": f"{field} {zh} / {field} {en}"}


async def receive(request: Request, caller: Caller) -> Response:
    """Keep records of other systems; each is answered accepted or rejected with the reason, in their order. A record
    delivered twice is kept once."""
    sent = await bodies.read(request, Records.model_validate, bodies.EVIDENCE_LIMIT, apart="records")
    answers = await to_thread.run_sync(_answers, service_of(request), caller, sent.records)
    accepted = sum(one["accepted"] for one in answers)
    return Response(
        respond.encode({"items": answers, "next": None, "accepted": accepted, "rejected": len(answers) - accepted}),
        media_type="application/json",
    )
