"""`baozhuang alerts|destinations|feeds`: what they answer, refuse and write."""

from __future__ import annotations

from contextlib import closing

import pytest
from openpyxl import load_workbook

from storage import Database
from tests.api.alerting import alert_row
from tests.cli.conftest import Cli


@pytest.fixture(autouse=True)
def _networks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BAOZHUANG_RECEIVER_NETWORKS", "192.0.2.0/24")
    monkeypatch.setattr("workflow.service.addresses._look_up", lambda *_: ("192.0.2.10",))  # nobody is asked


@pytest.fixture
def alert(cli: Cli) -> str:
    row = alert_row(level="red")
    with closing(Database.open(cli.database)) as database, database.write() as tx:
        tx.raise_alerts([row])
    return row.id


def test_alerts_are_listed_and_acknowledged(cli, alert):
    (shown,) = cli.json("alerts", "list", "--level", "red", "--json")["items"]
    assert (shown["id"], shown["status"], shown["level"]) == (alert, "open", "red")
    assert cli("alerts", "list").stdout.split("\t")[-1].strip() == alert
    done = cli.json("alerts", "acknowledge", alert, "--note", "已派工", "--json")
    assert (done["status"], done["note"]) == ("acknowledged", "已派工")
    assert cli.json("alerts", "acknowledge", alert, "--json") == done
    assert cli.json("alerts", "list", "--status", "open", "--json")["items"] == []
    assert len(cli.json("alerts", "list", "--status", "all", "--json")["items"]) == 1


def test_a_list_says_where_its_next_page_begins(cli, alert):
    with closing(Database.open(cli.database)) as database, database.write() as tx:
        tx.raise_alerts([alert_row(level="black", day="2026-01-08")])
    shown = cli("alerts", "list", "--limit", "1")
    cursor = cli.json("alerts", "list", "--limit", "1", "--json")["next"]
    assert shown.stderr.strip() == f"下一页 / next page: --cursor {cursor}"
    assert not cli("alerts", "list", "--limit", "1", "--cursor", cursor).stderr


def test_alerts_are_written_as_a_workbook(cli, alert):
    out = cli.folder / "alerts.xlsx"
    assert cli("alerts", "list", "--xlsx", out).exit_code == 0
    rows = list(load_workbook(out)["预警"].iter_rows(values_only=True))
    assert (rows[0][0], rows[1][0], rows[1][-1]) == ("级别", "red", alert)


def test_what_is_refused_is_said_in_a_sentence(cli, alert):
    assert "not-found" in cli.refused("alerts", "acknowledge", "nothing")
    assert "--help" in cli.refused("alerts", "list", "--level", "purple")
    assert "note" in cli.refused("alerts", "acknowledge", alert, "--note", "")
    assert "address-not-allowed" in cli.refused("destinations", "add", "x", "http://127.0.0.1/")
    assert "events" in cli.refused("destinations", "add", "x", "https://hooks.example/", "--events", "purple")
    assert "kind" in cli.refused("destinations", "add", "x", "https://hooks.example/", "--kind", "pigeon")
    assert "not-found" in cli.refused("destinations", "disable", "nothing")
    assert "not-found" in cli.refused("feeds", "revoke", "nothing")
    assert "unknown or revoked" in cli.refused("alerts", "list", "--key", "bz_nothing")


def test_the_key_decides_what_is_seen(cli, alert):
    key = cli.json("keys", "create", "hall", "--role", "front_line", "--json")["key"]
    assert len(cli.json("alerts", "list", "--key", key, "--json")["items"]) == 1
    assert "not-permitted" in cli.refused("alerts", "acknowledge", alert, "--key", key)
    assert "not-permitted" in cli.refused("destinations", "add", "x", "https://hooks.example/", "--key", key)


def test_destinations_from_registration_to_the_end(cli):
    made = cli.json("destinations", "add", "营销系统", "https://hooks.example/hook?token=s3cret", "--json")
    assert (made["kind"], made["events"]) == ("webhook", ["alert", "order"])
    assert made["secret"].startswith("whsec_")
    robot = cli("destinations", "add", "值班群", "wecombot://0123456789abcdef", "--events", "red,black")
    assert robot.exit_code == 0
    assert len(robot.stdout.split()) == 1  # no secret to show
    listed = cli("destinations", "list").stdout
    assert "s3cret" not in listed
    assert "whsec_" not in listed
    assert "red,black" in listed
    assert cli.json("destinations", "test", made["id"], "--json")["status"] == "pending"
    assert cli("destinations", "disable", made["id"]).exit_code == 0
    assert "transition-not-allowed" in cli.refused("destinations", "test", made["id"])


def test_a_feed_is_made_listed_and_revoked(cli):
    path = cli("feeds", "create", "wang").stdout.strip()
    assert path.startswith("/feeds/")
    assert path.endswith(".ics")
    (shown,) = cli.json("feeds", "list", "--json")["items"]
    assert (shown["manager"], shown["revoked_at"]) == ("wang", None)
    assert path.removeprefix("/feeds/").removesuffix(".ics") not in cli("feeds", "list").stdout
    assert cli("feeds", "revoke", shown["id"]).exit_code == 0
    assert cli.json("feeds", "list", "--json")["items"][0]["revoked_at"] is not None
