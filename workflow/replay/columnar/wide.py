"""The wide row: everything a rule may speak of, put together for each case."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from definitions.model import STEPS
from workflow.replay.columnar.engines import Engine, columns_of
from workflow.replay.columnar.fold import refs_expected

_YES: Final = (
    "asked_after_documents", "returns_excused", "returns_grew", "same_actor_common",
    "one_day_common", "ending_proved", "quick_return", "serial_known",
    "earlier_ending_lost", "restart_lost", "ending_unsure", "elsewhere_unsure",
    "near_known", "near_limit", "suspension_unjudged", "changed_lost", "change_unknown", "same_actor_unsure", "proof_unsure",
)  # fmt: skip
_PLAIN: Final = (
    "held_contact", "outside_document", "outside_kind", "second_return", "waiting_start", "late_start", "improved_after",
    "improved_before", "loosened", "flawed_suspension", "suspension_flaw", "lv_extra_step", "burst", "burst_size", "serial_median",
    "same_actor_step", "same_actor_steps", "restarted_by", "earlier_endings",
    "earlier_ending_case", "shared_ref", "shared_moment", "elsewhere",
)  # fmt: skip
_SERIALS: Final = ("serial_known", "serial_median")
"""What nearly every case has a row of; the other tables hold few cases."""
_ORG: Final = ("contacts", "corrections", "suspensions", "documents", "charges")
_TOLD: Final = {
    "acceptance": "acceptance", "plan": "supply_plan", "completion": "completion_inspection", "metering": "metering",
}  # fmt: skip
"""What is missing only where the organisation and the table that tells of the case could have it."""


class Wide:
    """Everything a rule may speak of, one row per case: the facts, and what the sparse tables say."""

    def __init__(
        self, run: Engine, t0: str, derived: list[dict[str, str]], tables: list[str], present: set[str],
        as_of_day: int,
    ) -> None:  # fmt: skip
        self.t0, self.derived = t0, derived
        flags = {
            "has_business_type": "business_type" in present,
            "withdraw_ref_expected": refs_expected(run, "application.withdraw"),
        }
        self.constants = ", ".join(f"{str(bool(value)).upper()} AS {name}" for name, value in flags.items())
        account = {"prior_capacity_kw", "account_opened_on"} <= present
        self.constants += (
            f", {str(account).upper()} AND b.told_account AS has_account_columns, {as_of_day} AS as_of_day"
        )
        # Put together by themselves: each table joined to the facts would carry their hundreds of columns once more.
        few = [name for name in tables if name != "serials"]
        columns = ", ".join(name for name in (*_YES, *_PLAIN) if name not in _SERIALS)
        run.make(
            "beside",
            f"""SELECT x.cid, CASE WHEN premises.cid IS NOT NULL THEN TRUE WHEN dark_premises.cid IS NULL THEN FALSE END AS has_earlier_case,
            {columns}
            FROM ({" UNION ".join(f"SELECT cid FROM {name}" for name in few)}) AS x
            {" ".join(f"LEFT JOIN {name} ON {name}.cid = x.cid" for name in few)}""",
        )

    def of(self, some: str | None = None, wanted: Collection[str] | None = None) -> str:
        """SQL of the wide rows, called x, of all cases or of those in the table `some`; of the derived facts those alone
        that `wanted` rests on."""

        def rows(table: str) -> str:
            return f"(SELECT t.* FROM {table} AS t JOIN {some} ON {some}.cid = t.cid)" if some else table

        # The order and the steps are those of the class by the rules, else of the class as filed.
        on_path = "COALESCE(p.group_{0} = '{0}', FALSE)"
        required = {
            "supply_plan": on_path.format("supply_plan"),
            "completion": on_path.format("completion_inspection"),
            "design": f"{on_path.format('design_review')} AND (p.design_all OR b.important)",
            "mid": f"{on_path.format('mid_inspection')} AND (p.mid_all OR b.important)",
        }
        taken = {
            "design_review": "p.group_design_review IS NULL OR p.design_all OR b.important",
            "mid_inspection": "p.group_mid_inspection IS NULL OR p.mid_all OR b.important",
        }
        sql = f"""SELECT b.*, {self.constants}, b.has_premises AND {self.t0} IS NOT NULL AND need_known AS restart_known,
        CASE WHEN b.has_premises AND {self.t0} IS NOT NULL THEN beside.cid IS NOT NULL AND has_earlier_case END AS earlier_case_of_premises, d.total_limit,
        {", ".join(f"CASE WHEN p.def_id IS NOT NULL THEN {on} END AS requires_{what}" for what, on in required.items())},
        {", ".join(f"CASE WHEN p.def_id IS NULL THEN '{s}' WHEN {taken.get(s, 'TRUE')} THEN p.group_{s} END AS group_{s}" for s in STEPS)},
        p.def_id IS NULL OR {" AND ".join(f"({one}) IS NOT NULL" for one in taken.values())} AS path_known,
        clocks.late_round, clocks.late_step, clocks.late_limit, clocks.late_used, clocks.rounds_known, clocks.used,
        clocks.total_late, clocks.total_known, clocks.is_closed,
        {", ".join(f"COALESCE({name}, FALSE) AS {name}" for name in _YES)}, {", ".join(_PLAIN)},
        {", ".join(f"COALESCE(org_has_{name}, FALSE) AS org_has_{name}" for name in _ORG)},
        {", ".join(f"COALESCE(org_has_{name}, FALSE) AND b.told_{step} AS org_has_{name}" for name, step in _TOLD.items())},
        COALESCE(no_design_common, FALSE) OR NOT b.told_design_review AS no_design_common,
        COALESCE(no_mid_common, FALSE) OR NOT b.told_mid_inspection AS no_mid_common
        FROM {rows("facts")} AS b LEFT JOIN defs AS d ON d.def_id = b.def_id LEFT JOIN defs AS p ON p.def_id = b.path_id
        JOIN {rows("clocks")} AS clocks ON clocks.cid = b.cid LEFT JOIN org_facts ON org_facts.org_id = b.org_id
        LEFT JOIN {rows("beside")} AS beside ON beside.cid = b.cid LEFT JOIN {rows("serials")} AS serials ON serials.cid = b.cid"""
        for level in self._resting(wanted):
            columns = ", ".join(f"{expression} AS {name}" for name, expression in level.items())
            sql = f"SELECT *, {columns} FROM ({sql}) AS x"
        return f"({sql}) AS x"

    def _resting(self, wanted: Collection[str] | None) -> list[dict[str, str]]:
        if wanted is None:
            return self.derived
        needed, levels = set(wanted), []
        for level in reversed(self.derived):
            kept = {name: text for name, text in level.items() if name in needed}
            needed.update(*(columns_of(text) for text in kept.values()))
            levels.append(kept)
        return [level for level in reversed(levels) if level]
