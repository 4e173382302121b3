"""What the customer's public pages keep: unfinished forms, uploads, tracking codes, complaints, limited areas, counts.

The uploaded bytes themselves lie outside the database (`storage.files`), under their digest.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from storage import portal_models  # noqa: F401  # their tables join the others
from storage._execution import Execution
from storage._lists import in_org
from storage._statements import tables
from storage.rows import AreaRow, ComplaintRow, DraftRow, TrackingRow, UploadRow, VisitRow

_draft = tables["portal_draft"]
_upload = tables["upload"]
_download = tables["download"]
_tracking = tables["tracking"]
_visit = tables["visit"]
_complaint = tables["complaint"]
_area = tables["limited_area"]
_count = tables["rate_count"]
_application = tables["application"]


def _columns(table: sa.Table, row: type[NamedTuple]) -> list[sa.Column[Any]]:
    return [table.c[field] for field in row._fields]


_UPLOAD = _columns(_upload, UploadRow)
_COMPLAINT = _columns(_complaint, ComplaintRow)
_AREA = _columns(_area, AreaRow)


class Portal(Execution):
    """Reading and writing what the public pages keep."""

    # Unfinished forms

    def add_draft(self, row: DraftRow) -> None:
        """Store a new draft."""
        self._query(sa.insert(_draft).values(row._asdict()))

    def draft(self, token_hash: str) -> DraftRow | None:
        """The draft with this SHA-256 (hex) of its token, expired or not."""
        row = self._query(sa.select(*_columns(_draft, DraftRow)).where(_draft.c.token_hash == token_hash)).first()
        return None if row is None else DraftRow._make(row)

    def fill_draft(self, draft_id: str, content: str) -> bool:
        """Replace what is written in a draft; False when it is gone or has been sent already."""
        fill = sa.update(_draft).where(_draft.c.id == draft_id, _draft.c.case_id.is_(None))
        return self._query(fill.values(content=content)).rowcount == 1

    def send_draft(self, draft_id: str, case_id: str) -> None:
        """The draft has become an application: what was typed is dropped, its uploads go with the application."""
        self._query(sa.update(_draft).where(_draft.c.id == draft_id).values(case_id=case_id, content="{}"))
        self._query(sa.update(_upload).where(_upload.c.draft_id == draft_id).values(case_id=case_id, draft_id=None))

    def drop_drafts(self, now: str, limit: int) -> tuple[int, list[str]]:
        """Remove up to `limit` drafts that expired before `now`, with their uploads; how many there were, and the
        digests of their files."""
        old = sa.select(_draft.c.id).where(_draft.c.expires_at < now).order_by(_draft.c.expires_at).limit(limit)
        ids = [row.id for row in self._query(old)]
        return len(ids), self._drop(ids)

    def drop_draft(self, draft_id: str) -> list[str]:
        """Remove an unsent draft with its uploads; the digests those had."""
        unsent = sa.select(_draft.c.id).where(_draft.c.id == draft_id, _draft.c.case_id.is_(None))
        return self._drop([row.id for row in self._query(unsent)])

    def _drop(self, ids: Sequence[str]) -> list[str]:
        if not ids:
            return []
        digests = self._query(sa.select(_upload.c.digest).where(_upload.c.draft_id.in_(ids)).distinct())
        found = [row[0] for row in digests]
        self._query(sa.delete(_upload).where(_upload.c.draft_id.in_(ids)))
        self._query(sa.delete(_draft).where(_draft.c.id.in_(ids)))
        return found

    # Uploads

    def add_upload(self, row: UploadRow) -> None:
        """Record an uploaded file."""
        self._query(sa.insert(_upload).values(row._asdict()))

    def uploads(self, *, draft_id: str | None = None, case_id: str | None = None) -> list[UploadRow]:
        """The files of a draft or of an application, oldest first."""
        owner = _upload.c.draft_id == draft_id if draft_id is not None else _upload.c.case_id == case_id
        return [_as_upload(row) for row in self._query(sa.select(*_UPLOAD).where(owner).order_by(_upload.c.id))]

    def upload(self, upload_id: str) -> UploadRow | None:
        """One uploaded file."""
        row = self._query(sa.select(*_UPLOAD).where(_upload.c.id == upload_id)).first()
        return None if row is None else _as_upload(row)

    def remove_upload(self, upload_id: str, draft_id: str) -> str | None:
        """Take a file out of a draft; its digest, None when the draft has no such file."""
        gone = sa.delete(_upload).where(_upload.c.id == upload_id, _upload.c.draft_id == draft_id)
        row = self._query(gone.returning(_upload.c.digest)).first()
        return None if row is None else str(row[0])

    def unclaimed(self, digests: Iterable[str]) -> list[str]:
        """Those of `digests` that no upload names."""
        asked = list(dict.fromkeys(digests))
        if not asked:
            return []
        named = {row[0] for row in self._query(sa.select(_upload.c.digest).where(_upload.c.digest.in_(asked)))}
        return [one for one in asked if one not in named]

    def add_download(self, download_id: str, upload_id: str, case_id: str, who: str, at: str) -> None:
        """Record that a member of the staff was handed a file."""
        values = {"id": download_id, "upload_id": upload_id, "case_id": case_id, "who": who, "at": at}
        self._query(sa.insert(_download).values(values))

    def downloads(self, case_id: str) -> list[tuple[str, str, str]]:
        """Who was handed which file of an application and when: (upload, who, at), oldest first."""
        c = _download.c
        wanted = sa.select(c.upload_id, c.who, c.at).where(c.case_id == case_id).order_by(c.id)
        return [(row.upload_id, row.who, row.at) for row in self._query(wanted)]

    # Tracking

    def put_tracking(self, row: TrackingRow) -> None:
        """Give an application a tracking code, in place of the one it had; looks by the old code end."""
        insert = self._backend.insert(_tracking).values(row._asdict())
        rest = {column: insert.excluded[column] for column in ("code_hash", "issued_at", "issued_by")}
        self._query(insert.on_conflict_do_update(index_elements=["case_id"], set_=rest))
        self._query(sa.delete(_visit).where(_visit.c.case_id == row.case_id))

    def tracking(self, application_no: str) -> tuple[str, TrackingRow] | None:
        """The application's id and tracking code by its number; None when there is no such number, or no code."""
        columns = _columns(_tracking, TrackingRow)
        joined = sa.select(_application.c.id, *columns).join_from(
            _tracking, _application, _application.c.id == _tracking.c.case_id
        )
        row = self._query(joined.where(_application.c.application_no == application_no)).first()
        if row is None:
            return None
        return str(row[0]), TrackingRow._make(list(row)[1:])

    def tracking_of(self, case_id: str) -> TrackingRow | None:
        """The tracking code of an application."""
        found = self._query(sa.select(*_columns(_tracking, TrackingRow)).where(_tracking.c.case_id == case_id)).first()
        return None if found is None else TrackingRow._make(found)

    def add_visit(self, row: VisitRow) -> None:
        """Open a look at an application; those that have expired by its `opened_at` are removed."""
        self._query(sa.delete(_visit).where(_visit.c.expires_at < row.opened_at))
        self._query(sa.insert(_visit).values(row._asdict()))

    def visit(self, token_hash: str) -> VisitRow | None:
        """The look with this SHA-256 (hex) of its token, expired or not."""
        row = self._query(sa.select(*_columns(_visit, VisitRow)).where(_visit.c.token_hash == token_hash)).first()
        return None if row is None else VisitRow._make(row)

    def end_visit(self, token_hash: str) -> None:
        """End a look."""
        self._query(sa.delete(_visit).where(_visit.c.token_hash == token_hash))

    # Complaints

    def add_complaint(self, row: ComplaintRow) -> None:
        """Store a complaint, or an answer to one; neither is ever changed."""
        self._query(sa.insert(_complaint).values(row._asdict()))

    def complaint(self, complaint_id: str) -> ComplaintRow | None:
        """A complaint, or an answer."""
        row = self._query(sa.select(*_COMPLAINT).where(_complaint.c.id == complaint_id)).first()
        return None if row is None else ComplaintRow._make(row)

    def complaints(self, case_id: str) -> list[ComplaintRow]:
        """The complaints of an application and their answers, oldest first."""
        wanted = sa.select(*_COMPLAINT).where(_complaint.c.case_id == case_id).order_by(_complaint.c.id)
        return [ComplaintRow._make(row) for row in self._query(wanted)]

    def list_complaints(
        self, *, scope: str | None, answered: bool | None, before: str | None, limit: int
    ) -> list[tuple[ComplaintRow, str]]:
        """Up to `limit` complaints with the number of their application, newest first. `scope`: of that unit and
        below; `answered` leaves those with an answer, or without."""
        c = _complaint.c
        joined = sa.select(*_COMPLAINT, _application.c.application_no).join_from(
            _complaint, _application, _application.c.id == c.case_id
        )
        wanted = joined.where(c.answers.is_(None)).order_by(c.id.desc()).limit(limit)
        if scope is not None:
            wanted = wanted.where(in_org(_application.c.org, scope))
        if answered is not None:
            other = sa.alias(_complaint)
            there = sa.exists().where(other.c.answers == c.id)
            wanted = wanted.where(there if answered else ~there)
        if before is not None:
            wanted = wanted.where(c.id < before)
        return [(ComplaintRow._make(list(row)[:-1]), str(row.application_no)) for row in self._query(wanted)]

    def answers(self, complaint_ids: Sequence[str]) -> list[ComplaintRow]:
        """The answers to these complaints, oldest first."""
        wanted = sa.select(*_COMPLAINT).where(_complaint.c.answers.in_(complaint_ids)).order_by(_complaint.c.id)
        return [ComplaintRow._make(row) for row in self._query(wanted)]

    # Capacity-limited areas

    def publish_areas(self, region: str, published_on: str, rows: Sequence[AreaRow]) -> int:
        """Put a region's list of that date in place of one of the same region and date; how many stood there."""
        old = sa.delete(_area).where(_area.c.region == region, _area.c.published_on == published_on)
        replaced = self._query(old).rowcount
        if rows:
            self._query(sa.insert(_area).values([row._asdict() for row in rows]))
        return int(replaced)

    def areas(self, on: str, regions: Sequence[str] | None, limit: int) -> list[AreaRow]:
        """Up to `limit` rows of the newest list that each region had published by the date `on`; `regions` narrows."""
        c = _area.c
        newest = sa.select(c.region, sa.func.max(c.published_on).label("newest")).where(c.published_on <= on)
        if regions is not None:
            newest = newest.where(c.region.in_(regions))
        latest = newest.group_by(c.region).subquery()
        wanted = (
            sa.select(*_AREA)
            .join(latest, sa.and_(latest.c.region == c.region, latest.c.newest == c.published_on))
            .order_by(c.region, c.area)
            .limit(limit)
        )
        return [AreaRow._make(row) for row in self._query(wanted)]

    # How often somebody knocked

    def count_knock(self, key: str, now: str, expires_at: str, amount: int) -> int:
        """Add `amount` to the count of `key`, which starts anew once it has expired by `now`; the count now."""
        self._query(sa.delete(_count).where(_count.c.expires_at <= now))
        insert = self._backend.insert(_count).values(key=key, knocks=amount, expires_at=expires_at)
        raised = insert.on_conflict_do_update(
            index_elements=["key"], set_={"knocks": _count.c.knocks + insert.excluded.knocks}
        )
        return int(self._query(raised.returning(_count.c.knocks)).scalar_one())

    def knocks(self, key: str, now: str) -> tuple[int, str] | None:
        """The count of `key` and when it expires; None when there is none by `now`."""
        c = _count.c
        row = self._query(sa.select(c.knocks, c.expires_at).where(c.key == key, c.expires_at > now)).first()
        return None if row is None else (int(row.knocks), str(row.expires_at))

    def forget_knocks(self, key: str | None) -> int:
        """Remove the count of `key`, or all of them; how many there were."""
        gone = sa.delete(_count)
        return int(self._query(gone if key is None else gone.where(_count.c.key == key)).rowcount)


def _as_upload(values: sa.Row[Any]) -> UploadRow:
    row = UploadRow._make(values)
    return row._replace(volunteered=bool(row.volunteered))
