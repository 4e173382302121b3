"""Files brought in from the command line: the org tree, the staff, records of other systems.

Org tree and staff come in whole or not at all, with every fault told by its place in the file; importing again updates.
Records of other systems are taken one by one, each answered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec

from definitions.book import is_region
from definitions.model import RoleRule
from storage import OrgRow, StaffRow, Tx
from workflow.core.events import Principal
from workflow.service import access
from workflow.service.service import Progress, Service
from workflow.service.tables import (
    BEYOND,
    BadFile,
    BadValue,
    Row,
    Vocabulary,
    as_moment,
    as_number,
    as_text,
    is_json,
    read_json,
    read_tables,
)

_T = TypeVar("_T", OrgRow, StaffRow)

ORG_COLUMNS: Vocabulary = {
    "code": ("编码", "单位编码", "机构编码", "组织编码"),
    "parent": ("上级", "上级编码", "上级单位", "上级单位编码"),
    "level": ("级别", "层级", "单位级别"),
    "name": ("名称", "单位名称", "机构名称"),
    "enterprise": ("企业", "供电企业", "所属企业"),
    "region": ("区域", "地区", "行政区划", "行政区划代码", "区划代码"),
}
LEVELS = {
    "team": ("team", "班组", "供电所", "班"),
    "county": ("county", "县", "区", "县级", "区县"),
    "city": ("city", "市", "地市", "市级"),
    "province": ("province", "省", "省级"),
}
STAFF_COLUMNS: Vocabulary = {
    "id": ("工号", "员工编号", "人员编号"),
    "name": ("姓名", "名字"),
    "org": ("单位", "单位编码", "所属单位", "机构编码"),
    "role": ("角色", "岗位", "岗位角色"),
    "contact": ("联系方式", "联系电话", "电话", "手机"),
    "substitute": ("替班", "替班人", "代班", "代班人"),
}
RECORD_COLUMNS: Vocabulary = {
    "case_id": ("申请标识", "案件标识"),
    "activity": ("活动",),
    "lifecycle": ("阶段",),
    "occurred_at": ("发生时间",),
    "recorded_at": ("记录时间", "录入时间"),
    "actor": ("办理人", "操作人"),
    "device": ("设备", "终端"),
    "source": ("来源", "来源系统"),
    "value": ("值", "内容"),
    "old_value": ("原值",),
    "new_value": ("新值",),
    "ref": ("依据", "凭证号"),
    "batch": ("批次",),
    "amount": ("金额",),
    "party": ("相对方",),
}

RECORDS_AT_ONCE = 500
"""Records stored in one transaction."""


class Brought(msgspec.Struct, frozen=True):
    """What an import of orgs or staff did, in rows. `ignored`: columns of the file that are not ours, as it has them
    without blanks; nothing of them was kept."""

    rows: int
    added: int
    changed: int
    unchanged: int
    ignored: list[str]


class _Problems:
    """Faults gathered while a file is read, each with its place; and the columns that are not ours, which are none."""

    def __init__(self) -> None:
        self.sentences: list[str] = []
        self.ignored: dict[str, None] = {}

    def add(self, place: str, zh: str, en: str) -> None:
        self.sentences.append(f"{place}: {zh} / {en}")

    def stop(self) -> None:
        """Raises BadFile when there was any; called once everything has been looked at."""
        if self.sentences:
            raise BadFile(self.sentences)


def _records(path: Path, vocabulary: Vocabulary, problems: _Problems) -> Iterator[Row]:
    """The rows of a JSON file or of every table of the file."""
    if not is_json(path):
        for table in read_tables(path, vocabulary):
            problems.ignored.update(dict.fromkeys(table.unknown))
            yield from table.rows
        return
    for place, one in read_json(path):
        if isinstance(one, BadValue) or not isinstance(one, dict):
            raise BadFile([f"{place}: {one if isinstance(one, BadValue) else '应为对象 / must be an object'}"])
        problems.ignored.update(dict.fromkeys(name for name in one if name not in vocabulary))
        yield Row(place, one)


def _read(path: Path, vocabulary: Vocabulary, problems: _Problems, of: Callable[[Row], _T]) -> list[tuple[str, _T]]:
    """What each row says, with its place; a row that goes on behind its header is a fault."""
    found = []
    for row in _records(path, vocabulary, problems):
        if row.beyond:
            problems.add(row.place, *BEYOND)
        found.append((row.place, of(row)))
    return found


def _texts(row: Row, problems: _Problems, columns: Vocabulary, required: tuple[str, ...]) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for column in columns:
        try:
            found[column] = as_text(row.values.get(column))
        except BadValue as error:
            problems.sentences.append(f"{row.place} {column}: {error}")
            found[column] = None
            continue
        if column in required and not found[column]:
            problems.add(row.place, f"缺少 {columns[column][0]} ({column})", f"{column} is missing")
    return found


def _unique(rows: list[tuple[str, _T]], key: Callable[[_T], str], problems: _Problems) -> list[_T]:
    """The rows without those that say the same again; the same key with other content is a fault."""
    seen: dict[str, tuple[str, _T]] = {}
    for place, row in rows:
        first = seen.setdefault(key(row), (place, row))
        if first[1] != row:
            problems.add(place, f"{key(row)} 与 {first[0]} 重复且内容不同", f"{key(row)} differs from {first[0]}")
    return [row for _, row in seen.values()]


# ---- orgs ------------------------------------------------------------------------------------------------------------


def import_orgs(service: Service, principal: Principal, path: Path) -> Brought:
    """Insert or update the org tree from a CSV, Excel or JSON file. Raises BadFile with every fault, Refused."""
    access.check_administers(service.law.roles, principal, "orgs")
    problems = _Problems()
    levels = {spelling: level for level, spellings in LEVELS.items() for spelling in spellings}
    rows = _read(path, ORG_COLUMNS, problems, lambda row: _org(row, levels, problems))
    orgs = _unique(rows, lambda org: org.code, problems)
    places = {org.code: place for place, org in reversed(rows)}
    return service.transact(lambda tx: _put_orgs(tx, orgs, places, problems))


def _org(row: Row, levels: dict[str, str], problems: _Problems) -> OrgRow:
    found = _texts(row, problems, ORG_COLUMNS, ("code", "level", "name"))
    code, region = found["code"] or "", found["region"]
    level = levels.get((found["level"] or "").lower(), "")
    if found["level"] and not level:
        problems.add(
            row.place,
            f"级别“{found['level'][:40]}”应为 班组、县、市 或 省",
            f"the level {found['level'][:40]!r} must be team, county, city or province",
        )
    if "/" in code or len(code) > 64:
        problems.add(row.place, "编码不能含 / 且至多 64 字", "a code has no / and at most 64 characters")
    if region is not None and not is_region(region):
        problems.add(row.place, f"区域“{region[:40]}”应为六位行政区划代码", "a region is six digits (GB/T 2260)")
    return OrgRow(code, found["parent"], level, found["name"] or "", found["enterprise"], region)


def _put_orgs(tx: Tx, orgs: list[OrgRow], places: dict[str, str], problems: _Problems) -> Brought:
    tx.hold_registers()
    there = {org.code: org for org in tx.orgs()}
    known = {**there, **{org.code: org for org in orgs if org.code}}
    _check_levels(known, places, problems)
    for org in orgs:
        above, passed = org.parent, {org.code}
        while above is not None:
            if above not in known:
                if above == org.parent:
                    problems.add(places[org.code], f"上级 {above} 不存在", f"the parent {above} is unknown")
                break
            if above in passed:
                problems.add(
                    places[org.code], f"{org.code} 的上级形成循环", f"the parents of {org.code} go in a circle"
                )
                break
            passed.add(above)
            above = known[above].parent
    problems.stop()
    tx.put_orgs(orgs)
    there = {code: org._replace(path="") for code, org in there.items()}
    return _brought(orgs, there, lambda org: org.code, problems)


def _check_levels(known: dict[str, OrgRow], places: dict[str, str], problems: _Problems) -> None:
    """No unit stands above the one it belongs to: told of the units of the file, and of those below them."""
    ranks = {level: rank for rank, level in enumerate(LEVELS)}
    for org in known.values():
        above = known.get(org.parent or "")
        place = places.get(org.code) or places.get(org.parent or "")
        if above is None or place is None or not org.level or not above.level:
            continue
        if ranks[org.level] > ranks[above.level]:
            problems.add(
                place,
                f"{org.code} ({LEVELS[org.level][1]}) 不能归于 {above.code} ({LEVELS[above.level][1]})",
                f"{org.code}, a {org.level}, cannot belong to {above.code}, a {above.level}",
            )


def _brought(rows: list[_T], there: dict[str, _T], key: Callable[[_T], str], problems: _Problems) -> Brought:
    added = sum(key(row) not in there for row in rows)
    unchanged = sum(there.get(key(row)) == row for row in rows)
    return Brought(len(rows), added, len(rows) - added - unchanged, unchanged, list(problems.ignored))


# ---- staff -----------------------------------------------------------------------------------------------------------


def import_staff(service: Service, principal: Principal, path: Path) -> Brought:
    """Insert or update the staff from a CSV, Excel or JSON file. Without a 工号 the name is the id. Raises BadFile with
    every fault, Refused."""
    access.check_administers(service.law.roles, principal, "orgs")
    problems = _Problems()
    roles = _role_names(service.law.roles)
    rows = _read(path, STAFF_COLUMNS, problems, lambda row: _member(row, roles, problems))
    return service.transact(lambda tx: _put_staff(tx, rows, problems))


def _role_names(roles: dict[str, RoleRule]) -> dict[str, str]:
    return {
        name: code for code, rule in roles.items() if not rule.public for name in (code, rule.name.zh, rule.name.en)
    }


def _member(row: Row, roles: dict[str, str], problems: _Problems) -> StaffRow:
    found = _texts(row, problems, STAFF_COLUMNS, ("name", "org", "role"))
    role = roles.get(found["role"] or "", "")
    if found["role"] and not role:
        problems.add(
            row.place,
            f"角色“{found['role'][:40]}”应为: {'、'.join(sorted(roles))}",
            f"the role {found['role'][:40]!r} is unknown",
        )
    name = found["name"] or ""
    return StaffRow(found["id"] or name, name, found["org"] or "", role, found["contact"], found["substitute"])


class _Named(NamedTuple):
    """Staff by id and by name, for substitutes given either way."""

    ids: set[str]
    by_name: dict[str, list[str]]


def _put_staff(tx: Tx, rows: list[tuple[str, StaffRow]], problems: _Problems) -> Brought:
    tx.hold_registers()
    there = {member.id: member for member in tx.staff()}
    orgs = {org.code for org in tx.orgs()}
    everybody = {**there, **{member.id: member for _, member in rows}}
    named = _Named(set(everybody), {})
    for member in everybody.values():
        named.by_name.setdefault(member.name, []).append(member.id)
    settled = []
    for place, member in rows:
        if member.org and member.org not in orgs:
            problems.add(
                place,
                f"没有单位 {member.org}, 请先导入组织机构",
                f"there is no unit {member.org}; import the org tree first",
            )
        settled.append((place, member._replace(substitute=_substitute(member, named, place, problems))))
    staff = _unique(settled, lambda member: member.id, problems)
    problems.stop()
    tx.put_staff(staff)
    return _brought(staff, there, lambda member: member.id, problems)


def _substitute(member: StaffRow, named: _Named, place: str, problems: _Problems) -> str | None:
    stated = member.substitute
    if stated is None:
        return None
    found = [stated] if stated in named.ids else named.by_name.get(stated, [])
    if found == [member.id]:
        problems.add(place, f"{stated} 不能替自己的班", f"{stated} cannot stand in for themselves")
    elif len(found) > 1:
        problems.add(place, f"替班 {stated} 有多人同名, 请写工号", f"several people are called {stated}; give the id")
    elif not found:
        problems.add(place, f"没有替班人 {stated}", f"the substitute {stated} is unknown")
    return found[0] if len(found) == 1 else None


# ---- records of other systems ----------------------------------------------------------------------------------------


class Received(msgspec.Struct, frozen=True):
    """What became of the records of a file; `rejected` by place and reason. The three counts make up `records`."""

    records: int
    accepted: int
    duplicates: int
    rejected: list[dict[str, str]]


def import_evidence(service: Service, principal: Principal, path: Path, progress: Progress) -> Received:
    """Keep the records of a CSV, Excel or JSON-lines file (rows of the replay contract). A record that cannot be used
    is rejected by itself. Raises BadFile when the file has no such table, Refused."""
    found = list(_record_rows(path))
    accepted = duplicates = 0
    rejected: list[dict[str, str]] = []
    for start in range(0, len(found), RECORDS_AT_ONCE):
        part = found[start : start + RECORDS_AT_ONCE]
        sent = [(place, record) for place, record in part if not isinstance(record, BadValue)]
        rejected += [{"place": place, "reason": str(one)} for place, one in part if isinstance(one, BadValue)]
        answers = service.receive_evidence(principal, [record for _, record in sent])
        for (place, _), answer in zip(sent, answers, strict=True):
            if not answer["accepted"]:
                rejected.append({"place": place, "reason": answer["reason"]})
            elif answer["duplicate"]:
                duplicates += 1
            else:
                accepted += 1
        progress(start + len(part), len(found))
    return Received(len(found), accepted, duplicates, rejected)


def _record_rows(path: Path) -> Iterator[tuple[str, Any]]:
    """Each record with its place; a BadValue where it cannot be read."""
    if is_json(path):
        for place, one in read_json(path):
            records = one["records"] if isinstance(one, dict) and isinstance(one.get("records"), list) else None
            if records is None:
                yield place, one
            else:
                yield from ((f"{place}.records[{number}]", record) for number, record in enumerate(records, start=1))
        return
    for table in read_tables(path, RECORD_COLUMNS):
        for row in table.rows:
            try:
                yield row.place, record_of(row)
            except BadValue as error:
                yield row.place, error


def record_of(row: Row) -> dict[str, Any]:
    """A row of a table as a record of the replay contract. Raises BadValue naming the column."""
    if row.beyond:
        raise BadValue(" / ".join(BEYOND))
    record: dict[str, Any] = {}
    for column, value in row.values.items():
        convert: Callable[[Any], Any] = (
            as_moment if column.endswith("_at") else as_number if column == "amount" else as_text
        )
        try:
            record[column] = convert(value)
        except BadValue as error:
            raise BadValue(f"{column}: {error}") from error
    return record
