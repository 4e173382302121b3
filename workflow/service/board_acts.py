"""What is done from the board: views are saved, work is handed over to somebody else, somebody is away.

Dates are of the business zone (Asia/Shanghai), both ends included.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Final, NamedTuple

import uuid6

from storage import AbsenceRow, SavedViewRow, StaffRow, Tx
from workflow.core.commands import COMMANDS, blank
from workflow.core.events import Principal
from workflow.core.refusals import Refusal, Refused, refuse
from workflow.core.times import write
from workflow.service import access
from workflow.service.service import Service

MOST_VIEWS: Final = 20
MOST_AT_ONCE: Final = 100
"""Applications handed over in one go."""
LONGEST_ABSENCE: Final = 366
LONGEST_NAME, LONGEST_QUERY = 40, 500
_MANAGERS: Final = ("manager", "supervisor")


# Views


def save_view(service: Service, principal: Principal, name: str, query: str) -> None:
    """Keep the query of a board's address under a name; the same name again replaces it. Raises Refused."""
    if blank(name) or len(name) > LONGEST_NAME or len(query) > LONGEST_QUERY:
        raise refuse(
            "malformed-request",
            f"请给视图起一个名称, 至多 {LONGEST_NAME} 个字",
            f"Give the view a name of at most {LONGEST_NAME} characters",
        )
    row = SavedViewRow(principal.who, name, query, write(service.clock.now()))

    def work(tx: Tx) -> bool:
        known = {view.name for view in tx.views(principal.who)}
        if name not in known and len(known) >= MOST_VIEWS:
            return False
        tx.put_view(row)
        return True

    if not service.transact(work):
        raise refuse(
            "too-many-rows",
            f"最多保存 {MOST_VIEWS} 个视图; 请先删除不用的",
            f"At most {MOST_VIEWS} views can be kept; delete one first",
        )


def drop_view(service: Service, principal: Principal, name: str) -> None:
    """Forget a view; one that is not there is no matter."""
    service.transact(lambda tx: tx.drop_view(principal.who, name))


# Handing over


class HandOver(NamedTuple):
    """What became of handing applications over: how many were, and why others were not, by application number."""

    manager: StaffRow
    done: int
    refused: list[tuple[str, Refusal]]


def colleagues(service: Service, principal: Principal) -> list[StaffRow]:
    """Who applications may be handed over to: managers of the principal's part of the organisation. Raises Refused."""
    access.check_command(service.law.roles, principal, "assign")
    with service.database.read() as tx:
        return tx.staff_below(principal.org, ("manager",), MOST_AT_ONCE * 5)


def hand_over(service: Service, principal: Principal, case_ids: Sequence[str], manager: str, key: str) -> HandOver:
    """Give applications to another customer manager, each by a command of its own; one that is refused keeps nobody
    else's back. `key`: the same again does nothing twice. Raises Refused."""
    access.check_command(service.law.roles, principal, "assign")
    ids = list(dict.fromkeys(case_ids))
    if not 0 < len(ids) <= MOST_AT_ONCE:
        raise refuse(
            "malformed-request",
            f"请选择 1 至 {MOST_AT_ONCE} 件申请",
            f"Choose 1 to {MOST_AT_ONCE} applications",
        )
    with service.database.read() as tx:
        member = tx.member(manager)
        if member is None or member.role not in _MANAGERS or not access.sees(tx, principal, member.org):
            raise refuse(
                "not-found",
                f"本单位没有客户经理 {manager[:64]}",
                f"There is no customer manager {manager[:64]} in your part of the organisation",
            )
        cases = tx.cases_by_id(ids)
        own = Principal(member.id, member.role, member.org)
        reached = {one.id for one in cases.values() if access.sees(tx, own, one.org)}
    command = COMMANDS.validate_python({"command": "assign", "manager": manager})
    out_of_reach = refuse(
        "not-permitted",
        f"该申请不在 {member.name} 的管辖范围内",
        f"The application lies outside the part of the organisation of {member.name}",
    ).refusal
    replies = [(one, service.command(principal, one, command, key=f"{key}.{one}")) for one in ids if one in reached]
    refused: list[tuple[str, Refusal]] = [
        (cases[one].application_no if one in cases else one, out_of_reach) for one in ids if one not in reached
    ]
    done = 0
    for case_id, reply in replies:
        try:
            answer = reply.result()
        except Refused as error:
            refused.append((cases[case_id].application_no, error.refusal))
            continue
        if answer.refusal is None:
            done += 1
        else:
            refused.append((cases[case_id].application_no, answer.refusal))
    return HandOver(member, done, refused)


# Being away


def be_away(service: Service, principal: Principal, first: dt.date, last: dt.date, substitute: str) -> AbsenceRow:
    """Note that one is away and who stands in: the other's board shows one's applications on those days. Noted again,
    it stands once. Raises Refused."""
    today = service.today
    if not today <= last or not first <= last or (last - first).days >= LONGEST_ABSENCE:
        raise refuse(
            "malformed-request",
            f"结束日不能早于开始日和今天, 时长至多 {LONGEST_ABSENCE} 天",
            f"The last day may not come before the first one or today; at most {LONGEST_ABSENCE} days",
        )
    row = AbsenceRow(
        str(uuid6.uuid7()), principal.who, substitute, first.isoformat(), last.isoformat(),
        write(service.clock.now()), principal.who,
    )  # fmt: skip

    def work(tx: Tx) -> AbsenceRow:
        own, other = tx.member(principal.who), tx.member(substitute)
        if own is None or other is None or other.id == own.id or other.role not in _MANAGERS:
            raise refuse(
                "not-found",
                f"没有可以代班的人员 {substitute[:64]}",
                f"There is nobody {substitute[:64]} who could stand in",
            )
        if not access.sees(tx, Principal(other.id, other.role, other.org), own.org):
            raise refuse(
                "not-permitted",
                f"{other.name} 看不到您单位的申请, 不能代班",
                f"{other.name} does not see the applications of your unit and cannot stand in",
            )
        told = (row.staff, row.substitute, row.first_day, row.last_day)
        for one in tx.absences(staff=row.staff, until=row.last_day):
            if (one.staff, one.substitute, one.first_day, one.last_day) == told:
                return one
        tx.add_absence(row)
        return row

    return service.transact(work)


def be_back(service: Service, principal: Principal, absence_id: str) -> None:
    """End an absence of one's own early, or call it off. Raises Refused."""
    at = write(service.clock.now())
    if not service.transact(lambda tx: tx.end_absence(absence_id, principal.who, at)):
        raise refuse("not-found", "没有这条请假记录", "There is no such absence")


class Absences(NamedTuple):
    """The absences of a person and those in which they stand in; `colleagues`: who could; `usual`: who usually does."""

    own: list[AbsenceRow]
    of_others: list[AbsenceRow]
    names: dict[str, str]
    colleagues: list[StaffRow]
    usual: str | None


def absences(service: Service, principal: Principal) -> Absences:
    """What the page of absences shows. Raises Refused."""
    access.check_reads(service.law.roles, principal, "applications")
    today = service.today.isoformat()
    with service.database.read() as tx:
        rows = tx.absences(staff=principal.who, until=today)
        others = [one for one in tx.staff_below(principal.org, _MANAGERS, 500) if one.id != principal.who]
        people = {one.id: one for one in tx.members({who for row in rows for who in (row.staff, row.substitute)})}
        own = tx.member(principal.who)
    return Absences(
        [row for row in rows if row.staff == principal.who],
        [row for row in rows if row.staff != principal.who],
        {one.id: one.name for one in people.values()},
        others,
        None if own is None else own.substitute,
    )
