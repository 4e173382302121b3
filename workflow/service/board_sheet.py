"""The board as an Excel workbook: the columns a customer manager's list has today, in the order of the board."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, BinaryIO, Final

from workflow.core.events import Principal
from workflow.reports.listing import Column, Item, Language
from workflow.service import board
from workflow.service.exports import workbook
from workflow.service.service import Service
from workflow.service.units import called

_CLOCKS: Final = {
    "utility": {"zh": "供电企业", "en": "utility"},
    "customer": {"zh": "客户", "en": "customer"},
    "stopped": {"zh": "中止, 不计时", "en": "suspended"},
    "ended": {"zh": "已结束", "en": "ended"},
}
_STATES: Final = {
    "waiting": {"zh": "待客户", "en": "with the customer"},
    "running": {"zh": "办理中", "en": "in progress"},
    "energised": {"zh": "已送电", "en": "energised"},
    "withdrawn": {"zh": "已撤回", "en": "withdrawn"},
    "terminated": {"zh": "已终止", "en": "terminated"},
    "refused": {"zh": "不予办理", "en": "refused"},
}


def _columns(service: Service, language: Language) -> tuple[Column, ...]:
    names = service.law.book.names

    def of(name: str) -> Callable[[Item], Any]:
        return lambda line: line[name]

    def limit(line: Item) -> Any:
        due = line["limit"]
        if due is None:
            return None
        if due.step is not None:
            return getattr(names["step"][due.step], language)
        return {"zh": "全程", "en": "whole process"}[language] if due.scope == "total" else due.key

    def state(line: Item) -> str:
        step, _, rest = line["state"].rpartition(".")
        told = _STATES[rest][language]
        return f"{getattr(names['step'][step], language)} · {told}" if step else told

    return (
        Column("流程编号", "Application no.", of("application_no"), 24),
        Column("外部编号", "External no.", of("external_id"), 18),
        Column("类型", "Class", lambda line: getattr(names["user_class"][line["user_class"]], language), 24),
        Column("户号", "Account", lambda line: line["person"].id, 16),
        Column("户名", "Customer", lambda line: line["person"].name, 16),
        Column("单位", "Unit", of("unit"), 16),
        Column("客户经理", "Manager", of("managed_by"), 12),
        Column("开始日期", "Submitted", lambda line: line["submitted_at"].date(), 12),
        Column("时限", "Limit", limit, 18),
        Column("截止日", "Due on", of("due_on"), 12),
        Column("暂定", "Provisional", lambda line: line["provisional"] if line["due_on"] else None, 10),
        Column("剩余工作日", "Working days left", of("left"), 12),
        Column("全流程截止日", "Whole process due on", of("total_due_on"), 14),
        Column("状态", "State", state, 24),
        Column("计时", "Clock", lambda line: _CLOCKS[line["clock"]][language], 14),
        Column("下一步", "Next", lambda line: line["next_act"] and getattr(line["next_act"], language), 34),
    )


def sheet(service: Service, principal: Principal, asked: board.Asked, language: Language) -> BinaryIO:
    """The whole list as a workbook to read from the start and to close. Raises Refused: `too-many-rows`."""

    def pages(cursor: str | None, limit: int) -> dict[str, Any]:
        page = board.page(service, principal, asked, cursor, limit)
        lines = [line._asdict() for line in page.lines]
        named = called(service.database, lines).units
        return {"items": [{**line, "unit": named.get(line["org"], line["org"])} for line in lines], "next": page.next}

    return workbook("待办" if language == "zh" else "board", _columns(service, language), language, pages)
