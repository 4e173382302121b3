"""What was typed into a form that came too late: nobody loses it because a session ended meanwhile.

The form is sent back to its sender, who signs in where that is needed, looks at it and sends it once more.  Only a form
that the browser itself says is ours is kept (`_check` in `visit`); files and passwords are not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
from fastapi import Request
from starlette.responses import Response

from workflow.web.visit import CSRF_FIELD, Visit, local

_SECRET: Final = ("/sign-in", "/password")
"""Forms that are never given back."""


def kept_of(request: Request) -> str:
    """The fields of the form of this request as text; empty when there is none that may be kept."""
    sent = getattr(request.state, "sent", None)
    if sent is None or request.url.path in _SECRET:
        return ""
    fields = [(name, value) for name, value in sent.multi_items() if isinstance(value, str) and name != CSRF_FIELD]
    return msgspec.json.encode(fields).decode() if fields else ""


def ask_to_sign_in(
    visit: Visit, *, kept: str, path: str, name: str = "", error: str = "", status: int = 403
) -> Response:
    """The form to sign in, which carries what was kept."""
    return visit.page("sign_in/form.html", status=status, name=name, next=path, error=error, kept=kept)


def show(visit: Visit, kept: str, path: str, *, status: int = 200) -> Response:
    """What was kept, to be looked at and sent again to `path`."""
    fields = _fields(kept)
    typed = [value for _, value in fields if not value.isascii() or " " in value]  # codes and numbers tell nobody much
    return visit.page("sign_in/kept.html", status=status, fields=fields, typed=typed, path=local(path))


def _fields(kept: str) -> Sequence[tuple[str, str]]:
    try:
        return msgspec.json.decode(kept, type=list[tuple[str, str]])
    except msgspec.MsgspecError:
        return []
