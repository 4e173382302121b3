"""CSV and its relatives. A sound file goes through DuckDB in one pass; one with torn rows is taken apart line by line,
so that a stray quotation mark costs one row and not the rest of the file."""

from __future__ import annotations

import csv
import io
from collections import deque
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

import duckdb

from workflow.replay.intake.faults import LONGEST_CELL, BadHistory, clean
from workflow.replay.intake.mapping import Header, MappingFile, Table
from workflow.replay.intake.raw import AT, ROW, Raw, Spool, distinct_names, identifier, label, literal
from workflow.replay.intake.text import chunks, decoded_lines, encoding_of

_LONGEST_LINE: Final = 10 * LONGEST_CELL
_MOST_LINES: Final = 200
"""Lines that one quoted cell may span."""

Record = tuple[int, list[str] | None, str, str]
"""Line number, cells, the line as it stands, and the code of what is wrong with it."""


def read(
    connection: duckdb.DuckDBPyConnection, path: Path, role: str, *, table: Table, mapping: MappingFile, stem: Path
) -> Raw:
    """The one table of a CSV file. Raises BadHistory when there is none."""
    encoding = encoding_of(path, mapping.encoding)
    at, names, delimiter = _header(path, encoding, table.header, mapping.delimiter)
    if encoding in ("utf-8", "utf-8-sig") and at == 1 and path.suffix.lower() != ".gz":
        found = _whole(connection, path, role, names=names, delimiter=delimiter, stem=stem)
        if found is not None:
            return found
    spool = Spool(stem, names)
    torn: list[tuple[int, str, str]] = []
    for line, cells, text, fault in _records(path, encoding, delimiter):
        if line <= at:
            continue
        if fault or cells is None:
            torn.append((line, text[:500], fault))
            continue
        while len(cells) > len(names) and not cells[-1].strip():
            cells.pop()
        if not any(cell.strip() for cell in cells):
            spool.add({}, line)  # empty, however many delimiters it has
        elif len(cells) != len(names):
            torn.append((line, text[:500], "ragged_short" if len(cells) < len(names) else "ragged_long"))
        else:
            spool.add({name: clean(cell) for name, cell in zip(names, cells, strict=True) if cell}, line)
    return spool.raw(role, path.name, torn=torn)


def _header(path: Path, encoding: str, header: Header, told: str | None) -> tuple[int, tuple[str, ...], str]:
    """The line of the header, the names of the columns, and the delimiter."""
    wanted = {label(name) for name in header.find}
    for line, cells, text, fault in islice(_records(path, encoding, told), header.within):
        if fault or cells is None:
            continue
        labels = {label(one) for one in cells} - {""}
        if labels and wanted <= labels:
            names = tuple(distinct_names([" ".join(one.split()) for one in cells]))
            return line, names, told or _likely(text)
    sought = ", ".join(header.find) or "–"
    raise BadHistory(
        f"{path.name}: 前 {header.within} 行没有表头 (编码按 {encoding} 读取, 要找的列: {sought}) / "
        f"no header in the first {header.within} rows (read as {encoding}; columns sought: {sought})"
    )


def _whole(
    connection: duckdb.DuckDBPyConnection, path: Path, role: str, *, names: tuple[str, ...], delimiter: str, stem: Path
) -> Raw | None:
    """The file read at once; None when any row of it needs a closer look."""
    lines, last = 0, b""
    for chunk in chunks(path):
        if b"\0" in chunk:
            return None
        lines += chunk.count(b"\n")
        last = chunk[-1:]
    lines += last != b"\n"
    spooled = stem.with_name(f"{stem.name}-000000.parquet")
    columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in names)
    listed = ", ".join(map(identifier, names))
    scan = (
        f"read_csv({literal(path)}, columns = {{{columns}}}, delim = {literal(delimiter)}, header = true, "
        "auto_detect = false, quote = '\"', escape = '\"', max_line_size = 2097152)"
    )
    try:
        # In the order of the file, so that a row's position in the spool is its position in the file.
        connection.execute("SET preserve_insertion_order = true")
        counted = connection.execute(
            f"COPY (SELECT {listed} FROM {scan}) TO {literal(spooled)} (FORMAT parquet, COMPRESSION lz4)"  # noqa: S608  # quoted
        ).fetchone()
    except (duckdb.InvalidInputException, duckdb.ConversionException, duckdb.IOException):
        spooled.unlink(missing_ok=True)
        return None
    finally:
        connection.execute("SET preserve_insertion_order = false")
    rows = int(counted[0]) if counted else 0
    if rows != lines - 1:  # cells with line breaks, or blank lines: their rows would be counted wrongly
        return None
    sql = (
        f"SELECT {listed}, file_row_number + 2 AS {identifier(ROW)}, file_row_number + 1 AS {identifier(AT)} "  # noqa: S608  # quoted
        f"FROM read_parquet({literal(spooled)}, file_row_number = true)"
    )
    kinds = dict.fromkeys(names, "VARCHAR")
    return Raw(role, path.name, "", sql, kinds, rows, files=(path.name,), parquet=(spooled,), head=2)


def _records(path: Path, encoding: str, delimiter: str | None) -> Iterator[Record]:
    """The records of a file; `delimiter` None: read off each line. A line whose quotation mark is never closed is given
    back alone, and reading goes on with the next one."""
    waiting: deque[tuple[int, str, bool]] = deque()
    lines = enumerate(decoded_lines(path, encoding), start=1)

    def upcoming() -> tuple[int, str, bool] | None:
        if waiting:
            return waiting.popleft()
        number, (text, sound) = next(lines, (0, ("", False)))
        return (number, text, sound) if number else None

    while (here := upcoming()) is not None:
        number, text, sound = here
        if not text.strip(" "):
            continue
        if not sound:
            yield number, None, text, "bytes"
            continue
        if "\0" in text or len(text) > _LONGEST_LINE:
            yield number, None, text[:500].replace("\0", "␀"), "nul" if "\0" in text[:_LONGEST_LINE] else "long"
            continue
        between = delimiter or _likely(text)
        cells, fault = _cells(text, between)
        taken: list[tuple[int, str, bool]] = []
        while fault == "open" and len(taken) < _MOST_LINES and (more := upcoming()) is not None:
            taken.append(more)
            if more[1].count('"') % 2:
                joined = "\n".join([text, *(line for _, line, _ in taken)])
                cells, fault = _cells(joined, between) if all(s for _, _, s in taken) else (None, "quote")
        if fault:
            waiting.extendleft(reversed(taken))
            yield number, None, text, "quote" if fault == "open" else fault
        else:
            yield number, cells, text, ""


def _likely(text: str) -> str:
    """The delimiter that a line has most of."""
    return max(",\t;|", key=text.count)


def _cells(text: str, delimiter: str) -> tuple[list[str] | None, str]:
    """One record's cells; `open` when a quoted cell goes on in the next line."""
    try:
        rows = list(csv.reader(io.StringIO(text), delimiter=delimiter, strict=True))
    except csv.Error as error:
        said = str(error)
        return None, "open" if "unexpected end" in said else "long" if "field limit" in said else "quote"
    return (rows[0], "") if len(rows) == 1 else (None, "quote")
