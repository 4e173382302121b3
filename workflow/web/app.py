"""`create_app(service)`: the pages as an ASGI application, put together from their areas."""

from __future__ import annotations

from fastapi import Depends, FastAPI
from starlette.types import ASGIApp

from workflow.service import Service
from workflow.web import areas, problems, static_files
from workflow.web.guard import Guarded
from workflow.web.visit import checked_form


def create_app(service: Service) -> ASGIApp:
    """The pages over an open `service`, which the caller closes once the server has stopped."""
    app = FastAPI(
        openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False, dependencies=[Depends(checked_form)]
    )
    app.state.service = service
    app.state.areas = areas.every()
    app.state.routes = [route for area in app.state.areas for route in area.router.routes]
    for area in app.state.areas:
        app.include_router(area.router)
    app.get(f"{static_files.PREFIX}{{name}}")(static_files.serve)
    problems.install(app)
    return Guarded(app, {start: size for area in app.state.areas for start, size in area.uploads.items()})
