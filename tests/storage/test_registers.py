"""The small tables."""

from __future__ import annotations

import pytest

from storage import (
    AppendOnly,
    Database,
    DefinitionRow,
    Duplicate,
    EvidenceRow,
    KeyRow,
    NoticeRow,
    OrgRow,
    Rejected,
    StaffRow,
    StorageError,
)
from tests.storage.samples import MOMENT

LATER = MOMENT.replace("01-05", "01-06")


def test_keys_are_found_by_the_hash_of_their_secret_and_revoked_once(database: Database):
    key = KeyRow("k2", "营销系统", "a" * 64, "front_line", "wuhan", MOMENT, None)
    other = KeyRow("k1", "检查", "b" * 64, "inspector", None, LATER, None)
    with database.write() as tx:
        tx.add_key(other)
        tx.add_key(key)
        assert tx.key("a" * 64) == key
        assert tx.key("c" * 64) is None
        assert tx.keys() == [key, other]
        assert tx.revoke_key("k2", LATER)
        assert not tx.revoke_key("k2", MOMENT)
        assert not tx.revoke_key("k3", MOMENT)
        assert tx.key("a" * 64) == key._replace(revoked_at=LATER)
    with pytest.raises(Duplicate, match="api_key"), database.write() as tx:
        tx.add_key(other._replace(id="k9"))


def test_orgs_may_come_in_any_order_and_know_their_path(database: Database):
    county = OrgRow("c", "b", "county", "县", None, "420102")
    city = OrgRow("b", "a", "city", "市", "国网", "420100")
    with database.write() as tx:
        tx.put_orgs([county, city, OrgRow("a", None, "province", "省", None, None)])
        assert tx.org("c") == county._replace(path="a/b/c/")
        assert [org.code for org in tx.orgs()] == ["a", "b", "c"]
        tx.put_orgs([city._replace(name="新名", parent=None)])
        assert tx.org("b") == city._replace(name="新名", parent=None, path="b/")
        assert tx.org("c") == county._replace(path="b/c/")
        assert tx.org("d") is None


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([OrgRow("a", "x", "city", "市", None, None)], "unknown parent x"),
        ([OrgRow("a", "b", "city", "市", None, None), OrgRow("b", "a", "city", "市", None, None)], "circle"),
        ([OrgRow("a", "a", "city", "市", None, None)], "circle"),
    ],
)
def test_orgs_without_root_are_refused(database: Database, rows, told):
    with pytest.raises(StorageError, match=told), database.write() as tx:
        tx.put_orgs(rows)
    with database.read() as tx:
        assert tx.orgs() == []


@pytest.mark.parametrize("wrong", [{"code": "a/b"}, {"code": ""}, {"level": "village"}])
def test_orgs_that_would_break_paths_are_refused(database: Database, wrong):
    with pytest.raises(Rejected), database.write() as tx:
        tx.put_orgs([OrgRow("a", None, "city", "市", None, None)._replace(**wrong)])


def test_staff_are_replaced_by_id(database: Database):
    first = StaffRow("s2", "张三", "wuhan", "manager", "13800000000", "s1")
    second = StaffRow("s1", "李四", "wuhan", "manager", None, None)
    with database.write() as tx:
        tx.put_staff([first, second])
        tx.put_staff([first._replace(org="jiangan")])
        assert tx.staff() == [second, first._replace(org="jiangan")]
        assert tx.member("s1") == second
        assert tx.member("s3") is None


def test_published_definitions_and_notices_keep_their_first_date(database: Database):
    definition = DefinitionRow("h", '{"名": 1}', MOMENT)
    notice = NoticeRow("n", 2027, "year: 2027\n", MOMENT, "admin")
    with database.write() as tx:
        tx.put_definition(definition)
        tx.put_definition(definition._replace(published_at=LATER))
        assert tx.definition("h") == definition
        assert tx.definitions() == [definition]
        assert tx.definition("x") is None
        assert tx.put_notice(notice)
        assert not tx.put_notice(notice._replace(imported_at=LATER))
        assert tx.put_notice(notice._replace(hash="m", year=2026))
        assert [row.hash for row in tx.notices()] == ["m", "n"]


@pytest.mark.parametrize("change", ["UPDATE {} SET content = 'forged'", "DELETE FROM {}"])
@pytest.mark.parametrize("table", ["definition", "calendar_notice", "evidence_record"])
def test_what_cases_are_judged_by_stays_as_it_was_kept(database: Database, table, change):
    """The definition a case is pinned to, the notices its days were counted by, the records of other systems."""
    with database.write() as tx:
        tx.put_definition(DefinitionRow("h", "{}", MOMENT))
        tx.put_notice(NoticeRow("n", 2027, "year: 2027\n", MOMENT, "admin"))
        tx.add_evidence(EvidenceRow("e1", "c1", "{}", "d1", MOMENT, "grid"))
    with pytest.raises(AppendOnly), database.write() as tx:
        tx._execute(change.format(table), ())
    with database.read() as tx:
        assert (tx.definitions()[0].content, tx.notices()[0].content) == ("{}", "year: 2027\n")
        assert tx.evidence("c1")[0].content == "{}"


def test_evidence_delivered_twice_is_kept_once(database: Database):
    record = EvidenceRow("e1", "c1", "{}", "d1", MOMENT, "k1")
    with database.write() as tx:
        assert tx.add_evidence(record)
        assert not tx.add_evidence(record._replace(id="e2"))
        assert tx.add_evidence(record._replace(id="e3", digest="d2", case_id=None))
        assert tx.evidence("c1") == [record]
    # Another record under the same id is no second delivery.
    with pytest.raises(Duplicate, match="evidence_record"), database.write() as tx:
        tx.add_evidence(record._replace(digest="d9"))


def test_settings(database: Database):
    with database.write() as tx:
        assert tx.setting("installation") is None
        tx.put_setting("installation", "x")
        tx.put_setting("installation", "y")
        assert tx.setting("installation") == "y"
