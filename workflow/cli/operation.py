"""`baozhuang init|serve|worker|demo|doctor`: set an installation up, run it, look after it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from importlib import import_module
from typing import Annotated

import msgspec
import typer

from workflow.cli.console import progress, say, say_json
from workflow.cli.opening import DatabaseOption, JsonOption, address, opened
from workflow.service import StorageError

_SECONDS_TO_FINISH = 30


def init(database: DatabaseOption = None, as_json: JsonOption = False) -> None:
    """创建数据库或升级表结构, 可重复运行。 / Create the database or bring its schema up to date; may be repeated."""
    from workflow.service import upkeep

    where = address(database)
    kind = upkeep.prepare(where)
    told = {"database": _shown(where), "kind": kind}
    say(told, f"数据库已就绪 / the database is ready: {_shown(where)}", as_json=as_json)


def _shown(where: str) -> str:
    """The address without a password."""
    scheme, separator, rest = where.partition("://")
    account, at, host = rest.rpartition("@")
    if not at or ":" not in account:
        return where
    return f"{scheme}{separator}{account.partition(':')[0]}:***@{host}"


def serve(
    *,
    host: Annotated[str, typer.Option(help="监听地址 / address to listen at")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="端口 / port")] = 8000,
    workers: Annotated[int, typer.Option(min=1, max=256, help="进程数 / number of processes")] = 1,
    with_worker: Annotated[
        bool, typer.Option("--with-worker", "--worker", help="同时运行预警任务 / run the alerts' worker beside it")
    ] = False,
    database: DatabaseOption = None,
) -> None:
    """启动服务: 网页和接口, 没有登录或密钥的一律拒绝。 / Serve the pages and the interface; both ask who calls."""
    where = address(database)
    typer.echo(f"http://{host}:{port}/  http://{host}:{port}/api/v1", err=True)
    with _worker_beside(where) if with_worker else nullcontext():
        # By name: what is above the faces is not imported by them.
        import_module("workflow.server").serve(host=host, port=port, workers=workers, database=where)


@contextmanager
def _worker_beside(where: str) -> Iterator[None]:
    """A worker in a process of its own, which ends with this one. Raises StorageError when the database cannot be
    opened, before anything is started."""
    from workflow.service import Service

    Service.open(where).close()
    command = [sys.executable, "-m", "workflow.cli", "worker", "--beside", str(os.getpid())]
    # The address may hold a password: it goes by the environment, not by the command line everybody can read.
    environment = {**os.environ, "BAOZHUANG_DATABASE": where}
    with subprocess.Popen(command, env=environment) as process:  # noqa: S603  # this program itself
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(_SECONDS_TO_FINISH)
            except subprocess.TimeoutExpired:
                process.kill()


def worker(
    *,
    once: Annotated[
        bool, typer.Option("--once", help="各任务运行一遍后退出 / run every sweep until nothing is left, then end")
    ] = False,
    beside: Annotated[int | None, typer.Option(hidden=True, help="end with this process")] = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """运行预警和发送任务, 可同时运行多个。 / Run the sweeps that raise and send alerts; several may run at once."""
    from workflow import logs
    from workflow.alerts import worker as alerts

    logs.configure()
    with opened(database) as service:
        if not once:
            alerts.serve(service, beside=beside)
            return
        rows = alerts.run_once(service)
    if as_json:
        say_json([row._asdict() for row in rows])
    else:
        for row in rows:
            typer.echo(f"{row.name:10} {row.looked:8} {row.done:8}  {row.error or ''}".rstrip())
    raise typer.Exit(1 if any(row.error for row in rows) else 0)


def demo(
    *,
    host: Annotated[str, typer.Option(help="serve 的地址, 用于提示 / address of serve, for the hint")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="serve 的端口 / port of serve")] = 8000,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """装入演示数据 (只装一次), 并给出地址和密钥。 / Fill in the demonstration, once; prints the address and keys."""
    from workflow.service import demo as service

    where = address(database)
    with progress("演示数据 / demonstration") as report:
        filled = service.fill(where, report)
    if as_json:
        say_json({"address": f"http://{host}:{port}/api/v1", **msgspec.structs.asdict(filled)})
        return
    typer.echo(f"演示数据 / demonstration: {filled.cases} 件申请 / cases, {filled.events} 个事件 / events")
    typer.echo(f"地址 / address: http://{host}:{port}/api/v1")
    typer.echo(f"网页 / pages: http://{host}:{port}/")
    typer.echo(f"用户网上办理 / customers' pages: http://{host}:{port}/apply")
    for account in filled.accounts:
        typer.echo(f"账户 / account ({account.role}): {account.staff}  密码 / password: {account.password}")
    for role, key in filled.keys.items():
        typer.echo(f"密钥 / key ({role}): {key}")
    if not filled.keys:
        typer.echo("密码和密钥只显示一次; 重置或新建: / passwords and keys are shown once; for new ones:")
        typer.echo(f"  baozhuang accounts reset STAFF --database {_shown(where)}")
        typer.echo(
            f"  baozhuang keys create NAME --role front_line --org {service.PROVINCE} --database {_shown(where)}"
        )


def doctor(database: DatabaseOption = None, as_json: JsonOption = False) -> None:
    """检查安装情况; 有问题时退出码为 1。 / Check the installation; exits 1 when something is wrong."""
    from workflow.service import doctor as service

    try:
        with opened(database) as opened_service:
            facts = service.diagnose(opened_service)
    except StorageError as error:
        facts = [service.Fact("database", "wrong", error.zh, error.en)]
    if as_json:
        say_json(facts)
    else:
        marks = {"ok": "正常 ok   ", "warn": "注意 warn ", "wrong": "错误 wrong"}
        for fact in facts:
            typer.echo(f"{marks[fact.status]}  {fact.name}: {fact.zh} / {fact.en}")
    raise typer.Exit(1 if any(fact.status == "wrong" for fact in facts) else 0)
