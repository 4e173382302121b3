"""Pure parts that no story through the engine can reach, because the engine refuses them first."""

from __future__ import annotations

import datetime as dt

import msgspec
import pytest

from definitions import load, shipped
from definitions.model import Definition
from tests.core.driver import Case as Driven
from tests.core.driver import submitted
from workflow.core.state import Asked, Charge, Document
from workflow.reports.measures import documents, zero_investment
from workflow.reports.period import BadPeriod, parse
from workflow.reports.placing import Case, Window, on_day

RULES = load().reports
WINDOW = Window(parse("2026H1", RULES), dt.date(2026, 6, 30), shipped())
RULE = RULES.indicators[12]


def case(driven: Driven, **changed: object) -> Case:
    definition: Definition = driven.definition
    return Case(definition, msgspec.structs.replace(driven.state, **changed))


def extra(driven: Driven, *, volunteered: bool = False) -> tuple[Document, ...]:
    return (*driven.state.documents, Document("photograph", "acceptance", driven.now, volunteered=volunteered))


def test_a_document_outside_the_list_counts_against_unless_volunteered_or_lawful():
    driven = submitted("residential", "2026-03-02")
    law = Asked("photograph", "acceptance", "《某法》第一条")
    assert documents(RULE, case(driven), WINDOW).met
    assert not documents(RULE, case(driven, documents=extra(driven)), WINDOW).met
    assert documents(RULE, case(driven, documents=extra(driven, volunteered=True)), WINDOW).met
    assert documents(RULE, case(driven, documents=extra(driven), asked=(law,)), WINDOW).met


def test_a_charge_spoils_zero_investment():
    driven = submitted("residential", "2026-03-02")
    charged = (Charge("meter", 100.0, "utility", driven.now),)
    assert zero_investment(RULE, case(driven), WINDOW).met
    assert not zero_investment(RULE, case(driven, charges=charged), WINDOW).met


def test_on_day_takes_back_what_came_later():
    driven = submitted("hv_single", "2026-03-02")
    driven.do("complete_step", "2026-03-03", step="acceptance")
    driven.do("complete_step", "2026-03-10", step="supply_plan")

    def begun(day: str) -> list[tuple[str, int]]:
        state = on_day(driven.state, dt.date.fromisoformat(day))
        return [
            (step.status, sum(turn.ended_at is None for turn in step.rounds)) for step in state.steps if step.rounds
        ]

    assert begun("2026-03-02") == [("running", 1)]
    assert begun("2026-03-09") == [("done", 0), ("running", 1)]
    assert begun("2026-03-10") == [("done", 0), ("done", 0)]


@pytest.mark.parametrize(
    ("text", "first", "last", "due_on"),
    [
        ("2026H1", "2026-01-01", "2026-06-30", "2026-07-15"),
        ("2026", "2026-01-01", "2026-12-31", "2027-01-15"),
        ("2021", "2021-01-01", "2021-12-31", "2022-01-15"),
    ],
)
def test_periods(text, first, last, due_on):
    period = parse(text, RULES)
    assert [day.isoformat() for day in (period.first, period.last, period.due_on)] == [first, last, due_on]


@pytest.mark.parametrize("text", ["2026H2", "2026h1", "2026H1 ", "2020", "2020H1", "9999", "0001", "", "٢٠٢٦"])
def test_no_other_periods(text):
    with pytest.raises(BadPeriod, match=" / "):
        parse(text, RULES)
