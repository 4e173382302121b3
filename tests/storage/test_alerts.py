"""Alerts are claimed once, cleared when their deadline no longer stands so, and looked at when their day comes."""

from __future__ import annotations

from typing import Any

import pytest

from storage import AlertFilter, Database, MessageFilter, OrgRow, Rejected, SweepRow, Tx
from tests.storage.alert_samples import LATER, LATEST, alert
from tests.storage.samples import MOMENT, deadline, store


def test_a_rung_is_claimed_once(database: Database):
    first, other = alert("a1"), alert("a2", level="orange", day="2026-02-06", remaining=1)
    with database.write() as tx:
        assert tx.raise_alerts([first, other]) == ([first, other], [])
        assert tx.raise_alerts([]) == ([], [])
    again, black = alert("a3"), alert("a4", level="black", day="2026-02-10", remaining=-1)
    with database.write() as tx:
        assert tx.raise_alerts([again, black]) == ([black], [])
        assert tx.raise_alerts([again]) == ([], [])
        assert [row.id for row in tx.list_alerts(AlertFilter())] == ["a4", "a2", "a1"]
        assert tx.alert("a1") == first
        assert tx.alert("a3") is None
        assert tx.alerts_by_id(["a1", "a3"]) == {"a1": first}
        assert tx.standing_by_level() == {"red": 1, "orange": 1, "black": 1}


def test_a_cleared_rung_that_is_reached_again_stands_again_under_its_old_id(database: Database):
    with database.write() as tx:
        tx.raise_alerts([alert("a1"), alert("a2", level="orange", day="2026-02-06")])
        tx.acknowledge_alert("a2", "key:w", LATER, None)
        tx.clear_alerts("c1", ["total"], LATER, "moved")
    with database.write() as tx:
        raised = tx.raise_alerts(
            [alert("a3", due_on="2026-02-11", manager="w2"), alert("a4", level="black", day="2026-02-10")]
        )
        assert [row.id for row in raised.new] == ["a4"]
        assert raised.revived == [alert("a1", due_on="2026-02-11", manager="w2")]
        assert tx.alert("a1") == raised.revived[0]
        cleared = tx.alert("a2")
        assert cleared is not None
        assert (cleared.status, cleared.cleared_because, cleared.acknowledged_by) == ("cleared", "moved", "key:w")


def test_clearing_is_of_the_named_timers_of_one_case_and_happens_once(database: Database):
    with database.write() as tx:
        tx.raise_alerts(
            [alert("a1"), alert("a2", key="step:metering:1", scope="step"), alert("a3", "c2"), alert("a4", key="plan")]
        )
        tx.clear_alerts("c1", ["total", "plan"], LATER, "met")
        tx.clear_alerts("c1", ["total"], LATEST, "withdrawn")
        tx.clear_alerts("c1", [], LATEST, "withdrawn")
        first = tx.alert("a1")
        assert first is not None
        assert (first.status, first.cleared_at, first.cleared_because) == ("cleared", LATER, "met")
        assert [row.id for row in tx.list_alerts(AlertFilter(status="standing"))] == ["a3", "a2"]
        assert [row.id for row in tx.standing_of_case("c1")] == ["a2"]
        assert tx.clear_ids(["a2", "a4"], LATEST, "stale") == 1


def test_a_subject_that_is_no_case_is_cleared_and_nothing_else(database: Database):
    with database.write() as tx:
        rows = [
            alert(name, subject="report:2026H1:wuhan", case_id=None, scope="report", key="2026H1", day=day)
            for name, day in (("a1", "2026-07-01"), ("a2", "2026-07-10"))
        ]
        tx.raise_alerts([*rows, alert("a3")])
        assert tx.clear_subject("report:2026H1:wuhan", LATER, "stale") == 2
        assert [row.id for row in tx.list_alerts(AlertFilter(status="standing"))] == ["a3"]


def test_lists_are_narrowed_and_paged(database: Database):
    with database.write() as tx:
        tx.put_orgs(
            [OrgRow("city", None, "city", "市", None, None), OrgRow("wuhan", "city", "county", "县", None, None)]
        )
        tx.raise_alerts([alert(f"a{n}", f"c{n}", level="black" if n % 2 else "red") for n in range(6)])
        tx.raise_alerts([alert("b1", "c9", org="elsewhere", manager="w2")])
        tx.acknowledge_alert("a3", "key:w", LATER, "去现场")

        def ids(narrowed: AlertFilter, **page: object) -> list[str]:
            return [row.id for row in tx.list_alerts(narrowed, **page)]  # type: ignore[arg-type]  # options of the page

        assert ids(AlertFilter(scope="city")) == ["a5", "a4", "a3", "a2", "a1", "a0"]
        assert ids(AlertFilter(scope="city"), before="a4", limit=2) == ["a3", "a2"]
        assert ids(AlertFilter(org="elsewhere")) == ids(AlertFilter(manager="w2")) == ["b1"]
        assert ids(AlertFilter(scope="city", org="elsewhere")) == []
        assert ids(AlertFilter(level="black", status="open")) == ["a5", "a1"]
        assert ids(AlertFilter(status="acknowledged")) == ["a3"]
        assert ids(AlertFilter(case_id="c2")) == ids(AlertFilter(subject="c2")) == ["a2"]


def test_acknowledging_and_snoozing_hold_for_what_stands(database: Database):
    with database.write() as tx:
        tx.raise_alerts([alert("a1"), alert("a2", "c2")])
        assert tx.acknowledge_alert("a1", "key:w", LATER, "已联系")
        assert not tx.acknowledge_alert("a1", "key:v", LATEST, None)
        assert tx.snooze_alert("a1", LATEST, "等停电")
        found = tx.alert("a1", lock=True)
        tx.clear_alerts("c2", ["total"], LATER, "met")
        assert not tx.snooze_alert("a2", LATEST, "x")
        assert not tx.acknowledge_alert("a2", "key:w", LATER, None)
        assert not tx.acknowledge_alert("zz", "key:w", LATER, None)
    assert found == alert(
        "a1", status="acknowledged", acknowledged_at=LATER, acknowledged_by="key:w", note="已联系",
        snoozed_until=LATEST, snooze_reason="等停电",
    )  # fmt: skip


def test_what_nobody_acknowledged_in_time_is_escalated_unless_it_rests(database: Database):
    with database.write() as tx:
        tx.raise_alerts([alert(f"a{n}", f"c{n}", escalate_at=at) for n, at in enumerate([LATER, MOMENT, LATEST, None])])
        tx.raise_alerts([alert("b1", "c8", escalate_at=MOMENT), alert("b2", "c9", escalate_at=MOMENT)])
        tx.acknowledge_alert("b1", "key:w", MOMENT, None)
        tx.snooze_alert("b2", LATEST, "x")
        assert [row.id for row in tx.alerts_to_escalate(LATER, 10)] == ["a1", "a0"]
        assert [row.id for row in tx.alerts_to_escalate(LATER, 1, lock=True)] == ["a1"]
        tx.set_escalations([(1, LATEST, "a1"), (2, None, "a0")])
        assert [row.id for row in tx.alerts_to_escalate(LATER, 10)] == []
        assert {row.id for row in tx.alerts_to_escalate(LATEST, 10)} == {"a1", "a2", "b2"}
        found = tx.alert("a0")
        assert found is not None
        assert (found.escalations, found.escalate_at) == (2, None)


def test_deadlines_are_looked_at_when_their_day_has_come(database: Database):
    with database.write() as tx:
        for number in range(4):
            store(tx, f"c{number}", manager=f"w{number}")
        tx.put_deadlines(
            [
                deadline("c0", look_on="2026-01-07"),
                deadline("c1", look_on="2026-01-06"),
                deadline("c2", look_on="2026-01-08"),
                deadline("c3"),
            ]
        )
    with database.write() as tx:
        assert tx.oldest_look() == "2026-01-06"
        looks = tx.due_looks("2026-01-07", 10)
        assert [(look.case_id, look.look_on, look.manager) for look in looks] == [
            ("c1", "2026-01-06", "w1"),
            ("c0", "2026-01-07", "w0"),
        ]
        assert [look.case_id for look in tx.due_looks("2026-01-07", 1)] == ["c1"]
        assert looks[0]._asdict() == {
            "case_id": "c1", "key": "total", "scope": "total", "step": None, "budget": 22, "ledger": "[]",
            "due_on": "2026-02-09", "status": "running", "look_on": "2026-01-06", "org": "wuhan", "region": "420102",
            "manager": "w1", "application_no": "Ac1",
        }  # fmt: skip
        tx.move_looks([("2026-01-09", "c1", "total"), (None, "c0", "total")])
        tx.move_looks([])
        assert tx.due_looks("2026-01-07", 10) == []
        assert [row.look_on for row in tx.deadlines("c1")] == ["2026-01-09"]
        assert [row.look_on for row in tx.deadlines("c0")] == [None]


def test_looking_again_never_puts_off(database: Database):
    with database.write() as tx:
        for number, (status, look) in enumerate(
            [("running", "2026-01-08"), ("running", None), ("running", "2026-01-05"), ("met", None)]
        ):
            store(tx, f"c{number}")
            tx.put_deadline(deadline(f"c{number}", status=status, look_on=look))
        tx.look_again([("2026-01-06", f"c{number}", "total") for number in range(4)])
        looks = [tx.deadlines(f"c{number}")[0].look_on for number in range(4)]
    assert looks == ["2026-01-06", "2026-01-06", "2026-01-05", None]


def test_two_workers_take_different_deadlines(postgresql_url: str):
    first, second = Database.open(postgresql_url), Database.open(postgresql_url)
    with first.write() as tx:
        for number in range(4):
            store(tx, f"c{number}")
            tx.put_deadline(deadline(f"c{number}", look_on="2026-01-06"))
    with first.write() as one, second.write() as two:
        taken = [{look.case_id for look in tx.due_looks("2026-01-06", 3)} for tx in (one, two)]
    assert [len(cases) for cases in taken] == [3, 1]
    assert taken[0] | taken[1] == {"c0", "c1", "c2", "c3"}
    for each in (first, second):
        each.close()


def test_standing_alerts_come_with_how_their_deadline_stands_now(database: Database):
    with database.write() as tx:
        store(tx, "c1")
        tx.put_deadline(deadline("c1", due_on="2026-02-10"))
        tx.raise_alerts([alert("a1"), alert("a2", key="gone"), alert("a3", "c2"), alert("a4", "c0")])
        tx.clear_alerts("c2", ["total"], LATER, "met")
        found = tx.standings(("", ""), 10)
        assert found == [
            ("c0", "a4", "total", "2026-02-09", "2026-02-09", None, None),
            ("c1", "a1", "total", "2026-02-09", "2026-02-09", "running", "2026-02-10"),
            ("c1", "a2", "gone", "2026-02-09", "2026-02-09", None, None),
        ]
        assert tx.standings(("c1", "a1"), 10, lock=True) == found[2:]
        assert tx.standings(("", ""), 1) == found[:1]


def test_a_heartbeat_keeps_the_last_good_run(database: Database):
    good = SweepRow("due", "w:1", MOMENT, LATER, LATER, 7, 3, True, None)
    with database.write() as tx:
        tx.sweep_started("due", "w:1", MOMENT)
        assert tx.sweeps() == [SweepRow("due", "w:1", MOMENT, None, None, 0, 0, False, None)]
        tx.sweep_finished(good)
        tx.sweep_finished(good._replace(name="a"))
        assert tx.sweeps() == [good._replace(name="a"), good]
        tx.sweep_started("due", "w:2", LATEST)
        assert tx.sweeps()[1] == good._replace(worker="w:2", started_at=LATEST, finished_at=None)
        bad = SweepRow("due", "w:2", LATEST, LATEST, None, 0, 0, False, "boom")
        tx.sweep_finished(bad)
        assert tx.sweeps()[1] == bad._replace(last_good_at=LATER)


@pytest.mark.parametrize(
    "wrong",
    [
        {"scope": "other"},
        {"level": "green"},
        {"status": "cleared"},
        {"status": "acknowledged"},
        {"day": "2026-2-9"},
        {"raised_at": "2026-02-09T10:00"},
        {"escalations": -1},
    ],
)
def test_the_schema_refuses_what_makes_no_sense(database: Database, wrong):
    with pytest.raises(Rejected), database.write() as tx:
        tx.raise_alerts([alert("a1", **wrong)])


def test_what_sweeps_ask_again_and_again_is_answered_by_an_index(sqlite_url: str, monkeypatch: pytest.MonkeyPatch):
    database = Database.open(sqlite_url)
    asked: list[str] = []

    def compiled(tx: Tx, statement: Any) -> Any:
        asked.append(str(statement.compile(dialect=tx._backend.compiler, compile_kwargs={"render_postcompile": True})))
        return query(tx, statement)

    def rendered(tx: Tx, sql: str, rows: Any) -> Any:
        asked.append(sql)
        return execute(tx, sql, rows)

    query, execute = Tx._query, Tx._beside
    with monkeypatch.context() as patch, database.write() as tx:
        patch.setattr(Tx, "_query", compiled)
        patch.setattr(Tx, "_beside", rendered)
        tx.due_looks("2026-01-07", 1)
        tx.oldest_look()
        tx.alerts_to_escalate(LATER, 1)
        tx.standings(("", ""), 1)
        tx.standing_of_case("c1")
        tx.clear_alerts("c1", ["total"], LATER, "met")
        tx.lease_messages("w", MOMENT, LATER, 1)
        tx.oldest_unsent(LATER)
        tx.pending_count()
        tx.dead_count()
        tx.list_messages(MessageFilter(status="dead"))
        tx.due_order_looks("2026-01-07", 1)
    assert len(asked) == 12
    with database.read() as tx:
        driver = tx._link.driver
        for sql in asked:
            # With parameters left open, as SQLite plans them.
            plan = driver.execute(f"EXPLAIN QUERY PLAN {sql}", [None] * sql.count("?")).fetchall()
            read = [step for *_, step in plan if step.startswith(("SCAN", "SEARCH"))]
            assert [step for step in read if "INDEX" not in step and "PRIMARY KEY (" not in step] == [], sql
    database.close()


def test_alerts_are_listed_by_whether_they_were_passed_on(database: Database):
    with database.write() as tx:
        tx.raise_alerts([alert("a1"), alert("a2", "c2")])
        tx.set_escalations([(1, None, "a2")])
        assert [row.id for row in tx.list_alerts(AlertFilter(escalated=True))] == ["a2"]
        assert [row.id for row in tx.list_alerts(AlertFilter(escalated=False))] == ["a1"]
