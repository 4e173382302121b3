"""Working hours: when people are sent to, and until when they have time to acknowledge [D-DELIVERY D-ESCALATION].

Moments are aware; working days and hours are those of the business zone (Asia/Shanghai).
"""

from __future__ import annotations

import datetime as dt

from definitions.alerting import DeliveryRule
from definitions.calendar import WorkingCalendar
from workflow.core.times import BUSINESS_ZONE


def within(calendar: WorkingCalendar, rule: DeliveryRule, moment: dt.datetime) -> dt.datetime:
    """`moment` itself when it lies in working hours, else the next opening. Raises CalendarRangeError outside the
    calendar."""
    local = moment.astimezone(BUSINESS_ZONE)
    if calendar.is_working(local.date()):
        if local.time() < rule.opens:
            return _at(local.date(), rule.opens)
        if local.time() < rule.closes:
            return local
    return _at(calendar.add(local.date(), 1), rule.opens)


def after(calendar: WorkingCalendar, rule: DeliveryRule, moment: dt.datetime, count: float) -> dt.datetime:
    """The moment at which `count` working hours have passed since `moment`. Raises CalendarRangeError."""
    left = dt.timedelta(hours=count)
    at = within(calendar, rule, moment)
    while (rest := _at(at.date(), rule.closes) - at) < left:
        left -= rest
        at = within(calendar, rule, _at(at.date(), rule.closes))
    return at + left


def _at(day: dt.date, time: dt.time) -> dt.datetime:
    return dt.datetime.combine(day, time, BUSINESS_ZONE)
