"""A history is judged as of a day: what happened and was recorded later is not known yet."""

from __future__ import annotations

import json

import pytest

from tests.replay.outside.harness import Answers, History, read, replay


@pytest.fixture
def lawful() -> History:
    """One household, submitted on Monday 2024-03-04 and energised on Thursday."""
    whole = read("off_system")
    (one,) = (told for told in whole.told if told.name.strip() == "residential all lawful")
    return History(
        [row for row in whole.cases if row["case_id"] == one.case_id],
        [row for row in whole.events if row["case_id"] == one.case_id],
        [one],
    )


def judged(tmp_path, history: History, as_of: str) -> tuple[Answers, dict[str, object]]:
    answers = replay(tmp_path, history, as_of=as_of)
    (verdict,) = answers.verdicts.values()
    return answers, verdict


def test_a_case_that_ends_later_is_open(tmp_path, lawful):
    answers, verdict = judged(tmp_path, lawful, "2024-03-05")
    assert answers.findings == {}
    assert (verdict["verdict"], verdict["used_working_days_filed"], verdict["on_time_filed"]) == ("open", 1, None)
    known = sum(row["occurred_at"][:10] <= "2024-03-05" for row in lawful.events)
    counts = json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))["counts"]
    assert counts["after_as_of"] == len(lawful.events) - known > 0


def test_a_case_that_begins_later_is_accused_of_nothing(tmp_path, lawful):
    answers, verdict = judged(tmp_path, lawful, "2024-03-03")
    assert (answers.findings, verdict["verdict"], verdict["used_working_days_filed"]) == ({}, "open", None)


def test_what_was_recorded_before_it_is_said_to_happen_is_known(tmp_path, lawful):
    for row in lawful.events:
        if row["activity"] == "metering":
            row["recorded_at"] = "2024-03-05 09:00:00"
    answers, _ = judged(tmp_path, lawful, "2024-03-05")
    assert {rule for case in answers.findings.values() for rule in case} == {"D11"}


def test_a_licence_speaks_of_a_day_to_come(tmp_path):
    whole = read("off_system")
    (one,) = (told for told in whole.told if told.name.strip() == "hv_single all lawful")
    rows = [row for row in whole.events if row["case_id"] == one.case_id]
    history = History([row for row in whole.cases if row["case_id"] == one.case_id], rows, [one])
    answers, verdict = judged(tmp_path, history, "2024-12-31")
    assert max(row["occurred_at"] for row in rows) > "2024-12-31"
    assert (verdict["verdict"], "D21" in answers.unjudged(one.case_id)) == ("clear", False)
