"""`baozhuang report`: the regulator's half-yearly tables, on the screen, as JSON or as an Excel workbook."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from workflow.cli.console import progress, refuse, say_json, say_table
from workflow.cli.opening import DatabaseOption, JsonOption, KeyOption, acting, opened
from workflow.service import reports

app = typer.Typer(no_args_is_help=True, help="半年报表 / the regulator's half-yearly tables")

PeriodOption = Annotated[
    str, typer.Option(metavar="2026H1|2026", help="统计期: 上半年或全年 / first half or whole year")
]
OrgOption = Annotated[str | None, typer.Option(metavar="ORG", help="只统计此单位及下级 / this unit and those below")]
ByOption = Annotated[str | None, typer.Option(metavar="|".join(reports.GROUPINGS), help="分组小计 / sub-totals by")]
WorkbookOption = Annotated[
    Path | None, typer.Option("--xlsx", metavar="OUT", dir_okay=False, help="写成 Excel 工作簿 / write a workbook")
]


@app.command()
def indicators(
    *,
    period: PeriodOption,
    org: OrgOption = None,
    by: ByOption = None,
    database: DatabaseOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
    xlsx: WorkbookOption = None,
) -> None:
    """附件 2: “获得电力”任务指标完成情况统计表。 / Annex 2: the 38 indicators."""
    answer = _answer("indicators", period=period, org=org, by=by, database=database, key=key)
    if not _written(answer, as_json, xlsx):
        _head(answer)
        _show_each(answer, lambda part: _show_indicators(part["items"]))


@app.command()
def benefits(
    *,
    period: PeriodOption,
    org: OrgOption = None,
    by: ByOption = None,
    database: DatabaseOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
    xlsx: WorkbookOption = None,
) -> None:
    """附件 3: “三零”“三省”服务效益统计表。 / Annex 3: who benefited."""
    answer = _answer("benefits", period=period, org=org, by=by, database=database, key=key)
    if not _written(answer, as_json, xlsx):
        _head(answer)
        _show_each(answer, _show_benefits)


def _answer(
    kind: str, *, period: str, org: str | None, by: str | None, database: str | None, key: str | None
) -> dict[str, Any]:
    if by is not None and by not in reports.GROUPINGS:
        listed = ", ".join(reports.GROUPINGS)
        refuse(f"--by 应为其中之一: {listed} / --by must be one of {listed}")
    with opened(database) as service, progress("统计 / counting") as counted:
        return reports.report(service, acting(service, key), kind, period, org=org, by=by, progress=counted)


def _written(answer: dict[str, Any], as_json: bool, xlsx: Path | None) -> bool:
    """Write what was asked for; False when nothing was, so that the table is shown."""
    if xlsx is not None:
        xlsx.write_bytes(reports.workbook(answer))
    if as_json:
        say_json(answer)
    elif xlsx is not None:
        typer.echo(f"已写入 / written: {xlsx}")
    return as_json or xlsx is not None


def _show_each(answer: dict[str, Any], show: Callable[[dict[str, Any]], None]) -> None:
    """The whole, then each of its sub-totals under its name."""
    show(answer)
    for group in answer.get("groups", ()):
        typer.echo(f"\n{group['name'] or group['key'] or '未归属 / none'}")
        show(group)


def _head(answer: dict[str, Any]) -> None:
    period = answer["period"]
    typer.echo(f"{answer['title']}  {period['label']} ({period['first']} - {period['last']})")
    typer.echo(f"报送期限 / report due on: {period['report_due_on']}")
    if not period["ended"]:
        typer.echo(f"统计期未结束, 截至 {period['as_of']} / the period runs; as of {period['as_of']}")


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.2%}"


def _show_indicators(items: list[dict[str, Any]]) -> None:
    say_table(
        (
            "指标 no.",
            "应计 judged",
            "达标 met",
            "达标率 rate",
            "关联后 chained",
            "平均用时 days",
            "在办 open",
            "超期 overdue",
        ),
        [
            (
                str(item["number"]),
                _text(item["judged"]),
                _text(item["met"]),
                _share(item["rate"]),
                _share((item["as_chained"] or {}).get("rate")),
                _text(item["average_used_working_days"]),
                _text((item["cases"] or {}).get("open")),
                _text((item["cases"] or {}).get("overdue")),
            )
            for item in items
        ],
    )


_ROWS = (
    ("受益户数（户） users", "users"),
    ("节省投资（万元） savings", "savings_wan_yuan"),
    ("增加售电量（万千瓦时） sales", "added_sales_wan_kwh"),
    ("增加容量（万千伏安） capacity", "added_capacity_wan_kva"),
)


def _show_benefits(part: dict[str, Any]) -> None:
    say_table(
        ("统计内容", "居民用户", "160kW 及以下的企业用户", "其他用户", "“三省”", "合计"),
        [(label, *(_text(value) for value in part[key].values())) for label, key in _ROWS],
    )
