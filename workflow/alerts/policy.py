"""When messages go out and how often they are tried [D-DELIVERY]. Pure; Asia/Shanghai.

Systems are told at any hour, people in working hours: an alert at midnight or on a rest day is useless.
"""

from __future__ import annotations

import datetime as dt
import random

from definitions.alerting import DeliveryRule
from definitions.calendar import WorkingCalendar
from workflow.core.times import BUSINESS_ZONE


def opening(calendar: WorkingCalendar, rule: DeliveryRule, moment: dt.datetime) -> dt.datetime:
    """The first moment from `moment` on at which people may be told: itself within working hours."""
    local = moment.astimezone(BUSINESS_ZONE)
    day, time = local.date(), local.time()
    if calendar.is_working(day):
        if time < rule.opens:
            return dt.datetime.combine(day, rule.opens, BUSINESS_ZONE)
        if time < rule.closes:
            return local
    return dt.datetime.combine(calendar.add(day, 1), rule.opens, BUSINESS_ZONE)


def next_attempt(rule: DeliveryRule, attempts: int, now: dt.datetime, chance: random.Random) -> dt.datetime | None:
    """When to try again after `attempts` failed ones; None when that was the last."""
    if attempts > len(rule.retry_seconds):
        return None
    stretched = 1 + rule.jitter * chance.uniform(-1, 1)
    return now + dt.timedelta(seconds=rule.retry_seconds[attempts - 1] * stretched)
