"""The board over the demonstration: its order, its counts, who sees what, and what is done from it."""

from __future__ import annotations

import io
import re

import openpyxl
import pytest

from tests.web.browser import screen
from tests.web.site import NOW
from workflow.core.refusals import Refused
from workflow.service import Principal, board, board_acts, board_sheet
from workflow.web.visit import csrf_of

MANAGER = Principal("YZ-WL-XT-GY-1", "manager", "YZ-WL-XT-GY")
OTHER = Principal("YZ-WL-XT-GY-2", "manager", "YZ-WL-XT-GY")
CITY = Principal("YZ-WL-0", "supervisor", "YZ-WL")
INSPECTOR = Principal("YZ-8", "inspector", "YZ")
EVERYTHING = board.Asked(board.ALL)


def all_lines(office, principal, asked=EVERYTHING, limit=500):
    return board.page(office.service, principal, asked, limit=limit).lines


def told_by_the_interface(office) -> dict[str, tuple]:
    """Of every application the earliest due date of its running limits, with its remaining days, as /applications
    tells them from the histories."""
    told, cursor = {}, None
    while True:
        page = office.service.applications(INSPECTOR, cursor=cursor, limit=500)
        for one in page["items"]:
            running = [d for d in one["deadlines"] if d["status"] in ("running", "suspended") and d["due_on"]]
            first = min(running, key=lambda d: d["due_on"], default=None)
            told[one["id"]] = (
                one["closed_at"] is None,
                first and first["due_on"],
                first and first["remaining_working_days"],
            )
        cursor = page["next"]
        if cursor is None:
            return told


def test_lines_agree_with_what_the_interface_tells(office):
    told = told_by_the_interface(office)
    lines = all_lines(office, INSPECTOR)
    assert {line.id for line in lines} == set(told)
    for line in lines:
        is_open, due_on, remaining = told[line.id]
        assert (line.closed_at is None) == is_open
        if not is_open:
            assert (line.due_on, line.left, line.clock) == (None, None, "ended")
        elif due_on is not None and line.due_on is not None:
            assert (line.due_on, line.left) == (due_on, remaining)


def test_the_most_urgent_come_first_and_the_finished_sink(office):
    lines = all_lines(office, INSPECTOR)
    due = [line.due_on for line in lines if line.due_on is not None]
    assert due == sorted(due)
    kinds = [2 if line.closed_at else 1 if line.due_on is None else 0 for line in lines]
    assert kinds == sorted(kinds)
    assert set(kinds) == {0, 1, 2}
    bands = [line.band.code for line in lines if line.band is not None]
    order = ["overdue", "today", "next", "soon", "later"]
    assert bands == sorted(bands, key=order.index)


def test_pages_follow_each_other_without_gap_or_repeat(office):
    whole, pieces, cursor = all_lines(office, INSPECTOR), [], None
    while True:
        page = board.page(office.service, INSPECTOR, EVERYTHING, cursor, limit=17)
        pieces += page.lines
        cursor = page.next
        if cursor is None:
            break
        assert len(page.lines) == 17
    assert [line.id for line in pieces] == [line.id for line in whole]


def test_bands_count_what_they_list(office):
    found = board.page(office.service, INSPECTOR, EVERYTHING)
    for band, count in found.counts.items():
        assert len(all_lines(office, INSPECTOR, EVERYTHING._replace(band=band))) == count
    assert sum(found.counts.values()) == sum(line.closed_at is None for line in all_lines(office, INSPECTOR))
    assert found.counts["overdue"] > 0


def test_filters_narrow_together(office):
    asked = board.Asked(board.ALL, user_class="hv_dual", step="completion_inspection", org="YZ-WL-XT")
    lines = all_lines(office, CITY, asked)
    assert lines
    for line in lines:
        assert line.user_class == "hv_dual"
        assert line.state.startswith("completion_inspection.")
        assert line.org is not None
        assert line.org.startswith("YZ-WL-XT")


def test_a_manager_has_his_own_and_sees_his_unit(office):
    mine = all_lines(office, MANAGER, board.Asked())
    unit = all_lines(office, MANAGER)
    assert {line.manager for line in mine} == {"YZ-WL-XT-GY-1"}
    assert {line.org for line in unit} == {"YZ-WL-XT-GY"}
    assert {line.manager for line in unit} > {"YZ-WL-XT-GY-1"}
    assert all_lines(office, MANAGER, board.Asked("YZ-WL-DL-CG-1")) == []


def test_numbers_find_an_application_wherever_one_may_look(office):
    line = all_lines(office, OTHER, board.Asked())[0]
    for number in (line.application_no, line.application_no[:-1], line.external_id, line.person.id):
        assert line.id in {one.id for one in all_lines(office, MANAGER, board.Asked(number=number))}
    stranger = Principal("YZ-WL-DL-CG-1", "manager", "YZ-WL-DL-CG")
    assert all_lines(office, stranger, board.Asked(number=line.application_no)) == []


def test_names_are_masked_for_whoever_need_not_know_them(office):
    full = {line.id: line.person.name for line in all_lines(office, CITY)}
    masked = {line.id: line.person.name for line in all_lines(office, INSPECTOR) if line.id in full}
    for id_, name in masked.items():
        whole = full[id_]
        assert name is not None
        assert whole is not None
        assert name[0] == whole[0]
        assert set(name[1:]) == {"*"}


def test_whose_clock_runs_and_what_comes_next(office):
    for line in all_lines(office, INSPECTOR):
        if line.clock == "customer":
            assert line.due_on is None
            assert line.state.endswith(".waiting")
        if line.closed_at is None:
            assert line.next_act is not None
    assert {line.clock for line in all_lines(office, INSPECTOR)} == {"utility", "customer", "stopped", "ended"}


def test_the_morning_list_holds_what_is_due_up_to_the_next_working_day(office):
    told = board.morning(office.service, CITY, EVERYTHING)
    listed = [line.id for _, lines in told.groups for line in lines]
    expected = [
        line.id
        for line in all_lines(office, CITY)
        if line.band is not None and line.band.code in ("overdue", "today", "next")
    ]
    assert listed == expected != []
    assert told.more == 0


def test_the_workbook_holds_every_line_in_the_order_of_the_board(office):
    answer = office.client("inspector").get("/board.xlsx?whose=all")
    sheet = openpyxl.load_workbook(io.BytesIO(answer.content)).active
    numbers = [row[0].value for row in sheet.iter_rows(min_row=2)]
    assert numbers == [line.application_no for line in all_lines(office, INSPECTOR)]


@pytest.mark.parametrize(("language", "state"), [("zh", "供电方案答复 · 办理中"), ("en", "Supply plan · in progress")])
def test_the_workbook_speaks_in_words_and_names(office, language, state):
    with board_sheet.sheet(office.service, INSPECTOR, board.Asked(whose="all"), language) as found:
        head, *rows = openpyxl.load_workbook(found).active.iter_rows(values_only=True)
    unit, told = (head.index(name) for name in (("单位", "状态") if language == "zh" else ("Unit", "State")))
    units, states = {row[unit] for row in rows}, {row[told] for row in rows}
    assert state in states
    assert not [one for one in states if re.search(r"running|waiting|\.", one)]
    assert not [one for one in units if one and one.startswith("YZ-")]


# What is done


def post(office, role: str, path: str, **fields: object):
    data = {"csrf": csrf_of(office.token(role)), **fields}
    return office.client(role).post(path, data=data)


def test_chosen_applications_are_handed_over_each_with_an_event(own_office):
    mine = [line.id for line in all_lines(own_office, MANAGER, board.Asked()) if line.closed_at is None][:2]
    answer = post(own_office, "manager", "/board/assign", id=mine, manager=OTHER.who, key="k1")
    assert "已移交 2 件" in answer.text
    assert set(mine) <= {line.id for line in all_lines(own_office, OTHER, board.Asked())}
    for one in mine:
        last = own_office.service.events(OTHER, one)["items"][-1]
        assert (last["type"], last["actor"]) == ("assigned", MANAGER.who)


def test_what_the_new_manager_would_not_see_is_not_handed_over(own_office):
    lines = [line for line in all_lines(own_office, CITY) if line.closed_at is None and line.org == "YZ-WL-DL-CG"][:1]
    done = board_acts.hand_over(own_office.service, CITY, [lines[0].id], OTHER.who, "k2")
    assert (done.done, [refusal.code for _, refusal in done.refused]) == (0, ["not-permitted"])


def test_an_inspector_hands_nothing_over(own_office):
    line = all_lines(own_office, INSPECTOR)[0]
    assert post(own_office, "inspector", "/board/assign", id=[line.id], manager=OTHER.who).status_code == 403
    assert "/board/assign" not in own_office.client("inspector").get("/board?whose=all").text
    assert "/board/assign" in own_office.client("manager").get("/board?whose=all").text


def test_who_stands_in_has_the_others_applications_on_those_days_only(own_office):
    today = NOW.date()
    fields = {"first": str(today), "last": str(today), "substitute": OTHER.who}
    assert "代班" in post(own_office, "manager", "/absences", **fields).text
    found = board.page(own_office.service, OTHER, board.Asked(), limit=500)
    assert found.standing_in_for == (MANAGER.who,)
    assert {line.manager for line in found.lines} == {MANAGER.who, OTHER.who}
    (row,) = board_acts.absences(own_office.service, MANAGER).own
    board_acts.be_back(own_office.service, MANAGER, row.id)
    assert {line.manager for line in all_lines(own_office, OTHER, board.Asked())} == {OTHER.who}


def test_an_absence_that_has_not_begun_shows_nothing_yet(own_office):
    import datetime as dt

    tomorrow = NOW.date() + dt.timedelta(days=1)
    board_acts.be_away(own_office.service, MANAGER, tomorrow, tomorrow, OTHER.who)
    assert {line.manager for line in all_lines(own_office, OTHER, board.Asked())} == {OTHER.who}


@pytest.mark.parametrize(
    ("first", "last", "substitute"),
    [
        ("2026-11-26", "2026-11-25", "YZ-WL-XT-GY-2"),
        ("2026-11-20", "2026-11-24", "YZ-WL-XT-GY-2"),
        ("2026-11-26", "2028-11-26", "YZ-WL-XT-GY-2"),
        ("soon", "2026-11-26", "YZ-WL-XT-GY-2"),
        ("2026-11-26", "2026-11-27", "YZ-WL-XT-GY-1"),
        ("2026-11-26", "2026-11-27", "YZ-WL-DL-CG-1"),
        ("2026-11-26", "2026-11-27", "nobody"),
    ],
)
def test_absences_that_cannot_be(own_office, first, last, substitute):
    answer = post(own_office, "manager", "/absences", first=first, last=last, substitute=substitute)
    assert answer.status_code == 422
    assert f'value="{first}"' in answer.text
    assert board_acts.absences(own_office.service, MANAGER).own == []


def test_a_view_keeps_filters_and_nothing_else(own_office):
    answer = post(own_office, "manager", "/board/views", name="高压", query="user_class=hv_dual&lang=en&cursor=x")
    assert 'href="/board?user_class=hv_dual"' in answer.text
    (view,) = board.page(own_office.service, MANAGER, board.Asked()).views
    assert (view.name, view.query) == ("高压", "user_class=hv_dual")
    assert board.page(own_office.service, OTHER, board.Asked()).views == []
    post(own_office, "manager", "/board/views/delete", name="高压")
    assert board.page(own_office.service, MANAGER, board.Asked()).views == []


def test_there_is_a_bound_to_views(own_office):
    for number in range(board_acts.MOST_VIEWS):
        board_acts.save_view(own_office.service, MANAGER, f"v{number}", "band=today")
    board_acts.save_view(own_office.service, MANAGER, "v0", "band=next")
    with pytest.raises(Refused) as refused:
        board_acts.save_view(own_office.service, MANAGER, "one more", "")
    assert refused.value.refusal.code == "too-many-rows"


def test_a_calendar_feed_is_made_shown_once_and_revoked(own_office):
    answer = post(own_office, "manager", "/board/calendar")
    path = answer.text.split("http://testserver")[1].split('"')[0]
    client = own_office.client(None)
    assert client.get(path).text.startswith("BEGIN:VCALENDAR")
    page = own_office.client("manager").get("/board/calendar").text
    assert path not in page
    post(own_office, "manager", page.split('action="')[-2].split('"')[0])
    assert client.get(path).status_code == 404


@pytest.mark.parametrize(
    "query", ["cursor=x", "cursor=0..01a21970-4fe5-70c3-958a-4e07dbda32f0", "band=never", "number=" + "x" * 65]
)
def test_what_makes_no_sense_in_the_address_is_told_as_such(office, query):
    answer = office.client("manager").get(f"/board?{query}")
    assert answer.status_code in (400, 422)
    assert "<h1>" in answer.text


def test_the_morning_list_is_printed_as_a_table_with_room_for_remarks(browser, served):
    with screen(browser, served, "supervisor", width=718) as window:  # what A4 upright leaves between its margins
        window.emulate_media(media="print")
        window.goto("/board/morning")
        row = window.locator("table.morning tbody tr").first
        shown = row.locator("td").evaluate_all("cells => cells.map(cell => getComputedStyle(cell).display)")
        assert shown == ["table-cell"] * 9


def test_an_absence_sent_twice_stands_once(own_office):
    fields = {"first": "2026-11-26", "last": "2026-11-27", "substitute": OTHER.who}
    for _ in range(2):
        assert "代班" in post(own_office, "manager", "/absences", **fields).text
    post(own_office, "manager", "/absences", **{**fields, "last": "2026-11-30"})
    rows = board_acts.absences(own_office.service, MANAGER).own
    assert [(row.first_day, row.last_day) for row in rows] == [
        ("2026-11-26", "2026-11-27"),
        ("2026-11-26", "2026-11-30"),
    ]


def test_a_page_that_made_a_calendar_feed_makes_no_other_when_it_is_loaded_again(own_office):
    page = own_office.client("manager").get("/board/calendar").text
    once = re.search(r'name="once" value="(.+?)"', page)
    assert once is not None
    first, again = (post(own_office, "manager", "/board/calendar", once=once[1]).text for _ in range(2))
    assert ("/feeds/" in first, "/feeds/" in again, "地址只显示过那一次" in again) == (True, False, True)
    assert again.count("/revoke") == 1
