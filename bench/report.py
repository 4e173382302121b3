"""Figures with their targets, and the report they make: as text, as Markdown, as JSON."""

from __future__ import annotations

import json
import os
import platform
import sqlite3
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any

_LIBRARIES = (
    "baozhuang", "chinese-calendar", "fastapi", "msgspec", "numpy", "pydantic", "SQLAlchemy", "transitions", "uvicorn",
    "dbos", "SpiffWorkflow", "duckdb", "pyarrow", "pm4py",
)  # fmt: skip


@dataclass(frozen=True)
class Target:
    """What a figure is to reach: at least `bound`, or less than it when `below`."""

    bound: float
    below: bool = False

    def met(self, value: float) -> bool:
        """Whether `value` reaches it."""
        return value < self.bound if self.below else value >= self.bound


@dataclass(frozen=True)
class Figure:
    """One measured value. `unit`: how it is written, see `_UNITS`."""

    name: str
    value: float
    unit: str
    target: Target | None = None

    @property
    def shown(self) -> str:
        """The value with its unit."""
        return _UNITS[self.unit](self.value)

    @property
    def verdict(self) -> str:
        """The target and whether it is met; empty without one."""
        if self.target is None:
            return ""
        sign = "<" if self.target.below else "≥"
        met = "met" if self.target.met(self.value) else "not met"
        return f"{sign} {_UNITS[self.unit](self.target.bound)}: {met}"


@dataclass
class Section:
    """One subject: its figures, what to know about them, and the command that measures it alone."""

    title: str
    command: str
    figures: list[Figure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, name: str, value: float, unit: str, target: Target | None = None) -> None:
        """Add a figure."""
        self.figures.append(Figure(name, value, unit, target))


def _seconds(value: float) -> str:
    for size, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if value >= size:
            return f"{value / size:,.3g} {unit}"
    return f"{value / 1e-9:,.0f} ns"


_UNITS: dict[str, Callable[[float], str]] = {
    "commands/s": lambda value: f"{value:,.0f} commands/s",
    "steps/s": lambda value: f"{value:,.0f} steps/s",
    "rungs/s": lambda value: f"{value:,.0f} rungs/s",
    "jobs/s": lambda value: f"{value:,.0f} jobs/s",
    "events/s": lambda value: f"{value:,.0f} events/s",
    "additions/s": lambda value: f"{value:,.0f} /s",
    "share": lambda value: f"{value:.0%}",
    "times": lambda value: f"{value:.1f}×",
    "seconds": _seconds,
    "MiB": lambda value: f"{value / 2**20:,.0f} MiB",
    "number": lambda value: f"{value:,.0f}",
}


def machine() -> dict[str, str]:
    """What the figures were measured on."""
    libraries = {}
    for name in _LIBRARIES:
        try:
            libraries[name] = version(name)
        except PackageNotFoundError:
            libraries[name] = "not installed"
    return {
        "system": platform.platform(),
        "processor": f"{os.cpu_count()} cores, {_processor()}",
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "SQLite": sqlite3.sqlite_version,
        **libraries,
    }


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


@dataclass
class Spread:
    """The values of one figure over several rounds."""

    values: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """The middle one."""
        return median(self.values)

    def __str__(self) -> str:
        return f"{min(self.values):,.0f} to {max(self.values):,.0f}"


def in_rounds(ways: dict[str, Callable[[], float]], rounds: int) -> dict[str, Spread]:
    """Run the ways in turn, `rounds` times, every second round in the opposite order: what disturbs the machine for a
    while disturbs them all, and none is always the one that runs after another."""
    found = {name: Spread() for name in ways}
    for number in range(rounds):
        for name in list(ways)[:: -1 if number % 2 else 1]:
            found[name].values.append(ways[name]())
    return found


def as_text(about: dict[str, str], sections: Iterable[Section]) -> str:
    """The report for a terminal."""
    lines = [f"{name:17} {value}" for name, value in about.items()]
    for section in sections:
        width = max((_width(figure.name) for figure in section.figures), default=0)
        lines += ["", section.title, "-" * _width(section.title)]
        for figure in section.figures:
            gap = " " * (width - _width(figure.name))
            lines.append(f"{figure.name}{gap}  {figure.shown:>18}  {figure.verdict}".rstrip())
        lines += [f"  {note}" for note in section.notes]
    return "\n".join(lines)


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def as_markdown(about: dict[str, str], sections: Iterable[Section]) -> str:
    """The report as the tables of `bench/README.md`."""
    lines = ["; ".join(f"{name} {value}" for name, value in about.items()) + "."]
    for section in sections:
        lines += ["", f"### {section.title}", "", f"`{section.command}`", ""]
        lines += ["| figure | measured | target |", "|---|---:|---|"]
        lines += [f"| {figure.name} | {figure.shown} | {figure.verdict} |" for figure in section.figures]
        lines += ["", *(f"- {note}" for note in section.notes)]
    return "\n".join(line.rstrip() for line in lines).rstrip() + "\n"


def as_json(about: dict[str, str], sections: Iterable[Section]) -> str:
    """The report for a program: values in base units (seconds, bytes, per second, shares of 1)."""
    shown: list[dict[str, Any]] = []
    for section in sections:
        figures = [
            {**asdict(figure), "met": figure.target.met(figure.value) if figure.target else None}
            for figure in section.figures
        ]
        shown.append({**asdict(section), "figures": figures})
    return json.dumps({"machine": about, "sections": shown}, ensure_ascii=False, indent=2) + "\n"
