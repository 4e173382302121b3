"""`baozhuang destinations`: where alerts go that are for no single person. A webhook's secret is shown once."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from workflow.cli.console import say, say_list
from workflow.cli.opening import DatabaseOption, JsonOption, KeyOption, acting, opened

app = typer.Typer(no_args_is_help=True, help="接收端 / destinations of alerts")

Which = Annotated[str, typer.Argument(metavar="ID", help="接收端编号 / id of the destination")]


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="名称 / name")],
    url: Annotated[
        str,
        typer.Argument(
            metavar="ADDRESS", help="https://… 或 Apprise 地址, 如 wecombot://密钥 / web or Apprise address"
        ),
    ],
    *,
    kind: Annotated[
        str | None,
        typer.Option(metavar="webhook|apprise|customer", help="类型, 默认按地址判断 / kind; default: by the address"),
    ] = None,
    events: Annotated[
        str | None,
        typer.Option(
            metavar="alert,order", help="通知哪些: alert, yellow, orange, red, black, order / what it is told of"
        ),
    ] = None,
    org: Annotated[str | None, typer.Option(help="哪个单位及下级的预警 / of whose alerts")] = None,
    key: KeyOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """登记接收端; webhook 的签名密钥只显示这一次。 / Register a receiver; a webhook's secret is shown this once."""
    from workflow.service import destinations, reading

    with opened(database) as service:
        asked = reading.asked(
            destinations.CreateDestination,
            {
                "name": name,
                "kind": kind or ("webhook" if url.startswith(("http://", "https://")) else "apprise"),
                "url": url,
                "events": None if events is None else events.split(","),
                "org": org,
            },
        )
        made = destinations.create(service, acting(service, key), asked)
    say(made, "\n".join(filter(None, (made["id"], made["secret"]))), as_json=as_json)


@app.command("list")
def list_(key: KeyOption = None, database: DatabaseOption = None, as_json: JsonOption = False) -> None:
    """列出接收端 (不含密钥和地址中的令牌)。 / The receivers, without secrets."""
    from workflow.service import destinations

    with opened(database) as service:
        page = destinations.listed(service, acting(service, key))
    columns = ("编号 id", "名称 name", "类型 kind", "地址 address", "单位 org", "事件 events", "停用 disabled")
    say_list(page, columns, _line, as_json=as_json)


def _line(one: dict[str, Any]) -> tuple[str, ...]:
    disabled = "" if one["disabled_at"] is None else one["disabled_at"].isoformat(sep=" ", timespec="minutes")
    events = ",".join(one["events"])
    return one["id"], one["name"], one["kind"], one["address"], one["org"] or "", events, disabled


@app.command()
def disable(which: Which, key: KeyOption = None, database: DatabaseOption = None, as_json: JsonOption = False) -> None:
    """停用接收端, 不再向它发送。 / Send nothing there any more."""
    from workflow.service import destinations

    with opened(database) as service:
        done = destinations.disable(service, acting(service, key), which)
    say(done, f"已停用 / disabled: {done['name']}", as_json=as_json)


@app.command("test")
def try_out(which: Which, key: KeyOption = None, database: DatabaseOption = None, as_json: JsonOption = False) -> None:
    """排入一条试发消息, 由 worker 发出。 / Queue a test message, which the worker sends."""
    from workflow.service import destinations

    with opened(database) as service:
        queued = destinations.test(service, acting(service, key), which)
    say(queued, f"已排队, 由 worker 发送 / queued, the worker sends it: {queued['id']}", as_json=as_json)
