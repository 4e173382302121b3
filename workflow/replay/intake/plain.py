"""Rows that hold nothing to be mended: seen column by column, and taken over as they lie.

A table with columns of ours (a contract-format Parquet, or CSV) is mostly such rows, and the SQL that mends a row
costs ten times what reading it does.  So one pass sets aside each row that raises the least doubt; only those go the
long way.  Without doubt means: the long way would accept the row with these very values and no fault.  A doubt too many
costs time, never a result.  Texts are looked at by their dictionaries, once for each value.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Final, NamedTuple, Self
from urllib.parse import unquote

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from definitions.model import USER_CLASSES
from definitions.records import lifecycles
from workflow.replay import tables
from workflow.replay.intake.columns import TYPES, WORD, Column, Mask, read, supported
from workflow.replay.intake.faults import BadHistory
from workflow.replay.intake.mapping import Emitter, MappingFile, Table, Value
from workflow.replay.intake.raw import AT, ROW, Raw, label

_AT_ONCE: Final = 1 << 20
"""Rows of a piece, about; three pieces are held at a time."""
_NO_VALUE: Final = "__HIVE_DEFAULT_PARTITION__"


def schema_of(target: Sequence[tables.Column]) -> pa.Schema:
    """How a canonical table is held."""
    return pa.schema([(column.name, TYPES[column.kind]) for column in target])


class Canonical:
    """A canonical table being written. Its texts keep their dictionaries, so that nothing is looked at twice.
    `present`: the columns that the input had.  `cases`: the ids of cases, for each piece written; `rows`: how many."""

    def __init__(self, path: Path, target: Sequence[tables.Column], present: Iterable[str]) -> None:
        self.path, self.schema = path, schema_of(target)
        self.rows = 0
        self.cases: list[pa.Array] = []
        words = [field.name for field in self.schema if field.type == WORD]
        self._file = pq.ParquetWriter(
            path, self.schema, compression="lz4", use_dictionary=words, dictionary_pagesize_limit=1 << 26,
            store_schema=False, write_statistics=[field.name for field in self.schema if field.type != WORD],
        )  # fmt: skip
        self._file.add_key_value_metadata({tables.PRESENT_COLUMNS: json.dumps(sorted(present))})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, table: pa.Table) -> None:
        """Append rows; a row group for each call."""
        if table.num_rows:
            self._file.write_table(table, row_group_size=table.num_rows)
            self.rows += table.num_rows
            self.cases += [one.unique().dictionary_decode() for one in table.column("case_id").chunks]


class Taken(NamedTuple):
    """What a pass came to: `rows` taken over, and the doubtful ones as a table of their own (None: there are none)."""

    rows: int
    doubtful: Raw | None


@dataclass(frozen=True, slots=True)
class Plain:
    """A table whose columns are ours under names of its own. `columns`: ours → theirs; a column that stands in the path
    of a partitioned folder is one of them."""

    raw: Raw
    target: tuple[tables.Column, ...]
    columns: Mapping[str, str]
    mapping: MappingFile
    steps: tuple[str, ...]

    def take(self, out: Canonical, start: int, aside: Path, progress: Callable[[int], None] = lambda _: None) -> Taken:
        """Write the rows without doubt, numbered from `start` + 1; the others go to the file `aside`."""
        rows, left, spool = 0, 0, None
        pieces = self._pieces()

        def following() -> tuple[pa.Table, pa.Table | None] | None:
            piece = next(pieces, None)
            return None if piece is None else self._split(*piece, start)

        try:
            # The next piece is read and looked at while this one is written.
            with ThreadPoolExecutor(1) as ahead:
                waiting = ahead.submit(following)
                while (found := waiting.result()) is not None:
                    waiting = ahead.submit(following)
                    good, doubtful = found
                    out.write(good)
                    rows += good.num_rows
                    if doubtful is not None:
                        spool = spool or pq.ParquetWriter(aside, doubtful.schema, compression="lz4")
                        spool.write_table(doubtful)
                        left += doubtful.num_rows
                    progress(rows + left)
        finally:
            if spool is not None:
                spool.close()
        if rows + left != self.raw.rows:
            raise AssertionError(f"{self.raw.place}: {rows} + {left} of {self.raw.rows} rows were seen")
        return Taken(rows, self.raw.kept(aside, self.columns.values()) if left else None)

    def _pieces(self) -> Iterator[tuple[int, int, pa.Table]]:
        """The number of the file, the rows of it that are behind, and the next ones."""
        texts = {theirs for ours, theirs in self.columns.items() if self._kind(ours) == "text"}
        for number, path in enumerate(self.raw.parquet):
            behind = 0
            try:
                for table in _tables(path, texts, list(self.columns.values())):
                    yield number, behind, table
                    behind += table.num_rows
            except (OSError, pa.ArrowException) as error:
                raise BadHistory(
                    f"{self.raw.files[number]}: 文件损坏, 第 {behind + 1} 行之后读不出, 请重新取得 / "
                    f"the file is damaged after row {behind}; get it again: {error!s:.200}"
                ) from error

    def _kind(self, name: str) -> tables.Kind:
        return next(column.kind for column in self.target if column.name == name)

    def _split(self, number: int, behind: int, table: pa.Table, start: int) -> tuple[pa.Table, pa.Table | None]:
        """The rows without doubt as ours, and the others as they came."""
        many = table.num_rows
        row = np.arange(behind, behind + many, dtype=np.int64)
        at = row + self.raw.begins[number] + 1
        for name, value in _of_path(self.raw.parquet[number], self.raw.home).items():
            if name in self.columns.values() and name not in table.column_names:
                table = table.append_column(
                    name, pa.array([value], pa.string()).take(pa.array(np.zeros(many, np.int8)))
                )
        given = {
            name: column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
            for name, column in zip(table.column_names, table.columns, strict=True)
        }
        blanks = ("", *self.mapping.missing)
        try:
            found = {ours: read(self._kind(ours), given[theirs], blanks) for ours, theirs in self.columns.items()}
            doubt = reduce(np.logical_or, self._doubts(found, many), np.zeros(many, dtype=np.bool_))
        except pa.ArrowException:
            found, doubt = {}, np.ones(many, dtype=np.bool_)
        final = {ours: one.values for ours, one in found.items()}
        final["row"] = pa.array(at + start)
        if self.target is tables.EVENTS:
            for name in ("occurred", "recorded"):
                final[f"{name}_is_date"] = pa.array(self._is_date(found, f"{name}_at", many))
        schema = schema_of(self.target)
        arrays = [final[one.name] if one.name in final else pa.nulls(many, one.type) for one in schema]
        for counted in ("rejected_rows", "lost_values", "untold"):
            if counted in schema.names:
                arrays[schema.get_field_index(counted)] = pa.array(np.zeros(many, dtype=np.int64))
        good = pa.table(arrays, schema=schema)
        if not doubt.any():
            return good, None
        places = {ROW: row + self.raw.head, AT: at, "#file": np.full(many, number)}
        came = pa.table({**given, **{name: pa.array(values) for name, values in places.items()}})
        return good.filter(pa.array(~doubt)), _plain_texts(came.filter(pa.array(doubt)))

    # ---- what raises a doubt -----------------------------------------------------------------------------------------

    def _doubts(self, found: Mapping[str, Column], many: int) -> Iterator[Mask]:
        for column in self.target:
            one = found.get(column.name)
            if one is None:
                if column.required:
                    yield np.ones(many, dtype=np.bool_)
                continue
            yield one.doubt
            if column.required and one.values.null_count:
                yield np.asarray(one.values.is_null().to_numpy(zero_copy_only=False))
            values = column.values
            if column.name == "user_class":
                values = (*USER_CLASSES, *self.mapping.classes)
            if values:
                yield ~one.among(values, empty=True)
        if self.target is tables.EVENTS and {"activity", "lifecycle"} <= found.keys():
            yield from self._of_events(found, many)

    def _of_events(self, found: Mapping[str, Column], many: int) -> Iterator[Mask]:
        """Pairs that there are not, values outside a closed list, and times in corrections, which are written anew."""
        activity, lifecycle = found["activity"], found["lifecycle"]
        known = lifecycles(self.steps)
        first, second = (one.listed() for one in (activity, lifecycle))
        pairs = np.zeros((len(first) + 1, len(second) + 1), dtype=np.int8)  # the last of each: none
        closed: list[tuple[str, ...]] = [(), ()]
        for a, name in enumerate(first):
            for b, life in enumerate(second):
                if life in known.get(name, ()):
                    listed = tables.VALUES.get((name, life), ())
                    pairs[a, b] = 1
                    if listed or name == "correction":
                        closed.append(listed)
                        pairs[a, b] = len(closed) - 1
        kind = pairs[activity.codes, lifecycle.codes]
        yield kind == 0
        if "value" in found:
            for number, listed in list(enumerate(closed))[2:]:
                at = np.flatnonzero(kind == number)
                doubt = np.zeros(many, dtype=np.bool_)
                doubt[at] = [
                    text is not None and (text not in listed if listed else text.endswith(".occurred_at"))
                    for text in found["value"].values.take(pa.array(at)).to_pylist()
                ]
                yield doubt

    def _is_date(self, found: Mapping[str, Column], name: str, many: int) -> Mask:
        one = found.get(name)
        if one is None:
            return np.zeros(many, dtype=np.bool_)
        midnight = one.midnight()
        if not self.mapping.midnight_is_date:
            source = found.get("source")
            midnight &= source.among(tables.DATE_SOURCES) if source is not None else np.False_
        return midnight if one.day is None else midnight | one.day


def plain_table(
    raw: Raw, table: Table, mapping: MappingFile, steps: tuple[str, ...], *,
    target: tuple[tables.Column, ...], emitter: Emitter,
) -> Plain | None:  # fmt: skip
    """`raw` as a table whose rows can be taken over; None when the mapping changes what a column says, or a column is
    of a type that has to be read closely."""
    if not raw.parquet or emitter.names or emitter.when or table.ignore:
        return None
    by_label = {label(name): name for name in raw.columns}
    columns = {}
    for ours, value in emitter.columns.items():
        if not _as_it_lies(value) or any(name in raw.found for name in value.columns):
            return None
        theirs = next((by_label[label(name)] for name in value.columns if label(name) in by_label), None)
        if theirs is not None:
            columns[ours] = theirs
    kinds = {column.name: column.kind for column in target}
    schemas = [pq.read_schema(path) for path in raw.parquet]
    in_files = {name for schema in schemas for name in schema.names}
    for schema in schemas:
        types = {field.name: field.type for field in schema}
        if raw.home is not None and any(_of_path(path, raw.home).keys() & types.keys() for path in raw.parquet):
            return None  # said twice
        for ours, theirs in columns.items():
            if theirs not in types:
                if theirs in in_files or kinds[ours] != "text":  # some files lack it; what stands in the path is text
                    return None
            elif not supported(kinds[ours], types[theirs]) or types[theirs] != schemas[0].field(theirs).type:
                return None
    return Plain(raw, target, columns, mapping, steps)


def _plain_texts(table: pa.Table) -> pa.Table:
    """The same with every dictionary written out: one file of a folder keeps a column in one, the next does not."""
    kinds = [one.type.value_type if pa.types.is_dictionary(one.type) else one.type for one in table.schema]
    return table.cast(pa.schema(list(zip(table.column_names, kinds, strict=True))))


def _as_it_lies(value: Value) -> bool:
    return bool(value.columns) and value == Value(columns=value.columns, optional=value.optional)


def _tables(path: Path, texts: set[str], wanted: list[str]) -> Iterator[pa.Table]:
    """The rows of a file in pieces: small row groups together, large ones in parts."""
    meta = pq.read_metadata(path)
    groups = [meta.row_group(at) for at in range(meta.num_row_groups)]
    words = set()
    if groups:
        chunks = (groups[0].column(at) for at in range(groups[0].num_columns))
        words = {one.path_in_schema for one in chunks if one.has_dictionary_page and one.physical_type == "BYTE_ARRAY"}
    with pq.ParquetFile(path, read_dictionary=sorted(words & texts), metadata=meta, memory_map=True) as file:
        names = [name for name in wanted if name in file.schema_arrow.names]
        together: list[int] = []
        for at, group in enumerate(groups):
            if together and sum(groups[one].num_rows for one in together) + group.num_rows > _AT_ONCE:
                yield file.read_row_groups(together, columns=names).unify_dictionaries()
                together = []
            if group.num_rows <= 2 * _AT_ONCE:
                together.append(at)
                continue
            for batch in file.iter_batches(_AT_ONCE, row_groups=[at], columns=names):
                yield pa.Table.from_batches([batch])
        if together:
            yield file.read_row_groups(together, columns=names).unify_dictionaries()


def _of_path(path: Path, home: Path | None) -> dict[str, str | None]:
    """The columns that stand in a file's path: `region=420100/part-0.parquet`."""
    if home is None:
        return {}
    parts = [part.partition("=") for part in path.relative_to(home).parts[:-1]]
    return {name: None if value == _NO_VALUE else unquote(value) for name, sign, value in parts if sign}
