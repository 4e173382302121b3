"""A customer applies online: what is typed stays, what applies is told, it is sent once."""

from __future__ import annotations

import json
import threading

import pytest

from tests.service.portal.window import FORM, SHOP, Window
from workflow.core.refusals import Refused
from workflow.service import Principal
from workflow.service.portal import apply, house


def events(window: Window, case_id: str) -> str:
    with window.service.database.read() as tx:
        return "\n".join(row.payload for row in tx.events(case_id))


def test_a_home_applies_and_its_clock_runs(window: Window) -> None:
    sent = window.sent()
    shown = window.shown(window.case_id(sent.application_no))
    assert shown["user_class"] == "residential"
    assert shown["state"] == "acceptance.running"
    assert shown["org"] == "JA"  # the county's unit, not the team below it
    assert sent.missing == []
    assert sent.application_no == "BZ-JA-2024-000001"


def test_a_business_of_medium_size_is_told_three_steps_and_six_days(window: Window) -> None:
    applies = apply.applies(window.service, window.draft(SHOP))
    assert applies.definition.user_class == "lv_other"
    assert [(step.code, step.limit) for step in applies.definition.steps] == [
        ("acceptance", 1), ("supply_plan", 3), ("metering", 2),
    ]  # fmt: skip
    assert applies.finish_by is None
    assert {"L24", "L25"} <= {clause.id for clause in applies.document_clauses}


@pytest.mark.parametrize(
    ("region", "day"),
    [
        ("429999", "2024-01-15"),  # five working days after Monday 2024-01-08 (policy, section 5)
        ("420102", "2024-01-11"),  # its city promises three
    ],
)
def test_a_home_is_told_the_day(window: Window, region: str, day: str) -> None:
    finish_by = apply.applies(window.service, window.draft({**FORM, "region": region})).finish_by
    assert finish_by is not None
    assert (finish_by[0].isoformat(), finish_by[1]) == (day, False)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": " "}, "name"),
        ({"name": "张" * 101}, "name"),
        ({"phone": "call me"}, "phone"),
        ({"capacity_kw": "eight"}, "capacity_kw"),
        ({"capacity_kw": "-8"}, "capacity_kw"),
        ({"capacity_kw": "inf"}, "capacity_kw"),
        ({"capacity_kw": "1e400"}, "capacity_kw"),
        ({"region": "11"}, "region"),
        ({"region": "110000"}, "region"),  # nobody receives there
        ({"voltage": "medium"}, "voltage"),
        ({"supply_count": "3"}, "supply_count"),
        ({"business_type": "increase"}, "account_no"),
        ({"address": "路" * 301}, "address"),
        ({"name": "a\x00b"}, "name"),
        ({"customer_kind": "non_residential"}, "enterprise_size"),  # it decides the class and is never assumed
        ({"customer_kind": "non_residential", "enterprise_size": "micro", "voltage": "high"}, "hv_request"),
    ],
)
def test_what_is_wrong_is_told_beside_its_field_and_nothing_typed_is_lost(
    sqlite_window: Window, change: dict[str, str], field: str
) -> None:
    typed = {**FORM, **change}
    held = sqlite_window.draft(typed)
    assert list(apply.faults(sqlite_window.service, held)) == [field]
    again = apply.draft(sqlite_window.service, held.token)
    assert again is not None
    assert {name: again.fields[name] for name in typed} == typed


def test_full_width_digits_and_separators_are_understood(sqlite_window: Window) -> None:
    held = sqlite_window.draft(
        {**SHOP, "capacity_kw": "１，０００", "phone": "１３８ 0000-1111", "enterprise_size": "large"}
    )
    assert apply.faults(sqlite_window.service, held) == {}
    assert apply.applies(sqlite_window.service, held).definition.user_class == "lv_other"


def test_a_written_request_opens_the_way_to_high_voltage(sqlite_window: Window) -> None:
    held = sqlite_window.draft({**SHOP, "enterprise_size": "micro", "voltage": "high", "hv_request": "on"})
    assert apply.faults(sqlite_window.service, held) == {}
    assert apply.applies(sqlite_window.service, held).definition.user_class == "hv_single"


def test_a_kind_outside_the_closed_list_is_refused_with_its_clause_unless_volunteered(sqlite_window: Window) -> None:
    held = sqlite_window.draft()
    with pytest.raises(Refused) as refused:
        sqlite_window.add(held, "project_approval")
    assert refused.value.refusal.code == "document-not-allowed"
    assert {"L24", "L25", "I13"} <= {clause.id for clause in refused.value.refusal.clauses}
    assert apply.files(sqlite_window.service, held) == []
    sqlite_window.add(held, "project_approval", volunteered=True)
    assert [(one.kind, one.volunteered) for one in apply.files(sqlite_window.service, held)] == [
        ("project_approval", True)
    ]


def test_documents_lacking_are_listed_all_at_once(sqlite_window: Window) -> None:
    sent = sqlite_window.sent(kinds=())
    assert [one["kind"] for one in sent.missing] == ["identity", "premises_title"]
    assert sqlite_window.shown(sqlite_window.case_id(sent.application_no))["state"] == "acceptance.waiting"


def test_sent_twice_at_once_it_is_one_application_with_one_code(window: Window) -> None:
    held = window.draft()
    window.add(held, "identity")
    results: list[object] = []
    threads = [threading.Thread(target=lambda: results.append(apply.send(window.service, held))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [None] * 4
    with window.service.database.read() as tx:
        assert len(list(tx.cases())) == 1
    first, second = apply.sent(window.service, held), apply.sent(window.service, held)
    assert first == second
    assert first is not None
    assert first.code is not None


def test_a_sent_draft_takes_nothing_more(sqlite_window: Window) -> None:
    held = sqlite_window.draft()
    assert apply.send(sqlite_window.service, held) is None
    for late in (
        lambda: apply.fill(sqlite_window.service, held, FORM, "203.0.113.1"),
        lambda: sqlite_window.add(held, "identity"),
    ):
        with pytest.raises(Refused) as refused:
            late()
        assert refused.value.refusal.code == "transition-not-allowed"


def test_what_was_typed_stands_outside_the_chain_and_leaves_the_draft(sqlite_window: Window) -> None:
    held = sqlite_window.draft()
    sqlite_window.add(held, "identity")
    apply.send(sqlite_window.service, held)
    sent = apply.sent(sqlite_window.service, held)
    assert sent is not None
    chained = events(sqlite_window, sqlite_window.case_id(sent.application_no))
    for personal in ("张三丰", "13800001111", "解放路"):
        assert personal not in chained
    kept = apply.draft(sqlite_window.service, held.token)
    assert kept is not None
    assert kept.fields == {}


def test_the_digest_of_the_file_stands_in_the_event(sqlite_window: Window) -> None:
    held = sqlite_window.draft()
    sqlite_window.add(held, "identity")
    digest = apply.files(sqlite_window.service, held)[0].digest
    apply.send(sqlite_window.service, held)
    sent = apply.sent(sqlite_window.service, held)
    assert sent is not None
    payload = json.loads(events(sqlite_window, sqlite_window.case_id(sent.application_no)).splitlines()[0])
    assert [one["digest"] for one in payload["documents"]] == [digest]


def test_the_same_address_typed_differently_is_the_same_premises(sqlite_window: Window) -> None:
    key = house.secret(sqlite_window.service)
    one = house.pseudonym(key, "premises", "420102", "解放路1号")
    assert house.pseudonym(key, "premises", "420102", " 解放路 １ 号") == one
    assert house.pseudonym(key, "premises", "420102", "解放路2号") != one
    assert house.pseudonym(b"another", "premises", "420102", "解放路1号") != one


def test_who_receives_a_region(window: Window) -> None:
    with window.service.database.read() as tx:
        found = [
            getattr(house.receiver(tx, region), "code", None) for region in ("420102", "420199", "429999", "110101")
        ]
    assert found == ["JA", "WH", "HB", None]
    house.set_receiver(window.service, Principal("root", "admin"), "HB")
    with window.service.database.read() as tx:
        assert getattr(house.receiver(tx, "110101"), "code", None) == "HB"


def test_a_draft_expires_and_its_files_go_with_it(sqlite_window: Window) -> None:
    held = sqlite_window.draft()
    sqlite_window.add(held, "identity")
    sqlite_window.clock.set("2024-01-12")
    assert apply.draft(sqlite_window.service, held.token) is None
    sqlite_window.draft()  # the next one clears up
    with sqlite_window.service.database.read() as tx:
        assert tx.uploads(draft_id=held.id) == []


@pytest.mark.parametrize("token", ["", "x" * 43, "é" * 43, "../../etc/passwd"])
def test_a_token_nobody_holds_is_nothing(sqlite_window: Window, token: str) -> None:
    assert apply.draft(sqlite_window.service, token) is None
