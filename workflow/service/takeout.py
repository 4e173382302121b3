"""Applications taken out with their history, as `cutover` reads them: each event as the command that led to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import msgspec

from storage import EventRow, PersonalRow
from workflow.core.events import Principal
from workflow.service import access
from workflow.service.cutover_files import present
from workflow.service.service import Service
from workflow.service.tables import BadFile


def export_cases(service: Service, principal: Principal, ids: Iterable[str] | None) -> Iterator[dict[str, Any]]:
    """Applications with their history, as `import_cases` reads them: those named, else every open one. An attempt that
    was refused and a record that changed nothing are left out; what the system notes of itself comes about again.
    Raises Refused."""
    access.check_administers(service.law.roles, principal, "applications")
    with service.database.read() as tx:
        wanted = ids if ids is not None else [row.id for row in tx.cases() if row.closed_at is None]
        for case_id in wanted:
            service.cases.load(tx, principal, case_id)
            yield _exported(tx.events(case_id), tx.personal(case_id), case_id)


def _exported(rows: list[EventRow], person: PersonalRow | None, case_id: str) -> dict[str, Any]:
    first, payload = rows[0], msgspec.json.decode(rows[0].payload)
    facts = {name: value for name, value in payload["facts"].items() if name not in ("premises_id", "external_id")}
    override = payload.get("class_override")
    if person is None or person.customer_id is None:
        raise BadFile([f"{case_id}: 客户资料已删除, 不能导出 / its personal data were erased; it cannot be taken out"])
    out = {
        "external_id": payload["facts"].get("external_id") or case_id,
        "customer": present(id=person.customer_id, name=person.customer_name, phone=person.phone),
        "premises": present(id=payload["facts"]["premises_id"], address=person.address),
        **facts,
        **present(
            org=payload.get("org"),
            manager=payload.get("manager"),
            class_override=override and {"class": payload["user_class"], "reason": override["reason"]},
        ),
        "documents": _documents_out(payload["documents"]),
        **_common(first, payload),
        "history": [],
    }
    ordinals = {1: 0}
    for row in rows[1:]:
        payload = msgspec.json.decode(row.payload)
        asked = _asked(row.type, payload)
        if asked is None:
            continue
        if "signs" in asked:
            if asked["signs"] not in ordinals:
                continue  # the record that it signs is left out
            asked["signs"] = ordinals[asked["signs"]]
        out["history"].append({**_common(row, payload), **asked})
        ordinals[row.case_seq] = len(out["history"])
    return out


def _common(row: EventRow, payload: Mapping[str, Any]) -> dict[str, Any]:
    late = payload.get("late") or {}
    return present(
        occurred_at=row.occurred_at,
        source=row.source,
        actor=row.actor,
        reason=payload.get("reason") or late.get("reason"),
        evidence=payload.get("evidence"),
    )


def _documents_out(documents: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in one.items() if key not in ("step", "received_at")} for one in documents]


def _asked(type_: str, payload: Mapping[str, Any]) -> dict[str, Any] | None:
    """The command that led to an event; None where the engine itself adds the event again, or it says nothing."""
    if type_ == "step_submitted" and payload.get("automatic"):
        return None
    simple = _COMMAND_OF.get(type_)
    if simple is not None:
        command, fields = simple
        return {"command": command, **present(**{field: payload.get(field) for field in fields})}
    special = _SPECIAL.get(type_)
    return None if special is None else special(payload)


_COMMAND_OF: dict[str, tuple[str, tuple[str, ...]]] = {
    "documents_requested": ("request_documents", ("step", "documents")),
    "step_submitted": ("submit_step", ("step",)),
    "step_completed": ("complete_step", ("step", "plan_reason")),
    "step_returned": ("return_step", ("step", "defects")),
    "resumed": ("resume", ("to",)),
    "withdrawn": ("withdraw", ()),
    "terminated": ("terminate", ("note",)),
    "refused": ("refuse", ("legal_basis",)),
    "charge_added": ("add_charge", ("item", "amount", "collector", "beyond_boundary")),
    "notified": ("notify", ("notice", "channel")),
    "rated": ("rate", ("score", "comment")),
}
_SPECIAL: dict[str, Callable[[Mapping[str, Any]], dict[str, Any] | None]] = {
    "documents_registered": lambda p: {
        "command": "register_documents", "step": p["step"], "documents": _documents_out(p["documents"]),
    },
    "assigned": lambda p: {"command": "assign", **p["to"]},
    "step_waiver_proposed": lambda p: {"command": "waive_step", **p["proposal"]},
    "suspension_proposed": lambda p: {
        "command": "suspend", "reason": p["proposal"]["ground"],
        **present(notice=p["proposal"]["notice"], to=p["proposal"]["to"]),
        **present(note=p["proposal"].get("note") or (p.get("late") or {}).get("reason")),
        "from": p["proposal"]["from"],
    },
    "correction_proposed": lambda p: {
        "command": "correct", "field": p["proposal"]["field"], "new_value": p["proposal"]["new_value"],
    },
    "countersigned": lambda p: {"command": "countersign", "signs": p["event"]},
    "approval_added": lambda p: {
        "command": "add_approval",
        **present(approval=p["name"], authority=p["authority"], voltage=p["voltage"], voltage_kv=p["voltage_kv"]),
    },
    "milestones_needed": lambda p: (
        {"command": "reach_milestone", "not_needed": p["not_needed"], "needed": p["needed"]}
        if p["not_needed"] or p["needed"]
        else None  # named as needed what nobody had done without
    ),
    "milestone_reached": lambda p: {"command": "reach_milestone", "milestone": p["record"]},
    "approval_decided": lambda p: {
        "command": "decide_approval", "approval": str(p["approval"]["number"]), "decision": p["approval"]["decision"],
    },
}  # fmt: skip
