"""The 38 indicators carry the regulator's words, up to blanks, full stops and the listed slips of the scan."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from definitions._files import MEASURES as NAMED
from definitions._loader import SHIPPED
from definitions.book import check, load
from workflow.reports.measures import MEASURES

SCAN = Path(__file__).parent / "data" / "annex_2_2_scan.txt"
SOURCE = Path(__file__).parents[3] / "shared/source/任务台账-2021-03-29.txt"
RULES = load().reports

SLIPS = (
    ("目录淸单", "目录清单"), ("将淸单", "将清单"), ("台嚴", "台账"), ("L按照", "1按照"), ("15H前", "15日前"),
    # The neighbouring column runs into the line.
    ("有效不能增加或变相增加额外资料身份", "有效身份"),
)  # fmt: skip
ALSO_THE_STANDARD_OF_14 = "不能增加或变相增加额外资料"


def closed_up(text: str) -> str:
    """Without blanks and full stops, which the scan gives as dots, bullets and degrees."""
    return re.sub(r"[\s.。•°]+", "", text)


def scanned() -> str:
    text = closed_up(SCAN.read_text(encoding="utf-8"))
    for found, meant in SLIPS:
        assert found in text, f"{found} repairs nothing"
        text = text.replace(found, meant)
    return text


def test_there_are_38_in_order():
    assert [rule.number for rule in RULES.indicators] == list(range(1, 39))


@pytest.mark.parametrize("rule", RULES.indicators, ids=lambda rule: rule.id)
def test_wording_is_that_of_the_annex(rule):
    for words in filter(None, (rule.content, rule.standard)):
        assert closed_up(words) in scanned() + ALSO_THE_STANDARD_OF_14


@pytest.mark.parametrize("rule", RULES.indicators, ids=lambda rule: rule.id)
def test_the_star_is_where_the_annex_has_it(rule):
    assert (f"*{rule.number}" in SCAN.read_text(encoding="utf-8").split()) is rule.starred


@pytest.mark.skipif(not SOURCE.is_file(), reason="the regulator's text is not beside this checkout")
def test_the_scan_is_a_true_copy():
    assert re.sub(r"\s+", "", SCAN.read_text(encoding="utf-8")) in re.sub(
        r"\s+", "", SOURCE.read_text(encoding="utf-8")
    )


def test_every_measure_of_the_data_has_its_function():
    assert {*MEASURES, "approvals", "reported"} == set(NAMED) == set(RULES.measures)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("cases: {user_class: [lv_other]}", "cases: {user_class: [lv_another]}", "I3: no user_class lv_another"),
        ("notice: hotlines", "notice: hotline", "I19: no notice hotline"),
        ("reported_by: price_authority", "reported_by: nobody", "I21: no reported_by nobody"),
        ("measure: steps", "measure: timing", "I8: the measure timing and at_most do not go together"),
        ("    notice: policy\n", "", "I36: the measure notice and notice do not go together"),
        ("{2022-01-01: 100}", "{2022-01-01: 100, 2023-01-01: 160}", "one date only"),
        ("measure: online", "measure: guesswork", "one of approvals | timing"),
        ("ledger: [L8]", "ledger: [L58]", "an item of the ledger"),
        ('"07-15"', '"02-30"', "a month and day"),
    ],
)
def test_a_fault_in_the_data_is_named(tmp_path, old, new, words):
    folder = tmp_path / "data"
    shutil.copytree(SHIPPED, folder)
    file = folder / "indicators.yaml"
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")
    assert any(words in problem.en and problem.mark.file == "indicators.yaml" for problem in check(folder)), check(
        folder
    )
