"""A foreign process on an extract of public reports. Expected values were read off the reports by hand."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import duckdb
import pytest

from definitions import DefinitionError
from definitions.processes import SHIPPED, find_process, load_process
from workflow.service.processes import Outcome, replay_process

EXTRACT = Path(__file__).parent / "data" / "ercot_extract.csv"

LATE = {
    # project: (milestone, its date, last report that shows it empty, days between)
    "21INR0027": ("agreement.complete", "2020-10-22", "2022-07-31", 647),
    "23INR0078": ("agreement.complete", "2023-02-17", "2025-02-28", 742),
    "24INR0136": ("agreement.complete", "2024-04-17", "2025-09-30", 531),
    "24INR0137": ("agreement.complete", "2024-04-17", "2025-09-30", 531),
}
LOADED = {"22INR0605", "23INR0381", "23INR0486"}
"""Three of the 206 whose study request was empty in March 2025 and filled in April 2025: loaded, not entered late."""
REWRITTEN = {
    ("11INR0062", "2018-04-13", "2013-07-02"),
    ("17INR0068", "2017-11-17", "2003-06-27"),
    ("19INR0117", "2020-04-17", "2021-04-17"),
    ("19INR0117", "2021-04-17", "2020-04-17"),
    ("23INR0555", "2023-05-12", "2024-02-07"),
}


def run(out: Path, process: str = "ercot", engine: str = "duckdb", by: str | None = None) -> Outcome:
    return replay_process(
        process=process,
        cases=None,
        events=EXTRACT,
        mapping="ercot_snapshots",
        engine=engine,
        as_of=dt.date(2026, 1, 31),
        out=out,
        memory_limit="1GB",
        by=by,
        progress=lambda *_: None,
    )


def test_a_foreign_process_hands_over_what_ours_does(judged: Path) -> None:
    for name in ("findings.csv", "desk.xlsx", "summary.json", "rejected.csv", "manifest.json"):
        assert (judged / name).stat().st_size > 0
    page = (judged / "report.html").read_text(encoding="utf-8")
    assert "并网申请里程碑月报回放报告" in page
    assert "<script" not in page
    summary = json.loads((judged / "summary.json").read_text(encoding="utf-8"))
    assert summary["verdicts"]["suspected"] == 0
    assert {one["rule"] for one in summary["rules"]} == {"P01", "P02", "P03", "P04", "P05"}
    verdicts = duckdb.execute(
        "SELECT verdict, count(*) FROM read_parquet($f) GROUP BY 1", {"f": str(judged / "verdicts.parquet")}
    )
    assert {name: many for name, many in summary["verdicts"].items() if many} == dict(verdicts.fetchall())


def test_results_are_parted_and_add_up(judged: Path, tmp_path: Path) -> None:
    run(tmp_path, by="org")
    for name in ("findings", "verdicts"):
        parts = str(tmp_path / name / "*" / "*.parquet")
        assert list((tmp_path / name).glob("org=*/part-0.parquet"))
        one, other = (
            duckdb.execute(
                "SELECT case_id, count(*) FROM read_parquet($f) GROUP BY 1 ORDER BY 1", {"f": path}
            ).fetchall()
            for path in (parts, str(tmp_path / f"{name}.parquet"))
        )
        assert one == other
    with pytest.raises(ValueError, match="org, region, province"):
        run(tmp_path / "other", by="colour")


def found(out: Path, rule: str) -> list[tuple[str, dict[str, Any], str]]:
    sql = "SELECT case_id, evidence, explanation_en FROM read_parquet($f) WHERE rule = $r"
    rows = duckdb.execute(sql, {"f": str(out / "findings.parquet"), "r": rule}).fetchall()
    return [(case, json.loads(evidence)["records"][0], said) for case, evidence, said in rows]


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("ercot")
    run(out)
    return out


def test_a_date_entered_more_than_a_report_late_is_found_with_both_reports(judged):
    late = {case: (one, said) for case, one, said in found(judged, "P01")}
    assert late.keys() == LATE.keys() | LOADED
    for case, (milestone, day, empty, days) in LATE.items():
        one, said = late[case]
        assert (one["field"], one["value"], one["recorded"]) == (milestone, day, empty)
        assert f"at least {days} days late" in said


def test_an_agreement_older_than_the_application_accuses_nobody(judged):
    # 21INR0499 applied in 2020 and shows, since May 2022, an agreement of May 2000.
    assert "21INR0499" not in {case for case, _, _ in found(judged, "P01")}


def test_a_rewritten_date_is_found_with_both_values(judged):
    assert {(case, one["was"], one["now"]) for case, one, _ in found(judged, "P02")} == REWRITTEN


def test_a_date_taken_back_is_told_apart_from_one_rewritten(judged):
    gone = {(case, one["was"]) for case, one, _ in found(judged, "P03")}
    assert {("21INR0499", "2021-07-27"), ("24INR0154", "2024-06-26")} <= gone
    assert not {(case, was) for case, was, _ in REWRITTEN} & gone


def test_a_study_complete_before_it_started(judged):
    assert {case for case, _, _ in found(judged, "P04")} == {"16INR0012", "20INR0265"}


def test_nobody_is_suspected_under_a_law_that_is_not_ours(judged):
    verdicts = duckdb.execute("SELECT DISTINCT verdict FROM read_parquet($f)", {"f": str(judged / "verdicts.parquet")})
    assert {row[0] for row in verdicts.fetchall()} <= {"notice", "open", "clear", "cannot_judge"}


def test_what_a_whole_report_was_loaded_with_cannot_be_judged(tmp_path):
    text = (SHIPPED / "ercot.yaml").read_text(encoding="utf-8")
    process = tmp_path / "ercot.yaml"
    process.write_text(text.replace("load: 40", "load: 3"), encoding="utf-8")
    run(tmp_path / "out", str(process))
    assert {case for case, _, _ in found(tmp_path / "out", "P01")} == LATE.keys()
    sql = "SELECT case_id FROM read_parquet($f) WHERE list_contains(string_split(unjudged, ','), 'P01')"
    unjudged = duckdb.execute(sql, {"f": str(tmp_path / "out" / "verdicts.parquet")}).fetchall()
    assert {(case,) for case in LOADED} <= set(unjudged)


def test_the_same_input_gives_the_same_bytes(judged, tmp_path):
    run(tmp_path)
    for name in ("findings.parquet", "verdicts.parquet"):
        assert (tmp_path / name).read_bytes() == (judged / name).read_bytes()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("earlier(completed, started)", "earlier(completed, begun)", "there is no fact begun"),
        ("[screening_study.start], take", "[survey.start], take", "there is no kind of record survey.start"),
        ("days: natural", "days: lunar", "days"),
        ("rule: P02", "rule: P01", "rule P01 is given twice"),
    ],
)
def test_a_faulty_process_is_refused_with_its_reason(tmp_path, old, new, said):
    text = (SHIPPED / "ercot.yaml").read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "mine.yaml"
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(DefinitionError, match=said):
        load_process(path)


def test_every_shipped_process_loads():
    for path in SHIPPED.glob("*.yaml"):
        assert find_process(path.stem) == path
        assert load_process(path).process == path.stem
