"""An exhaustive walk of every class: over its machine, and over `decide` with every command there is.

What must hold is written here from the regulator's text, not read from the definitions: which steps and documents an
energised application has behind it [L3 L7 L24 L25 I3-I10], and that nothing changes a closed one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec
import pytest

from tests.core.driver import CLERK, FACTS, PAPERS, SUPERVISOR, Case, at, shipped_book
from workflow.core.commands import COMMAND_NAMES, COMMANDS
from workflow.core.decide import decide
from workflow.core.deed import Decision
from workflow.core.events import Event, Principal
from workflow.core.evolve import replay
from workflow.core.machine import CLOSED, ENDINGS, ENERGISED, machine_for
from workflow.core.state import State, from_snapshot, to_snapshot
from workflow.core.timers import timers

SIX = ("acceptance", "supply_plan", "design_review", "mid_inspection", "completion_inspection", "metering")
WAIVABLE = {"design_review", "mid_inspection"}
NATIONAL = {
    "residential": ("acceptance", "metering"),
    "lv_zero": ("acceptance", "metering"),
    "lv_other": ("acceptance", "supply_plan", "metering"),
    "hv_single": SIX,
    "hv_dual": SIX,
}
MERGED = ("acceptance", "supply_plan", "metering")  # the invented city's hv_single: the last four in one
ORDINARY = ("acceptance", "supply_plan", "completion_inspection", "metering")  # its hv_dual, not important


class Profile(NamedTuple):
    """One walk. `other`: a correction that the case may go through, and its way back. `without`: what some walks
    of six steps leave to others, for their ways multiply: suspensions (nothing is deducted from a step sum), a document
    asked for by law, and documents handed in one by one."""

    facts: dict[str, Any]
    other: tuple[tuple[str, Any], ...]
    without: frozenset[str] = frozenset()


PROFILES = {
    "residential": Profile(
        # A household turned out to be a small shop, and back.
        {**FACTS["residential"], "enterprise_size": "small"},
        (("customer_kind", "non_residential"), ("customer_kind", "residential")),
    ),
    "lv_zero": Profile(FACTS["lv_zero"], (("enterprise_size", "large"), ("enterprise_size", "small"))),
    "lv_other": Profile(FACTS["lv_other"], (("enterprise_size", "small"), ("enterprise_size", "large"))),
    "hv_single": Profile(FACTS["hv_single"], (("supply_count", 2),), frozenset({"suspension", "law"})),
    "hv_dual": Profile(FACTS["hv_dual"], (("voltage", "low"),), frozenset({"suspension", "piecemeal"})),
    "city: merged steps": Profile({**FACTS["hv_single"], "region": "420100"}, (("supply_count", 2),)),
    "city: ordinary": Profile(
        {**FACTS["hv_dual"], "region": "420100"},
        (("important_customer", True), ("important_customer", False)),
        frozenset({"suspension", "law", "piecemeal"}),
    ),
    "city: important": Profile(
        {**FACTS["hv_dual"], "region": "420100", "important_customer": True}, (), frozenset({"suspension", "law"})
    ),
}


def is_merged(state: State) -> bool:
    return state.facts.region == "420100" and state.user_class == "hv_single"


def path_of(state: State) -> tuple[str, ...]:
    if state.facts.region == "420100":
        if is_merged(state):
            return MERGED
        if state.user_class == "hv_dual" and not state.facts.important_customer:
            return ORDINARY
    return NATIONAL[state.user_class]


def needed_for(state: State, waived: set[str]) -> set[str]:
    """The kinds an energised application has provided."""
    kinds = {paper["kind"] for paper in PAPERS["high" if state.facts.voltage == "high" else "low"]}
    for step in path_of(state):
        parts = SIX[2:] if step == "metering" and is_merged(state) else (step,)
        if step not in waived:
            kinds |= {paper["kind"] for part in parts for paper in PAPERS.get(part, ())}
    return kinds


# ---- the machine alone -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PROFILES)
def test_the_machine_has_no_way_round_a_step(name):
    case = started(name)
    machine = machine_for(case.definition, case.state.facts.important_customer)
    moves: dict[str, set[tuple[str, str]]] = {state: set() for state in machine.states}
    for trigger, event in machine.events.items():
        for source, transitions in event.transitions.items():
            moves[source] |= {(trigger, str(one.dest)) for one in transitions}

    assert set(machine.events) <= {"submit_step", "return_step", "complete_step", "waive_step", *ENDINGS}
    assert not any(moves[closed] for closed in CLOSED)
    path = path_of(case.state)
    for step in path:
        for phase in ("waiting", "running"):
            here = f"{step}.{phase}"
            left = {dest.rpartition(".")[0] or dest for _, dest in moves[here]} - {step, *ENDINGS.values()}
            following = [*path[path.index(step) + 1 :], ENERGISED][0]
            ways = {trigger for trigger, dest in moves[here] if (dest.rpartition(".")[0] or dest) == following}
            expected = {"complete_step"} if phase == "running" else set()
            if step in WAIVABLE:
                expected |= {"waive_step"}
            assert ways == expected, here
            assert left == ({following} if expected else set()), here
            assert {(trigger, dest) for trigger, dest in moves[here] if trigger in ENDINGS} == set(ENDINGS.items())


# ---- everything that can be asked ------------------------------------------------------------------------------------

LAW = "《中华人民共和国电力法》第二十四条"
WITHDRAWAL = {"reason": "不办了", "evidence": {"ref": "95598-20240108-001", "source": "callcentre"}}


def alphabet(state: State, profile: Profile) -> Iterator[tuple[Principal, dict[str, Any]]]:
    """Every command there is, in the variants that could matter here."""
    for step in SIX:
        papers = PAPERS.get(step, ())
        yield CLERK, {"command": "submit_step", "step": step}
        if papers and "piecemeal" not in profile.without:
            yield CLERK, {"command": "submit_step", "step": step, "documents": papers[:1]}
        if papers:
            yield CLERK, {"command": "submit_step", "step": step, "documents": papers}
        yield CLERK, {"command": "complete_step", "step": step}
        yield CLERK, {"command": "return_step", "step": step, "defects": ["缺图纸"]}
        yield CLERK, {"command": "waive_step", "step": step, "legal_basis": "《供电监管办法》第十一条"}
    later = [paper for step in SIX for paper in PAPERS.get(step, ())]
    for papers in (PAPERS["low"], PAPERS["high"], tuple(later), ({"kind": "permit"},)):
        yield CLERK, {"command": "register_documents", "documents": papers}
    yield CLERK, {"command": "resume", "to": "2024-01-08"}
    ask = {"kind": "permit"} if "law" in profile.without else {"kind": "permit", "legal_basis": LAW}
    yield CLERK, {"command": "request_documents", "documents": [ask]}
    if "suspension" not in profile.without:
        common = {"command": "suspend", "reason": "force_majeure", "notice": "N1"}
        yield CLERK, {**common, "from": "2024-01-02", "to": "2024-01-03"}
        yield CLERK, {**common, "from": "2024-01-08"}
    for field, value in profile.other:
        yield CLERK, {"command": "correct", "field": field, "new_value": value, "reason": "录入有误"}
    for who in (CLERK, SUPERVISOR):
        yield who, {"command": "countersign"}
        yield from ((who, {"command": "countersign", "event": one.event}) for one in state.pending)
    yield CLERK, {"command": "refuse", "legal_basis": LAW}
    yield CLERK, {"command": "withdraw", **WITHDRAWAL}
    yield CLERK, {"command": "terminate", "reason": "lapsed"}
    yield CLERK, {"command": "assign", "manager": "张三"}
    yield CLERK, {"command": "add_charge", "item": "high_reliability_fee", "amount": 1.0}
    yield CLERK, {"command": "add_approval"}
    yield CLERK, {"command": "decide_approval", "decision": "granted"}
    yield CLERK, {"command": "notify", "notice": "hotlines"}
    yield CLERK, {"command": "reach_milestone", "milestone": "visit", "not_needed": ["materials"]}
    yield CLERK, {"command": "rate", "score": 5}


BESIDE = {
    "assigned", "charge_added", "approval_added", "approval_decided", "notified", "rated", "milestone_reached",
    "milestones_needed",
}  # fmt: skip
"""Events that lead nowhere: their absence of effect is checked, the walk does not go on from them."""


def completed(history: tuple[Event, ...]) -> set[str]:
    return {event.payload["step"] for event in history if event.type == "step_completed"}


def waived(history: tuple[Event, ...]) -> set[str]:
    """The steps waived with a basis and two different signatures."""
    by_number = {event.seq: event for event in history}
    found = set()
    for event in history:
        if event.type == "countersigned" and event.payload["kind"] == "waive_step":
            proposal = by_number[event.payload["event"]]
            assert proposal.actor != event.actor
            assert proposal.payload["proposal"]["legal_basis"]
            found.add(event.payload["step"])
    return found


def course(state: State) -> tuple[Any, ...]:
    """What a closed case must keep for ever."""
    return (
        state.state, state.user_class, state.definition, state.facts, state.submitted_at, state.closed_at, state.steps,
        state.documents, state.closing, state.suspensions, state.chain, state.charges, state.approvals,
    )  # fmt: skip


def key(state: State, history: tuple[Event, ...]) -> Any:
    """What the future of a case and the claims below depend on; cases alike in it are walked once."""
    return (
        state.state, state.user_class, state.facts.important_customer,
        tuple((step.code, step.status, step.confirmable) for step in state.steps),
        frozenset(document.kind for document in state.documents),
        frozenset(asked.kind for asked in state.asked),
        tuple((one.kind, one.actor, msgspec.json.encode(one.payload)) for one in state.pending),
        tuple(sorted({str(one.to) for one in state.suspensions})),
        frozenset(completed(history)), frozenset(waived(history)),
    )  # fmt: skip


def started(name: str) -> Case:
    case = Case()
    decision = case.apply(PROFILES[name].facts, "2024-01-08", documents=PAPERS["low"][:1])
    assert decision.refusal is None
    return case


def check(before: State, decision: Decision, history: tuple[Event, ...], case: Case) -> None:
    after = decision.state
    assert after is not None
    if decision.refusal is not None:
        # Refused: nothing is recorded but an attempt to hand in, with the papers that came with it.
        assert {event.type for event in decision.events} <= {"documents_registered", "step_submission_attempted"}
        assert (after.state, after.steps) == (before.state, before.steps)
        assert decision.events or after is before
    if before.closed:
        assert {event.type for event in decision.events} <= {"rated", "countersigned"}
        assert course(after) == course(before)
        was, now = (timers(case.calendar, case.definition, state) for state in (before, after))
        assert was == now
    if decision.events and decision.events[0].type in BESIDE:
        assert (after.state, after.steps, after.documents) == (before.state, before.steps, before.documents)
    for event in decision.events:
        if event.type == "countersigned":
            assert event.actor != next(one.actor for one in before.pending if one.event == event.payload["event"])
    if after.state == ENERGISED and not before.closed:
        excused = waived(history)
        assert excused <= WAIVABLE
        assert set(path_of(after)) - excused <= completed(history)
        provided = {document.kind for document in after.documents}
        asked_by_law = {one.kind for one in after.asked if one.step not in excused}
        assert needed_for(after, excused) | asked_by_law <= provided
    elif not after.closed:
        code, _, phase = after.state.rpartition(".")
        assert code in path_of(after)
        running = [step.code for step in after.steps if step.rounds and step.rounds[-1].ended_at is None]
        assert running == ([code] if phase == "running" else [])


@pytest.mark.parametrize("name", PROFILES)
def test_no_path_round_a_step_or_document_and_nothing_changes_a_closed_case(name):
    profile = PROFILES[name]
    case = started(name)
    first = (case.state, tuple(case.history))
    seen = {key(*first)}
    waiting = deque([first])
    reached: set[str] = set()
    types: set[str] = set()
    context = {who: case.context(who) for who in (CLERK, SUPERVISOR)}
    commands: dict[str, Any] = {}
    while waiting:
        state, history = waiting.popleft()
        case.maybe = state
        definition = case.definition
        reached.add(state.state)
        for who, body in alphabet(state, profile):
            # A second proposal of one kind opens no new way: the walk keeps to one at a time.
            if state.pending and body["command"] in ("suspend", "correct", "waive_step"):
                continue
            text = msgspec.json.encode(body).decode()
            if text not in commands:
                commands[text] = COMMANDS.validate_python(body)
            decision = decide(context[who], definition, state, commands[text])
            assert decision.state is not None
            trail = (*history, *decision.events)
            case.maybe = decision.state
            check(state, decision, trail, case)
            types |= {event.type for event in decision.events}
            if not decision.events or {event.type for event in decision.events} <= BESIDE:
                continue
            found = key(decision.state, trail)
            if found not in seen:
                seen.add(found)
                waiting.append((decision.state, trail))
                assert replay(trail) == decision.state
                assert from_snapshot(to_snapshot(decision.state)) == decision.state
    assert set(CLOSED) <= reached
    assert {"step_submitted", "step_completed", "step_returned", "countersigned", "step_submission_attempted"} <= types
    # Every step of the path is reached, waiting and running; a case without documents waits at acceptance.
    steps = path_of(started(name).state)
    assert {f"{step}.running" for step in steps} | {"acceptance.waiting"} <= reached


def test_the_alphabet_knows_every_command():
    given = {body["command"] for _, body in alphabet(started("residential").state, PROFILES["residential"])}
    assert given == set(COMMAND_NAMES)


def test_a_late_record_of_a_closed_case_can_still_be_signed_and_changes_nothing():
    case = started("residential")
    case.do("register_documents", documents=PAPERS["low"])
    case.drive("2024-01-09")
    # On Monday the 15th somebody enters what happened on Wednesday the 10th: three working days later.
    case.now = at("2024-01-15")
    decision = case.do("rate", score=4, occurred_at="2024-01-10T10:00", reason="客户电话评价, 补录")
    assert decision.refusal is None
    before = case.state
    assert [one.kind for one in before.pending] == ["late"]
    assert case.do("countersign").refusal is None
    assert course(case.state) == course(before)
    assert case.state.pending == ()


def test_the_invented_city_is_in_the_book():
    assert "420100" in shipped_book().regions
