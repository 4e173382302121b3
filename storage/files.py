"""Uploaded files outside the database, each under the SHA-256 of its bytes.

A file appears whole or not at all: it is written beside its place, made durable, and then renamed.  Whatever a full
disk or a killed process leaves behind is a temporary file, which `drop_parts` removes.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple

from storage.errors import StorageUnavailable

_PART: Final = ".part"


class Stored(NamedTuple):
    """What was stored: the digest (SHA-256, hex) to ask for it by, and its size in bytes."""

    digest: str
    size: int


class FileStore:
    """A directory of files by digest. Safe for several processes at once."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def put(self, chunks: Iterable[bytes]) -> Stored:
        """Store what `chunks` hold; stored again, it is stored once. Raises StorageUnavailable when the disk is full or
        cannot be written; whatever `chunks` raises passes through. Nothing is left behind then."""
        digest, size = hashlib.sha256(), 0
        part = self.directory / f"{secrets.token_hex(16)}{_PART}"
        try:
            self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            try:
                with part.open("xb") as file:
                    for chunk in chunks:
                        file.write(chunk)
                        digest.update(chunk)
                        size += len(chunk)
                    file.flush()
                    os.fsync(file.fileno())
                place = self._place(digest.hexdigest())
                place.parent.mkdir(exist_ok=True, mode=0o700)
                part.replace(place)
                _settle(place.parent)
            finally:
                part.unlink(missing_ok=True)
        except OSError as error:
            raise _unavailable(error) from error
        return Stored(digest.hexdigest(), size)

    def path(self, digest: str) -> Path | None:
        """Where the file with this digest lies; None when it is not there."""
        place = self._place(digest)
        return place if place.is_file() else None

    def remove(self, digests: Iterable[str], *, older_than_seconds: float = 3600) -> None:
        """Remove files that nobody names any more. Younger ones stay: somebody may be about to name the same bytes."""
        latest = time.time() - older_than_seconds  # noqa: TID251  # compared with the times of the file system
        for digest in digests:
            _remove_old(self._place(digest), latest)

    def drop_parts(self, *, older_than_seconds: float = 86400) -> None:
        """Remove what interrupted uploads left behind."""
        latest = time.time() - older_than_seconds  # noqa: TID251  # compared with the times of the file system
        for part in self.directory.glob(f"*{_PART}"):
            _remove_old(part, latest)

    def shelves(self) -> list[str]:
        """The parts the store is divided into, in order: whoever goes through all files goes from one to the next."""
        return sorted(place.name for place in self.directory.glob("??"))

    def on_shelf(self, shelf: str, *, older_than_seconds: float = 3600) -> list[str]:
        """The digests of the files of one part that were stored longer ago than that."""
        latest = time.time() - older_than_seconds  # noqa: TID251  # compared with the times of the file system
        return [place.name for place in self.directory.glob(f"{shelf}/*") if place.stat().st_mtime <= latest]

    def _place(self, digest: str) -> Path:
        if len(digest) != 64 or not set(digest) <= set("0123456789abcdef"):
            raise ValueError("not a SHA-256 digest")
        return self.directory / digest[:2] / digest


def _remove_old(path: Path, latest: float) -> None:
    try:
        if path.stat().st_mtime <= latest:
            path.unlink()
    except FileNotFoundError:
        return


def _settle(directory: Path) -> None:
    """Make a rename durable: after a power cut the file is found under its name."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _unavailable(error: OSError) -> StorageUnavailable:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageUnavailable("文件存储空间不足, 请稍后重试", "the file store is full; try again later")
    return StorageUnavailable("文件存储暂不可用, 请稍后重试", "the file store cannot be written; try again later")
