"""Files brought in and taken out on the command line: statuses, counts, tables for a spreadsheet."""

from __future__ import annotations

import csv
import json

from tests.cli.conftest import APPLICATION

HISTORY = [{"command": "complete_step", "step": "acceptance", "occurred_at": "2026-11-02T10:00:00"}]
OPEN = {**APPLICATION, "occurred_at": "2026-11-02T09:00:00", "history": HISTORY}


def lines(cli, name: str, *objects: object):
    path = cli.folder / name
    path.write_text("\n".join(json.dumps(one, ensure_ascii=False) for one in objects), encoding="utf-8")
    return path


def test_case_import_counts_rejects_and_may_be_repeated(cli):
    broken = {**OPEN, "external_id": "=HYPERLINK(1)", "capacity_kw": -1}
    path, rejected = lines(cli, "old.jsonl", OPEN, broken), cli.folder / "rejected.csv"
    done = cli("case", "import", path, "--rejected", rejected, "--json")
    assert done.exit_code == 1
    found = json.loads(done.stdout)
    assert (found["cases"], found["imported"], len(found["rejected"])) == (2, 1, 1)
    with rejected.open(encoding="utf-8-sig", newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["place"] == "old.jsonl:2"
    assert row["external_id"] == "'=HYPERLINK(1)", "a cell that a spreadsheet would run is made text"
    assert "capacity_kw" in row["reason"]
    again = cli("case", "import", lines(cli, "old.jsonl", OPEN))
    assert (again.exit_code, "已有 / there already 1" in again.stdout) == (0, True)
    assert cli.json("verify", "--projections", "--json")["cases"] == 1


def test_what_was_taken_out_can_be_brought_in_elsewhere(cli, tmp_path):
    cli.json("case", "import", lines(cli, "old.jsonl", OPEN), "--json")
    out = tmp_path / "out.jsonl"
    assert cli("case", "export", "--out", out).exit_code == 0
    cli.database = f"sqlite:///{tmp_path}/other.db"
    assert cli("init").exit_code == 0
    assert cli.json("case", "import", out, "--json")["imported"] == 1
    (one,) = cli.json("case", "list", "--json")["items"]
    assert (one["external_id"], one["state"]) == ("MK-1", "metering.running")


def test_orgs_staff_and_evidence(cli):
    orgs = lines(cli, "orgs.json", [{"code": "A", "level": "市", "name": "望岚"}])
    staff = lines(cli, "staff.json", [{"name": "张敏", "org": "A", "role": "客户经理"}])
    assert cli.json("orgs", "import", orgs, "--json")["added"] == 1
    assert cli.json("staff", "import", staff, "--json")["added"] == 1
    record = {"case_id": cli.submit(org="A")["id"], "activity": "site_survey", "occurred_at": "2026-11-02T09:00:00"}
    records = lines(cli, "records.jsonl", record, {"case_id": "nobody"})
    done = cli("evidence", "import", records, "--json")
    assert (done.exit_code, json.loads(done.stdout)["accepted"]) == (1, 1)
    assert "records.jsonl:2" in cli("evidence", "import", records).stderr


def test_files_that_cannot_be_used_are_refused(cli):
    empty = cli.folder / "empty.csv"
    empty.touch()
    for words in (["orgs"], ["staff"], ["evidence"], ["case"]):
        assert "empty.csv" in cli.refused(*words, "import", empty)
        assert "missing.xlsx" in cli.refused(*words, "import", cli.folder / "missing.xlsx")
        cli.refused(*words, "import", cli.folder)
    key = cli.json("keys", "create", "前端", "--role", "front_line", "--json")["key"]
    assert "not-permitted" in cli.refused("case", "import", lines(cli, "old.jsonl", OPEN), "--key", key)
