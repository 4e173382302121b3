"""Who and what the demonstration is about: an invented province, and the course of each of its applications.

Pure: a story is a list of commands with their moments (Asia/Shanghai), computed from the queue file, the calendar and a
seed.  Commands after today are part of the story too; whoever plays it stops at the present, and those cases are open.
"""

from __future__ import annotations

import csv
import datetime as dt
import random
from collections.abc import Iterator
from importlib.resources import as_file, files
from typing import Any, NamedTuple

from definitions.calendar import WorkingCalendar
from workflow.core.times import BUSINESS_ZONE

SEED = "baozhuang 2024"
PROVINCE = "YZ"

INSPECTOR, ADMINISTRATOR, COUNTER = "YZ-8", "YZ-9", "YZ-WL-XT-WT-9"

_TREE = (
    ("YZ", None, "province", "云泽省电力公司", "960000"),
    ("YZ-WL", "YZ", "city", "望岚市供电公司", "960100"),
    ("YZ-WL-DL", "YZ-WL", "county", "东麓县供电公司", "960121"),
    ("YZ-WL-DL-CG", "YZ-WL-DL", "team", "东麓城关供电所", "960121"),
    ("YZ-WL-DL-BP", "YZ-WL-DL", "team", "东麓北坡供电所", "960121"),
    ("YZ-WL-XT", "YZ-WL", "county", "西汀区供电公司", "960102"),
    ("YZ-WL-XT-WT", "YZ-WL-XT", "team", "西汀湾头供电所", "960102"),
    ("YZ-WL-XT-GY", "YZ-WL-XT", "team", "西汀高压客户班", "960102"),
)
TEAMS = {"YZ-WL-DL-CG": "urban", "YZ-WL-DL-BP": "rural", "YZ-WL-XT-WT": "urban", "YZ-WL-XT-GY": "urban"}
_REGION = {code: region for code, _, _, _, region in _TREE}

_SURNAMES = "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦尤许何吕施张"
_GIVEN = ("云舟", "望澄", "砚秋", "知远", "晓岚", "若谷", "清和", "星野", "怀瑾", "疏桐", "牧之", "念初")
_STREETS = ("听潮路", "望岳街", "采薇巷", "云帆大道", "槐荫里", "石磴村", "柳堤新村", "晴川路")
_TRADES = ("豆腐坊", "茶社", "五金店", "果蔬合作社", "木器作坊", "印染厂", "冷链物流", "精密机械", "新材料", "数据中心")

KVA_PER_MW = 100
"""One megawatt of the queue stands for 100 kVA of a customer: a plant of 50 MW becomes a factory of 5,000 kVA."""

_TRANSFORMERS = (
    200, 250, 315, 400, 500, 630, 800, 1000, 1250, 1600, 2000, 2500, 3150, 4000, 5000, 6300, 8000, 10000, 12500, 16000,
    20000, 25000, 31500, 40000, 50000, 63000,
)  # fmt: skip
"""Sizes in kVA that are sold; the next larger one is applied for. All lie above the low-voltage ceiling of 160 kW."""

_DUAL_FROM_KVA = 6300
_EVERY = 2
"""Every second request of the queue becomes an application."""

Storm = tuple[dt.date, dt.date, str]
"""First day, last day, notice."""

_STORMS: tuple[Storm, ...] = (
    (dt.date(2024, 6, 20), dt.date(2024, 6, 24), "望岚市防汛抗旱指挥部通告2024年第3号"),
    (dt.date(2025, 7, 14), dt.date(2025, 7, 17), "望岚市防汛抗旱指挥部通告2025年第5号"),
    (dt.date(2026, 6, 15), dt.date(2026, 6, 18), "望岚市防汛抗旱指挥部通告2026年第2号"),
    (dt.date(2026, 8, 3), dt.date(2026, 8, 6), "望岚市气象灾害应急指挥部通告2026年第4号"),
    (dt.date(2026, 9, 8), dt.date(2026, 9, 11), "望岚市气象灾害应急指挥部通告2026年第7号"),
    (dt.date(2026, 10, 19), dt.date(2026, 10, 21), "望岚市气象灾害应急指挥部通告2026年第9号"),
)
"""Invented storms. One more lasts today, so that some cases stand suspended (`_world`)."""


class World(NamedTuple):
    """What all stories share: the calendar, the storms."""

    calendar: WorkingCalendar
    storms: tuple[Storm, ...]


def _world(calendar: WorkingCalendar, today: dt.date) -> World:
    first = calendar.last_working_on_or_before(today - dt.timedelta(days=1))
    now = (first, calendar.add(today, 3), f"望岚市气象灾害应急指挥部通告{today.year}年第20号")
    return World(calendar, (*(storm for storm in _STORMS if storm[1] < first), now))


_LOW_DOCUMENTS = (("identity", "id_card"), ("premises_title", "real_estate_certificate"))
_FIRM_DOCUMENTS = (("identity", "business_licence"), ("premises_title", "lease"))
_HIGH_DOCUMENTS = (*_FIRM_DOCUMENTS, ("project_approval", "filing"))
_STEP_DOCUMENTS = {
    "design_review": (("designer_qualification", "design_certificate"), ("design_documents", "construction_drawings")),
    "mid_inspection": (
        ("contractor_qualification", "installation_licence"),
        ("concealed_works_records", "works_and_test_record"),
    ),
    "completion_inspection": (("completion_report", "report_with_drawings"),),
}
_DEFECTS = {
    "design_review": ("继电保护定值未提供", "接地网图缺少接地电阻计算", "主接线图与说明书不符"),
    "mid_inspection": ("电缆沟隐蔽工程缺少影像记录", "接地体焊接长度不足"),
    "completion_inspection": ("五防闭锁未调试", "竣工图未标注电缆走向", "缺少交接试验报告中的耐压项目"),
}


class Act(NamedTuple):
    """One command: when, by whom in which role, and the body as other systems send it."""

    at: dt.datetime
    who: str
    role: str
    body: dict[str, Any]


class Story(NamedTuple):
    """One application's course, in order of time."""

    name: str
    acts: list[Act]


def orgs() -> Iterator[tuple[str, str | None, str, str, str, str]]:
    """The units: code, parent, level, name, enterprise, region."""
    for code, parent, level, name, region in _TREE:
        yield code, parent, level, name, "云泽省电力公司", region


def staff() -> Iterator[tuple[str, str, str, str, None, str | None]]:
    """The staff: id, name, org, role, no contact, substitute. Of each team three managers and a lead; in the province
    an inspector and an administrator, and somebody at a counter."""
    for which, org, role in (
        (INSPECTOR, PROVINCE, "inspector"),
        (ADMINISTRATOR, PROVINCE, "admin"),
        (COUNTER, "YZ-WL-XT-WT", "front_line"),
    ):
        yield which, _person(which), org, role, None, None
    for code, _, level, _, _ in _TREE:
        if level == "team":
            for number in (1, 2, 3):
                yield f"{code}-{number}", _person(f"{code}-{number}"), code, "manager", None, f"{code}-{number % 3 + 1}"
        yield f"{code}-0", _person(f"{code}-0"), code, "supervisor", None, None


def _person(which: str) -> str:
    pick = random.Random(f"{SEED} {which}")  # noqa: S311  # a story, not a secret
    return pick.choice(_SURNAMES) + pick.choice(_GIVEN)


def stories(calendar: WorkingCalendar, today: dt.date) -> Iterator[Story]:
    """Every story that has begun by `today`."""
    world = _world(calendar, today)
    with as_file(files("workflow.demo") / "queue.csv") as path, path.open(encoding="utf-8", newline="") as file:
        queue = list(csv.DictReader(file))
    for row in queue[::_EVERY]:
        if dt.date.fromisoformat(row["requested_on"]) <= today:
            yield _high(world, row)
    for number in range(170):
        pick = random.Random(f"{SEED} low {number}")  # noqa: S311  # as above
        # Two in five over the whole time, the others in the last months, the more the nearer: a queue of today.
        days = (today - dt.date(2024, 1, 2)).days
        back = pick.randrange(days) if number % 5 < 2 else int(120 * pick.random() ** 2)
        yield from _LOW[number % 3](world, number, today - dt.timedelta(days=back), pick)


class _Teller:
    """Tells one story: every call happens at the moment reached, which `later` moves on."""

    def __init__(self, world: World, name: str, day: dt.date, pick: random.Random) -> None:
        self.world = world
        self.calendar = world.calendar
        self.name = name
        self.pick = pick
        self.at = dt.datetime.combine(day, dt.time(8, 30), BUSINESS_ZONE) + dt.timedelta(minutes=pick.randrange(480))
        self.acts: list[Act] = []
        self.org = ""

    def story(self) -> Story:
        """What was told."""
        return Story(self.name, self.acts)

    def give(self, body: dict[str, Any], role: str = "front_line", who: str = "营销系统") -> None:
        """A command now."""
        self.acts.append(Act(self.at, who, role, body))

    def minutes(self, most: int) -> None:
        """Some minutes later on the same day."""
        self.at += dt.timedelta(minutes=self.pick.randint(1, most))

    def later(self, working_days: int) -> None:
        """So many working days later, at some hour of business."""
        day = self.calendar.add(self.at.date(), working_days)
        moment = dt.datetime.combine(day, dt.time(9), BUSINESS_ZONE) + dt.timedelta(minutes=self.pick.randrange(420))
        self.at = max(moment, self.at + dt.timedelta(minutes=5))

    def submit(self, team: str, documents: tuple[tuple[str, str], ...], **facts: Any) -> None:
        """The application, with the two managers and the notices of acceptance."""
        self.org = team
        number = self.pick.randint(1, 3)
        self.give(
            {
                "external_id": self.name,
                "area": TEAMS[team],
                "region": _REGION[team],
                "org": team,
                "manager": f"{team}-{number}",
                "documents": [self.document(*one) for one in documents],
                **facts,
            }
        )
        self.minutes(20)
        self.give({"command": "assign", "project_manager": f"{team}-{number % 3 + 1}"}, "supervisor", f"{team}-0")
        for notice, channel in (("hotlines", "sms"), ("policy", "wechat"), ("progress", "app")):
            proof = {"ref": f"MSG-{self.name}-{notice}", "source": "marketing"}
            self.give({"command": "notify", "notice": notice, "channel": channel, "evidence": proof})

    def document(self, kind: str, form: str) -> dict[str, Any]:
        """A document, now and then from the e-licence platform."""
        return {"kind": kind, "form": form, "source": self.pick.choice(("upload", "upload", "e_licence"))}

    def hand_in(self, step: str) -> None:
        """The customer hands a step in with its documents."""
        documents = [self.document(*one) for one in _STEP_DOCUMENTS.get(step, ())]
        self.give({"command": "submit_step", "step": step, "documents": documents})

    def complete(self, step: str, **more: Any) -> None:
        """The utility's result of a step."""
        self.give({"command": "complete_step", "step": step, **more})

    def countersign(self) -> None:
        """The team's lead signs what waits."""
        self.give({"command": "countersign"}, "supervisor", f"{self.org}-0")

    def suspend(self, storm: Storm) -> None:
        """A storm, recorded on its first working day and countersigned; then the moment is after it."""
        first, last, notice = storm
        self.at = dt.datetime.combine(first, dt.time(16), BUSINESS_ZONE)
        self.give(
            {"command": "suspend", "reason": "force_majeure", "notice": notice, "from": f"{first}", "to": f"{last}"}
        )
        self.at += dt.timedelta(hours=1)
        self.countersign()
        self.at = dt.datetime.combine(last, dt.time(9), BUSINESS_ZONE)

    def withdraw(self, reason: str) -> None:
        """The customer's own request, proved by the record of the channel."""
        ref = f"APP-{self.at:%Y%m%d}-{self.pick.randrange(10_000):04d}"
        self.give({"command": "withdraw", "reason": reason, "evidence": {"ref": ref, "source": "customer_app"}})

    def customer(self, which: str, name: str) -> dict[str, Any]:
        """Who applies, and where."""
        street = self.pick.choice(_STREETS)
        return {
            "customer": {"id": f"C-{which}", "name": name, "phone": f"000{self.pick.randrange(10**8):08d}"},
            "premises": {"id": f"P-{which}", "address": f"望岚市{street}{self.pick.randint(1, 399)}号"},
        }


# ---- low voltage -----------------------------------------------------------------------------------------------------


def _low_team(pick: random.Random) -> str:
    return pick.choice(("YZ-WL-DL-CG", "YZ-WL-DL-BP", "YZ-WL-XT-WT"))


def _residential(world: World, number: int, day: dt.date, pick: random.Random) -> Iterator[Story]:
    teller = _Teller(world, f"DEMO-R{number:03d}", day, pick)
    who = teller.customer(f"R{number:03d}", pick.choice(_SURNAMES) + pick.choice(_GIVEN))
    facts = {
        **who, "customer_kind": "residential", "capacity_kw": float(pick.choice((4, 6, 8, 10, 12, 20))),
        "voltage": "low", "channel": pick.choice(("online", "online", "hall", "phone")),
    }  # fmt: skip
    incomplete = number % 9 == 0
    teller.submit(_low_team(pick), _LOW_DOCUMENTS[: 1 if incomplete else 2], **facts)
    if incomplete:
        teller.later(1)
        teller.give({"command": "register_documents", "documents": [teller.document(*_LOW_DOCUMENTS[1])]})
    yield from _two_steps(teller, pick, usual=(1, 3), late=(6, 20), often=6)


def _lv_zero(world: World, number: int, day: dt.date, pick: random.Random) -> Iterator[Story]:
    teller = _Teller(world, f"DEMO-Z{number:03d}", day, pick)
    who = teller.customer(f"Z{number:03d}", f"{pick.choice(_GIVEN)}{pick.choice(_TRADES)}")
    facts = {
        **who, "customer_kind": "non_residential", "enterprise_size": pick.choice(("micro", "small")),
        "capacity_kw": float(pick.choice((20, 30, 50, 80, 100, 160))), "voltage": "low",
        "channel": pick.choice(("online", "hall", "visit")), "business_type": pick.choice(("new", "new", "increase")),
    }  # fmt: skip
    team = _low_team(pick)
    teller.submit(team, _FIRM_DOCUMENTS, **facts)
    if number % 4 == 1:
        teller.later(1)
        teller.give({"command": "add_approval", "authority": "望岚市城市管理局"})
        teller.later(pick.choice((2, 4, 7)))
        teller.give({"command": "decide_approval", "decision": "granted"})
    if number % 11 == 4:
        yield from _filed_again(teller, team, facts)
        return
    yield from _two_steps(teller, pick, usual=(4, 9), late=(16, 40), often=5)


def _two_steps(
    teller: _Teller, pick: random.Random, *, usual: tuple[int, int], late: tuple[int, int], often: int
) -> Iterator[Story]:
    """Acceptance and metering; one in `often` is late."""
    teller.minutes(90)
    teller.complete("acceptance")
    begun = teller.at.date()
    days = pick.randint(*(late if pick.randrange(often) == 0 else usual))
    storm = next((one for one in teller.world.storms if begun < one[0] <= teller.calendar.add(begun, days)), None)
    if storm is not None:
        teller.suspend(storm)
        days = 2
    teller.later(days)
    if pick.randrange(8) == 0:
        # Noted on paper in the field, entered days later: late, with a reason, and signed by the lead for half of them.
        happened = teller.at
        teller.later(3)
        teller.complete("metering", occurred_at=happened.isoformat(), reason="现场作业终端故障, 事后补录")
        if pick.randrange(2):
            teller.later(1)
            teller.countersign()
    else:
        teller.complete("metering", source="field_terminal")
    if pick.randrange(3):
        teller.later(1)
        teller.give({"command": "rate", "score": pick.choice((3, 4, 5, 5, 5))})
    yield teller.story()


def _filed_again(teller: _Teller, team: str, facts: dict[str, Any]) -> Iterator[Story]:
    """Withdrawn by the customer, applied for again some days later: the engine chains the two."""
    teller.later(3)
    teller.withdraw("店面装修延期, 暂不办理")
    ended = teller.at
    yield teller.story()
    again = _Teller(teller.world, f"{teller.name}-2", ended.date(), teller.pick)
    again.at = ended
    again.later(6)
    again.submit(team, _FIRM_DOCUMENTS, **facts)
    yield from _two_steps(again, teller.pick, usual=(4, 9), late=(16, 40), often=5)


def _lv_other(world: World, number: int, day: dt.date, pick: random.Random) -> Iterator[Story]:
    teller = _Teller(world, f"DEMO-L{number:03d}", day, pick)
    who = teller.customer(f"L{number:03d}", f"{pick.choice(_GIVEN)}{pick.choice(_TRADES)}有限公司")
    facts = {
        **who, "customer_kind": "non_residential", "enterprise_size": pick.choice(("medium", "large")),
        "capacity_kw": float(pick.choice((60, 100, 150, 200))), "voltage": "low",
        "channel": pick.choice(("online", "hall", "visit")),
    }  # fmt: skip
    teller.submit(_low_team(pick), _FIRM_DOCUMENTS, **facts)
    if number % 17 == 2:
        teller.later(2)
        basis = "《中华人民共和国城乡规划法》第六十四条"
        teller.give({"command": "refuse", "legal_basis": basis, "reason": "用电地址为违法建设"})
        yield teller.story()
        return
    teller.later(pick.choice((0, 1, 1)))
    teller.complete("acceptance")
    teller.later(pick.choice((1, 2, 3, 3, 5, 12)))
    teller.complete("supply_plan")
    if number % 13 == 2:
        teller.later(70)
        teller.give({"command": "terminate", "reason": "lapsed", "note": "供电方案有效期满, 客户未报竣工"})
        yield teller.story()
        return
    teller.later(pick.randint(2, 15))
    teller.hand_in("metering")
    teller.later(pick.choice((1, 1, 2, 2, 4, 12)))
    teller.complete("metering")
    yield teller.story()


_LOW = (_residential, _lv_zero, _lv_other)


# ---- high voltage ----------------------------------------------------------------------------------------------------


def kva_of(net_mw: float) -> int:
    """The size applied for, from the size in the queue: the next transformer, between 200 and 63,000 kVA."""
    wanted = net_mw * KVA_PER_MW
    return next((size for size in _TRANSFORMERS if size >= wanted), _TRANSFORMERS[-1])


def _high(world: World, row: dict[str, str]) -> Story:
    pick = random.Random(f"{SEED} high {row['position']}")  # noqa: S311  # as above
    day = dt.date.fromisoformat(row["requested_on"])
    teller = _Teller(world, f"DEMO-H{row['position']}", day, pick)
    kva = kva_of(float(row["net_mw"]))
    dual = kva >= _DUAL_FROM_KVA
    teller.submit(
        "YZ-WL-XT-GY" if pick.randrange(3) else pick.choice(("YZ-WL-DL-CG", "YZ-WL-XT-WT")),
        _HIGH_DOCUMENTS,
        **teller.customer(f"H{row['position']}", f"{pick.choice(_GIVEN)}{pick.choice(_TRADES)}有限公司"),
        customer_kind="non_residential",
        enterprise_size=pick.choice(("medium", "large")),
        capacity_kw=float(kva),
        voltage="high",
        supply_count=2 if dual else 1,
        voltage_kv=110.0 if kva > 40_000 else 35.0 if kva > 12_500 else 10.0,
        important_customer=dual and pick.randrange(4) == 0,
        channel=pick.choice(("online", "hall", "visit")),
    )
    withdrawn = dt.date.fromisoformat(row["withdrawn_on"]) if row["withdrawn_on"] else None
    _high_course(teller, pick, dual, withdrawn)
    return teller.story()


def _high_course(teller: _Teller, pick: random.Random, dual: bool, withdrawn: dt.date | None) -> None:
    """From acceptance to energised; or to the withdrawal, on the day that the queue gives, in one of the customer's own
    waiting times."""
    stops_before = pick.choice(("design_review", "completion_inspection", "metering")) if withdrawn else None
    teller.later(pick.choice((0, 1, 1)))
    teller.complete("acceptance")
    plan_days = pick.randint(*((12, 19) if dual else (5, 10))) + (6 if pick.randrange(9) == 0 else 0)
    teller.later(plan_days)
    reason = "最近公共线路无剩余容量, 由相邻变电站供出" if pick.randrange(6) == 0 else None
    teller.complete("supply_plan", **({"plan_reason": reason} if reason else {}))
    if dual:
        teller.give({"command": "add_charge", "item": "high_reliability_fee", "amount": 210_000.0})
    if pick.randrange(4) == 0:
        teller.give({"command": "add_approval", "authority": "望岚市自然资源局", "voltage_kv": 10.0})
        teller.later(pick.choice((5, 9, 13)))
        teller.give({"command": "decide_approval", "decision": "granted"})
    for step, wait, limit in (
        ("design_review", (15, 45), 3),
        ("mid_inspection", (15, 60), 2),
        ("completion_inspection", (20, 60), 3),
        ("metering", (1, 8), 3),
    ):
        if step == stops_before and withdrawn is not None:
            _withdrawn(teller, withdrawn)
            return
        teller.later(pick.randint(*wait))
        if withdrawn is not None and teller.at.date() >= withdrawn:
            _withdrawn(teller, withdrawn)
            return
        _high_step(teller, pick, step, limit)


def _withdrawn(teller: _Teller, on: dt.date) -> None:
    moment = dt.datetime.combine(on, dt.time(10), BUSINESS_ZONE)
    teller.at = max(moment, teller.acts[-1].at + dt.timedelta(hours=1))
    teller.withdraw("项目投资计划调整, 不再建设")


def _high_step(teller: _Teller, pick: random.Random, step: str, limit: int) -> None:
    """A step handed in; waived now and then, returned once or twice, late now and then."""
    if step == "mid_inspection" and pick.randrange(14) == 0:
        basis = "《供电监管办法》第十一条, 本工程无隐蔽工程"
        teller.give({"command": "waive_step", "step": step, "legal_basis": basis})
        teller.later(1)
        teller.countersign()
        return
    rounds = pick.choice((0, 0, 0, 1, 1, 2)) if step in _DEFECTS else 0
    teller.hand_in(step)
    for number in range(rounds):
        teller.later(pick.randint(1, limit))
        defects = list(_DEFECTS[step][: pick.randint(1, 2)]) if number == 0 else [_DEFECTS[step][0]]
        teller.give({"command": "return_step", "step": step, "defects": defects})
        teller.later(pick.randint(3, 12))
        teller.hand_in(step)
    teller.later(limit + 2 if pick.randrange(12) == 0 else pick.randint(1, limit))
    teller.complete(step)
