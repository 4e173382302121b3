"""Lists as Excel workbooks: the same pages that the list answers, one after the other, one row for each item."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, BinaryIO, Final

from workflow.core.events import Principal
from workflow.core.refusals import refuse
from workflow.reports.listing import Column, Item, Language, write
from workflow.service import alerts
from workflow.service.service import MOST_PER_PAGE, Service

MOST_ROWS = 20_000
"""Rows in one workbook; a list longer than this is narrowed before it is exported."""
_IN_MEMORY = 4 * 1024 * 1024

Pages = Callable[..., dict[str, Any]]


def _of(name: str) -> Callable[[Item], Any]:
    return lambda item: item[name]


def _first(item: Item) -> Item | None:
    """The running deadline that is due first."""
    running = [one for one in item["deadlines"] if one["status"] == "running" and one["due_on"] is not None]
    return min(running, key=lambda one: (one["due_on"], one["key"]), default=None)


def _of_first(name: str) -> Callable[[Item], Any]:
    def value(item: Item) -> Any:
        first = _first(item)
        return None if first is None else first[name]

    return value


def _of_total(name: str) -> Callable[[Item], Any]:
    return lambda item: next((one[name] for one in item["deadlines"] if one["scope"] == "total"), None)


def _overdue(item: Item) -> bool:
    return any(one["overdue"] for one in item["deadlines"])


APPLICATIONS: Final = (
    Column("申请编号", "application_no", _of("application_no"), 22),
    Column("外部编号", "external_id", _of("external_id"), 18),
    Column("用户类别", "user_class", _of("user_class")),
    Column("状态", "state", _of("state"), 24),
    Column("提出时间", "submitted_at", _of("submitted_at"), 17),
    Column("办结时间", "closed_at", _of("closed_at"), 17),
    Column("单位", "org", _of("org")),
    Column("地区", "region", _of("region"), 9),
    Column("客户经理", "manager", _of("manager")),
    Column("项目经理", "project_manager", _of("project_manager")),
    Column("业务类型", "business_type", _of("business_type")),
    Column("容量 (kW/kVA)", "capacity_kw", _of("capacity_kw"), 13),
    Column("电压", "voltage", _of("voltage"), 8),
    Column("最近到期时限", "next_deadline", _of_first("key"), 24),
    Column("最近到期日", "next_due_on", _of_first("due_on"), 12),
    Column("剩余工作日", "remaining_working_days", _of_first("remaining_working_days"), 11),
    Column("暂定", "provisional", _of_first("provisional"), 8),
    Column("超期", "overdue", _overdue, 8),
    Column("全程时限 (工作日)", "total_budget_working_days", _of_total("budget_working_days"), 17),
    Column("全程已用 (工作日)", "total_used_working_days", _of_total("used_working_days"), 17),
    Column("全程到期日", "total_due_on", _of_total("due_on"), 12),
    Column("缺少资料 (件)", "missing_documents", lambda item: len(item["missing_documents"]), 13),
    Column("申请标识", "id", _of("id"), 38),
)
ALERTS: Final = (
    Column("级别", "level", _of("level"), 8),
    Column("状态", "status", _of("status"), 13),
    Column("申请编号", "application_no", _of("application_no"), 22),
    Column("用户类别", "user_class", _of("user_class")),
    Column("申请状态", "state", _of("state"), 24),
    Column("对象", "subject", _of("subject"), 38),
    Column("范围", "scope", _of("scope"), 10),
    Column("时限", "key", _of("key"), 24),
    Column("环节", "step", _of("step"), 20),
    Column("预警日", "day", _of("day"), 12),
    Column("到期日", "due_on", _of("due_on"), 12),
    Column("剩余天数", "remaining_days", _of("remaining_days"), 10),
    Column("天数单位", "unit", _of("unit"), 13),
    Column("单位", "org", _of("org")),
    Column("客户经理", "manager", _of("manager")),
    Column("产生时间", "raised_at", _of("raised_at"), 17),
    Column("确认时间", "acknowledged_at", _of("acknowledged_at"), 17),
    Column("确认人", "acknowledged_by", _of("acknowledged_by")),
    Column("备注", "note", _of("note"), 30),
    Column("暂缓至", "snoozed_until", _of("snoozed_until"), 17),
    Column("暂缓原因", "snooze_reason", _of("snooze_reason"), 30),
    Column("升级次数", "escalations", _of("escalations"), 10),
    Column("解除时间", "cleared_at", _of("cleared_at"), 17),
    Column("解除原因", "cleared_because", _of("cleared_because")),
    Column("预警标识", "id", _of("id"), 38),
)


def applications(service: Service, principal: Principal, language: Language = "zh", **narrowed: Any) -> BinaryIO:
    """The list of applications, narrowed as `Service.applications` does it, as a workbook to read from the start and to
    close. Raises Refused: `too-many-rows`."""
    return workbook("申请" if language == "zh" else "applications", APPLICATIONS, language, partial(
        service.applications, principal, **narrowed
    ))  # fmt: skip


def raised(service: Service, principal: Principal, language: Language = "zh", **narrowed: Any) -> BinaryIO:
    """The list of alerts, narrowed as `alerts.listed` does it, as `applications`."""
    pages = partial(alerts.listed, service, principal, **narrowed)
    return workbook("预警" if language == "zh" else "alerts", ALERTS, language, pages)


def workbook(title: str, columns: tuple[Column, ...], language: Language, pages: Pages) -> BinaryIO:
    """The pages of a list as a workbook to read from the start and to close. Raises Refused: `too-many-rows`."""
    out: Any = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115  # whoever asked closes it
    try:
        write(out, title, columns, _items(pages), language)
    except BaseException:
        out.close()
        raise
    out.seek(0)
    found: BinaryIO = out
    return found


def _items(pages: Pages) -> Iterator[Item]:
    cursor, rows = None, 0
    while True:
        page = pages(cursor=cursor, limit=MOST_PER_PAGE)
        rows += len(page["items"])
        if rows > MOST_ROWS:
            raise refuse(
                "too-many-rows",
                f"超过 {MOST_ROWS} 行, 无法导出; 请加筛选条件 (单位、客户经理、状态、到期日) 后再导出",
                f"More than {MOST_ROWS} rows; narrow the list (unit, manager, state, due date) and export again",
                limit=MOST_ROWS,
            )
        yield from page["items"]
        cursor = page["next"]
        if cursor is None:
            return
