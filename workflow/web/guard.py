"""Around all pages: what a browser may do with them, and how much may be sent to them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LARGEST_FORM: Final = 256 * 1024
"""Bytes of a form without files."""

HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
    "font-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cache-Control": "no-store",  # a machine in a hall is used by many people
}
_STRICT_TRANSPORT = "max-age=31536000"


class Guarded:
    """ASGI middleware around the pages. `uploads`: the largest body in bytes by the start of a path."""

    def __init__(self, app: ASGIApp, uploads: Mapping[str, int]) -> None:
        self.app = app
        self._uploads = dict(uploads)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                if scope["scheme"] == "https":
                    headers.setdefault("Strict-Transport-Security", _STRICT_TRANSPORT)
            await send(message)

        await self.app(scope, self._bounded(scope, receive), guarded)

    def _bounded(self, scope: Scope, receive: Receive) -> Receive:
        path = scope["path"]
        most = next((size for start, size in self._uploads.items() if path.startswith(start)), LARGEST_FORM)
        stated = Headers(scope=scope).get("content-length", "")
        seen = int(stated) if stated.isdecimal() and int(stated) > most else 0

        async def bounded() -> Message:
            nonlocal seen
            if seen > most:
                raise HTTPException(413)
            message = await receive()
            if message["type"] == "http.request":
                seen += len(message.get("body", b""))
                if seen > most:
                    raise HTTPException(413)
            return message

        return bounded
