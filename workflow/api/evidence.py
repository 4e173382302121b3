"""`POST /evidence`: records of other systems, each answered by itself."""

from __future__ import annotations

from typing import Annotated, Any

from anyio import to_thread
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from workflow.api import bodies, respond
from workflow.api.parameters import Caller, service_of

MOST_RECORDS = 5000


class Records(BaseModel):
    """Rows of the replay contract's `events` table: `case_id`, `activity`, `lifecycle`, `occurred_at`, …"""

    model_config = ConfigDict(extra="forbid")

    records: Annotated[list[Any], Field(min_length=1, max_length=MOST_RECORDS)]


async def receive(request: Request, caller: Caller) -> Response:
    """Keep records of other systems; each is answered accepted or rejected with the reason, in their order. A record
    delivered twice is kept once."""
    sent = await bodies.read(request, Records.model_validate, bodies.EVIDENCE_LIMIT)
    answers = await to_thread.run_sync(service_of(request).receive_evidence, caller, sent.records)
    accepted = sum(one["accepted"] for one in answers)
    return Response(
        respond.encode({"items": answers, "next": None, "accepted": accepted, "rejected": len(answers) - accepted}),
        media_type="application/json",
    )
