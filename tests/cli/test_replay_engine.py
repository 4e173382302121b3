"""What `baozhuang replay` prints, which engine it calls, and where Spark is told to run; no Spark is started here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.service.test_replays import history
from workflow.cli import app
from workflow.replay.columnar.engines import Spark


@pytest.fixture
def ask(tmp_path: Path):
    files = []
    for name, content in zip(("cases", "events"), history(), strict=True):
        (tmp_path / f"{name}.csv").write_bytes(content)
        files += [f"--{name}", str(tmp_path / f"{name}.csv")]
    return lambda *more: CliRunner().invoke(app, ["replay", *files, "--out", str(tmp_path / "out"), *more])


@pytest.fixture
def masters(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    told: list[str] = []

    def instead(_self, *, master: str, **_):
        told.append(master)
        raise ValueError("没有 Spark / no Spark")

    monkeypatch.setattr(Spark, "__init__", instead)
    return told


@pytest.mark.parametrize("law", [[], ["--process", "ercot"]])
@pytest.mark.parametrize(
    ("words", "master"), [([], "local[2]"), (["--master", "spark://head:7077"], "spark://head:7077")]
)
def test_spark_runs_where_it_is_told_to(ask, masters, law, words, master):
    done = ask("--engine", "spark", *words, *law)
    assert (done.exit_code, masters) == (2, [master])


@pytest.mark.parametrize("law", [[], ["--process", "ercot"]])
def test_a_master_without_spark_is_refused_before_anything_is_read(ask, masters, tmp_path, law):
    done = ask("--master", "spark://head:7077", *law)
    assert done.exit_code == 2
    assert "--master 只用于 --engine spark" in done.stderr
    assert "--master is for --engine spark only; the engine is duckdb" in done.stderr
    assert (masters, (tmp_path / "out").exists()) == ([], False)


def test_an_engine_that_there_is_not_is_refused_before_anything_is_read(ask, tmp_path):
    done = ask("--engine", "oracle")
    assert done.exit_code == 2
    assert "没有引擎 oracle" in done.stderr
    assert "use one of duckdb, spark" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("law", [[], ["--process", "ercot"]])
def test_the_counts_are_printed_for_a_program(ask, law):
    done = ask("--json", *law)
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    cases = told["intake"]["cases"]["written"]
    assert told["judged"]["cases"] == cases == sum(told["judged"]["verdicts"].values())
    assert isinstance(told["judged"]["findings"], dict)


@pytest.mark.parametrize("size", ["-1GB", "-1", "0", "999PB", "plenty"])
def test_what_is_no_size_of_memory_is_refused(ask, size):
    answer = ask("--memory", size)
    assert (answer.exit_code, "is no size of memory; write 8GB" in answer.output) == (2, True), answer.output
