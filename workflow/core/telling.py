"""What an event says, as a sentence for whoever reads the history, in Chinese and English.

Personal data never stand in an event, so none can stand here.  Dates are of the business zone (Asia/Shanghai).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from definitions.model import Definition, Text
from workflow.core.documents import kind_and_form

Names = Mapping[str, Text]
"""Names of steps, document kinds, notices, milestones and fees by their codes."""

FACTS: dict[str, Text] = {
    "customer_kind": Text("用户性质", "kind of customer"),
    "enterprise_size": Text("企业规模", "size of the enterprise"),
    "capacity_kw": Text("容量", "capacity"),
    "voltage": Text("电压", "voltage"),
    "supply_count": Text("电源数", "number of sources"),
    "area": Text("城乡", "area"),
    "business_type": Text("业务类型", "kind of business"),
    "voltage_kv": Text("电压等级 (kV)", "voltage level (kV)"),
    "important_customer": Text("重要用户", "important customer"),
    "hv_request_ref": Text("高压书面要求", "written request for high voltage"),
    "external_id": Text("外部单号", "external number"),
}
"""The facts of an application that can be corrected, in words."""

_MOMENTS = {
    "start": Text("开始时间", "start"),
    "complete": Text("办结时间", "completion"),
    "return": Text("退回时间", "return"),
}
_GROUNDS = {
    "force_majeure": Text("不可抗力", "force majeure"),
    "lapsed": Text("供电方案失效", "the supply plan lapsed"),
    "duplicate": Text("重复申请", "a duplicate"),
    "other": Text("其他", "other"),
}


_STANDS = {
    "waiting": Text("等待客户", "waiting for the customer"),
    "running": Text("办理中", "in hand"),
    "energised": Text("已送电", "energised"),
    "withdrawn": Text("已撤回", "withdrawn"),
    "terminated": Text("已终止", "terminated"),
    "refused": Text("不予办理", "refused"),
}


def names_of(definition: Definition) -> dict[str, Text]:
    """The names of everything of `definition` that an event may mention."""
    named: dict[str, Text] = {}
    for step in definition.steps:
        named[step.code] = step.name
        named.update({document.kind: document.name for document in step.documents})
    for rules in (definition.notices, definition.milestones, definition.charges.catalogue):
        named.update({rule.code: rule.name for rule in rules})
    named.update({extra.kind: extra.name for extra in definition.extra_documents})
    return named


def stands(state: str, names: Names) -> Text:
    """Where an application stands: `metering.running` is 装表接电 (办理中)."""
    step, _, rest = state.rpartition(".")
    how = _STANDS[rest]
    name = _named(step, names)
    return Text(f"{name.zh} ({how.zh})", f"{name.en} ({how.en})") if step else how


def told(type_: str, payload: Mapping[str, Any], names: Names) -> Text:
    """The event as a sentence; an unknown type is told by its name."""
    tell = _TELL.get(type_)
    return Text(type_, type_) if tell is None else tell(payload, names)


def proposed(kind: str, proposal: Mapping[str, Any], names: Names) -> Text:
    """What a proposal of `kind` (suspend, waive_step, correct) asks for."""
    return _PROPOSED[kind](proposal, names)


def reason_told(reason: str) -> Text:
    """A reason as it was given; a ground of the contract (force_majeure, lapsed …) in words."""
    return _GROUNDS.get(reason, Text(reason, reason))


def ended_for(type_: str, payload: Mapping[str, Any]) -> Text | None:
    """On what an application was refused or terminated, fit for its customer: the legal basis or the ground, without
    what the staff wrote beside it. None for any other event."""
    if type_ == "refused":
        return Text(payload["legal_basis"], payload["legal_basis"])
    return reason_told(payload["reason"]) if type_ == "terminated" else None


def field_name(field: str, names: Names) -> Text:
    """A correctable field in words: a fact, or the time of a step."""
    step, _, rest = field.removeprefix("case.").partition(".")
    moment = _MOMENTS.get(rest.partition(".")[0])
    if moment is None:
        return FACTS.get(step, Text(field, field))
    name = _named(step, names)
    return Text(f"{name.zh}的{moment.zh}", f"{moment.en} of {name.en}")


def spelt(definition: Definition, kind: str, names: Names) -> Text:
    """A document kind in words, however it was spelt."""
    return _named(kind_and_form(definition, kind)[0], names)


def _named(code: str, names: Names) -> Text:
    return names.get(code, Text(code, code))


def _join(texts: Iterable[Text]) -> Text:
    found = list(texts)
    return Text("、".join(text.zh for text in found), ", ".join(text.en for text in found))


def _kinds(documents: Iterable[Mapping[str, Any]], names: Names) -> Text:
    return _join(_named(one["kind"], names) for one in documents)


def _value(value: object) -> Text:
    if value is None:
        return Text("空", "empty")
    if isinstance(value, bool):
        return Text("是", "yes") if value else Text("否", "no")
    text = f"{value:g}" if isinstance(value, float) else str(value)
    shown = text[:16].replace("T", " ") if text[4:5] == "-" and "T" in text else text
    return Text(shown, shown)


def _submitted(p: Mapping[str, Any], names: Names) -> Text:
    documents = _kinds(p["documents"], names)
    if not p["documents"]:
        return Text("用户提出用电申请, 未附资料", "The customer applied, without documents")
    return Text(f"用户提出用电申请, 附: {documents.zh}", f"The customer applied, with: {documents.en}")


def _step(zh: str, en: str) -> Callable[[Mapping[str, Any], Names], Text]:
    def tell(p: Mapping[str, Any], names: Names) -> Text:
        name = _named(p["step"], names)
        return Text(f"{name.zh}: {zh}", f"{name.en}: {en}")

    return tell


def _step_submitted(p: Mapping[str, Any], names: Names) -> Text:
    if p.get("confirms"):
        return _step("确认用户已提交", "the hand-in was confirmed")(p, names)
    if p.get("automatic"):
        return _step("资料齐全, 自动起算", "the documents are complete; the clock started by itself")(p, names)
    return _step("用户提交, 开始计时", "handed in by the customer; the clock started")(p, names)


def _step_completed(p: Mapping[str, Any], names: Names) -> Text:
    told_ = _step("办结并书面答复", "completed, answered in writing")(p, names)
    if p["state"] == "energised":
        told_ = _step("装表送电, 全部办结", "energised; the application is complete")(p, names)
    reason = p.get("plan_reason")
    if reason:
        return Text(f"{told_.zh}。方案说明: {reason}", f"{told_.en}. Reason for the plan: {reason}")
    return told_


def _step_returned(p: Mapping[str, Any], names: Names) -> Text:
    name, defects = _named(p["step"], names), p["defects"]
    return Text(
        f"{name.zh}: 退回用户, 一次性告知 {len(defects)} 项: {'; '.join(defects)}",
        f"{name.en}: returned with one list of {len(defects)}: {'; '.join(defects)}",
    )


def _requested(p: Mapping[str, Any], names: Names) -> Text:
    kinds = _kinds(p["documents"], names)
    return Text(f"要求用户提供: {kinds.zh}", f"The customer was asked for: {kinds.en}")


def _registered(p: Mapping[str, Any], names: Names) -> Text:
    kinds = _kinds(p["documents"], names)
    return Text(f"登记资料: {kinds.zh}", f"Documents registered: {kinds.en}")


def _attempted(p: Mapping[str, Any], names: Names) -> Text:
    name, kinds = _named(p["step"], names), _join(_named(kind, names) for kind in p["missing_documents"])
    return Text(
        f"{name.zh}: 资料不齐, 未予收件, 缺: {kinds.zh}",
        f"{name.en}: not taken in, documents are missing: {kinds.en}",
    )


def _suspension(p: Mapping[str, Any], _names: Names) -> Text:
    to_zh, to_en = (f"至 {p['to']}", f"to {p['to']}") if p.get("to") else ("起, 未定结束日", "on, open-ended")
    deducted = Text("扣除", "deducted") if p.get("deductible") else Text("只记录, 不扣除", "recorded, not deducted")
    note = f"; {p['note']}" if p.get("note") else ""
    return Text(
        f"因不可抗力中止: {p['from']} {to_zh} ({p['notice']}; {deducted.zh}{note})",
        f"suspension for force majeure: {p['from']} {to_en} ({p['notice']}; {deducted.en}{note})",
    )


def _waiver(p: Mapping[str, Any], names: Names) -> Text:
    name = _named(p["step"], names)
    return Text(f"免办{name.zh}, 依据: {p['legal_basis']}", f"waiver of {name.en}, basis: {p['legal_basis']}")


def _correction(p: Mapping[str, Any], names: Names) -> Text:
    name, old, new = field_name(p["field"], names), _value(p["old_value"]), _value(p["new_value"])
    return Text(f"更正{name.zh}: {old.zh} 改为 {new.zh}", f"correction of the {name.en}: {old.en} to {new.en}")


_PROPOSED: dict[str, Callable[[Mapping[str, Any], Names], Text]] = {
    "suspend": _suspension,
    "waive_step": _waiver,
    "correct": _correction,
}


def _proposal(p: Mapping[str, Any], names: Names) -> Text:
    what = proposed(p["proposes"], p["proposal"], names)
    return Text(f"提出{what.zh}, 待会签", f"Proposed: {what.en}; waits for a second signature")


_SIGNED = {
    "suspend": Text("中止生效", "the suspension takes effect"),
    "waive_step": Text("免办生效", "the waiver takes effect"),
    "correct": Text("更正生效", "the correction takes effect"),
    "late": Text("补录已经复核", "the late record is confirmed"),
}


def _countersigned(p: Mapping[str, Any], _names: Names) -> Text:
    effect = _SIGNED[p["kind"]]
    return Text(f"会签第 {p['event']} 号记录, {effect.zh}", f"Second signature on record {p['event']}: {effect.en}")


def _assigned(p: Mapping[str, Any], _names: Names) -> Text:
    roles = {
        "manager": Text("客户经理", "customer manager"),
        "project_manager": Text("项目经理", "project manager"),
        "org": Text("承办单位", "unit"),
    }
    zh = ", ".join(f"{roles[name].zh}: {value}" for name, value in p["to"].items())
    en = ", ".join(f"{roles[name].en}: {value}" for name, value in p["to"].items())
    return Text(f"指派{zh}", f"Assigned {en}")


def _ended(zh: str, en: str) -> Callable[[Mapping[str, Any], Names], Text]:
    def tell(p: Mapping[str, Any], _names: Names) -> Text:
        ground = reason_told(p.get("reason") or "")
        more = [part for part in (p.get("note"), p.get("legal_basis")) if part]
        tail_zh = "; ".join(part for part in (ground.zh, *more) if part)
        tail_en = "; ".join(part for part in (ground.en, *more) if part)
        return Text(f"{zh}: {tail_zh}" if tail_zh else zh, f"{en}: {tail_en}" if tail_en else en)

    return tell


def _charge(p: Mapping[str, Any], names: Names) -> Text:
    name, amount = _named(p["item"], names), f"{p['amount']:,.2f}"
    return Text(f"收费: {name.zh} {amount} 元", f"Charge: {name.en}, {amount} yuan")


def _approval(p: Mapping[str, Any], _names: Names) -> Text:
    name = p["name"] if p["name"] != "works" else None
    where = p.get("authority")
    return Text(
        f"电力接入工程送审{f': {name}' if name else ''}{f' ({where})' if where else ''}",
        f"Works submitted for approval{f': {name}' if name else ''}{f' ({where})' if where else ''}",
    )


def _decided(p: Mapping[str, Any], _names: Names) -> Text:
    granted = p["approval"].get("decision") != "refused"
    return (
        Text("审批部门批准", "The authority approved") if granted else Text("审批部门不予批准", "The authority refused")
    )


def _milestone(p: Mapping[str, Any], names: Names) -> Text:
    name = _named(p["milestone"]["code"], names)
    return Text(f"内部里程碑到达: {name.zh}", f"Internal milestone reached: {name.en}")


def _needs(p: Mapping[str, Any], names: Names) -> Text:
    without, again = (_join(_named(code, names) for code in p[field]) for field in ("not_needed", "needed"))
    parts = [(f"不需要 {without.zh}", f"not needed: {without.en}")] if p["not_needed"] else []
    parts += [(f"恢复 {again.zh}", f"needed again: {again.en}")] if p["needed"] else []
    return Text(
        f"内部里程碑: {'; '.join(zh for zh, _ in parts)}", f"Internal milestones: {'; '.join(en for _, en in parts)}"
    )


def _notified(p: Mapping[str, Any], names: Names) -> Text:
    name = _named(p["notice"], names)
    return Text(f"告知用户: {name.zh}", f"Customer notified: {name.en}")


def _rated(p: Mapping[str, Any], _names: Names) -> Text:
    comment = f": {p['comment']}" if p.get("comment") else ""
    return Text(f"用户评价 {p['score']} 分{comment}", f"Rated {p['score']} of 5{comment}")


_TELL: dict[str, Callable[[Mapping[str, Any], Names], Text]] = {
    "application_submitted": _submitted,
    "documents_requested": _requested,
    "documents_registered": _registered,
    "step_submission_attempted": _attempted,
    "step_submitted": _step_submitted,
    "step_completed": _step_completed,
    "step_returned": _step_returned,
    "step_waiver_proposed": _proposal,
    "suspension_proposed": _proposal,
    "correction_proposed": _proposal,
    "countersigned": _countersigned,
    "resumed": lambda p, _: Text(
        f"恢复办理, 中止的最后一日为 {p['to']}", f"Resumed; the last suspended day is {p['to']}"
    ),
    "assigned": _assigned,
    "withdrawn": _ended("用户撤回申请", "Withdrawn by the customer"),
    "terminated": _ended("终止申请", "Terminated"),
    "refused": _ended("不予办理", "Refused"),
    "charge_added": _charge,
    "approval_added": _approval,
    "approval_decided": _decided,
    "milestone_reached": _milestone,
    "milestones_needed": _needs,
    "notified": _notified,
    "rated": _rated,
    "application_linked": lambda p, _: Text(
        f"与前一申请 {p['chain'][-1]['application_no']} 关联", f"Linked to {p['chain'][-1]['application_no']}"
    ),
    "deadlines_recomputed": lambda _, __: Text(
        "放假通知到达, 重新计算到期日", "A calendar notice came in; due dates were recomputed"
    ),
}
"""One teller for each type of event; a test holds it to what `evolve` knows."""
