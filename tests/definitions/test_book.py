"""The book: resolving, hashes that pin cases, encoding, differences, time lines, roles and the legal basis."""

from __future__ import annotations

import datetime as dt
import itertools
import json
import re
from pathlib import Path

import msgspec
import pytest

from definitions import resolve
from definitions.book import Book, NoRuleInForce, UnknownClass, _load, content_hash, decode, diff, encode, load
from tests.definitions.overlays import dated, nested, write
from tests.from_yaml import from_yaml
from workflow.core.commands import COMMAND_NAMES

DAY = dt.date(2024, 5, 6)


def read_afresh(folder: Path) -> Book:
    """The folder as it is now: `load` reads one folder once."""
    _load.cache_clear()
    return load(folder)


def hashes(book: Book) -> dict[tuple[str, dt.date], str]:
    return {(code, start): item.hash for code in book.classes for start, _, item in book.timeline(code)}


# ---- resolving -------------------------------------------------------------------------------------------------------


def test_unknown_class_and_day_before_the_rules_and_bad_region_are_said_so():
    with pytest.raises(UnknownClass, match=r"没有用户类别 commercial.*no user class commercial"):
        resolve(on=DAY, user_class="commercial")
    with pytest.raises(NoRuleInForce, match=r"2020-12-31.*rules begin on 2021-01-01"):
        resolve(on=dt.date(2020, 12, 31), user_class="residential")
    for region in ("", "42", "42010a", "4201022", "４２０１０２"):
        with pytest.raises(ValueError, match="六位"):
            resolve(on=DAY, user_class="residential", region=region)


def test_far_days_resolve_too():
    assert resolve(on=dt.date(9999, 12, 31), user_class="residential").total.limit == 5
    with pytest.raises(NoRuleInForce):
        resolve(on=dt.date(1, 1, 1), user_class="residential")


@pytest.mark.parametrize("user_class", load().classes)
def test_a_time_line_has_neither_gap_nor_overlap_and_resolve_agrees_with_it(user_class):
    line = load().timeline(user_class)
    assert line[0][0] == dt.date(2021, 1, 1)
    assert line[-1][1] is None
    for (start, end, item), (following, _, _) in itertools.pairwise(line):
        assert end == following - dt.timedelta(days=1)
        for day in (start, end):
            assert load().resolve(on=day, user_class=user_class) is item
    assert len({item.hash for _, _, item in line}) == len(line)


@pytest.mark.parametrize("user_class", load().classes)
def test_every_clause_a_definition_names_is_in_it_with_words(user_class):
    item = resolve(on=DAY, user_class=user_class)
    named = set(re.findall(r'"((?:[LI]\d+|[SD]-[A-Z0-9-]+))"', json.dumps(msgspec.to_builtins(item))))
    assert named == set(item.clauses)
    assert all(clause.quote and clause.source and clause.item for clause in item.clauses.values())


# ---- the hash that pins a case ---------------------------------------------------------------------------------------


def test_checking_a_text_again_does_not_change_what_cases_are_pinned_to(data):
    before = load(data)
    for path in data.rglob("*.yaml"):
        path.write_text(path.read_text(encoding="utf-8").replace("2026-11-23", "2027-03-01"), encoding="utf-8")
    after = read_afresh(data)
    assert after.resolve(on=DAY, user_class="hv_dual").last_verified_on == dt.date(2027, 3, 1)
    assert hashes(after) == hashes(before)


def test_a_later_law_ends_a_definition_without_renaming_it(data, edit):
    before = load(data).resolve(on=DAY, user_class="residential")
    edit(
        "classes/residential.yaml",
        "limit: {values: {2021-01-01: 5}, clauses: [L4, I6, D-IN-FORCE]",
        "limit: {values: {2021-01-01: 5, 2027-01-01: 3}, clauses: [L4, I6, D-IN-FORCE]",
    )
    after = read_afresh(data)
    ended = after.resolve(on=DAY, user_class="residential")
    assert (before.in_force_to, ended.in_force_to) == (None, dt.date(2026, 12, 31))
    assert ended.hash == before.hash
    assert after.resolve(on=dt.date(2027, 1, 1), user_class="residential").hash != before.hash


def test_only_the_class_that_changes_gets_a_new_hash(data, edit):
    before = hashes(load(data))
    edit("classes/hv_dual.yaml", "limit: {values: {2021-01-01: 20}", "limit: {values: {2021-01-01: 19}")
    after = hashes(read_afresh(data))
    assert {code for code, start in before if before[code, start] != after[code, start]} == {"hv_dual"}


def test_a_region_shares_the_national_definition_until_it_says_something_of_that_class(tmp_path):
    root = write(tmp_path, "420000", nested("classes.residential.total.limit", dated({"2024-01-01": 3})))
    book = load(None, root)
    for user_class in ("lv_zero", "lv_other", "hv_single", "hv_dual"):
        assert book.resolve(on=DAY, user_class=user_class, region="420102").hash == hashes(load())[
            user_class, dt.date(2023, 1, 1)
        ]  # fmt: skip
    here = book.resolve(on=DAY, user_class="residential", region="420102")
    assert (here.region, here.regions, here.version) == (
        "420000", ("000000", "420000"), "residential-2024-01-01-420000",
    )  # fmt: skip
    earlier = book.resolve(on=dt.date(2023, 12, 31), user_class="residential", region="420102")
    assert earlier.hash == resolve(on=dt.date(2023, 12, 31), user_class="residential").hash


def test_encoding_is_canonical_and_comes_back(tmp_path):
    for user_class in load().classes:
        item = resolve(on=DAY, user_class=user_class)
        content = encode(item)
        assert decode(content) == item
        assert encode(decode(content)) == content
        keys = list(json.loads(content))
        assert keys == sorted(keys)
        assert item.hash == content_hash(item)


def test_content_that_was_tampered_with_is_refused():
    content = encode(resolve(on=DAY, user_class="residential"))
    with pytest.raises(ValueError, match="哈希"):
        decode(content.replace(b'"limit":5', b'"limit":9'))
    with pytest.raises(ValueError, match="not a definition"):
        decode(b"{}")
    with pytest.raises(ValueError, match="not a definition"):
        decode(content.replace(b'"limit":5', b'"limit":"5"'))


# ---- differences -----------------------------------------------------------------------------------------------------


def test_a_change_of_limit_is_told_with_the_clauses_of_both_sides():
    before = resolve(on=dt.date(2022, 6, 1), user_class="lv_zero")
    after = resolve(on=dt.date(2023, 6, 1), user_class="lv_zero")
    (limit,) = [change for change in diff(before, after) if change.path == "total.limit"]
    assert (limit.before, limit.after) == (20, 15)
    assert {"L5", "I22"} <= set(limit.clauses_before)
    assert {"L6", "I34"} <= set(limit.clauses_after)


def test_differences_of_two_classes_member_by_member():
    changes = {
        change.path: (change.before, change.after)
        for change in diff(resolve(on=DAY, user_class="hv_single"), resolve(on=DAY, user_class="hv_dual"))
    }
    assert changes["steps.supply_plan.limit"] == (10, 20)
    assert changes["total.limit"] == (22, 32)
    added = changes["charges.catalogue.high_reliability_fee"]
    assert added[0] is None
    assert added[1]["name"]["zh"] == "高可靠性供电费"
    assert "steps.acceptance.limit" not in changes
    only_ground = changes["steps.metering.clauses"]
    assert ("I4" in only_ground[0], "I5" in only_ground[1]) == (True, True)


def test_a_removed_step_is_one_change(tmp_path):
    group = {"name": {"zh": "合并", "en": "Merged"}, "parts": ["design_review", "mid_inspection"]}
    book = load(None, write(tmp_path, "420000", nested("classes.hv_single.merge", dated({"2024-01-01": [group]}))))
    here = book.resolve(on=DAY, user_class="hv_single", region="420000")
    changes = {change.path: change for change in diff(resolve(on=DAY, user_class="hv_single"), here)}
    removed = changes["steps.design_review"]
    assert (removed.before["limit"], removed.after, removed.clauses_after) == (3, None, ())
    assert (changes["steps.mid_inspection.limit"].before, changes["steps.mid_inspection.limit"].after) == (2, 5)


def test_nothing_differs_from_itself():
    item = resolve(on=DAY, user_class="hv_dual")
    assert diff(item, item) == []


# ---- the subjects beside the steps -----------------------------------------------------------------------------------


def test_rules_that_hold_for_every_class():
    for user_class in load().classes:
        item = resolve(on=DAY, user_class=user_class)
        assert {rule.kind: rule.effect for rule in item.extra_documents} == {
            "commitment_letter": "forbidden", "agent_authorisation": "agent", "agent_identity": "agent",
            "deferral_letter": "deferral",
        }  # fmt: skip
        assert [(rule.voltage, rule.max_kv, rule.limit) for rule in item.approvals] == [
            ("low", None, 5), ("high", 20.0, 10), ("high", None, None),
        ]  # fmt: skip
        assert (item.late.working_days, item.late.by_source, item.late.client_ahead_seconds) == (
            1, {"field_terminal": 3}, 120,
        )  # fmt: skip
        assert (item.chain.window_days, item.chain.before_working_days, item.chain.capacity_tolerance) == (365, 10, 0.2)
        assert (item.counting.rest_day_submission, item.counting.opens, item.counting.closes) == (
            "strict", dt.time(8, 30), dt.time(17, 30),
        )  # fmt: skip


def test_the_policy_is_told_from_the_earlier_of_the_two_dates_and_in_the_hall_from_the_later():
    def channels(day: dt.date) -> tuple[str, ...] | None:
        notices = {notice.code: notice.channels for notice in resolve(on=day, user_class="residential").notices}
        return notices.get("policy")

    assert channels(dt.date(2021, 12, 31)) is None
    assert channels(dt.date(2022, 1, 1)) == ("wechat", "sms", "app")
    assert channels(dt.date(2023, 1, 1)) == ("wechat", "sms", "app", "hall")


def test_the_two_lines_are_told_by_every_channel_of_indicator_19():
    """By instant messaging (微信等), text message and mobile client."""
    hotlines = next(one for one in resolve(on=DAY, user_class="residential").notices if one.code == "hotlines")
    assert set(hotlines.channels) == {"wechat", "sms", "app"}


@pytest.mark.parametrize(
    ("name", "kind", "form"),
    [
        ("身份证", "identity", "id_card"), ("居民身份证", "identity", "id_card"), ("id_card", "identity", "id_card"),
        ("resident_id", "identity", "id_card"), ("营业执照", "identity", "business_licence"),
        ("business_licence", "identity", "business_licence"), ("business_license", "identity", "business_licence"),
        ("户口本", "identity", "household_register"), ("房产证", "premises_title", "house_title"),
        ("不动产权证书", "premises_title", "real_estate_certificate"),
        ("购房合同", "premises_title", "purchase_contract"), ("户口簿", "identity", "household_register"),
        ("护照", "identity", "passport"), ("统一社会信用代码证书", "identity", "credit_code_certificate"),
        ("不动产权证", "premises_title", "real_estate_certificate"),
        ("土地使用证", "premises_title", "land_use_certificate"), ("租赁合同", "premises_title", "lease"),
        ("判决书", "premises_title", "judgment"),
    ],
)  # fmt: skip
def test_a_form_is_known_by_its_usual_names(name, kind, form):
    step = resolve(on=DAY, user_class="hv_single").steps[0]
    known = {
        spelling: (document.kind, item.code)
        for document in step.documents
        for item in document.forms
        for spelling in (item.code, item.name.zh, *item.aliases)
    }
    assert known[name] == (kind, form)


def test_roles_name_real_commands_and_only_some_may_countersign():
    roles = load().roles
    known = {"submit", *COMMAND_NAMES}
    assert set(roles) == {"front_line", "manager", "supervisor", "inspector", "admin", "customer"}
    assert roles["customer"].commands == ("submit", "register_documents", "withdraw", "rate")
    assert roles["customer"].reads == roles["customer"].administers == ()
    assert all(set(role.commands) <= known for role in roles.values())
    assert set(roles["front_line"].commands) == known - {"countersign"}
    assert {name for name, role in roles.items() if "countersign" in role.commands} == {
        "manager", "supervisor", "admin",
    }  # fmt: skip
    assert roles["inspector"].commands == ()
    assert roles["inspector"].administers == ("evidence", "findings")
    assert "personal" not in roles["inspector"].reads
    assert set(roles["admin"].commands) == known
    areas = {area for role in roles.values() for area in (*role.reads, *role.administers)}
    assert areas == set(roles["admin"].reads) == set(roles["admin"].administers)
    assert areas == {
        "applications", "events", "definitions", "calendar", "reports", "keys", "orgs", "evidence", "findings",
        "alerts", "orders", "messages", "feeds", "destinations", "personal", "contacts", "customers", "areas",
        "replays",
    }  # fmt: skip


def test_who_stands_higher_may_do_more_and_who_inspects_only_looks():
    roles = load().roles
    assert set(roles["manager"].commands) == set(roles["supervisor"].commands) == {"submit", *COMMAND_NAMES}
    desk = {"applications", "personal", "contacts", "events", "definitions", "calendar", "alerts", "customers"}
    field = desk | {"orders", "feeds", "findings", "reports"}
    reads = {
        "front_line": desk,
        "manager": field,
        "supervisor": field | {"messages", "destinations", "evidence", "orgs", "areas"},
        # Findings and replays are for who inspects; names and telephones are not.
        "inspector": (field | {"replays", "evidence", "orgs"}) - {"personal", "feeds"},
    }
    assert {name: set(roles[name].reads) for name in reads} == reads
    administers = {
        "front_line": {"contacts", "customers", "evidence"},
        "manager": {"contacts", "customers", "alerts"},
        "supervisor": {"contacts", "customers", "alerts", "orders", "messages", "feeds", "areas"},
    }
    assert {name: set(roles[name].administers) for name in administers} == administers


@pytest.mark.parametrize(
    ("title", "level"),
    [
        ("中华人民共和国安全生产法", "law"), ("中华人民共和国民法典", "law"), ("电力供应与使用条例", "regulation"),
        ("湖北省优化营商环境条例", "regulation"), ("供电监管办法", "departmental_rule"),
        ("供电营业规则", "departmental_rule"),
        ("某通知", None), ("某公告", None), ("供电服务标准", None), ("Work Safety Law", "law"),
        ("Power Supply Regulations", "regulation"),
        ("用电办理方法", None),
    ],
)  # fmt: skip
def test_levels_of_law_by_how_their_titles_end(title, level):
    rule = load().legal_basis
    found = next(
        (one for one in rule.levels if title.endswith(one.endings) and not title.endswith(one.not_endings or ("\0",))),
        None,
    )
    assert (found.level if found else None) == level
    if found:
        assert found.lifts_document_ban == (level in ("law", "regulation"))
        assert found.grounds_refusal


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("第二十三条", True), ("第23条", True), ("第 23 条", False), ("Article 23", True), ("article 7", True),
        ("第三章", False), ("23", False),
    ],
)  # fmt: skip
def test_the_article_must_be_named(text, named):
    assert any(re.search(pattern, text) for pattern in load().legal_basis.article_patterns) is named


def test_later_instruments_have_their_place_and_no_number(data):

    instruments = from_yaml(data / "later_instruments.yaml")["instruments"]
    assert [item["in_force_from"] for item in instruments.values()] == [
        dt.date(2024, 1, 4), dt.date(2024, 6, 1), dt.date(2025, 1, 1),
    ]  # fmt: skip
    assert all(item["values"] == {} and item["status"] == "not_established" for item in instruments.values())
