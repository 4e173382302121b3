"""The tables for a spreadsheet: findings as CSV, and the workbook for the inspector's desk."""

from __future__ import annotations

import csv
import datetime as dt
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from xlsxwriter import Workbook

from workflow.replay.output import facts
from workflow.replay.output.cells import cell
from workflow.replay.output.facts import Tables
from workflow.replay.output.words import CLASSES, SEVERITIES, TAGS, VERDICTS, in_words, word

FINDINGS: Final = ("case_id", "rule", "tag", "severity", "evidence", "explanation", "explanation_en", "org")
EXCEL_ROWS: Final = 1_048_576
"""Rows a sheet can hold."""
DESK_ROWS: Final = 20_000
"""Rows a sheet of the workbook holds unless more are asked for: what nobody reads to its end is in the tables."""
_AS_IT_READS: Final = {f"strings_to_{what}": False for what in ("numbers", "formulas", "urls")}


def findings_csv(tables: Tables, path: Path) -> None:
    """All findings in the order of the table; UTF-8 with its mark; formulas kept as text."""
    cursor = tables.con.execute(f"SELECT {', '.join(FINDINGS)} FROM f")  # our own names
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(FINDINGS)
        while batch := cursor.fetchmany(10_000):
            writer.writerows([cell(value) for value in row] for row in batch)


def workbook(
    tables: Tables, summary: Mapping[str, Any], rejected: Path, path: Path, *, as_of: dt.date, most: int = DESK_ROWS
) -> None:
    """The workbook: findings, verdicts, organisations, rules, rejected rows. The worst come first; at most `most` rows a
    sheet (never more than Excel holds), and a sheet that is cut short says so in its first line."""
    most = min(most, EXCEL_ROWS - 2)
    book = Workbook(path, {"constant_memory": True, **_AS_IT_READS})
    book.set_properties({"created": dt.datetime.combine(as_of, dt.time())})  # the same bytes whenever it is written
    (many,) = tables.rows("SELECT count(*) FROM f")[0]
    _sheet(
        book, "发现 findings",
        ("业务 case_id", "单位 org", "规则 rule", "类别 tag", "程度 severity", "说明 explanation", "explanation_en", "证据 evidence",
         "状态 status"),
        (18, 14, 8, 12, 10, 60, 60, 60, 10),
        ((case_id, org, rule, word(TAGS, tag).zh, word(SEVERITIES, severity).zh, zh, en,
          in_words(json.loads(evidence)), "待说明")
         for case_id, org, rule, tag, severity, zh, en, evidence in _fetch(tables,
            f"""SELECT f.case_id, COALESCE(f.org, c.org), f.rule, f.tag, f.severity, f.explanation, f.explanation_en, f.evidence
            FROM f LEFT JOIN c ON c.case_id = f.case_id LEFT JOIN v ON v.case_id = f.case_id
            ORDER BY {facts.RANK}, {facts.WEIGHT} DESC, f.case_id, f.rule, f.org, f.explanation LIMIT {most}""")),
        many, most, "findings.csv",
    )  # fmt: skip
    (cases,) = tables.rows("SELECT count(*) FROM v")[0]
    _sheet(
        book, "判定 verdicts",
        ("业务 case_id", "单位 org", "类别 user_class", "判定 verdict", "标签 tags", "无法判断的规则 unjudged", "已用 used filed",
         "关联后已用 used chained", "时限 limit", "按时 on time", "关联后按时 chained"),
        (18, 14, 24, 12, 24, 30, 12, 12, 10, 10, 10),
        ((case_id, org, word(CLASSES, code).zh, word(VERDICTS, verdict).zh,
          ", ".join(word(TAGS, tag).zh for tag in tags.split(",") if tag), unjudged, used, chained, limit, _yes(one), _yes(two))
         for case_id, org, code, verdict, tags, unjudged, used, chained, limit, one, two in _fetch(tables,
            f"""SELECT v.case_id, c.org, v.user_class, v.verdict, v.tags, v.unjudged, v.used_working_days_filed,
            v.used_working_days_chained, v.limit_working_days, v.on_time_filed, v.on_time_chained
            FROM v JOIN c ON c.case_id = v.case_id ORDER BY {facts.RANK}, v.case_id LIMIT {most}""")),
        cases, most, "verdicts.parquet",
    )  # fmt: skip
    orgs = summary["organisations"]
    _sheet(
        book, "单位 organisations",
        ("单位 org", "业务 cases", *(f"{text.zh} {text.en}" for text in VERDICTS.values()), "按时 on time", "超时限 late",
         "关联后超时限 late chained", "发现 findings", "整单位无法判定 cannot judge of the unit"),
        (18, *(12,) * 10, 80), ([*counts, "; ".join(f"{said['zh']} / {said['en']}" for said in unjudged)]
                                for *counts, unjudged in (one.values() for one in orgs[:most])),
        len(orgs), most, "summary.json",
    )  # fmt: skip
    rules = summary["rules"]
    _sheet(
        book, "规则 rules",
        ("规则 rule", "名称 name", "name", "类别 tag", "启用 enabled", "发现 findings", "业务 cases", "无法判断 cannot judge",
         "阈值 thresholds", "条款 clauses"),
        (8, 22, 34, 12, 8, 10, 10, 12, 40, 24),
        ((one["rule"], one["name"]["zh"], one["name"]["en"], word(TAGS, one["tag"]).zh, _yes(one["enabled"]), one["findings"],
          one["cases"], one["cannot_judge"],
          "; ".join(f"{key} {', '.join(map(str, value)) if isinstance(value, (list, tuple)) else value}"
                    for key, value in one["thresholds"].items()), ", ".join(one["clauses"])) for one in rules),
        len(rules), most, "summary.json",
    )  # fmt: skip
    with rejected.open(encoding="utf-8-sig", newline="") as file:
        lines = csv.reader(file)
        head = next(lines, [])
        total = sum(1 for _ in lines)
    with rejected.open(encoding="utf-8-sig", newline="") as file:
        lines = csv.reader(file)
        next(lines, None)
        first = (line for line, _ in zip(lines, range(most), strict=False))
        _sheet(book, "退回 rejected", head, (16,) * len(head), first, total, most, "rejected.csv")
    book.close()


def _fetch(tables: Tables, sql: str) -> Iterator[tuple[Any, ...]]:
    cursor = tables.con.cursor().execute(sql)
    while batch := cursor.fetchmany(5_000):
        yield from batch


def _yes(value: bool | None) -> str:
    return "" if value is None else "是" if value else "否"


def _sheet(
    book: Any, title: str, heads: Sequence[str], widths: Sequence[int], rows: Iterable[Sequence[Any]], total: int,
    most: int, whole: str,
) -> None:  # fmt: skip
    sheet = book.add_worksheet(title)
    for number, width in enumerate(widths):
        sheet.set_column(number, number, width)
    top = int(total > most)
    if top:
        note = f"共 {total} 行, 本表只列前 {most} 行, 全部见 {whole} / the first {most} of {total} rows; all are in {whole}"
        sheet.write_string(0, 0, note, book.add_format({"italic": True, "font_color": "#666666"}))
    sheet.freeze_panes(top + 1, 0)
    sheet.set_paper(9)  # A4, lengthways, the width of a sheet on one page, its head on each
    sheet.set_landscape()
    sheet.fit_to_pages(1, 0)
    sheet.repeat_rows(top)
    sheet.write_row(top, 0, [cell(head) for head in heads], book.add_format({"bold": True}))
    last = top
    for last, row in enumerate(rows, start=top + 1):
        sheet.write_row(last, 0, [cell(value) for value in row])
    if heads:
        sheet.autofilter(top, 0, last, len(heads) - 1)
