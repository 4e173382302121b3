"""The outermost layer: a request id, one log line and the metrics of every request, and an answer when all else fails.
What holds of every address is done here too: HEAD is answered as GET without the body, and a 405 names every method.

Pure ASGI, because context variables bound in synchronous dependencies are lost.  The log holds the path's template,
never the path, the query, a body or a key.
"""

from __future__ import annotations

import re
import time

import structlog
import uuid6
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from workflow.api.context import Record, begin, log
from workflow.api.metrics import Metrics
from workflow.api.problems import internal_error

_SANE_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_NO_ROUTE = "none"

_ALWAYS = {"Cache-Control": "private, no-cache", "X-Content-Type-Options": "nosniff"}


def _request_id(scope: Scope) -> str:
    stated = Headers(scope=scope).get("x-request-id")
    return stated if stated is not None and _SANE_ID.fullmatch(stated) else str(uuid6.uuid7())


def _route(scope: Scope) -> str:
    return str(getattr(scope.get("route"), "path", _NO_ROUTE))


def _methods(scope: Scope) -> set[str]:
    """What may be asked of the address of `scope`: of all routes, not of the first that has its path."""
    app = scope["app"]
    routes = [one for one in (*app.routes, *app.state.routes) if isinstance(one, Route)]
    there = [one.methods or () for one in routes if one.matches(scope)[0] is not Match.NONE]
    return {method for methods in there for method in (*methods, *(("HEAD",) if "GET" in methods else ()))}


class Observed:
    """ASGI middleware around the whole application."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection; only HTTP is observed."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        record = Record(_request_id(scope))
        begin(scope, record)
        state = scope.setdefault("state", {})  # how the pages learn the id, and tell who asked
        state["request_id"] = record.request_id

        bare = scope["method"] == "HEAD"
        inner = {**scope, "method": "GET"} if bare else scope  # a copy: the server must know that no body follows

        async def observed(message: Message) -> None:
            if bare and message["type"] == "http.response.body":
                message = {**message, "body": b""}
            if message["type"] == "http.response.start":
                record.status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = record.request_id
                for name, value in _ALWAYS.items():
                    headers.setdefault(name, value)
                if message["status"] == 405:
                    headers["Allow"] = ", ".join(sorted(_methods(inner)))
            await send(message)

        started = time.perf_counter()
        self.metrics.begin()
        with structlog.contextvars.bound_contextvars(request_id=record.request_id):
            try:
                await self._serve(inner, receive, observed, record)
            finally:
                seconds = time.perf_counter() - started
                route = _route(inner)
                self.metrics.end(scope["method"], route, record.status, seconds, record.code)
                log.info(
                    "request",
                    method=scope["method"],
                    route=route,
                    status=record.status,
                    ms=round(seconds * 1000, 1),
                    principal=record.who or state.get("who"),
                    case_id=record.case_id,
                    code=record.code,
                )

    async def _serve(self, scope: Scope, receive: Receive, send: Send, record: Record) -> None:
        try:
            await self.app(scope, receive, send)
        except Exception:
            log.exception("internal_error", route=_route(scope), case_id=record.case_id)
            if record.status is not None:
                raise  # half an answer is out: only breaking the connection can tell the caller
            await internal_error(Request(scope))(scope, receive, send)
