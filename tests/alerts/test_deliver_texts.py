"""What a manager reads: the days as of the morning of reading, whose clock, the one next act."""

from __future__ import annotations

import datetime as dt

import pytest

from definitions.calendar import shipped
from definitions.model import Text
from workflow.alerts import texts
from workflow.alerts.texts import Facts

CALENDAR = shipped()


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(f"2026-{text}")


def facts(due_on: str, remaining: int, on: str, **more: object) -> Facts:
    made = Facts(
        "red", "step", day(due_on), remaining, day(on), application_no="BZ-1", subject=Text("装表接电", "Metering")
    )
    return made._replace(**more)  # type: ignore[arg-type]  # fields of Facts


@pytest.mark.parametrize(
    ("due_on", "remaining", "on", "today", "zh", "en"),
    [
        ("01-09", 2, "01-07", "01-07", "剩 2 个工作日", "2 working days left"),
        ("01-09", 1, "01-08", "01-08", "剩 1 个工作日", "1 working day left"),
        ("01-09", 0, "01-09", "01-09", "今日到期", "due today"),
        # Raised on Friday evening, sent on Monday: it is overdue by then, and says so.
        ("01-09", 0, "01-09", "01-12", "已超 1 个工作日", "overdue by 1 working day"),
        (
            "01-09",
            0,
            "01-09",
            "01-10",
            "已超 1 个工作日",
            "overdue by 1 working day",
        ),  # the rest day after: late already
        ("01-09", -2, "01-13", "01-13", "已超 2 个工作日", "overdue by 2 working days"),
        # 15 to 23 February 2026 are days off, 14 and 28 February make-up workdays.
        ("02-24", 1, "02-14", "02-24", "今日到期", "due today"),
        ("02-24", 1, "02-14", "02-20", "剩 1 个工作日", "1 working day left"),
        ("02-14", 0, "02-14", "02-24", "已超 1 个工作日", "overdue by 1 working day"),
    ],
)
def test_days_are_told_as_of_the_day_of_reading(
    *, due_on: str, remaining: int, on: str, today: str, zh: str, en: str
) -> None:
    told = texts.alert(CALENDAR, facts(due_on, remaining, on), day(today))
    assert told.title == f"【红色预警】BZ-1 装表接电 {zh}"
    assert en in told.text


def test_natural_days_are_counted_as_such() -> None:
    one = facts("02-24", 10, "02-14", scope="plan", unit="natural_days", subject=None)
    assert "剩 4 天" in texts.alert(CALENDAR, one, day("02-20")).title
    assert "4 days left" in texts.alert(CALENDAR, one, day("02-20")).text


@pytest.mark.parametrize(
    ("scope", "state", "clock", "act"),
    [
        ("step", "metering.running", "供电企业办理", "装表接电"),
        ("total", "design_review.waiting", "等待客户", "提醒客户提交下一环节的资料或报验"),
        ("step", "acceptance.waiting", "等待客户", "请客户补齐资料(一次性告知)"),
        ("approval", "supply_plan.running", "供电企业办理", "跟进政府部门的审批结果"),
        ("plan", "design_review.waiting", "等待客户", "提醒客户方案即将失效: 开工、报审设计或重新申请"),
        ("horizon", None, None, "导入新的放假通知, 核对规则有效期"),
        ("step", "energised", None, None),
    ],
)
def test_it_says_who_is_to_act_and_the_one_next_act(
    scope: str, state: str | None, clock: str | None, act: str | None
) -> None:
    text = texts.alert(CALENDAR, facts("01-09", 0, "01-09", scope=scope, state=state), day("01-09")).text
    assert [line for line in text.splitlines() if line.startswith("现由")] == ([f"现由: {clock}"] if clock else [])
    assert [line for line in text.splitlines() if line.startswith("下一步")] == ([f"下一步: {act}"] if act else [])


def test_what_rests_on_a_forecast_says_so_and_a_milestone_is_no_legal_limit() -> None:
    text = texts.alert(CALENDAR, facts("01-09", 0, "01-09", provisional=True, scope="milestone"), day("01-09")).text
    assert "2026-01-09 周五 (暂定)" in text
    assert "(provisional)" in text
    assert "不是法定时限" in text
    assert "no legal limit" in text
    assert "暂定" not in texts.alert(CALENDAR, facts("01-09", 0, "01-09"), day("01-09")).text


def test_an_escalated_alert_says_why_it_comes() -> None:
    assert "无人确认, 已升级" in texts.alert(CALENDAR, facts("01-09", 0, "01-09", escalated=True), day("01-09")).text


def test_an_order_says_by_when_to_answer() -> None:
    told = texts.order("请说明迟延原因", day("01-09"), "BZ-1")
    assert told.title == "【督办单】BZ-1 请于 2026-01-09 前答复"
    assert "请说明迟延原因" in told.text
