"""What a rule of one's own may not say: each fault is refused where it stands, before any history is read."""

from __future__ import annotations

import pytest

from definitions.detectors import SHIPPED, load_detectors
from definitions.processes import SHIPPED as PROCESSES
from definitions.processes import load_process
from definitions.shapes import DefinitionError

RULE = """rule: D90
name: {zh: "未见用电", en: "No energy"}
tag: other
clauses: [D-DETECT]
thresholds:
  days: 3
  words: [test]
facts:
  surveyed: {of: [site_survey.observed], take: first}
needs: "submitted IS NOT NULL"
findings:
  - severity: low
    when: "energised AND energy_seen = 0 AND wdays(submitted, metering_complete) < :days"
    witness: [submitted]
    explanation: {zh: "无 {submitted}", en: "none {submitted:moment}"}
  - severity: medium
    when: "energised AND surveyed IS NULL"
    witness: [submitted]
explanation: {zh: "{submitted} 受理", en: "{energy_seen:number} of {submitted}"}
last_verified_on: 2026-11-26
"""


def refused(load, where) -> list[tuple[int, str]]:
    with pytest.raises(DefinitionError) as error:
        load(where)
    return [(one.mark.line, one.en) for one in error.value.problems]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"energised AND surveyed IS NULL"', '"energy_seen"', "must be a condition, found a number"),
        ('"energised AND surveyed IS NULL"', '"submitted > 3"', "must be a moment, found a number"),
        ('"energised AND surveyed IS NULL"', "\"energy_seen = 'x'\"", "must be a number, found a text"),
        ('"energised AND surveyed IS NULL"', '"energy_seen IN (:words)"', "must be a number, found a text"),
        ('"energised AND surveyed IS NULL"', '"survey IS NULL"', "there is no fact survey"),
        ("wdays(submitted,", "wdays(energy_seen,", "must be a moment, found a number"),
        ("needs: \"submitted IS NOT NULL\"", "needs: \"'a'\"", "must be a condition, found a text"),
        ("site_survey.observed", "site_survay.observed", "there is no kind of record site_survay.observed"),
        ("take: first}", "take: first, where: \"amount = 'x'\"}", "surveyed: must be a number, found a text"),
        ("surveyed: {of", "submitted: {of", "the fact submitted exists already"),
        ("witness: [submitted]\nexpl", "witness: [energy_seen]\nexpl", "the fact energy_seen is no moment"),
        ("none {submitted:moment}", "none {submited}", "there is no fact submited"),
        ("none {submitted:moment}", "none {submitted:number}", "{submitted:number}: the fact cannot be said so"),
        ("none {submitted:moment}", "none {energy_seen}", "{energy_seen}: the fact cannot be said so"),
        ("none {submitted:moment}", "none {submitted:day}", "braces are {fact}"),
        ("none {submitted:moment}", "none {submitted", "braces are {fact}"),
        ("rule: D90", "rule: D91", "the file of D91 must carry its name"),
    ],
)  # fmt: skip
def test_a_rule_that_could_not_run_is_refused_at_its_line(tmp_path, old, new, said):
    assert RULE.count(old) >= 1
    line = RULE[: RULE.index(old)].count("\n") + 1
    (tmp_path / "D90.yaml").write_text(RULE.replace(old, new, 1), encoding="utf-8")
    problems = refused(load_detectors, tmp_path)
    assert any(at == line and said in en for at, en in problems), problems


def test_the_rule_itself_is_sound(tmp_path):
    (tmp_path / "D90.yaml").write_text(RULE, encoding="utf-8")
    assert load_detectors(tmp_path).detector("D90").sentences[0].en == "none {submitted:moment}"


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("S1", "test: binomial", "test: difference", "the test of S1 is binomial"),
        ("S1", "alpha: 0.01", "alpha: 5", "the threshold alpha may not be above 1"),
        ("S5", "night_from_hour: 22", "night_from_hour: 99", "the threshold night_from_hour may not be above 24"),
        ("S7", "share: 0.2", "share: 2", "the threshold share may not be above 1"),
        ("S7", "{hits} of {of}", "{hits} of {peer_of}", "there is no peer_of"),
        (
            "D37",
            'prefixes: ["image:", "file:", "recording:", "rec:", "rec-"]',
            "prefixes: 5",
            "must be a list of words",
        ),
    ],
)
def test_a_shipped_rule_changed_beyond_its_bounds_is_refused_at_its_line(tmp_path, file, old, new, said):
    text = (SHIPPED / f"{file}.yaml").read_text(encoding="utf-8")
    assert old in text
    line = text[: text.index(old)].count("\n") + 1
    (tmp_path / f"{file}.yaml").write_text(text.replace(old, new), encoding="utf-8")
    problems = refused(load_detectors, tmp_path)
    assert any(at == line and said in en for at, en in problems), problems


def test_a_statistic_without_a_query_cannot_be_added(tmp_path):
    text = (SHIPPED / "S1.yaml").read_text(encoding="utf-8").replace("rule: S1", "rule: S90")
    (tmp_path / "S90.yaml").write_text(text, encoding="utf-8")
    assert refused(load_detectors, tmp_path) == [(1, "S90 has no query: a statistical rule may be changed, not added")]


def test_gates_without_values_are_refused(tmp_path):
    (tmp_path / "gates.yaml").write_text(
        "values:\nclauses: [D-DETECT]\nlast_verified_on: 2026-11-26\n", encoding="utf-8"
    )
    assert [line for line, _ in refused(load_detectors, tmp_path)] == [1]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("earlier(completed, started)", "completed > 3", "P04: must be a moment, found a number"),
        ('when: "ABS(moved) > :days"', 'when: "moved"', "P02: must be a condition, found a number"),
        ("days_between(was, now)", "days_between(ref, now)", "P02: must be a moment, found a text"),
        ("{moved:number} 日", "{moved} 日", "{moved}: the fact cannot be said so"),
        ("of: [screening_study.complete]", "of: [screening.complete]", "there is no kind of record screening.complete"),
        ("rule: P02", "rule: P01", "rule P01 is given twice"),
        ("closes: [synchronisation.complete]", "closes: [closing.complete]", "no kind of record closing.complete"),
    ],
)
def test_a_process_that_could_not_run_is_refused_at_its_line(tmp_path, old, new, said):
    text = (PROCESSES / "ercot.yaml").read_text(encoding="utf-8")
    assert old in text
    line = text[: text.index(old)].count("\n") + 1
    path = tmp_path / "mine.yaml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    problems = refused(load_process, path)
    assert any(at == line and said in en for at, en in problems), problems


def test_a_load_is_of_records(tmp_path):
    text = (
        (PROCESSES / "ercot.yaml")
        .read_text(encoding="utf-8")
        .replace('    when: "earlier(c', '    load: 5\n    when: "earlier(c')
    )
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    assert [en for _, en in refused(load_process, path)] == ["P04: load is for a rule with each"]
