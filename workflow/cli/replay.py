"""`baozhuang replay`: read a history, judge it case by case, and leave findings, verdicts and a report."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from workflow.cli.console import refuse, say_json, say_table, stages
from workflow.cli.opening import JsonOption


def replay(
    *,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="结果文件夹 / folder for the results")],
    cases: Annotated[
        Path | None, typer.Option("--cases", metavar="FILE", help="业务表, 或台账 / the cases, or a ledger")
    ] = None,
    events: Annotated[
        Path | None, typer.Option("--events", metavar="FILE", help="事件表, 或日志 / the events, or a log")
    ] = None,
    mapping: Annotated[
        str | None,
        typer.Option("--mapping", metavar="FILE", help="列名对照表, 或随附对照表的名称 / mapping file, or a ready one"),
    ] = None,
    engine: Annotated[str, typer.Option("--engine", metavar="duckdb|spark", help="计算引擎 / engine")] = "duckdb",
    master: Annotated[
        str | None,
        typer.Option(
            "--master", metavar="URL", help="Spark 的 master 地址, 默认 local[2] / master of Spark, default local[2]"
        ),
    ] = None,
    as_of: Annotated[
        str | None, typer.Option("--as-of", metavar="DATE", help="判定基准日, 默认今天 / judged as of, default today")
    ] = None,
    memory: Annotated[str, typer.Option("--memory", metavar="SIZE", help="内存上限, 如 8GB / memory bound")] = "8GB",
    detectors: Annotated[
        Path | None,
        typer.Option("--rules", metavar="DIR", help="规则文件夹, 默认随附 / folder of rules, default the shipped"),
    ] = None,
    reported: Annotated[
        Path | None,
        typer.Option(
            "--reported", metavar="FILE", help="单位上报的合计, 与重算比对 / totals reported, held against S3"
        ),
    ] = None,
    process: Annotated[
        str | None,
        typer.Option(
            "--process", metavar="FILE", help="他种流程的定义文件, 或随附流程名 / definition of another process"
        ),
    ] = None,
    partition: Annotated[
        str | None,
        typer.Option(
            "--partition",
            metavar="org|region|province",
            help="另按单位、地区或省份分文件夹写出 / also write the results as folders, one part for each",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """回放历史工单并判定。 / Replay a history and judge every case of it."""
    from workflow.service import replay as service
    from workflow.service import rules
    from workflow.service.processes import replay_process

    try:
        with _stoppable(), stages() as report:
            shared: dict[str, Any] = {
                "cases": cases,
                "events": events,
                "mapping": mapping or _by_format(events or cases),
                "engine": engine,
                "master": master,
                "as_of": None if as_of is None else rules.parse_day(as_of),
                "out": out,
                "memory_limit": memory,
                "progress": report,
                "by": partition,
            }
            found: Any = (
                service.replay(**shared, reported=reported, detectors=detectors)
                if process is None
                else replay_process(**shared, process=process)
            )
    except KeyboardInterrupt:
        typer.echo(
            "已停止, 再次运行同一命令会接着做 / stopped; the same command takes up where this run ended", err=True
        )
        raise typer.Exit(130) from None
    except (service.BadHistory, *rules.BAD_QUESTION) as error:
        refuse(error)
    if as_json:
        judged = found.judged
        counts = {"cases": judged.cases, "events": judged.events, "after_as_of": judged.later}
        say_json(
            {
                "intake": found.intake.counts,
                "judged": {**counts, "findings": judged.finding_counts, "verdicts": judged.verdict_counts},
            }
        )
    else:
        _show(found)


@contextmanager
def _stoppable() -> Iterator[None]:
    """A request to end, from the keyboard or by SIGTERM, stops the run, so that nothing half-written stays.

    Raises KeyboardInterrupt. An engine that is stopped in the middle of a statement may tell it as an error of its own.
    """
    asked = False

    def stop(*_: object) -> None:
        nonlocal asked
        asked = True
        raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    except Exception:
        if asked:
            raise KeyboardInterrupt from None
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _by_format(path: Path | None) -> str:
    """Without a mapping a log is read by the standard attributes, anything else as our own tables."""
    return (
        "xes" if path is not None and path.name.lower().removesuffix(".gz").endswith((".xes", ".xml")) else "contract"
    )


def _show(found: Any) -> None:
    counts, judged = found.intake.counts, found.judged
    rows = [
        ("业务 / cases", str(counts["cases"]["written"])),
        ("事件 / events", str(counts["events"]["written"])),
        ("退回的行 / rows rejected", str(counts["rejected"]["rows"])),
        ("退回的值 / values rejected", str(counts["rejected"]["values"])),
        ("互相矛盾的业务值 / conflicting case values", str(counts["cases"]["conflicting_values"])),
    ]
    if judged.later:
        rows.append(("判定基准日之后的事件, 未计 / events after the as-of date, left out", str(judged.later)))
    rows += [(f"判定 / verdict {name}", str(many)) for name, many in sorted(judged.verdict_counts.items())]
    rows += [(f"发现 / finding {name}", str(many)) for name, many in sorted(judged.finding_counts.items())]
    say_table(("项目 / what", "数量 / how many"), rows)
    if counts["rejected"]["rows"] or counts["rejected"]["values"]:
        typer.echo(f"原因见 / the reasons are in {found.intake.rejected}", err=True)
    for file, sheets in _unread(counts["sheets_left"]).items():
        typer.echo(f"{file}: 没有读取的工作表 / sheets that were not read: {', '.join(sheets)}", err=True)
    _columns_left(counts)


def _columns_left(counts: dict[str, Any]) -> None:
    """Name the columns that nothing was read from: one of ours may be misspelt."""
    for one in counts["inputs"]:
        if one["columns_left"]:
            place = f"{one['file']} [{one['sheet']}]" if one["sheet"] else one["file"]
            columns = ", ".join(one["columns_left"])
            typer.echo(f"{place}: 没有读取的列 / columns that were not read: {columns}", err=True)


def _unread(left: list[dict[str, Any]]) -> dict[str, list[str]]:
    """By file, the sheets that no table of the mapping meant; `left` has them by table."""
    found: dict[str, list[str]] = {}
    for one in left:
        sheets = one["sheets"]
        found[one["file"]] = [name for name in found.get(one["file"], sheets) if name in sheets]
    return {file: sheets for file, sheets in found.items() if sheets}
