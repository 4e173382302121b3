"""`/alerts`, `/orders`, `/applications/{id}/causes`, `/breaches`: what warns, and what was done about it."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Literal

from fastapi import Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from workflow.alerts import issuing
from workflow.api import bodies, respond
from workflow.api.alert_answers import Level
from workflow.api.parameters import Caller, CaseId, Id, IdempotencyKey, ItemId, Name, PageQuery, StrictQuery, service_of
from workflow.service import alerts, causes, orders


class AlertNarrowing(StrictQuery):
    """Which alerts. Conditions are joined by "and"."""

    status: Annotated[
        Literal["open", "acknowledged", "cleared", "standing"],
        Field(description="`standing`: open and acknowledged together."),
    ] | None = None  # fmt: skip
    level: Level | None = None
    manager: Name | None = None
    org: Annotated[Name, Field(description="This unit and those below it.")] | None = None
    case_id: Id | None = None


class AlertQuery(AlertNarrowing, PageQuery):
    """Which alerts to list, newest first. Conditions are joined by "and"."""


class OrderQuery(PageQuery):
    """Which supervision orders to list, newest first."""

    status: Literal["open", "answered", "closed"] | None = None
    org: Annotated[Name, Field(description="This unit and those below it.")] | None = None
    case_id: Id | None = None
    alert_id: Id | None = None


class BreachQuery(StrictQuery):
    """Which broken limits to list, newest application first."""

    cause: Annotated[
        Literal["none", "stated"], Field(description="`none`: only those that nobody has stated a cause for.")
    ] | None = None  # fmt: skip
    org: Annotated[Name, Field(description="This unit and those below it.")] | None = None
    cursor: Annotated[
        str, Field(pattern=r"^[A-Za-z0-9._:-]{1,64}~[A-Za-z0-9._:-]{1,64}$", description="`next` of the page before.")
    ] | None = None  # fmt: skip
    limit: Annotated[int, Field(ge=1, le=500)] = 50


async def listed(request: Request, caller: Caller, query: Annotated[AlertQuery, Query()]) -> Response:
    """Alerts of the key's unit and those below, newest first."""
    return await respond.found(request, alerts.listed, service_of(request), caller, **query.given())


async def one(request: Request, caller: Caller, alert_id: ItemId) -> Response:
    """One alert."""
    return await respond.found(request, alerts.one, service_of(request), caller, alert_id)


async def acknowledge(request: Request, caller: Caller, alert_id: ItemId) -> Response:
    """Somebody takes care of it: it is escalated no further. Who was first stands; again changes nothing."""
    asked = await bodies.read(request, alerts.Acknowledge.model_validate, optional=True)
    return await respond.done(partial(alerts.acknowledge, service_of(request), caller, alert_id, asked))


async def snooze(request: Request, caller: Caller, alert_id: ItemId) -> Response:
    """Not to be escalated before a moment, with the reason. The next rung comes all the same."""
    asked = await bodies.read(request, alerts.Snooze.model_validate)
    return await respond.done(partial(alerts.snooze, service_of(request), caller, alert_id, asked))


async def issue(request: Request, caller: Caller, alert_id: ItemId, key: IdempotencyKey = None) -> Response:
    """Issue a supervision order (督办单) from an alert, to be answered by a date."""
    asked = await bodies.read(request, orders.IssueOrder.model_validate)
    return await respond.made(partial(issuing.issue, service_of(request), caller, alert_id, asked, key), "/orders/{id}")


async def listed_orders(request: Request, caller: Caller, query: Annotated[OrderQuery, Query()]) -> Response:
    """Supervision orders of the key's unit and those below, newest first."""
    return await respond.found(request, orders.listed, service_of(request), caller, **query.given())


async def one_order(request: Request, caller: Caller, order_id: ItemId) -> Response:
    """One supervision order."""
    return await respond.found(request, orders.one, service_of(request), caller, order_id)


async def answer(request: Request, caller: Caller, order_id: ItemId) -> Response:
    """Answer an order: what was done. The same answer again changes nothing."""
    asked = await bodies.read(request, orders.AnswerOrder.model_validate)
    return await respond.done(partial(orders.answer, service_of(request), caller, order_id, asked))


async def close(request: Request, caller: Caller, order_id: ItemId) -> Response:
    """Close an answered order; by somebody else than who answered it."""
    asked = await bodies.read(request, orders.CloseOrder.model_validate, optional=True)
    return await respond.done(partial(orders.close, service_of(request), caller, order_id, asked))


async def state_cause(request: Request, caller: Caller, case_id: CaseId, key: IdempotencyKey = None) -> Response:
    """State the cause of a breach, from the fixed list. Stating it again appends; the latest counts."""
    asked = await bodies.read(request, causes.StateCause.model_validate)
    made = partial(causes.state, service_of(request), caller, case_id, asked, key)
    return await respond.made(made, f"/applications/{case_id}/causes")


async def listed_causes(request: Request, caller: Caller, case_id: CaseId) -> Response:
    """Every cause that was stated of an application's breaches, oldest first."""
    return await respond.found(request, causes.listed, service_of(request), caller, case_id)


async def milestones(request: Request, caller: Caller, case_id: CaseId) -> Response:
    """The internal milestones of the grid's works and the validity of the supply plan. They warn, and are no limits."""
    return await respond.found(request, alerts.milestones, service_of(request), caller, case_id)


async def breaches(request: Request, caller: Caller, query: Annotated[BreachQuery, Query()]) -> Response:
    """Legal limits that were broken: ended late, or overdue now."""
    return await respond.found(request, causes.breaches, service_of(request), caller, **query.given())
