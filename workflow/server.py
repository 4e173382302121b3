"""`serve`: the two faces over HTTP, as one application, under uvicorn, in this process or in several workers.

The interface has /api/v1, the addresses for whoever runs it and the feeds; everything else is pages.  On SIGTERM or
Ctrl-C it takes no new connection, answers what has begun, finishes the queued commands and closes the database.
"""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import os
import signal
import socket
import tempfile
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from multiprocessing.process import BaseProcess

import structlog
import uvicorn
import uvicorn.supervisors
from fastapi import FastAPI
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from workflow import logs
from workflow.api import app as api_app
from workflow.api.metrics import MULTIPROCESS
from workflow.api.observe import Observed
from workflow.service import Service
from workflow.web import app as web_app

DATABASE = "BAOZHUANG_DATABASE"
_SECONDS_TO_FINISH = 30
_SECONDS_IDLE = 30

_INTERFACE = ("/api", "/feeds", "/healthz", "/metrics", "/openapi.json", "/readyz")
"""What belongs to the interface: these addresses and those below them."""


class Site:
    """The interface and the pages over one open `service`, observed alike."""

    def __init__(self, service: Service) -> None:
        self.interface = api_app.create_app(service)
        self.pages: ASGIApp = Observed(web_app.create_app(service), metrics=self.interface.state.metrics)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request with the face it is for; the start and the end of the server are the interface's."""
        path = scope.get("path", "")
        of_interface = scope["type"] != "http" or any(path == one or path.startswith(f"{one}/") for one in _INTERFACE)
        face: ASGIApp = self.interface if of_interface else self.pages
        if scope["type"] == "http":
            receive, send = heard_out(scope, receive, send)
        await face(scope, receive, send)


MOST_HEARD_OUT = 32 * 1024 * 1024
SECONDS_HEARD_OUT = 10


def heard_out(scope: Scope, receive: Receive, send: Send) -> tuple[Receive, Send]:
    """`receive` and `send` of a request whose body is read to its end, and thrown away, before an answer that did not
    wait for it is sent: at most 32 MiB more, for at most 10 s.

    A connection that is closed over unread bytes is reset, and who sends a whole body before reading never learns why
    it was refused.  Not read on: for a caller who asked first whether to send (`Expect`), who declares more than that,
    or who was too slow already (408).
    """
    headers = Headers(scope=scope)
    length = headers.get("content-length", "0")
    more = "transfer-encoding" in headers or (length.isdecimal() and 0 < float(length) <= MOST_HEARD_OUT)
    asks_first = "expect" in headers

    async def received() -> Message:
        nonlocal more, asks_first
        message = await receive()
        more, asks_first = more and bool(message.get("more_body")), False
        return message

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] != 408 and not asks_first:
            left = MOST_HEARD_OUT
            with suppress(TimeoutError):
                async with asyncio.timeout(SECONDS_HEARD_OUT):
                    while more and left > 0:
                        left -= len((await received()).get("body", b""))
        await send(message)

    return received, sent


def _owning(service: Service) -> ASGIApp:
    """The application that closes `service` when the server has answered its last request."""
    site = Site(service)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        # Modules, law and routes stay as long as the process: some 230,000 objects, and while the garbage collector
        # walks them again and again, every request waits.
        gc.freeze()
        try:
            yield
        finally:
            service.close()

    site.interface.router.lifespan_context = lifespan
    return site


def worker() -> ASGIApp:
    """One of several workers; its database is named by `BAOZHUANG_DATABASE`. Ends as on SIGTERM when the process that
    started it has gone: killed, it can tell nobody, and whoever starts the server again finds its address taken."""
    logs.configure()
    if (parent := multiprocessing.parent_process()) is not None:
        threading.Thread(target=_end_with, args=(parent,), name="baozhuang-parent", daemon=True).start()
    return _owning(Service.open(os.environ[DATABASE]))


def _end_with(parent: BaseProcess) -> None:
    parent.join()
    structlog.get_logger("baozhuang.server").warning("worker_orphaned", parent=parent.pid)
    os.kill(os.getpid(), signal.SIGTERM)


def listen(config: uvicorn.Config) -> socket.socket:
    """The socket that the workers of `config` share. Raises SystemExit when its address is taken.

    uvicorn's own names no protocol, and asyncio then leaves the kernel to hold small answers back until the caller has
    acknowledged the headers: 40 ms each.  What is accepted here inherits that they are sent at once.
    """
    listening = config.bind_socket()
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def serve(host: str, port: int, workers: int, database: str) -> None:
    """Serve `database` at `host`:`port` until told to stop.

    Raises StorageError, before anything listens, when the database cannot be opened or is not migrated; SystemExit when
    the address is taken.
    """
    logs.configure()
    service = Service.open(database)
    options = {
        "host": host,
        "port": port,
        "http": "h11",  # bounds the size of headers, whatever else is installed
        "log_config": None,  # ours
        "access_log": False,  # it would hold paths and queries; ours holds templates
        "server_header": False,
        "timeout_graceful_shutdown": _SECONDS_TO_FINISH,
        "timeout_keep_alive": _SECONDS_IDLE,
    }
    if workers == 1:
        uvicorn.run(_owning(service), **options)  # type: ignore[arg-type]  # options of mixed types
        return
    service.close()
    os.environ[DATABASE] = database
    with tempfile.TemporaryDirectory(prefix="baozhuang-metrics-") as folder:
        os.environ[MULTIPROCESS] = folder
        config = uvicorn.Config("workflow.server:worker", factory=True, workers=workers, **options)  # type: ignore[arg-type]  # as above
        uvicorn.supervisors.Multiprocess(config, sockets=[listen(config)]).run()
