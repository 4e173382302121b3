"""One value at a time: times in every form, numbers as offices write them, closed lists, sentinels."""

from __future__ import annotations

import datetime as dt

import pytest

from workflow.replay import tables

HEAD = "case_id,activity,lifecycle,occurred_at,recorded_at,source,value,old_value,new_value,amount\n"


def event(**given: str) -> str:
    row = {
        "case_id": "C1",
        "activity": "metering",
        "lifecycle": "complete",
        "occurred_at": "2026-01-05 10:00:00",
    } | given
    return HEAD + ",".join(f'"{row.get(name, "")}"' for name in HEAD.strip().split(",")) + "\n"


KEEPER = "K,application,submit,2026-01-01 00:00:01,,,,,,\n"
"""A sound row, so that a history whose other row is refused still has an event."""


@pytest.mark.parametrize(
    ("text", "moment", "date"),
    [
        ("2026-01-02", (2026, 1, 2), True),
        ("2026/1/2", (2026, 1, 2), True),
        ("2026.01.02", (2026, 1, 2), True),
        ("2026年1月2日", (2026, 1, 2), True),
        ("20260102", (2026, 1, 2), True),
        ("2026/1/2 3:04", (2026, 1, 2, 3, 4), False),
        ("2026-01-02T03:04:05", (2026, 1, 2, 3, 4, 5), False),
        ("2026-01-02 00:00:00", (2026, 1, 2), True),
        ("2026-01-02 24:00", (2026, 1, 2), True),  # closes its own day
        ("2026-01-02 24:00:00", (2026, 1, 2), True),
        ("20260102240000", (2026, 1, 2), True),
        ("2026-01-02T24:00:00+08:00", (2026, 1, 2), True),
        ("2026-01-02T24:00:00Z", (2026, 1, 3, 8), False),
        ("2026年1月2日 3时4分", (2026, 1, 2, 3, 4), False),
        ("2026-01-02T03:04:05Z", (2026, 1, 2, 11, 4, 5), False),
        ("2026-01-02T23:30:00+01:00", (2026, 1, 3, 6, 30), False),
        ("2026-01-02T03:04:05+0800", (2026, 1, 2, 3, 4, 5), False),
        ("2026-01-02 03:04:05.250", (2026, 1, 2, 3, 4, 5, 250_000), False),
        ("２０２６年１月２日", (2026, 1, 2), True),  # as a Chinese keyboard types it
        ("２０２６／１／２ ３：０４", (2026, 1, 2, 3, 4), False),
        ("２０２６－０１－０２", (2026, 1, 2), True),
    ],
)
def test_a_time_is_read(take, text, moment, date):
    taken = take(event(occurred_at=text))
    assert taken.rows("events", "occurred_at", "occurred_is_date") == [(dt.datetime(*moment), date)]


@pytest.mark.parametrize(
    "text",
    [
        "45000",
        "2026-02-30",
        "2026-01-02 25:00",
        "2026-01-02 24:01",
        "tomorrow",
        "0206-01-02",
        "2026-1",
        "3026-01-01",
        "1月2日",
        "１月２日",
    ],
)
def test_what_is_no_time_is_rejected_with_its_row(take, text):
    taken = take(event(occurred_at=text) + KEEPER)
    assert taken.rejected == [("2", "occurred_at", text, "row")]
    assert taken.rows("cases", "case_id") == [("K",)]  # nobody else speaks of C1


def test_numbers_of_full_width_are_read_and_codes_stay_as_they_are(take):
    plain = event(case_id="C1", amount="1200.5").removeprefix(HEAD)
    taken = take(event(case_id="Ｃ１", amount="１，２００．５元") + plain)
    assert sorted(taken.rows("events", "case_id", "amount")) == [("C1", 1200.5), ("Ｃ１", 1200.5)]


@pytest.mark.parametrize("source", ["archive", "contract", "marketing", ""])
def test_midnight_is_a_date_whatever_its_source(take, source):
    taken = take(event(occurred_at="2026-01-02 00:00:00", recorded_at="2026-01-03 00:00:00", source=source))
    assert taken.rows("events", "occurred_is_date", "recorded_is_date") == [(True, True)]


def test_a_second_after_midnight_is_a_time(take):
    taken = take(event(occurred_at="2026-01-02 00:00:01", recorded_at="2026-01-03 00:00:01", source="archive"))
    assert taken.rows("events", "occurred_is_date", "recorded_is_date") == [(False, False)]


@pytest.mark.parametrize(
    "day", ["1900-01-01", "1970-01-01 08:00:00", "1980-01-01", "2000-01-01", "2099-12-31 23:59:59"]
)
def test_a_sentinel_is_not_known_and_counted(take, day):
    taken = take(event(occurred_at=day))
    assert taken.rows("events", "occurred_at", "activity") == [(None, "metering")]
    assert taken.counts["parts"][0]["sentinel_dates"] == 1
    assert taken.rejected == []


@pytest.mark.parametrize(
    ("given", "column", "lost"),
    [
        ({"case_id": ""}, "case_id", "row"),
        ({"activity": "dancing"}, "activity", "row"),
        ({"lifecycle": "observed"}, "activity", "row"),
        ({"lifecycle": ""}, "lifecycle", "row"),
        ({"recorded_at": "soon"}, "recorded_at", "value"),
        ({"source": "erp"}, "source", "value"),
        ({"amount": "1,00"}, "amount", "value"),
        ({"activity": "suspension", "lifecycle": "start", "value": "weather"}, "value", "value"),
        ({"activity": "service_contact", "lifecycle": "observed", "value": "chat"}, "value", "value"),
    ],
)
def test_a_fault_costs_the_row_only_where_the_row_is_nothing_without_it(take, given, column, lost):
    taken = take(event(**given) + KEEPER)
    assert [(line["our_column"], line["lost"]) for line in taken.sheet("rejected")] == [(column, lost)]
    assert len(taken.rows("events", "case_id")) == (1 if lost == "row" else 2)


def test_a_number_that_a_spreadsheet_wrote_for_a_code_is_no_code(take):
    """2.40301E+13 is what a spreadsheet writes for any code of 14 digits that begins so: two orders became one, whose
    steps were out of order. Nobody knows any more which was meant; what only looks like it stays."""
    lost = ["2.40301E+13", "2.40301e+13", "2E+11", "2.4E+019"]
    kept = ["2.40301E+1", "2.40301E13", "2.40301E+13号", "A2.4E+13"]
    head = "case_id,activity,lifecycle,occurred_at\n"
    taken = take(head + "".join(f"{one},metering,complete,2026-01-05 10:00\n" for one in lost + kept))
    assert [case for (case,) in taken.rows("events", "case_id")] == kept
    assert taken.rejected == [(str(at), "case_id", one, "row") for at, one in enumerate(lost, start=2)]
    assert all(line["reason_en"].startswith("a code stored as a number") for line in taken.sheet("rejected"))


def test_a_torn_history_is_marked_on_its_case(take):
    taken = take(event(occurred_at="?") + KEEPER + "K,metering,complete,never,,,,,,\n", cases="case_id\nC1\nK\n")
    assert taken.rows("cases", "case_id", "rejected_rows") == [("C1", 1), ("K", 1)]


@pytest.mark.parametrize(
    ("column", "text"),
    [
        ("customer_kind", "居民"), ("enterprise_size", "huge"), ("capacity_kw", "8..1"), ("voltage", "380V"),
        ("supply_count", "two"), ("area", "郊区"), ("user_class", "居民"), ("business_type", "新装"),
        ("channel", "fax"), ("voltage_kv", "x"), ("important_customer", "maybe"), ("prior_capacity_kw", "x"),
        ("account_opened_on", "gestern"),
    ],
)  # fmt: skip
def test_a_lost_fact_is_marked_on_its_case(take, column, text):
    taken = take(event() + KEEPER, cases=f"case_id,{column}\nC1,{text}\nK,\n")
    assert taken.rejected == [("2", column, text, "value")]
    kept = taken.rows("cases", "case_id", "rejected_rows", "lost_values")
    assert kept == [("C1", 0, tables.lost_value(column)), ("K", 0, 0)]


def test_facts_lost_in_several_rows_are_all_marked(take):
    rows = "C1,郊区,x,fax\nC1,urban,y,online\nK,,,\n"
    taken = take(event() + KEEPER, cases="case_id,area,capacity_kw,channel\n" + rows)
    lost = tables.lost_value("area", "capacity_kw", "channel")
    assert taken.rows("cases", "case_id", "area", "lost_values") == [("C1", "urban", lost), ("K", None, 0)]


@pytest.mark.parametrize(
    ("text", "number"),
    [("1,000", 1000), ("630kVA", 630), ("2,000.5 kW", 2000.5), ("-315", -315), ("100千瓦", 100), ("1e3", 1000)],
)
def test_a_capacity_is_read(take, text, number):
    taken = take(event(), cases=f'case_id,capacity_kw\nC1,"{text}"\n')
    assert taken.rows("cases", "capacity_kw") == [(number,)]


@pytest.mark.parametrize("text", ["1,00", "ten", "nan", "inf", "1.2.3", "=1+1"])
def test_what_is_no_capacity_is_told_and_the_case_stays(take, text):
    taken = take(event(), cases=f'case_id,capacity_kw,org\nC1,"{text}",X\n')
    assert taken.rows("cases", "capacity_kw", "org") == [(None, "X")]
    told = taken.sheet("rejected")
    if text != "nan":  # how programs write an empty cell
        assert [line["value"] for line in told] == [f"'{text}" if text.startswith("=") else text]


def test_the_lifecycle_of_other_systems_goes_without_saying(take):
    taken = take(event(activity="first_energy", lifecycle=""))
    assert taken.rows("events", "lifecycle") == [("observed",)]


def test_corrected_times_are_written_one_way(take):
    taken = take(
        event(activity="correction", lifecycle="changed", value="metering.complete.occurred_at", old_value="2026/1/9",
              new_value="2026-01-08T10:30:00+08:00")
    )  # fmt: skip
    assert taken.rows("events", "old_value", "new_value") == [("2026-01-09", "2026-01-08 10:30:00")]


def test_columns_the_input_had_are_named(take):
    import json

    import duckdb

    taken = take(
        "case_id,activity,lifecycle,occurred_at,ref\nC1,metering,complete,2026-01-05 10:00,R\n",
        cases="case_id,org\nC1,X\n",
    )

    def present(path):
        key = duckdb.execute(
            f"SELECT value FROM parquet_kv_metadata('{path}') WHERE key = 'present_columns'"
        ).fetchall()[0][0]
        return set(json.loads(key))

    assert present(taken.intake.events) == {"case_id", "activity", "lifecycle", "occurred_at", "ref"}
    assert present(taken.intake.cases) == {"case_id", "org"}


def test_cases_are_merged_and_what_disagrees_is_told(take):
    taken = take(
        event() + "C9,metering,complete,2026-01-05 10:00,,,,,,\n",
        cases="case_id,org,manager\nC1,X,\nC1,Y,m\nC2,Z,n\nC2,Z,n\n",
    )
    assert taken.rows("cases", "case_id", "org", "manager", order="case_id") == [
        ("C1", "X", "m"), ("C2", "Z", "n"), ("C9", None, None),
    ]  # fmt: skip
    assert [tuple(line.values()) for line in taken.sheet("conflicts")] == [("C1", "org", "X", "1", "Y", "2")]
    assert taken.counts["cases"] == {
        "written": 3,
        "known_from_events_only": 1,
        "merged_rows": 2,
        "conflicting_values": 1,
    }


def test_a_row_said_twice_is_kept_and_counted(take):
    row = event().removeprefix(HEAD)
    taken = take(HEAD + row * 3)
    assert len(taken.rows("events", "row")) == 3
    assert taken.counts["events"]["duplicates_kept"] == 2


def test_columns_that_nothing_is_read_from_are_named(take):
    taken = take(HEAD.replace("amount", "amonut") + event().removeprefix(HEAD))
    assert [one["columns_left"] for one in taken.counts["inputs"]] == [["amonut"]]
