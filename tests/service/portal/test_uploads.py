"""Files from anybody: what comes in, how it lies, who is handed it."""

from __future__ import annotations

import errno
import io
import os
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from storage import FileStore, OrgRow, StorageUnavailable
from tests.service.portal.window import PDF, PNG, Window, incoming
from workflow.core.refusals import Refused
from workflow.service import Principal, access
from workflow.service.portal import apply, house, uploads


def zip_bomb() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", b"\0" * (20 << 20))
    return packed.getvalue()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("身份证.pdf", b""),
        ("身份证.pdf", b"<html><script>alert(1)</script></html>"),
        ("身份证.pdf", b"<!DOCTYPE html><body onload=alert(1)>"),
        ("图.png", b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"),
        ("图.jpg", b'<?xml version="1.0"?><svg onload="alert(1)"/>'),
        ("身份证.pdf", b"MZ" + b"\0" * 200),
        ("身份证.pdf", b"#!/bin/sh\nrm -rf /\n"),
        ("身份证.pdf", b"plain text"),
        ("身份证.pdf", zip_bomb()),
        ("动.png", b"GIF89a" + b"\0" * 40),
        ("身份证.pdf", b"\n\n<script>%PDF-1.4</script>"),
    ],
)  # fmt: skip
def test_what_is_no_listed_type_is_refused_whatever_it_is_called(
    sqlite_window: Window, name: str, content: bytes
) -> None:
    held = sqlite_window.draft()
    with pytest.raises(Refused) as refused:
        sqlite_window.add(held, "identity", file=incoming(name, content))
    assert refused.value.refusal.code == "file-not-allowed"
    assert apply.files(sqlite_window.service, held) == []
    assert not [one for one in house.files(sqlite_window.service).directory.rglob("*") if one.is_file()]


def test_the_content_gives_the_type_and_the_suffix(sqlite_window: Window) -> None:
    held = sqlite_window.draft()
    sqlite_window.add(held, "identity", file=incoming("扫描.pdf", PNG))
    (row,) = apply.files(sqlite_window.service, held)
    assert (row.media, row.name) == ("image/png", "扫描.png")


@pytest.mark.parametrize(
    ("content", "media", "name"),
    [
        (PDF, "application/pdf", "扫描.pdf"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01" + b"\0" * 40 + b"\xff\xd9", "image/jpeg", "扫描.jpg"),
        (b"RIFF\x24\0\0\0WEBPVP8 " + b"\0" * 40, "image/webp", "扫描.webp"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 40, "image/heif", "扫描.heic"),
    ],
)
def test_each_published_type_is_taken_for_what_it_holds(
    sqlite_window: Window, content: bytes, media: str, name: str
) -> None:
    held = sqlite_window.draft()
    sqlite_window.add(held, "identity", file=incoming("扫描.bin", content))
    (row,) = apply.files(sqlite_window.service, held)
    assert (row.media, row.name) == (media, name)


def test_a_file_one_byte_too_large_is_refused_and_leaves_nothing(sqlite_window: Window) -> None:
    most = house.rule(sqlite_window.service).uploads.largest_bytes
    assert most == 10 * 1024 * 1024
    held = sqlite_window.draft()
    with pytest.raises(Refused) as refused:
        sqlite_window.add(held, "identity", file=incoming(content=PDF.ljust(most + 1, b"\0")))
    assert "10 MB" in refused.value.refusal.detail.zh
    assert not [one for one in house.files(sqlite_window.service).directory.rglob("*") if one.is_file()]
    sqlite_window.add(held, "identity", file=incoming(content=PDF.ljust(most, b"\0")))
    assert apply.files(sqlite_window.service, held)[0].size == most


def test_so_many_files_and_no_more(sqlite_window: Window) -> None:
    held = sqlite_window.draft()
    most = house.rule(sqlite_window.service).uploads.most_files
    for number in range(most):
        sqlite_window.add(held, "identity", file=incoming(content=PDF + bytes([number])))
    with pytest.raises(Refused, match="20"):
        sqlite_window.add(held, "identity")
    assert len(apply.files(sqlite_window.service, held)) == most


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("../../../etc/passwd", "passwd.pdf"),
        ("C:\\Users\\张三\\证件.exe", "证件.pdf"),
        ("..", "file.pdf"),
        ("", "file.pdf"),
        ("a\x00b\r\nSet-Cookie: x.pdf", "abSet-Cookie x.pdf"),
        ("证\u202efdp.exe", "证fdp.pdf"),
        (".htaccess", "htaccess.pdf"),
        ("长" * 300 + ".pdf", "长" * 80 + ".pdf"),
        ("my.scan.pdf", "my.scan.pdf"),
    ],
)
def test_names_are_only_names(given: str, kept: str) -> None:
    assert uploads.clean_name(given, ".pdf") == kept


@pytest.mark.parametrize("digest", ["", "..", "../" * 20 + "etc/passwd", "A" * 64, "0" * 63, "0" * 65, "0" * 62 + "/."])
def test_only_a_digest_is_a_place(tmp_path: Path, digest: str) -> None:
    with pytest.raises(ValueError, match="SHA-256"):
        FileStore(tmp_path).path(digest)


def test_a_full_disk_leaves_no_half_file(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "files")

    def chunks():
        yield PDF
        raise OSError(errno.ENOSPC, "no space")

    with pytest.raises(StorageUnavailable, match="空间不足"):
        store.put(chunks())
    assert [one for one in store.directory.rglob("*") if one.is_file()] == []


def test_killed_in_the_middle_it_leaves_no_file_under_a_digest_and_the_rest_is_swept(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys, pathlib; from storage import FileStore\n"
        "def chunks():\n yield b'%PDF-' * 20000\n os.kill(os.getpid(), signal.SIGKILL)\n yield b'x'\n"
        "FileStore(pathlib.Path(sys.argv[1])).put(chunks())"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "files")], check=False)
    assert done.returncode == -signal.SIGKILL
    store = FileStore(tmp_path / "files")
    left = [one for one in store.directory.rglob("*") if one.is_file()]
    assert [one.suffix for one in left] == [".part"]
    store.drop_parts(older_than_seconds=-5)
    assert not left[0].exists()


def test_the_same_bytes_lie_once_and_stay_while_somebody_names_them(sqlite_window: Window) -> None:
    first, second = sqlite_window.draft(), sqlite_window.draft()
    sqlite_window.add(first, "identity")
    sqlite_window.add(second, "identity")
    (row,) = apply.files(sqlite_window.service, first)
    store = house.files(sqlite_window.service)
    assert len([one for one in store.directory.rglob("*") if one.is_file()]) == 1
    apply.remove_file(sqlite_window.service, first, row.id)
    assert store.path(row.digest) is not None
    uploads.tidy(sqlite_window.service)
    assert store.path(row.digest) is not None


def test_nobody_takes_a_file_out_of_anothers_draft(sqlite_window: Window) -> None:
    mine, theirs = sqlite_window.draft(), sqlite_window.draft()
    sqlite_window.add(theirs, "identity")
    (row,) = apply.files(sqlite_window.service, theirs)
    apply.remove_file(sqlite_window.service, mine, row.id)
    assert len(apply.files(sqlite_window.service, theirs)) == 1


def test_a_file_is_handed_to_staff_of_its_unit_and_that_is_recorded(window: Window) -> None:
    sent = window.sent()
    case_id = window.case_id(sent.application_no)
    with window.service.database.read() as tx:
        (first, _) = tx.uploads(case_id=case_id)
    here, elsewhere = Principal("li", "manager", "JA"), Principal("wu", "manager", "YC")
    window.service.put_orgs([OrgRow("YC", "HB", "city", "另一市公司", None, "420500")])
    handed = uploads.hand_out(window.service, here, first.id)
    assert handed.path.read_bytes() == PDF
    assert (handed.name, handed.media) == ("身份证.pdf", "application/pdf")
    with pytest.raises(Refused) as refused:
        uploads.hand_out(window.service, elsewhere, first.id)
    assert refused.value.refusal.code == "not-found"
    with pytest.raises(Refused) as refused:
        uploads.hand_out(window.service, Principal("x", "customer"), first.id)
    assert refused.value.refusal.code == "not-permitted"
    listed = uploads.of_case(window.service, here, case_id)
    assert [(one["upload"], one["who"]) for one in listed["handed_out"]] == [(first.id, "li")]
    assert [one["kind"] for one in listed["files"]] == ["identity", "premises_title"]


def test_a_file_of_a_draft_is_handed_to_nobody(sqlite_window: Window) -> None:
    held = sqlite_window.draft()
    sqlite_window.add(held, "identity")
    (row,) = apply.files(sqlite_window.service, held)
    with pytest.raises(Refused) as refused:
        uploads.hand_out(sqlite_window.service, Principal("root", "admin"), row.id)
    assert refused.value.refusal.code == "not-found"


def test_tidying_goes_on_where_it_stopped_and_removes_what_nobody_names(
    sqlite_window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = sqlite_window.service
    kept = sqlite_window.draft()
    sqlite_window.add(kept, "identity")
    store = house.files(service)
    orphans = [store.put([PDF, bytes([number])]).digest for number in range(6)]
    for file in store.directory.glob("??/*"):
        os.utime(file, (0, 0))
    sqlite_window.draft()
    turns = iter([200, 1, 1, 0])
    first = uploads.tidy(service, lambda _page: next(turns))
    shelves = len(store.shelves())
    rest = uploads.tidy(service)
    assert (first.removed <= 2, first.removed + rest.removed) == (True, len(orphans))
    assert shelves > 2
    assert [store.path(digest) for digest in orphans] == [None] * len(orphans)
    (row,) = apply.files(service, kept)
    assert store.path(row.digest) is not None
    assert uploads.tidy(service).removed == 0


def test_many_forms_without_files_are_all_removed(sqlite_window: Window, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "_PAGE", 2)
    held = [sqlite_window.draft(address=f"203.0.113.{number}") for number in range(5)]
    sqlite_window.clock.set("2024-02-01")
    assert uploads.tidy(sqlite_window.service).removed == 5
    with sqlite_window.service.database.read() as tx:
        assert [tx.draft(access.hash_of(one.token)) for one in held] == [None] * 5
