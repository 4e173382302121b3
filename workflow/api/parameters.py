"""Who asks, and what stands in path, query and headers: checked once, described truthfully in OpenAPI."""

from __future__ import annotations

import datetime as dt
import re
from typing import Annotated, Any

from anyio import to_thread
from fastapi import Depends, Header, Path, Query, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from workflow.api.context import record_of
from workflow.api.problems import Problem
from workflow.service import FIRST_YEAR, LAST_YEAR, Principal, Service

_LONGEST_KEY = 512
_VERSION = re.compile(r'(?:W/)?"(\d{1,9})(?:-[0-9a-f]{1,64})?"|(\d{1,9})')
_TAG = r'(?:W/)?"[^"]*"|[^",\s]+'
"""A tag; a comma between its quotation marks is part of it [RFC 9110 §8.8.3]."""
_TAGS = re.compile(rf"(?:{_TAG})(?:\s*,\s*(?:{_TAG}))*")


def service_of(request: Request) -> Service:
    """The service that `create_app` was given."""
    service: Service = request.app.state.service
    return service


_bearer = HTTPBearer(
    auto_error=False, description="`Authorization: Bearer KEY`; keys come from `baozhuang keys create`."
)


async def _principal(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]
) -> Principal:
    """Who the key belongs to. Raises Problem `not-authenticated`."""
    secret = "" if credentials is None else credentials.credentials.strip()
    principal = None
    if secret.isascii() and secret.isprintable() and 0 < len(secret) <= _LONGEST_KEY:
        principal = await to_thread.run_sync(service_of(request).authenticate, secret)
    if principal is None:
        raise Problem(
            "not-authenticated",
            "缺少密钥或密钥无效、已吊销; 请在请求头中提供 Authorization: Bearer 密钥, 密钥由管理员签发",
            "The key is missing, unknown or revoked; send the header Authorization: Bearer KEY, "
            "with a key the administrator issues",
            {"WWW-Authenticate": "Bearer"},
        )
    record_of(request).who = principal.who
    return principal


Caller = Annotated[Principal, Depends(_principal)]


async def no_repeats(request: Request) -> None:
    """Refuse a query that names a parameter twice, and two idempotency keys: which one is meant would be a guess.
    Raises Problem."""
    names = [name for name, _ in request.query_params.multi_items()]
    if len(names) > len(set(names)):
        raise Problem("malformed-request", "查询参数重复", "A query parameter is given twice")
    if len(request.headers.getlist("idempotency-key")) > 1:
        raise Problem("malformed-request", "请求头 Idempotency-Key 重复", "The header Idempotency-Key is given twice")


_ID = r"^[A-Za-z0-9._:-]{1,64}$"
Id = Annotated[str, Field(pattern=_ID)]
ItemId = Annotated[str, Path(alias="id", pattern=_ID)]


async def _case_id(
    request: Request,
    case_id: Annotated[str, Path(alias="id", pattern=_ID, description="The application's id.")],
) -> str:
    record_of(request).case_id = case_id
    return case_id


CaseId = Annotated[str, Depends(_case_id)]

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern=r"^[\x21-\x7e]{1,255}$",
        description="1 to 255 visible ASCII characters. The same key and content give the same answer and change "
        "nothing; the same key with other content is refused (`idempotency-key-reused`).",
    ),
]


async def _if_match(
    if_match: Annotated[
        str | None,
        Header(
            alias="If-Match",
            description="The ETag, or the version, of the application as last seen, or several of them with commas "
            "between; `*` for any. Otherwise 412.",
        ),
    ] = None,
) -> frozenset[int] | None:
    """The versions at which the command may be done [RFC 9110 §13.1.1]; None: at any. Raises Problem."""
    if if_match is None or if_match.strip() == "*":
        return None
    tags = re.findall(_TAG, if_match) if _TAGS.fullmatch(if_match.strip()) else []
    versions = [version for tag in tags if (version := _VERSION.fullmatch(tag))]
    if not versions:
        raise Problem(
            "stale-version",
            'If-Match 不是本系统给出的版本; 请重新读取申请, 使用其 ETag, 如 "7"',
            'If-Match is no version this system gave out; read the application again and use its ETag, such as "7"',
        )
    return frozenset(int(version[1] or version[2]) for version in versions)


IfMatch = Annotated[frozenset[int] | None, Depends(_if_match)]


def _as_date(value: object) -> object:
    if not isinstance(value, str) or not re.fullmatch(r"\d{4}-\d\d-\d\d", value, re.ASCII):
        raise ValueError("应为日期, 如 2026-01-05 / must be a date such as 2026-01-05")
    return value


def _known_year(value: dt.date) -> dt.date:
    if not FIRST_YEAR <= value.year <= LAST_YEAR:
        raise ValueError(f"年份应在 {FIRST_YEAR}-{LAST_YEAR} / the year must be {FIRST_YEAR}-{LAST_YEAR}")
    return value


Day = Annotated[dt.date, BeforeValidator(_as_date), AfterValidator(_known_year)]
Region = Annotated[str, Field(pattern=r"^[1-9][0-9]{5}$", description="A code of GB/T 2260.")]
Year = Annotated[int, Path(ge=FIRST_YEAR, le=LAST_YEAR)]
Name = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]{1,64}$")]
UserClass = Annotated[
    str, Path(pattern=r"^[a-z_]{1,32}$", description="residential, lv_zero, lv_other, hv_single, hv_dual")
]


class StrictQuery(BaseModel):
    """Base: a parameter that is not known is refused."""

    model_config = ConfigDict(extra="forbid")

    def given(self) -> dict[str, Any]:
        """What was asked; what was not is left out."""
        return self.model_dump(exclude_none=True)


class PageQuery(StrictQuery):
    """A page of a list."""

    cursor: Annotated[str, Field(pattern=r"^[0-9a-f-]{36}$", description="`next` of the page before.")] | None = None
    limit: Annotated[int, Field(ge=1, le=500)] = 50


class ApplicationNarrowing(StrictQuery):
    """Which applications to list, newest first. Conditions are joined by "and"."""

    state: Annotated[
        Name, Field(description="`<step>.waiting`, `<step>.running`, energised, withdrawn, terminated or refused.")
    ] | None = None  # fmt: skip
    user_class: Annotated[
        Name, Field(description="residential, lv_zero, lv_other, hv_single or hv_dual.")
    ] | None = None  # fmt: skip
    manager: Name | None = None
    org: Annotated[Name, Field(description="This unit and those below it.")] | None = None
    region: Annotated[Region, Field(description="GB/T 2260; 420000 covers the province, 420100 the city.")] | None = (
        None
    )
    external_id: Name | None = None
    due_before: Annotated[Day, Field(description="A running timer is due before this date.")] | None = None
    overdue: Annotated[bool, Field(description="Whether a running timer has negative remaining days.")] | None = None


class ApplicationQuery(ApplicationNarrowing, PageQuery):
    """Which applications to list, newest first. Conditions are joined by "and"."""


class DefinitionQuery(StrictQuery):
    """Which definition: in force on `on` (by default today, Asia/Shanghai) in `region` (by default the nation)."""

    on: Day | None = None
    region: Region | None = None


Applications = Annotated[ApplicationQuery, Query()]
Definition = Annotated[DefinitionQuery, Query()]
