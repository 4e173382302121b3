"""`serve`: the HTTP face under uvicorn, in this process or in several workers.

On SIGTERM or Ctrl-C it takes no new connection, answers what has begun, finishes the queued commands and closes the
database.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI

from workflow.api import logs
from workflow.api.app import create_app
from workflow.api.metrics import MULTIPROCESS
from workflow.service import Service

DATABASE = "BAOZHUANG_DATABASE"
_SECONDS_TO_FINISH = 30
_SECONDS_IDLE = 30


def _owning(service: Service) -> FastAPI:
    """The application that closes `service` when the server has answered its last request."""
    app = create_app(service)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        try:
            yield
        finally:
            service.close()

    app.router.lifespan_context = lifespan
    return app


def worker() -> FastAPI:
    """One of several workers; its database is named by `BAOZHUANG_DATABASE`."""
    logs.configure()
    return _owning(Service.open(os.environ[DATABASE]))


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
        uvicorn.run("workflow.api.serve:worker", factory=True, workers=workers, **options)  # type: ignore[arg-type]  # as above
