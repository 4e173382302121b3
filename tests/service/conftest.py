"""A running service on each database, with a clock set by hand."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from typing import Any

import pytest

from storage import Database
from tests.core.driver import FACTS, PAPERS, at, shipped_book
from workflow.core.commands import COMMANDS, Submission
from workflow.core.events import Principal
from workflow.service import Answer, Reply, Service
from workflow.service.evidence import differing

CLERK, SUPERVISOR = Principal("clerk", "front_line"), Principal("supervisor", "supervisor")


class HandClock:
    """Stands still until it is set."""

    def __init__(self, text: str) -> None:
        self.moment = at(text)

    def now(self) -> dt.datetime:
        return self.moment

    def set(self, text: str) -> None:
        self.moment = at(text)


class Desk:
    """A service as a clerk uses it."""

    def __init__(self, service: Service, clock: HandClock) -> None:
        self.service = service
        self.clock = clock

    def body(self, user_class: str, number: int = 1, **more: Any) -> Submission:
        facts = FACTS[user_class]
        return Submission.model_validate(
            {
                "customer": {"id": f"C{number}", "name": "张三", "phone": "13800000000"},
                "premises": {"id": f"P{number}", "address": f"演示路 {number} 号"},
                "documents": PAPERS[facts["voltage"]],
                **facts,
                **more,
            }
        )

    def submit(
        self, user_class: str, number: int = 1, *, who: Principal = CLERK, key: str | None = None, **more: Any
    ) -> Answer:
        return self.service.submit(who, self.body(user_class, number, **more), key).result(30)

    def start(
        self,
        case_id: str,
        command: dict[str, Any],
        *,
        who: Principal = CLERK,
        key: str | None = None,
        if_match: int | None = None,
    ) -> Reply[Answer]:
        seen = None if if_match is None else (if_match,)
        return self.service.command(who, case_id, COMMANDS.validate_python(command), key, seen)

    def do(self, case_id: str | None, name: str, *, who: Principal | None = None, **fields: Any) -> Answer:
        """A command; `key` and `if_match` go to the service, the rest into the command."""
        assert case_id is not None
        key, if_match = fields.pop("key", None), fields.pop("if_match", None)
        principal = who or (SUPERVISOR if name == "countersign" else CLERK)
        return self.start(case_id, {"command": name, **fields}, who=principal, key=key, if_match=if_match).result(30)

    def shown(self, case_id: str | None, who: Principal = CLERK) -> dict[str, Any]:
        assert case_id is not None
        found: dict[str, Any] = json.loads(self.service.application(who, case_id).body)
        return found

    def disagreeing(self) -> list[str]:
        """The cases whose rows are not what their events give."""
        with self.service.database.read() as tx:
            calendar = self.service.calendars.refresh(tx)
            return list(differing(tx, self.service.law, calendar, self.clock.now().date()))


@pytest.fixture
def clock() -> HandClock:
    return HandClock("2024-01-08")


@pytest.fixture
def desk(database: Database, clock: HandClock) -> Iterator[Desk]:
    service = Service(database, shipped_book(), clock)
    yield Desk(service, clock)
    service.close()


@pytest.fixture
def sqlite_desk(sqlite_url: str, clock: HandClock) -> Iterator[Desk]:
    service = Service.open(sqlite_url, book=shipped_book(), clock=clock)
    yield Desk(service, clock)
    service.close()


def refused(answer: Answer) -> str | None:
    return None if answer.refusal is None else answer.refusal.code


def due(shown: dict[str, Any], key: str = "total") -> str | None:
    found: str | None = next(one["due_on"] for one in shown["deadlines"] if one["key"] == key)
    return found
