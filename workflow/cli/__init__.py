"""`baozhuang`: the command line.

A subcommand is loaded only when it is called, so that `baozhuang due` answers at once.  What a clerk can mend is said
on standard error, in Chinese and English: exit status 2 for a wrong call or wrong input, 1 for a check that failed.
"""

from __future__ import annotations

import errno
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup
from typer.main import get_command, get_group

_COMMANDS = {
    "init": "workflow.cli.operation:init",
    "serve": "workflow.cli.operation:serve",
    "worker": "workflow.cli.operation:worker",
    "demo": "workflow.cli.operation:demo",
    "due": "workflow.cli.due:due",
    "case": "workflow.cli.case:app",
    "replay": "workflow.cli.replay:replay",
    "replay-run": "workflow.cli.replays:run",
    "verify": "workflow.cli.chains:verify",
    "checkpoint": "workflow.cli.chains:checkpoint",
    "rebuild": "workflow.cli.chains:rebuild",
    "definitions": "workflow.cli.definitions:app",
    "calendar": "workflow.cli.calendar:app",
    "report": "workflow.cli.report:app",
    "alerts": "workflow.cli.alerts:app",
    "findings": "workflow.cli.findings:app",
    "destinations": "workflow.cli.destinations:app",
    "feeds": "workflow.cli.feeds:app",
    "evidence": "workflow.cli.registers:evidence",
    "orgs": "workflow.cli.registers:orgs",
    "staff": "workflow.cli.registers:staff",
    "portal": "workflow.cli.portal:app",
    "areas": "workflow.cli.portal:areas",
    "keys": "workflow.cli.keys:app",
    "accounts": "workflow.cli.accounts:app",
    "doctor": "workflow.cli.operation:doctor",
}
"""Where each subcommand lives, in the order of the help."""


class Commands(TyperGroup):
    """The subcommands, loaded when they are asked for; errors end here."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002  # typer's signature
        """Every subcommand, loaded or not."""
        return list(_COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002  # typer's signature
        """The subcommand `cmd_name`, loaded now; None when there is none."""
        if cmd_name not in _COMMANDS:
            return None
        if cmd_name not in self.commands:
            self.add_command(_load(cmd_name), cmd_name)
        return self.commands[cmd_name]

    def main(  # type: ignore[override]  # the arguments nobody passes are left to typer
        self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any
    ) -> Any:
        """Run, and end the process with the status. Only an unforeseen error shows a traceback."""
        extra["standalone_mode"] = False
        try:
            status = super().main(args, prog_name, **extra)
        except typer.Abort:
            status = 1
        except typer.TyperException as error:
            # Without a message typer has shown the help already.
            status = _say(
                f"用法有误, 请看 --help / wrong usage, see --help: {error.format_message()}", bool(str(error))
            )
        except OSError as error:
            status = _of_system(error)
        except Exception as error:
            sentence = _sentence(error)
            if sentence is None:
                raise
            status = _say(sentence)
        sys.exit(status if isinstance(status, int) else 0)


def _load(name: str) -> Any:
    module, _, attribute = _COMMANDS[name].partition(":")
    found = getattr(import_module(module), attribute)
    if isinstance(found, typer.Typer):
        group = get_group(found)
        group.name = name
        return group
    alone = typer.Typer(add_completion=False)
    alone.command(name)(found)
    return get_command(alone)


def _say(sentence: str, anything: bool = True) -> int:
    if anything:
        typer.echo(f"错误 / error: {sentence}", err=True)
    return 2


def _of_system(error: OSError) -> int:
    if error.errno == errno.EPIPE:  # the reader of our output has had enough
        sys.stdout = None
        return 1
    named = f"{error.filename}: " if error.filename else ""
    return _say(f"{named}文件或系统操作失败: {error.strerror or error} / the file or system operation failed")


def _sentence(error: Exception) -> str | None:
    """What to tell the clerk; None for a fault of the program."""
    from workflow.service import Refused, StorageError
    from workflow.service.calendar import BAD_QUESTION
    from workflow.service.tables import BadFile

    if isinstance(error, Refused):
        refusal = error.refusal
        return f"{refusal.detail.zh} / {refusal.detail.en} ({refusal.code})"
    if isinstance(error, (StorageError, BadFile, *BAD_QUESTION)):
        return str(error)
    return None


app = typer.Typer(cls=Commands, add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)


@app.callback()
def _baozhuang() -> None:
    """报装：用电报装流程与时限 / electricity connection applications, their steps and deadlines"""


def main() -> NoReturn:
    """The installed command; ends the process with its status."""
    app()
    sys.exit(0)
