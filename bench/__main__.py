"""`make bench`: every figure this project promises, beside its baseline, in one run. Asserts nothing.

What can be asked of it: `python -m bench --help`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import structlog

from bench import board, engine, others, over_http, replay, report, sweeps, volume, working_days

KEPT = Path("var/bench")
"""Where the bench writes: in the checkout, because a temporary folder may lie in memory, where commits cost nothing."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure the engine beside its baselines.")
    parser.add_argument("--quick", action="store_true", help="few and short rounds: to see that it runs, not how fast")
    parser.add_argument("--stored", type=int, help="applications of the large database (1,000,000; quick: 20,000)")
    parser.add_argument("--huge", action="store_true", help="replay 100 million events too, as a full run does")
    parser.add_argument("--only", action="append", choices=_NAMES, metavar="SECTION", help=", ".join(_NAMES))
    parser.add_argument("--markdown", action="store_true", help="print the tables of bench/README.md")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures to a file")
    asked = parser.parse_args()
    stored = asked.stored or (20_000 if asked.quick else 1_000_000)
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    KEPT.mkdir(parents=True, exist_ok=True)
    made = []
    with tempfile.TemporaryDirectory(dir=KEPT) as name:
        folder = Path(name).resolve()
        tempfile.tempdir = name  # the other engines make their files there too: the same disk for all
        sections: dict[str, Callable[[], report.Section]] = {
            "engine": lambda: engine.section(folder, quick=asked.quick),
            "others": lambda: others.section(folder, quick=asked.quick),
            "volume": lambda: volume.section(folder, KEPT.resolve(), stored=stored, quick=asked.quick),
            "sweeps": lambda: sweeps.section(folder, stored=stored, quick=asked.quick),
            "board": lambda: board.section(folder, stored=stored, quick=asked.quick),
            "http": lambda: over_http.section(folder, quick=asked.quick),
            "calendar": lambda: working_days.section(quick=asked.quick),
            "replay": lambda: replay.section(folder, quick=asked.quick, huge=asked.huge or not asked.only),
        }
        for which, measure in sections.items():
            if not asked.only or which in asked.only:
                print(f"{which} …", file=sys.stderr, flush=True)
                made.append(measure())
        tempfile.tempdir = None
    about = report.machine()
    print((report.as_markdown if asked.markdown else report.as_text)(about, made))
    if asked.json is not None:
        asked.json.write_text(report.as_json(about, made), encoding="utf-8")


_NAMES = ("engine", "others", "volume", "sweeps", "board", "http", "calendar", "replay")

if __name__ == "__main__":
    main()
