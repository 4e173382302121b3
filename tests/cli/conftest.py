"""The command line as a clerk or a program calls it, on a database of its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from workflow.cli import app

APPLICATION = {
    "external_id": "MK-1",
    "customer": {"id": "C-1", "name": "沈知远", "phone": "00012345678"},
    "premises": {"id": "P-1", "address": "望岚市听潮路1号"},
    "customer_kind": "residential",
    "capacity_kw": 8.0,
    "voltage": "low",
    "area": "urban",
    "region": "960102",
    "channel": "online",
    "documents": [{"kind": "identity", "form": "id_card"}, {"kind": "premises_title"}],
}


class Cli:
    """Runs subcommands against one database."""

    def __init__(self, database: str, folder: Path) -> None:
        self.database = database
        self.folder = folder

    def __call__(self, *words: object, stdin: str | None = None):
        environment = {"BAOZHUANG_DATABASE": self.database, "BAOZHUANG_KEY": None}
        return CliRunner().invoke(app, [str(word) for word in words], input=stdin, env=environment)

    def json(self, *words: object, stdin: str | None = None):
        done = self(*words, stdin=stdin)
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    def refused(self, *words: object, stdin: str | None = None) -> str:
        """The sentence of a call that is refused: status 2, both languages, nothing on standard output."""
        done = self(*words, stdin=stdin)
        assert done.exit_code == 2, (done.exit_code, done.output)
        assert done.stdout == ""
        assert done.stderr.startswith("错误 / error: ")
        assert " / " in done.stderr.removeprefix("错误 / error: ")
        assert "Traceback" not in done.stderr
        return done.stderr

    def submit(self, **changed: object):
        return self.json("case", "submit", "-", stdin=json.dumps({**APPLICATION, **changed}))

    def command(self, which: str, **body: object):
        return self.json("case", "command", which, "-", stdin=json.dumps(body))


@pytest.fixture
def cli(sqlite_url: str, tmp_path: Path) -> Cli:
    return Cli(sqlite_url, tmp_path)
