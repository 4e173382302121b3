"""For whoever runs the service: is it alive, can it take commands, how much does it do. No key is asked for."""

from __future__ import annotations

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response

from workflow.api import metrics as exposition
from workflow.api import respond
from workflow.api.parameters import service_of
from workflow.api.problems import Problem
from workflow.service import StorageError


async def health(request: Request) -> Response:
    """Whether the process lives, and what it says of itself. 503 only for what a restart would mend; 200 also when the
    database is away, for restarting would not bring it back."""
    facts = service_of(request).health()
    if not facts["writer"]:
        raise Problem(
            "not-alive",
            "写入线程已停止, 请重新启动服务进程",
            "The writer has stopped; restart the process",
            checks=facts,
        )
    return Response(respond.encode(facts), media_type="application/json")


async def ready(request: Request) -> Response:
    """Whether commands can be taken now; 503 with the reasons otherwise."""
    is_ready, facts = await to_thread.run_sync(service_of(request).ready)
    if not is_ready:
        raise Problem(
            "not-ready",
            "系统尚未就绪, 不能办理业务; 原因见 checks",
            "The system is not ready to take commands; see checks",
            {"Retry-After": "5"},
            checks=facts,
        )
    return Response(respond.encode({"ready": True, **facts}), media_type="application/json")


async def metrics(request: Request) -> Response:
    """Counters in the Prometheus text format, and how alerts are doing."""
    service, counters = service_of(request), request.app.state.metrics

    def expose() -> bytes:
        try:
            alerts = service.alert_health()
        except StorageError:  # told by the metrics themselves
            alerts = None
        exposed: bytes = counters.exposition(alerts)
        return exposed

    counted = await to_thread.run_sync(expose)
    return Response(counted, media_type=exposition.CONTENT_TYPE)
