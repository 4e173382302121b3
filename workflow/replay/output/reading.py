"""The results of a finished replay, read for a page: bounded, in a fixed order, from the files themselves."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

import duckdb

from workflow.replay.output.facts import RANK, WEIGHT
from workflow.replay.output.run import SUMMARY

MEMORY: Final = "512MB"
MOST_EVENTS: Final = 500
"""Events of one case that are shown."""

_FINDING: Final = ("case_id", "case_no", "org", "rule", "tag", "severity", "evidence", "explanation", "explanation_en")
_VERDICT: Final = (
    "case_id", "case_no", "org", "user_class", "verdict", "tags", "unjudged", "used_working_days_filed",
    "used_working_days_chained", "limit_working_days", "on_time_filed", "on_time_chained",
)  # fmt: skip


class Page(NamedTuple):
    """Some rows; `more`: there are others behind them."""

    rows: list[dict[str, Any]]
    more: bool


class Results:
    """The folder of a finished replay. Close it, or use it as a context manager."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._con = duckdb.connect()
        self._con.execute("SET memory_limit = $limit", {"limit": MEMORY})
        self._con.execute("SET threads = 2")
        for name, file in (("c", "cases"), ("e", "events"), ("f", "findings"), ("v", "verdicts")):
            where = str(folder / f"{file}.parquet").replace("'", "''")
            self._con.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet('{where}')")  # quoted

    def close(self) -> None:
        """Let go of the files."""
        self._con.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def summary(self) -> dict[str, Any]:
        """What was counted when the replay was done."""
        found: dict[str, Any] = json.loads((self._folder / SUMMARY).read_text(encoding="utf-8"))
        return found

    def findings(self, narrowed: Mapping[str, str], offset: int, limit: int) -> Page:
        """Findings on cases, the gravest first; `narrowed`: by rule, severity, tag, org."""
        where, values = _where(narrowed, {"rule": "f.rule", "severity": "f.severity", "tag": "f.tag", "org": "c.org"})
        return self._page(
            f"""SELECT f.case_id, c.case_no, c.org, f.rule, f.tag, f.severity, f.evidence, f.explanation, f.explanation_en
            FROM f JOIN c ON c.case_id = f.case_id WHERE {where}
            ORDER BY {WEIGHT} DESC, f.rule, f.case_id""",  # our own names
            values, _FINDING, offset, limit,
        )  # fmt: skip

    def of_organisations(self, limit: int) -> list[dict[str, Any]]:
        """Findings about organisations (the rules S), the gravest first."""
        names = ("org", "rule", "tag", "severity", "explanation", "explanation_en")
        return self._page(
            f"SELECT {', '.join(f'f.{name}' for name in names)} FROM f WHERE f.case_id IS NULL "
            f"ORDER BY {WEIGHT} DESC, f.rule, f.org",
            {}, names, 0, limit,
        ).rows  # fmt: skip

    def verdicts(self, narrowed: Mapping[str, str], offset: int, limit: int) -> Page:
        """Cases, the gravest first; `narrowed`: by verdict, org, or `text`: part of a case's id or number."""
        where, values = _where(narrowed, {"verdict": "v.verdict", "org": "c.org"})
        if narrowed.get("text"):
            where += " AND (contains(v.case_id, $text) OR contains(COALESCE(c.case_no, ''), $text))"
            values["text"] = narrowed["text"]
        return self._page(
            f"""SELECT v.case_id, c.case_no, c.org, v.user_class, v.verdict, v.tags, v.unjudged,
            v.used_working_days_filed, v.used_working_days_chained, v.limit_working_days, v.on_time_filed,
            v.on_time_chained FROM v JOIN c ON c.case_id = v.case_id WHERE {where} ORDER BY {RANK}, v.case_id""",
            values, _VERDICT, offset, limit,
        )  # fmt: skip

    def case(self, case_id: str) -> dict[str, Any] | None:
        """One case: its verdict, its findings, its events; None when there is no such case."""
        verdicts = self._page(
            """SELECT v.case_id, c.case_no, c.org, v.user_class, v.verdict, v.tags, v.unjudged,
            v.used_working_days_filed, v.used_working_days_chained, v.limit_working_days, v.on_time_filed,
            v.on_time_chained FROM v JOIN c ON c.case_id = v.case_id WHERE v.case_id = $case_id""",
            {"case_id": case_id}, _VERDICT, 0, 1,
        ).rows  # fmt: skip
        if not verdicts:
            return None
        findings = self._page(
            f"""SELECT f.case_id, c.case_no, c.org, f.rule, f.tag, f.severity, f.evidence, f.explanation,
            f.explanation_en FROM f JOIN c ON c.case_id = f.case_id WHERE f.case_id = $case_id
            ORDER BY {WEIGHT} DESC, f.rule""",
            {"case_id": case_id}, _FINDING, 0, 200,
        ).rows  # fmt: skip
        cursor = self._con.execute(
            f'SELECT * FROM e WHERE case_id = $case_id ORDER BY occurred_at NULLS LAST, "row" LIMIT {MOST_EVENTS}',
            {"case_id": case_id},
        )
        names = [column[0] for column in cursor.description or ()]
        events = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        return {**verdicts[0], "findings": findings, "events": events}

    def sample(self, seed: str, size: int, verdicts: Iterable[str]) -> list[dict[str, Any]]:
        """A random sample (双随机) of cases with one of these verdicts, drawn in proportion to each organisation's cases,
        at least one of each while they last. The same seed, size and results draw the same."""
        wanted = sorted(set(verdicts))
        drawn: dict[str, list[str]] = {}
        for org, case_id in self._con.execute(
            "SELECT COALESCE(c.org, ''), v.case_id FROM v JOIN c ON c.case_id = v.case_id "
            "WHERE list_contains($wanted, v.verdict) ORDER BY 1, 2",
            {"wanted": wanted},
        ).fetchall():
            drawn.setdefault(org, []).append(case_id)
        chosen = [
            case_id
            for org, many in shares({org: len(ids) for org, ids in drawn.items()}, size).items()
            for case_id in sorted(random.Random(f"{seed}\n{org}").sample(drawn[org], many))  # noqa: S311  # to be re-drawn
        ]
        return self._page(
            f"""SELECT v.case_id, c.case_no, c.org, v.user_class, v.verdict, v.tags, v.unjudged,
            v.used_working_days_filed, v.used_working_days_chained, v.limit_working_days, v.on_time_filed,
            v.on_time_chained FROM v JOIN c ON c.case_id = v.case_id WHERE list_contains($ids, v.case_id)
            ORDER BY c.org, {RANK}, v.case_id""",
            {"ids": chosen}, _VERDICT, 0, max(size, 1),
        ).rows  # fmt: skip

    def organisations(self) -> list[str]:
        """The organisations that have findings or cases, at most 500, in order."""
        rows = self._con.execute("SELECT DISTINCT org FROM c WHERE org IS NOT NULL ORDER BY 1 LIMIT 500").fetchall()
        return [row[0] for row in rows]

    def _page(self, sql: str, values: Mapping[str, Any], names: tuple[str, ...], offset: int, limit: int) -> Page:
        found = self._con.execute(f"{sql} LIMIT {limit + 1} OFFSET {offset}", dict(values)).fetchall()
        rows = [dict(zip(names, row, strict=True)) for row in found[:limit]]
        for row in rows:
            if "evidence" in row:
                row["evidence"] = json.loads(row["evidence"])
        return Page(rows, len(found) > limit)


def shares(sizes: Mapping[str, int], size: int) -> dict[str, int]:
    """How many to draw of each stratum: one of each as long as there are enough, the rest in proportion by largest
    remainders; never more than there are. Strata in the order of their names."""
    names = sorted(sizes)
    size = min(size, sum(sizes.values()))
    if size < len(names):
        largest = sorted(names, key=lambda name: (-sizes[name], name))[:size]
        return {name: 1 for name in names if name in largest}
    out = dict.fromkeys(names, 1)
    while (left := size - sum(out.values())) > 0:
        room = {name: sizes[name] - out[name] for name in names if sizes[name] > out[name]}
        total = sum(room.values())
        exact = {name: left * many / total for name, many in room.items()}
        whole = {name: min(int(share), room[name]) for name, share in exact.items()}
        if any(whole.values()):
            for name, many in whole.items():
                out[name] += many
            continue
        for name in sorted(room, key=lambda name: (-exact[name], name))[:left]:
            out[name] += 1
    return out


def _where(narrowed: Mapping[str, str], columns: Mapping[str, str]) -> tuple[str, dict[str, Any]]:
    asked = {name: narrowed[name] for name in columns if narrowed.get(name)}
    return " AND ".join(["TRUE", *(f"{columns[name]} = ${name}" for name in asked)]), dict(asked)
