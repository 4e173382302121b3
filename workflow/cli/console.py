"""How the commands speak: tables on a terminal, plain lines in a pipe, JSON on request, refusals on standard error."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import msgspec
import typer

TOTALS = {"whole_process": "全过程 / whole process", "step_sum": "各环节合计 / sum of the steps"}
"""What each kind of total limit is called."""


def refuse(sentence: object) -> NoReturn:
    """Say on standard error why the command cannot be carried out as asked, and exit with status 2."""
    typer.echo(f"错误 / error: {sentence}", err=True)
    raise typer.Exit(2)


def say_json(value: object) -> None:
    """One JSON document on standard output; dates as ISO 8601."""
    typer.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def say(value: object, sentence: str, *, as_json: bool) -> None:
    """`value` as JSON when that was asked for, else the sentence that tells it."""
    if as_json:
        say_json(value)
    else:
        typer.echo(sentence)


def say_list(found: Any, columns: Sequence[str], line: Callable[[Any], Sequence[str]], *, as_json: bool) -> None:
    """A list, or a page of one: as JSON when that was asked for, else a table of each one's `line` and how to go on."""
    if as_json:
        say_json(found)
        return
    page = found if isinstance(found, dict) else {"items": found}
    say_table(columns, [line(one) for one in page["items"]])
    if page.get("next"):
        typer.echo(f"下一页 / next page: --cursor {page['next']}", err=True)


def say_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table on a terminal; lines of tab-separated cells, without a head, in a pipe."""
    if not sys.stdout.isatty():
        for row in rows:
            typer.echo("\t".join(row))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row)
    Console().print(table)


def say_csv(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, str]]) -> None:
    """A table for a spreadsheet: UTF-8 with its mark; a cell that would be read as a formula is made text."""
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        for row in rows:
            cells = [row[column] for column in columns]
            writer.writerow([f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t")) else cell for cell in cells])


@contextmanager
def progress(title: str) -> Iterator[Callable[[int, int | None], None]]:
    """A progress bar on a terminal, nothing in a pipe. The block is given `report(done, of)`; `of` None: unknown."""
    if not sys.stderr.isatty():
        yield lambda *_: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, of: bar.update(task, completed=done, total=of)


@contextmanager
def stages() -> Iterator[Callable[[str, int, int], None]]:
    """A progress bar for each stage of long work, with rows per second and the time left, on a terminal; nothing in a
    pipe. The block is given `report(what, done, of)`; `of` 0: unknown."""
    if not sys.stderr.isatty():
        yield lambda *_: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
    from rich.text import Text

    class RowsPerSecond(ProgressColumn):
        def render(self, task: Task) -> Text:
            speed = task.finished_speed or task.speed
            return Text("" if not speed else f"{speed:,.0f} 行/秒 rows/s")

    columns = (TextColumn("{task.description}"), BarColumn(), RowsPerSecond(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)
        behind = 0

        def report(what: str, done: int, of: int) -> None:
            nonlocal behind
            if done < behind:
                bar.reset(task)
            behind = done
            bar.update(task, description=what, completed=done, total=of or None)

        yield report
