"""What is wrong with a value, field by field, in Chinese and English; the value itself is never repeated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

MOST_ERRORS = 50
_LONGEST_NAME = 64

# By pydantic's type of error; `{…}` are particulars of its context.
_MESSAGES: dict[str, tuple[str, str]] = {
    "missing": ("必填", "is required"),
    "extra_forbidden": ("没有这个字段", "is not a known field"),
    "string_type": ("应为字符串", "must be a string"),
    "string_too_short": ("至少 {min_length} 个字符", "must have at least {min_length} characters"),
    "string_too_long": ("至多 {max_length} 个字符", "must have at most {max_length} characters"),
    "string_pattern_mismatch": ("格式不符, 应符合 {pattern}", "must match {pattern}"),
    "int_type": ("应为整数", "must be an integer"),
    "int_parsing": ("应为整数", "must be an integer"),
    "int_parsing_size": ("数值过大", "is too large a number"),
    "int_from_float": ("应为整数", "must be an integer"),
    "float_type": ("应为数字", "must be a number"),
    "finite_number": ("应为有限的数字", "must be a finite number"),
    "bool_type": ("应为 true 或 false", "must be true or false"),
    "bool_parsing": ("应为 true 或 false", "must be true or false"),
    "greater_than": ("应大于 {gt}", "must be greater than {gt}"),
    "greater_than_equal": ("应不小于 {ge}", "must be at least {ge}"),
    "less_than": ("应小于 {lt}", "must be less than {lt}"),
    "less_than_equal": ("应不大于 {le}", "must be at most {le}"),
    "literal_error": ("应为 {expected} 之一", "must be one of {expected}"),
    "union_tag_not_found": ("缺少 command", "command is missing"),
    "union_tag_invalid": ("没有这个命令; 可用: {expected_tags}", "is not a command; use one of {expected_tags}"),
    "model_type": ("应为对象 {{…}}", "must be an object"),
    "model_attributes_type": ("应为对象 {{…}}", "must be an object"),
    "dict_type": ("应为对象 {{…}}", "must be an object"),
    "tuple_type": ("应为列表 […]", "must be a list"),
    "list_type": ("应为列表 […]", "must be a list"),
    "too_short": ("至少 {min_length} 项", "must have at least {min_length} items"),
    "too_long": ("至多 {max_length} 项", "must have at most {max_length} items"),
    "date_from_datetime_parsing": ("不是有效的日期", "is not a valid date"),
    "date_from_datetime_inexact": ("应为日期, 不带时间", "must be a date without a time"),
    "date_parsing": ("不是有效的日期", "is not a valid date"),
    "datetime_parsing": ("不是有效的时间", "is not a valid time"),
    "datetime_from_date_parsing": ("不是有效的时间", "is not a valid time"),
}
_UNKNOWN = ("取值无效", "is not a valid value")


def field_path(location: Sequence[int | str]) -> str:
    """`("documents", 0, "kind")` as `documents[0].kind`; a name given by the caller is shortened."""
    path = ""
    for part in location:
        if isinstance(part, int):
            path += f"[{part}]"
        else:
            name = part if len(part) <= _LONGEST_NAME else f"{part[:_LONGEST_NAME]}…"
            path += f".{name}" if path else name
    return path or "body"


def _message(error: Mapping[str, Any]) -> tuple[str, str]:
    context = error.get("ctx") or {}
    if error["type"] == "value_error":
        # Written by our own validators, in both languages.
        zh, _, en = str(context["error"]).partition(" / ")
        return zh, en or zh
    zh, en = _MESSAGES.get(error["type"], _UNKNOWN)
    # pydantic lists what it expected in English: 'a', 'b' or 'c'.
    chinese = {**context, "expected": str(context.get("expected")).replace("' or '", "', '")}
    return zh.format(**chinese), en.format(**context)


def describe(errors: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """The first `MOST_ERRORS` of pydantic's errors as `{field, message, message_en}`."""
    faults = []
    for error in errors[:MOST_ERRORS]:
        zh, en = _message(error)
        faults.append({"field": field_path(error["loc"]), "message": zh, "message_en": en})
    return faults
