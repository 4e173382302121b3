"""Every "no" as a page in the language of the visit: what was refused, why, under which clause, and the way back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import quote

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from workflow.http import CALLER_GONE, status_of
from workflow.service import Contention, Damaged, NotMigrated, OutcomeUnknown, Refused, StorageError, StorageUnavailable
from workflow.service.tables import BadFile
from workflow.service.validation import describe
from workflow.web.area import N_
from workflow.web.kept import ask_to_sign_in, kept_of, show
from workflow.web.language import half, said
from workflow.web.visit import LANGUAGE, SESSION, Expired, MustChange, NotSignedIn, Visit, form_expired, visit_of

log = structlog.get_logger("baozhuang.web")

_TITLES: Final = {
    400: N_("请求有误"),
    403: N_("没有权限"),
    404: N_("没有找到"),
    405: N_("该地址不支持此操作"),
    413: N_("内容过大"),
    422: N_("不能这样办理"),
    429: N_("操作过于频繁"),
    500: N_("系统出错"),
    503: N_("系统暂时不可用"),
}
_DETAILS: Final = {
    404: N_("没有这个页面; 请核对地址, 或从首页重新进入。"),
    405: N_("请返回上一页, 用页面上的按钮操作。"),
    413: N_("提交的内容超过允许的大小, 未保存; 请减少内容或压缩文件后重新提交。"),
    422: N_("请改正后重新提交。"),
    500: N_("本次操作未完成, 已记录故障; 请稍后重试, 持续出现请把请求编号告诉管理员。"),
    503: N_("系统繁忙或数据库暂时不可用, 本次操作未保存; 请稍后重试。"),
}


def refused_page(visit: Visit, error: Refused) -> Response:
    """What the rules refused, in their own words, with the clauses."""
    refusal = error.refusal
    return _page(
        visit,
        status_of(refusal),
        title=said(refusal.title, visit.language),
        details=[said(refusal.detail, visit.language)],
        clauses=refusal.clauses,
    )


def _page(
    visit: Visit, status: int, *, title: str = "", details: Sequence[str] = (), clauses: Sequence[Any] = ()
) -> Response:
    usual = _DETAILS.get(status)
    return visit.page(
        "problem.html",
        status=status,
        code=status,
        title=title or visit.gettext(_TITLES.get(status, _TITLES[400])),
        details=details or ([visit.gettext(usual)] if usual else []),
        clauses=clauses,
        request_id=getattr(visit.request.state, "request_id", None),
    )


def install(app: FastAPI) -> None:
    """Make a page of every error that leaves a function of `app`."""

    _install_sessions(app)

    @app.exception_handler(Refused)
    async def _refused(request: Request, error: Refused) -> Response:
        return refused_page(await visit_of(request), error)

    @app.exception_handler(RequestValidationError)
    async def _invalid(request: Request, error: RequestValidationError) -> Response:
        visit = await visit_of(request)
        message = "message" if visit.language == "zh" else "message_en"
        return _page(visit, 422, details=[f"{one['field']}: {one[message]}" for one in describe(error.errors())])

    @app.exception_handler(BadFile)
    async def _unusable(request: Request, error: BadFile) -> Response:
        visit = await visit_of(request)
        return _page(visit, 422, details=[half(one, visit.language) for one in error.problems])

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> Response:
        return _page(await visit_of(request), error.status_code)

    @app.exception_handler(ClientDisconnect)
    async def _gone(_request: Request, _error: ClientDisconnect) -> Response:
        return Response(status_code=CALLER_GONE)  # for the log: nobody is there to read it

    @app.exception_handler(StorageError)
    async def _storage(request: Request, error: StorageError) -> Response:
        if isinstance(error, Damaged):
            log.error("storage", kind="Damaged", reason=error.en)
            visit = _nobody(request)
            return _page(visit, 500, details=[said(error, visit.language)])
        if not isinstance(error, Contention | NotMigrated | OutcomeUnknown | StorageUnavailable):
            raise error  # a fault of the program, not of the moment
        log.error("storage", kind=type(error).__name__, reason=error.en)
        return _page(_nobody(request), 503)

    @app.exception_handler(Exception)
    async def _failed(request: Request, _: Exception) -> Response:
        return _page(_nobody(request), 500)


def _install_sessions(app: FastAPI) -> None:
    """Whoever is not signed in, or no longer, is asked to; what was typed comes along."""

    @app.exception_handler(NotSignedIn)
    async def _sign_in(request: Request, _: NotSignedIn) -> Response:
        visit, kept = await visit_of(request), kept_of(request)
        path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        if kept:
            return ask_to_sign_in(visit, kept=kept, path=path)
        return visit.go(
            "/sign-in" if request.method != "GET" or path == "/" else f"/sign-in?next={quote(path, safe='')}"
        )

    @app.exception_handler(Expired)
    async def _expired(request: Request, _: Expired) -> Response:
        visit, kept, path = await visit_of(request), kept_of(request), request.url.path
        if not kept:
            return refused_page(visit, form_expired())
        if visit.viewer is None and SESSION in request.cookies:
            return ask_to_sign_in(visit, kept=kept, path=path)
        return show(visit, kept, path, status=403)

    @app.exception_handler(MustChange)
    async def _change(request: Request, _: MustChange) -> Response:
        return (await visit_of(request)).go("/password")


def _nobody(request: Request) -> Visit:
    """A visit that asks the database nothing."""
    known: Visit | None = getattr(request.state, "visit", None)
    if known is not None:
        return known
    request.state.visitor = ""
    english = request.cookies.get(LANGUAGE) == "en"
    return Visit(request, "en" if english else "zh", None, "", [])
