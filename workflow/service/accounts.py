"""Accounts of the staff: signing in to the pages, and staying signed in.

An account belongs to a member of the staff and has the role and unit the staff register gives; a session acts as the
same principal as a key would.  Passwords are kept as argon2id hashes, tokens of sessions as digests.  Who fails too
often has to wait, the account and the address each by itself, and nobody is told whether an account exists
[D-SIGN-IN].  Moments are of the service's clock, written in the business zone (Asia/Shanghai).
"""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
import secrets
from typing import Any, NamedTuple

import argon2
import uuid6

from definitions.model import SignInRule
from storage import AccountRow, Duplicate, FailureRow, SessionRow, StaffRow, Tx
from workflow.core.events import Principal
from workflow.core.refusals import Refused, refuse
from workflow.core.times import write
from workflow.service import access
from workflow.service.service import Service

AREA = "keys"
"""Who administers keys administers accounts."""
LONGEST_NAME, LONGEST_PASSWORD = 64, 256
_FEWEST_CHARACTERS = 5
"""Different characters in a password."""
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # nothing that is misread on paper
_HASHER = argon2.PasswordHasher()


class SignedIn(NamedTuple):
    """Somebody who is signed in: as whom, under which name, and whether the password has to be changed first."""

    principal: Principal
    name: str
    must_change: bool


# Signing in


def sign_in(service: Service, name: str, password: str, address: str) -> str:
    """The token of a new session of the account `name`, asked for from the network `address`. Takes tens of
    milliseconds and of megabytes. Raises Refused: `sign-in-failed`, `too-many-attempts`."""
    name, password = name.strip(), password[: LONGEST_PASSWORD + 1]
    attempt = _attempt(service, name, address)
    found = _read(service, name)
    if not _verified(None if found is None or found[0].disabled_at else found[0].password_hash, password):
        raise _failed()
    token = secrets.token_urlsafe(32)

    def work(tx: Tx) -> None:
        current = tx.account(name)
        if found is None or current is None or current[0] != found[0]:
            raise _failed()  # disabled or changed in the meantime
        tx.drop_failures(of=attempt[0].subject, ids=[row.id for row in attempt])
        _begin(service, tx, name, token)

    service.transact(work)
    return token


def session(service: Service, token: str) -> SignedIn | None:
    """Who the token of a session stands for; None when it is unknown or has run out."""
    rule, now = _rule(service), service.clock.now()
    hashed = access.hash_of(token)
    with service.database.read() as tx:
        found = tx.session(hashed)
    if found is None:
        return None
    row, account, member = found
    seen = dt.datetime.fromisoformat(row.seen_at)
    if account.disabled_at or write(now) >= row.ends_at or now >= seen + rule.idle:
        return None
    if now >= seen + rule.noted_every:
        service.queue(lambda tx: tx.note_session(hashed, write(now)))  # nobody waits for it
    return SignedIn(_principal(member), member.name, account.must_change)


def sign_out(service: Service, token: str) -> None:
    """End the session of this token; it is good for nothing any more."""
    service.transact(lambda tx: tx.end_session(access.hash_of(token)))


def change_password(service: Service, principal: Principal, old: str, new: str, address: str) -> str:
    """Change one's own password. Every session of the account ends; the answer is the token of a new one. Raises
    Refused."""
    attempt = _attempt(service, principal.who, address)
    found = _read(service, principal.who)
    if found is None or not _verified(found[0].password_hash, old):
        raise refuse("sign-in-failed", "原密码不正确; 请重新输入", "The old password is wrong; enter it again")
    _check(_rule(service), found[1], new)
    if new == old:
        raise refuse("password-not-allowed", "新密码不能与原密码相同", "The new password must differ from the old one")
    hashed, token = _HASHER.hash(new), secrets.token_urlsafe(32)

    def work(tx: Tx) -> None:
        tx.drop_failures(of=attempt[0].subject, ids=[row.id for row in attempt])
        tx.set_password(principal.who, hashed, must_change=False, at=write(service.clock.now()))
        tx.end_sessions(principal.who)
        _begin(service, tx, principal.who, token)

    service.transact(work)
    return token


# Administering


def create(
    service: Service, principal: Principal, staff: str, password: str | None = None, *, must_change: bool = True
) -> dict[str, Any]:
    """An account for a member of the staff; the answer holds its password, this once. `password`: instead of a random
    one. Raises Refused."""
    access.check_administers(service.law.roles, principal, AREA)
    with service.database.read() as tx:
        member = tx.member(staff)
        if member is not None and not access.sees(tx, principal, member.org):
            member = None
    if member is None:
        raise refuse(
            "not-found",
            f"没有工号 {staff[:64]}; 请先导入人员 (baozhuang staff import)",
            f"There is no member of the staff {staff[:64]}; import the staff first (baozhuang staff import)",
        )
    chosen = _chosen(service, member, password)
    now = write(service.clock.now())
    row = AccountRow(staff, _HASHER.hash(chosen), must_change, now, principal.who, now)
    try:
        service.transact(lambda tx: tx.add_account(row))
    except Duplicate as error:
        raise refuse(
            "account-exists",
            f"{staff} 已有账户; 忘记密码请用 baozhuang accounts reset",
            f"{staff} has an account already; for a new password use baozhuang accounts reset",
        ) from error
    return {**_shown(row, member), "password": chosen}


def reset(service: Service, principal: Principal, staff: str, password: str | None = None) -> dict[str, Any]:
    """A new password, to be changed when it is first used; sessions end, and a disabled account may sign in again.
    The answer holds the password, this once. Raises Refused."""
    row, member = _administered(service, principal, staff)
    chosen = _chosen(service, member, password)
    hashed, now = _HASHER.hash(chosen), write(service.clock.now())

    def work(tx: Tx) -> None:
        tx.set_password(staff, hashed, must_change=True, at=now)
        tx.set_disabled(staff, None)
        tx.drop_failures(of=_digest("account", staff), ids=[])
        tx.end_sessions(staff)

    service.transact(work)
    shown = _shown(row._replace(must_change=True, changed_at=now, disabled_at=None), member)
    return {**shown, "password": chosen}


def disable(service: Service, principal: Principal, staff: str) -> dict[str, Any]:
    """Let nobody sign in to this account any more, and end its sessions; again changes nothing. Raises Refused."""
    row, member = _administered(service, principal, staff)
    at = row.disabled_at or write(service.clock.now())

    def work(tx: Tx) -> None:
        tx.set_disabled(staff, at)
        tx.end_sessions(staff)

    service.transact(work)
    return _shown(row._replace(disabled_at=at), member)


def listed(service: Service, principal: Principal) -> list[dict[str, Any]]:
    """The accounts in the principal's part of the organisation, by id. Raises Refused."""
    access.check_administers(service.law.roles, principal, AREA)
    with service.database.read() as tx:
        return [_shown(row, member) for row, member in tx.accounts() if access.sees(tx, principal, member.org)]


# Inside


def _rule(service: Service) -> SignInRule:
    return service.law.book.sign_in


def _digest(kind: str, which: str) -> str:
    return hashlib.sha256(f"{kind}:{which[: 4 * LONGEST_NAME]}".encode()).hexdigest()


def _attempt(service: Service, name: str, address: str) -> list[FailureRow]:
    """Count this attempt as failed until it has succeeded, so that no number of attempts at the same time is more than
    may be made one after the other. Raises Refused when there were too many."""
    rule, now = _rule(service), service.clock.now()
    limits = {
        _digest("account", name): rule.failures_of_account,
        _digest("address", address): rule.failures_from_address,
    }
    rows = [FailureRow(str(uuid6.uuid7()), subject, write(now)) for subject in limits]
    since = write(now - rule.failure_window)

    def work(tx: Tx) -> bool:
        tx.exclude_writers()
        tx.forget_failures(since)
        failed = tx.failures(list(limits), since)
        if any(failed.get(subject, 0) >= most for subject, most in limits.items()):
            return False
        tx.add_failures(rows)
        return True

    if not service.transact(work):
        minutes = rule.failure_window // dt.timedelta(minutes=1)
        raise refuse(
            "too-many-attempts",
            f"登录失败次数过多, 请 {minutes} 分钟后再试, 或请管理员重置密码",
            f"Too many attempts failed; try again in {minutes} minutes, or ask the administrator for a new password",
        )
    return rows


def _read(service: Service, name: str) -> tuple[AccountRow, StaffRow] | None:
    with service.database.read() as tx:
        return tx.account(name)


@functools.cache
def _nobody() -> str:
    """A hash that no password fits: an account that does not exist takes as long as one that does."""
    return _HASHER.hash(secrets.token_urlsafe(32))


def _verified(hashed: str | None, password: str) -> bool:
    try:
        _HASHER.verify(hashed or _nobody(), password)
    except argon2.exceptions.VerifyMismatchError:
        return False
    return hashed is not None


def _failed() -> Refused:
    return refuse(
        "sign-in-failed",
        "工号或密码不正确; 请核对后重试, 忘记密码请联系管理员",
        "The staff number or the password is wrong; check them, or ask the administrator for a new password",
    )


def _begin(service: Service, tx: Tx, staff: str, token: str) -> None:
    rule, now = _rule(service), service.clock.now()
    tx.forget_sessions(write(now), write(now - rule.idle))
    tx.add_session(SessionRow(access.hash_of(token), staff, write(now), write(now), write(now + rule.lasts)))


def _principal(member: StaffRow) -> Principal:
    return Principal(member.id, member.role, member.org)


def _administered(service: Service, principal: Principal, staff: str) -> tuple[AccountRow, StaffRow]:
    access.check_administers(service.law.roles, principal, AREA)
    with service.database.read() as tx:
        found = tx.account(staff)
        if found is None or not access.sees(tx, principal, found[1].org):
            raise refuse("not-found", f"没有账户 {staff[:64]}", f"There is no account {staff[:64]}")
    return found


def _chosen(service: Service, member: StaffRow, password: str | None) -> str:
    if password is None:
        return "-".join("".join(secrets.choice(_ALPHABET) for _ in range(4)) for _ in range(4))
    _check(_rule(service), member, password)
    return password


def _check(rule: SignInRule, member: StaffRow, password: str) -> None:
    if not rule.password_length <= len(password) <= LONGEST_PASSWORD:
        raise refuse(
            "password-not-allowed",
            f"密码至少 {rule.password_length} 个字符, 至多 {LONGEST_PASSWORD} 个; 可以用一句话",
            f"A password has {rule.password_length} to {LONGEST_PASSWORD} characters; a sentence is fine",
        )
    told = [word for word in (member.id.lower(), member.name.lower()) if len(word) > 1 and word in password.lower()]
    if told or len(set(password)) < _FEWEST_CHARACTERS:
        raise refuse(
            "password-not-allowed",
            "密码不能由几个相同字符组成, 也不能包含工号或姓名",
            "A password may not be made of a few characters repeated, nor contain the staff number or the name",
        )


def _shown(row: AccountRow, member: StaffRow) -> dict[str, Any]:
    return {
        "staff": row.staff,
        "name": member.name,
        "role": member.role,
        "org": member.org,
        "must_change": row.must_change,
        "created_at": row.created_at,
        "created_by": row.created_by,
        "disabled_at": row.disabled_at,
    }
