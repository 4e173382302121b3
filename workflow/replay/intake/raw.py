"""A foreign table as it was read: every reader leaves Parquet behind, with the place of each row.

Readers that take a file apart in Python spool text; a Parquet input is read where it lies, with its own types.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

ROW: Final = "#row"
"""Column: the row's number in its file or sheet, as a person counts it there."""

AT: Final = "#at"
"""Column: the row's position in the table, from 1."""

_BATCH = 50_000


@dataclass(frozen=True, slots=True)
class Raw:
    """One table read. `role`: the input it was given as. `sql`: a DuckDB SELECT of its columns, of `#at` (position in
    the table, from 1) and of `#row`.  `columns`: name → DuckDB type.  `rows`: how many.  `found`: what the mapping had
    looked up elsewhere in the file.  `torn`: rows that could not be taken apart, given as (row, text, fault).
    `files`: the files of a folder, as `#file` numbers them.  `lies`: read where it lies, with types of its own.
    `parquet`: the Parquet files its rows stand in, in their order, where nothing but the types of the columns was
    looked at yet; `begins`: the rows before each of them; `head`: what a row's position in its file is counted from;
    `home`: the folder that was given."""

    role: str
    file: str
    sheet: str
    sql: str
    columns: Mapping[str, str]
    rows: int
    found: Mapping[str, str | None] = field(default_factory=dict)
    torn: Sequence[tuple[int, str, str]] = ()
    files: tuple[str, ...] = ()
    lies: bool = False
    parquet: tuple[Path, ...] = ()
    begins: tuple[int, ...] = (0,)
    head: int = 1
    home: Path | None = None

    @property
    def place(self) -> str:
        """How messages call it."""
        return f"{self.file} [{self.sheet}]" if self.sheet else self.file

    def counted(self, rows: int) -> Raw:
        """The same with its rows counted."""
        return replace(self, rows=rows)

    def kept(self, file: Path, names: Iterable[str]) -> Raw:
        """The rows of it that were put aside into a Parquet file, with the columns `names` and their places."""
        listed = dict.fromkeys(names)
        columns = ", ".join(map(identifier, (*listed, ROW, AT, "#file")))
        sql = f"SELECT {columns} FROM read_parquet({literal(file)})"  # noqa: S608  # quoted
        return replace(self, sql=sql, columns={name: self.columns[name] for name in listed}, parquet=())


class Spool:
    """Writes rows of text to Parquet, a batch at a time. Columns may turn up at any row: each batch is a file with the
    columns it has, and they are read together by name."""

    def __init__(self, stem: Path, names: Sequence[str] = ()) -> None:
        self.rows = 0
        self._stem = stem
        self._names = dict.fromkeys(names)
        self._files: list[Path] = []
        self._waiting: list[tuple[Mapping[str, str | None], int]] = []

    def add(self, values: Mapping[str, str | None], row: int) -> None:
        """One row by column name, with its number in the file."""
        self._waiting.append((values, row))
        self.rows += 1
        if len(self._waiting) >= _BATCH:
            self._flush()

    def _flush(self) -> None:
        for values, _ in self._waiting:
            if not self._names.keys() >= values.keys():
                self._names |= dict.fromkeys(values)
        columns: dict[str, Any] = {
            name: pa.array([values.get(name) for values, _ in self._waiting], pa.string()) for name in self._names
        }
        columns[ROW] = pa.array([row for _, row in self._waiting], pa.int64())
        last = self.rows
        columns[AT] = pa.array(range(last - len(self._waiting) + 1, last + 1), pa.int64())
        file = self._stem.with_name(f"{self._stem.name}-{len(self._files):06d}.parquet")
        pq.write_table(pa.table(columns), file, compression="lz4", write_statistics=False)
        self._files.append(file)
        self._waiting.clear()

    def raw(self, role: str, file: str, sheet: str = "", **more: Any) -> Raw:
        """What was spooled; nothing can be added afterwards."""
        if self._waiting or not self._files:
            self._flush()
        columns = dict.fromkeys(self._names, "VARCHAR")
        return Raw(role, file, sheet, read_sql(self._files, self._names), columns, self.rows, **more)


def read_sql(files: Sequence[Path], names: Iterable[str]) -> str:
    """The SELECT that reads spooled files."""
    listed = ", ".join(map(identifier, (*names, ROW, AT)))
    paths = ", ".join(map(literal, files))
    return f"SELECT {listed} FROM read_parquet([{paths}], union_by_name = true)"  # noqa: S608  # quoted


def identifier(name: str) -> str:
    """A column's name as DuckDB reads it."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: object) -> str:
    """A text as DuckDB reads it."""
    return "'" + str(value).replace("'", "''") + "'"


def distinct_names(given: Sequence[str]) -> Iterator[str]:
    """Column names of which none can be taken for another: empty ones are numbered, and so is every one of several that
    are the same as names are compared, the first too."""
    labels = [label(one) for one in given]
    taken = {one for one, many in Counter(labels).items() if many == 1}
    counts: dict[str, int] = {}
    for index, (name, own) in enumerate(zip(given, labels, strict=True), start=1):
        if not own:
            yield f"#{index}"
        elif own in taken:
            yield name
        else:
            count = counts.get(own, 0) + 1
            while label(copy := numbered(name, count)) in taken:
                count += 1
            counts[own] = count
            yield copy


def numbered(name: str, count: int) -> str:
    """How one of several columns of the same name is called, counted from 1."""
    return f"{name} ({count})"


def label(text: object) -> str:
    """A column's name as names are compared: without blanks, line breaks and stars, whatever its case and width."""
    return re.sub(r"[\s*]+", "", unicodedata.normalize("NFKC", str(text or ""))).lower()
