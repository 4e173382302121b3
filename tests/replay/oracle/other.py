"""Other duties (D21, D23, D37, D41), policy 6."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from tests.replay.oracle.file import (
    Case,
    Event,
    File,
    Finding,
    Unjudged,
    found,
    in_order,
    is_step,
    refs,
    rows,
    sources,
    when,
)
from tests.replay.oracle.law import AGENT, FORMS, HV_ONLY
from tests.replay.oracle.off_system import kind_of


def d21(case: Case) -> Finding | None:
    licences = case.some("licence_expires", "observed")
    guilty, judged = [], False
    for role, step in (("designer", "design_review"), ("contractor", "mid_inspection")):
        passed = case.all(step, "complete")
        for held in ([e for e in licences if e["value"] == role], [e for e in licences if not e["value"]]):
            if not passed or not held:
                continue
            judged = True
            best = max(held, key=lambda e: (when(e).date, e["_i"]))
            if when(best).date < when(passed[-1]).date and not any(refs(e) for e in held):
                guilty.append((best, passed[-1]))
    if not judged:
        raise Unjudged("review")
    if not guilty:
        return None
    return found(case, "D21", "medium", [rows(*pair) for pair in guilty], [e for e, _ in guilty])


def lawful(event: Event) -> bool:
    return any(one == "volunteered" or one.startswith("law:") for one in refs(event)) or (
        event.get("ref") or ""
    ).startswith("law:")


def d23(case: Case) -> Finding | None:
    if case.is_transfer:
        return None
    case.need("business_type")
    guilty: list[Event] = []
    if case.structure is None:
        if case.all("document", "requested"):
            raise Unjudged("definition")
    else:
        asked: dict[str, str] = {}
        unsure = case.get("important_customer") is None and any(s.important_only for s in case.structure.steps)
        for e in case.all("document", "requested"):
            if not e["value"] or lawful(e):
                continue
            kind = kind_of(e["value"]) or ""
            if not any(kind in _allowed(case, e, path) for path in _paths(case)):
                guilty.append(e)
            elif e["value"] in FORMS and asked.setdefault(kind, e["value"]) != e["value"]:
                guilty.append(e)  # a second form of one kind
    if not case.high_voltage:
        guilty += [e for e in case.events if e["activity"] in HV_ONLY and e["lifecycle"] != "waive" and not lawful(e)]
    if not guilty and not case.seen("document"):
        case.none_kept("document")
    if not guilty and case.structure is not None and unsure and case.all("document", "requested"):
        raise Unjudged("important_customer")
    return found(case, "D23", "high", [rows(e) for e in guilty], guilty) if guilty else None


def _paths(case: Case) -> list[list[Any]]:
    """The steps it takes, of an important customer and of another where nobody says which it is."""
    assert case.structure is not None
    known = case.get("important_customer")
    return [
        [step for step in case.structure.steps if not step.important_only or important]
        for important in ([known] if known is not None else [True, False])
    ]


def _allowed(case: Case, event: Event, course: list[Any]) -> set[str]:
    """What may be asked for at the step in force: its own list and those of the steps before it."""
    kinds: set[str] = set()
    for position, step in enumerate(course):
        kinds |= set(step.documents)
        if position == 0:
            kinds |= set(AGENT)
        over = [e for part in step.parts for e in case.all(part) if e["lifecycle"] in ("complete", "waive")]
        begun = [e for later in course[position + 1 :] for part in later.parts for e in case.all(part, "start")]
        behind = any(in_order(when(e), when(event)) for e in begun)
        if not behind and not any(not in_order(when(event), when(e)) for e in over):
            if position:
                kinds -= set(AGENT)
            break
    return kinds


def d37(file: File) -> list[Finding]:
    """One upload or recording as the proof in cases of two customers or more."""
    uses: dict[str, list[Event]] = defaultdict(list)
    for e in (e for case in file.cases for e in case.all_events):
        for one in refs(e):
            proof = one.lower().replace("：", ":")
            if proof.startswith(("image:", "file:", "recording:", "rec:", "rec-")) and "notice" not in proof:
                uses[proof].append(e)
    out: dict[str, list[Event]] = defaultdict(list)
    unsure: set[str] = set()
    for events in uses.values():
        batches = {e.get("batch") for e in events}
        if len(batches) == 1 and (events[0].get("batch") or "").startswith("estate:"):
            continue
        if len({file.by_id[e["case_id"]].get("customer_id") for e in events} - {None}) >= 2:
            for e in events:
                out[e["case_id"]].append(e)
        elif len({file.by_id[e["case_id"]].get("customer_id") or ("case", e["case_id"]) for e in events}) >= 2:
            unsure |= {e["case_id"] for e in events}
    file.unsure_proofs = unsure - set(out)
    return [found(file.by_id[c], "D37", "high", [rows(*events)], events) for c, events in out.items()]


def d41(case: Case) -> Finding | None:
    if case.is_transfer:
        return None
    paid = case.all("fee_paid")
    if not case.seen("fee_paid"):
        case.none_kept("fee_paid")
        return None
    case.need("business_type")
    if case.rules is None:
        raise Unjudged("class")
    if not case.rules.zero_investment:
        return None
    guilty = [
        e for e in paid if e["value"] not in ("prepaid", "refund") and (e.get("amount") is None or e["amount"] > 0)
    ]
    return found(case, "D41", "high", [rows(e) for e in guilty], guilty) if guilty else None


__all__ = ["is_step", "sources"]
