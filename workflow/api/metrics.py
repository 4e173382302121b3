"""Counters for Prometheus.

With several workers each keeps its own in files under `PROMETHEUS_MULTIPROC_DIR`, which `serve` sets, and whichever
worker answers `/metrics` adds them up.  No label holds anything a caller chooses freely.
"""

from __future__ import annotations

import os

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
MULTIPROCESS = "PROMETHEUS_MULTIPROC_DIR"

_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
_SECONDS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Metrics:
    """The metrics of one application object."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "baozhuang_http_requests", "Requests answered", ("method", "route", "status"), registry=self._registry
        )
        self._seconds = Histogram(
            "baozhuang_http_request_seconds",
            "Seconds from request to answer",
            ("method", "route"),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._problems = Counter(
            "baozhuang_http_problems", "Problems answered, by code", ("code",), registry=self._registry
        )
        self._going_on = Gauge(
            "baozhuang_http_requests_in_progress",
            "Requests being served",
            multiprocess_mode="livesum",
            registry=self._registry,
        )

    def begin(self) -> None:
        """A request has come in."""
        self._going_on.inc()

    def end(self, method: str, route: str, status: int | None, seconds: float, code: str | None) -> None:
        """It has been answered (`status` None: the caller went away); `route` is the template, never the path."""
        self._going_on.dec()
        method = method if method in _METHODS else "other"
        self._requests.labels(method, route, str(status or "none")).inc()
        self._seconds.labels(method, route).observe(seconds)
        if code is not None:
            self._problems.labels(code).inc()

    def exposition(self) -> bytes:
        """Everything in the Prometheus text format, of all workers where there are several."""
        registry = self._registry
        if MULTIPROCESS in os.environ:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # untyped upstream
        return generate_latest(registry)
