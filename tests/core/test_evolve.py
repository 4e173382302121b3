"""Histories written before a rule of the state changed replay all the same."""

from __future__ import annotations

import msgspec
import pytest

from tests.core.driver import SUPERVISOR, submitted
from workflow.core.evolve import replay


def test_a_correction_signed_twice_in_an_old_history_replays_to_the_same_case():
    case = submitted("residential")
    for _ in range(2):
        case.do("correct", "2024-01-08", field="case.capacity_kw", new_value=10, reason="录错")
    case.do("countersign", "2024-01-08", who=SUPERVISOR, event=2)
    assert case.state.pending == ()
    # The second proposal waited on, and was signed too.
    signed = case.history[-1]
    again = msgspec.structs.replace(signed, seq=5, payload={**signed.payload, "event": 3})
    assert replay([*case.history, again]) == msgspec.structs.replace(case.state, version=5)


def test_what_is_no_history_is_not_replayed():
    """It begins with a submission numbered 1, and no number is left out."""
    case = submitted("residential")
    case.do("assign", "2024-01-08", manager="wang")
    first, second = case.history
    late = msgspec.structs.replace(first, seq=2)
    nameless = msgspec.structs.replace(second, seq=1)
    for history in ((), (late,), (nameless,), (first, msgspec.structs.replace(second, seq=3))):
        with pytest.raises(ValueError, match=r"no events|starts with application_submitted|does not follow"):
            replay(history)
