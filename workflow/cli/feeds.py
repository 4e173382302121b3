"""`baozhuang feeds`: calendar feeds of due dates. A feed's address is shown once."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from workflow.cli.console import say, say_list
from workflow.cli.opening import DatabaseOption, JsonOption, KeyOption, acting, opened

app = typer.Typer(no_args_is_help=True, help="日历订阅 / calendar feeds")


@app.command()
def create(
    manager: Annotated[str, typer.Argument(help="哪位客户经理的申请 / whose applications")],
    *,
    key: KeyOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """新建订阅, 地址只显示这一次; 前面加上服务的地址。 / A new feed; its path on the server is shown this once."""
    from workflow.service import feeds, reading

    with opened(database) as service:
        made = feeds.create(service, acting(service, key), reading.asked(feeds.CreateFeed, {"manager": manager}))
    say(made, made["path"], as_json=as_json)


@app.command("list")
def list_(key: KeyOption = None, database: DatabaseOption = None, as_json: JsonOption = False) -> None:
    """列出订阅 (不含地址)。 / The feeds, without their addresses."""
    from workflow.service import feeds

    with opened(database) as service:
        page = feeds.listed(service, acting(service, key))
    columns = ("编号 id", "客户经理 manager", "单位 org", "创建 created", "吊销 revoked")
    say_list(page, columns, _line, as_json=as_json)


def _line(one: dict[str, Any]) -> tuple[str, ...]:
    created = one["created_at"].isoformat(sep=" ", timespec="minutes")
    revoked = "" if one["revoked_at"] is None else one["revoked_at"].isoformat(sep=" ", timespec="minutes")
    return one["id"], one["manager"], one["org"] or "", created, revoked


@app.command()
def revoke(
    which: Annotated[str, typer.Argument(metavar="ID", help="订阅编号 / id of the feed")],
    key: KeyOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """吊销订阅。 / Revoke a feed."""
    from workflow.service import feeds

    with opened(database) as service:
        done = feeds.revoke(service, acting(service, key), which)
    say(done, f"已吊销 / revoked: {done['manager']}", as_json=as_json)
