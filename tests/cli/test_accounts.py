"""`baozhuang accounts`: a password is shown once, and every change is told."""

from __future__ import annotations

import json

from workflow.service import Service, accounts

STAFF = "工号,姓名,单位,角色\nz1,张三,C,manager\n"
ORGS = "编码,名称,级别,上级\nC,某县公司,county,\n"


def registers(cli) -> None:
    for name, text in (("orgs", ORGS), ("staff", STAFF)):
        path = cli.folder / f"{name}.csv"
        path.write_text(text, encoding="utf-8")
        assert cli(name, "import", path).exit_code == 0


def signs_in(cli, password: str) -> bool:
    from workflow.core.refusals import Refused

    with Service.open(cli.database) as service:
        try:
            accounts.sign_in(service, "z1", password, "here")
        except Refused:
            return False
    return True


def test_an_account_is_made_listed_disabled_and_reset(cli):
    registers(cli)
    made = cli.json("accounts", "create", "z1", "--json")
    assert (made["staff"], made["role"], made["org"], made["must_change"]) == ("z1", "manager", "C", True)
    assert signs_in(cli, made["password"])
    listed = cli("accounts", "list", "--json").stdout
    assert made["password"] not in listed
    assert [one["staff"] for one in json.loads(listed)] == ["z1"]
    assert cli.json("accounts", "disable", "z1", "--json")["disabled_at"]
    assert not signs_in(cli, made["password"])
    fresh = cli("accounts", "reset", "z1").stdout.strip()
    assert fresh != made["password"]
    assert signs_in(cli, fresh)


def test_a_password_can_be_typed_and_is_not_repeated(cli):
    registers(cli)
    typed = "a sentence to remember"
    done = cli("accounts", "create", "z1", "--prompt", stdin=f"{typed}\n{typed}\n")
    assert done.exit_code == 0, done.output
    assert done.stdout.strip() == "z1"
    assert signs_in(cli, typed)


def test_accounts_are_for_the_staff_only(cli):
    assert "staff import" in cli.refused("accounts", "create", "nobody")
    registers(cli)
    cli.json("accounts", "create", "z1", "--json")
    assert "accounts reset" in cli.refused("accounts", "create", "z1")
    assert "没有账户" in cli.refused("accounts", "disable", "nobody")
