"""Who may do what: API keys, roles, and the part of the organisation a principal sees.

A key is shown once; only the SHA-256 of its 256 random bits is kept.  Roles and their commands are data
(`definitions/data/roles.yaml`); a principal sees its own unit and those below.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from typing import Any, Final

from definitions.model import RoleRule, Text
from storage import OrgRow, Tx
from workflow.core.events import Principal
from workflow.core.refusals import Refused, refuse

COMMANDS: Final[Mapping[str, Text]] = {
    "submit": Text("受理申请", "take applications in"),
    "request_documents": Text("要求提供资料", "request documents"),
    "register_documents": Text("登记资料", "register documents"),
    "submit_step": Text("登记用户提交环节", "record that a step was handed in"),
    "complete_step": Text("办结环节", "complete steps"),
    "return_step": Text("退回用户", "return steps"),
    "waive_step": Text("免办环节", "waive steps"),
    "assign": Text("指派", "assign applications"),
    "suspend": Text("中止计时", "suspend clocks"),
    "resume": Text("恢复计时", "resume clocks"),
    "refuse": Text("不予受理", "refuse applications"),
    "withdraw": Text("登记用户撤回", "record that an application was withdrawn"),
    "terminate": Text("终止申请", "terminate applications"),
    "correct": Text("更正记录", "correct the record"),
    "countersign": Text("会签", "countersign"),
    "add_charge": Text("登记收费", "record charges"),
    "add_approval": Text("登记送审", "record approvals asked for"),
    "decide_approval": Text("登记批复", "record approvals decided"),
    "notify": Text("登记告知", "record notices"),
    "reach_milestone": Text("登记内部里程碑", "record milestones"),
    "rate": Text("登记用户评价", "record ratings"),
}
"""What a command does, behind “may not”."""
AREAS: Final[Mapping[str, Text]] = {
    "applications": Text("申请", "applications"),
    "personal": Text("用户资料全文", "personal data in full"),
    "contacts": Text("与用户的联系记录", "the log of contacts"),
    "events": Text("申请的历史", "the history of applications"),
    "definitions": Text("规则", "definitions"),
    "calendar": Text("工作日历", "the working calendar"),
    "alerts": Text("预警", "alerts"),
    "orders": Text("督办单", "supervision orders"),
    "messages": Text("未送达的消息", "messages that were not delivered"),
    "destinations": Text("消息接收方", "destinations of messages"),
    "feeds": Text("日历订阅", "calendar feeds"),
    "findings": Text("发现", "findings"),
    "replays": Text("历史回放", "replays"),
    "reports": Text("统计报表", "reports"),
    "evidence": Text("其他系统的记录", "records of other systems"),
    "orgs": Text("组织机构和人员", "units and staff"),
    "keys": Text("接口密钥", "API keys"),
    "customers": Text("客户上传的资料和投诉", "what customers sent"),
    "areas": Text("受限区域清单", "the list of capacity-limited areas"),
}
"""What the areas of `roles.yaml` are."""


def new_secret() -> tuple[str, str]:
    """A fresh key and the hash to keep of it."""
    secret = f"bz_{secrets.token_urlsafe(32)}"
    return secret, hash_of(secret)


def hash_of(secret: str) -> str:
    """What is stored of a key."""
    return hashlib.sha256(secret.encode()).hexdigest()


def may(
    roles: dict[str, RoleRule], principal: Principal, *, reads: str = "", administers: str = "", command: str = ""
) -> bool:
    """Whether the role may do all of this; what is not asked about does not matter."""
    role = roles.get(principal.role)
    if role is None:
        return False
    asked = ((reads, role.reads), (administers, role.administers), (command, role.commands))
    return all(not what or what in allowed for what, allowed in asked)


def check_command(roles: dict[str, RoleRule], principal: Principal, command: str) -> None:
    """Raises Refused `not-permitted` when the role may not give this command."""
    if not may(roles, principal, command=command):
        raise _not_permitted(roles, principal, ("", ""), COMMANDS, command)


def check_reads(roles: dict[str, RoleRule], principal: Principal, area: str) -> None:
    """Raises Refused `not-permitted` when the role may not read this area."""
    if not may(roles, principal, reads=area):
        raise _not_permitted(roles, principal, ("查看", "read "), AREAS, area)


def check_administers(roles: dict[str, RoleRule], principal: Principal, area: str) -> None:
    """Raises Refused `not-permitted` when the role may not administer this area."""
    if not may(roles, principal, administers=area):
        raise _not_permitted(roles, principal, ("管理", "administer "), AREAS, area)


def role_name(roles: dict[str, RoleRule], principal: Principal) -> Text:
    """What the role of a principal is called; one that is gone stands for itself."""
    role = roles.get(principal.role)
    return Text(principal.role, principal.role) if role is None else role.name


def _not_permitted(
    roles: dict[str, RoleRule], principal: Principal, act: tuple[str, str], words: Mapping[str, Text], code: str
) -> Refused:
    who, what = role_name(roles, principal), words[code]
    named: dict[str, Any] = {"role": principal.role, "command" if words is COMMANDS else "area": code}
    return refuse(
        "not-permitted",
        f"角色“{who.zh}”无权{act[0]}{what.zh}; 请由有权的人员办理",
        f"The role “{who.en}” may not {act[1]}{what.en}; ask someone whose role may",
        **named,
    )


def sees(tx: Tx, principal: Principal, org: str | None) -> bool:
    """Whether a case of `org` lies in the principal's part of the tree."""
    if principal.org is None or principal.org == org:
        return True
    if org is None:
        return False
    unit = tx.org(org)
    return unit is not None and principal.org in unit.path.split("/")


def known_org(tx: Tx, code: str) -> OrgRow:
    """The unit; raises Refused `unknown-org` when there is none."""
    unit = tx.org(code)
    if unit is None:
        raise refuse(
            "unknown-org",
            f"没有单位 {code}; 请先导入组织机构 (baozhuang orgs import)",
            f"There is no unit {code}; import the org tree first (baozhuang orgs import)",
        )
    return unit


def check_narrowing(tx: Tx, org: str | None) -> None:
    """Raises Refused `unknown-org` for a list narrowed to a unit that there is none of: an empty list would say that
    nothing is there."""
    if org is not None and tx.org(org) is None:
        raise parameter_refused("unknown-org", "org", f"没有单位 {org}; 请核对单位代码", f"there is no unit {org}")


def parameter_refused(code: str, field: str, zh: str, en: str) -> Refused:
    """A refusal that names the parameter of a list as its only fault."""
    return refuse(code, f"{field}: {zh}", f"{field}: {en}", errors=[{"field": field, "message": zh, "message_en": en}])


def org_for(tx: Tx, principal: Principal, stated: str | None) -> str | None:
    """The unit a new or re-assigned case belongs to: the stated one, which must be known and within the principal's
    part of the tree, else the key's. Raises Refused."""
    if stated is None:
        return principal.org
    known_org(tx, stated)
    if not sees(tx, principal, stated):
        raise refuse(
            "not-permitted",
            f"单位 {stated} 不在您的管辖范围内",
            f"The unit {stated} lies outside your part of the organisation",
        )
    return stated
