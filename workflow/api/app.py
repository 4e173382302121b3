"""`create_app(service)`: the HTTP face as an ASGI application. The one table of its routes is here."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from importlib.metadata import version

from fastapi import APIRouter, Depends, FastAPI
from pydantic import BaseModel
from starlette.responses import Response

from workflow.api import (
    alert_answers,
    alerts,
    answers,
    applications,
    evidence,
    exports,
    findings,
    openapi,
    operations,
    people,
    problems,
    reference,
    reports,
)
from workflow.api.metrics import Metrics
from workflow.api.observe import Observed
from workflow.api.parameters import no_repeats
from workflow.service import Service

API = "/api/v1"
Endpoint = Callable[..., Awaitable[Response]]

_DESCRIPTION = """\
Drives electricity connection applications (用电报装) through the steps, documents and working days that the
regulator allows.

Times without an offset are Asia/Shanghai. Every error is an RFC 9457 problem in Chinese and English, citing its clause.
Unknown fields are refused. A command repeated under the same `Idempotency-Key` gives the same answer and changes
nothing.
"""


def _named(method: str, path: str) -> str:
    return method + path.translate(str.maketrans("/.", "__", "{}"))


@functools.cache
def _api() -> APIRouter:
    """The routes of the interface, which no application changes: FastAPI reads their signatures once."""
    router = APIRouter(prefix=API, responses=openapi.PROBLEMS, dependencies=[Depends(no_repeats)])
    reading = {**openapi.NOT_FOUND, **openapi.NOT_MODIFIED}
    writing = {**openapi.BODY, **openapi.REFUSED}

    router.post(
        "/applications",
        name="submit_application",
        tags=["applications"],
        status_code=201,
        response_class=Response,
        openapi_extra=openapi.body("Submission"),
        responses={
            201: openapi.answer(
                answers.ApplicationShape, "The new application", tagged=True, created=True, replayable=True
            ),
            **writing,
        },
    )(applications.submit)
    router.post(
        "/applications/{id}/commands",
        name="command_application",
        tags=["applications"],
        response_class=Response,
        openapi_extra=openapi.body("Command"),
        responses={
            200: openapi.answer(answers.CommandDone, "What was done", tagged=True, replayable=True),
            **openapi.NOT_FOUND,
            **openapi.CONFLICT,
            **writing,
        },
    )(applications.command)
    router.post(
        "/evidence",
        name="receive_evidence",
        tags=["evidence"],
        response_class=Response,
        openapi_extra=openapi.body("Records"),
        responses={200: openapi.answer(answers.EvidenceAnswer, "One answer for each record"), **openapi.BODY},
    )(evidence.receive)

    for path, endpoint, shape, says in (
        ("/applications", applications.listed, answers.ApplicationPage, "A page of applications"),
        ("/applications/{id}", applications.one, answers.ApplicationShape, "The application"),
        ("/applications/{id}/events", applications.events, answers.EventPage, "The history"),
        ("/applications/{id}/deadlines", applications.deadlines, answers.DeadlinePage, "The timers"),
        ("/applications/{id}/documents", applications.documents, answers.DocumentsShape, "The documents"),
        ("/applications/{id}/explain", applications.explain, answers.ExplainedPage, "The accounts"),
        ("/definitions/{user_class}", reference.definition, answers.DefinitionShape, "The definition"),
        ("/calendar/{year}", reference.calendar, answers.YearShape, "The year"),
        ("/reports/indicators", reports.indicators, reports.IndicatorsShape, "Annex 2"),
        ("/reports/benefits", reports.benefits, reports.BenefitsShape, "Annex 3"),
        ("/applications/{id}/causes", alerts.listed_causes, alert_answers.CausePage, "The causes"),
        ("/applications/{id}/milestones", alerts.milestones, alert_answers.MilestonePage, "The milestones"),
        ("/alerts", alerts.listed, alert_answers.AlertPage, "A page of alerts"),
        ("/alerts/{id}", alerts.one, alert_answers.AlertShape, "The alert"),
        ("/orders", alerts.listed_orders, alert_answers.OrderPage, "A page of supervision orders"),
        ("/orders/{id}", alerts.one_order, alert_answers.OrderShape, "The supervision order"),
        ("/breaches", alerts.breaches, alert_answers.BreachPage, "A page of broken limits"),
        ("/findings", findings.listed, findings.FindingPage, "A page of findings"),
        ("/findings/precision", findings.precision, findings.PrecisionPage, "How often each rule was right"),
        ("/findings/{id}", findings.one, findings.FindingToldShape, "The finding with its history"),
        ("/inbox", people.inbox, alert_answers.LetterPage, "A page of the inbox"),
        ("/messages", people.outbox, alert_answers.MessagePage, "A page of the outbox"),
        ("/destinations", people.registered, alert_answers.DestinationPage, "The receivers"),
        ("/feeds", people.subscribed, alert_answers.FeedPage, "The feeds"),
    ):
        subject = path.split("/")[1]
        router.get(
            path,
            name=_named("get", path),
            tags=[subject],
            response_class=Response,
            responses={200: openapi.answer(shape, says, tagged=True), **reading},
        )(endpoint)
    _act_on_alerts(router)
    return router


_ACTS: tuple[tuple[str, Endpoint, str | None, type[BaseModel], int], ...] = (
    ("/alerts/{id}/acknowledge", alerts.acknowledge, "Acknowledge", alert_answers.AlertShape, 200),
    ("/alerts/{id}/snooze", alerts.snooze, "Snooze", alert_answers.AlertShape, 200),
    ("/alerts/{id}/orders", alerts.issue, "IssueOrder", alert_answers.OrderShape, 201),
    ("/orders/{id}/answer", alerts.answer, "AnswerOrder", alert_answers.OrderShape, 200),
    ("/orders/{id}/close", alerts.close, "CloseOrder", alert_answers.OrderShape, 200),
    ("/applications/{id}/causes", alerts.state_cause, "StateCause", alert_answers.CauseShape, 201),
    ("/findings/{id}/review", findings.review, "Review", findings.FindingToldShape, 200),
    ("/inbox/{id}/read", people.read, None, alert_answers.LetterShape, 200),
    ("/messages/{id}/retry", people.retry, None, alert_answers.MessageShape, 200),
    ("/destinations", people.register, "CreateDestination", alert_answers.NewDestinationShape, 201),
    ("/destinations/{id}/disable", people.disable, None, alert_answers.DestinationShape, 200),
    ("/destinations/{id}/test", people.try_out, None, alert_answers.MessageShape, 200),
    ("/feeds", people.subscribe, "CreateFeed", alert_answers.NewFeedShape, 201),
    ("/feeds/{id}/revoke", people.revoke, None, alert_answers.FeedShape, 200),
)
"""What is done about alerts and findings, and what carries them: path, endpoint, component of the body, shape and
status of the answer."""
_OPTIONAL = ("Acknowledge", "CloseOrder", "CreateFeed")
"""Bodies that may be left out."""


def _act_on_alerts(router: APIRouter) -> None:
    for path, endpoint, component, shape, status in _ACTS:
        router.post(
            path,
            name=_named("post", path),
            tags=[path.split("/")[1]],
            status_code=status,
            response_class=Response,
            openapi_extra=None if component is None else openapi.body(component, required=component not in _OPTIONAL),
            responses={
                status: openapi.answer(shape, "As it stands now", created=status == 201),
                **(openapi.NOT_FOUND if "{id}" in path else {}),
                **openapi.NOT_NOW,
                **({**openapi.BODY, **openapi.REFUSED} if component is not None else {}),
            },
        )(endpoint)

    for path, sheet in (("/applications.xlsx", exports.applications), ("/alerts.xlsx", exports.alerts)):
        router.get(
            path,
            name=_named("get", path),
            tags=[path.removeprefix("/").removesuffix(".xlsx")],
            response_class=Response,
            responses={200: openapi.WORKBOOK, **openapi.REFUSED},
        )(sheet)


@functools.cache
def _at_root() -> APIRouter:
    router = APIRouter(tags=["operations"])
    for path, endpoint, shape, says, otherwise in (
        ("/healthz", operations.health, answers.HealthShape, "The process lives", "not-alive"),
        ("/readyz", operations.ready, answers.ReadyShape, "Commands are taken", "not-ready"),
    ):
        router.get(
            path,
            response_class=Response,
            responses={200: openapi.answer(shape, says), 503: openapi.problem(otherwise)},
        )(endpoint)
    router.get("/metrics", response_class=Response, responses={200: openapi.METRICS})(operations.metrics)
    router.get(
        "/feeds/{token}.ics",
        tags=["feeds"],
        response_class=Response,
        responses={200: openapi.CALENDAR, **openapi.NOT_FOUND, **openapi.NOT_MODIFIED},
    )(people.calendar)
    return router


def create_app(service: Service) -> FastAPI:
    """The application over an open `service`, which the caller closes once the server has stopped."""
    app = FastAPI(
        title="baozhuang 报装",
        version=version("baozhuang"),
        description=_DESCRIPTION,
        docs_url=None,  # their pages load scripts from elsewhere; a utility's machines are offline
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.service = service
    app.state.metrics = Metrics()
    routers = (_api(), _at_root())
    for router in routers:
        app.include_router(router)
    app.state.routes = [route for router in routers for route in router.routes]
    problems.install(app)
    openapi.install(app)
    app.add_middleware(Observed, metrics=app.state.metrics)
    return app
