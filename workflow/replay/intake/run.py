"""Reading a history: which file is which table, what becomes of every row, and the proof that none is lost."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import duckdb

from workflow.replay import tables
from workflow.replay.bounds import bounded, limit_memory
from workflow.replay.intake import delimited, excel, ocel, parquet, snapshots, xes
from workflow.replay.intake.compile import Part, part, parts
from workflow.replay.intake.counting import Ledger
from workflow.replay.intake.faults import BadHistory
from workflow.replay.intake.mapping import Emitter, MappingFile, Table
from workflow.replay.intake.raw import Raw
from workflow.replay.intake.result import Intake
from workflow.replay.intake.text import check_file, hidden
from workflow.replay.intake.values import Reading, macros
from workflow.replay.intake.writing import write

_WORKBOOKS = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
_OBJECT_LOGS = (".json", ".jsonocel", ".xmlocel", ".sqlite", ".sqlite3", ".db")

Progress = Callable[[str, int, int], None]
"""Told what is being done, how much of it is behind, and how much there is (0: not known)."""
"""Told what is being done, how many rows are behind, and how many there are (0: not known yet)."""


def take_in(
    *,
    cases: Path | None,
    events: Path | None,
    mapping: MappingFile,
    steps: tuple[str, ...],
    out: Path,
    memory_limit: str = "2GB",
    threads: int | None = None,
    progress: Progress = lambda *_: None,
) -> Intake:
    """Read a history through `mapping` into the canonical files in `out` (made, or written over).

    `steps`: the step codes of the book, used unless the mapping has a process of its own.  `memory_limit`: for DuckDB,
    which spills to `out` beyond it.  Raises BadHistory when a file cannot be read as what it should be or the memory is
    not enough, OSError when the disk is full; single rows and values that cannot be read are in `rejected`.
    """
    out.mkdir(parents=True, exist_ok=True)
    work = out / ".intake"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    connection = duckdb.connect()
    try:
        limit_memory(connection, memory_limit)
        with bounded(memory_limit):
            for statement in _settings(work, threads, mapping):
                connection.execute(statement)
            own = mapping.steps or steps
            ledger = Ledger()
            given = [("cases", cases), ("events", events)]
            found = list(_parts(connection, given, mapping, own, work=work, ledger=ledger, progress=progress))
            return write(connection, found, ledger, out, work=work, steps=own, progress=progress)
    except (duckdb.InvalidInputException, duckdb.IOException) as error:
        said = str(error).replace(str(work), "").splitlines()[0]
        raise BadHistory(
            f"{_named(cases, events)}: 内容读不出 (文件损坏, 或文字不是 UTF-8), 请重新导出 / "
            f"cannot be read to its end (damaged, or text that is not UTF-8); export it again: {said:.300}"
        ) from error
    finally:
        connection.close()
        shutil.rmtree(work, ignore_errors=True)


def _named(*paths: Path | None) -> str:
    return ", ".join(path.name for path in paths if path is not None)


def _settings(work: Path, threads: int | None, mapping: MappingFile) -> Iterator[str]:
    yield f"SET temp_directory = '{work / 'spill'}'"
    yield "SET preserve_insertion_order = false"
    yield "SET TimeZone = 'Asia/Shanghai'"
    if threads:
        yield f"SET threads = {threads}"
    yield from macros(Reading(mapping.times, mapping.excel_serials, mapping.offsets, mapping.missing))


def _parts(
    connection: duckdb.DuckDBPyConnection, inputs: list[tuple[str, Path | None]], mapping: MappingFile,
    steps: tuple[str, ...], *, work: Path, ledger: Ledger, progress: Progress,
) -> Iterator[Part]:  # fmt: skip
    files = [(role, path) for role, given in inputs if given is not None for path in _files(given)]
    if not files:
        raise BadHistory("请给出业务表或事件表 / give a table of cases, of events, or both")
    same = {path for role, path in files if role == "cases"} & {path for role, path in files if role == "events"}
    files = [("any" if path in same else role, path) for role, path in files if not (path in same and role == "events")]
    used: set[Path] = set()
    logs: dict[Path, tuple[Raw, ...]] = {}
    for index, table in enumerate(mapping.tables):
        series: list[Raw] = []
        for number, (role, path) in enumerate(files):
            progress(path.name, 0, 0)
            stem = work / f"{index}-{number}"
            for raw in _read(connection, path, role, table=table, mapping=mapping, stem=stem, ledger=ledger, logs=logs):
                used.add(path)
                ledger.read(raw)
                if table.snapshots is None:
                    yield from parts(raw, table, mapping, steps)
                else:
                    series.append(raw)
        if series:
            yield from _of_reports(connection, series, table, mapping, steps=steps, ledger=ledger)
    for _, path in files:
        if path not in used:
            named = ", ".join(table.name for table in mapping.tables)
            raise BadHistory(
                f"{path.name}: 对照表 {mapping.code} 没有读取它的表 ({named}) / "
                f"no table of the mapping reads it ({named})"
            )


def _files(given: Path) -> list[Path]:
    """The files that are meant: a folder of Parquet is one table, any other folder is its files. Raises BadHistory for
    a folder of which a part would not be read."""
    if not given.is_dir():
        return [given]
    if parquet.files(given):
        for path in sorted(given.rglob("*")):
            other = (
                path.is_symlink() if path.is_dir() else path.suffix != ".parquet"
            )  # links to folders are not followed
            if other and not hidden(path, given):
                raise BadHistory(
                    f"{path.relative_to(given)}: 在 Parquet 文件夹里, 但不会读取; 请移走或分开回放 / "
                    "lies in a folder of Parquet and would not be read; take it out, or replay it by itself"
                )
        return [given]
    there = sorted(path for path in given.iterdir() if not hidden(path, given) and not path.name.startswith("~$"))
    if not there:
        raise BadHistory(f"{given}: 文件夹是空的 / the folder is empty")
    for path in there:
        if path.is_dir():
            raise BadHistory(
                f"{path.relative_to(given)}: 是子文件夹, 不会读取; 请把文件放在同一层 / "
                "is a folder in the folder and would not be read; put the files side by side"
            )
    return there


def _read(
    connection: duckdb.DuckDBPyConnection, path: Path, role: str, *, table: Table, mapping: MappingFile, stem: Path,
    ledger: Ledger, logs: dict[Path, tuple[Raw, ...]],
) -> list[Raw]:  # fmt: skip
    """The raw tables in `path` that `table` means."""
    if not path.is_dir():
        check_file(path)
    name = path.name.lower().removesuffix(".gz")
    kind = Path(name).suffix
    if path.is_dir() or kind == ".parquet":
        found: list[Raw] | tuple[Raw, ...] = [parquet.read(connection, path, role)] if _wanted(table, role) else []
    elif kind in _WORKBOOKS:
        found = []
        if _wanted(table, role):
            found, left = excel.read(path, role, table, stem)
            ledger.left(path.name, table.name, left)
    elif kind in _OBJECT_LOGS or (kind == ".xml" and _is_object_log(path)):
        logs[path] = logs.get(path) or ocel.read(path, mapping.case_object, stem)
        found = [raw for raw in logs[path] if _wanted(table, raw.role)]
    elif kind in (".xes", ".xml"):
        logs[path] = logs.get(path) or xes.read(path, stem)
        found = [raw for raw in logs[path] if _wanted(table, raw.role)]
    else:
        found = []
        if _wanted(table, role):
            found = [delimited.read(connection, path, role, table=table, mapping=mapping, stem=stem)]
    return list(found)


def _wanted(table: Table, role: str) -> bool:
    return table.read == role or "any" in (table.read, role)


def _is_object_log(path: Path) -> bool:
    from workflow.replay.intake.text import opened  # noqa: PLC0415  # only .xml needs the look

    with opened(path) as file:
        return b"object-types" in file.read(1 << 16)


def _of_reports(
    connection: duckdb.DuckDBPyConnection, series: list[Raw], table: Table, mapping: MappingFile, *,
    steps: tuple[str, ...], ledger: Ledger,
) -> Iterator[Part]:  # fmt: skip
    """Cases and events of successive reports, with the arithmetic from rows to events."""
    last, told = snapshots.latest(series, table), snapshots.events(series, table)
    kept, undated = _numbers(connection, snapshots.undated(series, table))
    if undated:
        raise BadHistory(
            f"{series[0].place}: {undated} 行读不出报告日期 / the day of the report cannot be read in {undated} rows"
        )
    rows = [raw.counted(_numbers(connection, f"SELECT count(*) FROM ({raw.sql})")[0]) for raw in (last, told)]  # noqa: S608  # our own SELECT
    ledger.reports(table.name, sum(raw.rows for raw in series), kept, rows[0].rows, rows[1].rows)
    plain = replace(table, ignore=())  # what it ignores is left out already
    if table.case:
        yield part(rows[0], plain, mapping, steps, target=tables.CASES, emitter=Emitter(table.case), name="case")
    yield part(rows[1], plain, mapping, steps, target=tables.EVENTS, emitter=snapshots.emitter(), name="reports")


def _numbers(connection: duckdb.DuckDBPyConnection, sql: str) -> tuple[int, ...]:
    found = connection.execute(sql).fetchone()
    return tuple(int(number) for number in found or (0, 0))
