"""What supervisors look at: their part of the organisation, what was passed on to them, broken limits and their causes,
supervision orders, and how the alerts themselves are doing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from functools import partial
from typing import Final, TypeVar
from uuid import uuid4

from fastapi import APIRouter
from pydantic import BaseModel, ValidationError
from starlette.responses import Response

from workflow.alerts import issuing
from workflow.service import Refused, alerts, causes, messages, orders
from workflow.service.health import concerns
from workflow.service.overview import overview
from workflow.web.area import N_, Area, Link
from workflow.web.language import said
from workflow.web.visit import Form, Id, Staff, Visit, text_of

router = APIRouter()
AREA = Area(
    "supervise",
    router,
    order=30,
    links=(
        Link("/supervise", N_("督导概览"), reads="reports"),
        Link("/breaches", N_("超期与原因"), reads="alerts"),
        Link("/orders", N_("督办单"), reads="orders"),
    ),
)
PAGE: Final = 30
REPLY_WITHIN: Final = dt.timedelta(days=3)
"""What the form of an order proposes for the reply; natural days."""

Asked = TypeVar("Asked", bound=BaseModel)


def _attempt(
    visit: Visit,
    back: str,
    model: type[Asked],
    given: dict[str, str],
    act: Callable[[Asked], str],
    *,
    again: Callable[[str], Response] | None = None,
) -> Response:
    """Do what a form asks and go `back`; what stands against it is told there, and nothing was changed. `again`: the
    form with what was typed and what stands against it, where there is something to lose."""
    try:
        told = act(model.model_validate({name: value for name, value in given.items() if value}))
    except ValidationError:
        failed = visit.gettext(N_("没有保存: 请填写完整后重新提交。"))
    except Refused as error:
        failed = said(error.refusal.detail, visit.language)
    else:
        return visit.go(back, told)
    return visit.go(back, failed, "failed") if again is None else again(failed)


@router.get("/supervise")
def overview_page(visit: Staff) -> Response:
    """Load, lateness, ageing, steps, trend and alerts of the viewer's part of the organisation, by unit."""
    shown = overview(visit.service, visit.principal, visit.request.query_params.get("org") or None)
    return visit.page("supervise/overview.html", shown=shown, steps=tuple(visit.service.law.book.names["step"]))


@router.get("/supervise/escalated")
def escalated(visit: Staff) -> Response:
    """Alerts that nobody acknowledged in time and that were passed on."""
    found = alerts.listed(
        visit.service,
        visit.principal,
        status="standing",
        escalated=True,
        limit=PAGE,
        **visit.asked("level", "org", "cursor"),
    )
    return visit.page("supervise/escalated.html", found=found)


@router.post("/supervise/alerts/{id}/acknowledge")
def acknowledge(visit: Staff, form: Form, alert_id: Id) -> Response:
    """Somebody takes care of it."""

    def act(asked: alerts.Acknowledge) -> str:
        alerts.acknowledge(visit.service, visit.principal, alert_id, asked)
        return visit.gettext(N_("已确认, 不再逐级上报。"))

    return _attempt(visit, "/supervise/escalated", alerts.Acknowledge, {"note": text_of(form, "note")}, act)


@router.get("/supervise/alerts/{id}/order")
def order_form(visit: Staff, alert_id: Id) -> Response:
    """The form of a supervision order."""
    return _order_form(visit, alert_id, {"reply_by": (visit.service.today + REPLY_WITHIN).isoformat()}, str(uuid4()))


def _order_form(visit: Visit, alert_id: str, typed: dict[str, str], key: str, failed: str = "") -> Response:
    found = alerts.one(visit.service, visit.principal, alert_id)
    there = orders.unfinished(visit.service, visit.principal, alert_id)
    status = 422 if failed else 200
    return visit.page(
        "supervise/order_form.html", status=status, alert=found, typed=typed, key=key, failed=failed, there=there
    )


@router.post("/supervise/alerts/{id}/order")
def issue(visit: Staff, form: Form, alert_id: Id) -> Response:
    """Issue a supervision order from an alert; the same form sent twice issues one, as does one that was opened anew
    and sent again by whoever went back, unless another one is asked for."""

    def act(asked: orders.IssueOrder) -> str:
        another = text_of(form, "another") != ""
        issuing.issue(visit.service, visit.principal, alert_id, asked, text_of(form, "key") or None, another=another)
        return visit.gettext(N_("督办单已签发。"))

    given = {name: text_of(form, name) for name in ("content", "reply_by")}

    def again(failed: str) -> Response:
        return _order_form(visit, alert_id, given, text_of(form, "key"), failed)

    return _attempt(visit, f"/orders?alert_id={alert_id}", orders.IssueOrder, given, act, again=again)


@router.get("/breaches")
def breaches(visit: Staff) -> Response:
    """Broken limits, each with its cause or the form that asks for one."""
    narrowed = visit.asked("cause", "org", "cursor")
    found = causes.breaches(visit.service, visit.principal, limit=PAGE, **narrowed)
    listed = visit.service.law.book.breach_causes.causes
    return visit.page("supervise/breaches.html", found=found, causes=listed, key=str(uuid4()))


@router.post("/breaches/{id}")
def state_cause(visit: Staff, form: Form, case_id: Id) -> Response:
    """State the cause of a breach; the same form sent twice states it once."""

    def act(asked: causes.StateCause) -> str:
        causes.state(visit.service, visit.principal, case_id, asked, text_of(form, "once") or None)
        return visit.gettext(N_("原因已登记。"))

    given = {name: text_of(form, name) for name in ("key", "cause", "note")}
    return _attempt(visit, text_of(form, "back") or "/breaches", causes.StateCause, given, act)


@router.get("/orders")
def order_list(visit: Staff) -> Response:
    """Supervision orders, newest first."""
    narrowed = visit.asked("status", "org", "alert_id", "cursor")
    found = orders.listed(visit.service, visit.principal, limit=PAGE, **narrowed)
    return visit.page("supervise/orders.html", found=found)


@router.get("/orders/{id}")
def order(visit: Staff, order_id: Id) -> Response:
    """One supervision order, with what can be done about it."""
    return _order(visit, order_id)


def _order(visit: Visit, order_id: str, typed: str = "", failed: str = "") -> Response:
    found = orders.one(visit.service, visit.principal, order_id)
    status = 422 if failed else 200
    return visit.page("supervise/order.html", status=status, order=found, typed=typed, failed=failed)


@router.post("/orders/{id}/answer")
def answer(visit: Staff, form: Form, order_id: Id) -> Response:
    """Answer an order."""

    def act(asked: orders.AnswerOrder) -> str:
        orders.answer(visit.service, visit.principal, order_id, asked)
        return visit.gettext(N_("答复已提交。"))

    typed = text_of(form, "answer")
    again = partial(_order, visit, order_id, typed)
    return _attempt(visit, f"/orders/{order_id}", orders.AnswerOrder, {"answer": typed}, act, again=again)


@router.post("/orders/{id}/close")
def close(visit: Staff, form: Form, order_id: Id) -> Response:
    """Close an answered order."""

    def act(asked: orders.CloseOrder) -> str:
        orders.close(visit.service, visit.principal, order_id, asked)
        return visit.gettext(N_("督办单已办结。"))

    typed = text_of(form, "note")
    again = partial(_order, visit, order_id, typed)
    return _attempt(visit, f"/orders/{order_id}", orders.CloseOrder, {"note": typed}, act, again=again)


@router.get("/supervise/health")
def health(visit: Staff) -> Response:
    """How the sweeps and the outbox are doing, and what could not be delivered."""
    dead = messages.listed(visit.service, visit.principal, status="dead", limit=PAGE, **visit.asked("cursor"))
    found = visit.service.alert_health()
    return visit.page("supervise/health.html", health=found, concerns=list(concerns(found)), dead=dead)


@router.post("/supervise/messages/{id}/retry")
def retry(visit: Staff, message_id: Id) -> Response:
    """Queue a message again that could not be delivered."""
    try:
        messages.retry(visit.service, visit.principal, message_id)
    except Refused as error:
        return visit.go("/supervise/health", said(error.refusal.detail, visit.language), "failed")
    return visit.go("/supervise/health", visit.gettext(N_("已重新排队发送。")))
