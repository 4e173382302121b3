"""`/applications.xlsx`, `/alerts.xlsx`: what the lists show, as workbooks."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Literal

from anyio import to_thread
from fastapi import Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from workflow.api.alerts import AlertNarrowing
from workflow.api.parameters import ApplicationNarrowing, Caller, StrictQuery, service_of
from workflow.http import workbook
from workflow.service import exports


class _Sheet(StrictQuery):
    language: Annotated[Literal["zh", "en"], Field(description="Of the heads; the columns are the same.")] = "zh"


class ApplicationSheet(ApplicationNarrowing, _Sheet):
    """Which applications, as in the list, and the language of the heads."""


class AlertSheet(AlertNarrowing, _Sheet):
    """Which alerts, as in the list, and the language of the heads."""


async def applications(request: Request, caller: Caller, query: Annotated[ApplicationSheet, Query()]) -> Response:
    """The whole list of applications as an Excel workbook; 422 `too-many-rows` beyond 20,000."""
    made = partial(exports.applications, service_of(request), caller, **query.given())
    return workbook("applications", await to_thread.run_sync(made))


async def alerts(request: Request, caller: Caller, query: Annotated[AlertSheet, Query()]) -> Response:
    """The whole list of alerts as an Excel workbook; 422 `too-many-rows` beyond 20,000."""
    made = partial(exports.raised, service_of(request), caller, **query.given())
    return workbook("alerts", await to_thread.run_sync(made))
