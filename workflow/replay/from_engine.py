"""What the engine itself recorded, as replay rows: the history of a live case can be replayed like any other.

Pure: core events in, rows of `workflow.replay.tables` out (text; times `YYYY-MM-DD HH:MM:SS` Asia/Shanghai, dates
`YYYY-MM-DD`).  A row says what is on record now; a correction that took effect changes it, and is a row of its own with
the old value.  What the engine only noted (a refused attempt, a proposal nobody signed, a notice, a rating, an
approval) has no row.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from workflow.core.events import Event
from workflow.core.evolve import replay
from workflow.core.state import Facts, Step
from workflow.core.times import BUSINESS_ZONE
from workflow.replay.lists import HV_REQUEST

Row = dict[str, Any]


class Rows(NamedTuple):
    """One case and its events, by the contract's column names; what is not known is left out."""

    case: Row
    events: list[Row]


_SEQ: Final = "#seq"
"""While rows are collected: the number of the event each came from."""

_ENDINGS: Final = {"withdrawn": "withdraw", "terminated": "terminate", "refused": "refuse"}
_FACTS: Final = (
    "customer_kind", "enterprise_size", "capacity_kw", "voltage", "supply_count", "area", "region", "business_type",
    "channel", "voltage_kv", "important_customer", "premises_id",
)  # fmt: skip


def rows(events: Sequence[Event], customer_id: str | None = None) -> Rows:
    """The replay rows of one case's whole history. `customer_id` lies outside the chain, so the caller may add it.

    Raises ValueError when the events are no history, KeyError for a type of event that nobody knows.
    """
    state = replay(events)
    facts: Facts = state.facts
    case = {
        "case_id": state.case_id,
        "case_no": state.application_no,
        "customer_id": customer_id,
        "org": state.org,
        "manager": state.manager,
        "user_class": state.user_class,
        "predecessor_case": state.chain[-1].case_id if state.chain else None,
        **{name: getattr(facts, name) for name in _FACTS},
    }
    told = _Told(state.case_id, {event.seq: event for event in events})
    for event in events:
        if (says := _SAYS.get(event.type)) is not None:
            says(told, event)
    return Rows(_known(case), [{name: value for name, value in row.items() if name != _SEQ} for row in told.rows])


def _known(row: Mapping[str, Any]) -> Row:
    return {name: value for name, value in row.items() if value is not None}


class _Told:
    """The rows so far."""

    def __init__(self, case_id: str, history: Mapping[int, Event]) -> None:
        self.case_id = case_id
        self.history = history
        self.rows: list[Row] = []

    def say(self, event: Event, activity: str, lifecycle: str, **more: Any) -> None:
        row = {
            "case_id": self.case_id,
            "activity": activity,
            "lifecycle": lifecycle,
            "occurred_at": _moment(event.occurred_at),
            "recorded_at": _moment(event.recorded_at),
            "actor": event.actor,
            "source": event.source,
            "batch": event.payload.get("batch"),
            _SEQ: event.seq,
            **more,
        }
        self.rows.append(_known(row))

    def arrived(self, event: Event) -> None:
        """The clock of the step that the case has just reached, when it runs."""
        step, _, phase = str(event.payload.get("state", "")).rpartition(".")
        if phase == "running":
            self.say(event, step, "start")


def _moment(moment: dt.datetime) -> str:
    return moment.astimezone(BUSINESS_ZONE).strftime("%Y-%m-%d %H:%M:%S")


def _submitted(told: _Told, event: Event) -> None:
    evidence = event.payload.get("evidence") or {}
    told.say(event, "application", "submit", ref=evidence.get("ref"))
    _received(told, event)
    request = event.payload["facts"].get("hv_request_ref")
    if request:  # the customer's written request for high voltage, without which the class would be another
        told.say(event, "document", "received", value=HV_REQUEST, ref=request)
    told.arrived(event)
    if lacking := event.payload.get("missing_documents"):
        # The answer was the one complete list, and the clock of acceptance waits for the customer: a return [policy 2].
        step, _, _ = str(event.payload["state"]).partition(".")
        told.say(event, step, "return", value="; ".join(lacking))


def _received(told: _Told, event: Event) -> None:
    for document in event.payload["documents"]:
        told.say(event, "document", "received", value=document["kind"], ref=_ground(document))


def _requested(told: _Told, event: Event) -> None:
    for document in event.payload["documents"]:
        told.say(event, "document", "requested", value=document["kind"], ref=_ground(document))


def _ground(document: Mapping[str, Any]) -> str | None:
    if document.get("legal_basis"):
        return f"law:{document['legal_basis']}"
    return "volunteered" if document.get("volunteered") else None


def _step_submitted(told: _Told, event: Event) -> None:
    if not event.payload.get("confirms"):
        told.arrived(event)


def _step_completed(told: _Told, event: Event) -> None:
    evidence = event.payload.get("evidence") or {}
    told.say(event, event.payload["step"], "complete", ref=evidence.get("ref"))
    told.arrived(event)


def _step_returned(told: _Told, event: Event) -> None:
    told.say(event, event.payload["step"], "return", value="; ".join(event.payload["defects"]) or None)


def _ended(told: _Told, event: Event) -> None:
    payload = event.payload
    evidence = payload.get("evidence") or {}
    source = evidence.get("source") or event.source  # the customer's request is proved by the channel it came through
    # That a plan had lapsed excuses an ending (D14): not where the record itself shows that it had not.
    given = "other" if payload.get("still_valid") else payload.get("reason")
    why = given or payload.get("ground") or payload.get("legal_basis")
    told.say(event, "application", _ENDINGS[event.type], value=why, ref=evidence.get("ref"), source=source)


def _charged(told: _Told, event: Event) -> None:
    payload = event.payload
    told.say(
        event, "fee_paid", "observed", value=payload["item"], amount=payload["amount"], party=payload["collector"],
        ref=told.case_id,
    )  # fmt: skip


def _countersigned(told: _Told, event: Event) -> None:
    signed = told.history[event.payload["event"]]
    takes_effect = _SIGNED.get(event.payload["kind"])
    if takes_effect is not None:
        takes_effect(told, event, signed)


def _waived(told: _Told, event: Event, signed: Event) -> None:
    told.say(event, event.payload["step"], "waive", value=signed.payload["proposal"]["legal_basis"])
    told.arrived(event)


def _suspended(told: _Told, _event: Event, signed: Event) -> None:
    given = signed.payload["proposal"]
    said = {"value": given["ground"], "ref": given["notice"]}
    told.say(signed, "suspension", "start", **said, occurred_at=given["from"])
    if given.get("to"):
        told.say(signed, "suspension", "end", **said, occurred_at=given["to"])


def _resumed(told: _Told, event: Event) -> None:
    """The suspension ends on the day named, whatever end was foreseen."""
    given = told.history[event.payload["suspension"]].payload["proposal"]
    foreseen = {"activity": "suspension", "lifecycle": "end", "ref": given["notice"], "occurred_at": given.get("to")}
    told.rows = [row for row in told.rows if any(row.get(name) != value for name, value in foreseen.items())]
    told.say(event, "suspension", "end", value=given["ground"], ref=given["notice"], occurred_at=event.payload["to"])


def _corrected(told: _Told, event: Event, signed: Event) -> None:
    """What approved a changed time is the second signature (D13); a changed fact is the customer's wish, or is not
    (D33)."""
    given, evidence = signed.payload["proposal"], signed.payload.get("evidence") or {}
    field = given["field"]
    timed = field.endswith(".occurred_at")
    old, new = (
        _moment(dt.datetime.fromisoformat(given[name])) if timed else _written(given[name])
        for name in ("old_value", "new_value")
    )
    if timed:
        activity, lifecycle, _ = field.split(".")
        _change_time(told.rows, activity, lifecycle, old, new)
    else:
        _change_path(told, event)
    told.say(
        signed, "correction", "changed", value=field if timed else f"case.{field}", old_value=old, new_value=new,
        ref=f"countersigned:{event.seq}:{event.actor}" if timed else evidence.get("ref"),
    )  # fmt: skip


def _change_time(rows: Sequence[Row], activity: str, lifecycle: str, old: str | None, new: str | None) -> None:
    """The last record of that step event has the corrected time, and so has the start that followed from it."""
    for row in reversed(rows):
        if (row["activity"], row["lifecycle"], row["occurred_at"]) == (activity, lifecycle, old):
            row["occurred_at"] = new
            for other in rows:
                if lifecycle == "complete" and other[_SEQ] == row[_SEQ] and other["lifecycle"] == "start":
                    other["occurred_at"] = new
            return


def _change_path(told: _Told, event: Event) -> None:
    """The steps on the path of the corrected facts began when the engine says; one begun on the old path alone did not,
    and what began in its place was recorded when it was."""
    steps = msgspec.convert(event.payload["became"]["steps"], tuple[Step, ...])
    begun = [(step.code, _moment(turn.started_at)) for step in steps for turn in step.rounds]
    starts = [row for row in told.rows if row["lifecycle"] == "start" and row["activity"] != "suspension"]
    said = [(row["activity"], row["occurred_at"]) for row in starts]
    void = [row for row, one in zip(starts, said, strict=True) if one not in begun]
    for step, moment in begun:
        if (step, moment) in said:
            continue
        instead = next((row for row in void if row["occurred_at"] == moment), None)
        if instead is None:
            told.say(event, step, "start", occurred_at=moment)
        else:
            instead["activity"] = step
            void.remove(instead)
    told.rows = [row for row in told.rows if not any(row is one for one in void)]


def _written(value: Any) -> str | None:
    if value is None:
        return None
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


_SAYS: Final[Mapping[str, Callable[[_Told, Event], None]]] = {
    "application_submitted": _submitted,
    "documents_registered": _received,
    "documents_requested": _requested,
    "step_submitted": _step_submitted,
    "step_completed": _step_completed,
    "step_returned": _step_returned,
    "countersigned": _countersigned,
    "resumed": _resumed,
    "withdrawn": _ended,
    "terminated": _ended,
    "refused": _ended,
    "charge_added": _charged,
}
_SIGNED: Final[Mapping[str, Callable[[_Told, Event, Event], None]]] = {
    "waive_step": _waived,
    "suspend": _suspended,
    "correct": _corrected,
}
