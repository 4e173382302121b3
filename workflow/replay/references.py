"""What stands in one field where a clerk wrote several: the ids of other records in a `ref`, documents or defects in a
`value`."""

from __future__ import annotations

import re
from typing import Final

SEPARATORS: Final = r"[;；,，、|\s]+"
"""What parts two ids; a regular expression that Python, DuckDB and Spark read alike."""
BETWEEN: Final = r"[;；,，、|\n]+"
"""What parts two things listed in a `value`; an id has no blanks, what is listed may."""
UPLOADS: Final = ("image:", "file:")
"""What a picture or a file that somebody uploaded is called by: it proves nothing [policy 6]."""


def references(ref: str | None) -> list[str]:
    """The ids that `ref` names."""
    return [one for one in re.split(SEPARATORS, ref or "") if one]


def listed(value: str | None) -> list[str]:
    """The things that `value` lists."""
    return [one for part in re.split(BETWEEN, value or "") if (one := part.strip())]


def only_uploads(ref: str | None) -> bool:
    """Whether all that `ref` names are uploads; False of an empty one."""
    named = references(ref)
    return bool(named) and all(one.lower().replace("：", ":").startswith(UPLOADS) for one in named)
