"""`baozhuang due`: the due date of a step or a whole process, with the day-by-day account behind it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workflow.cli.console import TOTALS, refuse, say_json, say_table
from workflow.cli.opening import JsonOption
from workflow.service import calendar as service
from workflow.service import rules

_REASONS = {
    "start": "起始日, 不计入",
    "working": "",
    "weekend": "休息日",
    "holiday": "放假",
    "suspended": "中止, 不计入",
}
_PRACTICE = {
    "strict": "休息日或下班后提交从当日起算 / counted from its own date",
    "deemed": "休息日或下班后提交视同下一工作日 / deemed received next working day",
}


def due(
    *,
    start: Annotated[
        str | None, typer.Option(metavar="DATE|TIME", help="起始日期或时间 (北京时间) / when the clock starts")
    ] = None,
    user_class: Annotated[
        str | None, typer.Option("--class", metavar="CLASS", help="用户类别, 如 hv_single / user class")
    ] = None,
    step: Annotated[
        str | None, typer.Option(metavar="STEP", help="环节, 如 supply_plan; 不写则为总时限 / step; default: the total")
    ] = None,
    working_days: Annotated[
        str | None, typer.Option(metavar="N", help="工作日数, 代替 --class / working days, instead of --class")
    ] = None,
    on: Annotated[
        str | None,
        typer.Option(metavar="DATE", help="报装申请日期, 决定适用的时限 / submission date, decides the limits"),
    ] = None,
    region: Annotated[str, typer.Option(metavar="CODE", help="行政区划代码 (GB/T 2260) / region")] = rules.NATION,
    deemed: Annotated[
        bool | None,
        typer.Option("--deemed/--strict", help="休息日或下班后提交视同下一工作日 / deemed received next working day"),
    ] = None,
    notices: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="补充的放假通知文件 / notice files to count with")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """计算办理时限的到期日, 并逐日说明。 / The due date of a limit, with its day-by-day account."""
    try:
        found = _due(
            start=start,
            user_class=user_class,
            step=step,
            working_days=working_days,
            on=on,
            region=region,
            deemed=deemed,
            notices=notices or [],
        )
    except service.BAD_QUESTION as error:
        refuse(error)
    if as_json:
        say_json(found)
    else:
        _show(found)


def _due(
    *,
    start: str | None,
    user_class: str | None,
    step: str | None,
    working_days: str | None,
    on: str | None,
    region: str,
    deemed: bool | None,
    notices: list[Path],
) -> service.Due:
    if start is None:
        raise service.Question("请用 --start 写明起始日期 / say with --start when the clock starts")
    if (user_class is None) == (working_days is None):
        raise service.Question("请写 --class 或 --working-days 其中之一 / give either --class or --working-days")
    began = service.parse_start(start)
    calendar = service.working_calendar(notices)
    if user_class is None:
        if step is not None or on is not None or deemed is not None or region != rules.NATION:
            raise service.Question(
                "--step、--on、--region、--deemed 须与 --class 同用 / --step, --on, --region and --deemed need --class"
            )
        return service.due_after(began, service.parse_count(working_days or ""), calendar=calendar)
    return service.due_under(
        began,
        user_class=user_class,
        step=step,
        on=service.parse_date(on) if on is not None else None,
        region=region,
        counting=None if deemed is None else "deemed" if deemed else "strict",
        law=rules.book(),
        calendar=calendar,
    )


def _show(found: service.Due) -> None:
    weekday = service.weekday_name(found.due_on)
    standing = "暂定 / provisional" if found.provisional else "确定 / firm"
    typer.echo(f"到期日 / due on: {found.due_on} {weekday.zh} ({standing})")
    if rule := found.rule:
        scope = f"{rule.step_name.zh} / {rule.step_name.en}" if rule.step_name else TOTALS[rule.kind]
        typer.echo(
            f"适用 / under: {rule.name.zh} ({rule.user_class}), {scope}, {found.working_days} 个工作日 / working days"
        )
        typer.echo(f"起算 / counting: {_PRACTICE[rule.counting]}")
    if found.counted_from != found.start:
        typer.echo(f"{found.start} 提交, 视同 {found.counted_from} 收到 / deemed received on {found.counted_from}")
    say_table(
        ("日期 date", "星期 weekday", "计数 count", "说明 reason"),
        [
            (
                day.date.isoformat(),
                service.weekday_name(day.date).zh,
                "" if day.counted is None else str(day.counted),
                _reason(day),
            )
            for day in found.days
        ],
    )
    if found.provisional:
        typer.echo(
            f"提示 / note: {found.firm_until} 之后的放假安排尚未收录, 按周末和法定节日暂算 / "
            f"no notice covers the days after {found.firm_until} yet; weekends and statutory festivals are used"
        )
    if rule and rule.kind == "step_sum":
        typer.echo(
            "提示 / note: 合计时限只计供电企业办理的工作日, 客户准备时间不计 / "
            "a sum counts the utility's own steps, not the customer's time between them"
        )
    for clause in rule.clauses if rule else ():
        typer.echo(f"依据 / clause: {clause.id} {clause.source} {clause.item}: {clause.quote}")


def _reason(day: service.AccountDay) -> str:
    makeup = "调休上班" if day.kind == "makeup_workday" else ""
    said = [day.name.zh if day.name else "", makeup, _REASONS[day.reason], "暂定" if day.provisional else ""]
    return "; ".join(part for part in said if part)
