"""What a case was asked for, held against the closed lists by the engine's own check (D23) [L24 L25]."""

from __future__ import annotations

import msgspec

from definitions.book import Book
from definitions.model import Definition, StepRule
from workflow.core.commands import DocumentAsked
from workflow.core.documents import check_asked, kind_and_form
from workflow.core.machine import path
from workflow.core.refusals import Refused
from workflow.core.state import State
from workflow.replay.exact.rows import History, Record
from workflow.replay.references import listed, references


def lawful(ref: str | None) -> bool:
    """Volunteered by the customer, or asked for under a law that the reference names."""
    return any(one == "volunteered" or one.startswith("law:") for one in references(ref))


def asked_outside_the_list(
    book: Book, definition: Definition, state: State, history: History, *, known: bool = True
) -> list[Record]:
    """What was asked for that the engine would have refused at the step then in force, a record for each document; a
    second form of a kind counts. Where it is not `known` whether the customer is an important one, only what neither
    may be asked for."""
    assumed = (state.facts.important_customer,) if known else (True, False)
    refused = [_refused(book, definition, _of_customer(state, important), history) for important in assumed]
    return [record for record in refused[0] if all(record in other for other in refused[1:])]


def _of_customer(state: State, important: bool) -> State:
    facts = msgspec.structs.replace(state.facts, important_customer=important)
    return msgspec.structs.replace(state, facts=facts)


def _refused(book: Book, definition: Definition, state: State, history: History) -> list[Record]:
    bare = msgspec.structs.replace(state, documents=(), asked=())
    forms: dict[str, str] = {}
    refused = []
    for record in history.all("document", "requested"):
        if lawful(record.ref):
            continue
        step = _in_force(definition, bare, history, record)
        for word in sorted(listed(record.value)):
            kind, form = kind_and_form(definition, word)
            asked: list[DocumentAsked] = [DocumentAsked(kind=kind, form=form)]
            if form is not None and forms.setdefault(kind, form) != form:
                asked.append(DocumentAsked(kind=kind, form=forms[kind]))
            try:
                check_asked(definition, book.legal_basis, bare, step, asked)
            except Refused:
                refused.append(msgspec.structs.replace(record, value=word))
    return refused


def _in_force(definition: Definition, state: State, history: History, record: Record) -> StepRule:
    """The step in force when the record was made: the one behind the last that had been passed by then."""
    course = path(definition, state.facts.important_customer)
    passed = [at for at, step in enumerate(course) if any(_ended(history, part, record) for part in step.parts)]
    # What has been begun is in force though nobody says that the step before was passed.
    passed += [at - 1 for at, step in enumerate(course) if any(_begun(history, part, record) for part in step.parts)]
    return course[min(max(passed, default=-1) + 1, len(course) - 1)]


def _begun(history: History, part: str, record: Record) -> bool:
    return any(one.before(record) for one in history.all(part, "start"))


def _ended(history: History, part: str, record: Record) -> bool:
    return any(one.lifecycle in ("complete", "waive") and not record.before(one) for one in history.all(part))
