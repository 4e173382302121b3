"""A population of honest cases as an outsider imagines them: several cities, stations of different habits, and every
innocent irregularity that the rules must not take for guilt.  Independent of the generator of the bench; seeded."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from definitions import shipped
from tests.replay.outside.harness import History

CALENDAR = shipped()
NAMES = ("王伟", "李娜", "张敏", "刘洋", "陈静", "杨帆", "赵磊", "黄勇", "周杰", "吴霞", "徐鹏", "孙丽")
OBSERVERS = {
    "contract_signed": "contract", "fee_paid": "finance", "material_issued": "material", "meter_issued": "material",
    "meter_installed": "metering", "first_energy": "metering", "work_ticket": "dispatch", "outage_plan": "dispatch",
    "service_contact": "callcentre", "callback": "callcentre", "site_survey": "field_terminal",
    "works_started": "archive",
    "design_dated": "archive", "test_report_dated": "archive", "completion_report_dated": "archive",
    "licence_expires": "archive",
}  # fmt: skip
CLASSES = ("residential",) * 10 + ("lv_zero",) * 5 + ("lv_other",) * 3 + ("hv_single",) * 4 + ("hv_dual",)
HABITS = {2: "load", 4: "silent", 6: "dates", 8: "minutes", 9: "torn", 12: "waives"}
PAPERS = {
    "identity": ("identity", "身份证", "营业执照"), "premises_title": ("premises_title", "不动产权证", "房产证"),
    "project_approval": ("project_approval",),
}  # fmt: skip


@dataclass
class Station:
    """One organisation and its habits. `keeps`: the systems whose records it hands in. `habit`: how it keeps time,
    `load` nightly, `silent` no time of recording, `torn` some, `dates` dates only, `minutes` no seconds."""

    code: str
    region: str
    keeps: frozenset[str]
    terminal: bool
    estate: bool
    habit: str
    staff: dict[str, list[str]]
    serial: dict[int, int] = field(default_factory=dict)


@dataclass
class Draft:
    """A case while it is told. `clock`: the latest moment so far."""

    rng: random.Random
    station: Station
    facts: dict[str, Any]
    rows: list[dict[str, Any]] = field(default_factory=list)

    def add(self, name: str, at: dt.datetime | dt.date, **more: Any) -> None:
        activity, lifecycle = name.split(".")
        source = more.pop("source", OBSERVERS.get(activity, "marketing"))
        if source not in self.station.keeps and activity != "application":
            return
        recorded = more.pop("recorded", None)
        if recorded is None and isinstance(at, dt.datetime):
            recorded = at + dt.timedelta(seconds=self.rng.randint(20, 1500))
        if self.station.habit == "load" and recorded is not None:  # carried over every night
            recorded = dt.datetime.combine(
                recorded.date() + dt.timedelta(days=self.rng.choice([0, 3])), dt.time(23, self.rng.randint(0, 59))
            )
        if self.station.habit == "silent" or (self.station.habit == "torn" and self.rng.random() < 0.3):
            recorded = None
        if self.station.habit == "dates" and isinstance(at, dt.datetime):
            at = at.date() if self.rng.random() < 0.5 else dt.datetime.combine(at.date(), dt.time(0))
        if self.station.habit == "minutes" and isinstance(at, dt.datetime):
            at = at.replace(second=0)
        self.rows.append(
            {"activity": activity, "lifecycle": lifecycle, "occurred_at": str(at), "source": source,
             "recorded_at": str(recorded or ""), **more}
        )  # fmt: skip


def days_on(start: dt.date, working_days: int) -> dt.date:
    """That many working days later; nought: the day itself."""
    return CALENDAR.add(start, working_days) if working_days else start


def at(rng: random.Random, day: dt.date, low: int = 8, high: int = 17) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(rng.randint(low, high), rng.randint(0, 59), rng.randint(1, 59)))


def stations(rng: random.Random) -> list[Station]:
    everything = {"marketing", "customer_app", *OBSERVERS.values()}
    poor = [
        set(),
        set(),
        set(),
        {"callcentre"},
        {"metering"},
        {"dispatch", "archive"},
        {"material"},
        {"finance", "contract"},
    ]
    made = []
    for number in range(14):
        names = rng.sample(NAMES, 8)
        staff = {"clerk": names[:2], "planner": names[2:4], "inspector": names[4:6], "fitter": names[6:8]}
        made.append(
            Station(f"ORG{number:02}", ("420102", "420103", "421001", "421100")[number % 4],
                    frozenset(everything - poor[number % len(poor)]), number % 3 == 0, number % 5 == 0,
                    HABITS.get(number, ""), staff)
        )  # fmt: skip
    return made


class Population:
    """`cases` honest cases submitted from 2022 to 2024."""

    def __init__(self, seed: int, cases: int) -> None:
        self.rng = random.Random(seed)
        self.history = History()
        self.drafts: list[Draft] = []
        self.busy: dict[tuple[str, str], set[int]] = {}
        places = stations(self.rng)
        while len(self.drafts) < cases:
            station = self.rng.choice(places)
            self._one(station, dt.date(2021, 6, 1) + dt.timedelta(days=self.rng.randint(0, 1230)))
        self._number()

    # the course of a case

    def _facts(self, station: Station, user_class: str) -> dict[str, Any]:
        rng, number = self.rng, len(self.drafts)
        low = {"voltage": "low", "supply_count": 1}
        facts: dict[str, Any] = {
            "residential": {"customer_kind": "residential", "capacity_kw": rng.choice([4, 6, 8, 12, 16]), **low},
            "lv_zero": {"customer_kind": "non_residential", "enterprise_size": rng.choice(["micro", "small"]),
                        "capacity_kw": rng.choice([10, 30, 60, 99]), **low},
            "lv_other": {"customer_kind": "non_residential", "enterprise_size": rng.choice(["medium", "large"]),
                         "capacity_kw": rng.choice([40, 80, 120]), **low},
            "hv_single": {"customer_kind": "non_residential", "enterprise_size": rng.choice(["medium", "large"]),
                          "capacity_kw": rng.choice([315, 630, 1250]), "voltage": "high", "voltage_kv": 10,
                          "supply_count": 1},
            "hv_dual": {"customer_kind": "non_residential", "enterprise_size": "large", "capacity_kw": 4000,
                        "voltage": "high", "voltage_kv": 10, "supply_count": 2, "important_customer": "true"},
        }[user_class]  # fmt: skip
        kind = rng.choices(
            ["new", "increase", "temporary", "reconnect", "split", "decrease", "transfer"], [80, 9, 4, 2, 1, 2, 2]
        )[0]
        if kind in ("increase", "decrease", "transfer"):
            facts |= {
                "prior_capacity_kw": facts["capacity_kw"] // 2 + 1,
                "account_opened_on": f"20{rng.randint(10, 19)}-05-0{rng.randint(1, 9)}",
            }
        return {
            "customer_id": f"U{number:05}", "premises_id": f"P{number:05}", "area": "urban", "region": station.region,
            "org": station.code, "manager": rng.choice(station.staff["planner"]), "user_class": user_class,
            "business_type": kind, "channel": rng.choice(["online", "hall", "phone"]),
            "contractor": rng.choice(["甲电力", "乙电力", "丙电力"]) if user_class[:2] == "hv" else "", **facts,
        }  # fmt: skip

    def _one(self, station: Station, day: dt.date) -> None:
        rng = self.rng
        draft = Draft(rng, station, self._facts(station, rng.choice(CLASSES)))
        moment = at(rng, day if rng.random() < 0.15 else days_on(day - dt.timedelta(days=1), 1), 8, 20)
        self.drafts.append(draft)
        if rng.random() < 0.05:
            self._ended(draft, moment)
        elif draft.facts["user_class"] in ("residential", "lv_zero"):
            self._two_steps(draft, moment)
        else:
            self._steps(draft, moment)
        self._around(draft, moment)
        if rng.random() < 0.01:
            draft.rows += [dict(row) for row in rng.sample(draft.rows, 2)]  # the same order in two sheets

    def _actor(self, draft: Draft, role: str) -> str:
        return self.rng.choice(draft.station.staff[role])

    def _accept(self, draft: Draft, moment: dt.datetime) -> dt.datetime:
        rng, clerk = self.rng, self._actor(draft, "clerk")
        app = draft.facts["channel"] == "online"
        draft.add("application.submit", moment, source="customer_app" if app and rng.random() < 0.5 else "marketing",
                  actor="" if app else clerk, ref=f"PT{rng.getrandbits(40)}" if app else "")  # fmt: skip
        kinds = ["identity", "premises_title"] + ["project_approval"] * (draft.facts["voltage"] == "high")
        early = rng.random() < 0.1
        for kind in kinds:
            came = moment - dt.timedelta(hours=rng.randint(1, 20)) if early else moment + dt.timedelta(minutes=1)
            draft.add("document.received", came, value=rng.choice(PAPERS[kind]))
        if rng.random() < 0.04:
            draft.add(
                "document.received", moment, value=rng.choice(["营业场所照片", "commitment_letter"]), ref="volunteered"
            )
        begun = moment + dt.timedelta(minutes=rng.randint(2, 40))
        if rng.random() < 0.06:  # one complete list, answered the same day
            draft.add("acceptance.start", begun, actor=clerk)
            begun += dt.timedelta(minutes=rng.randint(20, 60))
            draft.add("document.requested", begun, value=rng.choice(kinds), actor=clerk)
            draft.add("acceptance.return", begun, value="资料不清晰", actor=clerk)
            begun += dt.timedelta(minutes=rng.randint(60, 120))
        draft.add("acceptance.start", begun, actor=clerk)
        done = begun + dt.timedelta(minutes=rng.randint(3, 60))
        if rng.random() < 0.1:
            done = at(rng, days_on(moment.date(), 1), 8, 16)
        draft.add("acceptance.complete", done, actor=clerk, recorded=self._entered(draft, done))
        return done

    def _entered(self, draft: Draft, moment: dt.datetime, *, site: bool = False) -> dt.datetime:
        """When a step is entered: mostly at once, now and then the next working day; a terminal may lack a signal."""
        rng = self.rng
        if site and rng.random() < 0.1:
            return at(rng, days_on(moment.date(), rng.randint(1, 3)), 8, 11)
        if rng.random() < 0.08:
            return at(rng, days_on(moment.date(), 1), 8, 11)
        return moment + dt.timedelta(seconds=rng.randint(10, 900))

    def _site(self, draft: Draft, name: str, moment: dt.datetime, role: str, **more: Any) -> None:
        """A step on site, never within minutes of another of the same hand."""
        actor = self._actor(draft, role)
        taken = self.busy.setdefault((draft.station.code, actor), set())
        slot = int(moment.timestamp() // 600)
        while any(near in taken for near in (slot - 1, slot, slot + 1)):
            moment += dt.timedelta(minutes=10)
            slot += 1
        taken.add(slot)
        terminal = draft.station.terminal
        more |= {"source": "field_terminal", "device": f"PDA-{actor}"} if terminal else {}
        draft.add(name, moment, actor=actor, recorded=self._entered(draft, moment, site=terminal), **more)

    def _fit(self, draft: Draft, day: dt.date) -> None:
        """The meter, the first energy and the filing, on one day or the filing a day later."""
        rng = self.rng
        old = draft.facts["business_type"] not in ("new", "temporary")
        fitted = at(rng, day, 9, 14)
        case = {"ref": "case"}
        batch = {"batch": f"estate:{rng.randint(1, 3)}"} if draft.station.estate and rng.random() < 0.1 else {}
        if rng.random() < 0.7:
            draft.add("work_ticket.observed", fitted - dt.timedelta(minutes=40), **(case if rng.random() < 0.6 else {}))
        if batch:
            draft.add("meter_installed.observed", fitted - dt.timedelta(days=rng.randint(20, 90)), **batch)
        else:
            draft.add("meter_installed.observed", day if rng.random() < 0.2 else fitted)
        if old:
            draft.add("first_energy.observed", at(rng, dt.date(rng.randint(2011, 2020), 6, 6)))
        elif rng.random() < 0.85:
            used = fitted + dt.timedelta(minutes=rng.randint(5, 50))
            draft.add("first_energy.observed", used + dt.timedelta(days=rng.choice([0, 0, 0, 0, 3, 30])))
        self._site(draft, "metering.complete", fitted + dt.timedelta(minutes=rng.randint(20, 90)), "fitter")

    def _two_steps(self, draft: Draft, moment: dt.datetime) -> None:
        rng = self.rng
        accepted = self._accept(draft, moment)
        limit = 5 if draft.facts["user_class"] == "residential" else {2021: 25, 2022: 20}.get(moment.year, 15)
        used = rng.choices([1, 2, 3, limit - 1, limit], [10, 25, 30, 20, 10])[0]
        day = days_on(moment.date(), used)
        if used < limit and rng.random() < 0.08:
            day += dt.timedelta(days=1)  # fitted on a rest day perhaps; still before the due date
        if used == limit and rng.random() < 0.15:  # a storm, its notice recorded on the day
            storm = days_on(accepted.date(), 1)
            draft.add("suspension.start", at(rng, storm, 8, 9), value="force_majeure", ref="NOTICE-2023-台风7")
            draft.add("suspension.end", at(rng, storm, 18, 20), value="force_majeure", ref="NOTICE-2023-台风7")
            day = days_on(day, 1)
        if draft.facts["user_class"] == "lv_zero" and used > 3 and rng.random() < 0.7:
            draft.add("site_survey.observed", at(rng, days_on(accepted.date(), 1)))
        if used == 1 and rng.random() < 0.3 and accepted.hour < 13 and accepted.date() == moment.date():
            day = moment.date()  # fitted on the day of the application
            fitted = accepted + dt.timedelta(minutes=rng.randint(60, 150))
            draft.add("meter_installed.observed", fitted)
            self._site(draft, "metering.complete", fitted + dt.timedelta(minutes=20), "fitter")
            return
        self._fit(draft, max(day, accepted.date() + dt.timedelta(days=1)))

    def _steps(self, draft: Draft, moment: dt.datetime) -> None:
        rng, high = self.rng, draft.facts["voltage"] == "high"
        accepted = self._accept(draft, moment)
        planner, limit = (
            self._actor(draft, "planner"),
            {"lv_other": 3, "hv_single": 10, "hv_dual": 20}[draft.facts["user_class"]],
        )
        day = days_on(accepted.date(), rng.randint(1, limit - 1 if high else 2))
        surveyed = at(rng, days_on(accepted.date(), 1), 8, 12)
        draft.add("site_survey.observed", surveyed if surveyed.date() <= day else accepted)
        if rng.random() < 0.6:
            draft.add("supply_plan.start", accepted + dt.timedelta(minutes=3), actor=planner)
        plan = at(rng, day, 13, 17)
        draft.add("supply_plan.complete", plan, actor=planner, recorded=self._entered(draft, plan))
        last = plan
        if high:
            draft.add("design_dated.observed", plan.date() + dt.timedelta(days=rng.randint(0, 20)))
            expires = dt.date(rng.randint(2026, 2029), 3, 1)
            draft.add("licence_expires.observed", expires, value=rng.choice(["designer", "contractor", ""]))
            for step, kinds, wait in (
                ("design_review", ("designer_qualification", "design_documents"), 21),
                ("mid_inspection", ("contractor_qualification", "concealed_works_records"), 40),
                ("completion_inspection", ("completion_report",), 30),
            ):
                last = self._handed_in(draft, step, kinds, last, wait)
        paid = at(rng, last.date() + dt.timedelta(days=rng.randint(1, 9)), 9, 15)
        draft.add(
            "contract_signed.observed",
            paid.date() if rng.random() < 0.5 else paid,
            ref=rng.choice(["case", "case", f"HT{rng.getrandbits(32)}"]),
        )
        draft.add("fee_paid.observed", paid + dt.timedelta(minutes=30), ref="case", amount=rng.randint(100, 90000))
        ready = at(rng, days_on(paid.date(), rng.randint(1, 4)), 8, 10)
        draft.add("metering.start", ready, actor=self._actor(draft, "fitter"))
        self._fit(draft, days_on(ready.date(), rng.randint(1, 3 if high else 2)))

    def _handed_in(self, draft: Draft, step: str, kinds: tuple[str, ...], last: dt.datetime, wait: int) -> dt.datetime:
        """A step that the customer hands in after weeks of his own, sometimes twice."""
        rng, inspector = self.rng, self._actor(draft, "inspector")
        if draft.station.habit == "waives" and step != "completion_inspection" and rng.random() < 0.5:
            draft.add(f"{step}.waive", last + dt.timedelta(minutes=9), value="鄂能源〔2021〕8号", actor=inspector)
            return last
        came = at(rng, days_on(last.date(), rng.randint(2, wait)), 8, 10)
        if step == "mid_inspection":
            draft.add("works_started.observed", last.date() + dt.timedelta(days=1))
        if step == "completion_inspection":
            draft.add("test_report_dated.observed", came.date() - dt.timedelta(days=1))
            draft.add("completion_report_dated.observed", came.date())
        for kind in kinds:
            early = kind == kinds[0] and len(kinds) > 1 and rng.random() < 0.2  # handed in with what came before
            draft.add(
                "document.received",
                last - dt.timedelta(hours=1) if early else came - dt.timedelta(minutes=9),
                value=kind,
            )
        if step != "design_review" and rng.random() < 0.3:
            draft.add(
                "service_contact.observed", came - dt.timedelta(hours=rng.randint(1, 15)), value="inspection_request"
            )
        defects = ["图纸比例", "保护定值", "接地电阻", "标识"]
        for again in range(rng.choices([0, 1, 2], [80, 17, 3])[0]):
            draft.add(f"{step}.start", came, actor=inspector)
            found = at(rng, days_on(came.date(), 1), 9, 15)
            draft.add(f"{step}.return", found, value="；".join(defects[again:]), actor=inspector)
            came = at(rng, days_on(found.date(), rng.randint(1, 8)), 8, 10)
        draft.add(f"{step}.start", came, actor=inspector)
        done = at(rng, days_on(came.date(), rng.randint(0, 1)), 11, 16)
        if step == "design_review":
            draft.add(f"{step}.complete", done, actor=inspector, recorded=self._entered(draft, done))
        else:
            self._site(draft, f"{step}.complete", done, "inspector")
        return max(
            dt.datetime.fromisoformat(row["occurred_at"]) for row in draft.rows if row["activity"] == step
        ) + dt.timedelta(hours=20 if draft.station.habit == "dates" else 0)

    def _ended(self, draft: Draft, moment: dt.datetime) -> None:
        """Withdrawn by the customer and asked for again, lapsed, refused, or closed as a duplicate on its day."""
        rng = self.rng
        how = rng.choice(["app", "app", "phone", "refused", "duplicate", "moved"])
        accepted = self._accept(draft, moment)
        proof = {"ref": f"PT{rng.getrandbits(40)}"}
        end = at(rng, days_on(accepted.date(), rng.randint(1, 2)), 18, 19)
        if how in ("app", "moved"):
            draft.add("application.withdraw", end, source="customer_app", value="客户原因", **proof)
        elif how == "phone":
            draft.add("application.withdraw", end, source="callcentre", value="客户原因", **proof)
        elif how == "refused":
            draft.add(
                "application.refuse",
                at(rng, days_on(accepted.date(), 1), 9, 12),
                value="违法建筑",
                ref="law:供电营业规则第8条",
            )
            return
        else:
            end = accepted + dt.timedelta(minutes=30)
            draft.add("application.terminate", end, value="duplicate", actor=self._actor(draft, "clerk"))
        if how != "moved" and draft.facts["user_class"] in ("residential", "lv_zero"):
            again = Draft(rng, draft.station, dict(draft.facts))
            self.drafts.append(again)
            back = moment if how == "duplicate" else at(rng, end.date() + dt.timedelta(days=rng.randint(2, 80)))
            self._two_steps(again, back - dt.timedelta(minutes=20))

    def _around(self, draft: Draft, moment: dt.datetime) -> None:
        """What other systems say beside the case, all of it innocent."""
        rng, day = self.rng, moment.date()
        before = lambda low, high: moment - dt.timedelta(days=rng.randint(low, high))  # noqa: E731 - a word for a span
        chances: list[tuple[float, Callable[[], None]]] = [
            (0.10, lambda: draft.add("service_contact.observed", before(3, 60), value="enquiry")),
            (0.05, lambda: draft.add("service_contact.observed", before(5, 90), value="pre_application")),
            (0.10, lambda: draft.add("service_contact.observed", moment - dt.timedelta(hours=rng.randint(1, 9)),
                                     value="connection_request")),
            (0.04, lambda: draft.add("site_survey.observed", before(4, 60), value="pre_application")),
            (0.05, lambda: draft.add("material_issued.observed", before(1, 5))),
            (0.02, lambda: draft.add("material_issued.observed", before(1, 5), ref="case", value="early_grid_works")),
            (0.03, lambda: draft.add("work_ticket.observed", before(1, 30), ref=f"GZP{rng.getrandbits(30)}")),
            (0.02, lambda: draft.add("outage_plan.observed", before(1, 30), ref="case", value="maintenance")),
            (0.02, lambda: draft.add("works_started.observed", before(5, 50).date(), value="civil_works")),
            (0.02, lambda: draft.add("contract_signed.observed", before(200, 900), value="framework")),
            (0.01, lambda: draft.add("meter_installed.observed", before(300, 900), value="rotation")),
            (0.02, lambda: draft.add("correction.changed", moment + dt.timedelta(hours=2), value="case.customer_id",
                                     old_value="U1", new_value="U2")),
        ]  # fmt: skip
        for chance, say in chances:
            if rng.random() < chance:
                say()
        done = [row for row in draft.rows if row["activity"] == "metering" and row["lifecycle"] == "complete"]
        if done and rng.random() < 0.25:
            energised = dt.datetime.fromisoformat(done[0]["occurred_at"])
            called = at(rng, days_on(energised.date(), 3))
            draft.add("callback.observed", day, value="submitted", recorded=called)
            draft.add("callback.observed", energised.date(), value="energised", recorded=called)

    # the file

    def _number(self) -> None:
        """Serial numbers in the order of submission, as a system gives them; then the rows of both tables."""
        firsts = [
            (min(row["occurred_at"] for row in d.rows if row["activity"] in ("application", "acceptance")), n)
            for n, d in enumerate(self.drafts)
        ]
        for first, n in sorted(firsts):
            draft = self.drafts[n]
            year = int(first[:4])
            serial = draft.station.serial[year] = draft.station.serial.get(year, 0) + 1
            case_id = f"{draft.station.code}-{year}-{serial:06}"
            self.history.cases.append(
                {"case_id": case_id, "case_no": case_id, **{k: str(v) for k, v in draft.facts.items()}}
            )
            for row in draft.rows:
                row = {key: str(value) for key, value in row.items()}  # noqa: PLW2901 - the row as text
                if row.get("ref") == "case":
                    row["ref"] = case_id
                self.history.events.append({"case_id": case_id, **row})
