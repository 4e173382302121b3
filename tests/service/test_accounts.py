"""Signing in: who gets in, who has to wait, and when a session ends; nobody learns whether an account exists."""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ThreadPoolExecutor

import argon2
import pytest

from storage import OrgRow, StaffRow
from tests.alerts.office import HandClock
from tests.core.driver import shipped_book
from workflow.core.refusals import Refused
from workflow.service import Principal, Service, accounts
from workflow.service.access import check_administers, check_command, check_reads

ADMIN = Principal("root", "admin")
HOME = "192.0.2.7"
GOOD, BETTER = "correct horse battery", "一二三四五六七八九十百千万"


@pytest.fixture
def clock() -> HandClock:
    return HandClock("2026-11-25 09:00")


@pytest.fixture
def service(database, clock, monkeypatch):
    cheap = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(accounts, "_HASHER", cheap)
    accounts._nobody.cache_clear()
    opened = Service(database, shipped_book(), clock)
    opened.put_orgs([OrgRow("P", None, "province", "省", None, None), OrgRow("C", "P", "city", "市", None, None)])
    opened.put_staff(
        [
            StaffRow("zhang", "张三", "C", "manager", None, None),
            StaffRow("li", "李四", "P", "supervisor", None, None),
        ]
    )
    yield opened
    opened.writer.close()


@pytest.fixture
def zhang(service) -> str:
    """An account that has been used."""
    accounts.create(service, ADMIN, "zhang", GOOD, must_change=False)
    return "zhang"


def code(work, *arguments) -> str:
    with pytest.raises(Refused) as refused:
        work(*arguments)
    return refused.value.refusal.code


def fail(service, name: str, address: str = HOME) -> str:
    return code(accounts.sign_in, service, name, "wrong", address)


def test_a_session_is_the_principal_that_a_key_would_be(service, zhang):
    token = accounts.sign_in(service, zhang, GOOD, HOME)
    signed = accounts.session(service, token)
    assert signed is not None
    assert signed.principal == Principal("zhang", "manager", "C")
    assert (signed.name, signed.must_change) == ("张三", False)
    assert accounts.session(service, token[::-1]) is None


def test_neither_password_nor_token_is_stored(service, zhang):
    token = accounts.sign_in(service, zhang, GOOD, HOME)
    with service.database.read() as tx:
        row, _ = tx.account("zhang") or (None, None)
        assert tx.session(token) is None
    assert row is not None
    assert row.password_hash.startswith("$argon2id$")
    assert GOOD not in row.password_hash


def test_who_does_not_exist_is_refused_in_the_same_words(service, zhang):
    told = []
    for name in (zhang, "nobody"):
        with pytest.raises(Refused) as refused:
            accounts.sign_in(service, name, "wrong", HOME)
        told.append(refused.value.refusal)
    assert told[0] == told[1]


@pytest.mark.parametrize("name", ["zhang", "nobody"])
def test_the_sixth_attempt_has_to_wait_whether_or_not_there_is_an_account(service, zhang, clock, name):
    assert [fail(service, name) for _ in range(5)] == ["sign-in-failed"] * 5
    assert fail(service, name) == "too-many-attempts"
    assert code(accounts.sign_in, service, name, GOOD, "198.51.100.9") == "too-many-attempts"
    clock.moment += dt.timedelta(minutes=15, seconds=1)
    assert fail(service, name) == "sign-in-failed"


def test_success_forgets_the_failures_of_the_account(service, zhang):
    for _ in range(3):
        for _ in range(4):
            fail(service, zhang)
        accounts.sign_in(service, zhang, GOOD, HOME)


def test_an_address_that_tries_many_accounts_has_to_wait(service, zhang):
    for number in range(50):
        assert fail(service, f"guess{number}") == "sign-in-failed"
    assert fail(service, "guess50") == "too-many-attempts"
    assert code(accounts.sign_in, service, zhang, GOOD, HOME) == "too-many-attempts"
    assert accounts.sign_in(service, zhang, GOOD, "198.51.100.9")


def test_attempts_at_the_same_time_are_no_more_than_one_after_the_other(service, zhang):
    with ThreadPoolExecutor(12) as pool:
        told = list(pool.map(lambda _: fail(service, zhang), range(12)))
    assert sorted(told) == ["sign-in-failed"] * 5 + ["too-many-attempts"] * 7


def test_a_session_ends_when_nobody_asks_for_an_hour(service, zhang, clock):
    token = accounts.sign_in(service, zhang, GOOD, HOME)
    for _ in range(3):
        clock.moment += dt.timedelta(minutes=59)
        assert accounts.session(service, token) is not None
        service.transact(lambda _: None)  # noted by now
    clock.moment += dt.timedelta(minutes=60)
    assert accounts.session(service, token) is None


def test_a_session_ends_after_twelve_hours_however_busy(service, zhang, clock):
    token = accounts.sign_in(service, zhang, GOOD, HOME)
    for _ in range(23):
        clock.moment += dt.timedelta(minutes=30)
        assert accounts.session(service, token) is not None
        service.transact(lambda _: None)
    clock.moment += dt.timedelta(minutes=30)
    assert accounts.session(service, token) is None


def test_signing_out_disabling_and_resetting_end_sessions(service, zhang):
    one, other = (accounts.sign_in(service, zhang, GOOD, HOME) for _ in range(2))
    accounts.sign_out(service, one)
    assert accounts.session(service, one) is None
    assert accounts.session(service, other) is not None
    accounts.disable(service, ADMIN, zhang)
    assert accounts.session(service, other) is None
    assert code(accounts.sign_in, service, zhang, GOOD, HOME) == "sign-in-failed"
    made = accounts.reset(service, ADMIN, zhang)
    token = accounts.sign_in(service, zhang, made["password"], HOME)
    signed = accounts.session(service, token)
    assert signed is not None
    assert signed.must_change
    accounts.reset(service, ADMIN, zhang)
    assert accounts.session(service, token) is None


def test_a_new_password_ends_every_other_session(service, zhang):
    one, other = (accounts.sign_in(service, zhang, GOOD, HOME) for _ in range(2))
    who = Principal("zhang", "manager", "C")
    fresh = accounts.change_password(service, who, GOOD, BETTER, HOME)
    assert [accounts.session(service, token) is not None for token in (one, other, fresh)] == [False, False, True]
    assert code(accounts.sign_in, service, zhang, GOOD, HOME) == "sign-in-failed"
    assert accounts.sign_in(service, zhang, BETTER, HOME)


def test_the_old_password_cannot_be_guessed_through_a_session(service, zhang):
    who = Principal("zhang", "manager", "C")
    told = [code(accounts.change_password, service, who, f"guess {n}", BETTER, HOME) for n in range(6)]
    assert told == ["sign-in-failed"] * 5 + ["too-many-attempts"]


@pytest.mark.parametrize(
    "password", ["elevenchars", "x" * 257, "aaaabbbbccccdddd", "my name is ZHANG!", "我的名字叫张三, 别告诉别人", GOOD]
)
def test_passwords_that_are_not_allowed(service, zhang, password):
    who = Principal("zhang", "manager", "C")
    assert code(accounts.change_password, service, who, GOOD, password, HOME) == "password-not-allowed"
    assert accounts.sign_in(service, zhang, GOOD, HOME)


def test_an_account_is_for_a_member_of_the_staff_and_there_is_one(service, zhang):
    assert code(accounts.create, service, ADMIN, "stranger") == "not-found"
    assert code(accounts.create, service, ADMIN, "zhang") == "account-exists"
    assert code(accounts.create, service, Principal("li", "supervisor", "P"), "li") == "not-permitted"


def test_an_administrator_sees_its_own_part_of_the_organisation(service, zhang):
    accounts.create(service, ADMIN, "li")
    assert [one["staff"] for one in accounts.listed(service, ADMIN)] == ["li", "zhang"]
    below = Principal("c", "admin", "C")
    assert [one["staff"] for one in accounts.listed(service, below)] == ["zhang"]
    assert code(accounts.reset, service, below, "li") == "not-found"


def test_role_and_unit_are_those_of_the_staff_register_now(service, zhang):
    token = accounts.sign_in(service, zhang, GOOD, HOME)
    service.put_staff([StaffRow("zhang", "张三", "P", "supervisor", None, None)])
    signed = accounts.session(service, token)
    assert signed is not None
    assert signed.principal == Principal("zhang", "supervisor", "P")


def test_a_role_that_the_rules_do_not_name_may_nothing():
    for check, what in ((check_command, "submit"), (check_reads, "applications"), (check_administers, "keys")):
        with pytest.raises(Refused) as refused:
            check({}, ADMIN, what)
        assert refused.value.refusal.code == "not-permitted"
