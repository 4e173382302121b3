"""Commands and submissions read from text or from values, with every fault told field by field."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import pydantic_core
from pydantic import BaseModel, ValidationError

from workflow.core.commands import COMMANDS, Submission
from workflow.service.tables import BadFile
from workflow.service.validation import describe

M = TypeVar("M", bound=BaseModel)
T = TypeVar("T")


def faults(error: ValidationError) -> list[str]:
    """What is wrong with each field, in Chinese and English."""
    return [f"{one['field']} {one['message']} / {one['field']} {one['message_en']}" for one in describe(error.errors())]


def _value(text: bytes) -> Any:
    try:
        return pydantic_core.from_json(text, allow_inf_nan=False)
    except ValueError as error:
        raise BadFile([f"不是有效的 JSON / not valid JSON: {error}"]) from error


def submission(text: bytes) -> Submission:
    """The submission written as JSON (UTF-8). Raises BadFile with every fault."""
    return _valid(Submission.model_validate, _value(text))


def command(text: bytes) -> Any:
    """The command written as JSON (UTF-8). Raises BadFile with every fault."""
    return _valid(COMMANDS.validate_python, _value(text))


def asked(model: type[M], fields: Mapping[str, Any]) -> M:
    """A request built of `fields`, of which those that are None are left out. Raises BadFile with every fault."""
    return _valid(model.model_validate, {name: value for name, value in fields.items() if value is not None})


def _valid(validate: Callable[[Any], T], value: Any) -> T:
    try:
        return validate(value)
    except ValidationError as error:
        raise BadFile(faults(error)) from error
