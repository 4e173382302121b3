"""`baozhuang definitions`: what a clerk sees, what a program reads, and exit codes."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from tests.definitions.overlays import dated, nested, write
from workflow.cli.definitions import app

runner = CliRunner()


@pytest.fixture(autouse=True)
def no_regions(monkeypatch):
    monkeypatch.delenv("BAOZHUANG_REGIONS", raising=False)


def test_check_of_sound_rules():
    ran = runner.invoke(app, ["check"])
    assert (ran.exit_code, ran.stdout) == (0, "规则完好 / the rules are sound\n")


def test_check_lists_every_fault_and_exits_1(data, edit):
    line = edit("classes/residential.yaml", "voltage: low", "voltage: low\ncolour: red") + 1
    edit("counting.yaml", "strict", "sometimes")
    ran = runner.invoke(app, ["check", "--directory", str(data)])
    assert ran.exit_code == 1
    first, second = ran.stdout.splitlines()
    assert first.startswith(f"classes/residential.yaml:{line}: ")
    assert second.startswith("counting.yaml:")
    ran = runner.invoke(app, ["check", "--directory", str(data), "--json"])
    assert ran.exit_code == 1
    told = json.loads(ran.stdout)
    assert (told[0]["file"], told[0]["line"]) == ("classes/residential.yaml", line)


def test_check_reads_the_detectors_too(data, edit, tmp_path):
    line = edit("detectors/D01.yaml", "tag: off_system", "tag: off_systm")
    ran = runner.invoke(app, ["check", "--directory", str(data)])
    assert ran.exit_code == 1
    assert ran.stdout.startswith(f"D01.yaml:{line}: tag: ")
    own = tmp_path / "own"
    own.mkdir()
    (own / "verdicts.yaml").write_text("values:\n  no_such_value: 1\n", encoding="utf-8")
    ran = runner.invoke(app, ["check", "--rules", str(own)])  # as a replay takes it
    assert ran.exit_code == 1
    assert "verdicts.yaml:1: 缺少 clauses" in ran.stdout


def test_check_names_a_loose_overlay_of_the_environment(tmp_path, monkeypatch):
    root = write(tmp_path, "420000", nested("classes.residential.total.limit", dated({"2024-01-01": 6})))
    monkeypatch.setenv("BAOZHUANG_REGIONS", str(root))
    ran = runner.invoke(app, ["check"])
    assert ran.exit_code == 1
    assert "looser than 5 (L4, I6, D-IN-FORCE)" in ran.stdout
    ran = runner.invoke(app, ["show", "residential"])
    assert ran.exit_code == 1
    assert "looser than 5" in ran.stderr


def test_show_in_a_pipe_is_plain_and_complete():
    ran = runner.invoke(app, ["show", "hv_dual", "--on", "2024-05-06"])
    assert ran.exit_code == 0
    assert "\x1b" not in ran.stdout
    assert ran.stdout.startswith("高压双电源 / High voltage, dual supply\n")
    (plan,) = [line for line in ran.stdout.splitlines() if line.startswith("供电方案答复 supply_plan")]
    assert plan.split("\t")[1] == "20"
    for words in ("32 个工作日", "竣工图纸", "高可靠性供电费", "12398", "低压 / low: 5", "仅需提供"):
        assert words in ran.stdout


def test_show_as_json_is_the_definition():
    ran = runner.invoke(app, ["show", "lv_zero", "--on", "2022-05-06", "--json"])
    found = json.loads(ran.stdout)
    assert (found["version"], found["total"]["limit"], found["in_force_to"]) == (
        "lv_zero-2022-01-01", 20, "2022-12-31",
    )  # fmt: skip


def test_show_for_a_region(tmp_path):
    root = write(tmp_path, "420000", nested("classes.residential.total.limit", dated({"2024-01-01": 3})))
    ran = runner.invoke(
        app, ["show", "residential", "--on", "2024-05-06", "--region", "420102", "--regions", str(root)]
    )
    assert "全过程 / whole process 3 个工作日" in ran.stdout
    assert "000000 > 420000" in ran.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["show", "commercial"], "no user class commercial"),
        (["show", "residential", "--on", "2020-12-31"], "rules begin on 2021-01-01"),
        (["show", "residential", "--on", "2024-02-30"], "there is no day 2024-02-30"),
        (["show", "residential", "--on", "20240506"], "is not a date"),
        (["show", "residential", "--region", "42"], "a region is six digits"),
        (["diff", "--class", "commercial"], "no user class commercial"),
    ],
)
def test_a_bad_question_gets_a_sentence_and_exit_2(arguments, words):
    ran = runner.invoke(app, arguments)
    assert ran.exit_code == 2
    assert words in ran.stderr
    assert "Traceback" not in ran.output


def test_diff_of_two_days():
    arguments = ["diff", "--class", "lv_zero", "--from", "2022-05-06", "--to", "2023-05-06"]
    ran = runner.invoke(app, arguments)
    assert ran.exit_code == 0
    assert "total.limit\t20\t15\tL5, I22" in ran.stdout
    changes = {
        change["path"]: change for change in json.loads(runner.invoke(app, [*arguments, "--json"]).stdout)["changes"]
    }
    assert (changes["total.limit"]["before"], changes["total.limit"]["after"]) == (20, 15)


def test_diff_of_two_regions(tmp_path):
    root = write(tmp_path, "420000", nested("classes.residential.total.limit", dated({"2024-01-01": 3})))
    ran = runner.invoke(
        app,
        ["diff", "--class", "residential", "--from", "2024-05-06", "--to", "2024-05-06", "--other-region", "420102",
         "--regions", str(root)],
    )  # fmt: skip
    assert "total.limit\t5\t3\t" in ran.stdout
    assert "1 处不同" in ran.stdout
