"""What warns, as data: the ladders row by row, what the loader refuses of them, milestones, causes and delivery."""

from __future__ import annotations

import datetime as dt
import hashlib

import msgspec
import pytest

from definitions.alerting import Band
from definitions.book import NoRuleInForce, check, decode, encode, load
from tests.definitions.overlays import dated, nested, write

TODAY = dt.date(2026, 11, 23)
MANAGER, TEAM, COUNTY, CITY = "manager", "team_lead", "county", "city"
NATIONAL = [
    {"level": "yellow", "left": 3, "at_least": 10, "recipients": [MANAGER]},
    {"level": "yellow", "left": 2, "at_most": 9, "recipients": [MANAGER]},
    {"level": "orange", "left": 1, "recipients": [MANAGER, TEAM]},
    {"level": "red", "left": 0, "recipients": [MANAGER, TEAM, COUNTY]},
    {"level": "black", "left": -1, "recipients": [MANAGER, TEAM, COUNTY]},
    {"level": "black", "left": -2, "every": 1, "recipients": [MANAGER, TEAM, COUNTY, CITY]},
]


def changed(at: int, **to: object) -> list[dict[str, object]]:
    return [{**row, **to} if number == at else dict(row) for number, row in enumerate(NATIONAL)]


def test_the_shipped_ladder_of_legal_limits_is_policy_7():
    ladder = load().ladder(on=TODAY)
    for scope in ("step", "total", "approval"):
        assert ladder.of(scope).bands == tuple(msgspec.convert(row, Band) for row in NATIONAL)
        assert ladder.of(scope).unit == "working_days"
    assert {role: who.level for role, who in ladder.recipients.items()} == {
        "manager": None, "team_lead": "team", "county": "county", "city": "city", "province": "province",
        "issuer": None, "addressee": None, "inspector": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("budget", "levels"),
    # Every boundary of the band table: one day, two, and around ten.
    [
        (1, [("orange", 1), ("red", 0)]),
        (2, [("yellow", 2), ("orange", 1), ("red", 0)]),
        (3, [("yellow", 2), ("orange", 1), ("red", 0)]),
        (9, [("yellow", 2), ("orange", 1), ("red", 0)]),
        (10, [("yellow", 3), ("orange", 1), ("red", 0)]),
        (11, [("yellow", 3), ("orange", 1), ("red", 0)]),
    ],
)
def test_each_boundary_of_the_bands(budget, levels):
    bands = load().ladder(on=TODAY).of("total").bands
    assert [(band.level, band.left) for band in bands if band.holds(budget) and band.left >= 0] == levels


def test_one_ladder_object_for_the_same_rules():
    book = load()
    assert book.ladder(on=TODAY) is book.ladder(on=dt.date(2026, 12, 1), region="420102")
    with pytest.raises(NoRuleInForce):
        book.ladder(on=dt.date(2020, 12, 31))
    with pytest.raises(ValueError, match="six digits"):
        book.ladder(on=TODAY, region="42")


TIGHTER = [
    [
        *changed(1, left=4, at_most=9, at_least=4),
        {"level": "yellow", "left": 2, "at_least": 2, "at_most": 3, "recipients": [MANAGER]},
    ],
    changed(0, left=5),
    changed(2, recipients=[MANAGER, TEAM, COUNTY]),
    changed(4, recipients=[MANAGER, TEAM, COUNTY, CITY]),
]
LOOSER = [
    changed(0, left=2),
    changed(0, at_least=11),
    changed(1, left=4),  # budgets of two and three would lose their yellow
    changed(2, recipients=[MANAGER]),
    changed(5, every=2),
    changed(5, left=-3),
    NATIONAL[1:],
    NATIONAL[:5],
]


@pytest.mark.parametrize("bands", TIGHTER)
def test_a_region_may_warn_earlier_and_more_people(tmp_path, bands):
    root = write(tmp_path, "420000", nested("ladders.legal.bands", dated({"2024-01-01": bands})))
    assert [str(problem) for problem in check(None, root)] == []
    book = load(regions=root)
    assert book.ladder(on=TODAY, region="420102") is not book.ladder(on=TODAY)
    assert book.ladder(on=dt.date(2023, 12, 31), region="420102").of("total") == book.ladder(on=TODAY).of("total")
    assert len(book.ladder(on=TODAY, region="420102").of("step").bands) == len(bands)
    assert book.ladder(on=TODAY, region="110000") is book.ladder(on=TODAY)


@pytest.mark.parametrize("bands", LOOSER)
def test_a_region_may_not_warn_later_or_fewer(tmp_path, bands):
    root = write(tmp_path, "420000", nested("ladders.legal.bands", dated({"2024-01-01": bands})))
    [problem] = [problem for problem in check(None, root) if "looser" in problem.en]
    assert "D-LADDER" in problem.en
    assert "R420000-rules" in problem.en
    assert problem.mark.file.endswith("420000/rules.yaml")


@pytest.mark.parametrize("ladder", ["report", "order", "horizon", "finding"])
def test_a_region_has_no_ladder_of_what_runs_on_no_application(tmp_path, ladder):
    national = load().ladder(on=TODAY).of(ladder).bands
    bands = [
        {name: value for name, value in msgspec.to_builtins(band).items() if value is not None} for band in national
    ]
    root = write(tmp_path, "420000", nested(f"ladders.{ladder}.bands", dated({"2024-01-01": bands})))
    [problem] = check(None, root)
    assert (problem.mark.file.endswith("420000/rules.yaml"), "national" in problem.en) == (True, True)


def test_a_region_returns_to_the_national_ladder(tmp_path):
    values = {"2024-01-01": changed(0, left=5), "2025-01-01": "inherit"}
    book = load(regions=write(tmp_path, "420000", nested("ladders.legal.bands", dated(values))))
    assert book.ladder(on=dt.date(2024, 6, 1), region="420000").of("total").bands[0].left == 5
    assert book.ladder(on=dt.date(2025, 6, 1), region="420000").of("total").bands[0].left == 3


ORANGE = "          - {level: orange, left: 1, recipients: [manager, team_lead]}\n"
RED = "          - {level: red, left: 0, recipients: [manager, team_lead, county]}\n"
FAULTS = [
    ("ladder.yaml", ORANGE, ORANGE.replace("team_lead", "boss"), "there is no recipient boss"),
    ("ladder.yaml", ORANGE, ORANGE.replace("left: 1", "left: 0"), "two rungs on one day"),
    ("ladder.yaml", ORANGE, ORANGE.replace("orange", "black"), "black is overdue"),
    ("ladder.yaml", ORANGE, ORANGE.replace("left: 1", "left: 4"), "the levels are out of order"),
    ("ladder.yaml", ORANGE, ORANGE.replace("left: 1", "left: 1, every: 1"), "only the last rung may come again"),
    ("ladder.yaml", RED, "", "there is no rung on the due date"),
    ("ladder.yaml", "scopes: [milestone]", "scopes: [step]", "step has the ladder legal already"),
    ("ladder.yaml", "scopes: [milestone]", "scopes: [order]", "milestone has no ladder"),
    ("milestones.yaml", "owner: dispatch", "owner: nobody", "no owner nobody"),
    ("milestones.yaml", "reached_by: [site_survey]", "reached_by: [works_started]", "means both visit and start"),
    ("milestones.yaml", "implies: [visit, materials, outage_plan]\n    needed", "implies: [start]\n    needed",
     "no implies start"),
    ("milestones.yaml", "{limit_at_least: 10, days: {visit: 2", "{limit_at_least: 10, days: {visit: 7",
     "materials comes before visit"),
    ("milestones.yaml", "start: 6, finish: 8}", "start: 6, finish: 10}", "no earlier than the limit of 10"),
    ("milestones.yaml", "start: 6, finish: 8}", "start: 6, end: 8}", "there is no milestone end"),
    ("delivery.yaml", "  progress:", "  gossip:", "there is no notice gossip"),
    ("delivery.yaml", "  progress:", "  gossip:", "notice progress has no text"),
    ("delivery.yaml", "[manager, team_lead, county, city]", "[manager, boss]", "there is no recipient boss"),
    ("delivery.yaml", 'opens: {values: {2021-01-01: "08:30"}', 'opens: {values: {2021-01-01: "17:30"}',
     "17:30 is not before closing"),
    ("delivery.yaml", "凭申请编号 {application_no}", "凭 {phone}", "is not a text with no field but"),
]  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_what_only_the_loader_sees(data, edit, fault):
    name, old, new, says = fault
    edit(name, old, new)
    problems = [problem for problem in check(data) if says in problem.en]
    assert problems, [problem.en for problem in check(data)]
    assert all(problem.mark.file == name or "no text" in says for problem in problems)


def test_delivery_on_a_day():
    rule = load().delivery(on=TODAY)
    assert (rule.opens, rule.closes, rule.digest_at) == (dt.time(8, 30), dt.time(17, 30), dt.time(8, 30))
    assert rule.attempts == 9
    # D-DELIVERY: eight times, 30 seconds to eight hours apart, a fifth more or less; D-HORIZON: six months.
    assert (rule.retry_seconds[0], rule.retry_seconds[-1], rule.jitter) == (30, 8 * 3600, 0.2)
    assert rule.verify_after_months == 6
    assert sum(rule.retry_seconds) > 3600, "a receiver may be down for an hour"
    assert rule.escalate_after_hours == {"yellow": None, "orange": 8, "red": 4, "black": 4}
    assert load().delivery(on=TODAY) is rule
    with pytest.raises(NoRuleInForce):
        load().delivery(on=dt.date(2020, 12, 31))


def test_the_fixed_list_of_causes():
    assert list(load().breach_causes.causes) == ["utility", "material", "outage_plan", "government", "customer"]


@pytest.mark.parametrize(
    ("user_class", "on", "budgets"),
    [
        ("lv_zero", dt.date(2021, 6, 1), [4, 10, 12, 15, 22]),
        ("lv_zero", dt.date(2022, 6, 1), [4, 8, 10, 12, 18]),
        ("lv_zero", dt.date(2023, 6, 1), [3, 6, 7, 9, 13]),
        ("residential", dt.date(2023, 6, 1), [None] * 5),
        ("lv_other", dt.date(2023, 6, 1), [None] * 5),
        ("hv_dual", dt.date(2023, 6, 1), [None] * 5),
    ],
)
def test_which_classes_have_milestones(user_class, on, budgets):
    rules = load().resolve(on=on, user_class=user_class).milestones
    assert [rule.code for rule in rules] == ["visit", "materials", "outage_plan", "start", "finish"]
    assert [rule.budget for rule in rules] == budgets


def test_a_shorter_limit_of_a_region_has_shorter_milestones_or_none(tmp_path):
    limits = dated({"2024-01-01": 12, "2025-01-01": 9})
    book = load(regions=write(tmp_path, "420000", nested("classes.lv_zero.total.limit", limits)))
    for on, budgets in ((dt.date(2024, 6, 1), [2, 4, 5, 6, 8]), (dt.date(2025, 6, 1), [None] * 5)):
        rules = book.resolve(on=on, user_class="lv_zero", region="420000").milestones
        assert [rule.budget for rule in rules] == budgets


def test_a_definition_published_before_milestones_still_reads():
    """Its content has no such field, and its hash was taken without one."""
    now = load().resolve(on=TODAY, user_class="hv_single")
    facts = {key: value for key, value in msgspec.to_builtins(now).items() if key != "milestones"}
    unhashed = ("hash", "last_verified_on", "in_force_to")
    rules = {key: value for key, value in facts.items() if key not in unhashed}
    facts["hash"] = hashlib.sha256(msgspec.json.encode(rules, order="deterministic")).hexdigest()
    assert decode(msgspec.json.encode(facts, order="deterministic")).milestones == ()
    assert decode(encode(now)) == now
    with pytest.raises(ValueError, match="not what its hash"):
        decode(encode(msgspec.structs.replace(now, milestones=())))
