"""Successive reports of the same cases: what each of them said, turned into events and the proof of when they were entered.

A report that shows a milestone empty proves that its date was entered later; the first that shows it filled, that it was
entered by then.  `recorded_at` is the moment in between that speaks most for the case; it is NULL where no earlier report
shows the case.  A date that a later report gives differently is a `correction.changed`, known by the day of that report;
the milestone itself has the date of the last report.  A report in which a column is empty for every case does not have the
column, and proves nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from workflow.replay.intake.compile import columns_of
from workflow.replay.intake.mapping import Emitter, MappingFile, Table, Value
from workflow.replay.intake.raw import AT, ROW, Raw, identifier, literal
from workflow.replay.intake.values import as_text, typed

_GIVEN = ("case_id", "activity", "lifecycle", "occurred_at", "recorded_at", "source", "value", "old_value", "new_value", "ref")


def latest(raws: Sequence[Raw], table: Table) -> Raw:
    """Each case as the last report shows it."""
    key, by, united = _keyed(raws, table)
    sql = (
        f"SELECT * FROM ({united}) QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY {by} DESC, {identifier(AT)}) = 1"  # noqa: S608  # quoted
    )
    one = raws[0]
    return Raw(one.role, one.file, one.sheet, sql, one.columns, -1, found={**one.found})


def events(raws: Sequence[Raw], table: Table, mapping: MappingFile) -> Raw:
    """One row for each milestone reached and each date changed, in the shape of our events."""
    if table.snapshots is None:
        raise ValueError(f"table {table.name} is no series of reports")
    key, by, united = _keyed(raws, table)
    columns = columns_of(raws[0], table)
    spooled = not raws[0].lies
    cells = []
    for number, (name, event) in enumerate(table.snapshots.milestones.items()):
        found = columns.find((name,))
        if found is None:
            continue
        x, kind = found
        moment = typed("moment", as_text(x, kind) if kind == "VARCHAR" else x, kind, spooled)
        cells.append(
            f"SELECT {key} AS k, CAST({by} AS DATE) AS s, {number} AS n, {literal(event)} AS e, {moment.value} AS m, "  # noqa: S608  # quoted
            f"{identifier(AT)} AS a FROM ({united})"
        )
    columns.refuse_missing()
    slack = table.snapshots.run_within
    source = "NULL" if table.snapshots.source is None else literal(table.snapshots.source)
    sql = f"""
WITH cells AS ({' UNION ALL '.join(cells)}),
reported AS (SELECT s, n FROM cells GROUP BY s, n HAVING count(m) > 0),
told AS (SELECT k, s, n, any_value(e) AS e, arg_min(m, a) FILTER (m IS NOT NULL) AS m, min(a) AS a
  FROM cells SEMI JOIN reported USING (s, n) WHERE k IS NOT NULL AND s IS NOT NULL GROUP BY k, s, n),
series AS (SELECT *, lag(m) OVER one AS was, lag(s) OVER one AS before, max(s) OVER everything AS final,
    min(s) FILTER (m IS NOT NULL) OVER everything AS filled, count(m) OVER earlier AS times
  FROM told WINDOW one AS (PARTITION BY k, n ORDER BY s), everything AS (PARTITION BY k, n),
    earlier AS (PARTITION BY k, n ORDER BY s ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)),
entered AS (SELECT k, n, max(before) AS lower FROM series WHERE s = filled GROUP BY k, n),
main AS (SELECT k, split_part(e, '.', 1) AS activity, split_part(e, '.', 2) AS lifecycle, m AS occurred_at,
    CASE WHEN CAST(m AS DATE) > filled + {slack} THEN CAST(filled AS TIMESTAMP) WHEN lower IS NULL THEN NULL
      WHEN CAST(m AS DATE) <= lower THEN CAST(lower AS TIMESTAMP) ELSE m END AS recorded_at,
    NULL AS "value", NULL AS old_value, NULL AS new_value,
    concat('report:', coalesce(CAST(lower AS VARCHAR), ''), '/', filled) AS "ref", a, n, 0 AS c
  FROM series JOIN entered USING (k, n) WHERE s = final AND m IS NOT NULL),
changes AS (SELECT k, 'correction', 'changed', CAST(s AS TIMESTAMP), CAST(s AS TIMESTAMP), concat(e, '.occurred_at'),
    strftime(was, '%Y-%m-%d'), strftime(m, '%Y-%m-%d'), concat('report:', before, '/', s), a, n, 1
  FROM series WHERE times > 0 AND m IS DISTINCT FROM was),
everything AS (SELECT * FROM main UNION ALL SELECT * FROM changes)
SELECT k AS case_id, activity, lifecycle, occurred_at, recorded_at, {source} AS source, "value", old_value, new_value, "ref",
  a AS {identifier(ROW)}, row_number() OVER (ORDER BY a, n, c) AS {identifier(AT)}, 0 AS "#file" FROM everything"""  # noqa: S608  # quoted
    kinds = {name: "TIMESTAMP" if name.endswith("_at") else "VARCHAR" for name in _GIVEN}
    return Raw(raws[0].role, raws[0].file, raws[0].sheet, sql, kinds, -1, lies=True)


def emitter() -> Emitter:
    """The events of `events`, which have our own names already."""
    return Emitter({name: Value(columns=(name,)) for name in _GIVEN})


def _keyed(raws: Sequence[Raw], table: Table) -> tuple[str, str, str]:
    """SQL of the case, of the report's date, and of all reports together."""
    if table.snapshots is None:
        raise ValueError(f"table {table.name} is no series of reports")
    columns = columns_of(raws[0], table)
    key = as_text(*columns.value(table.snapshots.key))
    by, kind = columns.value(table.snapshots.by)
    dated = f"CAST({by} AS DATE)" if kind != "VARCHAR" else f"CAST(bz_moment({by}).time AS DATE)"
    columns.refuse_missing()
    return key, dated, " UNION ALL BY NAME ".join(_offset(raws))


def _offset(raws: Sequence[Raw]) -> Iterator[str]:
    start = 0
    for raw in raws:
        found = "".join(f", {literal(text)} AS {identifier(name)}" for name, text in raw.found.items() if text is not None)
        yield f"(SELECT * REPLACE ({identifier(AT)} + {start} AS {identifier(AT)}){found} FROM ({raw.sql}))"  # noqa: S608  # quoted
        start += raw.rows
