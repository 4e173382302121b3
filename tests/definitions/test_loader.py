"""What the loader refuses: each fault with file, line and a sentence in both languages, and all of them at once."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from definitions._files import CLASS_FILE, FILES, REGION_FILE, schemas
from definitions._loader import SHIPPED
from definitions.book import DefinitionError, check, load
from definitions.schemas.__main__ import texts
from tests.from_yaml import from_yaml

VERIFIED = "last_verified_on: 2026-11-23"
LIMIT = "limit: {values: {2021-01-01: 5}, clauses: [L4, I6, D-IN-FORCE], last_verified_on: 2026-11-23}"
LV_OTHER_PLAN = "limit: {values: {2021-01-01: 3}, clauses: [I3, L3, D-IN-FORCE], last_verified_on: 2026-11-23}"

SHAPE = [
    # file, schema, old, new, line after the old one, words of the message
    ("classes/residential.yaml", "class", "voltage: low", "voltage: low\ncolour: red", 1, "unknown key colour"),
    ("classes/residential.yaml", "class", "voltage: low", "voltage: medium", 0, "one of low | high"),
    ("classes/residential.yaml", "class", LIMIT, LIMIT.replace(": 5}", ': "5"}'), 0, "whole number"),
    ("classes/residential.yaml", "class", LIMIT, LIMIT.replace(": 5}", ": 5.5}"), 0, "whole number"),
    ("classes/residential.yaml", "class", LIMIT, LIMIT.replace(": 5}", ": -5}"), 0, "below 0"),
    ("classes/residential.yaml", "class", LIMIT, LIMIT.replace(": 5}", ": null}"), 0, "whole number"),
    ("classes/residential.yaml", "class", LIMIT, LIMIT.replace("{2021-01-01: 5}", "{}"), 0, "at least one"),
    ("classes/residential.yaml", "class", LIMIT, LIMIT.replace("2021-01-01", "2021"), 0, "a date"),
    ("classes/residential.yaml", "class", LIMIT, LIMIT.replace("clauses: [L4, I6, D-IN-FORCE], ", ""), 0,
     "clauses is missing"),
    ("classes/residential.yaml", "class", LIMIT, LIMIT.replace("[L4, I6, D-IN-FORCE]", "[]"), 0, "at least 1"),
    ("classes/residential.yaml", "class", LIMIT, LIMIT.replace("L4, I6", "page 4"), 0, "clause id"),
    ("classes/residential.yaml", "class", LIMIT, LIMIT.replace(f", {VERIFIED}", ""), 0, "last_verified_on is missing"),
    ("classes/residential.yaml", "class", LIMIT, "limit: 5", 0, "must be a mapping"),
    ("classes/residential.yaml", "class", "closed_steps: {values: {2021-01-01: true}",
     "closed_steps: {values: {2021-01-01: false}", 0, "must be true"),
    ("counting.yaml", "counting", '"08:30"', '"24:30"', 0, "a time"),
    ("counting.yaml", "counting", "strict", "sometimes", 0, "strict | deemed"),
    ("chaining.yaml", "chaining", "0.2", "20", 0, "above 1"),
    ("notices.yaml", "notices", "[wechat, sms, app, online]", "[wechat, wechat]", 0, "listed twice"),
    ("classification.yaml", "classification", "customer_kind: residential", "colour: red", 0, "unknown key colour"),
    ("later_instruments.yaml", "later_instruments", "values: {}\n    clauses: [S-RULES-2024]",
     "values: {limit: 3}\n    clauses: [S-RULES-2024]", 0, "unknown key limit"),
    ("roles.yaml", "roles", "commands: []", "commands: none", 0, "must be a list"),
    ("documents.yaml", "documents", "- {code: passport, name: {zh: 护照, en: Passport}", "- {code: passport", 0,
     "name is missing"),
]  # fmt: skip

BETWEEN = [
    ("classes/residential.yaml", "voltage: low", "voltage: low\nvoltage: low", 1, "duplicate key voltage"),
    ("classes/residential.yaml", LIMIT, LIMIT.replace("2021-01-01: 5", "2021-01-01: 5, 2021-01-01: 4"), 0,
     "duplicate key 2021-01-01"),
    ("classes/residential.yaml", LIMIT, LIMIT.replace("2021-01-01: 5", "2022-01-01: 5, 2021-01-01: 4"), 0,
     "must come after 2022-01-01"),
    ("classes/residential.yaml", LIMIT, LIMIT.replace("2021-01-01: 5", "2021-02-30: 5"), 0, "no day 2021-02-30"),
    ("classes/residential.yaml", LIMIT, LIMIT.replace("2021-01-01: 5", "2021-06-01: 5"), 0, "a gap"),
    ("classes/residential.yaml", LIMIT, LIMIT.replace("2021-01-01: 5", "2020-01-01: 5"), 0, "before it can apply"),
    ("classes/residential.yaml", LIMIT, LIMIT.replace("L4", "L99"), 0, "no clause L99"),
    ("classes/residential.yaml", LIMIT, LIMIT.replace("[L4, I6, D-IN-FORCE]", "{2022-01-01: [L4]}"), 0,
     "value of 2021-01-01 has no clause"),
    ("classes/residential.yaml", LIMIT, LIMIT.replace("[L4, I6, D-IN-FORCE]", "{2021-01-01: [L4], 2022-01-01: [L5]}"),
     0, "2022-01-01 has a clause and no value"),
    ("classes/lv_other.yaml", LV_OTHER_PLAN, LV_OTHER_PLAN.replace("2021-01-01", "2021-07-01"), 0, "a gap"),
    ("classes/lv_other.yaml", f"    {LV_OTHER_PLAN}\n", "", 0, "has no limit"),
    ("classes/lv_other.yaml", "[acceptance, supply_plan, metering]", "[acceptance, metering]", 13, "never on the path"),
    ("classes/lv_other.yaml", "[acceptance, supply_plan, metering]", "[acceptance, supply_plan, survey, metering]", 0,
     "survey is on the path but not described"),
    ("classes/lv_other.yaml", "[acceptance, supply_plan, metering]", "[supply_plan, acceptance, metering]", 0,
     "first step must be acceptance"),
    ("classes/hv_single.yaml", "[completion_report]", "[completion_report, photograph]", 0, "no photograph"),
    ("classes/hv_dual.yaml", "[high_reliability_fee]", "[installation_fee]", 0, "no installation_fee"),
    ("counting.yaml", 'opens: {values: {2021-01-01', 'opens: {values: {2021-03-01', 0, "a gap"),
    ("documents.yaml", "aliases: [中国护照, 外国护照]", "aliases: [不动产权证]", 15, "means both"),
    ("classification.yaml", "then: hv_dual", "then: hv_triple", -1, "no class hv_triple"),
    ("classification.yaml", "$low_voltage_kw}, enterprise_size: null", "$high_kw}, enterprise_size: null", 0,
     "no threshold $high_kw"),
    ("classification.yaml", "        then: hv_dual\n", "", -1, "row 4 needs"),
    ("notices.yaml", "en: The three-zeros and three-savings policy}\n    at_step: acceptance",
     "en: The three-zeros and three-savings policy}\n    at_step: survey", 4, "unknown step"),
    ("clauses.yaml", "L1: {source: LEDGER", "L1: {source: LEGDER", None, "unknown source LEGDER"),
    ("steps.yaml", "[design_review, mid_inspection]", "[design_review, survey]", 0, "no survey"),
    ("steps.yaml", "waivable:", "waivable: [", None, "YAML syntax error"),
]  # fmt: skip


def plain(path: Path) -> object:
    """A YAML file as JSON would hold it: dates as text."""
    loader = yaml.SafeLoader(path.read_text(encoding="utf-8"))

    def build(node: yaml.Node | None) -> object:
        if isinstance(node, yaml.MappingNode):
            return {key.value: build(value) for key, value in node.value}
        if isinstance(node, yaml.SequenceNode):
            return [build(item) for item in node.value]
        if isinstance(node, yaml.ScalarNode) and node.tag.endswith(":timestamp"):
            return node.value
        return None if node is None else loader.construct_object(node)

    return build(loader.get_single_node())


def errors(schema: str, path: Path) -> list[str]:
    validator = jsonschema.Draft202012Validator(
        schemas()[schema], format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    )
    return [error.message for error in validator.iter_errors(plain(path))]


@pytest.mark.parametrize("case", SHAPE, ids=lambda case: f"{case[0]}: {case[5]}")
def test_a_file_of_the_wrong_shape_is_refused_by_loader_and_schema(data, edit, case):
    file, schema, old, new, below, words = case
    line = edit(file, old, new)
    problems = [problem for problem in check(data) if words in problem.en]
    assert problems, check(data)
    assert (problems[0].mark.file, problems[0].mark.line) == (file, line + below)
    assert errors(schema, data / file)


@pytest.mark.parametrize("case", BETWEEN, ids=lambda case: f"{case[0]}: {case[4]}")
def test_a_fault_that_only_the_loader_sees(data, edit, case):
    file, old, new, below, words = case
    line = edit(file, old, new)
    problems = [problem for problem in check(data) if words in problem.en]
    assert problems, check(data)
    assert problems[0].mark.file == file
    assert below is None or problems[0].mark.line == line + below


def test_shipped_data_are_sound_and_fit_their_schemas():
    assert check() == ()
    for path in SHIPPED.glob("*.yaml"):
        assert errors(path.stem, path) == [], path.name
    for path in (SHIPPED / "classes").glob("*.yaml"):
        assert errors("class", path) == [], path.name


def test_published_schemas_are_those_of_the_loader():
    folder = Path(str(SHIPPED)).parent / "schemas"
    assert {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.json")} == texts()
    for schema in schemas().values():
        jsonschema.Draft202012Validator.check_schema(schema)


def test_what_a_schema_says_once_holds_wherever_it_is_meant():
    def whole(part: Any, shared: dict[str, Any]) -> Any:
        if isinstance(part, list):
            return [whole(one, shared) for one in part]
        if not isinstance(part, dict):
            return part
        if "$ref" in part:
            return whole(shared[part["$ref"].removeprefix("#/$defs/")], shared)
        return {name: whole(one, shared) for name, one in part.items()}

    for name, schema in schemas().items():
        shape = {"class": CLASS_FILE, "region": REGION_FILE, **FILES}[name]
        for head in ("$schema", "title"):
            schema.pop(head)
        assert whole(schema, schema.pop("$defs", {})) == shape.schema(), name


def test_all_faults_are_told_together_in_order_and_in_both_languages(data, edit):
    edit("classes/residential.yaml", "voltage: low", "voltage: low\ncolour: red")
    edit("counting.yaml", "strict", "sometimes")
    edit(
        "late.yaml",
        "client_ahead_seconds: {values: {2021-01-01: 120}",
        "client_ahead_seconds: {values: {2021-01-01: x}",
    )
    with pytest.raises(DefinitionError) as refused:
        load(data)
    assert [problem.mark.file for problem in refused.value.problems] == [
        "classes/residential.yaml", "counting.yaml", "late.yaml",
    ]  # fmt: skip
    for line in str(refused.value).splitlines():
        assert " / " in line


def test_two_files_may_not_define_one_class(data):
    shutil.copy(data / "classes/residential.yaml", data / "classes/zz.yaml")
    (problem,) = check(data)
    assert (problem.mark.file, problem.en) == (
        "classes/zz.yaml", "class residential is defined in classes/residential.yaml",
    )  # fmt: skip


def test_a_stray_or_missing_or_empty_file_is_named(data):
    (data / "extras.yaml").write_text("a: 1\n")
    (data / "late.yaml").unlink()
    (data / "chaining.yaml").write_text("")
    (data / "counting.yaml").write_bytes(b"\xff\xfe\x00")
    told = {problem.mark.file: problem.en for problem in check(data)}
    assert told == {
        "extras.yaml": "unknown file",
        "late.yaml": "this file is missing",
        "chaining.yaml": "the file is empty",
        "counting.yaml": "the file is not UTF-8",
    }


def test_an_alias_loop_is_refused_and_not_followed(data):
    (data / "late.yaml").write_text("working_days: &a [*a]\n")
    assert any("must be a mapping" in problem.en for problem in check(data))


def test_every_number_of_the_book_has_a_ground_and_a_day_of_checking():
    """Walks the shipped files without the loader: numbers stand in dated values, or are a kV bound."""

    def numbers(value: object, path: tuple[str, ...]) -> list[tuple[str, ...]]:
        if isinstance(value, dict):
            if "values" in value and "clauses" in value and "last_verified_on" in value:
                return []
            return [found for key, inner in value.items() for found in numbers(inner, (*path, str(key)))]
        if isinstance(value, list):
            return [found for inner in value for found in numbers(inner, path)]
        return [path] if isinstance(value, int | float) and not isinstance(value, bool) else []

    bare = {
        path
        for file in [*SHIPPED.glob("*.yaml"), *(SHIPPED / "classes").glob("*.yaml")]
        for path in numbers(from_yaml(file), (file.stem,))
    }
    assert bare == {("approvals", "approvals", "high_up_to_20kv", "max_kv")}  # the row the limit of 10 days belongs to
