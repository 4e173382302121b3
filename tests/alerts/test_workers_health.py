"""How alerts are doing, as facts: of readiness, of the metrics, of `doctor`."""

from __future__ import annotations

import datetime as dt

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.alerts.office import SWEEPS, Office
from tests.storage.alert_samples import message
from workflow.alerts.sweep import Run, Sweep
from workflow.api.metrics import Metrics
from workflow.service import doctor, health

EARLY = "2024-01-08T08:00:00.000000+08:00"


def concerns(office: Office) -> list[str]:
    return [one.name for one in health.concerns(office.service.alert_health())]


def beat_all(office: Office) -> None:
    """Every sweep runs well and finds nothing."""
    for name in health.EVERY:
        office.pulse.beat(Sweep(name, lambda _: None))


def test_a_worker_that_never_ran_or_stopped_is_told(office: Office):
    assert concerns(office) == ["sweeps"]
    assert not office.service.alert_health().ever_ran
    beat_all(office)
    assert concerns(office) == []
    # `due` begins every 5 seconds; 120 more are grace.
    office.clock.set("2024-01-08 09:02:05")
    assert office.service.alert_health().late == []
    office.clock.set("2024-01-08 09:02:06")
    assert office.service.alert_health().late == ["due", "deliver"]
    assert {one.name: one.lag_seconds for one in office.service.alert_health().sweeps}["due"] == 126
    assert concerns(office) == ["sweeps"]


def test_a_sweep_that_fails_is_told_although_it_is_not_late(office: Office):
    def crash(run: Run) -> None:
        raise ZeroDivisionError(str(run.today))

    beat_all(office)
    office.pulse.beat(Sweep("due", crash))
    assert office.service.alert_health().late == ["due"]
    facts = {fact.name: fact for fact in doctor.diagnose(office.service)}
    assert facts["sweeps"].status == "wrong"
    assert "ZeroDivisionError" in facts["sweep_errors"].en
    # Nobody is asked for a key at /readyz: what went wrong is not told there word for word.
    ready, shown = office.service.ready()
    assert ready
    assert shown["alerts"]["sweeps"]["due"] == {
        "lag_seconds": 0, "late": False, "cut_short": False, "failing": True,
    }  # fmt: skip
    assert "ZeroDivisionError" not in str(shown)


def test_what_waits_and_what_was_given_up_is_told(office: Office):
    beat_all(office)
    with office.service.database.write() as tx:
        tx.queue_messages(
            [message("m1", not_before=EARLY), message("m2", not_before="2024-01-09T08:30:00.000000+08:00")]
        )
        tx.lease_messages("w", "2024-01-08T09:00:00.000000+08:00", EARLY, 1)
    found = office.service.alert_health()
    assert (found.oldest_unsent_seconds, found.pending, found.dead) == (3600, 2, 0)
    assert concerns(office) == ["unsent"]
    with office.service.database.write() as tx:
        tx.lease_messages("w", "2024-01-08T09:00:00.000000+08:00", "2024-01-08T09:01:00.000000+08:00", 1)
        tx.message_failed("m1", "w", "500", None)
    assert concerns(office) == ["dead_letters"]
    assert {fact.name: fact.status for fact in doctor.diagnose(office.service)}["dead_letters"] == "warn"


def test_how_far_the_sweep_is_behind_is_counted_in_days(office: Office):
    office.case()
    assert office.service.alert_health().looks_behind_days == 0
    office.clock.set("2024-01-14 09:00")
    assert office.service.alert_health().looks_behind_days == 3  # yellow was to be looked at on the 11th
    office.sweep("due")
    assert office.service.alert_health().looks_behind_days == 0
    assert office.service.alert_health().standing == {"yellow": 1, "orange": 1}
    assert office.service.alert_health(counted=False).standing is None


def test_the_metrics_say_it_for_prometheus(office: Office):
    beat_all(office)
    office.case()
    office.sweep("due", "2024-01-12 03:00")
    text = Metrics().exposition(office.service.alert_health()).decode()
    values = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert values["baozhuang_alerts_known",] == 1
    assert values["baozhuang_sweep_lag_seconds", "due"] == 0
    assert values["baozhuang_sweep_late", "due"] == 0
    # Three days, eighteen hours after all of them ran.
    assert values["baozhuang_sweep_lag_seconds", "digest"] == dt.timedelta(days=3, hours=18).total_seconds()
    assert values["baozhuang_sweep_late", "digest"] == 1
    assert values["baozhuang_alerts_standing", "yellow"] == values["baozhuang_alerts_standing", "orange"] == 1
    assert values["baozhuang_alerts_standing", "black"] == 0
    assert values["baozhuang_calendar_days_left",] == (dt.date(2026, 12, 21) - dt.date(2024, 1, 12)).days


def test_without_its_database_the_metrics_say_that_they_do_not_know():
    text = Metrics().exposition(None).decode()
    assert "baozhuang_alerts_known 0.0" in text
    assert "baozhuang_sweep" not in text


@pytest.mark.parametrize("name", sorted(SWEEPS))
def test_every_sweep_has_its_time(name: str):
    assert health.EVERY[name] > 0
