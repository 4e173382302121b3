"""`baozhuang replay-run ID`: do a replay that was asked for on the pages. The pages start it by themselves."""

from __future__ import annotations

from typing import Annotated

import typer

from workflow.cli.opening import DatabaseOption, opened


def run(
    which: Annotated[str, typer.Argument(metavar="ID", help="回放编号 / id of the replay")],
    database: DatabaseOption = None,
) -> None:
    """办理网页上提交的回放, 接着上次做完的部分做。 / Do a replay asked for on the pages, from where it stopped."""
    from workflow.service import replay_process

    with opened(database) as service:
        had = replay_process.work(service, which)
    if not had:
        typer.echo("没有可办的回放, 或另一进程正在办理 / nothing to do, or another process is at it", err=True)
        raise typer.Exit(1)
