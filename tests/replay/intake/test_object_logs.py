"""Object logs as they come: what is broken costs itself alone, and is told; what is no log is refused in words."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import Any

import pytest

from workflow.replay.intake import BadHistory

MAPPING = """
mapping: o
name: {zh: 对象日志, en: object log}
case_object: Order
tables:
  - name: orders
    read: cases
    case: {case_id: id, org: {column: station, optional: true}}
  - name: events
    read: events
    events:
      - {case_id: case, names: {column: type, to: {Meter: meter_installed.observed}}, occurred_at: time}
"""
DAY = "2026-01-05T02:00:00Z"


def log() -> dict[str, Any]:
    """Ten orders with two meters each: event 2n + 1 and 2n + 2 are of order On."""
    return {
        "objects": [{"id": f"O{n}", "type": "Order", "attributes": []} for n in range(10)],
        "events": [
            {"id": f"e{n}", "type": "Meter", "time": DAY, "relationships": [{"objectId": f"O{n // 2}"}]}
            for n in range(20)
        ],
    }


@pytest.fixture
def taken(take, tmp_path):
    """`taken(content)`: a log, or the bytes of a file, read."""

    def read(content: Any, name: str = "log.json"):
        path, mapping = tmp_path / name, tmp_path / "o.yaml"
        mapping.write_text(MAPPING, encoding="utf-8")
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        return take(path, mapping=mapping)

    return read


BROKEN_EVENTS: list[tuple[Any, str]] = [
    ("no object", "no object or event of OCEL 2.0"),
    (None, "no object or event of OCEL 2.0"),
    ({"id": "e", "type": "Meter", "time": DAY, "relationships": "O0"}, "no object or event of OCEL 2.0"),
    ({"id": "e", "type": "Meter", "time": DAY, "relationships": [{"objectId": ["O0"]}]}, "no object or event"),
    ({"id": "e", "type": "Meter", "time": DAY, "relationships": [{"qualifier": "x"}]}, "no object or event"),
    ({"id": "e", "type": "Meter", "time": DAY, "attributes": [{"value": 1}]}, "no object or event of OCEL 2.0"),
    ({"id": "e", "type": "Meter", "time": {"on": DAY}}, "no object or event of OCEL 2.0"),
    ({"id": "e", "type": "Meter", "time": DAY}, "a required value is empty"),  # of no case
    ({"id": "e", "type": "Meter", "relationships": [{"objectId": "O0"}]}, "a required value is empty"),
    ({"id": "e", "time": DAY, "relationships": [{"objectId": "O0"}]}, "a required value is empty"),
    ({"id": "e", "type": "Meter", "time": "星期一", "relationships": [{"objectId": "O0"}]}, "not a time"),
    ({"id": "e", "type": "Meter", "time": 1767578400, "relationships": [{"objectId": "O0"}]}, "not a time"),
    ({"id": "e", "type": "Meter\ud800", "time": DAY, "relationships": [{"objectId": "O0"}]}, "cannot be decoded"),
]


@pytest.mark.parametrize(("broken", "reason"), BROKEN_EVENTS)
def test_a_broken_event_costs_itself_alone(taken, broken, reason):
    """The fifth event, of O2, is broken: nineteen are left, and its place and reason are told."""
    content = log()
    content["events"][4] = broken
    found = taken(content)
    assert len(found.rows("events", "case_id")) == 19
    lines = found.sheet("rejected")
    assert {(line["row"], line["lost"]) for line in lines} == {("5", "row")}
    assert any(reason in line["reason_en"] for line in lines)
    told = {one["as"]: one["rows"] for one in found.counts["inputs"]}
    assert told["events"] == 20


def test_the_case_of_a_torn_event_says_so(taken):
    content = log()
    content["events"][4]["attributes"] = "none"
    found = taken(content)
    assert [row for row in found.rows("cases", "case_id", "rejected_rows") if row[1]] == [("O2", 1)]


@pytest.mark.parametrize("broken", [7, {"type": "Order"}, {"id": "O3"}, {"id": "O3", "type": "Order", "attributes": 1}])
def test_a_broken_object_is_told_with_its_place(taken, broken):
    content = log()
    content["objects"][3] = broken
    found = taken(content)
    lines = [line for line in found.sheet("rejected") if line["table"] == "cases"]
    assert [(line["row"], line["lost"]) for line in lines] == [("4", "row")]
    assert len(found.rows("events", "case_id")) == 18  # its two events are of no case now, and told


def test_an_event_of_several_cases_is_a_record_of_each(taken):
    content = log()
    content["events"][0]["relationships"] += [{"objectId": "O7", "qualifier": 3}, {"objectId": "O7"}]
    assert len(taken(content).rows("events", "case_id")) == 21


def test_ids_may_be_numbers(taken):
    content = json.loads(json.dumps(log()).replace('"id": "O', '"id": "').replace('"objectId": "O', '"objectId": "'))
    for one in content["objects"]:
        one["id"] = int(one["id"])
    found = taken(content)
    assert sorted(found.rows("cases", "case_id")) == [(str(n),) for n in range(10)]
    assert (len(found.rows("events", "case_id")), found.sheet("rejected")) == (20, [])


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "gb18030"])
def test_the_encoding_is_found(taken, encoding):
    content = log()
    content["objects"][0]["attributes"] = [{"name": "station", "value": "城东"}]
    found = taken(json.dumps(content, ensure_ascii=False).encode(encoding))
    assert found.rows("cases", "org")[0] == ("城东",)


@pytest.mark.parametrize(
    ("value", "org", "reason"),
    [
        (float("nan"), "nan", None),
        (float("inf"), "inf", None),
        ([1, 2], "[1, 2]", None),
        ("\ud800", None, "contains bytes that cannot be decoded"),
        ("x" * 100_001, None, "a cell of more than 100,000 characters"),
    ],
)
def test_a_value_that_is_none_costs_the_value(taken, value, org, reason):
    content = log()
    content["objects"][0]["attributes"] = [{"name": "station", "value": value}]
    found = taken(content)
    assert found.rows("cases", "case_id", "org")[0] == ("O0", org)
    assert [(line["lost"], line["reason_en"]) for line in found.sheet("rejected")] == [("value", reason)] * bool(reason)


@pytest.mark.parametrize("name", ["id", "type", "time", "case", "#row", "#at"])
def test_an_attribute_called_like_a_column_of_ours_is_not_taken_for_it(taken, name):
    content = log()
    for one in (*content["objects"], *content["events"]):
        one["attributes"] = [{"name": name, "value": "other"}]
    found = taken(content)
    assert (len(found.rows("cases", "case_id")), len(found.rows("events", "case_id"))) == (10, 20)
    assert found.sheet("rejected") == []


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"null", b"3", b'{"objects": []}', b'{"objects": null, "events": null}',
     b'{"objects": 1, "events": []}',
     b'{"objects": {"a": 1}, "events": []}', json.dumps(log()).encode()[:-9], b"[" * 100_000, b"SQLite format 3\0" * 99,
     bytes(range(256))],
)  # fmt: skip
def test_what_is_no_log_is_refused(taken, content):
    with pytest.raises(BadHistory, match=" / "):
        taken(content)


TABLES = """
CREATE TABLE object_map_type (ocel_type, ocel_type_map); INSERT INTO object_map_type VALUES ('Order', 'Order');
CREATE TABLE event_map_type (ocel_type, ocel_type_map); INSERT INTO event_map_type VALUES ('Meter', 'Meter');
CREATE TABLE object (ocel_id, ocel_type); INSERT INTO object VALUES (1, 'Order'), ('O2', 'Order');
CREATE TABLE object_Order (ocel_id, ocel_time, station);
INSERT INTO object_Order VALUES (1, '', 'S'), ('O2', '', CAST(x'ff' AS TEXT)), ('O3', '', 'S');
CREATE TABLE event (ocel_id, ocel_type); INSERT INTO event VALUES ('e1', 'Meter'), ('e2', 'Meter');
CREATE TABLE event_Meter (ocel_id, ocel_time);
INSERT INTO event_Meter VALUES ('e1', '2026-01-05T02:00:00Z'), ('e2', '2026-01-05T02:00:00Z'), ('e3', '2026-01-05');
CREATE TABLE event_object (ocel_event_id, ocel_object_id, ocel_qualifier);
INSERT INTO event_object VALUES ('e1', '1', ''), ('e2', 'O2', ''), ('e4', 'O2', '');
"""


def database(path, change: str = "") -> bytes:
    with closing(sqlite3.connect(path)) as file:
        file.executescript(TABLES + change)
    return bytes(path.read_bytes())


def test_rows_that_no_object_or_event_stands_for_are_told(taken, tmp_path):
    found = taken(database(tmp_path / "made"), "log.sqlite")
    assert sorted(found.rows("cases", "case_id", "org", order="case_id")) == [("1", "S"), ("O2", None)]
    assert sorted(found.rows("events", "case_id")) == [("1",), ("O2",)]
    assert [(line["table"], line["row"], line["lost"]) for line in found.sheet("rejected")] == [
        ("cases", "3", "row"),  # object O3
        ("events", "3", "row"),  # event e3
        ("events", "4", "row"),  # what event e4 is said to be about
        ("cases", "2", "value"),  # the station of O2
    ]


@pytest.mark.parametrize("table", ["object", "event", "event_object", "object_map_type", "object_Order", "event_Meter"])
@pytest.mark.parametrize("how", ["DROP TABLE {0}", "ALTER TABLE {0} RENAME COLUMN {1} TO other"])
def test_a_database_without_a_table_or_a_column_is_refused(taken, tmp_path, table, how):
    column = {"object_map_type": "ocel_type", "event_object": "ocel_event_id"}.get(table, "ocel_id")
    with pytest.raises(BadHistory, match=r"不是完整的 OCEL 2\.0 SQLite 日志 / "):
        taken(database(tmp_path / "made", how.format(table, column)), "log.sqlite")
