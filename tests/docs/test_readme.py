"""The README's own commands, run as a newcomer would run them: against a real server, with curl."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent
BLOCKS = dict(
    re.findall(r"```bash\n# walk: (\w+)\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def served(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment the README asks for, with a server behind it."""
    port = _free_port()
    environment = {**os.environ, "BAOZHUANG_DATABASE": str(tmp_path / "readme.db")}
    tool = [sys.executable, "-m", "workflow.cli"]
    subprocess.run([*tool, "init"], env=environment, check=True, capture_output=True)

    def key(name: str, role: str) -> str:
        made = subprocess.run(
            [*tool, "keys", "create", name, "--role", role, "--json"],
            env=environment, check=True, capture_output=True, text=True,
        )  # fmt: skip
        return str(json.loads(made.stdout)["key"])

    keys = {"BAOZHUANG_KEY": key("hall-1", "front_line"), "BAOZHUANG_MANAGER_KEY": key("wang", "manager")}
    server = subprocess.Popen(
        [*tool, "serve", "--port", str(port)], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(200):
            try:
                with urllib.request.urlopen(f"{url}/readyz", timeout=1):
                    break
            except OSError:
                time.sleep(0.1)
        yield {**environment, "BAOZHUANG_URL": url, **keys}
    finally:
        server.terminate()
        server.wait(20)


def _walk(name: str, environment: dict[str, str], folder: Path | None = None) -> list[dict[str, Any]]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"  # where `baozhuang` is installed
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", BLOCKS["prepare"] + BLOCKS[name]],
        env={**environment, "PATH": path}, check=True, capture_output=True, text=True, timeout=60, cwd=folder,
    )  # fmt: skip
    return [json.loads(line) for line in done.stdout.splitlines() if line]


def _told(answer: dict[str, object]) -> object:
    application = answer.get("application", answer)
    assert isinstance(application, dict)
    return application.get("state") or answer.get("code")


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_a_residential_application_reaches_energised(served: dict[str, str]) -> None:
    answers = _walk("residential", served)
    assert [_told(answer) for answer in answers] == [
        "acceptance.waiting",
        "document-not-allowed",
        "acceptance.running",
        "metering.running",
        "energised",
    ]
    missing = answers[0]["missing_documents"]
    assert isinstance(missing, list)
    assert [one["kind"] for one in missing] == ["premises_title"]
    assert "L24" in str(answers[1]["clause"])


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_a_dual_supply_application_reaches_energised(served: dict[str, str]) -> None:
    *commands, deadlines, explained = _walk("hv_dual", served)
    assert [_told(answer) for answer in commands] == [
        "supply_plan.running",
        "design_review.waiting",
        "document-missing",
        "design_review.waiting",
        "design_review.running",
        "mid_inspection.waiting",
        "mid_inspection.running",
        "completion_inspection.waiting",
        "completion_inspection.running",
        "metering.waiting",
        "metering.running",
        "energised",
    ]
    items = deadlines["items"]
    assert isinstance(items, list)
    assert {one["step"]: one["budget_working_days"] for one in items} == {
        "acceptance": 1, "supply_plan": 20, "design_review": 3, "mid_inspection": 2, "completion_inspection": 3,
        "metering": 3, None: 32,
    }  # fmt: skip
    assert {one["status"] for one in items} == {"met"}
    days = explained["items"]
    assert isinstance(days, list)
    assert all(one["clauses"] for one in days)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_an_overdue_application_warns_and_gets_its_cause(served: dict[str, str], tmp_path: Path) -> None:
    red, acknowledged, breaches, cause = _walk("alerts", served, tmp_path)
    (alert,) = red["items"]
    assert (alert["level"], alert["due_on"], alert["manager"]) == ("red", "2026-01-12", "wang")
    assert (acknowledged["id"], acknowledged["status"], acknowledged["acknowledged_by"]) == (
        alert["id"], "acknowledged", "wang",
    )  # fmt: skip
    assert [(one["key"], one["overdue"]) for one in breaches["items"]] == [("total", True)]
    assert (cause["cause"], cause["counts"]) == ("material", True)
    assert b"DTSTART;VALUE=DATE:20260112" in (tmp_path / "due.ics").read_bytes()
    assert (tmp_path / "alerts.xlsx").read_bytes().startswith(b"PK")


def test_both_readmes_give_the_same_commands() -> None:
    def blocks(name: str) -> list[str]:
        text = (ROOT / name).read_text(encoding="utf-8")
        found = re.findall(r"```bash\n(.*?)```", text, re.DOTALL)
        return [re.sub(r"\s*#.*", "", block) for block in found if not block.startswith("# walk")]

    assert blocks("README.md") == blocks("README.zh-CN.md")
