"""What an inspector reads of the rules: sentences without codes, which lead to the application."""

from __future__ import annotations

import datetime as dt
import re

from workflow.alerts import worker
from workflow.service import Principal, Submission
from workflow.service.demo import PROVINCE
from workflow.web.visit import csrf_of


def test_a_finding_is_told_in_words_and_leads_to_its_application(own_office):
    service = own_office.service
    body = {
        "customer": {"id": "C-D26"}, "premises": {"id": "P-D26"}, "customer_kind": "non_residential",
        "enterprise_size": "large", "capacity_kw": 200.0, "voltage": "low", "area": "urban", "region": "960102",
        "org": "YZ-WL-XT-GY", "channel": "hall", "class_override": {"class": "lv_zero", "reason": "县里承诺"},
        "documents": [{"kind": "identity"}, {"kind": "premises_title"}],
    }  # fmt: skip
    case = service.submit(Principal("营销系统", "front_line", PROVINCE), Submission.model_validate(body)).result(30)
    service.clock.moment += dt.timedelta(minutes=15)
    worker.run_once(service)
    inspector = own_office.client("inspector")
    page = inspector.get("/findings?rule=D26").text
    row = next(row for row in page.split("<tr>") if f'href="/cases/{case.case_id}"' in row)
    assert "实行“三零”服务的低压非居民, 按规则应为 未实行“三零”服务的低压非居民" in row
    found = re.search(r'href="(/findings/[0-9a-f-]{36})"', row)
    assert found is not None
    one = inspector.get(found[1]).text
    assert f'href="/cases/{case.case_id}"' in one
    assert "lv_zero" not in one


def test_a_review_that_cannot_be_taken_is_shown_again_with_what_was_typed(own_office):
    inspector = own_office.client("inspector")
    found = re.search(r'href="(/findings/[0-9a-f-]{36})"', inspector.get("/findings").text)
    assert found is not None
    fields = {
        "csrf": csrf_of(own_office.token("inspector")),
        "act": "invite",
        "text": "请说明",
        "reply_by": "2026-11-01",
    }
    answer = inspector.post(f"{found[1]}/review", data=fields)
    assert answer.status_code == 422
    assert ">请说明</textarea>" in answer.text
    assert 'value="2026-11-01"' in answer.text
    assert re.search(r'name="act" value="invite" required checked', answer.text)
    assert '<div class="flash failed" role="alert">' in answer.text
