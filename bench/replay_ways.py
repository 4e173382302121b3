"""One way over one history, in a process of its own, so that its memory is its own: prints its figures as JSON.

python -m bench.replay_ways replay|fold|floor|tokens|temporal|skeleton HISTORY WORK [--memory 8GB] [--events N]
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import resource
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow.parquet as pq

from definitions.model import STEPS
from definitions.records import OBSERVED

AS_OF: Final = dt.date(2026, 10, 31)
_KINDS: Final = (
    *((step, life) for step in STEPS for life in ("start", "complete", "return", "waive")),
    *(("application", life) for life in ("submit", "withdraw", "terminate", "refuse")),
    *((name, "observed") for name in OBSERVED),
)
AGGREGATES: Final = 70


def replay(history: Path, work: Path, memory: str, _: int) -> dict[str, float]:
    """The whole of `baozhuang replay`, with the seconds of each of its stages."""
    from workflow.service.replay import replay as whole  # noqa: PLC0415  # the other ways do without it

    out = work / "found"
    ends: dict[str, float] = {}
    over = threading.Event()

    def watch() -> None:
        # A stage has ended when the manifest names it.
        while not over.wait(0.01):
            try:
                named = json.loads((out / "manifest.json").read_text(encoding="utf-8"))["stages"]
            except (FileNotFoundError, ValueError):
                continue
            for name in named:
                ends.setdefault(name, time.perf_counter())

    watcher = threading.Thread(target=watch)
    watcher.start()
    began = time.perf_counter()
    found = whole(
        cases=history / "cases.parquet", events=history / "events.parquet", mapping="contract", engine="duckdb",
        as_of=AS_OF, out=out, memory_limit=memory, progress=lambda *_: None,
    )  # fmt: skip
    ended = time.perf_counter()
    over.set()
    watcher.join()
    intake, judging = ends.get("intake", ended), ends.get("judging", ended)
    return {
        "events": found.judged.events, "cases": found.judged.cases, "whole": ended - began, "import": intake - began,
        "rules": judging - intake, "output": ended - judging, "findings": sum(found.judged.finding_counts.values()),
    }  # fmt: skip


def _timed(memory: str, work: Path, sql: str) -> float:
    connection = duckdb.connect()
    connection.execute(f"SET memory_limit = '{memory}'")
    connection.execute(f"SET temp_directory = '{work / 'spill'}'")
    connection.execute("SET preserve_insertion_order = false")
    began = time.perf_counter()
    connection.execute(sql)
    return time.perf_counter() - began


def fold(history: Path, work: Path, memory: str, _: int) -> dict[str, float]:
    """The bare fold: one pass that makes one row of 70 conditional aggregates of each case's events."""
    firsts = [f"min(CASE WHEN activity = '{a}' AND lifecycle = '{b}' THEN occurred_at END)" for a, b in _KINDS]
    lasts = [f"max(CASE WHEN activity = '{a}' AND lifecycle = '{b}' THEN recorded_at END)" for a, b in _KINDS]
    listed = ", ".join(f"{sql} AS f{at}" for at, sql in enumerate([*firsts, *lasts][:AGGREGATES]))
    events = history / "events.parquet"
    return {
        "seconds": _timed(
            memory, work,
            f"CREATE TEMP TABLE folded AS SELECT case_id, {listed} FROM read_parquet('{events}') GROUP BY case_id",
        )
    }  # fmt: skip


def floor(history: Path, work: Path, memory: str, _: int) -> dict[str, float]:
    """The order of each case's events, how often each repeats, and how long after the one before it: nothing else."""
    events = history / "events.parquet"
    return {
        "seconds": _timed(
            memory, work,
            "CREATE TEMP TABLE durations AS SELECT activity, lifecycle, max(nth) AS most, sum(nth > 1) AS repeats, "
            "avg(gap) AS gap FROM (SELECT activity, lifecycle, "
            "row_number() OVER (PARTITION BY case_id, activity, lifecycle ORDER BY occurred_at) AS nth, "
            "epoch(occurred_at - lag(occurred_at) OVER (PARTITION BY case_id ORDER BY occurred_at)) AS gap "
            f"FROM read_parquet('{events}')) GROUP BY ALL",
        )
    }  # fmt: skip


def _log(history: Path, most: int) -> Any:
    """The first cases of a history as PM4Py takes them, up to about `most` events."""
    table = pq.read_table(history / "events.parquet", columns=["case_id", "activity", "lifecycle", "occurred_at"])
    frame = table.to_pandas()
    chosen = frame["case_id"].drop_duplicates().sort_values()
    share = min(1.0, most / len(frame))
    frame = frame[frame["case_id"].isin(set(chosen.iloc[: max(1, round(len(chosen) * share))]))]
    frame["concept:name"] = frame["activity"] + "." + frame["lifecycle"]
    frame = frame.rename(columns={"case_id": "case:concept:name", "occurred_at": "time:timestamp"})
    return frame[["case:concept:name", "concept:name", "time:timestamp"]].sort_values(
        ["case:concept:name", "time:timestamp"], kind="stable"
    )


def _conformance(
    history: Path, most: int, learn: Callable[[Any, Any], Any], check: Callable[[Any, Any, Any], Any]
) -> dict[str, float]:
    """The model is learnt from some cases; only checking all of them is timed."""
    import pm4py  # noqa: PLC0415  # installed only where the bench is run

    log = _log(history, most)
    some = set(log["case:concept:name"].drop_duplicates().iloc[:500])
    model = learn(pm4py, log[log["case:concept:name"].isin(some)])
    began = time.perf_counter()
    check(pm4py, log, model)
    return {"seconds": time.perf_counter() - began, "events": len(log)}


def tokens(history: Path, _: Path, __: str, most: int) -> dict[str, float]:
    """PM4Py's token replay on a net from the inductive miner."""
    return _conformance(
        history, most,
        lambda pm4py, some: pm4py.discover_petri_net_inductive(some, noise_threshold=0.2),
        lambda pm4py, log, net: pm4py.conformance_diagnostics_token_based_replay(log, *net),
    )  # fmt: skip


def temporal(history: Path, _: Path, __: str, most: int) -> dict[str, float]:
    """PM4Py's temporal profile."""
    return _conformance(
        history, most,
        lambda pm4py, some: pm4py.discover_temporal_profile(some),
        lambda pm4py, log, profile: pm4py.conformance_temporal_profile(log, profile),
    )  # fmt: skip


def skeleton(history: Path, _: Path, __: str, most: int) -> dict[str, float]:
    """PM4Py's log skeleton."""
    return _conformance(
        history, most,
        lambda pm4py, some: pm4py.discover_log_skeleton(some, noise_threshold=0.1),
        lambda pm4py, log, found: pm4py.conformance_log_skeleton(log, found),
    )  # fmt: skip


WAYS: Final = {one.__name__: one for one in (replay, fold, floor, tokens, temporal, skeleton)}


def main() -> None:
    """Run one way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("way", choices=list(WAYS))
    parser.add_argument("history", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--memory", default="8GB")
    parser.add_argument("--events", type=int, default=1_000_000)
    asked = parser.parse_args()
    asked.work.mkdir(parents=True, exist_ok=True)
    found = WAYS[asked.way](asked.history, asked.work, asked.memory, asked.events)
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps({**found, "cpu": used.ru_utime + used.ru_stime, "peak": used.ru_maxrss * 1024}))


if __name__ == "__main__":
    main()
