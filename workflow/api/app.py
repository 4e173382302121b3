"""`create_app(service)`: the HTTP face as an ASGI application. The one table of its routes is here."""

from __future__ import annotations

from importlib.metadata import version

from fastapi import APIRouter, Depends, FastAPI
from starlette.responses import Response

from workflow.api import answers, applications, evidence, openapi, operations, problems, reference, reports
from workflow.api.metrics import Metrics
from workflow.api.observe import Observed
from workflow.api.parameters import no_repeats
from workflow.service import Service

API = "/api/v1"

_DESCRIPTION = """\
Drives electricity connection applications (用电报装) through the steps, documents and working days that the
regulator allows.

Times without an offset are Asia/Shanghai. Every error is an RFC 9457 problem in Chinese and English, citing its clause.
Unknown fields are refused. A command repeated under the same `Idempotency-Key` gives the same answer and changes
nothing.
"""


def _api() -> APIRouter:
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
    ):
        subject = path.split("/")[1]
        router.get(
            path,
            name="get" + path.replace("/", "_").replace("{", "").replace("}", ""),
            tags=[subject],
            response_class=Response,
            responses={200: openapi.answer(shape, says, tagged=True), **reading},
        )(endpoint)
    return router


def _at_root() -> APIRouter:
    router = APIRouter(tags=["operations"])
    router.get("/healthz", response_class=Response, responses={503: openapi.problem("not-alive")})(operations.health)
    router.get("/readyz", response_class=Response, responses={503: openapi.problem("not-ready")})(operations.ready)
    router.get("/metrics", response_class=Response)(operations.metrics)
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
    app.include_router(_api())
    app.include_router(_at_root())
    problems.install(app)
    openapi.install(app)
    app.add_middleware(Observed, metrics=app.state.metrics)
    return app
