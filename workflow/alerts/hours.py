"""Working hours as time that passes: until when people have to acknowledge [D-ESCALATION].

Moments are aware; working days and hours are those of the business zone (Asia/Shanghai).
"""

from __future__ import annotations

import datetime as dt

from definitions.alerting import DeliveryRule
from definitions.calendar import WorkingCalendar
from workflow.alerts.policy import opening
from workflow.core.times import BUSINESS_ZONE


def after(calendar: WorkingCalendar, rule: DeliveryRule, moment: dt.datetime, count: float) -> dt.datetime:
    """The moment at which `count` working hours have passed since `moment`. Raises CalendarRangeError outside the
    calendar."""
    left = dt.timedelta(hours=count)
    at = opening(calendar, rule, moment)
    while (rest := _closing(rule, at) - at) < left:
        left -= rest
        at = opening(calendar, rule, _closing(rule, at))
    return at + left


def _closing(rule: DeliveryRule, at: dt.datetime) -> dt.datetime:
    return dt.datetime.combine(at.date(), rule.closes, BUSINESS_ZONE)
