"""What was read, written: the two canonical tables, the rows and values that were refused, and the account."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from workflow.replay import tables
from workflow.replay.intake.compile import Part
from workflow.replay.intake.counting import Ledger, Unreconciled
from workflow.replay.intake.faults import REASONS, BadHistory
from workflow.replay.intake.raw import AT, ROW, identifier, literal
from workflow.replay.intake.result import Intake

_REJECTED = (
    "table", "part", "file", "sheet", "row", "column", "our_column", "value", "lost", "case_id", "reason", "reason_en",
)  # fmt: skip


def write(
    connection: duckdb.DuckDBPyConnection, parts: list[Part], ledger: Ledger, out: Path, *, steps: tuple[str, ...],
    progress: Callable[[str, int, int], None],
) -> Intake:  # fmt: skip
    """The files of an intake. Raises BadHistory when there is no event at all, Unreconciled for a fault of ours."""
    starts = _starts(parts)
    total, behind = sum(part.raw.rows for part in parts), 0
    torn: list[tuple[Part, int]] = []
    for part in parts:
        states, faulty = _count(connection, part, ledger, starts[id(part.raw)])
        behind += part.raw.rows
        progress("检查 / checking", behind, total)
        if faulty or states.get("rejected"):
            torn.append((part, states.get("rejected", 0)))
    events_parts = [part for part in parts if not part.is_case]
    if not events_parts:
        raise BadHistory("没有事件表 / no table of events was given")
    refused = _refused(connection, torn, ledger, out / "rejected.csv")
    progress("写事件 / writing events", 0, total)
    events = _write_events(connection, events_parts, starts, out / "events.parquet")
    if not events["written"]:
        raise BadHistory(
            f"没有一条事件可用, 原因见 {out / 'rejected.csv'} / no event could be used; the reasons are in rejected.csv"
        )
    progress("写业务 / writing cases", 0, total)
    case_parts = [part for part in parts if part.is_case]
    cases = _write_cases(connection, case_parts, starts, out)
    counts = ledger.close(cases=cases, events=events, rejected=refused)
    (out / "reconciliation.json").write_text(json.dumps(counts, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    return Intake(
        out / "cases.parquet", out / "events.parquet", out / "rejected.csv", out / "conflicts.csv",
        out / "reconciliation.json", counts, steps,
    )  # fmt: skip


def _starts(parts: list[Part]) -> dict[int, int]:
    """Where the rows of each raw table begin in the numbering of the whole input."""
    starts, before = {}, 0
    for part in parts:
        if id(part.raw) not in starts:
            starts[id(part.raw)] = before
            before += part.raw.rows
    return starts


def _count(connection: duckdb.DuckDBPyConnection, part: Part, ledger: Ledger, start: int) -> tuple[dict[str, int], int]:
    """What became of the rows of a part, and how many hold a fault that matters."""
    found = connection.execute(
        'SELECT "#state", "#why", count(*), sum("#sentinels"), '  # noqa: S608  # our own SELECT
        f'count(*) FILTER ("#faulty" AND "#state" = \'accepted\') FROM ({part.sql}) GROUP BY ALL'
    ).fetchall()
    states: dict[str, int] = {}
    why: dict[int, int] = {}
    for state, because, rows, _, _ in found:
        states[state] = states.get(state, 0) + rows
        if because is not None:
            why[because] = why.get(because, 0) + rows
    sentinels = sum(int(many or 0) for state, _, _, many, _ in found if state == "accepted")
    ledger.part(part, states, why, sentinels, start + 1)
    return states, sum(faulty for *_, faulty in found)


# ---- what was refused ------------------------------------------------------------------------------------------------


def _refused(
    connection: duckdb.DuckDBPyConnection, torn: list[tuple[Part, int]], ledger: Ledger, path: Path
) -> dict[str, int]:
    """Write `rejected.csv`, and keep the number of rejected rows of each case for `_write_cases`."""
    rows = values = 0
    connection.execute("CREATE OR REPLACE TEMP TABLE lost (case_id VARCHAR, many BIGINT)")
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        sheet = csv.writer(file)
        sheet.writerow(_REJECTED)
        for raw in ledger.torn:
            for row, text, code in raw.torn:
                sheet.writerow(_line(raw.role, "", raw.file, raw.sheet, row, "", "", text, "row", "", code))
                rows += 1
        for part, rejected in torn:
            left, seen = rejected, -1
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
            connection.execute(
                f"INSERT INTO lost SELECT case_id, count(*) FROM ({part.sql}) "  # noqa: S608  # our own SELECT
                "WHERE \"#state\" = 'rejected' AND case_id IS NOT NULL GROUP BY case_id"
            )
    return {"rows": rows, "values": values}


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


def _union(parts: list[Part], starts: dict[int, int]) -> str:
    return " UNION ALL ".join(
        f'SELECT {part.selected}, {identifier(AT)} + {starts[id(part.raw)]} AS "row" FROM ({part.sql}) '  # noqa: S608  # our own
        "WHERE \"#state\" = 'accepted'"
        for part in parts
    )


def _copy(connection: duckdb.DuckDBPyConnection, sql: str, path: Path, parts: list[Part]) -> int:
    present = sorted(set().union(*(part.present for part in parts)))
    found = connection.execute(
        f"COPY ({sql}) TO {literal(path)} (FORMAT parquet, COMPRESSION lz4_raw, "
        f"KV_METADATA {{{tables.PRESENT_COLUMNS}: {literal(json.dumps(present))}}})"
    ).fetchone()
    return int(found[0]) if found else 0


def _write_events(
    connection: duckdb.DuckDBPyConnection, parts: list[Part], starts: dict[int, int], path: Path
) -> dict[str, int]:
    listed = ", ".join(identifier(column.name) for column in tables.EVENTS)
    written = _copy(connection, f"SELECT {listed} FROM ({_union(parts, starts)})", path, parts)  # noqa: S608  # our own
    told = ", ".join(identifier(column.name) for column in tables.EVENTS if column.name != "row")
    return {"written": written, "duplicates_kept": _duplicates(connection, path, told, written)}


def _duplicates(connection: duckdb.DuckDBPyConnection, path: Path, columns: str, rows: int) -> int:
    """Events that say exactly what another one says. Sorting their hashes is several times faster than grouping."""
    hashes = np.empty(rows, dtype=np.uint64)
    behind = 0
    reader = connection.sql(f"SELECT hash({columns}) AS h FROM read_parquet({literal(path)})").to_arrow_reader(1 << 20)  # noqa: S608  # quoted
    for batch in reader:
        hashes[behind : behind + len(batch)] = batch.column(0).to_numpy()
        behind += len(batch)
    hashes.sort()
    return int(np.count_nonzero(hashes[1:] == hashes[:-1]))


def _write_cases(
    connection: duckdb.DuckDBPyConnection, parts: list[Part], starts: dict[int, int], out: Path
) -> dict[str, int]:
    """One row per case: rows of one case are merged, what an earlier row says standing; cases that only events name are
    added, so that their events are judged."""
    own = [column for column in tables.CASES if column.name not in ("case_id", "row", "rejected_rows")]
    events = f"read_parquet({literal(out / 'events.parquet')})"
    none = ", ".join(
        f"CAST(NULL AS {tables.SQL_TYPES[column.kind]}) AS {identifier(column.name)}" for column in tables.CASES
    )
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE given AS {_union(parts, starts) or f'SELECT {none} WHERE false'}"  # our own
    )
    rows, distinct = _one(connection, "SELECT count(*), count(DISTINCT case_id) FROM given")
    conflicts = _conflicts(connection, own, out / "conflicts.csv") if rows > distinct else _no_conflicts(out)
    if rows > distinct:
        # What the first row that says anything says.
        kept = ", ".join(
            f'arg_min({identifier(c.name)}, "row") FILTER ({identifier(c.name)} IS NOT NULL) AS {identifier(c.name)}'
            for c in own
        )
        merged = f'SELECT case_id, {kept}, min("row") AS "row" FROM given GROUP BY case_id'  # noqa: S608  # our own names
    else:
        merged = "SELECT * FROM given"
    only = f"SELECT DISTINCT case_id FROM {events} ANTI JOIN given USING (case_id)"  # noqa: S608  # quoted
    listed = ", ".join(
        "coalesce(many, 0) AS rejected_rows" if column.name == "rejected_rows" else identifier(column.name)
        for column in tables.CASES
    )
    written = _copy(
        connection,
        f"SELECT {listed} FROM (({merged}) UNION ALL BY NAME ({only})) "  # noqa: S608  # our own names
        "LEFT JOIN (SELECT case_id, CAST(sum(many) AS BIGINT) AS many FROM lost GROUP BY case_id) USING (case_id) "
        'ORDER BY "row" NULLS LAST, case_id',
        out / "cases.parquet",
        parts,
    )
    return {
        "written": written,
        "known_from_events_only": written - distinct,
        "merged_rows": rows - distinct,
        "conflicting_values": conflicts,
    }


def _one(connection: duckdb.DuckDBPyConnection, sql: str) -> tuple[int, ...]:
    found = connection.execute(sql).fetchone()
    return tuple(int(value) for value in found) if found else ()


_CONFLICTS = ("case_id", "column", "kept", "kept_row", "other", "other_row")


def _no_conflicts(out: Path) -> int:
    with (out / "conflicts.csv").open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file).writerow(_CONFLICTS)
    return 0


def _conflicts(connection: duckdb.DuckDBPyConnection, own: list[tables.Column], path: Path) -> int:
    """Write the case values that two rows give differently; rows are positions in the whole input."""
    many = 0
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        sheet = csv.writer(file)
        sheet.writerow(_CONFLICTS)
        for column in own:
            name = identifier(column.name)
            cursor = connection.execute(
                f'SELECT case_id, CAST(first AS VARCHAR), first_row, CAST({name} AS VARCHAR), "row" FROM ('  # noqa: S608  # ours
                f'SELECT *, arg_min({name}, "row") OVER one AS first, min("row") OVER one AS first_row FROM given '
                f"WHERE {name} IS NOT NULL WINDOW one AS (PARTITION BY case_id)) WHERE {name} <> first "
                'ORDER BY case_id, "row"'
            )
            while batch := cursor.fetchmany(10_000):
                for case_id, first, first_row, other, row in batch:
                    sheet.writerow([_safe(str(cell)) for cell in (case_id, column.name, first, first_row, other, row)])
                    many += 1
    return many
