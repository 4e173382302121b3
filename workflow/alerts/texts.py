"""What people read: one alert in a few lines, Chinese first, then English; and the event that systems get of it.

An alert names the application by its number, never the customer.  Days are told as of the day of reading: an alert may
be sent on a later morning than its rung.
"""

from __future__ import annotations

import datetime as dt
from typing import Any, NamedTuple

import msgspec

from definitions.calendar import WorkingCalendar
from definitions.model import Text
from workflow.core.next_act import next_act as next_step_act
from workflow.core.next_act import whose_clock

SOURCE = "/baozhuang"
TYPES = {
    "alert": "cn.baozhuang.alert.raised",
    "order": "cn.baozhuang.order.issued",
    "test": "cn.baozhuang.destination.test",
}

_LEVELS = {
    "yellow": ("黄色", "Yellow"),
    "orange": ("橙色", "Orange"),
    "red": ("红色", "Red"),
    "black": ("黑色", "Black"),
}
_SUBJECTS = {
    "total": ("全过程", "the whole process"),
    "approval": ("政府审批", "the government's approval"),
    "milestone": ("内部里程碑(不是法定时限)", "an internal milestone (no legal limit)"),
    "plan": ("供电方案有效期", "the validity of the supply plan"),
    "report": ("监管报送", "the report to the regulator"),
    "order": ("督办单答复", "the answer to a supervision order"),
    "horizon": ("工作日历和规则的有效范围", "the reach of calendar and rules"),
}
_SCOPE_ACTS = {
    "approval": Text("跟进政府部门的审批结果", "follow up the authority's decision"),
    "plan": Text("提醒客户方案即将失效: 开工、报审设计或重新申请", "tell the customer that the plan is about to lapse"),
    "report": Text("核对统计并报送", "check the figures and send the report"),
    "order": Text("答复督办单", "answer the supervision order"),
    "horizon": Text("导入新的放假通知, 核对规则有效期", "import the new calendar notice and verify the rules"),
}
_WEEKDAYS = "一二三四五六日"


class Facts(NamedTuple):
    """What the text of an alert is made of. `subject`: of the timer, where its scope does not name it (a step, a
    milestone, a period); `state`: of the application; `unit`: working_days or natural_days; `remaining`: on `day`."""

    level: str
    scope: str
    due_on: dt.date
    remaining: int
    day: dt.date
    unit: str = "working_days"
    application_no: str | None = None
    subject: Text | None = None
    state: str | None = None
    provisional: bool = False
    escalated: bool = False


class Told(NamedTuple):
    """A message to a person."""

    title: str
    text: str


def alert(calendar: WorkingCalendar, facts: Facts, today: dt.date) -> Told:
    """The text of an alert as of `today`."""
    level_zh, level_en = _LEVELS[facts.level]
    zh, en = _subject(facts)
    days_zh, days_en = _days(calendar, facts, today)
    number = facts.application_no or ""
    title = " ".join(part for part in (f"【{level_zh}预警】{number}", zh, days_zh) if part)
    provisional = (" (暂定)", " (provisional)") if facts.provisional else ("", "")
    due_zh = f"{facts.due_on} 周{_WEEKDAYS[facts.due_on.weekday()]}"
    escalated = Text("无人确认, 已升级", "nobody acknowledged it; escalated") if facts.escalated else None
    act = next_act(facts.scope, facts.state)
    clock = whose_clock(facts.state)
    lines_zh = [f"{zh} {days_zh}, 截止 {due_zh}{provisional[0]}"]
    lines_en = [f"{level_en} alert {number}: {en} {days_en}, due on {facts.due_on:%a %Y-%m-%d}{provisional[1]}"]
    for label_zh, label_en, said in (("现由", "Clock", clock), ("下一步", "Next", act), ("说明", "Note", escalated)):
        if said is not None:
            lines_zh.append(f"{label_zh}: {said.zh}")
            lines_en.append(f"{label_en}: {said.en}")
    return Told(title, "\n".join((*lines_zh, "", *lines_en)))


def order(content: str, reply_by: dt.date, application_no: str | None) -> Told:
    """The text of a supervision order."""
    number = application_no or ""
    title = f"【督办单】{number} 请于 {reply_by} 前答复".replace("】 ", "】")
    lines = (
        f"截止 {reply_by} 周{_WEEKDAYS[reply_by.weekday()]}: {content}",
        "下一步: 答复督办单",
        "",
        f"Supervision order {number}: answer it by {reply_by:%a %Y-%m-%d}.",
    )
    return Told(title, "\n".join(lines))


def test(name: str) -> Told:
    """What a destination gets when it is tried."""
    return Told(
        "报装预警: 测试消息",
        f"接收端“{name}”可以收到预警。\n\nThe destination “{name}” receives alerts.",
    )


def next_act(scope: str, state: str | None) -> Text | None:
    """The one thing to do next about a timer of this scope; None where nothing can be said."""
    return _SCOPE_ACTS.get(scope) or next_step_act(state)


def _subject(facts: Facts) -> tuple[str, str]:
    zh, en = _SUBJECTS.get(facts.scope, ("", ""))
    if facts.subject is None:
        return zh, en
    return (f"{zh} {facts.subject.zh}".strip(), f"{en} {facts.subject.en}".strip())


def _days(calendar: WorkingCalendar, facts: Facts, today: dt.date) -> tuple[str, str]:
    left = facts.remaining
    if today != facts.day:
        left = (
            (facts.due_on - today).days
            if facts.unit == "natural_days"
            else calendar.count(today, facts.due_on) - calendar.count(facts.due_on, today)
        )
    unit_zh, unit_en = ("天", "day") if facts.unit == "natural_days" else ("个工作日", "working day")
    if left == 0 and today <= facts.due_on:
        return "今日到期" if today == facts.due_on else "即将到期", "due today" if today == facts.due_on else "due"
    if left > 0:
        return f"剩 {left} {unit_zh}", f"{left} {unit_en}{'s' if left > 1 else ''} left"
    over = max(1, -left)  # past the last day on a rest day: late, though no working day has passed
    return f"已超 {over} {unit_zh}", f"overdue by {over} {unit_en}{'s' if over > 1 else ''}"


def event(message_id: str, type_: str, subject: str | None, time: str, data: dict[str, Any]) -> bytes:
    """A CloudEvents 1.0 structured body. `time`: of what happened, so that a retry sends the same bytes."""
    members = {
        "specversion": "1.0",
        "id": message_id,
        "source": SOURCE,
        "type": type_,
        "subject": subject,
        "time": time,
        "datacontenttype": "application/json",
        "data": data,
    }
    return msgspec.json.encode({name: value for name, value in members.items() if value is not None})
