"""`baozhuang calendar`: the days of a year that are not plain workdays or weekends, and the notices behind them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workflow.cli.console import progress, refuse, say_json, say_table
from workflow.cli.opening import DatabaseOption, JsonOption, KeyOption, acting, opened
from workflow.service import calendar as service
from workflow.service import rules

app = typer.Typer(no_args_is_help=True, help="工作日历 / the working calendar")

_KINDS = {"holiday": "放假", "makeup_workday": "调休上班"}


@app.command()
def show(
    year: Annotated[
        str | None, typer.Argument(metavar="[YEAR]", help="年份, 默认今年 / year, default this one")
    ] = None,
    notices: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="补充的放假通知文件 / notice files to count with")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """列出一年中的放假与调休上班日、所依据的通知和暂定范围。 / A year's holidays and make-up workdays."""
    try:
        number = service.parse_count(year) if year is not None else rules.today().year
        view = service.year_view(number, calendar=service.working_calendar(notices or []))
    except service.BAD_QUESTION as error:
        refuse(error)
    if as_json:
        say_json(view)
        return
    typer.echo(f"{view.year} 年: {view.working_days} 个工作日 / working days")
    for notice in view.notices:
        typer.echo(f"通知 / notice: {notice.number} ({notice.published_on}) {notice.title}")
    if view.provisional:
        typer.echo(
            f"暂定 / provisional: {view.firm_until} 之后的日期待下一份通知确定 / days after it await the next notice"
        )
    say_table(
        ("日期 days", "天数", "类别 kind", "节日 festival", "依据 basis"),
        [_row(spell) for spell in service.spells(view.days)],
    )


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="放假通知文件 (YAML) / notice file (YAML)")],
    key: KeyOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """导入放假通知并重算未到期的时限; 中断后再次导入即接着重算。

    Import a notice and recount the open deadlines; when interrupted, import it again.
    """
    with opened(database) as opened_service, progress("重算 / recounting") as report:
        found = opened_service.import_notice(acting(opened_service, key), file, report)
    if as_json:
        say_json(found)
        return
    for number in found.notices:
        typer.echo(f"{number}: {'已导入 / imported' if number in found.added else '此前已导入 / was there already'}")
    typer.echo(
        f"重算时限 {found.recounted} 个, 变化 {found.changed} 件; 日历确定至 {found.firm_until} / "
        f"deadlines recounted: {found.recounted}, cases changed: {found.changed}; firm until {found.firm_until}"
    )


def _row(spell: service.Spell) -> tuple[str, str, str, str, str]:
    first, last = spell.first, spell.last
    days = " 至 ".join(f"{day:%m-%d} {service.weekday_name(day).zh}" for day in dict.fromkeys((first.date, last.date)))
    festival = first.name.zh if first.name else ""
    return days, str(spell.days), _KINDS[first.kind], festival, first.notice or "暂定"
