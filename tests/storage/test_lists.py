"""Lists and streams: who sees what, in which order."""

from __future__ import annotations

import pytest

import storage._lists
from storage import Database, DeadlineRow, Filter, OrgRow, PersonalRow
from tests.storage.samples import MOMENT, deadline, store

ORGS = [
    OrgRow("hubei", None, "province", "湖北", "国网湖北", "420000"),
    OrgRow("wuhan", "hubei", "city", "武汉", None, "420100"),
    OrgRow("wuhan2", "hubei", "city", "与武汉同首", None, "420200"),
    OrgRow("jiangan", "wuhan", "county", "江岸", None, "420102"),
    OrgRow("team-7", "jiangan", "team", "七班", None, "420102"),
]


def listed(database: Database, narrowed: Filter = Filter(), **page) -> list[str]:  # noqa: B008  # immutable
    with database.read() as tx:
        return [row.id for row in tx.list_applications(narrowed, **page)]


@pytest.fixture
def filled(database: Database) -> Database:
    with database.write() as tx:
        tx.put_orgs(ORGS)
        store(tx, "c1", org="hubei", region="420000", manager="张三", due_on="2026-01-12")
        store(tx, "c2", org="wuhan", region="420100", manager="张三", due_on="2026-01-13", user_class="residential")
        store(tx, "c3", org="wuhan2", region="420200", state="metering.waiting")
        store(tx, "c4", org="jiangan", region="420102", external_id="E4")
        store(tx, "c5", org="team-7", region="430102", due_on="2026-01-12", state="withdrawn", closed_at=MOMENT)
        store(tx, "c6", org=None, region="420199")
        store(tx, "c7", org="nowhere", region="421000")
    return database


@pytest.mark.parametrize(
    ("narrowed", "ids"),
    [
        (Filter(), "c7 c6 c5 c4 c3 c2 c1"),
        (Filter(scope="hubei"), "c5 c4 c3 c2 c1"),
        (Filter(scope="wuhan"), "c5 c4 c2"),
        (Filter(scope="wuhan2"), "c3"),
        (Filter(scope="team-7"), "c5"),
        (Filter(scope="nowhere"), "c7"),
        (Filter(scope="unknown"), ""),
        (Filter(scope="wuhan", org="hubei"), "c5 c4 c2"),
        (Filter(scope="hubei", org="jiangan"), "c5 c4"),
        (Filter(scope="wuhan2", org="wuhan"), ""),
        (Filter(region="420000"), "c7 c6 c4 c3 c2 c1"),
        (Filter(region="420100"), "c6 c4 c2"),
        (Filter(region="420102"), "c4"),
        (Filter(region="421000"), "c7"),
        (Filter(region="000000"), "c7 c6 c5 c4 c3 c2 c1"),
        (Filter(state="metering.waiting"), "c3"),
        (Filter(user_class="residential"), "c2"),
        (Filter(manager="张三"), "c2 c1"),
        (Filter(external_id="E4"), "c4"),
        (Filter(due_before="2026-01-12"), ""),
        (Filter(due_before="2026-01-13"), "c1"),
        (Filter(overdue_before="2026-01-14"), "c2 c1"),
        (Filter(due_before="2026-01-14", overdue_before="2026-01-13"), "c1"),
        (Filter(not_overdue_from="2026-01-13"), "c7 c6 c5 c4 c3 c2"),
        (Filter(not_overdue_from="2026-01-14"), "c7 c6 c5 c4 c3"),
        (Filter(manager="张三", user_class="residential", scope="wuhan"), "c2"),
    ],
)
def test_a_list_holds_what_was_asked_for_newest_first(filled: Database, narrowed, ids):
    assert listed(filled, narrowed) == ids.split()


def test_pages_follow_one_another(filled: Database):
    assert listed(filled, limit=3) == ["c7", "c6", "c5"]
    assert listed(filled, limit=3, before="c5") == ["c4", "c3", "c2"]
    assert listed(filled, limit=3, before="c2") == ["c1"]
    assert listed(filled, before="c1") == []


def test_moving_an_org_moves_all_below_it(filled: Database):
    with filled.write() as tx:
        tx.put_orgs([ORGS[3]._replace(parent="wuhan2")])
        paths = {org.code: org.path for org in tx.orgs()}
    assert paths["team-7"] == "hubei/wuhan2/jiangan/team-7/"
    assert listed(filled, Filter(scope="wuhan")) == ["c2"]
    assert listed(filled, Filter(scope="wuhan2")) == ["c5", "c4", "c3"]


def test_same_need_finds_premises_or_customer_at_the_address_open_or_closed_recently(database: Database):
    old = MOMENT.replace("2026", "2024")
    with database.write() as tx:
        first = store(tx, "c1", premises_id="P")
        store(tx, "c2", premises_id="P", closed_at=MOMENT, state="terminated")
        store(tx, "c3", premises_id="P", closed_at=old, state="terminated")
        store(tx, "c4", premises_id="Q", predecessor="c1")
        store(tx, "c5", premises_id="Q")
        store(tx, "c6", premises_id="R")
        store(tx, "c7", premises_id="P", predecessor="c2")
        for case_id, customer, address in [("c1", "u1", "A"), ("c4", "u1", "A"), ("c5", "u2", "A"), ("c6", "u1", "B")]:
            tx.put_personal(PersonalRow(case_id, "s", customer, None, None, address))
    with database.read() as tx:
        assert [row.id for row in tx.same_need("P", "u1", "A", MOMENT)] == ["c7", "c4", "c2", "c1"]
        assert [row.id for row in tx.same_need("Q", None, None, MOMENT)] == ["c5", "c4"]
        assert [row.id for row in tx.same_need("P", "u1", None, old)] == ["c7", "c3", "c2", "c1"]
        assert tx.same_need("S", "u9", "A", "") == []
        assert [row.id for row in tx.successors(first)] == ["c4"]
        assert tx.successors(first._replace(id="c9", premises_id="S")) == []


def test_deadlines_another_calendar_may_move_come_in_pages(database: Database):
    moved = [
        deadline("c1", "a", due_on="2026-12-22"),
        deadline("c1", "b", due_on="2026-12-01", provisional=True),
        deadline("c2", "a", due_on="2026-12-31", status="suspended"),
        deadline("c2", "b", due_on=None, status="suspended", provisional=True),
        deadline("c3", "a", due_on="2027-03-01", provisional=True),
    ]
    firm = [
        deadline("c1", "c", due_on="2026-12-21"),
        deadline("c1", "d", due_on="2026-12-31", status="met"),
        deadline("c1", "e", due_on="2026-12-31", status="breached", provisional=True),
        deadline("c1", "f", due_on=None, status="waiting", provisional=True),
        deadline("c1", "g", due_on=None, status="cancelled"),
    ]
    with database.write() as tx:
        tx.put_deadlines([*firm, *moved])
    found: list[DeadlineRow] = []
    after = ("", "")
    while True:
        with database.write() as tx:
            page = tx.deadlines_to_recount("2026-12-21", after=after, limit=2)
        if not page:
            break
        found += page
        after = (page[-1].case_id, page[-1].key)
    assert found == moved


@pytest.mark.parametrize("cases", [1, 2, 3, 4, 5])
def test_streams_are_complete_whatever_the_page(database: Database, monkeypatch, cases):
    monkeypatch.setattr(storage._lists, "PAGE", 2)
    ids = [f"c{number}" for number in range(cases)]
    with database.write() as tx:
        rows = [store(tx, case_id, events=3) for case_id in ids]
    with database.read() as tx:
        assert list(tx.cases()) == rows
        assert list(tx.cases(after="c0")) == rows[1:]
        assert list(tx.heads()) == [(row.id, 3, row.head_hash) for row in rows]
        assert [(row.case_id, row.case_seq) for row in tx.all_events()] == [(i, n) for i in ids for n in (1, 2, 3)]


@pytest.mark.parametrize("ids", [["a", "B", "_", "é", "中", "𠀀", "Z-", "Z"]])
def test_order_is_that_of_code_points_on_both(database: Database, ids):
    with database.write() as tx:
        for case_id in ids:
            store(tx, case_id)
    with database.read() as tx:
        assert [head.case_id for head in tx.heads()] == sorted(ids)
