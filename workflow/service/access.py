"""Who may do what: API keys, roles, and the part of the organisation a principal sees.

A key is shown once; only the SHA-256 of its 256 random bits is kept.  Roles and their commands are data
(`definitions/data/roles.yaml`); a principal sees its own unit and those below.
"""

from __future__ import annotations

import hashlib
import secrets

from definitions.model import RoleRule
from storage import OrgRow, Tx
from workflow.core.events import Principal
from workflow.core.refusals import Refused, refuse


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
        raise _not_permitted(principal, f"办理 {command}", command)


def check_reads(roles: dict[str, RoleRule], principal: Principal, area: str) -> None:
    """Raises Refused `not-permitted` when the role may not read this area."""
    if not may(roles, principal, reads=area):
        raise _not_permitted(principal, f"查看 {area}", f"read {area}")


def check_administers(roles: dict[str, RoleRule], principal: Principal, area: str) -> None:
    """Raises Refused `not-permitted` when the role may not administer this area."""
    if not may(roles, principal, administers=area):
        raise _not_permitted(principal, f"管理 {area}", f"administer {area}")


def _not_permitted(principal: Principal, zh: str, en: str) -> Refused:
    return refuse(
        "not-permitted",
        f"角色 {principal.role} 无权{zh}; 请由有权的人员办理",
        f"The role {principal.role} may not {en}; ask someone whose role may",
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
