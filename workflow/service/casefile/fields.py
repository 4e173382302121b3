"""The fields of a form, made from the model that will be built of them: kind, choices, whether they are required.

What a form sends is text; what is wrong with it is told field by field, in Chinese and English.
"""

from __future__ import annotations

import datetime as dt
import types
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from definitions.model import Text
from workflow.core.commands import EvidenceRef
from workflow.service.validation import describe

Kind = Literal["text", "prose", "choice", "several", "flag", "number", "day", "moment", "lines", "papers", "evidence"]
LONGEST_PROSE = 4000


class Field(NamedTuple):
    """One field. `choices`: values with their names, where only these can be meant; `suggested`: values that may be
    meant, each with whose or of what it is; `aside`: needed only for a late record."""

    name: str
    kind: Kind
    required: bool
    choices: tuple[tuple[str, Text], ...] = ()
    suggested: tuple[tuple[str, str], ...] = ()
    aside: bool = False


class Paper(NamedTuple):
    """A document kind that a form offers. `forms`: accepted forms by code; `expected`: it is the one waited for."""

    kind: str
    name: Text
    forms: tuple[tuple[str, Text], ...]
    expected: bool


class Fault(NamedTuple):
    """What is wrong with one field."""

    field: str
    message: Text


class Faulty(Exception):
    """A form that no command can be made of. `faults`: every one of them."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        super().__init__("; ".join(f"{one.field}: {one.message.en}" for one in faults))
        self.faults = faults


def number(value: Any) -> Any:
    """The number written in `value`; what is none is told by the command."""
    for read_as in (int, float):
        try:
            return read_as(value)
        except (TypeError, ValueError):
            continue
    return value


def faults_of(error: ValidationError, prefix: str = "") -> tuple[Fault, ...]:
    """Every fault of a request that could not be made; `prefix` is left out of the names of fields."""
    return tuple(
        Fault(one["field"].removeprefix(prefix), Text(one["message"], one["message_en"]))
        for one in describe(error.errors())
    )


def plain(info: FieldInfo) -> tuple[Any, list[Any]]:
    """The annotation without `None` and without its constraints, and the constraints."""
    annotation, constraints = info.annotation, list(info.metadata)
    while True:
        if get_origin(annotation) in (Union, types.UnionType):
            annotation = next(one for one in get_args(annotation) if one is not type(None))
        elif get_origin(annotation) is Annotated:
            annotation, *more = get_args(annotation)
            constraints += more
        else:
            return annotation, constraints


def literals(annotation: Any) -> tuple[tuple[str, Text], ...]:
    """The values of a literal annotation; none for any other."""
    if get_origin(annotation) is not Literal:
        return ()
    return tuple((str(one), Text(str(one), str(one))) for one in get_args(annotation))


def kind_of(annotation: Any, constraints: list[Any]) -> Kind:
    """What kind of field asks for a value of this annotation."""
    origin = get_origin(annotation)
    if origin is Literal:
        return "choice"
    if origin is tuple:
        return "papers" if isinstance(get_args(annotation)[0], type) else "lines"
    if annotation is EvidenceRef:
        return "evidence"
    simple: dict[Any, Kind] = {bool: "flag", int: "number", float: "number", dt.datetime: "moment", dt.date: "day"}
    if annotation in simple:
        return simple[annotation]
    return "prose" if _longest(constraints) >= LONGEST_PROSE else "text"


def _longest(constraints: list[Any]) -> int:
    nested = [one for constraint in constraints for one in getattr(constraint, "metadata", [constraint])]
    return max((one.max_length for one in nested if hasattr(one, "max_length")), default=0)
