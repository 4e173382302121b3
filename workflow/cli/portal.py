"""`baozhuang portal …` and `baozhuang areas import FILE`: the customer's public pages, for who runs them."""

from __future__ import annotations

from typing import Annotated

import typer

from workflow.cli.console import progress, say, say_json, say_table
from workflow.cli.opening import DatabaseOption, JsonOption, KeyOption, acting, opened
from workflow.cli.registers import File

app = typer.Typer(no_args_is_help=True, help="面向用户的网上办理 / the customer's public pages")
areas = typer.Typer(no_args_is_help=True, help="容量受限地区 / capacity-limited areas")


@app.command()
def show(database: DatabaseOption = None, as_json: JsonOption = False) -> None:
    """哪些地区可以网上申请, 由哪个单位接收, 文件放在哪里。 / Regions served, who receives, where files lie."""
    from workflow.service.portal import house

    with opened(database) as service:
        found = house.settings(service)
    if as_json:
        say_json(found)
        return
    typer.echo(f"文件 / files: {found.files}")
    typer.echo(f"其他地区由谁接收 / other regions: {found.receiver or '不接收 / not received'}")
    say_table(("地区 region", "接收单位 unit", "名称 name"), [(one.region, one.org, one.name) for one in found.regions])


@app.command()
def receiver(
    org: Annotated[str, typer.Argument(metavar="ORG", help="单位编码 / unit")],
    key: KeyOption = None,
    database: DatabaseOption = None,
) -> None:
    """指定受理单位: 接收没有对应供电单位的地区的申请。 / Who receives applications from regions without a unit."""
    from workflow.service.portal import house

    with opened(database) as service:
        house.set_receiver(service, acting(service, key), org)
    typer.echo(f"受理单位 / receiving unit: {org}")


@app.command()
def code(
    number: Annotated[str, typer.Argument(metavar="NUMBER", help="申请编号 / application number")],
    key: KeyOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """补发查询码, 原查询码即失效; 只显示这一次。 / A new tracking code in place of the old one, shown this once."""
    from workflow.service.portal import tracking

    with opened(database) as service:
        made = tracking.reissue_by_number(service, acting(service, key), number)
    say({"application_no": number, "code": made}, f"{number}: {made}", as_json=as_json)


@app.command()
def tidy(database: DatabaseOption = None) -> None:
    """删除过期未提交的表单和无主的文件。 / Remove expired forms and files that nobody names."""
    from workflow.service.portal import uploads

    with opened(database) as service:
        done = uploads.tidy(service)
    typer.echo(f"查看 / looked at {done.looked}, 删除 / removed {done.removed}")


@areas.command("import")
def import_areas(
    file: File, key: KeyOption = None, database: DatabaseOption = None, as_json: JsonOption = False
) -> None:
    """导入公布的容量受限地区, 有错则全部不导入。 / Import published lists of limited areas, whole or not at all."""
    from workflow.service.portal import areas as lists

    with opened(database) as service, progress("导入 / importing") as report:
        done = lists.import_areas(service, acting(service, key), file, report)
    told = f"{done.lists} 份清单 / lists, {done.rows} 行 / rows, 替换 / replacing {done.replaced} 行 / rows of before"
    say(done, told, as_json=as_json)
