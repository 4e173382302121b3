"""Regional rule files for tests."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import yaml

CHECKED_ON = dt.date(2026, 11, 23)


def dated(values: dict[str, Any], region: str = "420000", stem: str = "rules") -> dict[str, Any]:
    """A timeline that cites the region's one clause."""
    return {
        "values": {dt.date.fromisoformat(day): value for day, value in values.items()},
        "clauses": [f"R{region}-{stem}"],
        "last_verified_on": CHECKED_ON,
    }


def nested(path: str, value: Any) -> dict[str, Any]:
    """`value` under the keys of a dotted path."""
    for key in reversed(path.split(".")):
        value = {key: value}
    return value if isinstance(value, dict) else {}


def write(root: Path, region: str, rules: dict[str, Any], stem: str = "rules") -> Path:
    """Write a file of `region` under the overlay folder `root`; returns `root`."""
    source, clause = f"SOURCE-{region}-{stem.upper()}", f"R{region}-{stem}"
    text = yaml.safe_dump(
        {
            "region": region,
            "name": {"zh": f"地区 {region}", "en": f"Region {region}"},
            "sources": {source: {"title": "某地实施细则", "kind": "regional"}},
            "clauses": {clause: {"source": source, "item": "第一条", "quote": "进一步压减。"}},
            **rules,
        },
        allow_unicode=True,
        sort_keys=False,
    )
    (root / region).mkdir(parents=True, exist_ok=True)
    (root / region / f"{stem}.yaml").write_text(text, encoding="utf-8")
    return root
