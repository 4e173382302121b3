"""`baozhuang accounts`: who may sign in to the pages. A password is shown once; only its hash is kept."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from workflow.cli.console import say, say_list
from workflow.cli.opening import DatabaseOption, JsonOption, KeyOption, acting, opened

app = typer.Typer(no_args_is_help=True, help="网页账户 / accounts of the pages")

StaffArgument = Annotated[str, typer.Argument(metavar="STAFF", help="人员工号 / id of the member of the staff")]
PromptOption = Annotated[
    bool, typer.Option("--prompt", help="自行输入密码, 不随机生成 / ask for the password instead of making one")
]


def _asked(prompt: bool) -> str | None:
    if not prompt:
        return None
    return str(typer.prompt("密码 / password", hide_input=True, confirmation_prompt=True, err=True))


def _say(made: dict[str, Any], as_json: bool, prompted: bool) -> None:
    if prompted:
        made.pop("password")
    say(made, made.get("password") or made["staff"], as_json=as_json)


@app.command()
def create(
    staff: StaffArgument,
    *,
    prompt: PromptOption = False,
    key: KeyOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """为人员开立账户, 密码只显示这一次, 首次登录须更改。 / An account; its password is shown this once."""
    from workflow.service import accounts

    with opened(database) as service:
        made = accounts.create(service, acting(service, key), staff, _asked(prompt))
    _say(made, as_json, prompt)


@app.command()
def reset(
    staff: StaffArgument,
    *,
    prompt: PromptOption = False,
    key: KeyOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """重置密码并恢复账户, 原登录全部退出。 / A new password; the account may sign in again, its sessions end."""
    from workflow.service import accounts

    with opened(database) as service:
        made = accounts.reset(service, acting(service, key), staff, _asked(prompt))
    _say(made, as_json, prompt)


@app.command()
def disable(
    staff: StaffArgument, *, key: KeyOption = None, database: DatabaseOption = None, as_json: JsonOption = False
) -> None:
    """停用账户, 原登录即刻退出。 / Disable an account; its sessions end at once."""
    from workflow.service import accounts

    with opened(database) as service:
        done = accounts.disable(service, acting(service, key), staff)
    say(done, f"已停用 / disabled: {done['staff']}", as_json=as_json)


@app.command("list")
def list_(*, key: KeyOption = None, database: DatabaseOption = None, as_json: JsonOption = False) -> None:
    """列出账户。 / The accounts."""
    from workflow.service import accounts

    with opened(database) as service:
        found = accounts.listed(service, acting(service, key))
    columns = ("工号 staff", "姓名 name", "角色 role", "单位 org", "须改密 must change", "停用 disabled")
    say_list(found, columns, _line, as_json=as_json)


def _line(one: dict[str, Any]) -> tuple[str, ...]:
    must_change = "是 yes" if one["must_change"] else ""
    return one["staff"], one["name"], one["role"], one["org"], must_change, (one["disabled_at"] or "")[:16]
