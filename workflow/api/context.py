"""What is known of one request while it is served: for its log line, its metrics and its answer."""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any

import structlog
from starlette.requests import Request

log = structlog.get_logger("baozhuang.http")

_KEY = "baozhuang.record"


@dataclass(slots=True)
class Record:
    """One request. `who`: the name of the key; `code`: of the problem answered, if any. Never personal data."""

    request_id: str
    status: int | None = None
    who: str | None = None
    case_id: str | None = None
    code: str | None = None


def begin(scope: MutableMapping[str, Any], record: Record) -> None:
    """Attach `record` to the ASGI scope, where every layer below finds it."""
    scope[_KEY] = record


def record_of(request: Request) -> Record:
    """The record of `request`; KeyError outside the observing middleware."""
    record: Record = request.scope[_KEY]
    return record
