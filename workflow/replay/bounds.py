"""The bounds a replay works within: when memory or room on the disk runs out, the clerk is told what to allow."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import duckdb

from workflow.replay.intake.faults import BadHistory

_FULL: Final = "No space left on device"


def limit_memory(connection: duckdb.DuckDBPyConnection, memory_limit: str) -> None:
    """Bound what `connection` takes. Raises BadHistory when `memory_limit` is no size such as 8GB."""
    try:
        connection.execute("SET memory_limit = $limit", {"limit": memory_limit})
        # A negative size is none at all to DuckDB, which then names it in units that it cannot read itself.
        connection.execute("SELECT parse_formatted_bytes(current_setting('memory_limit'))")
    except duckdb.Error as error:
        raise BadHistory(
            f"内存上限 {memory_limit} 不是大小, 请写成 8GB / {memory_limit} is no size of memory; write 8GB"
        ) from error


def refuse_memory(memory_limit: str) -> None:
    """Raises BadHistory when `memory_limit` is no size such as 8GB, before anything is read."""
    with duckdb.connect() as connection:
        limit_memory(connection, memory_limit)


@contextmanager
def bounded(memory_limit: str) -> Iterator[None]:
    """What DuckDB does inside, told as BadHistory when `memory_limit` is not enough and as OSError when the disk is
    full. Other errors pass."""
    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise BadHistory(
            f"内存上限 {memory_limit} 不够, 请用 --memory 放宽, 并确认结果文件夹所在的磁盘有余地 / "
            f"{memory_limit} of memory is not enough; allow more, and see that the disk of the results has room"
        ) from error
    except duckdb.IOException as error:
        if _FULL not in str(error):
            raise
        raise OSError(
            errno.ENOSPC, "磁盘已满, 请腾出空间后重新运行同一命令 / the disk is full; make room and run again"
        ) from error
