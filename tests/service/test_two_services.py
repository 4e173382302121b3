"""Two processes on one database, each with its own writer, asked the same thing at the same moment."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from storage import Contention, Database, Tx
from workflow.service import COMMANDS, Command, Principal, Service, Submission

CLERK = Principal("hall", "front_line")


def submission(number: int) -> Submission:
    return Submission.model_validate(
        {
            "customer": {"id": f"C-{number}"}, "premises": {"id": f"P-{number}"}, "customer_kind": "residential",
            "capacity_kw": 8, "voltage": "low", "area": "urban", "region": "420100", "channel": "online",
            "documents": [{"kind": "identity"}, {"kind": "premises_title"}],
        }
    )  # fmt: skip


def test_one_key_at_two_services_at_once_is_one_application(database: Database, database_url: str):
    with Service.open(database_url) as one, Service.open(database_url) as other, ThreadPoolExecutor(8) as pool:
        for number in range(25):

            def ask(service: Service, number: int = number) -> tuple[str | None, bytes]:
                answer = service.submit(CLERK, submission(number), f"key-{number}").result(30)
                assert answer.refusal is None
                return answer.case_id, answer.body

            answers = set(pool.map(ask, [one, other] * 4))
            assert len(answers) == 1
    with database.read() as tx:
        assert len(list(tx.cases())) == 25


def filed(service: Service) -> str:
    answer = service.submit(CLERK, submission(1), "submission").result(30)
    assert answer.case_id is not None
    return answer.case_id


def take_over(name: str) -> Command:
    return COMMANDS.validate_python({"command": "assign", "manager": name})


@pytest.mark.parametrize("one_caller", [True, False])
def test_what_the_other_one_did_to_a_case_is_seen(database: Database, database_url: str, one_caller: bool):
    with (
        Service.open(database_url, one_caller=one_caller) as one,
        Service.open(database_url, one_caller=one_caller) as other,
    ):
        case_id = filed(one)
        for turn, service in enumerate((one, one, other, one, other, other, one)):
            answer = service.command(CLERK, case_id, take_over(f"m{turn}"), f"key-{turn}").result(30)
            assert answer.refusal is None
    with database.read() as tx:
        row = tx.case(case_id)
        assert row is not None
        changes = [event.payload for event in tx.events(row.id) if event.type == "assigned"]
    assert row.manager == "m6"
    assert [f'"before":{{"manager":"m{turn}"}}' in change for turn, change in enumerate(changes[1:])] == [True] * 6


@pytest.mark.parametrize("one_caller", [True, False])
def test_what_was_rolled_back_is_not_taken_for_done(database: Database, database_url: str, monkeypatch, one_caller):
    check, failures = Tx.check, iter([True])

    def stumble(tx: Tx) -> None:
        if len(tx.events(case_id)) == 3 and next(failures, False):
            raise Contention("请重试", "try again")
        check(tx)

    with Service.open(database_url, one_caller=one_caller) as service:
        case_id = filed(service)
        first = service.command(CLERK, case_id, take_over("甲"), "first").result(30)
        monkeypatch.setattr(Tx, "check", stumble)
        second = service.command(CLERK, case_id, take_over("乙"), "second").result(30)
    assert next(failures, False) is False
    assert (first.refusal, second.refusal) == (None, None)
    with database.read() as tx:
        assert [event.type for event in tx.events(case_id)].count("assigned") == 2
