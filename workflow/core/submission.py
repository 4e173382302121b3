"""A new application: classified from its facts, pinned to the rules of its date, accepted or waiting for documents."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection
from typing import Any

import msgspec

from definitions.book import NoRuleInForce
from definitions.calendar import CalendarRangeError
from definitions.model import Definition
from workflow.core import chain
from workflow.core.classify import Classified, classify
from workflow.core.commands import Submission
from workflow.core.deed import Context, Decision, Deed
from workflow.core.documents import missing_now, received
from workflow.core.machine import path
from workflow.core.refusals import Refused, refusal, refuse
from workflow.core.state import Document, Facts, State, Step
from workflow.core.times import BUSINESS_ZONE, business_date


class Identity(msgspec.Struct, frozen=True):
    """What the caller gives a new case. `number` draws the serial application number and is called only when the
    application is sure to exist. `personal_digest` stands in the chain for the personal data kept outside it."""

    case_id: str
    number: Callable[[], str]
    personal_digest: str
    org: str | None = None


def facts_of(command: Submission) -> Facts:
    """The facts of a submission, personal data left out."""
    return Facts(
        customer_kind=command.customer_kind,
        capacity_kw=command.capacity_kw,
        voltage=command.voltage,
        area=command.area,
        region=command.region,
        channel=command.channel,
        premises_id=command.premises.id,
        supply_count=command.supply_count,
        enterprise_size=command.enterprise_size,
        business_type=command.business_type,
        voltage_kv=command.voltage_kv,
        important_customer=command.important_customer,
        hv_request_ref=command.hv_request_ref,
        external_id=command.external_id,
        platform_id=command.platform_id,
    )


def definition_for(context: Context, on: dt.date, region: str, user_class: str) -> Definition:
    """The definition in force; raises Refused `no-rule-in-force`, never a guess."""
    try:
        return context.rules.resolve(on=on, region=region, user_class=user_class)
    except NoRuleInForce as error:
        raise _no_rule(on) from error


def _no_rule(on: dt.date) -> Refused:
    return refuse(
        "no-rule-in-force",
        f"{on} 没有适用的全国规定 (自 2021-01-01 起施行); 请核对申请日期",
        f"No national rule was in force on {on} (they apply from 2021-01-01); check the submission date",
    )


def classified(context: Context, facts: Facts, on: dt.date) -> Classified:
    """The class of `facts` by the table in force on `on`. Raises Refused."""
    try:
        rule = context.rules.classification(on=on, region=facts.region)
    except NoRuleInForce as error:
        raise _no_rule(on) from error
    return classify(rule, facts)


def submit(context: Context, command: Submission, identity: Identity, ended: Collection[State] = ()) -> Decision:
    """Decide a submission. `ended`: closed cases of the same premises, or the same customer and address, that may be
    the same need, those energised among them. Returns the events (or the refusal) and the new state."""
    try:
        return _submit(context, command, identity, ended)
    except Refused as refused:
        return Decision((), None, refused.refusal)
    except CalendarRangeError as error:
        return Decision((), None, out_of_range(error))


def out_of_range(error: CalendarRangeError) -> Any:
    """The refusal for a date that the working calendar does not reach."""
    return refusal("calendar-out-of-range", str(error), str(error))


def _submit(context: Context, command: Submission, identity: Identity, ended: Collection[State]) -> Decision:
    facts = facts_of(command)
    on = business_date((command.occurred_at or context.now).astimezone(BUSINESS_ZONE))
    by_rules = classified(context, facts, on)
    override = command.class_override
    if override is not None and override.user_class == by_rules.user_class:
        override = None  # what the rules give anyway overrides nothing, and stays free to be corrected
    user_class = override.user_class if override else by_rules.user_class
    definition = definition_for(context, on, facts.region, user_class)
    deed = Deed(context, definition, None, command)
    steps = path(definition, facts.important_customer)
    first = steps[0].code
    documents = received(definition, context.rules.legal_basis, steps[:1], command.documents, deed.occurred_at)
    lacking = missing_now(definition, _sketch(definition, facts, documents, deed), first)
    links = chain.predecessor(definition.chain, facts, deed.occurred_at, ended, context.calendar)
    deed.emit(
        "application_submitted",
        {
            "case_id": identity.case_id,
            "application_no": identity.number(),
            "user_class": user_class,
            "class_clauses": [clause.id for clause in by_rules.clauses],
            "class_override": (
                {"reason": override.reason, "rules_give": by_rules.user_class} if override is not None else None
            ),
            "definition": definition.hash,
            "path": [step.code for step in steps],
            "state": f"{first}.waiting" if lacking else f"{first}.running",
            "facts": msgspec.to_builtins(facts),
            "org": identity.org,
            "manager": command.manager,
            "documents": msgspec.to_builtins(documents),
            "missing_documents": [one["kind"] for one in lacking],
            "chain": msgspec.to_builtins(links),
            "personal_digest": identity.personal_digest,
        },
    )
    return deed.decision()


def _sketch(definition: Definition, facts: Facts, documents: tuple[Document, ...], deed: Deed) -> State:
    """The state as far as the document rules read it, before the case exists."""
    at = deed.occurred_at
    return State(
        case_id="", application_no="", version=0, state="", user_class=definition.user_class,
        definition=definition.hash, facts=facts, submitted_at=at, last_step_at=at, last_recorded_at=at,
        steps=tuple(Step(step.code) for step in definition.steps), documents=documents,
    )  # fmt: skip
