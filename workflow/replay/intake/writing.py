"""What was read, written: the two canonical tables, the rows and values that were refused, and the account."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from workflow.replay import tables
from workflow.replay.intake.compile import Part
from workflow.replay.intake.counting import Ledger, Unreconciled
from workflow.replay.intake.faults import REASONS, BadHistory
from workflow.replay.intake.plain import Canonical
from workflow.replay.intake.raw import AT, ROW, identifier, literal
from workflow.replay.intake.result import Intake

_REJECTED = (
    "table", "part", "file", "sheet", "row", "column", "our_column", "value", "lost", "case_id", "reason", "reason_en",
)  # fmt: skip


_COUNTED = {"rejected_rows": "many", "lost_values": "columns"}
"""What a case lost, by the column of the table `lost` that holds it."""

_BETWEEN = re.compile(r"[,\t;|\n]")
_CELLS = pa.schema([("torn", pa.int64()), ("case_id", pa.string())])


@dataclass(frozen=True, slots=True)
class _Looked:
    """A part after its rows were looked at. `closely`: it over the rows that had to be (None: there were none);
    `taken`: the cases that were taken over as they lie (None: none)."""

    part: Part
    closely: Part | None
    rejected: int
    faulty: int
    taken: Path | None


def write(
    connection: duckdb.DuckDBPyConnection, parts: list[Part], ledger: Ledger, out: Path, *, work: Path,
    steps: tuple[str, ...], progress: Callable[[str, int, int], None],
) -> Intake:  # fmt: skip
    """The files of an intake; `work`: a folder for what is put aside. Raises BadHistory when there is no event at all,
    Unreconciled for a fault of ours."""
    starts = _starts(parts)
    total, behind = sum(part.raw.rows for part in parts), 0
    looked: list[_Looked] = []
    events_parts = [part for part in parts if not part.is_case]
    if not events_parts:
        raise BadHistory("没有事件表 / no table of events was given")
    progress("读取 / reading", 0, total)
    present = {gives: set().union(*(p.present for p in parts if p.is_case == gives)) for gives in (True, False)}
    with Canonical(out / "events.parquet", tables.EVENTS, present[False]) as events:
        for number, part in enumerate(parts):
            given = work / f"cases-{number}.parquet"
            with Canonical(given, tables.CASES, present[True]) if part.is_case else nullcontext(events) as into:
                looked.append(
                    _look(
                        connection, part, ledger, into, start=starts[id(part.raw)], stem=work / f"part-{number}",
                        progress=partial(_onward, progress, behind, total),
                    )
                )  # fmt: skip
            behind += part.raw.rows
            progress("读取 / reading", behind, total)
    refused = _refused(connection, looked, ledger, out / "rejected.csv")
    if not sum(part.raw.rows for part in events_parts):
        raise BadHistory("事件表只有表头, 没有数据行 / the table of events has a header and no rows")
    if not events.rows:
        raise BadHistory(
            f"没有一条事件可用: 退回 {refused['rows']} 行, 原因见 rejected.csv; 列名或取值不同的文件要用对照表读取 / "
            f"no event could be used: {refused['rows']} rows were rejected, see rejected.csv for the reasons; a file "
            "with other columns or codes is read through a mapping"
        )
    with ThreadPoolExecutor(1) as beside:
        progress("写业务 / writing cases", total, total)
        duplicates = beside.submit(_duplicates, connection.cursor(), events.path, events.rows)
        cases = _write_cases(connection, [one for one in looked if one.part.is_case], starts, events.cases, out)
        if cases["merged_rows"]:
            cases["conflicting_values"] += _moments_in_conflict(
                connection, [part for part in parts if part.is_case], starts, events.path, out / "conflicts.csv"
            )
        counts = ledger.close(
            cases=cases, events={"written": events.rows, "duplicates_kept": duplicates.result()}, rejected=refused
        )
    (out / "reconciliation.json").write_text(json.dumps(counts, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    return Intake(
        out / "cases.parquet", out / "events.parquet", out / "rejected.csv", out / "conflicts.csv",
        out / "reconciliation.json", counts, steps,
    )  # fmt: skip


def _onward(progress: Callable[[str, int, int], None], before: int, total: int, rows: int) -> None:
    progress("读取 / reading", before + rows, total)


def _starts(parts: list[Part]) -> dict[int, int]:
    """Where the rows of each raw table begin in the numbering of the whole input."""
    starts, before = {}, 0
    for part in parts:
        if id(part.raw) not in starts:
            starts[id(part.raw)] = before
            before += part.raw.rows
    return starts


def _look(
    connection: duckdb.DuckDBPyConnection, part: Part, ledger: Ledger, into: Canonical, *, start: int, stem: Path,
    progress: Callable[[int], None],
) -> _Looked:  # fmt: skip
    """Look at every row of a part; its events are written, and of its cases those that can be taken as they lie."""
    taken = 0
    closely: Part | None = part
    if part.plain is not None:
        taken, doubtful = part.plain.take(into, start, stem.with_suffix(".aside.parquet"), progress)
        closely = None if doubtful is None else part.over(doubtful)
    states, why, sentinels, faulty = _count(connection, closely)
    if closely is not None and not part.is_case:
        _append(connection, closely, start, into)
    ledger.part(part, {**states, "accepted": states.get("accepted", 0) + taken}, why, sentinels, start + 1)
    return _Looked(part, closely, states.get("rejected", 0), faulty, into.path if part.is_case and taken else None)


def _count(connection: duckdb.DuckDBPyConnection, part: Part | None) -> tuple[dict[str, int], dict[int, int], int, int]:
    """What became of the rows of a part, why rows were ignored, the sentinel dates in accepted ones, and how many of
    these hold a fault."""
    states: dict[str, int] = {}
    why: dict[int, int] = {}
    if part is None:
        return states, why, 0, 0
    found = connection.execute(
        'SELECT "#state", "#why", count(*), sum("#sentinels"), '  # noqa: S608  # our own SELECT
        f'count(*) FILTER ("#faulty" AND "#state" = \'accepted\') FROM ({part.sql}) GROUP BY ALL'
    ).fetchall()
    for state, because, rows, _, _ in found:
        states[state] = states.get(state, 0) + rows
        if because is not None:
            why[because] = why.get(because, 0) + rows
    sentinels = sum(int(many or 0) for state, _, _, many, _ in found if state == "accepted")
    return states, why, sentinels, sum(faulty for *_, faulty in found)


def _append(connection: duckdb.DuckDBPyConnection, part: Part, start: int, events: Canonical) -> None:
    """Write the accepted rows of a part that was looked at closely, in their order."""
    listed = ", ".join(map(identifier, events.schema.names))
    connection.execute("SET preserve_insertion_order = true")
    reader = connection.sql(f"SELECT {listed} FROM ({_accepted(part, start)})").to_arrow_reader(1 << 20)  # noqa: S608  # ours
    for batch in reader:
        events.write(pa.Table.from_batches([batch]).cast(events.schema))
    connection.execute("SET preserve_insertion_order = false")


# ---- what was refused ------------------------------------------------------------------------------------------------


def _refused(
    connection: duckdb.DuckDBPyConnection, looked: list[_Looked], ledger: Ledger, path: Path
) -> dict[str, int]:
    """Write `rejected.csv`, and keep the number of rejected rows of each case for `_write_cases`."""
    rows = values = 0
    connection.execute("CREATE OR REPLACE TEMP TABLE lost (case_id VARCHAR, many BIGINT, columns BIGINT)")
    cells: list[tuple[int, str]] = []
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        sheet = csv.writer(file)
        sheet.writerow(_REJECTED)
        for raw in ledger.torn:
            for row, text, code in raw.torn:
                sheet.writerow(_line(raw.role, "", raw.file, raw.sheet, row, "", "", text, "row", "", code))
                cells += [(rows, cell.strip(' "')) for cell in _BETWEEN.split(text)]
                rows += 1
        connection.register("torn_cells", pa.table([[n for n, _ in cells], [c for _, c in cells]], schema=_CELLS))
        for one in looked:
            part = one.closely
            if part is None or not (one.rejected or one.faulty):
                continue
            left, seen = one.rejected, -1
            for number, row, place, state, case_id, fault in _faults(connection, part):
                if state == "rejected" and number != seen:
                    rows += 1
                    left -= 1
                    seen = number
                values += state != "rejected"
                file_name = part.raw.files[number_of(place)] if part.raw.files else part.raw.file
                gives = "cases" if part.is_case else "events"
                lost = "row" if state == "rejected" else "value"
                sheet.writerow(
                    _line(
                        gives, part.name, file_name, part.raw.sheet, row, fault["theirs"], fault["ours"], fault["text"],
                        lost, case_id, fault["code"],
                    )
                )  # fmt: skip
            if left:
                raise Unreconciled(f"{part.name}: {left} rejected rows have no reason")
            # A record that lost a value proves less than was handed in; a lost fact of a case is a fact missing.
            short = "0" if part.is_case else "1"
            connection.execute(
                f"INSERT INTO lost SELECT case_id, sum(CASE WHEN \"#state\" = 'rejected' THEN 1 ELSE {short} END), "  # noqa: S608  # our own SELECT
                f"bit_or({_lost_values() if part.is_case else '0'}) FROM ({part.sql}) "
                'WHERE ("#state" = \'rejected\' OR ("#state" = \'accepted\' AND "#faulty")) AND case_id IS NOT NULL '
                "GROUP BY case_id"
            )
    return {"rows": rows, "values": values}


def _lost_values() -> str:
    """SQL of which columns of an accepted row of cases lost their value."""
    each = " ".join(f"WHEN {literal(c.name)} THEN {tables.lost_value(c.name)}" for c in tables.CASES)
    lost = f'list_sum(list_transform("#faults", lambda f: CASE f.ours {each} END))'
    return f"CASE WHEN \"#state\" = 'accepted' THEN CAST({lost} AS BIGINT) ELSE 0 END"


def number_of(place: Any) -> int:
    """The number of a file in a folder."""
    return int(place or 0)


def _faults(connection: duckdb.DuckDBPyConnection, part: Part) -> Iterator[tuple[Any, ...]]:
    cursor = connection.execute(
        f'SELECT {identifier(AT)}, {identifier(ROW)}, "#file", "#state", case_id, unnest("#faults") FROM ({part.sql}) '  # noqa: S608  # our own SELECT
        f'WHERE "#state" = \'rejected\' OR ("#state" = \'accepted\' AND "#faulty") ORDER BY {identifier(AT)}'
    )
    while batch := cursor.fetchmany(10_000):
        yield from batch


def _line(*cells: Any) -> list[str]:
    *told, code = cells
    return [_safe(str("" if cell is None else cell)) for cell in (*told, *REASONS[code])]


def _safe(text: str) -> str:
    """A cell that a spreadsheet will not take for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


# ---- the canonical tables --------------------------------------------------------------------------------------------


def _accepted(part: Part, start: int) -> str:
    return (
        f'SELECT {part.selected}, {identifier(AT)} + {start} AS "row" FROM ({part.sql}) '  # noqa: S608  # our own
        "WHERE \"#state\" = 'accepted'"
    )


_TELLING = ("case_id", "activity", "lifecycle", "occurred_at", "recorded_at", "value", "ref")
"""Columns in which two events mostly differ if they do at all."""


def _duplicates(connection: duckdb.DuckDBPyConnection, path: Path, rows: int) -> int:
    """Events that say exactly what another one says. Sorting their hashes is several times faster than grouping, and
    where no two agree in a few columns the others need not be read."""
    alike = _alike(connection, path, rows, _TELLING)
    return alike and _alike(connection, path, rows, [column.name for column in tables.EVENTS if column.name != "row"])


def _alike(connection: duckdb.DuckDBPyConnection, path: Path, rows: int, columns: Sequence[str]) -> int:
    hashes = np.empty(rows, dtype=np.uint64)
    behind = 0
    listed = ", ".join(map(identifier, columns))
    reader = connection.sql(f"SELECT hash({listed}) AS h FROM read_parquet({literal(path)})").to_arrow_reader(1 << 20)  # noqa: S608  # quoted
    for batch in reader:
        hashes[behind : behind + len(batch)] = batch.column(0).to_numpy()
        behind += len(batch)
    hashes.sort()
    return int(np.count_nonzero(hashes[1:] == hashes[:-1]))


def _write_cases(
    connection: duckdb.DuckDBPyConnection, looked: list[_Looked], starts: dict[int, int], ids: list[pa.Array], out: Path
) -> dict[str, int]:
    """One row per case: rows of one case are merged, what an earlier row says standing; cases that only events name
    (`ids`: those of all events) are added, so that their events are judged."""
    own = [column for column in tables.CASES if column.name != "case_id" and not column.derived]
    listed = ", ".join(identifier(column.name) for column in tables.CASES if column.name not in _COUNTED)
    none = ", ".join(
        f"CAST(NULL AS {tables.SQL_TYPES[column.kind]}) AS {identifier(column.name)}" for column in tables.CASES
    )
    sources = [f"SELECT {listed} FROM read_parquet({literal(one.taken)})" for one in looked if one.taken]  # noqa: S608  # quoted
    sources += [_accepted(one.closely, starts[id(one.part.raw)]) for one in looked if one.closely]
    # What was taken over is read again where it lies; what was mended is not mended twice.
    kept = "TABLE" if any(one.closely for one in looked) else "VIEW"
    united = " UNION ALL BY NAME ".join(sources) or f"SELECT {none} WHERE false"
    connection.execute(f"CREATE OR REPLACE TEMP {kept} given AS {united}")  # our own
    rows, distinct = _one(connection, "SELECT count(*), count(DISTINCT case_id) FROM given")
    path = out / "conflicts.csv"
    conflicts = _conflicts(connection, own, path) if rows > distinct else _no_conflicts(path)
    connection.register("ids", pa.Table.from_arrays([pa.chunked_array(ids)], names=["case_id"]))
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE unlisted AS SELECT DISTINCT case_id FROM ids ANTI JOIN given USING (case_id)"
    )
    # A row that could not be taken apart is laid to the cases that are named in it.
    connection.execute(
        "INSERT INTO lost SELECT case_id, count(DISTINCT torn), 0 FROM torn_cells "
        "SEMI JOIN (SELECT case_id FROM given UNION ALL SELECT case_id FROM unlisted) USING (case_id) GROUP BY case_id"
    )
    unlisted, lost = _one(connection, "SELECT (SELECT count(*) FROM unlisted), (SELECT count(*) FROM lost)")
    told = {
        "written": distinct + unlisted,
        "known_from_events_only": unlisted,
        "merged_rows": rows - distinct,
        "conflicting_values": conflicts,
    }
    if len(sources) == 1 and looked[0].taken and rows == distinct and not unlisted and not lost:
        looked[0].taken.replace(out / "cases.parquet")  # it is the table already
        return told
    if rows > distinct:
        # What the first row that says anything says.
        first = ", ".join(
            f'arg_min({identifier(c.name)}, "row") FILTER ({identifier(c.name)} IS NOT NULL) AS {identifier(c.name)}'
            for c in own
        )
        # What one of its tables can tell is told.
        told_nowhere = "CAST(bit_and(coalesce(untold, 0)) AS BIGINT) AS untold"
        merged = f'SELECT case_id, {first}, {told_nowhere}, min("row") AS "row" FROM given GROUP BY case_id'  # noqa: S608  # our own names
    else:
        merged = "SELECT * FROM given"
    listed = ", ".join(
        f"coalesce({_COUNTED[c.name]}, 0) AS {c.name}" if c.name in _COUNTED else identifier(c.name)
        for c in tables.CASES
    )
    present = json.dumps(sorted(set().union(*(one.part.present for one in looked))))
    connection.execute(
        f"COPY (SELECT {listed} FROM (({merged}) UNION ALL BY NAME (SELECT case_id FROM unlisted)) "  # noqa: S608  # our own names
        "LEFT JOIN (SELECT case_id, CAST(sum(many) AS BIGINT) AS many, bit_or(columns) AS columns FROM lost "
        "GROUP BY case_id) USING (case_id) "
        f'ORDER BY "row" NULLS LAST, case_id) TO {literal(out / "cases.parquet")} '
        f"(FORMAT parquet, COMPRESSION lz4_raw, KV_METADATA {{{tables.PRESENT_COLUMNS}: {literal(present)}}})"
    )
    return told


def _one(connection: duckdb.DuckDBPyConnection, sql: str) -> tuple[int, ...]:
    return tuple(int(value) for value in connection.execute(sql).fetchall()[0])


_CONFLICTS = ("case_id", "column", "kept", "kept_row", "other", "other_row")


def _no_conflicts(path: Path) -> int:
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file).writerow(_CONFLICTS)
    return 0


def _conflicts(connection: duckdb.DuckDBPyConnection, own: list[tables.Column], path: Path) -> int:
    """Write the case values that two rows give differently; rows are positions in the whole input."""
    many = _no_conflicts(path)
    for column in own:
        name = identifier(column.name)
        many += _append_conflicts(
            connection.execute(
                f"SELECT case_id, {literal(column.name)}, CAST(first AS VARCHAR), first_row, "  # noqa: S608  # ours
                f'CAST({name} AS VARCHAR), "row" FROM ('
                f'SELECT *, arg_min({name}, "row") OVER one AS first, min("row") OVER one AS first_row FROM given '
                f"WHERE {name} IS NOT NULL WINDOW one AS (PARTITION BY case_id)) WHERE {name} <> first "
                'ORDER BY case_id, "row"'
            ),
            path,
        )
    return many


def _moments_in_conflict(
    connection: duckdb.DuckDBPyConnection, parts: list[Part], starts: dict[int, int], events: Path, path: Path
) -> int:
    """Add the milestones of which two rows of one case give different times: each row of a wide table tells the whole
    case, so they are no two rounds. Both stay among the events; of a date and a time on it neither is wrong."""
    told = [
        f"({starts[id(part.raw)]}, {starts[id(part.raw)] + part.raw.rows}, {literal(activity)}, {literal(lifecycle)})"
        for part in parts
        for activity, lifecycle in part.table.milestones
    ]
    if not told:
        return 0
    return _append_conflicts(
        connection.execute(
            "SELECT case_id, concat(activity, '.', lifecycle, '.occurred_at'), CAST(first AS VARCHAR), first_row, "  # noqa: S608  # ours
            'CAST(occurred_at AS VARCHAR), "row" FROM (SELECT *, arg_min(occurred_at, "row") OVER one AS first, '
            'min("row") OVER one AS first_row, '
            'arg_min(occurred_is_date, "row") OVER one AS dated '
            f"FROM (SELECT event.* FROM read_parquet({literal(events)}) AS event "
            "SEMI JOIN (SELECT case_id FROM given GROUP BY ALL HAVING count(*) > 1) USING (case_id) "
            f"JOIN (VALUES {', '.join(told)}) AS told (behind, up_to, activity, lifecycle) "
            "ON event.activity = told.activity AND event.lifecycle = told.lifecycle "
            'AND event."row" > behind AND event."row" <= up_to WHERE occurred_at IS NOT NULL) '
            "WINDOW one AS (PARTITION BY case_id, activity, lifecycle)) "
            "WHERE CASE WHEN dated OR occurred_is_date THEN CAST(occurred_at AS DATE) <> CAST(first AS DATE) "
            "ELSE occurred_at <> first END ORDER BY ALL"
        ),
        path,
    )


def _append_conflicts(cursor: duckdb.DuckDBPyConnection, path: Path) -> int:
    many = 0
    with path.open("a", encoding="utf-8", newline="") as file:
        sheet = csv.writer(file)
        while batch := cursor.fetchmany(10_000):
            sheet.writerows([_safe(str(cell)) for cell in line] for line in batch)
            many += len(batch)
    return many
