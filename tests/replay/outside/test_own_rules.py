"""A user's own folder of rules, from the command line: off, re-weighted, another threshold, a new rule, a slip."""

from __future__ import annotations

import html

import pytest
from typer.testing import CliRunner

from definitions.detectors import SHIPPED
from tests.replay.outside.harness import History, read, replay
from workflow.cli import app

NEW = """
rule: D90
name: {zh: "未见用电", en: "No energy"}
tag: other
clauses: [D-DETECT]
needs: "submitted IS NOT NULL"
findings:
  - {severity: low, when: "energised AND energy_seen = 0", witness: [submitted]}
explanation: {zh: "{submitted} 受理的申请未见用电", en: "Of the case submitted at {submitted} no energy is seen"}
last_verified_on: 2026-11-26
"""


def _changed(rule: str, *pairs: tuple[str, str]) -> str:
    text = (SHIPPED / f"{rule}.yaml").read_text(encoding="utf-8")
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    return text


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("own")


@pytest.fixture(scope="module")
def answers(folder):
    rules = folder / "rules"
    rules.mkdir()
    files = {
        "D02": _changed("D02", ("needs:", "enabled: false\nneeds:")),
        "D04": _changed("D04", ("severity: high", "severity: low")),
        "D05": _changed("D05", ("severity: medium", "severity: critical")),
        "D06": _changed("D06", ("  days: 1", "  days: 9")),
        "D07": _changed("D07", ('needs: "', 'needs: "TRUE AND '), ('when: "', 'when: "TRUE AND ')),
        "S1": _changed("S1", ("severity: low", "severity: medium")),
        "D37": _changed("D37", ('["image:", "file:", "recording:", "rec:", "rec-"]', "[]")),  # no proofs
        "D90": NEW,
        "gates": "values: {tolerance_minutes: 40}\nclauses: [D-DETECT]\nlast_verified_on: 2026-11-26\n",
    }
    for name, text in files.items():
        (rules / f"{name}.yaml").write_text(text, encoding="utf-8")
    told = read("off_system")
    by_name = {one.name.strip(): one.case_id for one in told.told}
    answers = replay(folder, History(told.cases, told.events), "--rules", str(rules))
    return lambda name: (answers.said(by_name[name]), answers.verdicts[by_name[name]]["verdict"])


def test_the_report_names_everything_that_differs(answers, folder):
    """Switched off, re-weighted, another condition, another threshold, a new rule, a gate."""
    page = html.unescape((folder / "out" / "report.html").read_text(encoding="utf-8"))
    told = page.split("differs from the shipped rules</th><td>")[1].split("</td>")[0]
    assert [line.strip() for line in told.split("<br>") if line.strip()] == [
        "D02: 停用 switched off",
        "D04 severity: high, high → low, low",
        "D05 severity: medium → critical",
        "D06 days: 1 → 9",
        "D07: 改动 changed: needs, findings",
        "D37 prefixes: image:, file:, recording:, rec:, rec- → 无 none",
        "D90: 新规则 new",
        "S1 severity: low → medium",
        "gates tolerance_minutes: 15 → 40",
    ]


def test_a_rule_is_switched_off(answers):
    assert answers("fitted the day before") == ({}, "clear")


def test_a_rule_is_given_another_weight(answers):
    assert answers("contract before for the case") == ({"D04": "low"}, "notice")


def test_a_rule_that_never_convicts_alone_does_not_at_any_weight(answers):
    assert answers("drawn before") == ({"D05": "critical"}, "notice")


def test_a_threshold_is_changed(answers):
    assert answers("surveyed two days before") == ({}, "clear")


def test_one_gate_is_changed_and_the_others_stay(answers):
    assert answers("energised half an hour before on the day") == ({}, "clear")
    assert answers("energised the day before") == ({"D01": "critical"}, "suspected")


def test_a_new_rule_is_one_file(answers):
    assert answers("no record of energy") == ({"D90": "low"}, "notice")


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("D90", NEW.replace("energy_seen", "energy_sene"), "energy_sene"),
        ("D90", NEW.replace("severity", "severty"), "severty"),
        ("D91", NEW, "D91"),
        ("D90", NEW.replace("D-DETECT", "D-NOTHING"), "D-NOTHING"),
        ("D37", _changed("D37", ("  customers:", "  custmers:")), "customers"),
        ("S1", _changed("S1", ("  at_least:", "  at_lest:")), "at_least"),
        ("D37", _changed("D37", ('notices: ["NOTICE"]', "notices: 1")), "notices"),
        (
            "verdicts",
            "values: {only_with_others: 1}\nclauses: [D-VERDICT]\nlast_verified_on: 2026-11-26\n",
            "only_with_others",
        ),
    ],
)
def test_a_slip_is_named_with_its_file(tmp_path, name, text, says):
    (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "cases.csv").write_text("case_id\nA\n", encoding="utf-8")
    given = ["--cases", str(tmp_path / "cases.csv"), "--events", str(tmp_path / "cases.csv")]
    answer = CliRunner().invoke(app, ["replay", *given, "--rules", str(tmp_path), "--out", str(tmp_path / "out")])
    assert answer.exit_code != 0
    assert f"{name}.yaml" in answer.output
    assert says in answer.output


@pytest.mark.parametrize(("together", "verdict"), [(1, "suspected"), (2, "suspected"), (3, "notice")])
def test_how_many_high_findings_make_a_case_suspected(tmp_path, together, verdict):
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "verdicts.yaml").write_text(
        f"values: {{high_together: {together}}}\nclauses: [D-VERDICT]\nlast_verified_on: 2026-11-28\n", encoding="utf-8"
    )
    told = read("other")
    answers = replay(tmp_path, told, "--rules", str(tmp_path / "rules"))
    case_id = {one.name.strip(): one.case_id for one in told.told}["two high on different events"]
    assert answers.verdicts[case_id]["verdict"] == verdict
