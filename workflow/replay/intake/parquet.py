"""Parquet as it lies: one file, or a folder of files whose partition columns are in their paths (`year=2025/…`)."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pyarrow.parquet as pq

from workflow.replay.intake.faults import BadHistory
from workflow.replay.intake.raw import AT, ROW, Raw, distinct_names, identifier, literal
from workflow.replay.intake.text import check_file, hidden


def files(folder: Path) -> list[Path]:
    """The Parquet files of a folder and of those below, in the order in which they are read."""
    return sorted(path for path in folder.rglob("*.parquet") if not hidden(path, folder))


def read(connection: duckdb.DuckDBPyConnection, path: Path, role: str) -> Raw:
    """The table in `path`, read in place. Raises BadHistory for damaged files and columns that hold no single value."""
    parts = files(path) if path.is_dir() else [path]
    starts, total = [], 0
    for file in parts:
        check_file(file)
        starts.append(total)
        total += _count(connection, file, path)
    listed = ", ".join(map(literal, parts))
    scan = (
        f"read_parquet([{listed}], union_by_name = {len(parts) > 1}, hive_partitioning = {path.is_dir()}, "
        "hive_types_autocast = false, file_row_number = true)"
    )
    try:
        described = connection.execute(f"DESCRIBE FROM {scan}").fetchall()
    except duckdb.Error as error:
        raise BadHistory(
            f"{path.name}: 各文件的列合不到一起 / the files do not fit together: {error!s:.300}"
        ) from error
    named: dict[str, str] = {}
    for file in parts:
        named |= _doubled(connection, file)
    kinds = {name: kind for name, kind, *_ in described if name != "file_row_number"}
    columns = {named.get(name, name): kind for name, kind in kinds.items()}
    if nested := [name for name, kind in columns.items() if kind.endswith("[]") or kind.startswith(("STRUCT", "MAP"))]:
        raise BadHistory(
            f"{path.name}: 列 {', '.join(nested)} 不是单个值, 请先展开 / hold lists or records; flatten them first"
        )
    before = len(parts) > 1
    offset = f" + list_extract({starts}, CAST(file_index AS BIGINT) + 1)" if before else ""
    # A file of contracts may have a column of our name: the reader's own is asked for under another.
    selected = ", ".join(f"{identifier(theirs)} AS {identifier(named.get(theirs, theirs))}" for theirs in kinds)
    sql = (
        f"SELECT {selected}, file_row_number + 1{offset} AS {identifier(AT)}, "  # noqa: S608  # quoted
        f'file_row_number + 1 AS {identifier(ROW)}, {"file_index" if before else "0"} AS "#file" FROM {scan}'
    )
    names = tuple(str(file.relative_to(path)) if path.is_dir() else file.name for file in parts)
    return Raw(
        role, path.name, "", sql, columns, total, files=names, lies=True, parquet=() if named else tuple(parts),
        begins=tuple(starts), home=path if path.is_dir() else None,
    )  # fmt: skip


def _doubled(connection: duckdb.DuckDBPyConnection, file: Path) -> dict[str, str]:
    """The columns of a file whose names stand in it more than once: what DuckDB calls them, and what we do."""
    names = pq.read_schema(file).names
    if len({name.lower() for name in names}) == len(names):
        return {}
    theirs = connection.execute(f"DESCRIBE FROM read_parquet({literal(file)})").fetchall()
    ours = zip(names, distinct_names(names), strict=True)
    return {found: own for (found, *_), (name, own) in zip(theirs, ours, strict=True) if own != name}


def _count(connection: duckdb.DuckDBPyConnection, file: Path, home: Path) -> int:
    try:
        found = connection.execute(f"SELECT sum(num_rows) FROM parquet_file_metadata({literal(file)})").fetchone()  # noqa: S608  # quoted
    except duckdb.Error as error:
        name = file.relative_to(home) if home.is_dir() else file.name
        raise BadHistory(
            f"{name}: 无法作为 Parquet 读取 (损坏、不完整或格式不符) / cannot be read as Parquet: {error!s:.200}"
        ) from error
    return int(found[0] or 0) if found else 0
