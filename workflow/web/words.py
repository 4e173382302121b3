"""What codes are called on the pages. Terms of the law come from the definitions; the rest stands here as messages."""

from __future__ import annotations

from typing import Final

from workflow.service import Service, findings
from workflow.web.area import N_
from workflow.web.language import Language, said, translations

_WORDS: Final = {
    "state": {
        "energised": N_("已送电"),
        "withdrawn": N_("已撤回"),
        "terminated": N_("已终止"),
        "refused": N_("不予办理"),
        "waiting": N_("待客户"),
        "running": N_("办理中"),
    },
    "status": {  # of a deadline, a step or a round
        "pending": N_("未开始"),
        "waiting": N_("等待客户"),
        "running": N_("计时中"),
        "suspended": N_("中止"),
        "met": N_("按时"),
        "breached": N_("超期办结"),
        "cancelled": N_("已取消"),
        "done": N_("已完成"),
        "waived": N_("免办"),
        "ended": N_("已结束"),
        "returned": N_("退回"),
    },
    "level": {"black": N_("超期"), "red": N_("红色"), "orange": N_("橙色"), "yellow": N_("黄色")},
    "alert": {"standing": N_("未解除"), "open": N_("待处理"), "acknowledged": N_("已确认"), "cleared": N_("已解除")},
    "channel": {"online": N_("线上"), "hall": N_("营业厅"), "phone": N_("电话"), "visit": N_("上门")},
    "business": {
        "new": N_("新装"),
        "increase": N_("增容"),
        "temporary": N_("临时用电"),
        "transfer": N_("过户"),
        "reconnect": N_("恢复用电"),
        "split": N_("分户"),
        "decrease": N_("减容"),
    },
    "sweep": {
        "ladders": N_("预警级别变更"),
        "due": N_("到期预警"),
        "deliver": N_("发送消息"),
        "escalate": N_("逐级上报"),
        "stale": N_("解除过时预警"),
        "horizon": N_("日历有效期"),
        "reports": N_("报表日期"),
        "orders": N_("督办单期限"),
        "notices": N_("告知短信"),
        "digest": N_("晨会清单"),
        "leftovers": N_("清理未提交的表单"),
    },
    "replay": {
        "queued": N_("排队中"),
        "running": N_("回放中"),
        "stopped": N_("已停止"),
        "failed": N_("没有做成"),
        "interrupted": N_("中断"),
        "done": N_("已完成"),
    },
    "mapping": {
        "contract": N_("契约格式"),
        "hv_ledger": N_("高压台账"),
        "lv_milestones": N_("低压里程碑清单"),
        "xes": N_("XES 日志"),
    },
    "voltage": {"low": N_("低压"), "high": N_("高压")},
    "clock": {"utility": N_("供电企业"), "customer": N_("客户"), "stopped": N_("中止, 不计时"), "ended": N_("已结束")},
    "scope": {
        "step": N_("环节"),
        "total": N_("全程"),
        "approval": N_("审批"),
        "milestone": N_("内部里程碑"),
        "plan": N_("方案有效期"),
        "report": N_("报送"),
        "order": N_("督办单"),
        "horizon": N_("有效范围"),
    },
}
"""By kind and code."""


def word(service: Service, language: Language, kind: str, code: str | None) -> str:
    """What a code is called; an unknown one is shown as it is, None as a dash. A `state` such as
    `design_review.running` is named by its step and by what it waits for."""
    if code is None:
        return "—"
    lookup = translations(language).gettext
    if kind == "state" and "." in code:
        step, _, rest = code.partition(".")
        return f"{word(service, language, 'step', step)} · {lookup(_WORDS['state'][rest])}"
    ours = _WORDS.get(kind, {}).get(code)
    if ours is not None:
        return lookup(ours)
    if kind == "record":
        return said(findings.record_name(code), language)
    law = service.law.book.names.get(kind, {}).get(code) or findings.WORDS.get(kind, {}).get(code)
    return code if law is None else said(law, language)
