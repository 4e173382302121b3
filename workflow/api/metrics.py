"""Counters for Prometheus.

With several workers each keeps its own in files under `PROMETHEUS_MULTIPROC_DIR`, which `serve` sets, and whichever
worker answers `/metrics` adds them up.  No label holds anything a caller chooses freely.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from workflow.api.alert_answers import Level

if TYPE_CHECKING:
    from workflow.service.health import AlertHealth

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

    def exposition(self, alerts: AlertHealth | None) -> bytes:
        """Everything in the Prometheus text format, of all workers where there are several; with how `alerts` are
        doing, which is the same whichever worker is asked (None: the database cannot say)."""
        registry = self._registry
        if MULTIPROCESS in os.environ:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # untyped upstream
        return generate_latest(registry) + generate_latest(_gauges(alerts))


def _gauges(alerts: AlertHealth | None) -> CollectorRegistry:
    registry = CollectorRegistry()

    def gauge(name: str, says: str, values: dict[str, float], label: str | None = None) -> None:
        one = Gauge(f"baozhuang_{name}", says, (label,) if label else (), registry=registry)
        for value_of, value in values.items():
            (one.labels(value_of) if label else one).set(value)

    gauge("alerts_known", "Whether the database could be asked about alerts", {"": float(alerts is not None)})
    if alerts is None:
        return registry
    ran = [one for one in alerts.sweeps if one.lag_seconds is not None]
    gauge(
        "sweep_lag_seconds", "Seconds since a sweep last ended well", {s.name: s.lag_seconds or 0 for s in ran}, "sweep"
    )
    gauge("sweep_late", "Whether a sweep is late", {s.name: float(s.late) for s in alerts.sweeps}, "sweep")
    gauge(
        "sweep_failing", "Whether the last run failed", {s.name: float(bool(s.error)) for s in alerts.sweeps}, "sweep"
    )
    gauge("sweep_cut_short", "Whether work was left over", {s.name: float(s.cut_short) for s in alerts.sweeps}, "sweep")
    gauge(
        "alerts_standing", "Alerts that stand", dict.fromkeys(get_args(Level), 0.0) | (alerts.standing or {}), "level"
    )
    for name, says, value in (
        ("looks_behind_days", "Days the oldest deadline has been waiting to be looked at", alerts.looks_behind_days),
        (
            "messages_oldest_unsent_seconds",
            "Seconds the oldest sendable message has waited",
            alerts.oldest_unsent_seconds,
        ),
        ("messages_pending", "Messages waiting to be sent", alerts.pending or 0),
        ("messages_dead", "Messages given up", alerts.dead),
        ("alerts_for_nobody", "Alerts without a recipient", alerts.for_nobody),
        ("calendar_days_left", "Days until the calendar is no longer firm", alerts.calendar_days_left),
    ):
        gauge(name, says, {"": float(value)})
    return registry
