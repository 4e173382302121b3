"""A working copy of the shipped data to break."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from definitions._loader import SHIPPED


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SHIPPED, tmp_path / "data", ignore=shutil.ignore_patterns("calendar", "*.md")))


@pytest.fixture
def edit(data: Path) -> Callable[[str, str, str], int]:
    """Replace the one place where `old` stands in a file; the line number of its first line."""

    def edit_file(name: str, old: str, new: str) -> int:
        path = data / name
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {name}"
        path.write_text(text.replace(old, new), encoding="utf-8")
        return text[: text.index(old)].count("\n") + 1

    return edit_file
