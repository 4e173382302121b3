"""The customer's public pages, as who runs them sets them up."""

from __future__ import annotations

import re

ORGS = (
    "code,parent,level,name,enterprise,region\nHB,,province,某省公司,某电力公司,420000\nJA,HB,county,某区公司,,420102\n"
)
AREAS = "行政区划代码,公布日期,受限区域,可开放容量,公布渠道\n420102,2026-10-01,10kV 解放一线,0,某区公司网站\n"


def file(cli, name: str, text: str):
    path = cli.folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_who_receives_is_told_and_set(cli):
    assert cli.json("portal", "show", "--json")["regions"] == []
    cli("orgs", "import", file(cli, "orgs.csv", ORGS))
    assert "XX" in cli.refused("portal", "receiver", "XX")
    assert cli("portal", "receiver", "HB").exit_code == 0
    found = cli.json("portal", "show", "--json")
    assert found["receiver"] == "HB"
    assert found["regions"][1] == {"region": "420102", "org": "JA", "name": "某区公司"}
    assert found["files"].endswith(".db.files")
    assert "某区公司" in cli("portal", "show").stdout


def test_a_lost_code_is_issued_anew_and_shown_once(cli):
    number = cli.submit()["application_no"]
    first, second = (cli.json("portal", "code", number, "--json")["code"] for _ in range(2))
    assert re.fullmatch(r"[0-9A-Z]{5}-[0-9A-Z]{5}", first)
    assert first != second
    assert "not-found" in cli.refused("portal", "code", "BZ-1")


def test_limited_areas_come_in_whole_or_not_at_all(cli):
    assert cli.json("areas", "import", file(cli, "areas.csv", AREAS), "--json") == {
        "lists": 1, "rows": 1, "replaced": 0,
    }  # fmt: skip
    assert "source" in cli.refused("areas", "import", file(cli, "bad.csv", f"{AREAS}420102,2026-10-01,线,0,\n"))
    key = cli.json("keys", "create", "li", "--role", "manager", "--json")["key"]
    assert "not-permitted" in cli.refused("areas", "import", cli.folder / "areas.csv", "--key", key)


def test_the_role_of_the_public_pages_is_given_to_nobody(cli):
    assert "customer" in cli.refused("keys", "create", "x", "--role", "customer")
    cli("orgs", "import", file(cli, "orgs.csv", ORGS))
    staff = file(cli, "staff.csv", "id,name,org,role\nS1,张三,JA,customer\n")
    assert "角色" in cli.refused("staff", "import", staff)


def test_tidying_an_empty_house_is_no_matter(cli):
    assert cli("portal", "tidy").exit_code == 0
