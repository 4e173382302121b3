"""For the staff: what customers sent through the public pages. Their files, their complaints, their tracking codes."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from fastapi import APIRouter, Query
from starlette.responses import FileResponse, Response

from workflow.http import status_of
from workflow.service import Refused
from workflow.service.portal import complaints, tracking, uploads
from workflow.web.area import N_, Area, Link
from workflow.web.language import said
from workflow.web.visit import Form, Staff, Visit, text_of

router = APIRouter(prefix="/customers")
AREA = Area("customers", router, order=60, links=(Link("/customers", N_("投诉"), "customers"),))

Answered = Literal["no", "yes", "all"]
_ANSWERED: Final = {"no": False, "yes": True, "all": None}


@router.get("")
def listed(
    visit: Staff, answered: Answered = "no", cursor: Annotated[str | None, Query(max_length=64)] = None
) -> Response:
    """The complaints of the viewer's unit and below."""
    return _list(visit, answered, cursor)


def _list(visit: Visit, answered: Answered, cursor: str | None) -> Response:
    page = complaints.listed(visit.service, visit.principal, answered=_ANSWERED[answered], cursor=cursor)
    return visit.page("customers/complaints.html", items=page["items"], next=page["next"], answered=answered)


@router.get("/{case_id}")
def one(visit: Staff, case_id: str) -> Response:
    """What came from the customer of one application."""
    return _one(visit, case_id)


def _one(
    visit: Visit, case_id: str, *, code: str | None = None, error: Refused | None = None, typed: str = ""
) -> Response:
    return visit.page(
        "customers/case.html",
        status=200 if error is None else status_of(error.refusal),
        found=complaints.of_case(visit.service, visit.principal, case_id),
        files=uploads.of_case(visit.service, visit.principal, case_id),
        code=code,
        fault=None if error is None else said(error.refusal.detail, visit.language),
        typed=typed,
        once=tracking.new_once(),
    )


@router.post("/{case_id}/complaints/{complaint_id}")
def answer(visit: Staff, case_id: str, complaint_id: str, sent: Form) -> Response:
    """Answer a complaint."""
    text = text_of(sent, "text")
    try:
        complaints.answer(
            visit.service, visit.principal, complaint_id, complaints.said(text), text_of(sent, "once") or None
        )
    except Refused as error:
        return _one(visit, case_id, error=error, typed=text)
    return visit.go(f"/customers/{case_id}", visit.gettext(N_("已答复, 客户在查询页可见。")))


@router.post("/{case_id}/code")
def reissue(visit: Staff, case_id: str) -> Response:
    """A new tracking code, shown on this page once."""
    return _one(visit, case_id, code=tracking.reissue(visit.service, visit.principal, case_id))


@router.get("/files/{upload_id}")
def file(visit: Staff, upload_id: str) -> Response:
    """A customer's file, to be saved and never shown; who took it is recorded."""
    handed = uploads.hand_out(visit.service, visit.principal, upload_id)
    return FileResponse(
        handed.path, media_type=handed.media, filename=handed.name, content_disposition_type="attachment"
    )
