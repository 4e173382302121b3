"""`baozhuang alerts`: what warns, and saying that somebody takes care of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from workflow.cli.console import say, say_list
from workflow.cli.opening import DatabaseOption, JsonOption, KeyOption, acting, opened

app = typer.Typer(no_args_is_help=True, help="预警 / alerts")

_UNITS = {"working_days": "工作日", "natural_days": "天"}
_COLUMNS = (
    "级别 level", "状态 status", "申请 application", "时限 timer", "到期 due", "剩余 left", "经理 manager", "编号 id",
)  # fmt: skip


@app.command("list")
def list_(
    *,
    status: Annotated[
        Literal["open", "acknowledged", "cleared", "standing", "all"],
        typer.Option(help="状态, 默认未解除的 / status; default: those that stand"),
    ] = "standing",
    level: Annotated[Literal["yellow", "orange", "red", "black"] | None, typer.Option(help="级别 / level")] = None,
    manager: Annotated[str | None, typer.Option(help="客户经理 / customer manager")] = None,
    org: Annotated[str | None, typer.Option(help="单位及下级 / this unit and those below")] = None,
    case_id: Annotated[
        str | None, typer.Option("--case", metavar="ID", help="申请标识 / id of the application")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="最多行数 / most rows")] = 50,
    cursor: Annotated[str | None, typer.Option(help="上一页的 next / next of the page before")] = None,
    xlsx: Annotated[
        Path | None,
        typer.Option(
            "--xlsx", metavar="OUT", dir_okay=False, help="全部写成 Excel 工作簿 / write all of it as a workbook"
        ),
    ] = None,
    key: KeyOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """列出预警, 新的在前; 默认只列未解除的。 / Alerts, newest first; those that stand unless told otherwise."""
    from workflow.service import alerts, exports

    asked = {
        "status": None if status == "all" else status,
        "level": level,
        "manager": manager,
        "org": org,
        "case_id": case_id,
    }
    narrowed: dict[str, Any] = {name: value for name, value in asked.items() if value is not None}
    with opened(database) as service:
        who = acting(service, key)
        if xlsx is not None:
            with exports.raised(service, who, **narrowed) as book:
                xlsx.write_bytes(book.read())
            return
        page = alerts.listed(service, who, **narrowed, cursor=cursor, limit=limit)
    say_list(page, _COLUMNS, _line, as_json=as_json)


def _line(one: dict[str, Any]) -> tuple[str, ...]:
    return (
        one["level"],
        one["status"],
        one["application_no"] or one["subject"],
        one["key"],
        one["due_on"].isoformat(),
        f"{one['remaining_days']} {_UNITS[one['unit']]}",
        one["manager"] or "",
        one["id"],
    )


@app.command()
def acknowledge(
    alert: Annotated[str, typer.Argument(metavar="ID", help="预警编号 / id of the alert")],
    *,
    note: Annotated[str | None, typer.Option(help="将如何处理 / what will be done")] = None,
    key: KeyOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """确认预警, 不再升级; 重复确认不改变什么。 / Acknowledge an alert; again changes nothing."""
    from workflow.service import alerts, reading

    with opened(database) as service:
        asked = reading.asked(alerts.Acknowledge, {"note": note})
        done = alerts.acknowledge(service, acting(service, key), alert, asked)
    who = done["acknowledged_by"]
    say(done, f"已由 {who} 确认 / acknowledged by {who}", as_json=as_json)
