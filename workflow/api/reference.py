"""What applies: the definitions in force and the working calendar."""

from __future__ import annotations

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response

from workflow.api import respond
from workflow.api.parameters import Caller, Definition, UserClass, Year, service_of


async def definition(request: Request, _caller: Caller, user_class: UserClass, query: Definition) -> Response:
    """The definition of a class: path, limits, documents, charges, notices, each with its clause."""
    service = service_of(request)
    found = await to_thread.run_sync(service.definition, user_class, query.on, query.region)
    return respond.read_value(request, found)


async def calendar(request: Request, _caller: Caller, year: Year) -> Response:
    """A year of the working calendar: its notices, holidays and make-up workdays, and what is provisional."""
    return respond.read_value(request, await to_thread.run_sync(service_of(request).calendar_year, year))
