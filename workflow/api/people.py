"""`/inbox`, `/messages`, `/destinations`, `/feeds`: how alerts reach people and systems."""

from __future__ import annotations

import datetime as dt
import email.utils
from functools import partial
from typing import Annotated, Literal

from anyio import to_thread
from fastapi import Path, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from workflow.api import bodies, respond
from workflow.api.parameters import Caller, ItemId, PageQuery, service_of
from workflow.api.problems import Problem
from workflow.service import destinations, feeds, messages

_CALENDAR = "text/calendar; charset=utf-8"


class InboxQuery(PageQuery):
    """Which messages to list, newest first."""

    unread: Annotated[bool, Field(description="Only those not read yet, or only those read.")] | None = None


class MessageQuery(PageQuery):
    """Which messages of the outbox to list, newest first."""

    status: Annotated[
        Literal["pending", "sent", "dead", "cancelled"], Field(description="`dead`: could not be delivered.")
    ] | None = None  # fmt: skip


async def inbox(request: Request, caller: Caller, query: Annotated[InboxQuery, Query()]) -> Response:
    """What was delivered to the person this key belongs to: the member of the staff whose id is the key's name."""
    return await respond.found(request, messages.inbox, service_of(request), caller, **query.given())


async def read(request: Request, caller: Caller, message_id: ItemId) -> Response:
    """Mark a message of the inbox as read; the first time stands."""
    return await respond.done(partial(messages.read, service_of(request), caller, message_id))


async def outbox(request: Request, caller: Caller, query: Annotated[MessageQuery, Query()]) -> Response:
    """The outbox: what waits, was sent, was cancelled, or (`dead`) could not be delivered, with the reason."""
    return await respond.found(request, messages.listed, service_of(request), caller, **query.given())


async def retry(request: Request, caller: Caller, message_id: ItemId) -> Response:
    """Queue a dead message again, under its old id."""
    return await respond.done(partial(messages.retry, service_of(request), caller, message_id))


async def register(request: Request, caller: Caller) -> Response:
    """Register a receiver. For a webhook the answer holds the signing secret, this once."""
    asked = await bodies.read(request, destinations.CreateDestination.model_validate)
    return await respond.made(
        lambda: (destinations.create(service_of(request), caller, asked), False), "/destinations/{id}"
    )


async def registered(request: Request, caller: Caller) -> Response:
    """The receivers of the key's unit and those below, without secrets."""
    return await respond.found(request, destinations.listed, service_of(request), caller)


async def disable(request: Request, caller: Caller, destination_id: ItemId) -> Response:
    """Send nothing there any more; again changes nothing."""
    return await respond.done(partial(destinations.disable, service_of(request), caller, destination_id))


async def try_out(request: Request, caller: Caller, destination_id: ItemId) -> Response:
    """Queue a test message; how it went is told by `/messages`."""
    return await respond.done(partial(destinations.test, service_of(request), caller, destination_id))


async def subscribe(request: Request, caller: Caller) -> Response:
    """A new calendar feed of a manager's due dates; the answer holds its address, this once."""
    asked = await bodies.read(request, feeds.CreateFeed.model_validate, optional=True)
    return await respond.made(lambda: (feeds.create(service_of(request), caller, asked), False), "/feeds")


async def subscribed(request: Request, caller: Caller) -> Response:
    """The feeds this key may revoke, without their addresses."""
    return await respond.found(request, feeds.listed, service_of(request), caller)


async def revoke(request: Request, caller: Caller, feed_id: ItemId) -> Response:
    """Revoke a feed for good; again changes nothing."""
    return await respond.done(partial(feeds.revoke, service_of(request), caller, feed_id))


async def calendar(request: Request, token: Annotated[str, Path(description="The feed's token.")]) -> Response:
    """A manager's due dates as iCalendar. The token in the address is the only key; no other is asked for."""
    found = await to_thread.run_sync(feeds.content, service_of(request), token)
    if found is None:
        raise Problem(
            "not-found",
            "没有这个日历订阅, 或已吊销; 请重新创建订阅",
            "There is no such calendar feed, or it was revoked; create a new one",
        )
    body, changed_at = found
    response = respond.read(request, body, media_type=_CALENDAR)
    if changed_at is not None:
        # For people and caches to see. Whether there is anything new is for the ETag to say: a date that was taken
        # away leaves none behind.
        response.headers["Last-Modified"] = email.utils.format_datetime(changed_at.astimezone(dt.UTC), usegmt=True)
    return response
