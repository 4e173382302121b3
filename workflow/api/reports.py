"""The regulator's half-yearly tables: annex 2 (indicators) and annex 3 (benefits)."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

from fastapi import Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from workflow.api import respond
from workflow.api.answers import Shape
from workflow.api.parameters import Caller, Name, StrictQuery, service_of
from workflow.service import reports


class ReportQuery(StrictQuery):
    """Which table. `org`: this unit and those below it; `by`: sub-totals."""

    period: Annotated[
        str, Field(pattern=r"^[0-9]{4}(H[12])?$", description="`2026H1`: first half of 2026; `2026`: whole year.")
    ]
    org: Annotated[Name, Field(description="This unit and those below it.")] | None = None
    by: Literal["province", "city", "county", "org", "enterprise"] | None = None


ReportOf = Annotated[ReportQuery, Query()]


class PeriodShape(Shape):
    """The period. `as_of`: its last day, or today while it runs; `report_due_on`: when the report is to be sent."""

    name: str
    label: str
    first: dt.date
    last: dt.date
    as_of: dt.date
    ended: bool
    report_due_on: dt.date


class Note(Shape):
    """How to read the table."""

    zh: str
    en: str


class _Report(Shape):
    title: str
    period: PeriodShape
    notes: list[Note]
    org: str | None
    by: str | None
    groups: list[dict[str, Any]] | None = None


class IndicatorsShape(_Report):
    """Annex 2: the 38 indicators. Figures are null where applications do not tell them."""

    table: Literal["indicators"]
    cases: dict[str, int]
    items: list[dict[str, Any]]


class BenefitsShape(_Report):
    """Annex 3. Savings and added sales are null: applications do not tell them."""

    table: Literal["benefits"]
    users: dict[str, int]
    savings_wan_yuan: dict[str, float | None]
    added_sales_wan_kwh: dict[str, float | None]
    added_capacity_wan_kva: dict[str, float]
    outside: int


async def indicators(request: Request, caller: Caller, query: ReportOf) -> Response:
    """Annex 2 “获得电力”任务指标完成情况统计表 of a first half (`2026H1`) or a whole year (`2026`)."""
    return await respond.found(request, reports.report, service_of(request), caller, "indicators", **query.given())


async def benefits(request: Request, caller: Caller, query: ReportOf) -> Response:
    """Annex 3 “三零”“三省”服务效益统计表 of a first half or a whole year."""
    return await respond.found(request, reports.report, service_of(request), caller, "benefits", **query.given())
