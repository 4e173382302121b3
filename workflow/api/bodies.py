"""Request bodies: read within a limit, parsed without guessing, validated by the models of the commands.

What JSON leaves open is refused rather than interpreted: repeated names, NaN and Infinity, numbers no machine holds,
lone surrogates, control characters, nesting no command needs.
"""

from __future__ import annotations

import asyncio
import json
import math
import re
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

from anyio import to_thread
from pydantic import ValidationError
from starlette.requests import Request

from workflow.api.problems import Problem, malformed
from workflow.service import CONTROL
from workflow.service.validation import field_path

MIB = 1024 * 1024
COMMAND_LIMIT = MIB
EVIDENCE_LIMIT = 8 * MIB
SECONDS_TO_ARRIVE = 30
DEEPEST = 16
_LONGEST_INTEGER = 18
_OFF_THE_LOOP = 64 * 1024
"""Bodies larger than this are parsed in a thread, so that other callers do not wait."""

_JSON_TYPE = re.compile(r"application/(?:[a-z0-9.+-]+\+)?json\s*(?:;\s*charset=\"?utf-8\"?\s*)?", re.IGNORECASE)

T = TypeVar("T")


def _refuse(zh: str, en: str, field: str = "body") -> Problem:
    fault = {"field": field, "message": zh, "message_en": en}
    return Problem("malformed-request", f"{field}: {zh}", f"{field}: {en}", errors=[fault])


def _too_large(limit: int) -> Problem:
    return Problem(
        "body-too-large",
        f"请求内容超过 {limit // MIB} MiB; 请分批提交",
        f"The body is larger than {limit // MIB} MiB; send it in parts",
        {"Connection": "close"},
        limit_bytes=limit,
    )


def _check_headers(request: Request, limit: int) -> None:
    declared = request.headers.get("content-type")
    if declared is not None and not _JSON_TYPE.fullmatch(declared.strip()):
        raise Problem(
            "unsupported-media-type",
            "请求内容应为 JSON; 请加请求头 Content-Type: application/json",
            "The body must be JSON; send the header Content-Type: application/json",
        )
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Problem(
            "unsupported-media-type", "请求内容不得压缩 (Content-Encoding)", "The body must not be compressed"
        )
    length = request.headers.get("content-length", "")
    if length.isdecimal() and (len(length) > _LONGEST_INTEGER or int(length) > limit):
        raise _too_large(limit)


async def _read(request: Request, limit: int) -> bytes:
    _check_headers(request, limit)
    raw = bytearray()
    try:
        async with asyncio.timeout(SECONDS_TO_ARRIVE):
            async for chunk in request.stream():
                raw += chunk
                if len(raw) > limit:
                    raise _too_large(limit)
    except TimeoutError as error:
        raise Problem(
            "request-timeout",
            f"请求内容在 {SECONDS_TO_ARRIVE} 秒内没有到齐; 请重发",
            f"The body did not arrive within {SECONDS_TO_ARRIVE} seconds; send it again",
            {"Connection": "close"},
        ) from error
    return bytes(raw)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        raise _refuse("同一对象中字段重复", "a field is given twice in one object")
    return value


def _no_constant(_name: str) -> NoReturn:
    raise _refuse("不接受 NaN 和 Infinity", "NaN and Infinity are not accepted")


def _float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise _refuse("数值过大", "a number is too large")
    return value


def _int(text: str) -> int:
    if len(text) > _LONGEST_INTEGER:
        raise _refuse("数值过大", "a number is too large")
    return int(text)


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_no_constant, parse_float=_float, parse_int=_int)


def flaw(root: Any) -> tuple[tuple[int | str, ...], str, str] | None:
    """What keeps a JSON value from being shown or stored, wherever it hides: text that cannot be, and nesting that
    nothing needs. The way to it, and what is wrong with it in Chinese and English; None when nothing is."""
    waiting: list[tuple[Any, tuple[int | str, ...]]] = [(root, ())]
    while waiting:
        value, path = waiting.pop()
        if isinstance(value, str):
            if CONTROL.search(value):
                return path, "含有控制字符或无效字符", "contains control characters or invalid characters"
        elif isinstance(value, dict | list):
            if len(path) >= DEEPEST:
                return (), f"嵌套超过 {DEEPEST} 层", f"is nested deeper than {DEEPEST} levels"
            if isinstance(value, dict):
                if any(CONTROL.search(name) for name in value):
                    return (), "字段名含有控制字符或无效字符", "a field's name contains control characters"
                waiting.extend(
                    (child, (*path, name)) for name, child in value.items() if isinstance(child, str | dict | list)
                )
            else:
                waiting.extend(
                    (child, (*path, at)) for at, child in enumerate(value) if isinstance(child, str | dict | list)
                )
    return None


def parse(raw: bytes, apart: str | None = None) -> Any:
    """The JSON value in `raw`; for the flaws of what stands in the list `apart` whoever asks looks himself. Raises
    Problem `malformed-request`."""
    if not raw.strip():
        raise _refuse("缺少请求内容 (JSON)", "is missing; send JSON")
    try:
        value = _DECODER.decode(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise _refuse("不是有效的 UTF-8", "is not valid UTF-8") from error
    except json.JSONDecodeError as error:
        raise _refuse(
            f"不是有效的 JSON (第 {error.lineno} 行第 {error.colno} 列)",
            f"is not valid JSON (line {error.lineno}, column {error.colno})",
        ) from error
    except RecursionError as error:
        raise _refuse(f"嵌套超过 {DEEPEST} 层", f"is nested deeper than {DEEPEST} levels") from error
    listed = apart is not None and isinstance(value, dict) and isinstance(value.get(apart), list)
    found = flaw({**value, apart: []} if listed else value)
    if found is not None:
        path, zh, en = found
        raise _refuse(zh, en, field_path(path))
    return value


def _validated(raw: bytes, validate: Callable[[Any], T], apart: str | None) -> T:
    try:
        return validate(parse(raw, apart))
    except ValidationError as error:
        raise malformed(error.errors(include_url=False, include_input=False)) from error


async def read(
    request: Request,
    validate: Callable[[Any], T],
    limit: int = COMMAND_LIMIT,
    *,
    optional: bool = False,
    apart: str | None = None,
) -> T:
    """The body of `request` as `validate` makes it of the JSON value; of `{}` when it is `optional` and there is none.
    `apart`: as in `parse`. Raises Problem: 400, 408, 413, 415."""
    raw = await _read(request, limit)
    if optional and not raw.strip():
        raw = b"{}"
    if len(raw) > _OFF_THE_LOOP:
        return await to_thread.run_sync(_validated, raw, validate, apart)
    return _validated(raw, validate, apart)
