"""`baozhuang keys`: who may call the HTTP interface. A key is shown once; only its digest is kept."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from workflow.cli.console import say, say_list
from workflow.cli.opening import DatabaseOption, JsonOption, opened

app = typer.Typer(no_args_is_help=True, help="接口密钥 / keys of the HTTP interface")


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="密钥归谁所有, 事件以此署名 / whose key; events carry this name")],
    *,
    role: Annotated[str, typer.Option(help="front_line|manager|supervisor|inspector|admin")],
    org: Annotated[
        str | None, typer.Option(help="单位编码; 只见本单位及下级, 默认全部 / unit it is scoped to; default: all")
    ] = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """新建密钥, 只显示这一次。 / A new key, shown this once."""
    with opened(database) as service:
        made = service.create_key(name, role, org)
    say(made, made["key"], as_json=as_json)


@app.command("list")
def list_(database: DatabaseOption = None, as_json: JsonOption = False) -> None:
    """列出全部密钥 (不含密钥本身)。 / All keys, without their secrets."""
    with opened(database) as service:
        keys = service.keys()
    say_list(
        keys, ("编号 id", "名称 name", "角色 role", "单位 org", "创建 created", "吊销 revoked"), _line, as_json=as_json
    )


def _line(one: dict[str, Any]) -> tuple[str, ...]:
    created, revoked = one["created_at"][:16], (one["revoked_at"] or "")[:16]
    return one["id"], one["name"], one["role"], one["org"] or "", created, revoked


@app.command()
def revoke(
    which: Annotated[str, typer.Argument(metavar="NAME|ID", help="名称或编号 / name or id")],
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """吊销此编号的密钥, 或此名称的全部密钥。 / Revoke the key of this id, or all of this name."""
    with opened(database) as service:
        revoked = service.revoke_key(which)
    say({"revoked": revoked}, f"已吊销 {revoked} 个密钥 / keys revoked: {revoked}", as_json=as_json)
