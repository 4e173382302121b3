"""The two engines. Every statement is written once, in DuckDB's words; what differs between the engines stands here."""

from __future__ import annotations

import datetime as dt
import functools
import json
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import sqlglot
from sqlglot import exp

from definitions._expressions import MOMENT_UNIT
from definitions.calendar import WorkingCalendar

EPOCH: Final = dt.date(1900, 1, 1)
EPOCH_MICROS: Final = (dt.date(1970, 1, 1) - EPOCH).days * 86_400_000_000
"""Microseconds from the epoch of a moment (1900-01-01) to the one of the engines (1970-01-01)."""


def day_number(day: dt.date) -> int:
    """Days since 1900-01-01, as the engines count."""
    return (day - EPOCH).days


class Engine(Protocol):
    """What the judging needs of an engine. Statements are DuckDB SQL; tables live until `close`."""

    name: str

    def read(self, table: str, path: Path) -> None:
        """Name the Parquet at `path` (a file or a folder of partitions)."""

    def make(self, table: str, sql: str) -> None:
        """A table computed once."""

    def view(self, table: str, sql: str) -> None:
        """A name for a query."""

    def put(self, table: str, rows: pa.Table) -> None:
        """A small table from here."""

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a small result."""

    def write(self, sql: str, path: Path) -> None:
        """One Parquet file, rows in the order of the query."""

    def working_days(self, calendar: WorkingCalendar, first: dt.date, last: dt.date) -> None:
        """Make `wd_at(day number)` known: working days up to and including that day, NULL outside the calendar."""

    def micros(self, column: str) -> str:
        """Microseconds since 1970 of a naive timestamp."""

    def rolling_median(self, value: str, window: str) -> str:
        """The median of `value` over a window frame."""

    def close(self) -> None: ...


def _worked(calendar: WorkingCalendar, first: dt.date, last: dt.date) -> list[int]:
    before, out = 0, []
    day = first
    while day <= last:
        before += calendar.is_working(day)
        out.append(before)
        day += dt.timedelta(days=1)
    return out


def _clamped(calendar: WorkingCalendar, first: dt.date, last: dt.date) -> tuple[dt.date, dt.date]:
    return max(first, calendar.first_day), min(last, calendar.last_day)


BYTES_A_ROW: Final = 320
"""What the tables of a judging come to in memory for each record, measured on ten million."""


class DuckDB:
    """One process; spills to `temp_dir` beyond `memory_limit`. Where `rows` records are too many for it, the tables lie
    there in a file, whose columns are packed to a fraction; what is spilled is not, and is read again as often."""

    name = "duckdb"

    def __init__(self, *, memory_limit: str, temp_dir: Path, threads: int | None = None, rows: int = 0) -> None:
        self.con = duckdb.connect()
        self.con.execute(f"SET memory_limit = '{memory_limit}'")
        self.con.execute("SET temp_directory = $dir", {"dir": str(temp_dir)})
        self.con.execute("SET preserve_insertion_order = false")
        self.con.execute("SET TimeZone = 'UTC'")
        if threads:
            self.con.execute(f"SET threads = {threads}")
        self.file = temp_dir / "tables.duckdb"
        ((memory,),) = self.rows("SELECT parse_formatted_bytes(current_setting('memory_limit'))")
        if rows * BYTES_A_ROW > memory:
            self.file.unlink(missing_ok=True)
            self.con.execute(f"ATTACH {quoted(str(self.file))} AS tables")
            self.con.execute("USE tables")
        self.con.execute(
            "CREATE TEMP MACRO moment_text(m) AS CASE WHEN m IS NULL THEN '' WHEN m % 2 = 1 THEN "
            f"strftime(make_timestamp(m // {MOMENT_UNIT} - {EPOCH_MICROS}), '%Y-%m-%d') ELSE "
            f"strftime(make_timestamp(m // {MOMENT_UNIT} - {EPOCH_MICROS}), '%Y-%m-%d %H:%M:%S') END"
        )

    def read(self, table: str, path: Path) -> None:
        where = str(path / "**" / "*.parquet" if path.is_dir() else path).replace("'", "''")
        self.con.execute(f"CREATE VIEW {table} AS SELECT * FROM read_parquet('{where}', union_by_name = true)")

    def make(self, table: str, sql: str) -> None:
        self.con.execute(f"CREATE TABLE {table} AS {sql}")

    def view(self, table: str, sql: str) -> None:
        self.con.execute(f"CREATE VIEW {table} AS {sql}")

    def put(self, table: str, rows: pa.Table) -> None:
        self.con.register("_given", rows)
        self.con.execute(f"CREATE TABLE {table} AS SELECT * FROM _given")
        self.con.unregister("_given")

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return self.con.execute(sql).fetchall()

    def write(self, sql: str, path: Path) -> None:
        where = str(path).replace("'", "''")
        self.con.execute(f"COPY ({sql}) TO '{where}' (FORMAT parquet, COMPRESSION zstd, PRESERVE_ORDER true)")

    def working_days(self, calendar: WorkingCalendar, first: dt.date, last: dt.date) -> None:
        first, last = _clamped(calendar, first, last)
        self.con.execute("SET VARIABLE worked = $days", {"days": _worked(calendar, first, last)})
        # Beyond the list the look-up answers NULL; a position of nought or less would count from its end.
        base = day_number(first)
        self.con.execute(
            "CREATE TEMP MACRO wd_at(d) AS CASE WHEN d >= "
            f"{base} THEN list_extract(getvariable('worked'), CAST(d - {base} + 1 AS INTEGER)) END"
        )

    def micros(self, column: str) -> str:
        return f"epoch_us({column})"

    def rolling_median(self, value: str, window: str) -> str:
        return f"CAST(floor(median({value}) OVER ({window})) AS BIGINT)"

    def close(self) -> None:
        self.con.close()
        self.file.unlink(missing_ok=True)


class Spark:
    """A cluster, or local processes: `master` is any Spark master URL. Needs the `spark` extra and Java 17.
    Raises ValueError when it does not start."""

    name = "spark"

    def __init__(self, *, master: str, memory_limit: str, temp_dir: Path) -> None:
        try:
            from py4j.protocol import Py4JJavaError  # type: ignore[import-untyped] # noqa: PLC0415 - an extra of this engine
            from pyspark.errors import PySparkException  # noqa: PLC0415  # an extra that only this engine needs
            from pyspark.sql import SparkSession  # noqa: PLC0415  # an extra that only this engine needs
        except ImportError:
            raise ValueError(
                "没有安装 Spark, 请安装 baozhuang[spark] / Spark is not installed; install baozhuang[spark]"
            ) from None
        self.temp = temp_dir / "spark"
        self.temp.mkdir(parents=True, exist_ok=True)
        self.first_day = 0
        local = master.startswith("local")
        building: Any = (
            SparkSession.builder.master(master)
            .appName("baozhuang-replay")
            .config("spark.driver.memory", memory_limit.lower().replace("gb", "g").replace("mb", "m"))
            .config("spark.sql.session.timeZone", "UTC")
            .config("spark.sql.timestampType", "TIMESTAMP_NTZ")
            .config("spark.sql.ansi.enabled", "false")
            .config("spark.sql.shuffle.partitions", "2" if local else "200")
            .config("spark.sql.adaptive.enabled", "false" if local else "true")
            # Code is not generated for rows of hundreds of columns: it would outgrow what the JVM compiles, and be tried anew
            # at every statement.
            .config("spark.sql.codegen.wholeStage", "false")
            .config("spark.sql.codegen.maxFields", "100")
            # The calendar is one literal list in many places of a plan: it must not be printed at each.
            .config("spark.sql.maxPlanStringLength", "10000")
            .config("spark.sql.warehouse.dir", str(self.temp / "warehouse"))
            .config("spark.local.dir", str(self.temp))
            .config("spark.ui.enabled", "false")
            .config("spark.ui.showConsoleProgress", "false")
        )
        try:
            self.session = building.getOrCreate()
        except (Py4JJavaError, PySparkException) as error:
            why = str(getattr(error, "java_exception", error)).splitlines()[0]
            raise ValueError(
                f"Spark 没有启动, 请检查 Java 17 和 --master {master}: {why} / "
                f"Spark did not start; check Java 17 and --master {master}: {why}"
            ) from None
        self.session.sparkContext.setLogLevel("ERROR")

    def _sql(self, sql: str) -> Any:
        return self.session.sql(_for_spark(sql, self.first_day))

    def read(self, table: str, path: Path) -> None:
        reader = self.session.read.option("mergeSchema", "true").option("recursiveFileLookup", "true")
        reader.parquet(str(path)).createOrReplaceTempView(table)

    def make(self, table: str, sql: str) -> None:
        # Through files: what follows would otherwise carry the whole plan before it, and not know how small a table is.
        frame = self._sql(sql)
        path = str(self.temp / table)
        frame.write.mode("overwrite").parquet(path)
        self.session.read.schema(frame.schema).parquet(path).createOrReplaceTempView(table)

    def view(self, table: str, sql: str) -> None:
        self._sql(sql).createOrReplaceTempView(table)

    def put(self, table: str, rows: pa.Table) -> None:
        path = self.temp / f"{table}.parquet"
        pq.write_table(rows, path)
        self.session.read.parquet(str(path)).createOrReplaceTempView(table)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in self._sql(sql).collect()]

    def write(self, sql: str, path: Path) -> None:
        """Through a folder of ordered parts into one file, so that both engines hand over the same thing."""
        parts = self.temp / f"{path.stem}.parts"
        self._sql(sql).write.mode("overwrite").parquet(str(parts))
        files = sorted(parts.glob("part-*.parquet"))
        with pq.ParquetWriter(path, pq.read_schema(files[0]).remove_metadata(), compression="zstd") as writer:
            for file in files:
                for batch in pq.ParquetFile(file).iter_batches():
                    writer.write_batch(batch.replace_schema_metadata(None))
        shutil.rmtree(parts)

    def working_days(self, calendar: WorkingCalendar, first: dt.date, last: dt.date) -> None:
        first, last = _clamped(calendar, first, last)
        self.first_day = day_number(first)
        days = ", ".join(map(str, _worked(calendar, first, last)))
        self.session.sql(f"DECLARE OR REPLACE VARIABLE worked ARRAY<INT> DEFAULT array({days})")

    def micros(self, column: str) -> str:
        return f"unix_micros(CAST({column} AS TIMESTAMPTZ))"

    def rolling_median(self, value: str, window: str) -> str:
        return f"rolling_median_of({value}, '{window}')"

    def close(self) -> None:
        self.session.catalog.clearCache()
        self.session.stop()


def _for_spark(sql: str, first_day: int) -> str:
    """`sql` in Spark's words, with the few things the translation does not know. `first_day`: where the variable
    `worked` begins."""
    tree = sqlglot.parse_one(sql, read="duckdb")

    def reword(node: exp.Expr) -> exp.Expr:
        name = str(node.this).lower() if isinstance(node, exp.Anonymous) else ""
        if name == "rolling_median_of":
            value, window = node.expressions[0].sql(dialect="spark"), str(node.expressions[1].this)
            values = f"array_sort(collect_list({value}) OVER ({window}))"
            half = f"size({values})"
            low, high = (
                f"element_at({values}, CAST({at} AS INT))" for at in (f"({half} + 1) DIV 2", f"{half} DIV 2 + 1")
            )
            text = f"({low} + {high}) DIV 2"
            return sqlglot.parse_one(f"CASE WHEN {half} > 0 THEN {text} END", read="spark")
        if name == "wd_at":
            day = node.expressions[0].transform(reword).sql(dialect="spark")
            return sqlglot.parse_one(f"get(worked, CAST(({day}) - {first_day} AS INT))", read="spark")
        if name == "moment_text":
            m = node.expressions[0].transform(reword).sql(dialect="spark")
            time = f"timestamp_micros({m} DIV {MOMENT_UNIT} - {EPOCH_MICROS})"
            pattern = f"CASE WHEN {m} % 2 = 1 THEN 'yyyy-MM-dd' ELSE 'yyyy-MM-dd HH:mm:ss' END"
            return sqlglot.parse_one(f"COALESCE(date_format({time}, {pattern}), '')", read="spark")
        return node

    return tree.transform(reword).sql(dialect="spark")


ENGINES: Final = (DuckDB.name, Spark.name)
LOCAL: Final = "local[2]"
"""Where Spark runs when nothing is said: two threads of this machine."""


def refuse_engine(engine: str, master: str | None) -> None:
    """Raises ValueError for an engine that there is not, and for a master where no Spark is to obey it."""
    if engine not in ENGINES:
        names = ", ".join(ENGINES)
        raise ValueError(f"没有引擎 {engine}, 可用: {names} / there is no engine {engine}; use one of {names}")
    if master is not None and engine != Spark.name:
        raise ValueError(
            f"--master 只用于 --engine spark, 现在的引擎是 {engine} / "
            f"--master is for --engine spark only; the engine is {engine}"
        )


def opened(
    engine: str, *, master: str | None, memory_limit: str, temp_dir: Path, threads: int | None = None, rows: int = 0
) -> Engine:
    """The engine of that name, ready for so many records. `master`: of Spark, by default `LOCAL`. Raises ValueError as
    `refuse_engine`."""
    refuse_engine(engine, master)
    if engine == Spark.name:
        return Spark(master=master or LOCAL, memory_limit=memory_limit, temp_dir=temp_dir)
    return DuckDB(memory_limit=memory_limit, temp_dir=temp_dir, threads=threads, rows=rows)


def arrow(columns: Sequence[tuple[str, pa.DataType]], rows: Iterable[Sequence[Any]]) -> pa.Table:
    """A small table of `rows`, typed even when empty."""
    listed = list(rows)
    arrays = [pa.array([row[at] for row in listed], kind) for at, (_, kind) in enumerate(columns)]
    return pa.Table.from_arrays(arrays, names=[name for name, _ in columns])


@functools.cache
def columns_of(sql: str) -> frozenset[str]:
    """The columns that an expression names."""
    return frozenset({str(node.name) for node in sqlglot.parse_one(sql, read="duckdb").find_all(exp.Column)})


def json_text(column: str) -> str:
    """SQL of a value as a JSON string."""
    text = f"COALESCE(CAST({column} AS VARCHAR), '')"
    escaped = f"replace(replace({text}, '\\', '\\\\'), '\"', '\\\"')"
    return f"'\"' || regexp_replace({escaped}, '[\\x00-\\x1f]', ' ', 'g') || '\"'"


def quoted(text: str) -> str:
    """`text` as a literal of SQL."""
    return "'" + text.replace("'", "''") + "'"


def _files(path: Path) -> list[Path]:
    return sorted(path.rglob("*.parquet")) if path.is_dir() else [path]


def rows_in(path: Path) -> int:
    """How many rows the Parquet at `path` (a file or a folder of partitions) has."""
    return sum(pq.read_metadata(file).num_rows for file in _files(path))


def present_columns(path: Path, key: str) -> set[str]:
    """The columns that the input had, from the metadata of the Parquet at `path`; those of the file when it says none."""
    schema = pq.read_schema(_files(path)[0])
    said = (schema.metadata or {}).get(key.encode())
    return set(json.loads(said)) if said else set(schema.names)


def listed(texts: Any) -> str:
    """The texts of a threshold as a list of SQL that is never empty."""
    return ", ".join(quoted(str(one)) for one in texts) or "''"
