"""Which database a command works on, and for whom."""

from __future__ import annotations

import getpass
import os
from typing import TYPE_CHECKING, Annotated

import typer

from workflow.cli.console import refuse

if TYPE_CHECKING:
    from workflow.service import Principal, Service

DatabaseOption = Annotated[
    str | None,
    typer.Option(
        "--database",
        envvar="BAOZHUANG_DATABASE",
        metavar="URL",
        help="数据库地址, 默认用户数据目录下的文件 / database; default: a file in the user's data directory",
    ),
]
KeyOption = Annotated[
    str | None,
    typer.Option(
        "--key",
        envvar="BAOZHUANG_KEY",
        metavar="KEY",
        help="以此密钥的身份办理, 默认为本机管理员 / act as this key; default: administrator of this machine",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="输出 JSON / print JSON")]


def address(database: str | None) -> str:
    """The database asked for, or the default one: a file in the user's data directory."""
    if database:
        return database
    from platformdirs import user_data_path

    return str(user_data_path("baozhuang", appauthor=False) / "baozhuang.db")


def opened(database: str | None) -> Service:
    """The open service; close it, or use it as a context manager. Raises StorageError."""
    from workflow.service import Service

    return Service.open(address(database), one_caller=True)


def acting(service: Service, key: str | None) -> Principal:
    """Whose command this is: the key's principal, else whoever is logged in here, who holds the database and with it
    everything."""
    from workflow.service import Principal

    if key:
        principal = service.authenticate(key)
        if principal is None:
            refuse("密钥无效或已吊销 / the key is unknown or revoked")
        return principal
    return Principal(f"local:{_user()}", "admin")


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # an account without a name, as containers have
        return str(os.getuid())
