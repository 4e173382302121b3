"""Due dates as an iCalendar feed (RFC 5545) that Outlook and phones subscribe to.

Every due date is an all-day event with two alarms: when work begins on the working day before, and on the day itself.
Alarms are relative to the event, the only kind that every calendar keeps.  An event keeps its UID for as long as its
timer lives and its SEQUENCE grows with the case, so that a moved date moves and a timer that ended disappears.  No
personal data: a calendar is copied to telephones.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import NamedTuple

from icalendar import Alarm, Calendar, Event, vText

_PRODUCT = "-//baozhuang//due dates//ZH"
_ZONE = "Asia/Shanghai"
REFRESH = dt.timedelta(hours=1)
"""How often a calendar is asked to look again; most ask when they like."""


class DueDay(NamedTuple):
    """One due date. `uid`: the same for the timer's life; `sequence`: grows with every change; `changed_at`: when the
    system last learned something of the case; `warned_on`: the working day before `due_on` (None when the calendar does
    not reach it)."""

    uid: str
    due_on: dt.date
    title: str
    description: str
    provisional: bool
    sequence: int
    changed_at: dt.datetime
    warned_on: dt.date | None


def feed(name: str, days: Iterable[DueDay], *, opens: dt.time) -> bytes:
    """The calendar called `name` with `days`, in UTF-8; the same days give the same bytes. `opens`: when work begins
    (Asia/Shanghai), the time of day of the alarms."""
    calendar = Calendar()
    calendar.add("prodid", _PRODUCT)
    calendar.add("version", "2.0")
    calendar.add("calscale", "GREGORIAN")
    calendar.add("method", "PUBLISH")
    for called in ("name", "x-wr-calname"):  # the library would write these two as they are
        calendar.add(called, vText(" ".join(name.split())))
    calendar.add("x-wr-timezone", _ZONE)
    calendar.add("refresh-interval", REFRESH, parameters={"VALUE": "DURATION"})
    calendar.add("x-published-ttl", "PT1H")
    for day in sorted(days, key=lambda day: (day.due_on, day.uid)):
        calendar.add_component(_event(day, opens))
    content: bytes = calendar.to_ical()
    return content


def _event(day: DueDay, opens: dt.time) -> Event:
    event = Event()
    event.add("uid", day.uid)
    event.add("dtstamp", day.changed_at.astimezone(dt.UTC))
    event.add("last-modified", day.changed_at.astimezone(dt.UTC))
    event.add("sequence", day.sequence)
    event.add("dtstart", day.due_on)
    event.add("dtend", day.due_on + dt.timedelta(days=1))
    event.add("summary", f"〔暂定〕{day.title}" if day.provisional else day.title)
    event.add("description", day.description)
    event.add("status", "TENTATIVE" if day.provisional else "CONFIRMED")
    event.add("transp", "TRANSPARENT")  # a due date does not make anybody busy
    # Outlook takes an all-day event for a busy day unless told so in its own words.
    event.add("x-microsoft-cdo-busystatus", "FREE")
    for warned in dict.fromkeys((day.warned_on or day.due_on, day.due_on)):
        alarm = Alarm()
        alarm.add("action", "DISPLAY")
        alarm.add("description", event["summary"])
        alarm.add("trigger", warned - day.due_on + dt.timedelta(hours=opens.hour, minutes=opens.minute))
        event.add_component(alarm)
    return event
