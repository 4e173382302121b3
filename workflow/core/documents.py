"""The closed document lists: what may be asked for, what is missing, what came in [L24 L25 I13 I14].

The ban bites on what the utility asks for; a customer may always volunteer more.  One form of a kind is enough.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from definitions.model import Clause, Definition, DocumentRule, ExtraDocumentRule, LegalBasisRule, StepRule
from workflow.core.commands import DocumentAsked, DocumentIn
from workflow.core.legal import lifts_document_ban
from workflow.core.machine import path
from workflow.core.refusals import Refusal, Refused, refusal, refuse
from workflow.core.state import Document, Form, State
from workflow.core.times import business_date


def clauses_of(definition: Definition, ids: Iterable[str]) -> tuple[Clause, ...]:
    """The definition's clauses with these ids, in that order."""
    return tuple(definition.clauses[i] for i in ids if i in definition.clauses)


_KNOWN: dict[str, dict[str, tuple[str, str | None]]] = {}


def kind_and_form(definition: Definition, given: str) -> tuple[str, str | None]:
    """The kind that `given` spells by its code, one of its names or aliases; and its form, where `given` spells a form
    of the kind instead (身份证 is an identity document). `given` itself when it is no kind we know."""
    known = _KNOWN.get(definition.hash)
    if known is None:
        known = {}
        rules = [document for step in definition.steps for document in step.documents]
        for rule in rules:
            for form in rule.forms:
                words = (form.code, form.name.zh, form.name.en, *form.aliases)
                known.update(dict.fromkeys(words, (rule.kind, form.code)))
        every: list[DocumentRule | ExtraDocumentRule] = [*definition.extra_documents, *rules]
        for named in every:
            known.update(dict.fromkeys((named.kind, named.name.zh, named.name.en, *named.aliases), (named.kind, None)))
        _KNOWN[definition.hash] = known
    return known.get(given, (given, None))


class _Way(NamedTuple):
    """Some steps of a path from its beginning, and the kinds of document listed for them."""

    steps: tuple[StepRule, ...]
    kinds: frozenset[str]


_WAYS: dict[tuple[str, bool, str], _Way] = {}


def _way(definition: Definition, state: State, code: str) -> _Way:
    key = (definition.hash, state.facts.important_customer, code)
    known = _WAYS.get(key)
    if known is None:
        steps = path(definition, state.facts.important_customer)
        last = next((number for number, step in enumerate(steps, start=1) if step.code == code), 0)
        kinds = frozenset(document.kind for step in steps[:last] for document in step.documents)
        known = _WAYS[key] = _Way(steps[:last], kinds)
    return known


def steps_until(definition: Definition, state: State, code: str) -> tuple[StepRule, ...]:
    """The steps of the case's path up to and including `code`."""
    return _way(definition, state, code).steps


def deferred(definition: Definition, documents: Iterable[Document]) -> bool:
    """Whether the customer has volunteered a letter that lets acceptance go on with a document to follow (容缺受理)."""
    letters = {extra.kind for extra in definition.extra_documents if extra.effect == "deferral"}
    return any(document.kind in letters and document.volunteered for document in documents)


def missing(definition: Definition, state: State, until: str) -> list[dict[str, Any]]:
    """The complete list of documents still missing for the steps up to `until`, waived steps left out. What a law asked
    for at a step that a correction took off the path is still owed."""
    provided = {document.kind for document in state.documents}
    steps, kinds = _way(definition, state, until)
    if not state.asked and kinds <= provided:
        return []
    excused = {step.code for step in state.steps if step.status == "waived"}
    ahead = {step.code for step in state.steps} - {rule.code for rule in steps}
    lacking: list[dict[str, Any]] = []
    for rule in steps:
        if rule.code in excused:
            continue
        lacking.extend(
            {"kind": document.kind, "step": rule.code, "name": document.name.zh, "name_en": document.name.en,
             "forms": [form.name.zh for form in document.forms]}
            for document in rule.documents
            if document.kind not in provided
        )  # fmt: skip
    lacking.extend(
        {"kind": asked.kind, "step": asked.step, "name": asked.kind, "name_en": asked.kind, "forms": [],
         "legal_basis": asked.legal_basis}
        for asked in state.asked
        if asked.step not in excused | ahead and asked.kind not in provided
    )  # fmt: skip
    return lacking


def missing_now(definition: Definition, state: State, until: str) -> list[dict[str, Any]]:
    """As `missing`, but what a deferral letter lets follow later is not yet missing."""
    lacking = missing(definition, state, until)
    if lacking and deferred(definition, state.documents):
        first = definition.steps[0].code
        lacking = [one for one in lacking if one["step"] != first]
    return lacking


def _form(definition: Definition, named: str, given: str | None) -> str | None:
    """The form's code, where a document is `named` so; raises LookupError when its kind has no form that is `given`, or
    `named` itself spells another."""
    kind, own = kind_and_form(definition, named)
    if given is None:
        return own
    its_kind, form = kind_and_form(definition, given)
    if form is None or its_kind != kind or own not in (None, form):
        raise LookupError(given)
    return form


def _not_allowed(definition: Definition, step: StepRule, extra: Sequence[str], zh: str, en: str) -> Refusal:
    allowed = "、".join(document.name.zh for document in step.documents) or "无"
    allowed_en = ", ".join(document.name.en for document in step.documents) or "none"
    return refusal(
        "document-not-allowed",
        f"{step.name.zh}环节{zh}: {'、'.join(extra)}。本环节仅需: {allowed}。请删除后重新提交; "
        "客户自愿提供的请注明 volunteered",
        f"{en} at {step.name.en}: {', '.join(extra)}. This step needs only: {allowed_en}. Remove them and send again; "
        "mark what the customer volunteers as volunteered",
        clauses_of(definition, definition.document_clauses),
        documents=list(extra),
        allowed=[document.kind for document in step.documents],
    )


def received(
    definition: Definition,
    legal: LegalBasisRule,
    steps: Sequence[StepRule],
    given: Sequence[DocumentIn],
    at: dt.datetime,
    *,
    asked: Iterable[str] = (),
) -> tuple[Document, ...]:
    """The documents as they are taken in at the last of `steps`. Allowed without more: kinds listed for that step or
    an earlier one, kinds lawfully `asked` for, an agent's papers at the first step. Raises Refused naming every kind
    that is neither listed nor volunteered nor carried by a law, or one issued after the day on which it came in."""
    step = steps[-1]
    listed = {document.kind: document for rule in steps for document in rule.documents}
    agent = {e.kind for e in definition.extra_documents if e.effect == "agent"} if len(steps) == 1 else set()
    lawful = set(asked)
    taken: list[Document] = []
    extra: list[str] = []
    forms: list[str] = []
    for document in given:
        form, kind = document.form, kind_and_form(definition, document.kind)[0]
        if kind in listed:
            try:
                form = _form(definition, document.kind, document.form)
            except LookupError:
                forms.append(f"{document.kind}: {document.form}")
        elif not (
            document.volunteered or kind in agent or kind in lawful or lifts_document_ban(legal, document.legal_basis)
        ):
            extra.append(document.kind)
        taken.append(
            Document(
                kind,
                step.code,
                at,
                form,
                document.source,
                document.volunteered,
                document.legal_basis,
                document.digest,
                document.issued_on,
            )
        )
    day = business_date(at)
    unissued = [f"{one.kind} {one.issued_on}" for one in given if one.issued_on is not None and one.issued_on > day]
    if unissued:
        raise refuse(
            "time-in-future",
            f"签发日期晚于收到资料的 {day}: {'、'.join(unissued)}; 请核对日期后重试",
            f"Issued after {day}, the day on which it came in: {', '.join(unissued)}; check the date and send again",
            clauses_of(definition, definition.late.clauses),
        )
    if extra:
        raise Refused(_not_allowed(definition, step, extra, "不得收取清单外资料", "Documents outside the list"))
    if forms:
        raise Refused(_not_allowed(definition, step, forms, "不认识的证件形式", "Unknown form of a document"))
    return tuple(taken)


def check_asked(
    definition: Definition, legal: LegalBasisRule, state: State, step: StepRule, asked: Sequence[DocumentAsked]
) -> tuple[tuple[str, ...], tuple[Form, ...]]:
    """Check what the utility asks for at `step`; returns the kinds that a law newly adds to the list, and the forms
    asked for that were left open before. What an earlier step let follow later may still be asked for. Raises Refused
    for a kind outside the list, a second form of one kind, now or after an earlier request, or a kind already provided,
    unless a law is named [L24 L25]."""
    steps = steps_until(definition, state, step.code)
    listed = {document.kind: document for rule in steps for document in rule.documents}
    agent = {e.kind for e in definition.extra_documents if e.effect == "agent"}
    first = step.code == definition.steps[0].code
    provided = {document.kind for document in state.documents}
    seen: set[str] = set()
    chosen = {one.kind: one.form for one in state.forms}
    fresh: list[Form] = []
    known = {one.kind for one in state.asked}
    lawful: dict[str, None] = {}
    extra: list[str] = []
    second: list[str] = []
    forms: list[str] = []
    for document in asked:
        kind = kind_and_form(definition, document.kind)[0]
        rule = listed.get(kind)
        if lifts_document_ban(legal, document.legal_basis):
            if rule is None and kind not in known:
                lawful[kind] = None
            continue
        if rule is None:
            if not (first and kind in agent):
                extra.append(document.kind)
            continue
        if kind in seen or kind in provided:
            second.append(document.kind)
            continue
        seen.add(kind)
        try:
            form = _form(definition, document.kind, document.form)
        except LookupError:
            forms.append(f"{document.kind}: {document.form}")
            continue
        if form is not None and kind not in chosen:
            fresh.append(Form(kind, form))
        elif form is not None and chosen[kind] != form:
            second.append(f"{document.kind}: {document.form}")
    for wrong, zh, en in (
        (extra, "不得要求清单外资料", "Documents outside the list"),
        (second, "同类资料一种即可, 不得重复要求", "One form of a kind is enough; a second may not be asked for"),
        (forms, "不认识的证件形式", "Unknown form of a document"),
    ):
        if wrong:
            raise Refused(_not_allowed(definition, step, wrong, zh, en))
    return tuple(lawful), tuple(fresh)


def refuse_missing(definition: Definition, step: str, lacking: Sequence[dict[str, Any]]) -> Refusal:
    """The refusal that lists everything missing at once (一次性告知)."""
    return refusal(
        "document-missing",
        f"资料不齐, 请一次补齐: {'、'.join(one['name'] for one in lacking)}",
        f"Documents are missing; please provide all of: {', '.join(one['name_en'] for one in lacking)}",
        clauses_of(definition, definition.document_clauses),
        step=step,
        missing_documents=list(lacking),
    )
