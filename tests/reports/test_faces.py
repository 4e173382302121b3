"""The tables over HTTP and on the command line."""

from __future__ import annotations

import json

import pytest
from fastapi.testclient import TestClient
from openpyxl import load_workbook
from pydantic import BaseModel
from typer.testing import CliRunner, Result

from tests.reports.conftest import ADMIN
from workflow.api.app import create_app
from workflow.api.reports import BenefitsShape, IndicatorsShape
from workflow.cli import app
from workflow.service.reports import report

SHAPES: dict[str, type[BaseModel]] = {"indicators": IndicatorsShape, "benefits": BenefitsShape}


@pytest.fixture
def http(first_half):
    key = first_half.service.create_key("nea", "inspector")["key"]
    client = TestClient(create_app(first_half.service), headers={"Authorization": f"Bearer {key}"})
    yield client
    client.close()


@pytest.mark.parametrize("kind", ["indicators", "benefits"])
def test_http_gives_the_table_in_its_shape(http, first_half, kind):
    answer = http.get(f"/api/v1/reports/{kind}", params={"period": "2026H1", "by": "city"})
    assert answer.status_code == 200, answer.text
    SHAPES[kind].model_validate_json(answer.content)
    body = answer.json()
    assert body["period"]["report_due_on"] == "2026-07-15"
    assert [group["key"] for group in body["groups"]] == ["420100"]
    if kind == "indicators":
        counted = report(first_half.service, ADMIN, kind, "2026H1")
        assert [item["met"] for item in body["items"]] == [item["met"] for item in counted["items"]]


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ({"period": "2026H2"}, 400, "malformed-request"),
        ({"period": "soon"}, 400, "malformed-request"),
        ({}, 400, "malformed-request"),
        ({"period": "2027"}, 400, "malformed-request"),
        ({"period": "2026H1", "by": "moon"}, 400, "malformed-request"),
        ({"period": "2026H1", "half": "1"}, 400, "malformed-request"),
        ({"period": "2026H1", "org": "nowhere"}, 422, "unknown-org"),
    ],
)
def test_http_refuses_what_is_not_reported(http, query, status, code):
    answer = http.get("/api/v1/reports/indicators", params=query)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_http_asks_for_a_role_that_reads_reports(first_half):
    key = first_half.service.create_key("hall", "front_line")["key"]
    with TestClient(create_app(first_half.service)) as client:
        answer = client.get("/api/v1/reports/benefits?period=2026H1", headers={"Authorization": f"Bearer {key}"})
        assert answer.status_code == 403


def run(database_url: str, *words: object) -> Result:
    return CliRunner().invoke(app, ["report", *map(str, words)], env={"BAOZHUANG_DATABASE": database_url})


def test_command_line_as_json_table_and_workbook(first_half, database_url, tmp_path):
    shown = json.loads(run(database_url, "indicators", "--period", "2026H1", "--json").stdout)
    assert [shown["items"][5][figure] for figure in ("number", "judged", "met")] == [6, 3, 2]
    plain = run(database_url, "benefits", "--period", "2026H1").stdout.splitlines()
    assert plain[1] == "报送期限 / report due on: 2026-07-15"
    assert plain[2].split("\t") == ["受益户数（户） users", "3", "1", "0", "2", "6"]
    out = tmp_path / "annex.xlsx"
    assert run(database_url, "indicators", "--period", "2026H1", "--by", "county", "--xlsx", out).exit_code == 0
    assert load_workbook(out).sheetnames == ["合计", "420102"]


@pytest.mark.parametrize("wrong", [("2026H2",), ("soon",), ("2026H1", "--by", "moon"), ("2026H1", "--org", "nowhere")])
def test_command_line_refuses_with_status_2(first_half, database_url, wrong):
    done = run(database_url, "indicators", "--period", *wrong)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("错误 / error: ")
