"""Subcommands on a database: what they answer, what they refuse, and with which status."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest
from typer.testing import CliRunner

from storage.guards import GUARDS
from tests.cli.conftest import APPLICATION
from workflow.cli import app

NOTICE = Path(__file__).parents[1] / "definitions" / "data" / "notice_2027_invented.yaml"
INSTALLED = Path(sys.executable).with_name("baozhuang")


def sql(cli, *statements: str) -> list[list[tuple]]:
    """Change the file as someone who holds it can, past the program; the rows that each statement gives."""
    connection = sqlite3.connect(cli.database.removeprefix("sqlite:///"))
    rows = [connection.execute(statement).fetchall() for statement in statements]
    connection.commit()
    connection.close()
    return rows


UNGUARDED = ("DROP TRIGGER event_no_update", "DROP TRIGGER event_no_delete")
GUARDED = (
    "CREATE TRIGGER event_no_update BEFORE UPDATE ON event BEGIN SELECT RAISE(ABORT, 'event is append-only'); END",
    "CREATE TRIGGER event_no_delete BEFORE DELETE ON event BEGIN SELECT RAISE(ABORT, 'event is append-only'); END",
)


def past_the_guards(cli, table: str, *statements: str) -> list[tuple]:
    """As `sql`, with the guards of `table` switched off for as long; the rows of the first statement."""
    guards = GUARDS["sqlite"][table]
    rows = sql(cli, *(f"DROP TRIGGER {name}" for name in guards), *statements, *guards.values())
    return rows[len(guards)]


# ---- calling it ------------------------------------------------------------------------------------------------------


def test_the_help_names_every_subcommand(cli):
    done = cli("--help")
    assert done.exit_code == 0
    for name in (
        "init", "serve", "demo", "due", "case", "verify", "checkpoint", "rebuild", "definitions", "calendar",
        "evidence", "orgs", "staff", "keys", "doctor",
    ):  # fmt: skip
        assert f" {name} " in done.stdout


@pytest.mark.parametrize(
    "words",
    [["nonsense"], ["case", "nonsense"], ["keys", "create", "x"], ["init", "--nonsense"], ["serve", "--port", "x"]],
)
def test_a_wrong_call_is_refused_in_a_sentence(cli, words):
    assert "--help" in cli.refused(*words)


def test_without_a_subcommand_the_help_is_shown_and_the_status_is_2(cli):
    done = cli()
    assert done.exit_code == 2
    assert " verify " in done.stdout


def test_a_fault_of_the_program_is_not_hidden(cli, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError

    monkeypatch.setattr("workflow.service.upkeep.prepare", broken)
    assert isinstance(cli("init").exception, ZeroDivisionError)


# ---- init ------------------------------------------------------------------------------------------------------------


def test_init_may_be_repeated_and_hides_the_password(tmp_path):
    url = f"sqlite:///{tmp_path}/new/folder/b.db"
    for _ in range(2):
        done = CliRunner().invoke(app, ["init", "--database", url, "--json"])
        assert done.exit_code == 0, done.output
        assert json.loads(done.stdout) == {"database": url, "kind": "sqlite"}
    from workflow.cli.operation import _shown

    assert _shown("postgresql://li:se:cret@db.example/x") == "postgresql://li:***@db.example/x"


def test_a_database_that_is_not_there_is_told_how_to_make(cli):
    cli.database = f"sqlite:///{cli.folder}/none.db"
    assert "baozhuang init" in cli.refused("keys", "list")


@pytest.mark.parametrize("url", ["mysql://x/y", "sqlite://", "postgresql://nobody@127.0.0.1:1/none"])
def test_a_database_that_cannot_be_used_is_refused(cli, url):
    cli.database = url
    cli.refused("keys", "list")


def test_the_default_database_is_a_file_in_the_users_data_directory(monkeypatch, tmp_path):
    from workflow.cli.opening import address

    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert address(None) == str(tmp_path / "baozhuang" / "baozhuang.db")


# ---- keys ------------------------------------------------------------------------------------------------------------


def test_a_key_is_shown_once_and_can_be_revoked(cli):
    made = cli.json("keys", "create", "营销系统", "--role", "front_line", "--json")
    assert made["key"].startswith("bz_")
    assert len(made["key"]) > 40
    listed = cli.json("keys", "list", "--json")
    assert [(k["name"], k["role"], k["revoked_at"]) for k in listed] == [("营销系统", "front_line", None)]
    assert made["key"] not in json.dumps(listed)
    assert cli.json("case", "list", "--key", made["key"], "--json") == {"items": [], "next": None}
    assert cli.json("keys", "revoke", "营销系统", "--json") == {"revoked": 1}
    assert "吊销" in cli.refused("case", "list", "--key", made["key"])
    cli.refused("keys", "revoke", "营销系统")


def test_a_key_for_an_unknown_role_or_unit_is_refused(cli):
    assert "front_line" in cli.refused("keys", "create", "x", "--role", "boss")
    assert "orgs import" in cli.refused("keys", "create", "x", "--role", "manager", "--org", "nowhere")


@pytest.mark.parametrize("name", ["", " ", "\u3000", "\u200b", "a\nb", "x" * 65])
def test_a_key_without_a_legible_name_is_refused_for_events_carry_it(cli, name):
    assert "署名" in cli.refused("keys", "create", name, "--role", "manager")
    assert cli.json("keys", "list", "--json") == []


def test_a_key_acts_as_its_own_principal_and_within_its_role(cli):
    key = cli.json("keys", "create", "检查组", "--role", "inspector", "--json")["key"]
    assert "not-permitted" in cli.refused("case", "submit", "-", "--key", key, stdin=json.dumps(APPLICATION))
    manager = cli.json("keys", "create", "客户经理甲", "--role", "manager", "--json")["key"]
    one = cli.json("case", "submit", "-", "--key", manager, stdin=json.dumps(APPLICATION))
    assert cli.json("case", "events", one["id"], "--json")["items"][0]["actor"] == "客户经理甲"


# ---- case ------------------------------------------------------------------------------------------------------------


def test_a_residential_case_from_submission_to_energised(cli):
    one = cli.submit()
    assert (one["state"], one["user_class"]) == ("acceptance.running", "residential")
    number = one["application_no"]
    cli.command(number, command="complete_step", step="acceptance")
    done = cli.command(number, command="complete_step", step="metering")
    assert done["application"]["state"] == "energised"
    assert cli.json("case", "show", number, "--json")["state"] == "energised"
    assert [e["type"] for e in cli.json("case", "events", one["id"], "--json")["items"]] == [
        "application_submitted", "step_completed", "step_completed",
    ]  # fmt: skip
    assert cli.json("case", "list", "--state", "energised", "--json")["items"][0]["id"] == one["id"]
    assert cli.json("case", "list", "--class", "hv_dual", "--json")["items"] == []
    explained = cli.json("case", "show", number, "--explain", "--json")["explain"]
    assert explained[0]["days"][0]["reason"] == "start"
    assert "acceptance" not in cli.refused(
        "case", "command", number, "-", stdin='{"command": "assign", "manager": "x"}'
    )


def test_the_same_idempotency_key_gives_the_same_case(cli):
    body = json.dumps(APPLICATION)
    first = cli.json("case", "submit", "-", "--idempotency-key", "k", stdin=body)
    assert cli.json("case", "submit", "-", "--idempotency-key", "k", stdin=body)["id"] == first["id"]
    assert len(cli.json("case", "list", "--json")["items"]) == 1


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("{", "JSON"),
        ("[]", "对象"),
        ('{"colour": 1}', "colour"),
        ('{"capacity_kw": 1e999}', "capacity_kw"),
        ("", "JSON"),
        ("[" * 100_000, "JSON"),
    ],
)
def test_a_body_that_is_no_application_is_refused_field_by_field(cli, body, said):
    assert said in cli.refused("case", "submit", "-", stdin=body)


def test_a_refusal_is_a_sentence_with_its_code(cli):
    one = cli.submit()
    said = cli.refused("case", "command", one["id"], "-", stdin='{"command": "complete_step", "step": "metering"}')
    assert "transition-not-allowed" in said
    assert "not-found" in cli.refused("case", "show", "BZ-0")
    assert "no-such-file" in cli.refused("case", "submit", cli.folder / "no-such-file.json")


def test_personal_data_of_an_ended_case_can_be_erased_and_the_chain_still_holds(cli):
    one = cli.submit()
    assert "尚未结束" in cli.refused("case", "erase", one["id"], "--yes")
    cli.command(one["id"], command="terminate", reason="duplicate")
    assert cli("case", "erase", one["id"], stdin="n\n").exit_code == 1
    assert cli.json("case", "erase", one["id"], "--yes", "--json") == {"id": one["id"], "erased": True}
    assert cli.json("case", "erase", one["id"], "--yes", "--json")["erased"] is False
    assert cli.json("verify", "--projections", "--json")["holds"]
    connection = sqlite3.connect(cli.database.removeprefix("sqlite:///"))
    assert connection.execute("SELECT customer_name, phone FROM personal").fetchall() == [(None, None)]
    connection.close()


# ---- verify, checkpoint, rebuild -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        *(
            f"UPDATE personal SET {column} = 'x'"
            for column in ("customer_id", "customer_name", "phone", "address", "salt")
        ),
        "UPDATE personal SET phone = NULL",
        "UPDATE personal SET salt = NULL, customer_id = NULL, customer_name = NULL, phone = NULL, address = NULL",
        "DELETE FROM personal",
    ],
)
def test_verify_names_personal_data_that_are_not_those_of_the_chain(cli, change):
    one = cli.submit()
    connection = sqlite3.connect(cli.database.removeprefix("sqlite:///"))
    connection.execute(change)
    connection.commit()
    connection.close()
    found = cli("verify", "--json")
    assert found.exit_code == 1
    said = json.loads(found.stdout)
    assert (said["holds"], said["flaws"]) == (False, [])
    assert [one["id"] in row and "personal" in row for row in said["damaged"]] == [True]


def test_verify_counts_when_every_chain_holds(cli):
    cli.submit()
    one = cli.submit(external_id="MK-2", premises={"id": "P-2"})
    cli.command(one["id"], command="complete_step", step="acceptance")
    found = cli.json("verify", "--projections", "--json")
    assert (found["holds"], found["cases"], found["events"]) == (True, 2, 3)
    assert cli("verify").stdout.startswith("2 ")


def test_verify_names_the_first_bad_event_of_each_bad_case(cli):
    one, other = cli.submit(), cli.submit(external_id="MK-2", premises={"id": "P-2"})
    for step in ("acceptance", "metering"):
        cli.command(one["id"], command="complete_step", step=step)
    sql(
        cli,
        *UNGUARDED,
        f"UPDATE event SET occurred_at = recorded_at, actor = 'x' WHERE case_id = '{one['id']}' AND case_seq >= 2",
        *GUARDED,
    )
    done = cli("verify", "--json")
    assert done.exit_code == 1
    found = json.loads(done.stdout)
    assert [(flaw["case_id"], flaw["event"]) for flaw in found["flaws"]] == [(one["id"], 2)]
    assert other["id"] not in done.stdout


def test_verify_fails_when_a_trigger_is_gone(cli):
    cli.submit()
    sql(cli, UNGUARDED[0])
    done = cli("verify")
    assert done.exit_code == 1
    assert "event_no_update" in done.stdout
    assert cli("doctor").exit_code == 1


SHIFTED = "UPDATE calendar_notice SET content = replace(content, '2027-01-02', '2027-01-22')"
LOOSENED = "UPDATE definition SET content = replace(content, '\"limit\":5', '\"limit\":6')"


@pytest.mark.parametrize(
    ("statement", "table", "says"),
    [
        (SHIFTED, "calendar_notice", "was changed"),
        (LOOSENED, "definition", "was changed"),
        ("UPDATE definition SET content = 'x'", "definition", "was changed"),
        ("DELETE FROM definition", "definition", "is gone"),
    ],
)
def test_verify_and_doctor_name_a_changed_notice_or_definition_which_nobody_counts_by(cli, statement, table, says):
    one = cli.submit()
    cli.json("calendar", "import", NOTICE, "--json")
    assert cli.json("verify", "--json")["damaged"] == []
    row = past_the_guards(cli, table, f"SELECT hash FROM {table}", statement)[0][0]
    done = cli("verify", "--projections", "--json")
    assert done.exit_code == 1
    (named,) = json.loads(done.stdout)["damaged"]
    assert (row in named, says in named, one["id"] in named) == (True, True, says == "is gone")
    assert row in cli("verify").stdout
    done = cli("doctor", "--json")
    assert done.exit_code == 1
    assert [fact["name"] for fact in json.loads(done.stdout) if fact["status"] == "wrong"] == ["published"]
    assert row in done.stdout
    assert row in cli.refused("case", "show", one["id"])


METER = {"activity": "meter_installed", "occurred_at": "2026-01-05T09:00:00+08:00", "value": "C-1"}


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE evidence_record SET content = replace(content, '01-05T09', '01-25T09')",
        f"UPDATE evidence_record SET content = '[]', digest = '{sha256(b'[]').hexdigest()}'",
        "UPDATE evidence_record SET case_id = 'another'",
        "UPDATE evidence_record SET case_id = NULL",
    ],
)
def test_verify_names_a_changed_record_of_another_system(cli, statement):
    one = cli.submit()
    file = cli.folder / "records.jsonl"
    file.write_text(json.dumps({"case_id": one["id"], **METER}) + "\n", encoding="utf-8")
    cli("evidence", "import", file)
    assert cli.json("verify", "--json")["damaged"] == []
    row = past_the_guards(cli, "evidence_record", "SELECT id FROM evidence_record", statement)[0][0]
    done = cli("verify", "--json")
    assert done.exit_code == 1
    (named,) = json.loads(done.stdout)["damaged"]
    assert (row in named, "was changed" in named) == (True, True)


@pytest.mark.parametrize("table", ["definition", "calendar_notice", "evidence_record"])
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE {} SET content = '{{}}'",
        "DELETE FROM {}",
        # The connection fires no delete triggers for REPLACE.
        "INSERT OR REPLACE INTO {0} SELECT * FROM {0}",
    ],
)
def test_what_is_kept_stays_as_it_is(cli, table, statement):
    one = cli.submit()
    cli.json("calendar", "import", NOTICE, "--json")
    file = cli.folder / "records.jsonl"
    file.write_text(json.dumps({"case_id": one["id"], **METER}) + "\n", encoding="utf-8")
    cli("evidence", "import", file)
    before = sql(cli, f"SELECT rowid, * FROM {table}")
    assert len(before[0]) > 0
    with contextlib.suppress(sqlite3.IntegrityError):
        sql(cli, statement.format(table))
    assert sql(cli, f"SELECT rowid, * FROM {table}") == before


def test_verify_compares_projections_and_rebuild_puts_them_right(cli):
    one = cli.submit()
    sql(cli, "UPDATE application SET due_on = '2099-01-01'")
    assert cli("verify").exit_code == 0
    done = cli("verify", "--projections", "--json")
    assert (done.exit_code, json.loads(done.stdout)["differing"]) == (1, [one["id"]])
    assert cli.json("rebuild", "--json") == {"cases": 1, "flaws": [], "damaged": []}
    assert cli("verify", "--projections").exit_code == 0


def test_rebuild_leaves_a_broken_chain_as_it_is_and_does_the_others(cli):
    """Made to agree with what is left of its events, a history that was cut off would look sound."""
    cut, sound = cli.submit(), cli.submit(external_id="MK-2", premises={"id": "P-2"})
    cli.command(cut["id"], command="complete_step", step="acceptance")
    cutting = f"DELETE FROM event WHERE case_id = '{cut['id']}' AND case_seq = 2"
    sql(cli, *UNGUARDED, cutting, *GUARDED, "UPDATE application SET due_on = '2099-01-01'")
    done = cli("rebuild")
    assert done.exit_code == 1
    assert done.stdout.splitlines()[0] == f"{cut['id']}\t2\t第 2 号事件缺失 / event 2 is missing"
    assert [flaw["case_id"] for flaw in json.loads(cli("verify", "--json").stdout)["flaws"]] == [cut["id"]]
    assert sql(cli, "SELECT id FROM application WHERE due_on <> '2099-01-01'") == [[(sound["id"],)]]


def test_a_checkpoint_finds_a_history_that_was_cut_off(cli):
    """Without the checkpoint a case that is taken back by one whole event looks sound."""
    one = cli.submit()
    before = Path(cli.database.removeprefix("sqlite:///"))
    connection = sqlite3.connect(before)
    row = connection.execute("SELECT version, head_hash, state, snapshot FROM application").fetchone()
    connection.close()
    cli.command(one["id"], command="complete_step", step="acceptance")
    mark = cli.folder / "mark.json"
    made = cli.json("checkpoint", "--out", mark, "--json")
    assert made["cases"] == 1
    assert cli("verify", "--checkpoint", mark).exit_code == 0
    connection = sqlite3.connect(before)
    connection.execute(UNGUARDED[1])
    connection.execute("DELETE FROM event WHERE case_seq = 2")
    connection.execute(GUARDED[1])
    connection.execute("UPDATE application SET version = ?, head_hash = ?, state = ?, snapshot = ?", row)
    connection.commit()
    connection.close()
    assert cli("verify").exit_code == 0
    done = cli("verify", "--checkpoint", mark, "--json")
    assert (done.exit_code, json.loads(done.stdout)["flaws"][0]["event"]) == (1, 2)


def test_a_damaged_checkpoint_is_refused(cli):
    (cli.folder / "mark.json").write_text("{}", encoding="utf-8")
    assert "mark.json" in cli.refused("verify", "--checkpoint", cli.folder / "mark.json")


# ---- doctor, definitions, calendar -----------------------------------------------------------------------------------


def test_doctor_tells_facts_and_fails_without_a_database(cli):
    facts = {fact["name"]: fact for fact in json.loads(cli("doctor", "--json").stdout)}
    assert {"database", "schema", "triggers", "calendar", "unsigned", "definitions", "disk"} <= facts.keys()
    assert facts["triggers"]["status"] == "ok"
    cli.database = f"sqlite:///{cli.folder}/none.db"
    done = cli("doctor", "--json")
    assert (done.exit_code, json.loads(done.stdout)[0]["status"]) == (1, "wrong")


def test_doctor_says_when_calendar_and_rules_are_old(sqlite_url, tmp_path):
    """As of 2027-08-01: every day since 2026-12-21 is provisional, and the rules of 2026-11-23 are eight months old."""
    import datetime as dt

    from workflow.service.demo import SimulatedClock
    from workflow.service.doctor import diagnose
    from workflow.service.service import Service

    moment = dt.datetime.fromisoformat("2027-08-01T09:00:00+08:00")
    with Service.open(sqlite_url, clock=SimulatedClock(moment)) as service:
        facts = {fact.name: fact.status for fact in diagnose(service)}
    assert (facts["calendar"], facts["definitions"]) == ("wrong", "wrong")


def test_publish_makes_every_definition_a_row_once(cli):
    first = cli.json("definitions", "publish", "--json")
    # 2021, and for lv_zero, lv_other and the classes whose lists change also 2022 and 2023: at least one per class.
    assert first["definitions"] == first["published"] >= 5
    assert cli.json("definitions", "publish", "--json") == {"definitions": first["definitions"], "published": 0}


def test_calendar_import_refuses_a_notice_that_contradicts_with_its_line(cli):
    wrong = cli.folder / "2027.yaml"
    wrong.write_text(
        "year: 2027\ntitle: t\nnumber: n\npublished_on: 2026-11-10\nholidays: []\nmakeup_workdays: [2027-01-04]\n",
        encoding="utf-8",
    )
    assert "2027.yaml:6" in cli.refused("calendar", "import", wrong)
    assert "no-such" in cli.refused("calendar", "import", cli.folder / "no-such.yaml")


# ---- installed -------------------------------------------------------------------------------------------------------


def installed(*words: str, database: str = "", **environment: str):
    return subprocess.run(
        [str(INSTALLED), *words],
        capture_output=True,
        encoding="utf-8",
        check=False,
        env={**os.environ, "BAOZHUANG_DATABASE": database, "PYTHONIOENCODING": "utf-8", **environment},
    )


def test_the_installed_command(tmp_path):
    database = f"sqlite:///{tmp_path}/b.db"
    assert installed("init", database=database).returncode == 0
    made = installed("keys", "create", "甲", "--role", "manager", "--json", database=database)
    assert json.loads(made.stdout)["role"] == "manager"
    verified = installed("verify", database=database)
    assert (verified.returncode, verified.stdout.startswith("0 ")) == (0, True)
    nothing = installed("nonsense")
    assert (nothing.returncode, nothing.stdout, "Traceback" in nothing.stderr) == (2, "", False)


def test_a_due_date_loads_no_database():
    script = (
        "import sys\nfrom workflow.cli import app\n"
        "try:\n    app(['due', '--start', '2026-01-04', '--working-days', '10', '--json'])\n"
        "except SystemExit as end:\n    assert end.code == 0\n"
        "assert not {'sqlalchemy', 'storage', 'fastapi', 'openpyxl'} & sys.modules.keys()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["due_on"] == "2026-01-16"
