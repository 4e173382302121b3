"""What both faces over HTTP answer alike: the status of a refusal, and a workbook to keep."""

from __future__ import annotations

import io
from functools import partial
from typing import BinaryIO, Final

from starlette.background import BackgroundTask
from starlette.responses import Response, StreamingResponse

from workflow.service import Refusal

CALLER_GONE: Final = 499
"""The caller broke off before the request was there; the number that proxies have for it."""
XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

_STATUS_OF_KIND: Final = {"malformed": 400, "forbidden": 403, "unknown": 404, "not_now": 409, "stale": 412, "rule": 422}
_STATUS_OF_CODE: Final = {"too-many-attempts": 429}
_PIECE: Final = 64 * 1024


def status_of(refusal: Refusal) -> int:
    """The HTTP status of a refusal."""
    return _STATUS_OF_CODE.get(refusal.code, _STATUS_OF_KIND[refusal.kind])


def workbook(name: str, content: BinaryIO) -> Response:
    """An Excel workbook called `name`, sent in pieces and closed when it has gone."""
    size = content.seek(0, io.SEEK_END)
    content.seek(0)
    return StreamingResponse(
        iter(partial(content.read, _PIECE), b""),
        media_type=XLSX,
        headers={"Content-Disposition": f'attachment; filename="{name}.xlsx"', "Content-Length": str(size)},
        background=BackgroundTask(content.close),
    )
