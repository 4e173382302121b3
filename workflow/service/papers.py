"""The working paper of a case (工作底稿) as Word or Excel: 单位, 工单号, 问题类型, 事实, 依据条款, 证据, 核实, 整改.

Text of records goes through `cells`, so that no cell is a formula.  A unit is not named before its statement is in.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from docx import Document
from docx.oxml.ns import qn
from docx.shared import Cm, Pt
from openpyxl import Workbook
from openpyxl.styles import Alignment, Font
from openpyxl.utils import get_column_letter

from definitions.model import Clause
from workflow.core import review
from workflow.replay.output.cells import cell, plain
from workflow.replay.output.words import SEVERITIES, TAGS, in_words, word

COLUMNS: Final = ("单位", "工单号", "问题类型", "事实", "依据条款", "证据", "核实意见", "整改")
WIDTHS: Final = (16, 22, 22, 44, 44, 50, 40, 30)
UNNAMED: Final = "（收到说明前不列名）"


def rows(
    findings: Iterable[Mapping[str, Any]],
    clauses: Mapping[str, Clause],
    of_rule: Mapping[str, tuple[str, ...]],
) -> list[tuple[str, ...]]:
    """One row for each finding, as `findings.one` tells it. `of_rule`: the clauses of each rule by their numbers."""
    return [
        (
            (one["org"] or "") if review.named(one["status"]) else UNNAMED,
            one["application_no"] or one["case_id"],
            f"{one['rule']} {one['name']['zh']}（{word(TAGS, one['tag']).zh}, {word(SEVERITIES, one['severity']).zh}）",
            one["explanation"],
            "\n".join(_clause(code, clauses) for code in of_rule.get(one["rule"], ())),
            in_words(one["evidence"]),
            _opinions(one["history"], ("invite", "state", "confirm", "exclude", "reopen")),
            _opinions(one["history"], ("rectify", "recheck", "fail_recheck")),
        )
        for one in findings
    ]


def _clause(code: str, clauses: Mapping[str, Clause]) -> str:
    found = clauses.get(code)
    return code if found is None else f"{code} {found.item}: {found.quote}"


def _opinions(history: Iterable[Mapping[str, Any]], acts: tuple[str, ...]) -> str:
    return "\n".join(
        f"{event['at']:%Y-%m-%d} {review.ACTS[event['type']].zh}（{event['by']}）{event.get('text') or ''}"
        for event in history
        if event["type"] in acts
    )


def word_file(title: str, papers: Sequence[tuple[str, ...]], note: str) -> bytes:
    """The papers as a Word document: a table of two columns for each finding. `note`: a line under the title."""
    document = Document()
    style = document.styles["Normal"]
    style.font.name, style.font.size = "宋体", Pt(10.5)
    style.element.rPr.rFonts.set(qn("w:eastAsia"), "宋体")
    section = document.sections[0]
    section.left_margin = section.right_margin = Cm(2.2)
    document.core_properties.title = plain(title)
    document.add_heading(plain(title), level=1)
    document.add_paragraph(plain(note))
    for number, paper in enumerate(papers, start=1):
        document.add_heading(f"{number}. {plain(paper[2])}", level=2)
        table = document.add_table(rows=0, cols=2)
        table.style = "Table Grid"
        for name, text in zip(COLUMNS, paper, strict=True):
            left, right = table.add_row().cells
            left.width, right.width = Cm(2.8), Cm(13.8)
            left.text = name
            left.paragraphs[0].runs[0].font.bold = True
            right.text = "\n".join(plain(line, 2000) for line in text.split("\n"))
        document.add_paragraph()
    document.add_paragraph("检查人员：　　　　　　　　　　被查单位：　　　　　　　　　　日期：")
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def excel_file(title: str, papers: Sequence[tuple[str, ...]], note: str) -> bytes:
    """The papers as a workbook: a row for each finding."""
    book = Workbook()
    sheet = book.active
    sheet.title = "工作底稿"
    sheet.append([cell(title)])
    sheet.append([cell(note)])
    sheet.append(list(COLUMNS))
    for paper in papers:
        sheet.append([cell(text) for text in paper])
    sheet["A1"].font = Font(bold=True, size=14)
    for at, width in enumerate(WIDTHS, start=1):
        sheet.column_dimensions[get_column_letter(at)].width = width
        sheet.cell(3, at).font = Font(bold=True)
    for row in sheet.iter_rows(min_row=4):
        for one in row:
            one.alignment = Alignment(wrap_text=True, vertical="top")
    sheet.freeze_panes = "A4"
    sheet.page_setup.orientation = "landscape"
    sheet.page_setup.fitToWidth, sheet.page_setup.fitToHeight = 1, 0
    sheet.sheet_properties.pageSetUpPr.fitToPage = True
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()
