"""`baozhuang case`: applications from the command line, as the HTTP interface has them."""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from workflow.cli.console import progress, say, say_csv, say_json, say_list, say_table
from workflow.cli.opening import DatabaseOption, JsonOption, KeyOption, acting, opened
from workflow.service import Answer, Refused, reading, upkeep
from workflow.service.calendar import parse_count, parse_date

app = typer.Typer(no_args_is_help=True, help="用电申请 / applications")

Which = Annotated[str, typer.Argument(metavar="ID|NO", help="申请编号或标识 / id or application number")]
Content = Annotated[Path, typer.Argument(metavar="FILE", help="JSON 文件, - 为标准输入 / JSON file; -: standard input")]
IdempotencyKey = Annotated[
    str | None, typer.Option("--idempotency-key", metavar="KEY", help="幂等键, 重复执行不重复办理 / idempotency key")
]
_COLUMNS = (
    "编号 no", "类别 class", "状态 state", "申请 submitted", "到期 due", "剩余 left", "经理 manager", "标识 id",
)  # fmt: skip


@app.command("list")
def list_(
    *,
    state: Annotated[str | None, typer.Option(help="状态, 如 metering.running / state")] = None,
    user_class: Annotated[str | None, typer.Option("--class", metavar="CLASS", help="用户类别 / user class")] = None,
    manager: Annotated[str | None, typer.Option(help="客户经理 / customer manager")] = None,
    org: Annotated[str | None, typer.Option(help="单位及下级 / unit and those below")] = None,
    region: Annotated[str | None, typer.Option(metavar="CODE", help="行政区划代码 / region")] = None,
    external_id: Annotated[str | None, typer.Option(help="外部系统编号 / id in the other system")] = None,
    due_before: Annotated[str | None, typer.Option(metavar="DATE", help="此日之前到期 / due before this day")] = None,
    overdue: Annotated[bool | None, typer.Option("--overdue/--not-overdue", help="是否超期 / overdue or not")] = None,
    limit: Annotated[str, typer.Option(metavar="N", help="最多几件 / at most so many")] = "50",
    cursor: Annotated[str | None, typer.Option(help="从上一页的 next 继续 / `next` of the page before")] = None,
    key: KeyOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """列出申请, 新的在前。 / List applications, newest first."""
    before: dt.date | None = None if due_before is None else parse_date(due_before)
    with opened(database) as service:
        page = service.applications(
            acting(service, key),
            state=state,
            user_class=user_class,
            manager=manager,
            org=org,
            region=region,
            external_id=external_id,
            due_before=before,
            overdue=overdue,
            cursor=cursor,
            limit=parse_count(limit),
        )
    columns = (
        "编号 no",
        "类别 class",
        "状态 state",
        "申请 submitted",
        "到期 due",
        "剩余 left",
        "经理 manager",
        "标识 id",
    )
    say_list(page, columns, _line, as_json=as_json)


def _line(one: dict[str, Any]) -> tuple[str, ...]:
    running = [d for d in one["deadlines"] if d["status"] in ("running", "suspended") and d["due_on"]]
    first = min(running, key=lambda d: d["due_on"], default=None)
    return (
        one["application_no"],
        one["user_class"],
        one["state"],
        f"{one['submitted_at']:%Y-%m-%d}",
        f"{first['due_on']}{' 暂定' if first['provisional'] else ''}" if first else "",
        str(first["remaining_working_days"]) if first else "",
        one["manager"] or "",
        one["id"],
    )


@app.command()
def show(
    which: Which,
    explain: Annotated[
        bool, typer.Option("--explain", help="逐日说明每个到期日 / the day-by-day account of every due date")
    ] = False,
    key: KeyOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """显示一件申请。 / Show one application."""
    with opened(database) as service:
        principal = acting(service, key)
        case_id = upkeep.find(service, principal, which)
        shown: dict[str, Any] = msgspec.json.decode(service.application(principal, case_id).body)
        accounts = service.explain(principal, case_id)["items"] if explain else None
    if as_json:
        say_json(shown if accounts is None else {"application": shown, "explain": accounts})
        return
    _show(shown)
    for account in accounts or ():
        _explain(msgspec.to_builtins(account))


def _show(one: dict[str, Any]) -> None:
    typer.echo(f"{one['application_no']}  {one['user_class']}  {one['state']}  v{one['version']}")
    typer.echo(f"标识 / id: {one['id']}  规则 / rules: {one['definition']['version']}")
    typer.echo(f"申请 / submitted: {one['submitted_at'][:16]}  办结 / closed: {(one['closed_at'] or '')[:16]}")
    for missing in one["missing_documents"]:
        typer.echo(f"缺资料 / missing: {missing['name']} {missing['kind']}")
    for pending in one["pending_countersign"]:
        typer.echo(f"待会签 / to be countersigned: #{pending['event']} {pending['kind']} ({pending['by']})")
    typer.echo("")
    say_table(
        ("环节 step", "状态 status", "轮次 round", "开始 started", "结束 ended"),
        [
            (s["name"], s["status"], str(s["round"]), (s["started_at"] or "")[:16], (s["ended_at"] or "")[:16])
            for s in one["steps"]
        ],
    )
    typer.echo("")
    say_table(
        ("时限 limit", "工作日 budget", "已用 used", "剩余 left", "到期 due", "状态 status"),
        [
            (
                d["key"],
                str(d["budget_working_days"]),
                str(d["used_working_days"]),
                str(d["remaining_working_days"]),
                f"{d['due_on'] or ''}{' 暂定' if d['provisional'] else ''}",
                d["status"],
            )
            for d in one["deadlines"]
        ],
    )


def _explain(account: dict[str, Any]) -> None:
    typer.echo(f"\n{account['key']}: {', '.join(clause['id'] for clause in account['clauses'])}")
    for day in account["days"]:
        counted = "" if day["counted"] is None else f"第 {day['counted']} 日"
        typer.echo(f"  {day['date']}  {day['reason']:9}  {counted}")


@app.command()
def events(which: Which, key: KeyOption = None, database: DatabaseOption = None, as_json: JsonOption = False) -> None:
    """显示一件申请的全部事件。 / The history of one application."""
    with opened(database) as service:
        principal = acting(service, key)
        found = service.events(principal, upkeep.find(service, principal, which))
    columns = ("#", "事件 event", "发生 occurred", "记录 recorded", "办理人 actor", "来源 source", "补录 late")
    say_list(found, columns, _event, as_json=as_json)


def _event(one: dict[str, Any]) -> tuple[str, ...]:
    occurred, recorded = (f"{one[name]:%Y-%m-%d %H:%M}" for name in ("occurred_at", "recorded_at"))
    late = "补录" if one["late"] else ""
    return str(one["seq"]), one["type"], occurred, recorded, one["actor"], one["source"], late


def _content(path: Path) -> bytes:
    return sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()


@app.command()
def submit(
    file: Content,
    *,
    idempotency_key: IdempotencyKey = None,
    key: KeyOption = None,
    database: DatabaseOption = None,
) -> None:
    """提交一件新申请, 内容同 POST /applications。 / Submit an application; the body of POST /applications."""
    body = reading.submission(_content(file))
    with opened(database) as service:
        _tell(service.submit(acting(service, key), body, idempotency_key).result())


@app.command()
def command(
    which: Which,
    file: Content,
    *,
    idempotency_key: IdempotencyKey = None,
    if_match: Annotated[int | None, typer.Option(min=1, help="仅当申请仍为此版本 / only while at this version")] = None,
    key: KeyOption = None,
    database: DatabaseOption = None,
) -> None:
    """办理一件申请, 内容同 POST /applications/{id}/commands。 / A command; the body of POST …/commands."""
    body = reading.command(_content(file))
    with opened(database) as service:
        principal = acting(service, key)
        case_id = upkeep.find(service, principal, which)
        seen = None if if_match is None else (if_match,)
        _tell(service.command(principal, case_id, body, idempotency_key, seen).result())


def _tell(answer: Answer) -> None:
    if answer.refusal is not None:
        raise Refused(answer.refusal)
    say_json(msgspec.json.decode(answer.body))


@app.command()
def erase(
    which: Which,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="不再询问 / do not ask")] = False,
    key: KeyOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """删除已结束申请的客户资料, 不可恢复, 证据链不受影响。 / Erase the personal data of an ended application."""
    with opened(database) as service:
        principal = acting(service, key)
        case_id = upkeep.find(service, principal, which)
        if not yes:
            typer.confirm(
                f"删除 {which} 的客户资料, 不可恢复 / erase the personal data of {which}, for good", abort=True
            )
        erased = upkeep.erase(service, principal, case_id)
    told = "已删除 / erased" if erased else "此前已删除 / was erased before"
    say({"id": case_id, "erased": erased}, told, as_json=as_json)


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="JSON、JSONL、XLSX 或 CSV")],
    *,
    events: Annotated[
        Path | None, typer.Option(metavar="FILE", help="历史事件表, 当 FILE 只有申请表时 / the table of events")
    ] = None,
    rejected: Annotated[
        Path | None, typer.Option(metavar="OUT.csv", help="把被拒的另存为表格 / write what was rejected to a table")
    ] = None,
    key: KeyOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """导入切换时的在途申请及其历史, 逐件完整导入; 再次导入不重复。有被拒的则退出码为 1。

    Bring open applications over with their history, each whole or not at all; again adds nothing. Exits 1 when any was
    rejected.
    """
    from workflow.service import cutover

    with opened(database) as service, progress("导入 / importing") as report:
        moved = cutover.import_cases(service, acting(service, key), file, events, report)
    refused = [*moved.rejected, *moved.orphans]
    if rejected is not None:
        say_csv(rejected, ("place", "external_id", "reason"), refused)
    if as_json:
        say_json(moved)
    else:
        for one in refused:
            typer.echo(f"{one['place']} {one['external_id']}: {one['reason']}", err=True)
        for one in moved.reclassified:
            typer.echo(
                f"{one['external_id']}: 原类别 / filed {one['filed']}, 按规则 / by the rules {one['by_rules']}",
                err=True,
            )
        for name, count in moved.unknown_managers.items():
            typer.echo(
                f"客户经理“{name}” ({count} 处) 在人员中没有, 或有多人同名, 收不到预警; 请导入人员后改派 / "
                f"the customer manager {name!r} ({count} times) is nobody of the staff, or several: no alert reaches "
                "them; import the staff, then assign",
                err=True,
            )
        if moved.not_carried:
            typer.echo(f"未导入的列 / columns not carried over: {', '.join(moved.not_carried)}", err=True)
        typer.echo(
            f"{moved.cases} 件 / cases: 导入 / imported {moved.imported}, 已有 / there already {moved.already}, "
            f"被拒 / rejected {len(moved.rejected)}"
        )
        typer.echo(
            f"{moved.rows} 条历史 / history rows: 办理 / applied {moved.applied}, 存证 / as evidence {moved.kept}, "
            f"随件未导入 / with cases not imported {moved.passed_over}, 无申请 / without a case {len(moved.orphans)}"
        )
    raise typer.Exit(1 if refused else 0)


@app.command()
def history(
    which: Annotated[
        list[str] | None, typer.Argument(metavar="[ID|NO]...", help="默认全部申请 / default: every one")
    ] = None,
    *,
    out: Annotated[Path, typer.Option(metavar="DIR", file_okay=False, help="写到哪个文件夹 / folder to write into")],
    key: KeyOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """把申请及其证据写成回放的两个文件, 供 replay 读取。

    Applications as the two files of a replay, with the records of other systems: baozhuang replay --cases
    DIR/cases.parquet --events DIR/events.parquet --out FOUND.
    """
    from workflow.service import live_history

    with opened(database) as service:
        principal = acting(service, key)
        ids = [upkeep.find(service, principal, one) for one in which] if which else None
        written = live_history.write(service, principal, out, ids)
    say(written._asdict(), f"{out}: {written.cases} 件 / cases, {written.events} 条 / events", as_json=as_json)


@app.command()
def export(
    which: Annotated[
        list[str] | None, typer.Argument(metavar="[ID|NO]...", help="默认全部在途申请 / default: every open one")
    ] = None,
    *,
    out: Annotated[Path, typer.Option(metavar="FILE.jsonl", help="写到哪个文件 / file to write")],
    key: KeyOption = None,
    database: DatabaseOption = None,
) -> None:
    """导出申请及其历史 (含客户资料), 供 case import 读取。 / Applications with their history, for `case import`."""
    from workflow.service import takeout

    with opened(database) as service, out.open("wb") as file:
        principal = acting(service, key)
        ids = [upkeep.find(service, principal, one) for one in which] if which else None
        count = 0
        for one in takeout.export_cases(service, principal, ids):
            file.write(msgspec.json.encode(one) + b"\n")
            count += 1
    typer.echo(f"{out}: {count} 件 / cases")
