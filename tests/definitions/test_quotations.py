"""Every quotation of the ledger is the regulator's wording, up to blanks and the listed slips of the scan."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from definitions._loader import SHIPPED
from tests.from_yaml import from_yaml

FIXTURE = from_yaml(Path(__file__).parent / "data/source_excerpt.yaml")
CLAUSES = from_yaml(SHIPPED / "clauses.yaml")
QUOTED = [code for code in CLAUSES["clauses"] if re.match(r"[LI]\d", code)]
SOURCE = Path(__file__).parents[3] / "shared/source/任务台账-2021-03-29.txt"


def closed_up(text: str) -> str:
    return re.sub(r"\s+", "", text)


def read_text(code: str) -> str:
    text = closed_up(FIXTURE["excerpts"][code])
    for repair in FIXTURE["repairs"]:
        if repair["clause"] == code:
            assert repair["found"] in text, f"repair of {code} repairs nothing"
            text = text.replace(repair["found"], repair["read"])
    return text


@pytest.mark.parametrize("code", QUOTED)
def test_quotation_is_the_wording_of_the_source(code):
    assert closed_up(CLAUSES["clauses"][code]["quote"]) in read_text(code)


@pytest.mark.parametrize("code", QUOTED)
def test_item_number_and_source_follow_from_the_id(code):
    clause = CLAUSES["clauses"][code]
    series, number = code[0], code[1:]
    source, item = {"L": ("LEDGER", "任务台账第 {} 项"), "I": ("INDICATORS", "指标第 {} 项")}[series]
    assert (clause["source"], clause["item"]) == (source, item.format(number))


def test_every_excerpt_serves_a_clause_and_every_repair_an_excerpt():
    assert set(FIXTURE["excerpts"]) == set(QUOTED)
    assert {repair["clause"] for repair in FIXTURE["repairs"]} <= set(QUOTED)


@pytest.mark.skipif(not SOURCE.is_file(), reason="the regulator's text is not beside this checkout")
@pytest.mark.parametrize("code", QUOTED)
def test_excerpt_is_a_true_copy(code):
    assert closed_up(FIXTURE["excerpts"][code]) in closed_up(SOURCE.read_text(encoding="utf-8"))


@pytest.mark.parametrize("code", [code for code in CLAUSES["clauses"] if code[0] in "SD"])
def test_other_grounds_name_their_kind_of_source(code):
    kind = CLAUSES["sources"][CLAUSES["clauses"][code]["source"]]["kind"]
    assert kind in {"S": ("public", "weak"), "D": ("project",)}[code[0]]
