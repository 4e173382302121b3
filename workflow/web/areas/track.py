"""Following an application (进度查询) by its number and code, and what its customer may do there [L22]."""

from __future__ import annotations

from typing import Any, Final

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter
from starlette.responses import Response

from workflow.http import status_of
from workflow.service import Refusal, Refused
from workflow.service.portal import house, tracking
from workflow.web.area import N_, Area
from workflow.web.areas.apply import LARGEST_BODY, incoming
from workflow.web.language import said
from workflow.web.visit import Form, Visit, Visitor, text_of

router = APIRouter(prefix="/track")
AREA = Area("track", router, order=91, uploads={"/track/documents": LARGEST_BODY})

LOOK: Final = "baozhuang_look"
PLAIN: Final = {
    "acceptance": N_("核对您的申请和资料"),
    "supply_plan": N_("上门勘查, 书面答复怎么给您供电"),
    "design_review": N_("审查您委托的设计, 从您交设计资料起"),
    "mid_inspection": N_("埋进地下、封进墙里的部分, 封之前检查"),
    "completion_inspection": N_("工程完工后检验"),
    "metering": N_("装电表, 送电"),
}
"""The steps in plain words."""

_AT_ONCE = CapacityLimiter(2)
"""Checking a code takes tens of megabytes: more of them wait for their turn."""


def _case(visit: Visit) -> str | None:
    return tracking.looked_at(visit.service, visit.request.cookies.get(LOOK, ""))


def _ended(visit: Visit) -> Response:
    return visit.go("/track", visit.gettext(N_("查询已结束或已超时, 请重新输入编号和查询码。")), "note")


@router.get("")
def ask(visit: Visitor) -> Response:
    """The form for number and code."""
    if _case(visit) is not None:
        return visit.go("/track/case")
    return _form(visit)


def _form(visit: Visit, number: str = "", error: str | None = None, status: int = 200) -> Response:
    return visit.page("track/form.html", status=status, number=number, error=error, rule=house.rule(visit.service))


@router.post("")
async def open_look(visit: Visitor, sent: Form) -> Response:
    """Look an application up; a wrong code and an unknown number get one answer."""
    number, code = text_of(sent, "number"), text_of(sent, "code")
    try:
        token = await to_thread.run_sync(
            tracking.open_look, visit.service, number, code, visit.address, limiter=_AT_ONCE
        )
    except Refused as error:
        return _form(visit, number, said(error.refusal.detail, visit.language), status_of(error.refusal))
    if token is None:
        return _form(
            visit, number, visit.gettext(N_("编号或查询码不对, 请核对后再试; 查询码遗失可到营业厅补发。")), 422
        )
    visit.remember(LOOK, token, None)
    return visit.go("/track/case")


@router.post("/leave")
def leave(visit: Visitor) -> Response:
    """End the look."""
    tracking.end_look(visit.service, visit.request.cookies.get(LOOK, ""))
    visit.remember(LOOK, "", 0)
    return visit.go("/track", visit.gettext(N_("已退出查询。")))


@router.get("/case")
def case(visit: Visitor) -> Response:
    """How the application stands."""
    case_id = _case(visit)
    return _ended(visit) if case_id is None else _shown(visit, case_id)


def _shown(visit: Visit, case_id: str, error: Refused | None = None, part: str = "", **typed: str) -> Response:
    fault: dict[str, Any] | None = None
    seen = tracking.progress(visit.service, case_id)
    if error is not None:
        if part.startswith("document ") and part not in {f"document {one['kind']}" for one in seen.missing}:
            part = "elsewhere"
        fault = {"part": part, "told": said(error.refusal.detail, visit.language), "clauses": error.refusal.clauses}
    return visit.page(
        "track/case.html",
        status=200 if error is None else status_of(error.refusal),
        seen=seen,
        rule=house.rule(visit.service),
        once=tracking.new_once(),
        plain={step: visit.gettext(text) for step, text in PLAIN.items()},
        fault=fault,
        typed=typed,
    )


@router.post("/documents")
def upload(visit: Visitor, sent: Form) -> Response:
    """Hand a document in later."""
    case_id = _case(visit)
    if case_id is None:
        return _ended(visit)
    kind, volunteered = text_of(sent, "kind"), text_of(sent, "volunteered") != ""
    try:
        tracking.add_file(visit.service, case_id, kind, incoming(sent), volunteered=volunteered, address=visit.address)
    except Refused as error:
        return _shown(visit, case_id, error, "volunteered" if volunteered else f"document {kind}")
    return visit.go("/track/case", visit.gettext(N_("已上传并登记到申请。")))


@router.post("/rate")
def rate(visit: Visitor, sent: Form) -> Response:
    """Rate the service."""
    case_id = _case(visit)
    if case_id is None:
        return _ended(visit)
    score, comment = text_of(sent, "score"), text_of(sent, "comment")
    try:
        if score not in ("1", "2", "3", "4", "5"):
            raise tracking.choose_score()
        _check(
            tracking.rate(
                visit.service, case_id, int(score), comment, once=text_of(sent, "once"), address=visit.address
            )
        )
    except Refused as error:
        return _shown(visit, case_id, error, "rate", comment=comment)
    return visit.go("/track/case", visit.gettext(N_("感谢您的评价。")))


@router.post("/withdraw")
def withdraw(visit: Visitor, sent: Form) -> Response:
    """Take the application back."""
    case_id = _case(visit)
    if case_id is None:
        return _ended(visit)
    reason = text_of(sent, "reason")
    try:
        if not text_of(sent, "sure"):
            raise tracking.tick_sure()
        _check(tracking.withdraw(visit.service, case_id, reason, once=text_of(sent, "once"), address=visit.address))
    except Refused as error:
        return _shown(visit, case_id, error, "withdraw", reason=reason)
    return visit.go("/track/case", visit.gettext(N_("申请已撤回。")))


@router.post("/complain")
def complain(visit: Visitor, sent: Form) -> Response:
    """Complain about how it is handled."""
    case_id = _case(visit)
    if case_id is None:
        return _ended(visit)
    text = text_of(sent, "text")
    try:
        tracking.complain(visit.service, case_id, text, once=text_of(sent, "once"), address=visit.address)
    except Refused as error:
        return _shown(visit, case_id, error, "complain", text=text)
    return visit.go("/track/case", visit.gettext(N_("投诉已收到, 答复会显示在本页。")))


def _check(refusal: Refusal | None) -> None:
    if refusal is not None:
        raise Refused(refusal)
