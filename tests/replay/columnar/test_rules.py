"""Every rule on one case at a time: guilty, each look-alike, boundary values, missing evidence."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from definitions.detectors import load_detectors
from tests.from_yaml import from_yaml
from tests.replay.columnar.conftest import Result, case, events, run
from workflow.replay.columnar.fold import Compiled

SCENARIOS: dict[str, list[dict[str, Any]]] = from_yaml(Path(__file__).parent / "scenarios.yaml")
LISTED = [(f"{rule}-{at}", rule, one) for rule, ones in SCENARIOS.items() for at, one in enumerate(ones)]


@pytest.fixture(scope="module")
def result(tmp_path_factory) -> Result:
    """All scenarios in one history: each case has an organisation, a customer and premises of its own."""
    cases = [case(case_id, one["like"], **one.get("facts", {})) for case_id, _, one in LISTED]
    rows = [row for case_id, _, one in LISTED for row in events(case_id, one["like"], *one["add"])]
    return run(tmp_path_factory.mktemp("scenarios"), cases, rows)


@pytest.mark.parametrize(("case_id", "rule", "one"), LISTED, ids=[f"{rule}: {one['name']}" for _, rule, one in LISTED])
def test_scenario(result: Result, case_id: str, rule: str, one: dict[str, Any]):
    assert result.said(case_id, rule) == one["say"]


def test_a_finding_says_what_it_rests_on(result: Result):
    found = result.findings["D01-0"]["D01"]
    assert found["evidence"].startswith(
        '{"records": [{"field": "first_energy.observed", "value": "2024-03-03 10:00:00"'
    )
    assert '"field": "application.submit", "value": "2024-03-04 09:00:00", "source": "marketing"' in found["evidence"]
    assert "2024-03-03 10:00:00" in found["explanation"]
    assert "2024-03-03 10:00:00" in found["explanation_en"]


def test_no_sentence_of_a_finding_has_a_hole(result: Result):
    """What a rule may find in several ways is told in the way in which it was found."""
    hole = re.compile(r"^ | $|  |[(（] | [)）]|[(（][)）]")
    sentences = [
        (one["case_id"], one["rule"], one[language])
        for found in result.findings.values()
        for one in found.values()
        for language in ("explanation", "explanation_en")
    ]
    assert len(sentences) > 100
    assert [one for one in sentences if hole.search(one[2])] == []


def test_what_was_done_too_early_is_held_against_what_shows_it(history):
    """Metering 7 March 15:00: the meter was fitted before, the connection ticket came on Friday the 8th."""
    ticket = "work_ticket.observed 03-08 09:00 value=connection ref=A"
    said = history([case("A", "residential")], events("A", "residential", ticket)).findings["A"]["D28"]
    assert said["explanation"] == "装表接电办结 2024-03-07 15:00:00 早于接火工作票 2024-03-08 09:00:00"
    assert "meter was fitted" not in said["explanation_en"]


def test_a_late_step_that_the_ending_cut_short_rests_on_the_ending(history):
    """Metering started on the 11th, two working days, and was left on the 15th: no longer open, it has an end."""
    changes = ("-metering.complete", "-meter_installed.observed", "-first_energy.observed")
    found = history(
        [case("A", "lv_other")], events("A", "lv_other", *changes, "application.terminate 03-15 10:00 value=other")
    ).findings["A"]["L01"]
    assert '"field": "application.terminate", "value": "2024-03-15 10:00:00"' in found["evidence"]
    assert "metering.start" not in found["evidence"]


def test_other_numbers_are_spelt_out_anew():
    shipped = load_detectors()

    def spelt(at_least: float) -> str:
        rules = msgspec.structs.replace(shipped, gates={**shipped.gates, "comparable": at_least})
        return Compiled(rules).expression("documents_complete OR 3 >= :comparable", None)

    assert [spelt(1), spelt(2), spelt(1.0), spelt(1)] == [
        f"documents_complete OR 3 >= {number}" for number in ("1", "2", "1.0", "1")
    ]
