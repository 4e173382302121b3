"""`baozhuang findings`: what the rules say of live cases, its review, and how often each rule was right."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer

from workflow.cli.console import say_json, say_list
from workflow.cli.opening import DatabaseOption, JsonOption, KeyOption, acting, opened

app = typer.Typer(no_args_is_help=True, help="检查发现 / findings of the rules")

Which = Annotated[str, typer.Argument(metavar="ID", help="发现编号 / id of the finding")]
_SEVERITIES = {"critical": "严重", "high": "高", "medium": "中", "low": "低"}


@app.command("list")
def list_(
    *,
    case_id: Annotated[
        str | None, typer.Option("--case", metavar="ID", help="申请标识 / id of the application")
    ] = None,
    rule: Annotated[str | None, typer.Option(metavar="D02", help="规则 / rule")] = None,
    status: Annotated[
        Literal[
            "standing", "lapsed", "all", "open", "awaiting_statement", "stated", "confirmed", "excluded", "rectified",
            "rechecked",
        ],
        typer.Option(help="复核状态, 默认仍成立的 / status; default: those whose ground is on record"),
    ] = "standing",
    severity: Annotated[
        Literal["critical", "high", "medium", "low"] | None, typer.Option(help="程度 / severity")
    ] = None,
    org: Annotated[str | None, typer.Option(help="单位及下级 / this unit and those below")] = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="最多行数 / most rows")] = 50,
    cursor: Annotated[str | None, typer.Option(help="上一页的 next / next of the page before")] = None,
    key: KeyOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """列出检查发现, 新的在前。 / Findings, newest first; those that stand unless told otherwise."""
    from workflow.service import findings

    with opened(database) as service:
        page = findings.listed(
            service, acting(service, key), case_id=case_id, rule=rule, status=None if status == "all" else status,
            severity=severity, org=org, cursor=cursor, limit=limit,
        )  # fmt: skip
    columns = ("规则 rule", "程度 severity", "申请 application", "复核 status", "事实 fact", "编号 id")
    say_list(page, columns, _line, as_json=as_json)


def _line(one: dict[str, Any]) -> tuple[str, ...]:
    return (
        f"{one['rule']} {one['name']['zh']}",
        _SEVERITIES[one["severity"]],
        one["application_no"] or one["case_id"],
        one["status"] if one["stands"] else f"{one['status']} (不再成立 lapsed)",
        one["explanation"],
        one["id"],
    )


@app.command()
def show(which: Which, key: KeyOption = None, database: DatabaseOption = None, as_json: JsonOption = False) -> None:
    """显示一条发现的证据和经过。 / One finding with its evidence and history."""
    from workflow.service import findings

    with opened(database) as service:
        _say(findings.one(service, acting(service, key), which), as_json)


@app.command()
def review(
    which: Which,
    act: Annotated[
        Literal["invite", "state", "confirm", "exclude", "reopen", "rectify", "recheck", "fail_recheck"],
        typer.Argument(help="请说明、说明、属实、排除、撤销排除、整改、回头看、回头看未通过 / see docs/commands.md"),
    ],
    *,
    text: Annotated[str | None, typer.Option(help="说明或理由 / the statement or the reason")] = None,
    reply_by: Annotated[str | None, typer.Option(metavar="DATE", help="说明期限, 只用于 invite / only invite")] = None,
    key: KeyOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """复核一条发现; 每一步都留痕。 / One act of a review; each is kept."""
    from workflow.service import findings, reading

    given = {"act": act, "text": text, "reply_by": reply_by}
    with opened(database) as service:
        asked = reading.asked(findings.Review, {name: value for name, value in given.items() if value is not None})
        _say(findings.act(service, acting(service, key), which, asked), as_json)


@app.command()
def precision(key: KeyOption = None, database: DatabaseOption = None, as_json: JsonOption = False) -> None:
    """各规则经复核的准确率。 / How often each rule was right, of what was reviewed."""
    from workflow.service import findings

    with opened(database) as service:
        page = findings.precision(service, acting(service, key))
    columns = ("规则 rule", "发现 found", "已复核 reviewed", "属实 confirmed", "排除 excluded", "准确率 precision")
    say_list(page, columns, _rightness, as_json=as_json)


def _rightness(one: dict[str, Any]) -> tuple[str, ...]:
    counts = (str(one[name]) for name in ("found", "reviewed", "confirmed", "excluded"))
    precision = "" if one["precision"] is None else f"{one['precision']:.1%}"
    return f"{one['rule']} {one['name']['zh']}", *counts, precision


def _say(one: dict[str, Any], as_json: bool) -> None:
    if as_json:
        say_json(one)
        return
    number = one["application_no"] or one["case_id"]
    typer.echo(f"{one['rule']} {one['name']['zh']}  {_SEVERITIES[one['severity']]}  {number}  {one['status']}")
    typer.echo(f"{one['explanation']} / {one['explanation_en']}")
    for record in one["evidence"]["records"]:
        typer.echo(f"  {record['value']}  {record['field']}  {record['source']}")
    for event in one["history"]:
        typer.echo(f"{event['at']:%Y-%m-%d %H:%M}  {event['type']}  {event['by']}  {event.get('text') or ''}")
