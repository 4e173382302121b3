"""The feed of due dates, read by a parser that is not the one that wrote it."""

from __future__ import annotations

import datetime as dt
import re

from ical.calendar import Calendar
from ical.calendar_stream import IcsCalendarStream

from workflow.reports.due_calendar import DueDay, feed

OPENS = dt.time(8, 30)
DUE = DueDay(
    uid="0198.step:supply_plan:1@baozhuang",
    due_on=dt.date(2026, 1, 5),  # a Monday after a make-up Sunday: the working day before is the 4th
    title="到期: 供电方案答复, BZ-2026-000007; 高压双电源",
    description="高压双电源\n单位 HB",
    provisional=False,
    sequence=3,
    changed_at=dt.datetime(2025, 12, 30, 1, 2, 3, tzinfo=dt.timezone(dt.timedelta(hours=8))),
    warned_on=dt.date(2026, 1, 4),
)


def read(content: bytes) -> Calendar:
    return IcsCalendarStream.calendar_from_ics(content.decode())


def test_a_due_date_is_an_all_day_event_with_two_alarms():
    (event,) = read(feed("报装 wang", [DUE], opens=OPENS)).events
    assert event.uid == DUE.uid
    assert (event.dtstart, event.dtend) == (dt.date(2026, 1, 5), dt.date(2026, 1, 6))
    assert event.summary == DUE.title
    assert event.description == DUE.description
    assert event.sequence == 3
    assert str(event.status).endswith("CONFIRMED")
    assert event.dtstamp == dt.datetime(2025, 12, 29, 17, 2, 3, tzinfo=dt.UTC)
    # 08:30 on Sunday the 4th, and 08:30 on the day.
    assert [alarm.trigger for alarm in event.alarm] == [-dt.timedelta(hours=15, minutes=30), dt.timedelta(hours=8.5)]
    assert {alarm.action for alarm in event.alarm} == {"DISPLAY"}


def test_the_alarm_before_a_holiday_is_on_the_working_day_before_it():
    # Due on Tuesday 2026-02-24, the first day after the Spring Festival; the working day before is Saturday the 14th.
    day = DUE._replace(due_on=dt.date(2026, 2, 24), warned_on=dt.date(2026, 2, 14))
    (event,) = read(feed("报装", [day], opens=OPENS)).events
    assert event.alarm[0].trigger == dt.timedelta(days=-10, hours=8, minutes=30)


def test_a_provisional_date_says_so_in_its_title():
    (event,) = read(feed("报装", [DUE._replace(provisional=True)], opens=OPENS)).events
    assert event.summary == f"〔暂定〕{DUE.title}"
    assert str(event.status).endswith("TENTATIVE")


def test_without_a_working_day_before_there_is_one_alarm():
    (event,) = read(feed("报装", [DUE._replace(warned_on=None)], opens=OPENS)).events
    assert [alarm.trigger for alarm in event.alarm] == [dt.timedelta(hours=8.5)]


def test_the_file_keeps_to_the_format_line_by_line():
    """RFC 5545 by hand: CRLF, 75 octets a line at most, no split inside a character, one product, published."""
    content = feed("报装 " + "王" * 40, [DUE, DUE._replace(uid="2@baozhuang")], opens=OPENS)
    assert content.endswith(b"END:VCALENDAR\r\n")
    lines = content.split(b"\r\n")
    assert all(len(line) <= 75 and b"\n" not in line for line in lines)
    assert all(line.decode() is not None for line in lines)
    unfolded = content.decode().replace("\r\n ", "")
    assert "METHOD:PUBLISH\r\n" in unfolded
    assert "X-WR-TIMEZONE:Asia/Shanghai\r\n" in unfolded
    assert "REFRESH-INTERVAL;VALUE=DURATION:PT1H\r\n" in unfolded
    assert "DTSTART;VALUE=DATE:20260105\r\n" in unfolded
    assert "SUMMARY:到期: 供电方案答复\\, BZ-2026-000007\\; 高压双电源\r\n" in unfolded
    assert len(re.findall(r"^BEGIN:VEVENT", unfolded, re.MULTILINE)) == 2


def test_the_same_days_in_any_order_are_the_same_bytes():
    other = DUE._replace(uid="2@baozhuang")
    assert feed("报装", [DUE, other], opens=OPENS) == feed("报装", [other, DUE], opens=OPENS)


def test_an_empty_feed_is_a_calendar_too():
    assert read(feed("报装", [], opens=OPENS)).events == []


def test_a_title_cannot_break_out_of_its_line():
    evil = "x\r\nBEGIN:VEVENT\r\nUID:evil\r\nEND:VEVENT\r\nATTACH:http://example.com"
    read_back = read(feed(evil, [DUE._replace(title=evil)], opens=OPENS))
    assert [event.uid for event in read_back.events] == [DUE.uid]
