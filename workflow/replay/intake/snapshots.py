"""Successive reports of the same cases: what each of them said, as events, and the proof of when they were entered.

A report that shows a milestone empty proves that its date was entered later; the first that shows it filled, that it
was entered by then.  `recorded_at` is the moment in between that speaks most for the case; it is NULL where no earlier
report shows the case.  A date that a later report gives differently is a `correction.changed`, known by the day of that
report; the milestone itself has the date of the last report.  A cell that cannot be read is handed on as it is, to be
rejected with its place.  A report, or a part of one, in which a column is empty for every case does not have the
column, and proves nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from workflow.replay.intake.compile import Columns
from workflow.replay.intake.mapping import Emitter, Snapshots, Table, Value
from workflow.replay.intake.raw import AT, ROW, Raw, identifier, literal
from workflow.replay.intake.values import MOMENT, typed

_GIVEN = (
    "case_id",
    "activity",
    "lifecycle",
    "occurred_at",
    "recorded_at",
    "source",
    "value",
    "old_value",
    "new_value",
    "ref",
)


def latest(raws: Sequence[Raw], table: Table) -> Raw:
    """Each case as the last report shows it."""
    united, columns = _united(raws, table)
    newest = f'row_number() OVER (PARTITION BY "#key" ORDER BY "#by" DESC, {identifier(AT)})'
    sql = f'SELECT * FROM ({united}) QUALIFY {newest} = 1 OR "#key" IS NULL'  # noqa: S608  # our own names
    one = raws[0]
    return Raw(one.role, one.file, "", sql, columns, -1, found=one.found, files=_files(raws))


def events(raws: Sequence[Raw], table: Table) -> Raw:
    """One row for each milestone reached and each date changed, in the shape of our events."""
    reports = _reports(table)
    united, _ = _united(raws, table)
    spooled = not all(raw.lies for raw in raws)
    cells = []
    for number, (name, event) in enumerate(reports.milestones.items()):
        moment = typed("moment", identifier(name), "VARCHAR", spooled)
        cells.append(
            f'SELECT "#key" AS k, "#by" AS s, "#within" AS w, {number} AS n, {literal(event)} AS e, '  # noqa: S608  # quoted
            f"{moment.value} AS m, CASE WHEN {moment.fault} IS NOT NULL THEN {identifier(name)} END AS torn, "
            f"{identifier(AT)} AS a FROM (SELECT *, {moment.parsed} AS {MOMENT} FROM united)"
        )
    slack = reports.run_within
    source = "NULL" if reports.source is None else literal(reports.source)
    sql = f"""
WITH united AS MATERIALIZED ({united}), cells AS ({" UNION ALL ".join(cells)}),
reported AS (SELECT s, n, w FROM cells GROUP BY s, n, w HAVING count(m) > 0),
told AS (SELECT k, s, n, any_value(e) AS e, arg_min(m, a) FILTER (m IS NOT NULL) AS m, min(a) AS a
  FROM cells SEMI JOIN reported USING (s, n, w) WHERE k IS NOT NULL AND s IS NOT NULL GROUP BY k, s, n),
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
unread AS (SELECT k, split_part(e, '.', 1), split_part(e, '.', 2), torn, NULL, NULL, NULL, NULL, NULL, min(a), n, 2
  FROM cells WHERE torn IS NOT NULL GROUP BY ALL),
everything AS (SELECT k, activity, lifecycle, strftime(occurred_at, '%Y-%m-%d %H:%M:%S') AS occurred_at,
    strftime(recorded_at, '%Y-%m-%d %H:%M:%S') AS recorded_at,
    * EXCLUDE (k, activity, lifecycle, occurred_at, recorded_at)
  FROM (SELECT * FROM main UNION ALL SELECT * FROM changes) UNION ALL SELECT * FROM unread)
SELECT k AS case_id, activity, lifecycle, occurred_at, recorded_at, {source} AS source,
  "value", old_value, new_value, "ref", r AS {identifier(ROW)},
  row_number() OVER (ORDER BY a, n, c) AS {identifier(AT)}, f AS "#file" FROM everything
  JOIN (SELECT {identifier(AT)} AS a, {identifier(ROW)} AS r, "#file" AS f FROM united) USING (a)"""  # noqa: S608  # quoted
    kinds = dict.fromkeys(_GIVEN, "VARCHAR")
    return Raw(raws[0].role, raws[0].file, "", sql, kinds, -1, files=_files(raws), lies=True)


def emitter() -> Emitter:
    """The events of `events`, which have our own names already."""
    return Emitter({name: Value(columns=(name,)) for name in _GIVEN})


def undated(raws: Sequence[Raw], table: Table) -> str:
    """SQL that counts the rows that count, and those of them whose report has no day."""
    united, _ = _united(raws, table)
    return f'SELECT count(*), count(*) FILTER ("#by" IS NULL) FROM ({united})'  # noqa: S608  # our own names


def _reports(table: Table) -> Snapshots:
    if table.snapshots is None:
        raise ValueError(f"table {table.name} is no series of reports")
    return table.snapshots


def _files(raws: Sequence[Raw]) -> tuple[str, ...]:
    return tuple(raw.place for raw in raws)


def _united(raws: Sequence[Raw], table: Table) -> tuple[str, dict[str, str]]:
    """SQL of all reports together, as text under the first name the mapping has for each column, without the rows that
    the mapping ignores; `#key` is the case and `#by` the day of the report.  Raises BadHistory for columns missing."""
    reports = _reports(table)
    used: dict[tuple[str, ...], tuple[str, ...]] = {(name,): (name,) for name in reports.milestones}
    for value in (*table.case.values(), reports.key, reports.by):
        for one in value:
            used |= {names: names for names in (one.columns, *((name,) for name in one.joined)) if names}
    selects, start = [], 0
    for number, raw in enumerate(raws):
        columns = Columns(raw, table)
        texts = ", ".join(f"{columns.text(names, optional=True)} AS {identifier(names[0])}" for names in used)
        key = columns.text_of(reports.key)
        day = columns.text_of(reports.by)
        part = "''" if reports.within is None else f"coalesce({columns.text_of(reports.within)}, '')"
        ignored = " OR ".join(columns.holds(condition) for condition in table.ignore) or "false"
        columns.refuse_missing()
        selects.append(
            f'SELECT {texts}, {key} AS "#key", CAST(bz_moment({day}).time AS DATE) AS "#by", '  # noqa: S608  # quoted
            f'{part} AS "#within", {identifier(ROW)}, {identifier(AT)} + {start} AS {identifier(AT)}, '
            f'{number} AS "#file" FROM ({raw.sql}) WHERE NOT ({ignored})'
        )
        start += raw.rows
    return " UNION ALL ".join(selects), {names[0]: "VARCHAR" for names in used}
