"""Replays asked for from the pages: done once whoever does it, taken up where they stopped, drawn from by a seed that
anybody can use again, reviewed like live findings, and seen only by whom they are for."""

from __future__ import annotations

import csv
import datetime as dt
import threading
from pathlib import Path
from typing import Any

import pytest

from storage import Database
from tests.core.driver import shipped_book
from tests.service.conftest import HandClock
from workflow.core.events import Principal
from workflow.replay.output.reading import shares
from workflow.service import Refused, Service, findings, replay, replay_process, replays
from workflow.service.findings import Review
from workflow.service.replays import Asked

INSPECTOR, ELSEWHERE = Principal("ins", "inspector", "HB"), Principal("other", "inspector", "YC")
CASES = "case_id,case_no,customer_kind,capacity_kw,voltage,area,region,org,user_class,business_type\n"


def history(many: int = 6) -> tuple[bytes, bytes]:
    """Flats, the first of which had its meter before it was applied for; by two units in turn."""
    cases = CASES + "".join(
        f"C{n},N{n},residential,8,low,urban,420100,JA-{n % 2},residential,new\n" for n in range(many)
    )
    events = "case_id,activity,lifecycle,occurred_at,recorded_at,source\n"
    for n in range(many):
        fitted = "2024-01-05 15:00:00" if n == 0 else "2024-01-10 15:00:00"
        for activity, life, at, source in (
            ("application", "submit", "2024-01-08 09:00:00", "marketing"),
            ("acceptance", "complete", "2024-01-08 10:00:00", "marketing"),
            ("meter_installed", "observed", fitted, "metering"),
            ("metering", "complete", "2024-01-10 16:00:00", "marketing"),
        ):
            events += f"C{n},{activity},{life},{at},{at},{source}\n"
    return cases.encode(), events.encode()


@pytest.fixture
def service(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("BAOZHUANG_FILES", str(tmp_path / "files"))
    opened = Service(database, shipped_book(), HandClock("2024-02-01 09:00"))
    yield opened
    opened.writer.close()


def asked(service: Service, many: int = 6) -> str:
    cases, events = history(many)
    files = (
        replays.store(service, INSPECTOR, "一季度.csv", [cases]),
        replays.store(service, INSPECTOR, "records.csv", [events[:100], events[100:]]),
    )
    return replays.ask(service, INSPECTOR, Asked("一季度", dt.date(2024, 2, 1), "contract", *files))


def test_a_replay_asked_for_twice_is_one_until_it_has_ended(service: Service):
    run_id = asked(service)
    assert asked(service) == run_id
    row = replays.one(service, INSPECTOR, run_id)["run"]
    other = replays.again(service, INSPECTOR, run_id, dt.date(2024, 2, 2))
    assert other != run_id
    assert replays.again(service, INSPECTOR, run_id, dt.date.fromisoformat(str(row["as_of"]))) == run_id
    replays.stop(service, INSPECTOR, run_id)
    assert asked(service) not in (run_id, other)


def test_a_history_is_uploaded_judged_and_read(service: Service):
    run_id = asked(service)
    assert replays.one(service, INSPECTOR, run_id)["run"]["state"] == "queued"
    with pytest.raises(Refused):
        replays.found(service, INSPECTOR, run_id, "cases")
    assert replay_process.work(service, run_id)
    told = replays.one(service, INSPECTOR, run_id)
    assert told["run"]["state"] == "done"
    assert told["summary"]["verdicts"] == {"suspected": 1, "notice": 0, "cannot_judge": 0, "open": 0, "clear": 5}
    page = replays.found(service, INSPECTOR, run_id, "findings", rule="D02")
    assert [(one["case_id"], one["rule"], one["severity"]) for one in page["items"]] == [("C0", "D02", "critical")]
    assert replays.found(service, INSPECTOR, run_id, "findings", org="JA-1")["items"] == []
    assert [one["case_id"] for one in replays.found(service, INSPECTOR, run_id, "cases", text="N3")["items"]] == ["C3"]
    case = replays.case(service, INSPECTOR, run_id, "C0")
    assert [one["rule"] for one in case["findings"]] == ["D02"]
    assert [join.rule for join in case["drawing"].joins] == ["D02"]
    assert not replay_process.work(service, run_id)  # done is done


def test_what_goes_wrong_is_told_and_can_be_tried_again(service: Service):
    broken = replays.store(service, INSPECTOR, "broken.csv", [b"nothing,of,ours\n1,2,3\n"])
    run_id = replays.ask(service, INSPECTOR, Asked("x", dt.date(2024, 2, 1), "contract", None, broken))
    replay_process.work(service, run_id)
    run = replays.one(service, INSPECTOR, run_id)["run"]
    assert run["state"] == "failed"
    assert " / " in run["error"]
    assert replay_process.work(service, run_id)


def test_only_tables_are_taken_and_nothing_too_large(service: Service, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(Refused):
        replays.store(service, INSPECTOR, "virus.exe", [b"MZ"])
    monkeypatch.setattr(replays, "LARGEST", 10)
    with pytest.raises(Refused):
        replays.store(service, INSPECTOR, "big.csv", [b"123456", b"789012"])
    name, _ = replays.store(service, INSPECTOR, "..\\..\\etc/passwd.csv", [b"a,b\n"])
    assert name == "passwd.csv"


def test_one_process_has_it_and_a_silent_one_loses_it(service: Service):
    run_id = asked(service)
    now, ago = "2024-02-01T09:00:00.000000+08:00", "2024-02-01T08:58:00.000000+08:00"
    taken: list[bool] = []
    barrier = threading.Barrier(4)

    def take(name: str) -> None:
        barrier.wait()
        with service.database.write() as tx:
            taken.append(tx.claim_replay(run_id, name, now, ago))

    threads = [threading.Thread(target=take, args=(f"w{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(taken) == [False, False, False, True]
    clock = service.clock
    assert isinstance(clock, HandClock)
    assert replays.one(service, INSPECTOR, run_id)["run"]["state"] == "running"
    clock.set("2024-02-01 09:05")
    assert replays.one(service, INSPECTOR, run_id)["run"]["state"] == "interrupted"
    assert replay_process.work(service, run_id)
    assert replays.one(service, INSPECTOR, run_id)["run"]["state"] == "done"


def test_a_replay_that_is_stopped_ends_with_its_next_beat_and_goes_on(service: Service, monkeypatch):
    run_id = asked(service)
    real, seen = replay.replay, []

    def stopped(**given: Any) -> Any:
        seen.append(given["out"])
        replays.stop(service, INSPECTOR, run_id)
        given["progress"]("读入 / read", 1, 2)
        raise AssertionError("it went on")

    monkeypatch.setattr(replay, "replay", stopped)
    assert replay_process.work(service, run_id)
    assert replays.one(service, INSPECTOR, run_id)["run"]["state"] == "stopped"
    monkeypatch.setattr(replay, "replay", real)
    assert replay_process.work(service, run_id)
    assert replays.one(service, INSPECTOR, run_id)["run"]["state"] == "done"


def test_nobody_elses_replays(service: Service):
    from storage import OrgRow

    service.put_orgs(
        [OrgRow("HB", None, "province", "某省", None, None), OrgRow("YC", "HB", "city", "某市", None, None)]
    )
    run_id = asked(service)
    assert replays.listed(service, ELSEWHERE)["items"] == []
    assert len(replays.listed(service, INSPECTOR)["items"]) == 1
    assert len(replays.listed(service, Principal("root", "admin"))["items"]) == 1
    with pytest.raises(Refused):
        replays.one(service, ELSEWHERE, run_id)
    for role in ("manager", "supervisor", "front_line"):
        with pytest.raises(Refused):
            replays.listed(service, Principal("x", role))


def test_findings_of_a_replay_are_reviewed_and_count_for_their_rule(service: Service):
    run_id = asked(service)
    replay_process.work(service, run_id)

    def act(name: str, **more: Any) -> dict[str, Any]:
        given = Review.model_validate({"act": name, **more})
        return replays.review(service, INSPECTOR, run_id, case_id="C0", rule="D02", asked=given)

    assert act("invite", reply_by="2024-02-08")["status"] == "awaiting_statement"
    # The unit has nobody here: its statement, which came on paper, is entered by the inspector.
    assert act("state", text="来函: 表计为旧表")["status"] == "stated"
    assert act("confirm", text="属实")["status"] == "confirmed"
    case = replays.case(service, INSPECTOR, run_id, "C0")
    assert [event["type"] for event in case["findings"][0]["history"]] == ["found", "invite", "state", "confirm"]
    assert findings.listed(service, INSPECTOR)["items"] == []  # the list of the live store has none
    (of_rule,) = findings.precision(service, INSPECTOR, run=None)["items"]
    assert (of_rule["rule"], of_rule["reviewed"], of_rule["precision"]) == ("D02", 1, 1.0)
    with pytest.raises(Refused):
        replays.review(service, INSPECTOR, run_id, case_id="C1", rule="D02", asked=Review(act="confirm", text="x"))
    content = replays.paper(service, INSPECTOR, run_id, ["C0"], "docx")
    assert content[:2] == b"PK"


def test_a_sample_is_drawn_again_by_its_seed_and_from_every_unit(service: Service):
    run_id = asked(service, 40)
    replay_process.work(service, run_id)

    def ids(seed: str, size: int, *verdicts: str) -> list[str]:
        drawn = replays.sample(service, INSPECTOR, run_id, seed=seed, size=size, verdicts=verdicts or ("clear",))
        return [one["case_id"] for one in drawn["items"]]

    assert ids("7", 8) == ids("7", 8)
    assert ids("7", 8) != ids("8", 8)
    assert len(set(ids("7", 8))) == 8
    assert len({int(one[1:]) % 2 for one in ids("7", 8)}) == 2
    assert ids("7", 8, "suspected") == ["C0"]
    assert ids("7", 200, "clear", "suspected") != []
    assert len(ids("7", 200, "clear", "suspected")) == 40


@pytest.mark.parametrize(
    ("sizes", "size", "drawn"),
    [
        ({"a": 10, "b": 10}, 4, {"a": 2, "b": 2}),
        ({"a": 100, "b": 1}, 5, {"a": 4, "b": 1}),
        ({"a": 97, "b": 2, "c": 1}, 10, {"a": 8, "b": 1, "c": 1}),
        ({"a": 5, "b": 3, "c": 2}, 2, {"a": 1, "b": 1}),  # fewer than units: the largest
        ({"a": 2, "b": 1}, 9, {"a": 2, "b": 1}),
        ({}, 5, {}),
    ],
)
def test_every_unit_has_one_and_the_rest_goes_by_size(sizes, size, drawn):
    assert shares(sizes, size) == drawn


def test_the_live_store_replayed_says_nothing_of_what_it_does_not_keep(sqlite_desk, tmp_path, monkeypatch):
    monkeypatch.setenv("BAOZHUANG_FILES", str(tmp_path / "files"))
    desk = sqlite_desk
    desk.clock.set("2024-01-08 09:00")
    desk.submit("residential", 1, business_type="increase")
    who = Principal("ins", "inspector")
    run_id = replays.ask(desk.service, who, Asked("在线", dt.date(2024, 1, 9), "contract", None, None))
    assert replay_process.work(desk.service, run_id)
    assert replays.one(desk.service, who, run_id)["summary"]["verdicts"]["open"] == 1  # no D34 for lack of a column
    rejected = tmp_path / "files" / "replay-runs" / run_id / "out" / "rejected.csv"
    with rejected.open(encoding="utf-8-sig") as file:
        assert len(list(csv.reader(file))) == 1
