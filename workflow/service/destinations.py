"""Destinations: where alerts and events go that are for no single person. Registered by an administrator, because what
is sent there leaves the house; the address is judged now and again whenever something is sent."""

from __future__ import annotations

import base64
import re
import secrets
from typing import Annotated, Any, Literal

import msgspec
import uuid6
from pydantic import Field

from storage import DestinationRow, Tx
from workflow.core import times
from workflow.core.commands import Code, Line, Strict
from workflow.core.events import Principal
from workflow.core.refusals import refuse
from workflow.core.times import write
from workflow.service import access, messages
from workflow.service.addresses import MOST_CHARACTERS, Addresses, AddressRefused
from workflow.service.service import Service

AREA = "destinations"
_SECRET_BYTES = 32

Event = Literal["alert", "yellow", "orange", "red", "black", "order"]
"""What a destination can be told of; `alert`: alerts of every level."""
_PLACE = re.compile(r"\{\w+\}")
_EVERYTHING: tuple[Event, ...] = ("alert", "order")


class CreateDestination(Strict):
    """A receiver. `kind`: a signed webhook, an Apprise address (企业微信, 钉钉, 飞书, e-mail, …), or the gateway to
    customers, an Apprise address with `{phone}` in it; an Apprise address with `{contact}` is the gateway to the staff.
    `events`: what it is told: alerts of every level, of some, supervision orders; all when left out. Gateways are told
    nothing by themselves. `org`: of whose alerts, that unit and those below; the key's own when left out."""

    name: Line
    kind: Literal["webhook", "apprise", "customer"]
    url: Annotated[str, Field(min_length=1, max_length=MOST_CHARACTERS, strict=True)]
    events: Annotated[tuple[Event, ...], Field(min_length=1, max_length=16)] | None = None
    org: Code | None = None


def create(service: Service, principal: Principal, asked: CreateDestination) -> dict[str, Any]:
    """A new destination. For a webhook the answer holds the signing secret, this once. Raises Refused:
    `address-not-allowed` for an address that may not be sent to."""
    access.check_administers(service.law.roles, principal, AREA)
    try:
        Addresses.of_environment().destination(asked.kind, asked.url)
    except AddressRefused as error:
        raise refuse("address-not-allowed", f"url: {error.zh}", f"url: {error.en}") from error
    secret = f"whsec_{base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()}"
    row = DestinationRow(
        id=str(uuid6.uuid7()),
        name=asked.name,
        kind=asked.kind,
        url=asked.url,
        secret=secret if asked.kind == "webhook" else None,
        org=asked.org,
        events=msgspec.json.encode(() if _is_gateway(asked) else asked.events or _EVERYTHING).decode(),
        created_at=write(service.clock.now()),
        created_by=principal.who,
    )

    def work(tx: Tx) -> DestinationRow:
        placed = row._replace(org=access.org_for(tx, principal, asked.org))
        tx.add_destination(placed)
        return placed

    placed = service.transact(work)
    return {**shown(placed), "secret": row.secret}


def _is_gateway(asked: CreateDestination) -> bool:
    return asked.kind == "customer" or "{contact}" in asked.url


def listed(service: Service, principal: Principal) -> dict[str, Any]:
    """Destinations, oldest first, disabled ones too; without secrets, and of the address only what is none. Raises
    Refused."""
    access.check_reads(service.law.roles, principal, AREA)
    with service.database.read() as tx:
        return {"items": [shown(row) for row in tx.destinations(principal.org)], "next": None}


def disable(service: Service, principal: Principal, destination_id: str) -> dict[str, Any]:
    """Send nothing there any more; again changes nothing. Raises Refused."""
    access.check_administers(service.law.roles, principal, AREA)
    at = write(service.clock.now())

    def work(tx: Tx) -> dict[str, Any]:
        row = _seen(tx, principal, destination_id)
        tx.disable_destination(destination_id, at)
        return shown(row._replace(disabled_at=row.disabled_at or at))

    return service.transact(work)


def test(service: Service, principal: Principal, destination_id: str) -> dict[str, Any]:
    """Queue a test message to a destination; the message says how it went. Raises Refused: `transition-not-allowed`
    when the destination is disabled or reaches customers."""
    access.check_administers(service.law.roles, principal, AREA)
    at = write(service.clock.now())

    def work(tx: Tx) -> dict[str, Any]:
        row = _seen(tx, principal, destination_id)
        if row.disabled_at is not None or _PLACE.search(row.url):
            raise refuse(
                "transition-not-allowed",
                "已停用的接收端和通往客户、人员的通道不能试发",
                "A destination that is disabled, or a gateway to customers or staff, takes no test message",
            )
        body = {
            "type": "cn.baozhuang.test",
            "data": {"destination_id": row.id},
            "title": f"【试发】{row.name}",
            "text": "报装系统试发, 收到即表示接收端可用。\n\nA test by baozhuang: receiving it, the destination works.",
        }
        message = messages.fresh(
            "event", f"destination:{row.id}", row.kind, msgspec.json.encode(body).decode(), at, org=row.org,
            dedupe=f"test:{uuid6.uuid7()}",
        )  # fmt: skip
        tx.queue_messages([message])
        return messages.shown(message)

    return service.transact(work)


def _seen(tx: Tx, principal: Principal, destination_id: str) -> DestinationRow:
    row = tx.destination(destination_id)
    if row is None or not access.sees(tx, principal, row.org):
        raise refuse(
            "not-found", f"没有找到接收端 {destination_id[:64]}", f"There is no destination {destination_id[:64]}"
        )
    return row


def shown(row: DestinationRow) -> dict[str, Any]:
    """A destination as who administers it sees it. Its address may hold a token (群机器人), so only scheme and host are
    shown of a web address, and only the scheme of another."""
    return {
        "id": row.id,
        "name": row.name,
        "kind": row.kind,
        "address": _told(row.url),
        "org": row.org,
        "events": msgspec.json.decode(row.events),
        "created_at": times.read(row.created_at),
        "created_by": row.created_by,
        "disabled_at": times.read(row.disabled_at),
    }


def _told(url: str) -> str:
    scheme, _, rest = url.partition("://")
    if scheme.lower() not in ("http", "https"):
        return f"{scheme}://…"
    host = rest.partition("/")[0].partition("?")[0]
    return f"{scheme}://{host}/…"
