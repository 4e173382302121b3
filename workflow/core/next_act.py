"""Whose turn it is and the one thing to do next, told from the state of an application; pure."""

from __future__ import annotations

from typing import Final

from definitions.model import Text

_CLOCKS: Final = {
    "running": Text("供电企业办理", "with the utility"),
    "waiting": Text("等待客户", "waiting for the customer"),
}
_ACTS: Final = {
    "acceptance": Text("核对资料并受理", "check the documents and accept the application"),
    "supply_plan": Text("书面答复供电方案", "deliver the supply plan in writing"),
    "design_review": Text("书面答复设计审查意见", "answer the design review in writing"),
    "mid_inspection": Text("完成中间检查并书面答复", "inspect and answer in writing"),
    "completion_inspection": Text("完成竣工检验并书面答复", "inspect the finished works and answer in writing"),
    "metering": Text("装表接电", "fit the meter and energise"),
}
_ASK_DOCUMENTS: Final = Text("请客户补齐资料(一次性告知)", "ask the customer for the missing documents, all at once")
_REMIND: Final = Text("提醒客户提交下一环节的资料或报验", "remind the customer to hand in the next step")


def whose_clock(state: str | None) -> Text | None:
    """Who holds the application up now; None once it is closed."""
    return _CLOCKS.get((state or "").rpartition(".")[2])


def next_act(state: str | None) -> Text | None:
    """The one thing to do next; None where nothing can be said."""
    step, _, phase = (state or "").rpartition(".")
    if step not in _ACTS:
        return None
    if phase == "running":
        return _ACTS[step]
    return _ASK_DOCUMENTS if step == "acceptance" else _REMIND
