"""What the serving process carries: nothing that only a replay or its pages need."""

from __future__ import annotations

import subprocess
import sys

from storage import Database

COLUMNAR = ("duckdb", "pandas", "pyarrow", "scipy")


def test_a_server_loads_no_columnar_library(database: Database):
    script = (
        "import sys\nfrom workflow.server import Site\nfrom workflow.service import Service\n"
        f"with Service.open({database.address!r}) as service:\n    Site(service)\n"
        f"print(*sorted({{*{COLUMNAR!r}}} & sys.modules.keys()))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, encoding="utf-8", check=False)
    assert (done.returncode, done.stdout) == (0, "\n"), done.stderr
