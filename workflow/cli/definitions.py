"""`baozhuang definitions`: check the rules, show the ones in force, and compare two days or two regions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from workflow.cli.console import TOTALS, refuse, say, say_json, say_table
from workflow.cli.opening import DatabaseOption, JsonOption, KeyOption, acting, opened
from workflow.service import rules

app = typer.Typer(no_args_is_help=True, help="办电规则 / the rules in force")

Directory = Annotated[
    Path | None, typer.Option("--directory", metavar="DIR", help="规则文件夹, 默认随软件附带 / data directory")
]
Regions = Annotated[
    Path | None,
    typer.Option("--regions", metavar="DIR", help="地区规则文件夹(或 BAOZHUANG_REGIONS) / folder of regional overlays"),
]
Detectors = Annotated[
    Path | None,
    typer.Option("--rules", metavar="DIR", help="回查规则文件夹 / detectors, as for a replay"),
]
Region = Annotated[str, typer.Option("--region", metavar="CODE", help="行政区划代码(GB/T 2260) / region")]

_STARTS = {
    "submission": "自报装申请 / from submission",
    "previous_step": "自上一环节办结 / from the previous step",
    "hand_in": "自用户提交 / when the customer hands it in",
}
_REQUIRED = {"all": "全部用户 / all", "important_customers": "重要用户 / important customers"}


@app.command()
def check(
    directory: Directory = None, regions: Regions = None, detectors: Detectors = None, as_json: JsonOption = False
) -> None:
    """检查规则文件并列出全部问题。 / Check the rule files and list every fault; exits 1 when there is one."""
    problems = rules.check(directory, regions, detectors)
    if as_json:
        say_json([{"file": p.mark.file, "line": p.mark.line, "zh": p.zh, "en": p.en} for p in problems])
    else:
        for problem in problems:
            typer.echo(str(problem))
        if not problems:
            typer.echo("规则完好 / the rules are sound")
    raise typer.Exit(1 if problems else 0)


@app.command()
def show(
    user_class: Annotated[str, typer.Argument(metavar="CLASS", help="用户类别, 如 residential / user class")],
    *,
    on: Annotated[
        str | None, typer.Option("--on", metavar="DATE", help="报装申请日期, 默认今天 / submission date, default today")
    ] = None,
    region: Region = rules.NATION,
    directory: Directory = None,
    regions: Regions = None,
    as_json: JsonOption = False,
) -> None:
    """显示某类用户适用的环节、时限、资料、收费和依据。 / The steps, limits, documents and charges of a class."""
    found = _definition(user_class, on, region, directory, regions)
    if as_json:
        say_json(found)
    else:
        _show(found)


@app.command()
def diff(
    *,
    user_class: Annotated[str, typer.Option("--class", metavar="CLASS", help="用户类别 / user class")],
    from_: Annotated[str | None, typer.Option("--from", metavar="DATE", help="前一日期, 默认今天 / one day")] = None,
    to: Annotated[str | None, typer.Option("--to", metavar="DATE", help="后一日期, 默认今天 / the other day")] = None,
    region: Region = rules.NATION,
    other_region: Annotated[
        str | None, typer.Option("--other-region", metavar="CODE", help="与哪个地区比较 / region to compare with")
    ] = None,
    directory: Directory = None,
    regions: Regions = None,
    as_json: JsonOption = False,
) -> None:
    """比较两个日期或两个地区的规则。 / Compare the rules of two days or two regions."""
    before = _definition(user_class, from_, region, directory, regions)
    after = _definition(user_class, to, other_region or region, directory, regions)
    changes = rules.compare(before, after)
    if as_json:
        say_json({"from": before.version, "to": after.version, "changes": changes})
        return
    typer.echo(f"{before.version} → {after.version}: {len(changes)} 处不同 / differences")
    say_table(
        ("项目 / path", "前 / before", "后 / after", "依据 / clauses"),
        [(c.path, _value(c.before), _value(c.after), _grounds(c)) for c in changes],
    )


@app.command()
def publish(key: KeyOption = None, database: DatabaseOption = None, as_json: JsonOption = False) -> None:
    """把全部规则发布到数据库, 供各节点和以后的版本读取。 / Publish every definition into the database."""
    from workflow.service import upkeep

    with opened(database) as service:
        found = upkeep.publish(service, acting(service, key))
    told = f"{found['definitions']} 份规则 / definitions, 新发布 / newly published {found['published']}"
    say(found, told, as_json=as_json)


def _definition(
    user_class: str, on: str | None, region: str, directory: Path | None, regions: Path | None
) -> rules.Definition:
    try:
        day = rules.parse_day(on) if on is not None else rules.today()
        return rules.definition(user_class, on=day, region=region, directory=directory, regions=regions)
    except rules.DefinitionError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    except rules.BAD_QUESTION as error:
        refuse(error)


def _show(found: rules.Definition) -> None:
    until = found.in_force_to or "今 / now"
    typer.echo(f"{found.name.zh} / {found.name.en}")
    typer.echo(f"版本 / version: {found.version}  {found.hash[:12]}")
    typer.echo(f"有效 / in force: {found.in_force_from} 至 / to {until}  核对于 / verified on {found.last_verified_on}")
    typer.echo(f"地区 / regions: {' > '.join(found.regions)}")
    total = found.total
    typer.echo(
        f"总时限 / total: {TOTALS[total.kind]} {total.limit} 个工作日 / working days ({', '.join(total.clauses)})"
        + ("; 除不可抗力外 / force majeure excluded" if total.deductible else "")
    )
    typer.echo("")
    say_table(
        ("环节 / step", "工作日 / limit", "起算 / starts", "适用 / for", "资料 / documents", "依据 / clauses"),
        [_step_row(step) for step in found.steps],
    )
    typer.echo("")
    charged = ", ".join(item.name.zh for item in found.charges.catalogue) or "无 / none"
    zero = "零投资 / zero investment; " if found.charges.zero_investment else ""
    typer.echo(f"收费 / charges: {zero}{charged} ({', '.join(found.charges.clauses)})")
    for notice in found.notices:
        typer.echo(f"告知 / notice: {notice.name.zh} / {notice.name.en} ({', '.join(notice.clauses)})")
    for approval in found.approvals:
        typer.echo(f"工程审批 / approval: {_approval(approval)} ({', '.join(approval.clauses)})")
    typer.echo("")
    say_table(
        ("条款 / clause", "来源 / source", "原文或理由 / words"),
        [(clause.id, f"{clause.source} {clause.item}", clause.quote) for clause in found.clauses.values()],
    )


def _step_row(step: rules.StepRule) -> tuple[str, ...]:
    parts = f" ({' + '.join(step.parts)})" if len(step.parts) > 1 else ""
    return (
        f"{step.name.zh} {step.code}{parts}",
        "–" if step.limit is None else str(step.limit),
        _STARTS[step.starts],
        _REQUIRED[step.required_for],
        "; ".join(f"{document.name.zh} {document.kind}" for document in step.documents) or "无 / none",
        ", ".join(step.clauses),
    )


def _approval(rule: rules.ApprovalRule) -> str:
    voltage = {"low": "低压 / low", "high": "高压 / high"}[rule.voltage]
    up_to = f" ≤ {rule.max_kv:g} kV" if rule.max_kv is not None else ""
    limit = "全国未规定 / no national limit" if rule.limit is None else f"{rule.limit} 个工作日 / working days"
    return f"{voltage}{up_to}: {limit}"


def _value(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, dict):
        name = value.get("name")
        return str(name["zh"]) if isinstance(name, dict) else ", ".join(map(str, value))
    if isinstance(value, list):
        return ", ".join(map(_value, value)) or "无 / none"
    return str(value)


def _grounds(change: rules.Change) -> str:
    before, after = ", ".join(change.clauses_before), ", ".join(change.clauses_after)
    return before if before == after else f"{before or '–'} → {after or '–'}"
