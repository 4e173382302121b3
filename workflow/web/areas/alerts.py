"""The inbox of alerts: what warns of a limit, and that somebody takes care of it or will later."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, BeforeValidator, ConfigDict
from starlette.responses import Response

from workflow.service import BUSINESS_ZONE, alerts, reading
from workflow.web.area import N_, Area, Link
from workflow.web.visit import Form, Staff, Visit, local, text_of

router = APIRouter()
AREA = Area("alerts", router, order=20, links=(Link("/alerts", N_("预警"), reads="alerts"),))

_LEVELS = ("black", "red", "orange", "yellow")
_STATUSES = ("standing", "open", "acknowledged", "cleared")
_SNOOZES = (1, 2, 3, 7)
"""Days an alert may be put off."""
_MORNING = dt.time(9)


def _none_if_blank(value: object) -> object:
    return value or None


AlertId = Annotated[str, Path(alias="id", pattern=r"^[0-9a-f-]{36}$")]


class AlertQuery(BaseModel):
    """The filters of the inbox as they stand in its address; a blank one is none."""

    model_config = ConfigDict(extra="ignore")

    whose: Annotated[Literal["mine", "all"] | None, BeforeValidator(_none_if_blank)] = None
    level: Annotated[Literal["black", "red", "orange", "yellow"] | None, BeforeValidator(_none_if_blank)] = None
    status: Annotated[
        Literal["standing", "open", "acknowledged", "cleared"] | None, BeforeValidator(_none_if_blank)
    ] = None
    cursor: Annotated[str | None, BeforeValidator(_none_if_blank)] = None


@router.get("/alerts")
def inbox(visit: Staff, query: Annotated[AlertQuery, Query()]) -> Response:
    """The alerts of one's own applications, or of all one sees, newest first."""
    whose = query.whose or ("mine" if visit.principal.role == "manager" else "all")
    status = query.status or "standing"
    found = alerts.listed(
        visit.service,
        visit.principal,
        manager=visit.principal.who if whose == "mine" else None,
        level=query.level,
        status=status,
        cursor=query.cursor,
    )
    return visit.page(
        "alerts/inbox.html",
        items=found["items"],
        next=found["next"],
        whose=whose,
        level=query.level,
        standing=status,
        levels=[(code, visit.word("level", code)) for code in _LEVELS],
        statuses=[(code, visit.word("alert", code)) for code in _STATUSES],
        snoozes=_SNOOZES,
        may=visit.may(administers="alerts"),
    )


@router.post("/alerts/{id}/acknowledge")
def acknowledge(visit: Staff, form: Form, alert_id: AlertId) -> Response:
    """Say that one takes care of it."""
    asked = reading.asked(alerts.Acknowledge, {"note": text_of(form, "note") or None})
    alerts.acknowledge(visit.service, visit.principal, alert_id, asked)
    return _back(visit, form, N_("已确认, 不再向上级升级。"))


@router.post("/alerts/{id}/snooze")
def snooze(visit: Staff, form: Form, alert_id: AlertId) -> Response:
    """Put it off for some days, until nine in the morning."""
    days = text_of(form, "days")
    until = visit.service.today + dt.timedelta(days=int(days) if days in map(str, _SNOOZES) else 1)
    moment = dt.datetime.combine(until, _MORNING, BUSINESS_ZONE)
    asked = reading.asked(alerts.Snooze, {"until": moment.isoformat(), "reason": text_of(form, "reason")})
    alerts.snooze(visit.service, visit.principal, alert_id, asked)
    return _back(visit, form, N_("已暂缓。"))


def _back(visit: Visit, form: Form, told: str) -> Response:
    onward = text_of(form, "back")
    return visit.go(local(onward) if onward else "/alerts", visit.gettext(told))
