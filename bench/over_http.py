"""`baozhuang serve` as a process of its own, driven over loopback by 32 clients in another process."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from bench.engine import CALLERS, prepared_database
from bench.report import Section
from workflow.service import Service

_SECONDS_TO_START = 60


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _ready(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until the server takes commands. Raises RuntimeError with its log when it does not."""
    until = time.monotonic() + _SECONDS_TO_START
    while server.poll() is None and time.monotonic() < until:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.1)
    raise RuntimeError(f"the server did not start:\n{log.read_text(encoding='utf-8')[-4000:]}")


@contextmanager
def served(path: Path) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """A server over the database at `path`: its port, its process. Stopped at the end; raises RuntimeError when it did
    not stop cleanly."""
    port, log = _free_port(), path.with_name("serve.log")
    command = [sys.executable, "-m", "workflow.cli", "serve", "--port", str(port)]
    with log.open("wb") as out:
        environment = {**os.environ, "BAOZHUANG_DATABASE": f"sqlite:///{path}"}
        server = subprocess.Popen(command, env=environment, stdout=out, stderr=subprocess.STDOUT)
        try:
            _ready(port, server, log)
            yield port, server
            server.send_signal(signal.SIGTERM)
            server.wait(timeout=60)
        finally:
            if server.poll() is None:
                server.kill()
                server.wait()
    if server.returncode not in (0, -signal.SIGTERM):
        raise RuntimeError(f"the server ended with {server.returncode}:\n{log.read_text(encoding='utf-8')[-4000:]}")


def section(folder: Path, *, quick: bool) -> Section:
    """Measure."""
    each = 2 if quick else 20
    path = folder / "http.db"
    prepared_database(path)
    with Service.open(path) as service:
        key = str(service.create_key("bench", "front_line")["key"])
    with served(path) as (port, server):
        resident = psutil.Process(server.pid).memory_info
        fresh = resident().rss
        command = [sys.executable, "-m", "bench.http_clients", str(port), str(CALLERS), str(each)]
        environment = {**os.environ, "BAOZHUANG_KEY": key}
        done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE)
        loaded = resident().rss
    found: dict[str, Any] = json.loads(done.stdout)
    made = Section("HTTP, 32 concurrent clients on loopback, one serving process", "python -m bench --only http")
    made.add("commands, all classes", found["commands"] / found["seconds"], "commands/s")
    for name in ("p50", "p99", "longest"):
        made.add(f"time to answer, {name}", found[name], "seconds")
    made.add("memory of the serving process, before the first command", fresh, "MiB")
    made.add("memory of the serving process, after the last", loaded, "MiB")
    made.notes.append(
        f"{found['commands']:,} commands after {found['warm_up']:,} to warm up; keep-alive connections; the clients "
        "share the processors with the server and are part of the cost"
    )
    return made
