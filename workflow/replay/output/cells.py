"""Text of foreign files on its way to a page or a sheet: no control characters, no formula, no turned writing."""

from __future__ import annotations

import re
from typing import Any, Final

_UNFIT: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")
"""What XML forbids, and the marks that turn the direction of writing, by which a name can pass for another."""
_FORMULA: Final = tuple("=+-@＝＋－＠")
LONGEST_CELL: Final = 32_767


def plain(value: Any, most: int = 200) -> str:
    """At most `most` characters of `value`, without what a page must not carry."""
    text = "" if value is None else str(value)
    if not text.isprintable():  # which nothing unfit is; most texts are, and need no closer look
        text = _UNFIT.sub("�", text)
    return text if len(text) <= most else text[: most - 1] + "…"


def cell(value: Any) -> Any:
    """The value for a cell: text that a spreadsheet would run as a formula is kept as text by a leading quote."""
    if not isinstance(value, str):
        return value
    text = plain(value, LONGEST_CELL - 1)
    if text.startswith(("\t", "\r", "\n")) or text.lstrip(" \t\r\n\xa0　").startswith(_FORMULA):
        return f"'{text}"
    return text
