"""What waits for a second signature in the viewer's unit and below."""

from __future__ import annotations

import secrets

from fastapi import APIRouter
from starlette.responses import Response

from workflow.service import signatures
from workflow.web.areas.cases.file import page
from workflow.web.visit import Staff

router = APIRouter()


@router.get("/signatures")
def waiting(visit: Staff) -> Response:
    """The queue, longest waiting first."""
    kind = visit.request.query_params.get("kind")
    kind = kind if kind in signatures.KINDS else None
    cursor = visit.request.query_params.get("cursor")
    found = signatures.waiting(visit.service, visit.principal, kind=kind, cursor=cursor, limit=25)
    for item in found["items"]:
        item["once"] = secrets.token_urlsafe(16)
    return page(visit, "queue.html", "", items=found["items"], next=found["next"], kind=kind, kinds=signatures.KINDS)
