"""The shapes of YAML files that are told with file and line, for readers outside the book (mappings of histories)."""

from __future__ import annotations

from definitions._shapes import (
    INVALID,
    At,
    Bool,
    Int,
    ListOf,
    MapOf,
    OneOf,
    Problem,
    Reader,
    Record,
    Shape,
    Str,
)  # fmt: skip

__all__ = [
    "INVALID", "At", "Bool", "Int", "ListOf", "MapOf", "OneOf", "Problem", "Reader", "Record", "Shape", "Str",
]  # fmt: skip
