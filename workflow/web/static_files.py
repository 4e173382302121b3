"""Style sheets and scripts under names that carry a digest of their content, so that a browser keeps them for ever."""

from __future__ import annotations

import functools
import hashlib
from importlib.resources import files
from typing import NamedTuple

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

PREFIX = "/static/"
_TYPES = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}
_FOR_EVER = "public, max-age=31536000, immutable"


class _File(NamedTuple):
    content: bytes
    media_type: str
    tag: str


@functools.cache
def _all() -> tuple[dict[str, str], dict[str, _File]]:
    """Addresses by plain name, files by the name that carries the digest."""
    addresses, served = {}, {}
    for file in files("workflow.web").joinpath("static").iterdir():
        stem, _, ending = file.name.rpartition(".")
        if ending in _TYPES:
            content = file.read_bytes()
            digest = hashlib.blake2b(content, digest_size=8).hexdigest()
            name = f"{stem}.{digest}.{ending}"
            addresses[file.name] = PREFIX + name
            served[name] = _File(content, _TYPES[ending], f'"{digest}"')
    return addresses, served


def address(name: str) -> str:
    """Where the static file `name` is served. Raises KeyError when there is none."""
    return _all()[0][name]


async def serve(request: Request, name: str) -> Response:
    """One file; 304 when the browser has it."""
    file = _all()[1].get(name)
    if file is None:
        raise HTTPException(404)
    headers = {"ETag": file.tag, "Cache-Control": _FOR_EVER}
    if file.tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(file.content, media_type=file.media_type, headers=headers)
