"""Two processes on one database, each with its own writer, asked the same thing at the same moment."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from storage import Database
from workflow.service import Principal, Service, Submission

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
