"""`/findings`: what the rules say of live cases, and its review."""

from __future__ import annotations

import datetime as dt
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from workflow.api import bodies, respond
from workflow.api.answers import Shape
from workflow.api.parameters import Caller, Id, ItemId, Name, PageQuery, service_of
from workflow.service import findings

Severity = Literal["critical", "high", "medium", "low"]
Status = Literal["open", "awaiting_statement", "stated", "confirmed", "excluded", "rectified", "rechecked"]
Rule = Annotated[str, Field(pattern=r"^[DLS][0-9]{1,2}$", description="The number of a rule, such as D02.")]


class FindingQuery(PageQuery):
    """Which findings to list, newest first. Conditions are joined by "and"."""

    case_id: Id | None = None
    rule: Rule | None = None
    status: Annotated[
        Literal[Status, "standing", "lapsed"],
        Field(description="Of the review; or `standing`, `lapsed`: whether its ground is still on record."),
    ] | None = None  # fmt: skip
    severity: Severity | None = None
    org: Annotated[Name, Field(description="This unit and those below it.")] | None = None


class BothLanguages(Shape):
    """Chinese and English."""

    zh: str
    en: str


class FindingShape(Shape):
    """A finding. `evidence`: `records` that disagree (`field`, `value`, `source`), the accusing ones first; `stands`: a
    later record may have taken its ground away; `status`: of its review; `reply_by`: until when the unit may answer."""

    id: str
    run: str | None = Field(description="The replay it comes from; null on the live store.")
    case_id: str
    application_no: str | None
    org: str | None
    rule: str
    name: BothLanguages
    tag: Literal["off_system", "back_filled", "re_run", "over_limit", "other"]
    severity: Severity
    evidence: dict[str, Any]
    explanation: str
    explanation_en: str
    stands: bool
    status: Status
    reply_by: dt.date | None
    found_at: dt.datetime
    changed_at: dt.datetime


class FindingActShape(Shape):
    """One entry of a finding's history."""

    type: str
    at: dt.datetime
    by: str
    text: str | None = None
    reply_by: dt.date | None = None
    status: str | None = None


class FindingToldShape(FindingShape):
    """A finding with its history, and the acts that the caller may do now."""

    history: list[FindingActShape]
    acts: list[findings.ActName]


class FindingPage(Shape):
    """A page, newest first; `next` is the cursor of the following one."""

    items: list[FindingShape]
    next: str | None


class PrecisionShape(Shape):
    """How often a rule was right, of its reviewed findings; null where none was reviewed."""

    rule: str
    name: BothLanguages
    found: int
    reviewed: int
    confirmed: int
    excluded: int
    precision: float | None


class PrecisionPage(Shape):
    """Every rule with findings."""

    items: list[PrecisionShape]
    next: None


async def listed(request: Request, caller: Caller, query: Annotated[FindingQuery, Query()]) -> Response:
    """Findings on applications of the key's unit and those below, newest first. A unit's own managers and supervisors
    see those on which its statement was invited."""
    return await respond.found(request, findings.listed, service_of(request), caller, **query.given())


async def precision(request: Request, caller: Caller) -> Response:
    """How often each rule was right, of the findings that were reviewed."""
    return await respond.found(request, findings.precision, service_of(request), caller)


async def one(request: Request, caller: Caller, finding_id: ItemId) -> Response:
    """One finding with its history."""
    return await respond.found(request, findings.one, service_of(request), caller, finding_id)


async def review(request: Request, caller: Caller, finding_id: ItemId) -> Response:
    """One act of its review, kept as an event: `invite` the unit's statement with a date, `state` it (the unit),
    `confirm` or `exclude` with the reason, `rectify`, `recheck`."""
    asked = await bodies.read(request, findings.Review.model_validate)
    return await respond.done(partial(findings.act, service_of(request), caller, finding_id, asked))
