"""Every "no" of this face, as RFC 9457 problem details in Chinese and English.

A refusal of the rules keeps its code and clauses; a fault of the request or of the house gets one of `_TITLES`.
Nothing sent is ever echoed back, and nothing of the machinery is shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from workflow.api.context import log, record_of
from workflow.http import CALLER_GONE, status_of
from workflow.service import (
    Contention,
    Damaged,
    NotMigrated,
    OutcomeUnknown,
    Refusal,
    Refused,
    StorageError,
    StorageUnavailable,
)
from workflow.service.validation import describe

MEDIA_TYPE = "application/problem+json"

_TITLES: dict[str, tuple[int, str, str]] = {
    "malformed-request": (400, "请求格式有误", "Malformed request"),
    "not-authenticated": (401, "未通过身份认证", "Not authenticated"),
    "not-found": (404, "没有找到", "Not found"),
    "method-not-allowed": (405, "该地址不支持此方法", "Method not allowed"),
    "request-timeout": (408, "请求超时", "Request timeout"),
    "stale-version": (412, "记录已被他人更新", "The record has moved on"),
    "body-too-large": (413, "请求内容过大", "Body too large"),
    "unsupported-media-type": (415, "不支持的内容类型", "Unsupported media type"),
    "request-refused": (400, "请求被拒绝", "Request refused"),
    "internal-error": (500, "系统内部错误", "Internal error"),
    "store-damaged": (500, "数据库已损坏", "The store is damaged"),
    "not-alive": (503, "服务进程已失效", "Not alive"),
    "not-ready": (503, "系统尚未就绪", "Not ready"),
    "storage-unavailable": (503, "数据库暂时不可用", "Storage unavailable"),
    "storage-contended": (503, "系统繁忙", "Busy"),
    "outcome-unknown": (503, "结果未知", "Outcome unknown"),
}


class Problem(Exception):
    """A request this face itself refuses; `code` is one of `_TITLES`, `extra` are further members of the problem."""

    def __init__(self, code: str, zh: str, en: str, headers: Mapping[str, str] | None = None, **extra: Any) -> None:
        super().__init__(f"{code}: {zh} / {en}")
        self.code, self.zh, self.en, self.headers, self.extra = code, zh, en, headers, extra


def _clause_line(clause: Any) -> str:
    return f"{clause.id} {clause.source} {clause.item}: “{clause.quote}”"


def _respond(
    request: Request,
    code: str,
    status: int,
    title: tuple[str, str],
    detail: tuple[str, str],
    *,
    extra: Mapping[str, Any],
    clauses: Sequence[Any] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    record = record_of(request)
    record.code = code
    members = {
        **extra,
        "type": f"urn:baozhuang:problem:{code}",
        "title": " / ".join(title),
        "status": status,
        "detail": detail[0],
        "detail_en": detail[1],
        "code": code,
        "clause": "; ".join(_clause_line(clause) for clause in clauses) or None,
        "clauses": clauses,
        "instance": record.request_id,
    }
    return Response(msgspec.json.encode(members), status, headers=headers, media_type=MEDIA_TYPE)


def of_refusal(request: Request, refusal: Refusal) -> Response:
    """The answer to a command the rules refuse."""
    title, detail = (refusal.title.zh, refusal.title.en), (refusal.detail.zh, refusal.detail.en)
    return _respond(
        request, refusal.code, status_of(refusal), title, detail, clauses=refusal.clauses, extra=refusal.extra
    )


def of_problem(request: Request, problem: Problem, status: int | None = None) -> Response:
    """The answer to a request this face refuses; `status` where it differs from the code's own."""
    usual, zh, en = _TITLES[problem.code]
    return _respond(
        request,
        problem.code,
        status or usual,
        (zh, en),
        (problem.zh, problem.en),
        extra=problem.extra,
        headers=problem.headers,
    )


def internal_error(request: Request) -> Response:
    """The answer when the program is at fault; the log, found by the request's id, says more."""
    return of_problem(
        request,
        Problem(
            "internal-error",
            "系统出错, 本次请求未完成; 请凭 instance 中的请求编号联系管理员",
            "The system failed and the request was not completed; quote the request id in `instance` to the "
            "administrator",
        ),
    )


def _of_http(error: HTTPException) -> Problem:
    headers = error.headers
    match error.status_code:
        case 404:
            return Problem(
                "not-found", "没有这个地址; 请核对接口路径", "There is no such address; check the path", headers
            )
        case 405:
            return Problem(
                "method-not-allowed",
                "该地址不支持此方法; 允许的方法见 Allow 头",
                "This address does not take that method; see the Allow header",
                headers,
            )
        case _:
            return Problem("request-refused", "请求被拒绝", "The request was refused", headers)


def _of_storage(error: StorageError) -> Problem:
    match error:
        case OutcomeUnknown():
            return Problem(
                "outcome-unknown",
                "与数据库的连接在提交时中断, 结果未知; 请用同一个 Idempotency-Key 重发, 不会重复办理",
                "The database was lost while committing, so the outcome is unknown; send the request again with the "
                "same Idempotency-Key: nothing is done twice",
                {"Retry-After": "5"},
            )
        case Contention():
            return Problem(
                "storage-contended",
                "系统繁忙, 本次操作未保存; 请稍后重试",
                "The system is busy and nothing was saved; please try again",
                {"Retry-After": "1"},
            )
        case NotMigrated():
            return Problem(
                "not-ready", f"{error.zh}; 本次操作未保存", f"Nothing was saved: {error.en}", {"Retry-After": "5"}
            )
        case Damaged():
            return Problem("store-damaged", f"{error.zh}; 请联系管理员", f"Tell the administrator: {error.en}")
        case _:
            return Problem(
                "storage-unavailable",
                "数据库暂时不可用, 本次操作未保存; 请稍后重试, 持续出现请联系管理员",
                "The database is unavailable and nothing was saved; try again, and tell the administrator if it "
                "persists",
                {"Retry-After": "5"},
            )


def install(app: FastAPI) -> None:
    """Make problem details of every error that leaves a handler of `app`."""

    @app.exception_handler(Problem)
    async def _problem(request: Request, error: Problem) -> Response:
        return of_problem(request, error)

    @app.exception_handler(Refused)
    async def _refused(request: Request, error: Refused) -> Response:
        return of_refusal(request, error.refusal)

    @app.exception_handler(RequestValidationError)
    async def _invalid(request: Request, error: RequestValidationError) -> Response:
        return of_problem(request, malformed(error.errors()))

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> Response:
        return of_problem(request, _of_http(error), error.status_code)

    @app.exception_handler(ClientDisconnect)
    async def _gone(_request: Request, _error: ClientDisconnect) -> Response:
        return Response(status_code=CALLER_GONE)  # for the log and the metrics: nobody is there to read it

    @app.exception_handler(StorageError)
    async def _storage(request: Request, error: StorageError) -> Response:
        if not isinstance(error, Contention | StorageUnavailable | Damaged | NotMigrated):
            raise error  # a fault of the program, not of the moment
        log.error("storage", kind=type(error).__name__, reason=error.en)
        return of_problem(request, _of_storage(error))


def malformed(errors: Sequence[Any]) -> Problem:
    """The problem that names every field pydantic refuses and what to do about it."""
    faults = describe(errors)
    first = faults[0]
    more = len(errors) - 1
    return Problem(
        "malformed-request",
        f"{first['field']}: {first['message']}" + (f" (另有 {more} 处, 见 errors)" if more else ""),
        f"{first['field']}: {first['message_en']}" + (f" (and {more} more, see errors)" if more else ""),
        errors=faults,
    )
