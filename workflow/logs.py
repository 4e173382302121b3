"""JSON lines on standard error: ours and the server's, with request and case ids, without personal data.

A traceback is written as its frames.  The message of an unforeseen exception is left out, because it may quote what a
customer sent.
"""

from __future__ import annotations

import logging
import sys
import traceback
from types import TracebackType
from typing import Any

import msgspec
import structlog
from structlog.typing import EventDict, WrappedLogger

_DEEPEST_CHAIN = 8


def _write(event: Any, **_: Any) -> str:
    return msgspec.json.encode(event, enc_hook=repr).decode()


def _frames(error: BaseException) -> list[dict[str, Any]]:
    """`error` and what caused it, each with its frames."""
    chain: list[dict[str, Any]] = []
    at: BaseException | None = error
    while at is not None and len(chain) < _DEEPEST_CHAIN:
        frames = [f"{f.filename}:{f.lineno} {f.name}" for f in traceback.extract_tb(at.__traceback__)]
        chain.append({"type": f"{type(at).__module__}.{type(at).__qualname__}", "frames": frames})
        at = at.__cause__ or (None if at.__suppress_context__ else at.__context__)
    return chain


def traceback_without_values(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Replace `exc_info` by the frames of the exception and its causes."""
    given: bool | BaseException | tuple[type[BaseException], BaseException, TracebackType | None] | None = event.pop(
        "exc_info", None
    )
    if isinstance(given, tuple):
        error: BaseException | None = given[1]
    elif isinstance(given, BaseException):
        error = given
    else:
        error = sys.exc_info()[1] if given else None
    if error is not None:
        event["traceback"] = _frames(error)
    return event


def configure() -> None:
    """Send the log of the whole process to standard error as JSON lines, times in UTC."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        traceback_without_values,
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer(serializer=_write)],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(serializer=_write),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)
    logging.getLogger("transitions").setLevel(logging.WARNING)
