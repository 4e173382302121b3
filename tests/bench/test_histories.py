"""The generated histories say of themselves what the oracle finds in them."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from typing import Any

import pyarrow.parquet as pq
import pytest

from bench import histories
from bench.history_parts import Part
from tests.replay.histories import calendar
from tests.replay.oracle.judge import Answer, judge

AS_OF = dt.date(2026, 6, 30)


def rows(table: Any) -> list[dict[str, Any]]:
    return table.to_pylist()


def canonical(event: dict[str, Any]) -> dict[str, Any]:
    """What intake adds: midnight from an archive or a contract is a date."""
    only_date = event["occurred_at"].time() == dt.time() and event["source"] in ("archive", "contract")
    return {**event, "occurred_is_date": only_date, "recorded_is_date": False}


def judged(part: Part) -> tuple[Answer, list[dict[str, Any]]]:
    events = [canonical(event) for event in rows(histories.events_of(part))]
    cases = rows(histories.cases_of(part))
    answer = judge(cases, events, calendar=calendar(), as_of=AS_OF, case_columns=histories.CASE_SCHEMA.names)
    return answer, rows(histories.labels_of(part))


@pytest.fixture(scope="module")
def sample() -> tuple[Answer, list[dict[str, Any]]]:
    return judged(histories.part_of(7, 0, 1500, 0.02))


def test_the_guilty_are_found_and_nobody_else(sample):
    answer, labels = sample
    fired = defaultdict(set)
    for finding in answer.findings:
        if finding.case_id is not None:
            fired[finding.case_id].add(finding.rule)
    named = {label["case_id"]: label for label in labels}
    missed = [(n, one["rule"]) for n, one in named.items() if one["guilty"] and one["rule"] not in fired[n]]
    assert missed == []
    accused = [
        (case, rules) for case, rules in fired.items() if rules and not named.get(case, {"guilty": False})["guilty"]
    ]
    assert accused == []


def test_a_label_for_nearly_every_rule(sample):
    _, labels = sample
    assert len({one["rule"] for one in labels if one["guilty"]}) >= 25
    assert len({one["rule"] for one in labels if not one["guilty"]}) >= 10


def test_the_same_seed_gives_the_same_bytes_and_text_columns(tmp_path):
    for name in ("a", "b"):
        histories.write(tmp_path / name, 3000, seed=3)
    for file in ("events", "cases", "labels"):
        first, second = ((tmp_path / name / f"{file}.parquet").read_bytes() for name in ("a", "b"))
        assert first == second
    events = pq.read_table(tmp_path / "a" / "events.parquet")
    assert str(events.schema.field("case_id").type) == "string"
    assert 2500 < events.num_rows < 3500
