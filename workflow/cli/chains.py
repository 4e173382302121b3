"""`baozhuang verify|checkpoint|rebuild`: the evidence of a database, and what is derived from it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from workflow.cli.console import progress, say, say_json
from workflow.cli.opening import DatabaseOption, JsonOption, opened
from workflow.service import upkeep


def verify(
    *,
    checkpoint: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="与此前留存的检查点比对 / compare with a checkpoint kept elsewhere"),
    ] = None,
    projections: Annotated[
        bool, typer.Option("--projections", help="同时核对当前数据与事件是否一致 / compare projections with the events")
    ] = False,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """核验全部证据链、规则、放假通知、外部记录、发现和客户资料; 有问题时列出首个坏事件和被改动的记录, 退出码为 1。

    Verify every chain, and definitions, notices, records of other systems, findings and personal data against their
    hashes; names the first bad event of each bad case and every changed row, and exits 1 when there is one.
    """
    with opened(database) as service, progress("核验 / verifying") as report:
        found = upkeep.verify(service, checkpoint, projections, report)
    if as_json:
        say_json({"holds": found.holds, **msgspec.structs.asdict(found)})
    else:
        _say(found)
    raise typer.Exit(0 if found.holds else 1)


def _say(found: upkeep.Verified) -> None:
    for flaw in found.flaws:
        typer.echo(f"{flaw['case_id']}\t{flaw['event']}\t{flaw['text']}")
    for trigger in found.missing_triggers:
        typer.echo(f"缺少防篡改触发器 / append-only trigger is gone: {trigger}")
    for row in found.damaged:
        typer.echo(row)
    for case_id in found.differing or ():
        typer.echo(f"{case_id}\t当前数据与事件不一致 / projections are not what the events give")
    for month in found.differing_months or ():
        typer.echo(
            f"{month}\t录入时间的汇总与各申请不一致 / the sums of times of recording are not what the cases give"
        )
    bad = len(found.flaws) + len(found.differing or ())
    wrong = f"{bad} 件有问题 / bad cases: {bad}"
    if found.damaged:
        many = len(found.damaged)
        wrong += f", 规则、放假通知、外部记录、发现和客户资料 {many} 条有问题 / bad rows: {many}"
    if found.differing_months:
        many = len(found.differing_months)
        wrong += f", 录入时间的汇总 {many} 项有问题 / bad sums of times of recording: {many}"
    outcome = "全部完好 / all hold" if found.holds else wrong
    typer.echo(f"{found.cases} 件申请 / cases, {found.events} 个事件 / events: {outcome}")
    if found.differing == found.differing_months == []:
        typer.echo("当前数据与事件一致 / projections agree with the events")


def checkpoint(
    *,
    out: Annotated[Path, typer.Option(metavar="FILE", help="写到哪个文件 / file to write")],
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """写出全部证据链、外部记录和发现经过的检查点, 请留存于本机之外。

    Write a checkpoint of every chain, of the records of other systems and of the history of findings, to be kept
    elsewhere.
    """
    with opened(database) as service:
        made = upkeep.checkpoint(service, out)
    counts = f"{made['cases']} 件 / cases, {made['records']} 条外部记录和发现经过 / records"
    say(made, f"{made['file']}: {counts}, 根 / root {made['root']}", as_json=as_json)


def rebuild(database: DatabaseOption = None, as_json: JsonOption = False) -> None:
    """由事件重建全部当前数据; 证据链断裂的不动并列出, 退出码为 1。

    Write the projections of every case anew from its events. A case whose chain is broken is named and left as it
    stands; then it exits 1.
    """
    with opened(database) as service, progress("重建 / rebuilding") as report:
        done = upkeep.rebuild(service, report)
    if as_json:
        say_json(msgspec.structs.asdict(done))
    else:
        for flaw in done.flaws:
            typer.echo(f"{flaw['case_id']}\t{flaw['event']}\t{flaw['text']}")
        for row in done.damaged:
            typer.echo(row)
        typer.echo(f"已重建 {done.cases} 件 / cases rebuilt: {done.cases}")
    raise typer.Exit(1 if done.flaws or done.damaged else 0)
