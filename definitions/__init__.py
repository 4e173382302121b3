"""The law as data, and the only code that may read it: rules by class, region and day, and the working calendar."""

from definitions.book import (
    Book,
    Change,
    DefinitionError,
    NoRuleInForce,
    Problem,
    UnknownClass,
    diff,
    load,
    resolve,
)
from definitions.calendar import (
    AccountDay,
    CalendarDay,
    CalendarRangeError,
    DayKind,
    Notice,
    NoticeError,
    WorkingCalendar,
    decode_notice,
    encode_notice,
    read_notice,
    shipped,
)

__all__ = [
    "AccountDay",
    "Book",
    "CalendarDay",
    "CalendarRangeError",
    "Change",
    "DayKind",
    "DefinitionError",
    "NoRuleInForce",
    "Notice",
    "NoticeError",
    "Problem",
    "UnknownClass",
    "WorkingCalendar",
    "decode_notice",
    "diff",
    "encode_notice",
    "load",
    "read_notice",
    "resolve",
    "shipped",
]
