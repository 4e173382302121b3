"""`baozhuang orgs|staff|evidence import FILE`: the org tree, the staff, records of other systems."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workflow.cli.console import progress, say_json
from workflow.cli.opening import DatabaseOption, JsonOption, KeyOption, acting, opened
from workflow.service import imports

orgs = typer.Typer(no_args_is_help=True, help="组织机构 / the org tree")
staff = typer.Typer(no_args_is_help=True, help="人员 / staff")
evidence = typer.Typer(no_args_is_help=True, help="其他系统的记录 / records of other systems")

File = Annotated[Path, typer.Argument(metavar="FILE", help="CSV、XLSX 或 JSON 文件 / CSV, XLSX or JSON file")]


@orgs.command("import")
def import_orgs(
    file: File, key: KeyOption = None, database: DatabaseOption = None, as_json: JsonOption = False
) -> None:
    """导入组织机构, 有错则全部不导入; 再次导入即更新。 / Import the org tree, whole or not at all; again to update."""
    with opened(database) as service:
        _say(imports.import_orgs(service, acting(service, key), file), as_json)


@staff.command("import")
def import_staff(
    file: File, key: KeyOption = None, database: DatabaseOption = None, as_json: JsonOption = False
) -> None:
    """导入人员, 有错则全部不导入; 再次导入即更新。 / Import the staff, whole or not at all; again to update."""
    with opened(database) as service:
        _say(imports.import_staff(service, acting(service, key), file), as_json)


def _say(brought: imports.Brought, as_json: bool) -> None:
    if as_json:
        say_json(brought)
    else:
        typer.echo(
            f"{brought.rows} 行 / rows: 新增 / added {brought.added}, 更新 / changed {brought.changed}, "
            f"未变 / unchanged {brought.unchanged}"
        )
        if brought.ignored:
            names = ", ".join(brought.ignored)
            typer.echo(f"没有导入的列, 请核对列名 / columns not imported, check their names: {names}", err=True)


@evidence.command("import")
def import_evidence(
    file: File, key: KeyOption = None, database: DatabaseOption = None, as_json: JsonOption = False
) -> None:
    """导入其他系统的记录 (与回放的事件表同格式); 有被拒的记录时退出码为 1。

    Import records of other systems (rows of the replay's events); exits 1 when any was rejected.
    """
    with opened(database) as service, progress("导入 / importing") as report:
        found = imports.import_evidence(service, acting(service, key), file, report)
    if as_json:
        say_json(found)
    else:
        for one in found.rejected:
            typer.echo(f"{one['place']}: {one['reason']}", err=True)
        typer.echo(
            f"{found.records} 条 / records: 接收 / accepted {found.accepted}, 重复 / duplicates {found.duplicates}, "
            f"拒绝 / rejected {len(found.rejected)}"
        )
    raise typer.Exit(1 if found.rejected else 0)
