"""Findings on live applications: the list, one with its case's records on a line of time, and its review."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from functools import partial
from typing import Any, Final, Literal
from urllib.parse import quote

from fastapi import APIRouter
from pydantic import ValidationError
from starlette.responses import Response

from workflow.http import XLSX
from workflow.service import Refused, findings
from workflow.web.area import N_, Area, Link
from workflow.web.language import said
from workflow.web.visit import Form, Id, Staff, Visit, text_of

router = APIRouter()
AREA = Area("findings", router, order=50, links=(Link("/findings", N_("检查发现"), reads="findings"),))
PAGE: Final = 30
ANSWER_WITHIN: Final = dt.timedelta(days=7)
"""What the form of an invitation proposes for the answer; natural days."""

MEDIA: Final = {
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xlsx": XLSX,
}


@router.get("/findings")
def desk(visit: Staff) -> Response:
    """The findings of the viewer's part of the organisation."""
    given = visit.request.query_params
    narrowed = {name: given.get(name) or None for name in ("rule", "severity", "status", "org", "cursor")}
    narrowed["status"] = narrowed["status"] or "standing"
    found = findings.desk(visit.service, visit.principal, limit=PAGE, **narrowed)
    return visit.page(
        "findings/desk.html", found=found, asked=narrowed, rules=rules_of(visit), statuses=findings.STATUSES
    )


@router.get("/findings/rules")
def rules(visit: Staff) -> Response:
    """How often each rule was right."""
    found = findings.precision(visit.service, visit.principal, run=None)
    return visit.page("findings/rules.html", items=found["items"])


@router.get("/findings/{id}")
def one(visit: Staff, finding_id: Id) -> Response:
    """One finding, its evidence and its review."""
    return _one(visit, finding_id)


def _one(visit: Visit, finding_id: str, typed: dict[str, str] | None = None, failed: str = "") -> Response:
    shown = findings.file(visit.service, visit.principal, finding_id)
    status = 422 if failed else 200
    return visit.page("findings/one.html", status=status, **shown, **reviewing(visit, typed), failed=failed)


@router.post("/findings/{id}/review")
def review(visit: Staff, form: Form, finding_id: Id) -> Response:
    """One act of a review."""
    back = text_of(form, "back") or f"/findings/{finding_id}"
    act = partial(findings.act, visit.service, visit.principal, finding_id)
    return reviewed(visit, form, back, act, partial(_one, visit, finding_id))


@router.get("/findings/{id}/paper.{form}")
def paper(visit: Staff, finding_id: Id, form: Literal["docx", "xlsx"]) -> Response:
    """The working paper of its case."""
    name, content = findings.paper(visit.service, visit.principal, finding_id, form)
    return download(f"工作底稿-{name}", form, content)


def rules_of(visit: Visit) -> list[tuple[str, str]]:
    """The rules to choose from."""
    named = findings.rule_names(visit.service)
    return [(code, f"{code} {said(text, visit.language)}") for code, text in named.items()]


def reviewing(visit: Visit, typed: dict[str, str] | None = None) -> dict[str, Any]:
    """What the forms of a review need; `typed`: what they hold already."""
    return {
        "acts": findings.ACTS,
        "statuses": findings.STATUSES,
        "typed": {"reply_by": (visit.service.today + ANSWER_WITHIN).isoformat(), **(typed or {})},
    }


def reviewed(
    visit: Visit,
    form: Form,
    back: str,
    act: Callable[[findings.Review], object],
    again: Callable[[dict[str, str], str], Response],
) -> Response:
    """Do the `act` that a form asks for and go `back`; `again`: the form with what was typed and what stands against
    it."""
    typed = {name: text_of(form, name) for name in ("act", "text", "reply_by")}
    given = typed if typed["act"] == "invite" else {**typed, "reply_by": ""}
    try:
        act(findings.Review.model_validate({name: value for name, value in given.items() if value}))
    except ValidationError:
        return again(typed, visit.gettext(N_("没有保存: 请选择一步并写明内容。")))
    except Refused as error:
        return again(typed, said(error.refusal.detail, visit.language))
    return visit.go(back, visit.gettext(N_("已记入复核经过。")))


def download(name: str, form: str, content: bytes) -> Response:
    """A file to keep; browsers that know no UTF-8 names get a plain one."""
    told = f"attachment; filename=\"paper.{form}\"; filename*=UTF-8''{quote(f'{name}.{form}')}"
    return Response(content, media_type=MEDIA[form], headers={"Content-Disposition": told})
