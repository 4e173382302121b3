"""A run that is stopped can be taken up; nothing half-written is ever taken for a result."""

from __future__ import annotations

import json

import pytest

from workflow.replay.output.stages import MANIFEST, Stages


def run(out, key, stage="judging", text="one", facts=None):
    stages = Stages(out, key)
    with stages.stage(stage, facts if facts is not None else {}) as folder:
        (folder / f"{stage}.txt").write_text(text)
    return stages


def test_a_finished_stage_is_kept_with_what_it_remembered(tmp_path):
    run(tmp_path, {"a": 1}, facts={"many": 3})
    assert Stages(tmp_path, {"a": 1}).finished("judging") == {"many": 3}
    assert Stages(tmp_path, {"a": 1}).finished("output") is None


def test_another_input_starts_anew_and_removes_what_the_old_run_left(tmp_path):
    run(tmp_path, {"a": 1})
    assert Stages(tmp_path, {"a": 2}).finished("judging") is None
    assert [path.name for path in tmp_path.iterdir()] == [MANIFEST]


def test_files_that_are_not_ours_are_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    run(tmp_path, {"a": 1})
    Stages(tmp_path, {"a": 2})
    assert sorted(path.name for path in tmp_path.iterdir()) == [MANIFEST, "notes.txt"]


@pytest.mark.parametrize("name", ["report.html", "findings", MANIFEST])
def test_nothing_is_replaced_where_no_run_has_written(tmp_path, name):
    if name == "findings":
        (tmp_path / name).mkdir()
        (tmp_path / name / "mine.txt").write_text("mine")
    else:
        (tmp_path / name).write_text("{}")
    with pytest.raises(ValueError, match=f"{name}.*choose another folder"):
        Stages(tmp_path, {"a": 1}, ("report.html", "findings"))
    (left,) = (path for path in tmp_path.rglob("*") if path.is_file())
    assert left.read_text() in ("mine", "{}")


def test_a_run_killed_before_its_first_stage_was_named_is_taken_up(tmp_path):
    Stages(tmp_path, {"a": 1}, ("report.html",))
    (tmp_path / "report.html").write_text("moved, and not yet named in the manifest")
    for key in ({"a": 1}, {"a": 2}):
        Stages(tmp_path, key, ("report.html",))
        assert [path.name for path in tmp_path.iterdir()] == [MANIFEST]


def test_a_file_changed_afterwards_is_not_taken_for_the_result(tmp_path):
    run(tmp_path, {"a": 1}, text="one")
    (tmp_path / "judging.txt").write_text("two")  # as long as before
    assert Stages(tmp_path, {"a": 1}).finished("judging") is None


def test_a_stage_that_fails_leaves_nothing(tmp_path):
    stages = Stages(tmp_path, {"a": 1})
    with pytest.raises(RuntimeError):
        half(stages)
    assert [path.name for path in tmp_path.iterdir()] == [MANIFEST]


def half(stages):
    with stages.stage("judging", {}) as folder:
        (folder / "judging.txt").write_text("half")
        raise RuntimeError


def test_what_follows_a_stage_that_is_run_again_is_forgotten_first(tmp_path):
    run(tmp_path, {"a": 1}, "judging")
    run(tmp_path, {"a": 1}, "output")
    stages = Stages(tmp_path, {"a": 1})
    with pytest.raises(RuntimeError):
        half(stages)
    assert not (tmp_path / "output.txt").exists()
    assert json.loads((tmp_path / MANIFEST).read_text())["stages"] == {}


def test_a_torn_manifest_is_no_manifest(tmp_path):
    run(tmp_path, {"a": 1})
    (tmp_path / MANIFEST).write_text('{"key": {"a": 1}, "sta')
    with pytest.raises(ValueError, match=r"manifest\.json"):
        Stages(tmp_path, {"a": 1}, ("judging.txt",))
    assert (tmp_path / "judging.txt").read_text() == "one"


def test_a_result_that_no_finished_stage_left_is_removed_first(tmp_path):
    run(tmp_path, {"a": 1})
    (tmp_path / "report.html").write_text("of a run that was killed while it cleared up")
    Stages(tmp_path, {"a": 1}, ("judging.txt", "report.html"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["judging.txt", MANIFEST]
