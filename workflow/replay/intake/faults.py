"""What can be wrong with a file, a value or a row, said to a clerk in Chinese and English."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

MOST_SHOWN = 50
"""Problems shown at once; more are counted."""


class BadHistory(ValueError):
    """Files that cannot be read as a history at all. `problems`: one bilingual sentence for each fault."""

    def __init__(self, *problems: str) -> None:
        shown = list(problems[:MOST_SHOWN])
        if len(problems) > MOST_SHOWN:
            shown.append(f"另有 {len(problems) - MOST_SHOWN} 处 / {len(problems) - MOST_SHOWN} more")
        super().__init__("\n".join(shown))
        self.problems: Sequence[str] = problems


REASONS: Final[Mapping[str, tuple[str, str]]] = {
    "missing": ("必填值为空", "a required value is empty"),
    "moment": (
        "不是时间, 请写成 2026-01-02 10:00 或在对照表的 times 中写明格式",
        "not a time such as 2026-01-02 10:00; name other formats under `times` in the mapping",
    ),
    "year": ("年份不可信, 应在 1949-2099", "not a credible year; it must lie in 1949-2099"),
    "number": ("不是数值; 千分位逗号须每三位一个", "not a number; thousands separators stand at every third digit"),
    "count": ("不是整数", "not a whole number"),
    "flag": ("应为 是 或 否", "must be yes or no"),
    "value": ("不在该列允许的取值中", "not one of the values this column may hold"),
    "code": ("对照表的 codes 中没有这个取值", "the mapping's `codes` do not name this value"),
    "name": ("对照表的 names 中没有这个活动名称", "the mapping's `names` do not name this activity"),
    "activity": (
        "没有这样的活动和动作组合", "there is no such activity and lifecycle",
    ),
    "pattern": ("不合对照表 extract 的格式", "does not have the form the mapping's `extract` asks for"),
    "formula": (
        "公式没有保存计算结果, 请用 Excel 打开并保存后重试",
        "a formula without a saved value; open and save the file in Excel",
    ),
    "error": ("单元格是 Excel 错误值", "the cell holds an Excel error"),
    "digits": (
        "编码被存成数值, 末位已丢失; 请把该列设为文本后重新填写",
        "a code stored as a number has lost its last digits; make the column text and fill it in again",
    ),
    "nul": ("含有空字符 (NUL)", "contains a NUL character"),
    "bytes": ("含有无法解码的字节", "contains bytes that cannot be decoded"),
    "long": ("单元格超过 100,000 个字符", "a cell of more than 100,000 characters"),
    "ragged_short": ("这一行的列数少于表头", "this row has fewer columns than the header"),
    "ragged_long": ("这一行的列数多于表头", "this row has more columns than the header"),
    "shape": (
        "不是 OCEL 2.0 的对象或事件: 缺编号或类型, 或属性、关联的写法不对",
        "no object or event of OCEL 2.0: without an id or a type, or with attributes or relationships of another form",
    ),
    "orphan": (
        "总表 (object 或 event) 中没有它的编号", "the table of all objects or events does not hold its id",
    ),
    "quote": ("引号没有闭合, 只退回这一行", "a quotation mark is not closed; only this line is given back"),
}  # fmt: skip
"""Code of a fault → what is said of it."""

UNREADABLE: Final = "\x1a"
"""First character of a spooled cell that could not be read; the code of its fault and its text follow, with the same
character between."""

LONGEST_CELL: Final = 100_000


def unreadable(code: str, text: object = "") -> str:
    """A cell to spool in place of one that cannot be read."""
    shown = str(text)[:200].replace("\0", "␀").replace(UNREADABLE, "␚")
    return f"{UNREADABLE}{code}{UNREADABLE}{shown}"


def clean(text: str) -> str:
    """A text cell as it may be spooled."""
    if len(text) > LONGEST_CELL:
        return unreadable("long", text)
    if "\0" in text or UNREADABLE in text:
        return unreadable("nul", text)
    return text
