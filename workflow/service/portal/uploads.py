"""Documents as files: what may come in, where it lies, who is handed it.

The bytes go to the file store first and are named by a row afterwards, so that a row never names a file that is not
there; a file nobody names is removed later.  The type is read from the content, never from the name, and a file is
handed out to be saved, never to be shown.
"""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

import puremagic
import uuid6

from definitions.model import FileType, PortalRule
from storage import Stored, Tx, UploadRow
from workflow.core.events import Principal
from workflow.core.refusals import Refused, refuse
from workflow.service import access
from workflow.service.portal import house
from workflow.service.service import Service

_HEAD: Final = 8192
_CHUNK: Final = 1 << 16
_LONGEST_NAME: Final = 80
_UNSEEN = re.compile(r'[\x00-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\ud800-\udfff<>:"|?*]')


class Incoming(NamedTuple):
    """A file as it comes in: what its owner calls it, and its bytes."""

    name: str
    content: BinaryIO


class Taken(NamedTuple):
    """A file that was taken in, before a row names it."""

    stored: Stored
    type: FileType
    name: str


class HandedOut(NamedTuple):
    """A file to hand to a member of the staff, to be saved."""

    path: Path
    name: str
    media: str


def take(service: Service, file: Incoming) -> Taken:
    """Check and store a file. Raises Refused `file-not-allowed` for one that is empty, too large or of another type
    than those listed, StorageUnavailable when it cannot be written; nothing is kept then."""
    rule = house.rule(service)
    head = file.content.read(_HEAD)
    type_ = type_of(rule, head)
    stored = house.files(service).put(_measured(rule, head, file.content))
    return Taken(stored, type_, clean_name(file.name, type_.suffix))


def type_of(rule: PortalRule, head: bytes) -> FileType:
    """The listed type that the first bytes of a file show. Raises Refused."""
    if not head:
        raise _not_allowed("文件是空的, 请重新选择", "The file is empty; choose it again")
    try:
        media = puremagic.from_string(head, mime=True)
    except (puremagic.PureError, ValueError):
        media = ""
    for one in rule.uploads.types:
        if one.media == media:
            return one
    names = [one.name for one in rule.uploads.types]
    raise _not_allowed(
        f"文件内容不是可接收的类型; 请上传 {'、'.join(names)} 文件(看内容, 不看文件名)",
        f"The content is not of a type that is accepted; upload {', '.join(names)} (the content counts, not the name)",
    )


def _measured(rule: PortalRule, head: bytes, rest: BinaryIO) -> Iterator[bytes]:
    size, chunk = 0, head
    while chunk:
        size += len(chunk)
        if size > rule.uploads.largest_bytes:
            most = rule.uploads.largest_bytes / (1 << 20)
            raise _not_allowed(
                f"文件超过 {most:g} MB, 请压缩或分成几个文件", f"The file is larger than {most:g} MB; make it smaller"
            )
        yield chunk
        chunk = rest.read(_CHUNK)


def _not_allowed(zh: str, en: str) -> Refused:
    return refuse("file-not-allowed", zh, en)


def none_chosen() -> Refused:
    """The refusal of a form that was sent without a file."""
    return _not_allowed("请先选择文件再上传", "Choose a file first, then upload it")


def clean_name(given: str, suffix: str) -> str:
    """What the file is called from now on: no folders, no unseen characters, and the suffix of what it is."""
    last = re.split(r"[/\\]", unicodedata.normalize("NFC", given))[-1]
    stem = _UNSEEN.sub("", last).rpartition(".")[0] or _UNSEEN.sub("", last)
    return f"{stem.strip(' .')[:_LONGEST_NAME] or 'file'}{suffix}"


def room(rule: PortalRule, there: int) -> None:
    """Raises Refused when an application has as many files as it may have."""
    if there >= rule.uploads.most_files:
        raise _not_allowed(
            f"最多上传 {rule.uploads.most_files} 个文件", f"At most {rule.uploads.most_files} files may be uploaded"
        )


def row(
    taken: Taken, *, kind: str, volunteered: bool, at: str, draft: str | None = None, case: str | None = None
) -> UploadRow:
    """The row that names a file that was taken in."""
    return UploadRow(
        str(uuid6.uuid7()), draft, case, kind, volunteered, taken.stored.digest, taken.stored.size, taken.type.media,
        taken.name, at,
    )  # fmt: skip


def drop_unclaimed(service: Service, digests: list[str]) -> None:
    """Remove files that no row names (any more)."""
    with service.database.read() as tx:
        unclaimed = tx.unclaimed(digests)
    house.files(service).remove(unclaimed)


_PAGE: Final = 200
_SHELF: Final = "portal.shelf"


class Tidied(NamedTuple):
    """What tidying looked at and removed, in drafts and files."""

    looked: int
    removed: int


def tidy(service: Service, room: Callable[[int], int] = lambda page: page) -> Tidied:
    """Remove unfinished forms that have expired, and files that nobody names. `room` says how many more rows may be
    looked at, 0 to stop; the next time goes on where this one stopped."""
    looked = removed = 0
    at, store = house.now(service), house.files(service)
    while limit := room(_PAGE):
        count, digests = service.transact(partial(Tx.drop_drafts, now=at, limit=limit))
        drop_unclaimed(service, digests)
        looked, removed = looked + count, removed + count
        if count < limit:
            break
    store.drop_parts()
    with service.database.read() as tx:
        known = reached = tx.setting(_SHELF) or ""
    for shelf in store.shelves():
        if shelf <= reached:
            continue
        if not room(1):
            service.transact(partial(Tx.put_setting, key=_SHELF, value=reached))
            return Tidied(looked, removed)
        digests = store.on_shelf(shelf)
        with service.database.read() as tx:
            unclaimed = [one for page in batched(digests, 500) for one in tx.unclaimed(page)]
        store.remove(unclaimed)
        looked, removed, reached = looked + len(digests), removed + len(unclaimed), shelf
    if known:
        service.transact(partial(Tx.put_setting, key=_SHELF, value=""))
    return Tidied(looked, removed)


def batched(values: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    """The values in pages."""
    return (values[at : at + size] for at in range(0, len(values), size))


# ---- for the staff ---------------------------------------------------------------------------------------------------


def of_case(service: Service, principal: Principal, case_id: str) -> dict[str, list[dict[str, object]]]:
    """The files of an application, and who was handed which. Raises Refused."""
    access.check_reads(service.law.roles, principal, house.AREA)
    with service.database.read() as tx:
        service.cases.load(tx, principal, case_id)
        rows, handed = tx.uploads(case_id=case_id), tx.downloads(case_id)
    return {
        "files": [shown(one) for one in rows],
        "handed_out": [
            {"upload": upload, "who": who, "at": dt.datetime.fromisoformat(at)} for upload, who, at in handed
        ],
    }


def shown(row: UploadRow) -> dict[str, object]:
    """A file as it is listed."""
    return {
        "id": row.id, "kind": row.kind, "volunteered": row.volunteered, "name": row.name, "size": row.size,
        "media": row.media, "digest": row.digest, "uploaded_at": dt.datetime.fromisoformat(row.uploaded_at),
    }  # fmt: skip


def hand_out(service: Service, principal: Principal, upload_id: str) -> HandedOut:
    """A file for a member of the staff who may read personal data in full; recorded before it is handed out. Raises
    Refused."""
    access.check_reads(service.law.roles, principal, house.AREA)
    access.check_reads(service.law.roles, principal, "personal")

    def work(tx: Tx) -> UploadRow:
        row = tx.upload(upload_id)
        if row is None or row.case_id is None:
            raise _no_file()
        service.cases.load(tx, principal, row.case_id)
        tx.add_download(str(uuid6.uuid7()), row.id, row.case_id, principal.who, house.now(service))
        return row

    row = service.transact(work)
    path = house.files(service).path(row.digest)
    if path is None:
        raise refuse(
            "not-found", "文件不在文件库中, 请联系管理员", "The file is not in the file store; tell the administrator"
        )
    return HandedOut(path, row.name, row.media)


def _no_file() -> Refused:
    return refuse("not-found", "没有找到这个文件", "There is no such file")
