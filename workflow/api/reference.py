"""What applies: the definitions in force and the working calendar."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from workflow.api import respond
from workflow.api.parameters import Caller, Definition, UserClass, Year, service_of


async def definition(request: Request, _caller: Caller, user_class: UserClass, query: Definition) -> Response:
    """The definition of a class: path, limits, documents, charges, notices, each with its clause."""
    return await respond.found(request, service_of(request).definition, user_class, query.on, query.region)


async def calendar(request: Request, _caller: Caller, year: Year) -> Response:
    """A year of the working calendar: its notices, holidays and make-up workdays, and what is provisional."""
    return await respond.found(request, service_of(request).calendar_year, year)
