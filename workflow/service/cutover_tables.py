"""Tables of the replay contract (`cases`, `events`) as cases with a history of commands.

What happened is translated by a table of activity and lifecycle.  A row without a command (a record of another system,
a customer's own suspension, a correction made in the old system, a clock that started by itself) becomes evidence.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from workflow.core.state import State
from workflow.core.times import BUSINESS_ZONE
from workflow.service.cutover_files import Case, Entry, Found, needed, once, present
from workflow.service.evidence import check_records
from workflow.service.imports import RECORD_COLUMNS, record_of
from workflow.service.tables import (
    BEYOND,
    BadFile,
    BadValue,
    Row,
    Table,
    Vocabulary,
    as_flag,
    as_number,
    as_text,
    read_tables,
)

CASE_COLUMNS: Vocabulary = {
    "case_id": ("申请标识", "工单编号", "流程编号", "申请编号"),
    "case_no": ("工单号", "原编号"),
    "customer_id": ("客户编号", "户号"),
    "customer_name": ("客户名称", "户名", "用户名称"),
    "phone": ("联系电话", "电话"),
    "premises_id": ("用电地址编码", "用电点编号", "地址编码"),
    "address": ("用电地址", "地址"),
    "customer_kind": ("客户类型", "用户性质"),
    "enterprise_size": ("企业规模",),
    "capacity_kw": ("报装容量", "申请容量", "容量"),
    "voltage": ("电压", "电压类别"),
    "supply_count": ("电源数", "供电电源数"),
    "area": ("城乡", "城乡类别"),
    "region": ("行政区划", "行政区划代码", "区划代码"),
    "org": ("供电单位", "单位编码", "单位"),
    "manager": ("客户经理",),
    "contractor": ("施工单位",),
    "user_class": ("用户类别",),
    "business_type": ("业务类型", "流程类型"),
    "predecessor_case": ("前序申请",),
    "channel": ("受理渠道", "渠道"),
    "voltage_kv": ("电压等级", "供电电压"),
    "important_customer": ("重要用户", "重要客户"),
    "prior_capacity_kw": ("原有容量", "原容量"),
    "account_opened_on": ("立户日期", "开户日期"),
}
"""The columns of `cases`, and three for the personal data that the replay contract has no place for."""

SPELLINGS: dict[str, dict[str, str]] = {
    "customer_kind": {"居民": "residential", "非居民": "non_residential"},
    "enterprise_size": {
        "微型": "micro", "个体工商户": "micro", "小微": "small", "小型": "small", "中型": "medium", "大型": "large",
    },
    "voltage": {"低压": "low", "高压": "high"},
    "area": {"城市": "urban", "城镇": "urban", "城区": "urban", "农村": "rural", "乡村": "rural"},
    "channel": {"线上": "online", "网上": "online", "营业厅": "hall", "电话": "phone", "上门": "visit"},
    "business_type": {"新装": "new", "增容": "increase", "临时": "temporary", "临时用电": "temporary"},
}  # fmt: skip

_NOT_CARRIED = ("contractor", "user_class", "predecessor_case", "prior_capacity_kw", "account_opened_on")
"""Columns of `cases` that an application has no field for. The class follows from the facts; the report says where it
differs. Predecessors are found by the need itself."""


def from_tables(path: Path, events: Path | None) -> Found:
    """The cases of a workbook, or of two files. Raises BadFile when there is no such table."""
    cases: dict[str, Case] = {}
    found = Found(cases=[], orphans=[], not_carried=[])
    seen: dict[str, str] = {}
    tables = read_tables(path, CASE_COLUMNS)
    left_out: dict[str, None] = {}
    for table in tables:
        if "case_id" not in table.columns:
            raise BadFile([f"{table.name}: 缺少列 case_id (申请标识) / the column case_id is missing"])
        left_out |= dict.fromkeys((*(c for c in table.columns if c in _NOT_CARRIED), *table.unknown))
        for row in table.rows:
            case = _case(row)
            found.cases.append(case)
            once(case, seen)
            if case.external_id is not None:
                cases.setdefault(case.external_id, case)
    rows: dict[str, list[tuple[Row, dict[str, Any]]]] = {}
    for table in _histories(path, events):
        left_out |= dict.fromkeys((*(c for c in table.columns if c in ("recorded_at", "device")), *table.unknown))
        for row in table.rows:
            _sort_in(row, cases, rows, found)
    for external_id, case in cases.items():
        _read_history(case, rows.get(external_id, []))
    found.not_carried = list(left_out)
    return found


def _histories(path: Path, events: Path | None) -> list[Table]:
    try:
        return read_tables(events or path, RECORD_COLUMNS)
    except BadFile as error:
        if events is not None:
            raise
        elsewhere = (
            "历史在另一个文件中时, 请用 --events 指明 / when the history is in another file, name it with --events"
        )
        raise BadFile([*error.problems, elsewhere]) from error


def _sort_in(row: Row, cases: dict[str, Case], rows: dict[str, list[tuple[Row, dict[str, Any]]]], found: Found) -> None:
    try:
        record = record_of(row)
    except BadValue as error:
        record, fault = {"case_id": _safely(row.values.get("case_id"))}, f"{row.place}: {error}"
    else:
        ((_, reason),) = check_records([record], history=True)
        fault = "" if reason is None else f"{row.place}: {reason}"
    case = cases.get(record.get("case_id") or "")
    if case is None:
        unknown = "申请表中没有这件申请 / the table of cases has no such case"
        found.orphans.append(
            {"place": row.place, "external_id": record.get("case_id") or "", "reason": fault or unknown}
        )
        return
    case.rows += 1
    if fault:
        case.faults.append(fault)
    else:
        rows.setdefault(case.external_id or "", []).append((row, record))


def _safely(value: Any) -> str | None:
    try:
        return as_text(value)
    except BadValue:
        return None


def _case(row: Row) -> Case:
    """A row of `cases` as a submission, without its time, which is the event's."""
    found: dict[str, Any] = {}
    faults_ = [f"{row.place}: {' / '.join(BEYOND)}"] if row.beyond else []
    for column, value in row.values.items():
        convert: Callable[[Any], Any] = _CONVERT.get(column, as_text)
        try:
            one = convert(value)
        except BadValue as error:
            faults_.append(f"{row.place} {column}: {error}")
            continue
        found[column] = SPELLINGS[column].get(one, one) if column in SPELLINGS else one
    faults_ += needed(row.place, found, "case_id")
    body = {
        "external_id": found.get("case_id"),
        "customer": present(id=found.get("customer_id"), name=found.get("customer_name"), phone=found.get("phone")),
        "premises": present(id=found.get("premises_id"), address=found.get("address")),
        **{column: found[column] for column in _FACTS if found.get(column) is not None},
    }
    return Case(
        row.place, found.get("case_id"), body, faults=faults_,
        filed_class=found.get("user_class"), origin=found.get("case_no"),
    )  # fmt: skip


def _whole(value: Any) -> int | float | None:
    number = as_number(value)
    return int(number) if number is not None and number == int(number) else number


_CONVERT: dict[str, Callable[[Any], Any]] = {
    "capacity_kw": as_number, "voltage_kv": as_number, "prior_capacity_kw": as_number, "supply_count": _whole,
    "important_customer": as_flag,
}  # fmt: skip
_FACTS = (
    "customer_kind", "enterprise_size", "capacity_kw", "voltage", "supply_count", "area", "region", "org", "manager",
    "business_type", "channel", "voltage_kv", "important_customer",
)  # fmt: skip


def _read_history(case: Case, rows: list[tuple[Row, dict[str, Any]]]) -> None:
    """The rows of `events` as the submission's time and documents, and what followed."""
    ordered = _in_order(rows)
    start = next(
        (one for one in ordered if (one[1]["activity"], one[1].get("lifecycle")) == ("application", "submit")), None
    )
    if start is None:
        case.faults.append(f"{case.place}: 没有 application.submit 事件 / there is no event application.submit")
        return
    submitted = start[1]
    case.actor = submitted.get("actor")
    case.body |= present(occurred_at=submitted["occurred_at"], source=submitted.get("source"))
    documents, later, (ends, strays) = [], [], _ends_of_suspensions(ordered)
    case.faults += [f"{row.place}: {_NO_BEGINNING}" for row, record in ordered if any(record is one for one in strays)]
    for row, record in ordered:
        if record is submitted or any(record is end for _, end in ends):
            continue
        kind = (record["activity"], record.get("lifecycle"))
        if kind == ("application", "submit"):
            case.faults.append(f"{row.place}: {_SUBMITTED_BEFORE.format(start[0].place)}")
        elif kind == ("document", "received") and _moment(record) <= _moment(submitted):
            documents.append(_document(record))
        else:
            later.append((row, record))
    if documents:
        case.body["documents"] = documents
    case.history = [_table_entry(row, record, ends) for row, record in later]


def _moment(record: Mapping[str, Any]) -> dt.datetime:
    moment = dt.datetime.fromisoformat(record["occurred_at"])
    return moment.replace(tzinfo=BUSINESS_ZONE) if moment.tzinfo is None else moment


def _in_order(rows: list[tuple[Row, dict[str, Any]]]) -> list[tuple[Row, dict[str, Any]]]:
    """By time, then as in the file; but what was handed in with a step comes before the step's start."""
    ordered = sorted(rows, key=lambda one: _moment(one[1]))
    for index, (_, record) in enumerate(ordered):
        if record.get("lifecycle") != "start" or record["activity"] in ("application", "suspension"):
            continue
        at, following = index, index + 1
        while following < len(ordered) and _moment(ordered[following][1]) == _moment(record):
            if ordered[following][1]["activity"] == "document":
                ordered.insert(at, ordered.pop(following))
                at += 1
            following += 1
    return ordered


_NO_BEGINNING = (
    "不可抗力中止只有结束, 没有开始, 请补上开始或删去这一行 / a suspension for force majeure ends that never began: "
    "add its beginning, or leave this row out"
)
_SUBMITTED_BEFORE = (
    "第二条 application.submit, 第一条在 {0}; 补齐资料后再次提交写作 acceptance.start / a second application.submit, "
    "the first is at {0}; what was handed in again is an acceptance.start"
)


def _ends_of_suspensions(
    ordered: list[tuple[Row, dict[str, Any]]],
) -> tuple[list[tuple[dict[str, Any], dict[str, Any]]], list[dict[str, Any]]]:
    """Each force-majeure suspension with the event that ended it: together they are one command. And the ends that have
    no beginning; one that does not say of what may belong to a suspension of the customer's."""
    begun: list[dict[str, Any]] = []
    others = 0
    pairs, strays = [], []
    for _, record in ordered:
        if record["activity"] != "suspension" or record.get("lifecycle") not in ("start", "end"):
            continue
        ours = record.get("value", "force_majeure") == "force_majeure"
        if record["lifecycle"] == "start":
            if ours:
                begun.append(record)
            else:
                others += 1
        elif ours and begun:
            pairs.append((begun.pop(0), record))
        elif ours and ("value" in record or not others):
            strays.append(record)
    return pairs, strays


def _document(record: Mapping[str, Any]) -> dict[str, Any]:
    ref = record.get("ref") or ""
    return present(
        kind=record.get("value"),
        volunteered=True if ref == "volunteered" else None,
        legal_basis=ref if ref.startswith("law:") else None,
    )


def _table_entry(row: Row, record: dict[str, Any], ends: list[tuple[dict[str, Any], dict[str, Any]]]) -> Entry:
    translate = _TRANSLATIONS.get((record["activity"], record.get("lifecycle") or "")) or _STEP_TRANSLATIONS.get(
        record.get("lifecycle") or ""
    )
    if translate is None or record["activity"] in _NEVER_STEPS:
        return Entry(row.place, record.get("actor"), lambda _: None, record)
    end = next((end for start, end in ends if start is record), None)

    def command(state: State) -> dict[str, Any] | None:
        asked = translate(record, state, end)
        if asked is None:
            return None
        evidence = present(ref=record.get("ref"), source=record.get("source"))
        common = present(
            occurred_at=record["occurred_at"],
            source=record.get("source"),
            evidence=evidence if "ref" in evidence and asked["command"] not in _REF_IS_PART else None,
        )
        return {**common, **asked}

    return Entry(row.place, record.get("actor"), command, record)


Translation = Callable[[Mapping[str, Any], State, Mapping[str, Any] | None], dict[str, Any] | None]

_REF_IS_PART = ("register_documents", "request_documents", "suspend", "withdraw", "countersign")
_NEVER_STEPS = ("correction",)


def _started(record: Mapping[str, Any], state: State, _: object) -> dict[str, Any] | None:
    """A step handed in; where the clock started by itself, the record is evidence of no more."""
    if state.state == f"{record['activity']}.running":
        return None
    return {"command": "submit_step", "step": record["activity"]}


def _returned(record: Mapping[str, Any], *_: object) -> dict[str, Any]:
    defects = [one.strip() for one in re.split(r"[;；\n]", record.get("value") or "") if one.strip()]
    return {"command": "return_step", "step": record["activity"], "defects": defects}


def _suspended(record: Mapping[str, Any], _: State, end: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if record.get("value", "force_majeure") != "force_majeure":
        return None
    days = {"from": record["occurred_at"][:10], "to": None if end is None else end["occurred_at"][:10]}
    return {"command": "suspend", "reason": "force_majeure", "notice": record.get("ref"), **days}


def _terminated(record: Mapping[str, Any], *_: object) -> dict[str, Any]:
    value = record.get("value") or "other"
    if value in ("lapsed", "duplicate", "other"):
        return {"command": "terminate", "reason": value}
    return {"command": "terminate", "reason": "other", "note": value}


def _withdrawn(record: Mapping[str, Any], *_: object) -> dict[str, Any]:
    evidence = present(ref=record.get("ref"), source=record.get("source"))
    return {"command": "withdraw", "reason": record.get("value") or "客户申请撤回", "evidence": evidence}


def _requested(record: Mapping[str, Any], *_: object) -> dict[str, Any]:
    document = _document(record)
    document.pop("volunteered", None)
    return {"command": "request_documents", "documents": [document]}


_TRANSLATIONS: dict[tuple[str, str], Translation] = {
    ("application", "withdraw"): _withdrawn,
    ("application", "terminate"): _terminated,
    ("application", "refuse"): lambda record, *_: {"command": "refuse", "legal_basis": record.get("value")},
    ("document", "requested"): _requested,
    ("document", "received"): lambda record, *_: {"command": "register_documents", "documents": [_document(record)]},
    ("suspension", "start"): _suspended,
    ("suspension", "countersign"): lambda *_: {"command": "countersign"},
}
_STEP_TRANSLATIONS: dict[str, Translation] = {
    "start": _started,
    "complete": lambda record, *_: {"command": "complete_step", "step": record["activity"]},
    "return": _returned,
    "waive": lambda record, *_: {
        "command": "waive_step", "step": record["activity"], "legal_basis": record.get("value"),
    },
    "countersign": lambda *_: {"command": "countersign"},
}  # fmt: skip
