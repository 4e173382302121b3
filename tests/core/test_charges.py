"""Zero investment is a rule of its own, not an effect of an empty catalogue [L33 L34 L38 I16]."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.core.driver import Case, answer, cited, submitted
from workflow.core.commands import COMMANDS
from workflow.core.decide import decide
from workflow.core.deed import Decision


@pytest.fixture
def case() -> Case:
    return submitted("residential")


def charge(case: Case, **more: Any) -> Decision:
    """Asked of a household, by a definition whose catalogue is that of a dual-supply customer."""
    catalogue = submitted("hv_dual").definition.charges.catalogue
    assert catalogue
    charges = msgspec.structs.replace(case.definition.charges, catalogue=catalogue)
    definition = msgspec.structs.replace(case.definition, charges=charges)
    command = {"command": "add_charge", "item": "高可靠性供电费", "amount": 1.0, **more}
    return decide(case.context(), definition, case.state, COMMANDS.validate_python(command))


@pytest.mark.parametrize("collector", ["utility", "affiliate"])
def test_nothing_up_to_the_site_boundary_even_when_the_catalogue_lists_it(case: Case, collector: str):
    decision = charge(case, collector=collector)
    assert answer(decision) == "charge-not-allowed"
    assert {"L33", "L38", "I16"} <= cited(decision)


def test_beyond_the_boundary_the_catalogue_decides(case: Case):
    assert answer(charge(case, beyond_boundary=True)) is None
    assert answer(charge(case, beyond_boundary=True, item="设计费")) == "charge-not-allowed"
