"""Findings: what the rules say of cases, what became of it, and which cases are to be judged again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from storage._execution import Execution
from storage._lists import in_org
from storage._statements import tables
from storage.evidence import row_hash
from storage.rows import FindingEventRow, FindingFilter, FindingRow, JudgementRow

_finding = tables["finding"]
_event = tables["finding_event"]
_judgement = tables["judgement"]
_application = tables["application"]

_FINDING = [_finding.c[field] for field in FindingRow._fields]
_EVENT = [_event.c[field] for field in FindingEventRow._fields]
_JUDGEMENT = [_judgement.c[field] for field in JudgementRow._fields]
_FLAG = FindingRow._fields.index("stands")
# Literals, not parameters: only so may SQLite use the partial indexes.
_LIVE = sa.and_(_finding.c.run == sa.literal_column("''"), _finding.c.stands)


class Seen(NamedTuple):
    """An application of a page, and whether it has changed since it was judged, or the rules have."""

    case_id: str
    moved: bool


class Findings(Execution):
    """Reading and writing findings and judgements."""

    # Which cases to judge

    def claim_judgement(self, case_id: str) -> JudgementRow:
        """The judgement of a case, a new one where there was none, which nobody else writes until this transaction
        ends: what is read after it holds every record whose case was marked before."""
        c = _judgement.c
        new = self._backend.insert(_judgement).values(
            case_id=case_id, version=0, rules="", judged_at=None, look_on=None, stale_since=None
        )
        self._query(new.on_conflict_do_nothing(index_elements=["case_id"]))
        row: Any = self._query(sa.select(*_JUDGEMENT).where(c.case_id == case_id).with_for_update()).one()
        return JudgementRow._make(row)

    def judgement(self, case_id: str) -> JudgementRow | None:
        """The judgement of a case."""
        row: Any = self._query(sa.select(*_JUDGEMENT).where(_judgement.c.case_id == case_id)).first()
        return None if row is None else JudgementRow._make(row)

    def put_judgement(self, row: JudgementRow) -> None:
        """Store a judgement that was claimed."""
        self._query(sa.update(_judgement).where(_judgement.c.case_id == row.case_id).values(row._asdict()))

    def mark_stale(self, case_ids: Iterable[str], at: str) -> None:
        """Have cases judged again, because a record came in; in the order of their ids, so that none deadlock."""
        for case_id in sorted(set(case_ids)):
            new = self._backend.insert(_judgement).values(
                case_id=case_id, version=0, rules="", judged_at=None, look_on=None, stale_since=at
            )
            again = {"stale_since": sa.func.coalesce(_judgement.c.stale_since, new.excluded.stale_since)}
            self._query(new.on_conflict_do_update(index_elements=["case_id"], set_=again))

    def cases_to_judge(self, today: str, after: str, limit: int) -> list[str]:
        """Up to `limit` cases by id following `after` that wait to be judged: marked, or their day has come."""
        c = _judgement.c
        waits = sa.or_(c.stale_since.is_not(None), c.look_on <= today)
        wanted = sa.select(c.case_id).where(waits, c.case_id > after).order_by(c.case_id).limit(limit)
        return [str(row.case_id) for row in self._query(wanted)]

    def judged_page(self, rules: str, after: str, limit: int) -> list[Seen]:
        """A page of all applications by id following `after`, each with whether it is to be judged anew."""
        a, j = _application.c, _judgement.c
        page = sa.select(a.id, a.version).where(a.id > after).order_by(a.id).limit(limit).subquery()
        moved = sa.or_(j.case_id.is_(None), j.version < page.c.version, j.rules != rules)
        wanted = sa.select(page.c.id, moved).outerjoin_from(page, _judgement, j.case_id == page.c.id)
        rows: Sequence[Any] = self._query(wanted.order_by(page.c.id)).all()
        return [Seen(row[0], bool(row[1])) for row in rows]

    # Findings

    def findings_of(self, run: str, case_id: str, *, lock: bool = False) -> list[FindingRow]:
        """The findings on a case, those that no longer stand included. `lock` as of `Tx.case`."""
        c = _finding.c
        wanted = sa.select(*_FINDING).where(c.run == run, c.case_id == case_id).order_by(c.rule, c.id)
        return [_row(values) for values in self._query(wanted.with_for_update() if lock else wanted)]

    def finding(self, finding_id: str, *, lock: bool = False) -> FindingRow | None:
        """One finding. `lock` as of `Tx.case`."""
        wanted = sa.select(*_FINDING).where(_finding.c.id == finding_id)
        values = self._query(wanted.with_for_update() if lock else wanted).first()
        return None if values is None else _row(values)

    def add_finding(self, row: FindingRow) -> bool:
        """Store a finding; False when its run, case and rule have one."""
        new = self._backend.insert(_finding).values(row._asdict())
        new = new.on_conflict_do_nothing(index_elements=["run", "case_id", "rule"])
        return self._query(new.returning(_finding.c.id)).first() is not None

    def update_finding(self, row: FindingRow) -> None:
        """Store a finding as it stands now."""
        self._query(sa.update(_finding).where(_finding.c.id == row.id).values(row._asdict()))

    def append_finding_events(self, rows: Sequence[FindingEventRow]) -> None:
        """Add to the histories of findings that this transaction made or locked."""
        c = _event.c
        for row in rows:
            last = self._query(sa.select(sa.func.max(c.seq)).where(c.finding_id == row.finding_id)).scalar() or 0
            id_, finding_id, *told = row
            kept = row_hash((id_, finding_id, last + 1, *told))
            self._query(sa.insert(_event).values({**row._asdict(), "seq": last + 1, "hash": kept}))

    def finding_events(self, finding_id: str) -> list[FindingEventRow]:
        """The history of a finding, oldest first."""
        wanted = sa.select(*_EVENT).where(_event.c.finding_id == finding_id).order_by(_event.c.seq)
        return [FindingEventRow._make(row) for row in self._query(wanted)]

    def list_findings(self, narrowed: FindingFilter, *, before: str | None = None, limit: int = 50) -> list[FindingRow]:
        """Up to `limit` findings, newest first; `before` is the id of the last one of the page before."""
        wanted = sa.select(*_FINDING).where(*_narrowed(narrowed)).order_by(_finding.c.id.desc()).limit(limit)
        if before is not None:
            wanted = wanted.where(_finding.c.id < before)
        return [_row(values) for values in self._query(wanted)]

    def count_findings(self, narrowed: FindingFilter, *by: str) -> list[tuple[Any, ...]]:
        """How many findings there are, by columns of theirs: each row ends with the number."""
        columns = [_finding.c[name] for name in by]
        wanted = sa.select(*columns, sa.func.count()).where(*_narrowed(narrowed)).group_by(*columns).order_by(*columns)
        return [tuple(row) for row in self._query(wanted)]

    def any_finding_to_tell(self) -> bool:
        """Whether there is a standing finding of the live store that nobody was told of."""
        wanted = sa.select(_finding.c.id).where(_finding.c.told_at.is_(None), _LIVE).limit(1)
        return self._query(wanted).first() is not None

    def findings_to_tell(self, limit: int) -> list[FindingRow]:
        """Up to `limit` standing findings of the live store that nobody was told of; those that another worker holds
        are left out."""
        c = _finding.c
        wanted = sa.select(*_FINDING).where(c.told_at.is_(None), _LIVE).order_by(c.id).limit(limit)
        return [_row(values) for values in self._query(wanted.with_for_update(skip_locked=True))]

    def findings_told(self, ids: Sequence[str], at: str) -> None:
        """The inspectors know of these findings."""
        if ids:
            self._query(sa.update(_finding).where(_finding.c.id.in_(list(ids))).values(told_at=at))


def _row(values: Sequence[Any]) -> FindingRow:
    """SQLite knows no booleans."""
    return FindingRow._make((*values[:_FLAG], bool(values[_FLAG]), *values[_FLAG + 1 :]))


def _narrowed(narrowed: FindingFilter) -> list[sa.ColumnElement[bool]]:
    c = _finding.c
    conditions: list[sa.ColumnElement[bool]] = []
    for field, value in narrowed._asdict().items():
        if value is None:
            continue
        if field in ("scope", "org"):
            conditions.append(in_org(c.org, value))
        elif field == "reviewed":
            conditions.append((c.status != "open") if value else (c.status == "open"))
        elif field == "status" and value in ("standing", "lapsed"):
            conditions.append(c.stands if value == "standing" else sa.not_(c.stands))
        else:
            conditions.append(c[field] == value)
    return conditions
