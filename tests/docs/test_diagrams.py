"""The drawn machines are those that run, and the committed pages are current."""

from __future__ import annotations

import pytest

from workflow import diagrams


def test_the_committed_pages_are_current(capsys: pytest.CaptureFixture[str]) -> None:
    assert diagrams.main(["--check"]) == 0, capsys.readouterr().out


def test_a_page_shows_the_order_the_limits_and_the_documents() -> None:
    text = (diagrams.FOLDER / "hv_dual.md").read_text(encoding="utf-8")
    assert "supply_plan_running --> design_review_waiting: 办结 / complete_step" in text
    assert "acceptance_running --> supply_plan_running: 办结 / complete_step" in text
    assert "metering_running --> energised: 办结 / complete_step" in text
    assert "| `supply_plan` | 供电方案答复 / Supply plan | 20 | 无 / none |" in text
    assert "**32** 工作日" in text


def test_a_two_step_class_draws_two_steps() -> None:
    text = (diagrams.FOLDER / "residential.md").read_text(encoding="utf-8")
    assert "acceptance_running --> metering_running: 办结 / complete_step" in text
    assert "supply_plan" not in text
    assert "**5** 工作日" in text


def test_an_edited_page_is_noticed(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(diagrams, "FOLDER", tmp_path)
    assert diagrams.main([]) == 0
    (diagrams.FOLDER / "lv_zero.md").write_text("又改了", encoding="utf-8")
    assert diagrams.main(["--check"]) == 1
    assert "lv_zero.md" in capsys.readouterr().out
