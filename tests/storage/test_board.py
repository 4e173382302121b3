"""The board's rows on both databases: order, pages, filters together, counts; views and absences."""

from __future__ import annotations

import random
import sqlite3
from typing import Any

import pytest

from storage import GENESIS, AbsenceRow, BoardFilter, CaseRow, OrgRow, PersonalRow, SavedViewRow, key_of
from storage._board import CLOSED, DUE, WAITING, _counts, _page, _shape
from storage.dialects import SQLITE

AT = "2026-01-05T10:00:00.000000+08:00"


def case(number: int, *, due: str | None, closed: bool, **changed: Any) -> CaseRow:
    row = CaseRow(
        id=f"00000000-0000-7000-8000-{number:012d}",
        application_no=f"BZ-{number:04d}",
        external_id=f"X{number}",
        org="T1",
        region="960102",
        user_class="hv_single",
        state="energised" if closed else "metering.running",
        manager="m",
        project_manager=None,
        premises_id=f"P{number}",
        voltage="high",
        capacity_kw=1.0,
        business_type="new",
        channel="online",
        submitted_at=AT,
        closed_at=AT if closed else None,
        due_on=due,
        total_due_on=None,
        provisional=number % 2 == 0,
        definition_hash="d" * 64,
        version=1,
        head_hash=GENESIS,
        predecessor=None,
        snapshot="{}",
    )
    return row._replace(**changed)


@pytest.fixture
def rows(database) -> list[CaseRow]:
    """Sixty of all kinds, in no order."""
    pick = random.Random(7)
    made = []
    for number in range(60):
        due = pick.choice([None, "2026-01-05", "2026-01-06", "2026-02-01"])
        made.append(
            case(
                number,
                due=due,
                closed=number % 3 == 0,
                manager=pick.choice("mno"),
                org=pick.choice(["T1", "T2", "other"]),
                user_class=pick.choice(["hv_single", "hv_dual"]),
            )
        )
    pick.shuffle(made)
    with database.write() as tx:
        tx.put_orgs(
            [
                OrgRow("C", None, "city", "C", None, None),
                OrgRow("T1", "C", "team", "T1", None, None),
                OrgRow("T2", "C", "team", "T2", None, None),
            ]
        )
        for row in made:
            tx.insert_case(row)
            tx.put_personal(PersonalRow(row.id, "s", f"C{row.application_no}", None, None, None))
    return made


def expected(rows: list[CaseRow], wanted) -> list[str]:
    """The order in plain words: due ones by date, waiting ones by age, closed ones newest first."""
    chosen = [row for row in rows if wanted(row)]
    due = sorted((r for r in chosen if r.closed_at is None and r.due_on), key=lambda r: (r.due_on, r.id))
    waiting = sorted((r for r in chosen if r.closed_at is None and not r.due_on), key=lambda r: r.id)
    closed = sorted((r for r in chosen if r.closed_at is not None), key=lambda r: r.id, reverse=True)
    return [row.id for row in (*due, *waiting, *closed)]


NARROWED = [
    (BoardFilter(), lambda r: True),
    (BoardFilter(managers=("m",)), lambda r: r.manager == "m"),
    (BoardFilter(managers=("m", "n")), lambda r: r.manager in "mn"),
    (BoardFilter(scope="C"), lambda r: r.org in ("T1", "T2")),
    (BoardFilter(scope="other"), lambda r: r.org == "other"),
    (BoardFilter(scope="C", org="T2"), lambda r: r.org == "T2"),
    (BoardFilter(user_class="hv_dual", managers=("o",)), lambda r: r.user_class == "hv_dual" and r.manager == "o"),
    (BoardFilter(step="metering"), lambda r: r.closed_at is None),
    (
        BoardFilter(part=0, due_from="2026-01-06", due_to="2026-01-31"),
        lambda r: r.closed_at is None and r.due_on == "2026-01-06",
    ),
    (BoardFilter(part=1), lambda r: r.closed_at is None and r.due_on is None),
    (BoardFilter(part=2), lambda r: r.closed_at is not None),
    (BoardFilter(number="BZ-000"), lambda r: r.application_no < "BZ-0010"),
    (BoardFilter(number="X7"), lambda r: r.external_id == "X7"),
    (BoardFilter(number="P7"), lambda r: r.premises_id == "P7"),
    (BoardFilter(number="CBZ-0007"), lambda r: r.application_no == "BZ-0007"),
    (BoardFilter(number="no such"), lambda r: False),
]


@pytest.mark.parametrize(("narrowed", "wanted"), NARROWED)
def test_pages_hold_everything_once_in_order(database, rows, narrowed, wanted):
    with database.read() as tx:
        assert [row.id for row in tx.board(narrowed, limit=100)] == expected(rows, wanted)
        found, after = [], None
        while page := tx.board(narrowed, after=after, limit=7):
            found += [row.id for row in page]
            after = key_of(page[-1])
    assert found == expected(rows, wanted)


@pytest.mark.parametrize(("narrowed", "wanted"), NARROWED[:7])
def test_open_ones_are_counted_by_date(database, rows, narrowed, wanted):
    counts: dict[str | None, int] = {}
    for row in rows:
        if wanted(row) and row.closed_at is None:
            counts[row.due_on] = counts.get(row.due_on, 0) + 1
    with database.read() as tx:
        assert tx.board_counts(narrowed) == counts


def test_rows_come_as_they_were_stored(database, rows):
    with database.read() as tx:
        for row in tx.board(BoardFilter(), limit=100):
            whole = tx.case(row.id)
            assert whole is not None
            assert row == tuple(getattr(whole, name) for name in row._fields)


OPEN_OF_UNIT = "ix_application_unit (org=? AND due_on"


@pytest.mark.parametrize(
    ("narrowed", "part", "index"),
    [
        (BoardFilter(scope="C"), DUE, OPEN_OF_UNIT),
        (BoardFilter(scope="C", managers=("m",)), DUE, OPEN_OF_UNIT),
        (BoardFilter(scope="C", managers=("m",)), WAITING, OPEN_OF_UNIT),
        (BoardFilter(scope="C", managers=("m",)), CLOSED, "ix_application_manager (manager=?)"),
        (BoardFilter(managers=("m",)), DUE, "ix_application_manager (manager=?)"),
        (BoardFilter(), DUE, "ix_application_due (due_on>?)"),
    ],
)
def test_a_page_is_read_by_an_index(sqlite_url, narrowed, part, index):
    """What keeps a page as quick at a million rows as at a thousand."""
    statement = _page(SQLITE, _shape(narrowed), part, None)
    assert statement is not None
    assert f"USING INDEX {index}" in plan(sqlite_url, statement)


def test_a_unit_s_open_ones_are_counted_in_its_index(sqlite_url):
    for narrowed in (BoardFilter(scope="C"), BoardFilter(scope="C", managers=("m", "n"))):
        assert plan(sqlite_url, _counts(SQLITE, _shape(narrowed))).count(f"USING INDEX {OPEN_OF_UNIT}") == 2


def plan(url: str, statement: Any) -> str:
    with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
        values = ["" if name != "limit" else 51 for name in statement.parameters]
        return " ".join(str(row[3]) for row in connection.execute(f"EXPLAIN QUERY PLAN {statement.sql}", values))


def test_a_view_is_kept_once_per_name_and_person(database):
    with database.write() as tx:
        for staff, query in (("a", "1"), ("b", "2"), ("a", "3")):
            tx.put_view(SavedViewRow(staff, "v", query, AT))
        assert [view.query for view in tx.views("a")] == ["3"]
        assert tx.drop_view("a", "v")
        assert not tx.drop_view("a", "v")
        assert [view.query for view in tx.views("b")] == ["2"]


def test_absences_concern_both_until_they_end(database):
    rows = [
        AbsenceRow("1", "a", "b", "2026-01-05", "2026-01-06", AT, "a"),
        AbsenceRow("2", "b", "c", "2026-01-01", "2026-01-04", AT, "b"),
    ]
    with database.write() as tx:
        for row in rows:
            tx.add_absence(row)
        assert [one.id for one in tx.absences(staff="b", until="2026-01-04")] == ["2", "1"]
        assert [one.id for one in tx.absences(staff="b", until="2026-01-05")] == ["1"]
        assert [one.id for one in tx.absences(staff="a", until="2026-01-06")] == ["1"]
        assert not tx.end_absence("1", "b", AT)
        assert tx.end_absence("1", "a", AT)
        assert tx.absences(staff="b", until="2026-01-05") == []
