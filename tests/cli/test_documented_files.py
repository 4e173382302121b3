"""The examples of docs/files.md, imported in their order as they stand there."""

from __future__ import annotations

import re
from pathlib import Path

from tests.cli.conftest import Cli

PAGE = Path(__file__).parent.parent.parent / "docs" / "files.md"
EXAMPLES = dict(re.findall(r"```(?:csv|jsonl) (\S+)\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL))


def test_every_example_comes_in_whole(cli: Cli) -> None:
    for name, text in EXAMPLES.items():
        (cli.folder / name).write_text(text, encoding="utf-8")

    def imported(*words: str, file: str, more: tuple[object, ...] = ()):
        return cli.json(*words, "import", cli.folder / file, *more, "--json")

    assert imported("orgs", file="orgs.csv")["added"] == 4
    assert imported("staff", file="staff.csv")["added"] == 3
    assert imported("areas", file="areas.csv")["rows"] == 1
    number = cli.submit(region="420102", org="HB-JA-1", occurred_at="2026-01-05T10:00", reason="补录")["application_no"]
    assert number in EXAMPLES["meters.csv"]
    assert imported("evidence", file="meters.csv")["accepted"] == 1
    for file, more in (("open-cases.csv", ("--events", cli.folder / "open-events.csv")), ("open-cases.jsonl", ())):
        moved = imported("case", file=file, more=more)
        assert (moved["imported"], moved["rejected"], moved["not_carried"]) == (1, [], [])
    states = {one["external_id"]: one["state"] for one in cli.json("case", "list", "--json")["items"]}
    assert (states["OLD-1"], states["OLD-2"]) == ("metering.running", "metering.running")
