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
    "CalendarDay",
    "CalendarRangeError",
    "DayKind",
    "Notice",
    "NoticeError",
    "WorkingCalendar",
    "decode_notice",
    "encode_notice",
    "read_notice",
    "shipped",
]
