"""Regional rules may only tighten: by subject, over the whole time line, under every level above."""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from definitions.book import DefinitionError, check, load
from tests.definitions.overlays import dated, nested, write

PROVINCE, CITY, COUNTY = "420000", "420100", "420102"
INSPECTIONS = ["design_review", "mid_inspection", "completion_inspection"]


def told(root: Path) -> list[str]:
    return [problem.en for problem in check(None, root)]


# One row per subject: a path, a value that tightens the national one of 2024, and one that loosens it.
SUBJECTS: list[tuple[str, Any, Any]] = [
    ("classes.residential.total.limit", 3, 6),
    ("classes.lv_zero.total.limit", 15, 16),
    ("classes.hv_dual.total.limit", 28, 33),
    ("classes.residential.total.deductible", [], None),
    ("classes.hv_single.total.rounds", "all", "last"),
    ("classes.lv_other.steps.supply_plan.limit", 2, 4),
    ("classes.residential.steps.acceptance.limit", 1, None),  # the nation limits the whole process only
    ("classes.hv_single.steps.acceptance.documents", ["identity"], ["identity", "completion_report"]),
    ("classes.hv_single.steps.supply_plan.documents", [], ["design_documents"]),
    ("classes.hv_single.steps.mid_inspection.required_for", "important_customers", None),
    ("classes.hv_dual.charges.catalogue", [], None),
    ("classes.residential.charges.catalogue", [], ["high_reliability_fee"]),
    ("classes.lv_other.charges.zero_investment", True, None),
    ("classes.residential.charges.zero_investment", True, False),
    ("classification.zero_investment_kw.urban", 200, 159),
    ("classification.zero_investment_kw.rural", 160, 100),
    ("classification.zero_investment_sizes", ["micro", "small", "medium"], ["micro"]),
    ("classification.low_voltage_kw", 200, 100),
    ("approvals.low.limit", 3, 6),
    ("approvals.high_up_to_20kv.limit", 5, 11),
    ("approvals.high_above_20kv.limit", 20, None),  # no national limit to be looser than
    ("late.working_days", 0, 2),
    ("late.by_source.field_terminal", 2, 4),
    ("late.by_source.customer_app", 1, 2),  # without a bound of its own it is held to the general one
    ("late.client_ahead_seconds", 60, 121),
    ("counting.rest_day_submission", "strict", "deemed"),
]


@pytest.mark.parametrize(("path", "tight", "_"), SUBJECTS, ids=[row[0] for row in SUBJECTS])
def test_a_tighter_value_is_taken(tmp_path, path, tight, _):
    assert told(write(tmp_path, PROVINCE, nested(path, dated({"2024-01-01": tight})))) == []


LOOSE = [row for row in SUBJECTS if row[2] is not None]


@pytest.mark.parametrize(("path", "_", "loose"), LOOSE, ids=[row[0] for row in LOOSE])
def test_a_looser_value_is_refused_with_both_clauses_and_its_line(tmp_path, path, _, loose):
    problems = check(None, write(tmp_path, PROVINCE, nested(path, dated({"2024-01-01": loose}))))
    assert problems
    for problem in problems:
        assert "looser" in problem.en
        assert f"R{PROVINCE}-rules" in problem.en
        assert any(mark in problem.en for mark in ("L", "I", "D-"))
        assert problem.mark.file.endswith("420000/rules.yaml")
        written = (tmp_path / PROVINCE / "rules.yaml").read_text(encoding="utf-8").splitlines()[problem.mark.line - 1]
        assert "2024-01-01" in written or written.lstrip().startswith("-")


def test_the_whole_time_line_is_checked_not_only_the_day_it_begins(tmp_path):
    """18 days is tighter than 20 in 2022 and looser than 15 in 2023."""
    root = write(tmp_path, PROVINCE, nested("classes.lv_zero.total.limit", dated({"2022-01-01": 18})))
    (sentence,) = told(root)
    assert sentence.startswith("from 2023-01-01 it is 18")
    assert "looser than 15 (L6, I34" in sentence


def test_a_value_of_before_the_national_rules_is_held_to_them_from_their_first_day(tmp_path):
    root = write(tmp_path, PROVINCE, nested("classes.residential.total.limit", dated({"2019-01-01": 8})))
    assert [sentence[:30] for sentence in told(root)] == ["from 2021-01-01 it is 8 (R4200"]


def test_a_city_stands_under_its_province_and_a_county_under_both(tmp_path):
    write(tmp_path, PROVINCE, nested("classes.residential.total.limit", dated({"2022-01-01": 4, "2024-01-01": 3})))
    write(tmp_path, COUNTY, nested("classes.residential.total.limit", dated({"2023-01-01": 4}, COUNTY)))
    (sentence,) = told(tmp_path)
    assert sentence.startswith("from 2024-01-01 it is 4")
    assert "looser than 3 (R420000-rules)" in sentence
    write(tmp_path, COUNTY, nested("classes.residential.total.limit", dated({"2023-01-01": 2}, COUNTY)))
    book = load(None, tmp_path)
    limits = {
        region: book.resolve(on=dt.date(2024, 6, 1), user_class="residential", region=region).total.limit
        for region in ("000000", "110000", PROVINCE, CITY, COUNTY, "420103")
    }
    assert limits == {"000000": 5, "110000": 5, PROVINCE: 3, CITY: 3, COUNTY: 2, "420103": 3}


def test_falling_back_is_allowed_for_a_limit(tmp_path):
    values = dated({"2022-01-01": 3, "2023-01-01": "inherit"})
    book = load(None, write(tmp_path, PROVINCE, nested("classes.residential.total.limit", values)))
    days = {day: book.resolve(on=day, user_class="residential", region=PROVINCE) for day in
            (dt.date(2021, 6, 1), dt.date(2022, 6, 1), dt.date(2023, 6, 1))}  # fmt: skip
    assert [definition.total.limit for definition in days.values()] == [5, 3, 5]
    assert [definition.regions for definition in days.values()] == [("000000",), ("000000", PROVINCE), ("000000",)]


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("classification.zero_investment_kw.urban", {"2022-01-01": 200, "2024-01-01": "inherit"}),
        ("classification.zero_investment_kw.urban", {"2022-01-01": 250, "2024-01-01": 200}),
        ("classification.zero_investment_kw.urban", {"2021-01-01": 200, "2021-07-01": None, "2022-01-01": 200}),
        ("classification.zero_investment_kw.rural", {"2021-01-01": 200, "2022-06-01": "inherit"}),
        ("classification.zero_investment_sizes",
         {"2022-01-01": ["micro", "small", "medium"], "2024-01-01": ["micro", "small"]}),
        ("classes.lv_other.charges.zero_investment", {"2022-01-01": True, "2024-01-01": "inherit"}),
    ],
)  # fmt: skip
def test_zero_investment_once_promised_never_shrinks(tmp_path, path, values):
    sentences = told(write(tmp_path, PROVINCE, nested(path, dated(values))))
    assert sentences
    assert all("L36" in sentence for sentence in sentences)


def test_a_promise_of_2021_is_taken_and_reaches_the_classification(tmp_path):
    rules = nested("classification.zero_investment_kw.urban", dated({"2020-07-01": 100, "2022-01-01": 160}))
    book = load(None, write(tmp_path, PROVINCE, rules))
    here = book.classification(on=dt.date(2021, 6, 1), region=CITY)
    assert here.zero_investment_kw == {"urban": 100, "rural": None}
    assert any(row.then == "lv_zero" and "R420000-rules" in row.clauses for row in here.rows)
    assert book.classification(on=dt.date(2021, 6, 1), region="110000").zero_investment_kw["urban"] is None


# ---- waivers and mergers ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["acceptance", "supply_plan", "completion_inspection", "metering"])
def test_only_design_review_and_mid_inspection_may_be_waived(tmp_path, step):
    path = f"classes.hv_single.steps.{step}.required_for"
    sentences = told(write(tmp_path, PROVINCE, nested(path, dated({"2024-01-01": "important_customers"}))))
    assert any("never waived" in sentence and "D-WAIVER" in sentence for sentence in sentences)


def merged(*parts: str, limit: int | None = None) -> dict[str, Any]:
    group = {"name": {"zh": "外线施工及接电", "en": "Works and energising"}, "parts": list(parts)}
    return group if limit is None else {**group, "limit": limit}


def merge(groups: list[dict[str, Any]], region: str = PROVINCE, day: str = "2024-01-01") -> dict[str, Any]:
    return nested("classes.hv_single.merge", dated({day: groups}, region))


def test_three_merged_steps_keep_every_document_and_the_completion_inspection(tmp_path):
    book = load(None, write(tmp_path, PROVINCE, merge([merged(*INSPECTIONS, "metering", limit=8)])))
    *_, works = book.resolve(on=dt.date(2024, 2, 1), user_class="hv_single", region=CITY).steps
    assert (works.code, works.limit, works.starts, works.required_for) == ("metering", 8, "hand_in", "all")
    assert works.name.zh == "外线施工及接电"
    assert works.parts == (*INSPECTIONS, "metering")
    assert [document.kind for document in works.documents] == [
        "designer_qualification", "design_documents", "contractor_qualification", "concealed_works_records",
        "completion_report",
    ]  # fmt: skip
    assert {"R420000-rules", "I4"} <= set(works.clauses)
    before = book.resolve(on=dt.date(2023, 12, 31), user_class="hv_single", region=CITY)
    assert len(before.steps) == 6


def test_without_a_limit_of_its_own_a_merged_step_has_the_sum_of_its_parts(tmp_path):
    book = load(None, write(tmp_path, PROVINCE, merge([merged(*INSPECTIONS, "metering")])))
    assert book.resolve(on=dt.date(2024, 2, 1), user_class="hv_single", region=CITY).steps[-1].limit == 3 + 2 + 3 + 3


@pytest.mark.parametrize(
    ("groups", "words"),
    [
        ([merged("design_review", "completion_inspection")], "neighbours"),
        ([merged("mid_inspection", "design_review")], "neighbours"),
        ([merged("acceptance", "supply_plan")], "without acceptance"),
        ([merged("metering", "survey")], "neighbours"),
        ([merged("design_review", "mid_inspection"), merged("mid_inspection", "completion_inspection")], "each once"),
        ([merged("design_review", "mid_inspection", limit=6)], "longer than its parts together, 5"),
    ],
)
def test_a_merger_that_is_none_is_refused(tmp_path, groups, words):
    (sentence,) = told(write(tmp_path, PROVINCE, merge(groups)))
    assert words in sentence


def test_a_city_may_not_take_apart_nor_lengthen_what_its_province_merged(tmp_path):
    write(tmp_path, PROVINCE, merge([merged(*INSPECTIONS, "metering", limit=8)]))
    write(tmp_path, CITY, merge([merged("design_review", "mid_inspection", limit=3)], CITY, "2024-06-01"))
    assert any("may not be taken apart" in sentence for sentence in told(tmp_path))
    write(tmp_path, CITY, merge([], CITY, "2024-06-01"))
    assert any("may not be taken apart" in sentence for sentence in told(tmp_path))
    write(tmp_path, CITY, merge([merged(*INSPECTIONS, "metering", limit=9)], CITY, "2024-06-01"))
    (sentence,) = told(tmp_path)
    assert "longer than its parts together, 8" in sentence
    write(tmp_path, CITY, merge([merged("supply_plan", *INSPECTIONS, "metering", limit=18)], CITY, "2024-06-01"))
    assert told(tmp_path) == []


def test_a_waived_part_inside_a_merged_step_does_not_waive_the_rest(tmp_path):
    rules = merge([merged("mid_inspection", "completion_inspection")])
    rules["classes"]["hv_single"]["steps"] = {
        "mid_inspection": {"required_for": dated({"2024-01-01": "important_customers"})}
    }
    book = load(None, write(tmp_path, PROVINCE, rules))
    step = book.resolve(on=dt.date(2024, 2, 1), user_class="hv_single", region=PROVINCE).steps[3]
    assert (step.code, step.required_for, step.waivable) == ("completion_inspection", "all", False)


def test_a_city_may_not_take_back_by_merging_what_its_province_waives(tmp_path):
    """Ordinary customers have 3 + 3 working days and the papers of two steps; with the waived inspection they would
    have 3 + 2 + 3 and its papers too. Merged without either, or merging only what all are asked for, it is tighter."""
    waived = nested("classes.hv_single.steps.mid_inspection.required_for", dated({"2024-01-01": "important_customers"}))
    write(tmp_path, PROVINCE, waived)
    write(tmp_path, CITY, merge([merged(*INSPECTIONS)], CITY, "2024-06-01"))
    (sentence,) = told(tmp_path)
    assert "spared [mid_inspection] (I4," in sentence
    assert "R420000-rules" in sentence
    assert "(R420100-rules)" in sentence
    write(tmp_path, CITY, merge([merged(*INSPECTIONS, limit=6)], CITY, "2024-06-01"))
    assert len(told(tmp_path)) == 1  # no longer, but with more papers
    rules = merge([merged(*INSPECTIONS, limit=6)], CITY, "2024-06-01")
    no_papers = nested("classes.hv_single.steps.mid_inspection.documents", dated({"2024-06-01": []}, CITY))
    rules["classes"]["hv_single"] |= no_papers["classes"]["hv_single"]
    write(tmp_path, CITY, rules)
    assert told(tmp_path) == []
    write(tmp_path, CITY, merge([merged("completion_inspection", "metering")], CITY, "2024-06-01"))
    assert told(tmp_path) == []


# ---- the files themselves --------------------------------------------------------------------------------------------


def test_two_files_of_a_region_are_read_together_but_may_not_say_the_same(tmp_path):
    write(tmp_path, PROVINCE, nested("classes.residential.total.limit", dated({"2024-01-01": 3})))
    write(tmp_path, PROVINCE, nested("approvals.low.limit", dated({"2024-01-01": 3}, stem="more")), "more")
    book = load(None, tmp_path)
    definition = book.resolve(on=dt.date(2024, 2, 1), user_class="residential", region=PROVINCE)
    assert (definition.total.limit, definition.approvals[0].limit) == (3, 3)
    write(tmp_path, PROVINCE, nested("classes.residential.total.limit", dated({"2025-01-01": 2}, stem="more")), "more")
    (sentence,) = told(tmp_path)
    assert "classes.residential.total.limit is already defined" in sentence


@pytest.mark.parametrize(
    ("folder", "rules", "words"),
    [
        ("420000", nested("classes.residential.colour", 1), "unknown key colour"),
        ("420000", nested("classes.commercial.total.limit", dated({"2024-01-01": 3})), "there is no national"),
        ("420000", nested("approvals.underground.limit", dated({"2024-01-01": 3})), "there is no national"),
        ("420000", nested("classes.residential.steps.acceptance.documents", dated({"2024-01-01": ["photo"]})),
         "no photo"),
        ("420000", {"region": "110000"}, "the file says 110000"),
        ("42", {}, "name the folder"),
        ("420000", {"clauses": {"L1": {"source": "LEDGER", "item": "1", "quote": "x"}}}, "unknown key L1"),
        ("420000", {"clauses": {"R110000-x": {"source": "LEDGER", "item": "1", "quote": "x"}}}, "must begin with"),
        ("420000", nested("classes.residential.total.limit", {"values": {dt.date(2024, 1, 1): 3}}), "is missing"),
    ],
)  # fmt: skip
def test_a_faulty_file_is_refused(tmp_path, folder, rules, words):
    sentences = told(write(tmp_path, folder, rules))
    assert any(words in sentence for sentence in sentences), sentences


def test_a_folder_that_is_not_there_is_said_so(tmp_path):
    assert told(tmp_path / "nowhere") == ["there is no such folder"]
    with pytest.raises(DefinitionError):
        load(None, tmp_path / "nowhere")


# ---- accepted if and only if a naive reading says tighter ------------------------------------------------------------

DAYS = [dt.date(2021 + month // 12, month % 12 + 1, 1) for month in range(0, 60, 3)]

NATIONAL: dict[str, Callable[[dt.date], int]] = {
    "classes.lv_zero.total.limit": lambda day: 25 if day.year < 2022 else 20 if day.year < 2023 else 15,
    "classes.hv_single.steps.supply_plan.limit": lambda _: 10,
    "classification.zero_investment_kw.rural": lambda day: 0 if day.year < 2022 else 100 if day.year < 2023 else 160,
}
RISING = "classification.zero_investment_kw.rural"

STEPS = st.dictionaries(st.sampled_from(DAYS), st.integers(1, 30), min_size=1, max_size=3)
KILOWATTS = st.dictionaries(st.sampled_from(DAYS), st.sampled_from([50, 100, 160, 200, 250]), min_size=1, max_size=3)


def value_on(values: dict[dt.date, int], day: dt.date) -> int | None:
    begun = [start for start in values if start <= day]
    return values[max(begun)] if begun else None


def naive(path: str, province: dict[dt.date, int], city: dict[dt.date, int]) -> bool:
    """Day by day, by hand: never looser than above, and zero investment never below yesterday's."""
    days = [dt.date(2021, 1, 1) + dt.timedelta(days=n) for n in range(5 * 365 + 40)]
    yesterday: dict[str, int] = {}
    for day in days:
        nation = NATIONAL[path](day)
        above = nation
        for name, values in (("province", province), ("city", city)):
            own = value_on(values, day)
            if own is not None and (own < above if path == RISING else own > above):
                return False
            above = above if own is None else own
            if path == RISING and own is not None and above < yesterday.get(name, 0):
                return False
            yesterday[name] = above
    return True


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_random_overlays_are_taken_if_and_only_if_tighter(data):
    path = data.draw(st.sampled_from(sorted(NATIONAL)))
    values = KILOWATTS if path == RISING else STEPS
    province, city = data.draw(values), data.draw(values)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for region, drawn in ((PROVINCE, province), (CITY, city)):
            text = {day.isoformat(): drawn[day] for day in sorted(drawn)}
            write(root, region, nested(path, dated(text, region)))
        assert (check(None, root) == ()) == naive(path, province, city)
