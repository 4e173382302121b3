"""`/applications`: submit, drive, read."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response

from workflow.api import bodies, respond
from workflow.api.parameters import Applications, Caller, CaseId, IdempotencyKey, IfMatch, service_of
from workflow.service import COMMANDS, Principal, Service, Submission

# Only the contract's names: what a field is called in Python is no second way of saying it.
_submission = partial(Submission.model_validate, by_alias=True, by_name=False)
_command = partial(COMMANDS.validate_python, by_alias=True, by_name=False)


async def submit(request: Request, caller: Caller, idempotency_key: IdempotencyKey = None) -> Response:
    """Submit an application. The rules decide its class from the facts. With documents missing it is accepted all the
    same, in state `acceptance.waiting`, with the complete list of what is missing."""
    submission = await bodies.read(request, _submission)
    return await respond.settled(request, service_of(request).submit(caller, submission, idempotency_key))


async def command(
    request: Request, caller: Caller, case_id: CaseId, if_match: IfMatch, idempotency_key: IdempotencyKey = None
) -> Response:
    """Drive an application: one command, decided under the rules it is pinned to."""
    given = await bodies.read(request, _command)
    return await respond.settled(
        request, service_of(request).command(caller, case_id, given, idempotency_key, if_match)
    )


async def one(request: Request, caller: Caller, case_id: CaseId) -> Response:
    """One application, its steps and deadlines as of today (Asia/Shanghai)."""
    answer = await to_thread.run_sync(service_of(request).application, caller, case_id)
    return respond.read(request, answer.body, answer.version)


async def listed(request: Request, caller: Caller, query: Applications) -> Response:
    """Applications of the key's unit and those below, newest first."""
    return await respond.found(request, service_of(request).applications, caller, **query.given())


def _about(read: Callable[[Service, Principal, str], Any], says: str) -> Callable[..., Any]:
    async def about(request: Request, caller: Caller, case_id: CaseId) -> Response:
        return await respond.found(request, read, service_of(request), caller, case_id)

    about.__doc__ = says
    return about


events = _about(
    Service.events, "The history: every event with its two times, its actor and its link in the hash chain."
)
deadlines = _about(Service.deadlines, "Every timer as of today (Asia/Shanghai).")
documents = _about(Service.documents, "The closed list of each step, what was provided, and what is missing.")
explain = _about(Service.explain, "怎么算的: the day-by-day account of every due date, with clauses and notices.")
