"""The board of a customer manager."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from workflow.web.area import N_, Area, Link
from workflow.web.visit import Staff

router = APIRouter()
AREA = Area("board", router, order=10, links=(Link("/board", N_("待办"), reads="applications"),))


@router.get("/board")
def board(visit: Staff) -> Response:
    """The viewer's applications."""
    found = visit.service.applications(visit.principal, manager=visit.principal.who)
    return visit.page("board/board.html", items=found["items"])
