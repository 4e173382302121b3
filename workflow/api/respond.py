"""How results leave: JSON bytes with an entity tag, or 304 when the caller has them already."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response

from workflow.api.context import record_of
from workflow.api.problems import of_refusal
from workflow.service import Answer, Reply

_JSON = "application/json"
encode = msgspec.json.Encoder().encode


def read(request: Request, body: bytes, version: int | None = None, *, media_type: str = _JSON) -> Response:
    """The answer to a GET. The tag is made of the content, because remaining days change with the date while the
    version stands still; it begins with the version, so that it serves as `If-Match` too."""
    digest = hashlib.blake2b(body, digest_size=8).hexdigest()
    tag = f'"{digest}"' if version is None else f'"{version}-{digest}"'
    stated = request.headers.get("if-none-match", "")
    known = {one.strip().removeprefix("W/") for one in stated.split(",")}
    if tag in known or "*" in known:
        return Response(status_code=304, headers={"ETag": tag})
    return Response(body, headers={"ETag": tag}, media_type=media_type)


async def found(request: Request, work: Callable[..., Any], *asked: Any, **narrowed: Any) -> Response:
    """As `read`, of what `work`, done in a thread, answers to `asked`: a value still to be written as JSON."""
    return read(request, encode(await to_thread.run_sync(partial(work, *asked, **narrowed))))


async def settled(request: Request, reply: Reply[Answer]) -> Response:
    """The answer to a command once its transaction has ended. When the caller goes away the command still runs."""
    answer = await reply
    record = record_of(request)
    record.case_id = answer.case_id or record.case_id
    if answer.refusal is not None:
        response = of_refusal(request, answer.refusal)
    else:
        response = Response(answer.body, 201 if answer.created else 200, media_type=_JSON)
        response.headers["ETag"] = f'"{answer.version}"'
        if answer.created:
            response.headers["Location"] = f"/api/v1/applications/{answer.case_id}"
    if answer.replayed:
        response.headers["Idempotent-Replayed"] = "true"
    return response


async def done(work: Callable[[], Any]) -> Response:
    """What `work`, done in a thread, answers."""
    return Response(encode(await to_thread.run_sync(work)), media_type=_JSON)


async def made(work: Callable[[], tuple[dict[str, Any], bool]], location: str) -> Response:
    """201 with what `work` made, and where it is read: `location` under /api/v1, `{id}` standing for its id. `work`
    says too whether it had been made before, under the same idempotency key."""
    value, again = await to_thread.run_sync(work)
    headers = {"Location": f"/api/v1{location.replace('{id}', value['id'])}"}
    return Response(
        encode(value), 201, headers={**headers, **({"Idempotent-Replayed": "true"} if again else {})}, media_type=_JSON
    )
