"""The published catalogue (服务标准和收费项目目录清单) [L46], generated from the definitions on any date in any region.

Internal milestones are no limit and are not published [D-MILESTONES].
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from definitions.book import NoRuleInForce, UnknownClass
from definitions.model import NATION, USER_CLASSES, Clause, Definition, Text
from workflow.core.refusals import refuse
from workflow.service import rules
from workflow.service.portal import house
from workflow.service.service import Service

__all__ = ["NATION", "Changed", "changes", "classes", "every", "one", "regions", "timeline"]


def _classes(service: Service) -> list[str]:
    known = service.law.book.classes
    return [code for code in USER_CLASSES if code in known] + [code for code in known if code not in USER_CLASSES]


def every(service: Service, on: dt.date, region: str) -> list[Definition]:
    """What applies to each class; classes for which nothing was in force are left out."""
    found = (one(service, code, on, region) for code in _classes(service))
    return [definition for definition in found if definition is not None]


def one(service: Service, user_class: str, on: dt.date, region: str) -> Definition | None:
    """What applies to one class; None when nothing was in force. Raises Refused `not-found` for an unknown class."""
    try:
        return service.law.book.resolve(on=on, region=region, user_class=user_class)
    except UnknownClass as error:
        raise refuse("not-found", "没有这个用户类别", "There is no such class of users") from error
    except NoRuleInForce:
        return None


def classes(service: Service) -> list[tuple[str, Text]]:
    """Every class with its name as of today."""
    return [(one.user_class, one.name) for one in every(service, service.today, NATION)]


def timeline(service: Service, user_class: str, region: str) -> list[tuple[dt.date, dt.date | None, Definition]]:
    """Every definition a class has had in a region: first day, last day (None: open), definition."""
    return service.law.book.timeline(user_class, region)


def regions(service: Service) -> dict[str, Text]:
    """The whole country, the regions with rules of their own, and those that are served, by code."""
    with service.database.read() as tx:
        served = house.served_regions(tx)
    known = {unit.region: Text(unit.name, unit.name) for unit in served if unit.region is not None}
    known |= service.law.book.regions
    return {NATION: Text("全国", "Whole country"), **{code: known[code] for code in sorted(known)}}


# ---- what differs ----------------------------------------------------------------------------------------------------


class Changed(msgspec.Struct, frozen=True):
    """One difference in words, with the clauses behind both sides."""

    what: Text
    before: Text
    after: Text
    clauses_before: tuple[Clause, ...]
    clauses_after: tuple[Clause, ...]


_UNPUBLISHED: Final = ("milestones", "chain", "late")
_WORDS: Final = {
    "total": Text("总时限", "Total limit"),
    "steps": Text("环节", "Steps"),
    "limit": Text("时限(工作日)", "Limit (working days)"),
    "name": Text("名称", "Name"),
    "documents": Text("资料", "Documents"),
    "forms": Text("证件形式", "Forms"),
    "notices": Text("告知", "Notices"),
    "channels": Text("告知方式", "Channels"),
    "charges": Text("收费", "Charges"),
    "catalogue": Text("收费项目", "Fee items"),
    "zero_investment": Text("零投资", "Zero investment"),
    "approvals": Text("工程审批", "Approval of the works"),
    "counting": Text("计时", "Counting"),
    "rest_day_submission": Text("休息日提交", "Submitted on a rest day"),
    "required_for": Text("适用", "Asked of"),
    "waivable": Text("可否单件免办", "May be waived for one case"),
    "parts": Text("由哪些环节合并", "Merged from"),
    "starts": Text("起算", "Starts"),
    "kind": Text("种类", "Kind"),
    "deductible": Text("可扣除", "Excluded"),
    "rounds": Text("计入轮次", "Rounds counted"),
    "plan_validity": Text("供电方案有效期", "Validity of the supply plan"),
    "months": Text("月数", "Months"),
    "extra_documents": Text("清单外资料", "Documents outside the list"),
    "clauses": Text("依据条款", "Clauses"),
    "document_clauses": Text("资料依据", "Clauses on documents"),
    "step_clauses": Text("环节依据", "Clauses on steps"),
    "all": Text("全部用户", "everybody"),
    "important_customers": Text("重要电力用户", "important customers"),
    "submission": Text("自申请", "from submission"),
    "previous_step": Text("自上一环节办结", "from the step before"),
    "hand_in": Text("自用户提交", "when handed in"),
    "whole_process": Text("全过程", "whole process"),
    "step_sum": Text("各环节合计", "sum of the steps"),
    "force_majeure": Text("不可抗力", "force majeure"),
    "wechat": Text("微信", "WeChat"),
    "sms": Text("短信", "text message"),
    "app": Text("移动客户端", "app"),
    "hall": Text("营业厅", "hall"),
    "online": Text("网站", "website"),
    "strict": Text("自提交当日起算", "from its own date"),
    "deemed": Text("视为下一工作日收到", "as received the next working day"),
    "last": Text("最后一轮", "the last"),
    "low_NonekV": Text("低压", "low voltage"),
    "high_20.0kV": Text("20 千伏及以下高压", "high voltage up to 20 kV"),
    "high_NonekV": Text("35 千伏及以上", "35 kV and above"),
}


def changes(before: Definition, after: Definition) -> list[Changed]:
    """Every published difference between two definitions, in words."""
    names = _names(before) | _names(after)
    found = []
    for change in rules.compare(before, after):
        path = change.path.split(".")
        if path[0] in _UNPUBLISHED or path[-1] in ("aliases", "code") or path[-2:] == ["name", "en"]:
            continue
        if path[-1] == "zh":
            path = path[:-1]
        words = [_called(part, names) for part in _joined(path)]
        found.append(
            Changed(
                Text(" · ".join(word.zh for word in words), " · ".join(word.en for word in words)),
                _value(change.before, names),
                _value(change.after, names),
                _cited(before, change.clauses_before),
                _cited(after, change.clauses_after),
            )
        )
    return found


def _joined(path: list[str]) -> Iterable[str]:
    """The parts of a path; a voltage such as `high_20.0kV` was torn apart at its point."""
    at = 0
    while at < len(path):
        if path[at].startswith("high_") and at + 1 < len(path) and path[at + 1].endswith("kV"):
            yield f"{path[at]}.{path[at + 1]}"
            at += 1
        else:
            yield path[at]
        at += 1


def _called(part: str, names: dict[str, Text]) -> Text:
    return names.get(part) or _WORDS.get(part) or Text(part, part)


def _names(definition: Definition) -> dict[str, Text]:
    """What the codes of a definition are called."""
    named: list[Any] = [*definition.steps, *definition.notices, *definition.charges.catalogue]
    found = {one.code: one.name for one in named}
    for step in definition.steps:
        found |= {document.kind: document.name for document in step.documents}
        found |= {form.code: form.name for document in step.documents for form in document.forms}
    return found | {extra.kind: extra.name for extra in definition.extra_documents}


def _value(value: Any, names: dict[str, Text]) -> Text:
    if value is None or value in ([], {}):
        return Text("无", "none")
    if isinstance(value, bool):
        return Text("是", "yes") if value else Text("否", "no")
    if isinstance(value, dict):
        name = value.get("name")
        if isinstance(name, dict):
            return Text(name["zh"], name["en"])
        return _listed(
            [_value(inner, names) if isinstance(inner, dict) else _called(key, names) for key, inner in value.items()]
        )
    if isinstance(value, list):
        return _listed([_value(inner, names) for inner in value])
    return _called(str(value), names)


def _listed(values: list[Text]) -> Text:
    return Text("、".join(one.zh for one in values), ", ".join(one.en for one in values))


def _cited(definition: Definition, ids: tuple[str, ...]) -> tuple[Clause, ...]:
    return tuple(definition.clauses[one] for one in ids if one in definition.clauses)
