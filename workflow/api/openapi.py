"""A truthful OpenAPI description: bodies as the commands' own models, answers and problems by their shapes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from workflow.api import answers
from workflow.api.evidence import Records
from workflow.api.problems import MEDIA_TYPE
from workflow.http import XLSX
from workflow.service import COMMANDS, Submission, alerts, causes, destinations, feeds, findings, orders
from workflow.service.evidence import Record

_ASKED: tuple[type[BaseModel], ...] = (
    alerts.Acknowledge,
    alerts.Snooze,
    orders.IssueOrder,
    orders.AnswerOrder,
    orders.CloseOrder,
    causes.StateCause,
    findings.Review,
    destinations.CreateDestination,
    feeds.CreateFeed,
)
"""Bodies beside those of the commands."""

_REFERENCE = "#/components/schemas/{model}"
_ETAG = {"description": "Entity tag; serves as `If-Match`.", "schema": {"type": "string"}}
_REPLAYED = {
    "description": "`true`: the answer to the first request with this `Idempotency-Key`.",
    "schema": {"type": "string", "enum": ["true"]},
}
_LOCATION = {"description": "Path of the new application.", "schema": {"type": "string"}}


def problem(description: str) -> dict[str, Any]:
    """A response that is a problem."""
    return {
        "description": description,
        "content": {MEDIA_TYPE: {"schema": {"$ref": _REFERENCE.format(model="Problem")}}},
    }


PROBLEMS: dict[int | str, dict[str, Any]] = {
    400: problem("malformed-request: the fields at fault are in `errors`"),
    401: problem("not-authenticated"),
    403: problem("not-permitted: the role may not"),
    "default": problem("Any other problem: 404 not-found, 405, 500 internal-error, 503 with Retry-After"),
}
NOT_FOUND: dict[int | str, dict[str, Any]] = {404: problem("not-found: unknown, or of another unit")}
BODY: dict[int | str, dict[str, Any]] = {
    408: problem("request-timeout"),
    413: problem("body-too-large"),
    415: problem("unsupported-media-type"),
}
REFUSED: dict[int | str, dict[str, Any]] = {
    422: problem(
        "Refused by a rule, whose clause is cited: document-not-allowed, document-missing, step-not-allowed, …"
    )
}
CONFLICT: dict[int | str, dict[str, Any]] = {
    409: problem("transition-not-allowed: not at this step"),
    412: problem("stale-version: the application has moved on"),
}

NOT_NOW: dict[int | str, dict[str, Any]] = {409: problem("transition-not-allowed: not as it stands now")}
WORKBOOK: dict[str, Any] = {
    "description": "The list as an Excel workbook",
    "content": {XLSX: {"schema": {"type": "string", "format": "binary"}}},
}
METRICS: dict[str, Any] = {
    "description": "Counters in the Prometheus text format",
    "content": {"text/plain": {"schema": {"type": "string"}}},
}
CALENDAR: dict[str, Any] = {
    "description": "The due dates as iCalendar (RFC 5545)",
    "content": {"text/calendar": {"schema": {"type": "string"}}},
    "headers": {"ETag": _ETAG},
}


def answer(
    shape: type[BaseModel], description: str, *, tagged: bool = False, created: bool = False, replayable: bool = False
) -> dict[str, Any]:
    """A successful response of `shape` with its headers."""
    headers = {
        **({"ETag": _ETAG} if tagged else {}),
        **({"Location": _LOCATION} if created else {}),
        **({"Idempotent-Replayed": _REPLAYED} if replayable else {}),
    }
    described: dict[str, Any] = {"model": shape, "description": description}
    return {**described, "headers": headers} if headers else described


NOT_MODIFIED: dict[int | str, dict[str, Any]] = {304: {"description": "`If-None-Match` names the present ETag."}}


def body(name: str, *, required: bool = True) -> dict[str, Any]:
    """The `openapi_extra` of an operation whose body is component `name`; the face reads bodies itself."""
    schema = {"$ref": _REFERENCE.format(model=name)}
    return {"requestBody": {"required": required, "content": {"application/json": {"schema": schema}}}}


def _components() -> dict[str, Any]:
    """The schemas that FastAPI does not meet: request bodies and the problem."""
    models: Sequence[tuple[type[BaseModel], JsonSchemaMode]] = [
        (Submission, "validation"),
        (Records, "validation"),
        (Record, "validation"),
        *((asked, "validation") for asked in _ASKED),
        (answers.Problem, "serialization"),
    ]
    _, schema = models_json_schema(models, ref_template=_REFERENCE)
    components: dict[str, Any] = schema["$defs"]
    # Each record is judged by itself, so the list takes anything; what is accepted is a Record.
    components["Records"]["properties"]["records"]["items"] = {"$ref": _REFERENCE.format(model="Record")}
    adapter: TypeAdapter[Any] = COMMANDS
    commands = adapter.json_schema(ref_template=_REFERENCE)
    components.update(commands.pop("$defs"))
    components["Command"] = commands
    return components


def install(app: FastAPI) -> None:
    """Make `/openapi.json` of `app` complete."""

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(
                title=app.title,
                version=app.version,
                description=app.description,
                routes=app.routes,
                tags=app.openapi_tags,
            )
            schema["components"]["schemas"].update(_components())
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = described  # type: ignore[method-assign]  # FastAPI's own way of extending it
