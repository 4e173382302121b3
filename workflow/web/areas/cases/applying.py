"""Taking an application in: what is typed, what applies to it, and then the application.

The first press shows class, steps, limits and documents, as the engine would have them; only then can it be sent.  What
was typed stays, whatever is wrong with it.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from workflow.http import status_of
from workflow.service import Refused, intake
from workflow.web.area import N_
from workflow.web.areas.cases.acts import EXTRA_ROWS, papers_of, typed_of
from workflow.web.areas.cases.file import page
from workflow.web.language import said
from workflow.web.visit import Form, Staff, Visit, text_of

router = APIRouter()


@router.get("/cases/new")
def ask(visit: Staff) -> Response:
    """The empty form."""
    here = next(
        (unit for unit in intake.units(visit.service, visit.principal) if unit.code == visit.principal.org), None
    )
    usual = {"org": visit.principal.org or "", "region": (here.region if here else None) or "", "channel": "hall"}
    return _form(visit, usual)


def _form(
    visit: Visit,
    typed: dict[str, Any],
    *,
    preview: intake.Preview | None = None,
    refusal: Any = None,
    faults: tuple[Any, ...] = (),
    status: int = 200,
) -> Response:
    intake.check(visit.service, visit.principal)
    return page(
        visit,
        "new.html",
        "",
        status=status,
        groups=intake.FIELDS,
        fields=intake.fields(),
        units=intake.units(visit.service, visit.principal),
        command="submit",
        typed=typed,
        preview=preview,
        documents_field=intake.DOCUMENTS,
        seen=_mark(typed) if preview else "",
        refusal=refusal,
        faults={one.field: said(one.message, visit.language) for one in faults},
        key=secrets.token_urlsafe(16),
        extra_rows=range(1, EXTRA_ROWS + 1),
        longest={"prose": 4000, "text": 500},
    )


def _mark(typed: dict[str, Any]) -> str:
    """The facts that a preview was made for: another class may apply once one of them changes."""
    facts = "\n".join(f"{name}={typed.get(name, '')}" for name in intake.fields())
    return hashlib.sha256(facts.encode()).hexdigest()[:32]


@router.post("/cases/new")
def take_in(visit: Staff, form: Form) -> Response:
    """Show what applies; send it once that was shown for these very facts."""
    typed = typed_of(form)
    try:
        preview = intake.preview(visit.service, visit.principal, intake.submission(typed, []))
        asked = intake.submission(typed, papers_of(form, preview.papers))
        if text_of(form, "seen") != _mark(typed) or not text_of(form, "send"):
            return _form(visit, typed, preview=preview)
    except intake.Faulty as error:
        return _form(visit, typed, faults=error.faults, status=422)
    except Refused as error:
        if error.refusal.kind == "forbidden":
            raise
        return _form(visit, typed, refusal=error.refusal, status=status_of(error.refusal))
    answer = visit.service.submit(visit.principal, asked, text_of(form, "once") or None).result()
    if answer.refusal is not None:
        return _form(visit, typed, preview=preview, refusal=answer.refusal, status=status_of(answer.refusal))
    return visit.go(f"/cases/{answer.case_id}", visit.gettext(N_("已受理申请。")))
