"""Text files as they come: which encoding they are in, packed or not, line by line, none of it taken on trust."""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final, cast

from workflow.replay.intake.faults import BadHistory

MOST_EXPANSION: Final = 200
"""A packed file may grow by this factor; more is a bomb. Logs pack to about a fortieth."""

EXPANSION_ALLOWED: Final = 64 << 20
"""Bytes that any packed file may grow to."""

_CHUNK = 1 << 20


def check_file(path: Path) -> None:
    """Refuse what is no file with something in it. Raises BadHistory."""
    if path.is_dir():
        raise BadHistory(f"{path.name}: 是文件夹, 请指明文件 / is a folder; name a file")
    if not path.is_file():
        raise BadHistory(f"{path}: 没有这个文件 / there is no such file")
    if path.stat().st_size == 0:
        raise BadHistory(f"{path.name}: 文件是空的 / the file is empty")


def hidden(path: Path, home: Path) -> bool:
    """Whether it lies in `home` without being data: marks and remains of whoever wrote the folder (`_SUCCESS`,
    `_temporary/…`, `.part.crc`)."""
    return any(part.startswith((".", "_")) for part in path.relative_to(home).parts)


class Guarded:
    """A packed stream that refuses to grow out of proportion, and tells a torn file from a whole one."""

    def __init__(self, path: Path) -> None:
        self._name = path.name
        self._most = max(EXPANSION_ALLOWED, path.stat().st_size * MOST_EXPANSION)
        self._read = 0
        self._file = gzip.GzipFile(path, "rb")

    def read(self, size: int = -1) -> bytes:
        """As of a file. Raises BadHistory."""
        try:
            chunk = self._file.read(_CHUNK if size < 0 else size)
        except (OSError, EOFError, zlib.error) as error:
            raise BadHistory(
                f"{self._name}: 压缩文件损坏或不完整, 请重新取得 / "
                "the packed file is damaged or cut short; get it again"
            ) from error
        self._read += len(chunk)
        if self._read > self._most:
            raise BadHistory(
                f"{self._name}: 解压后超过 {MOST_EXPANSION} 倍, 疑为压缩炸弹; 如确为真实数据请先解压 / "
                f"unpacks to more than {MOST_EXPANSION} times its size; unpack it yourself if it is real"
            )
        return chunk

    def readable(self) -> bool:
        """As of a file."""
        return True

    def close(self) -> None:
        """As of a file."""
        self._file.close()


def opened(path: Path) -> BinaryIO:
    """The bytes of a file, unpacked when it is gzip (by its first bytes, not by its name). Raises BadHistory."""
    check_file(path)
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    return cast("BinaryIO", Guarded(path)) if packed else path.open("rb")


def chunks(path: Path) -> Iterator[bytes]:
    """The bytes of a file in pieces. Raises BadHistory."""
    file = opened(path)
    try:
        while chunk := file.read(_CHUNK):
            yield chunk
    finally:
        file.close()


def encoding_of(path: Path, told: str | None = None) -> str:
    """The encoding of a text file: `told`, its byte order mark, or the better of UTF-8 and GB18030 by the lines that
    each can read.  Raises BadHistory when it is neither."""
    if told is not None:
        try:
            return codecs.lookup(told).name
        except LookupError as error:
            raise BadHistory(f"没有编码 {told} / there is no encoding {told}") from error
    head = next(chunks(path), b"")
    for mark, name in (
        (codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
        (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"),
    ):  # fmt: skip
        if head.startswith(mark):
            return name
    # Without a mark UTF-16 shows by the high bytes of its commas, digits and line ends.
    even, odd = head[0:4096:2].count(0), head[1:4096:2].count(0)
    if max(even, odd) > len(head[:4096]) // 8 and min(even, odd) == 0:
        return "utf-16-le" if odd else "utf-16-be"
    return _of_lines(path)


def _of_lines(path: Path) -> str:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for chunk in chunks(path):
            decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        pass
    else:
        return "utf-8"
    # Some line is not UTF-8: a file in GB18030, or one in UTF-8 with torn lines.  Chinese text in the one encoding is
    # hardly ever valid in the other, so the lines vote.
    votes = {"utf-8": 0, "gb18030": 0}
    for line in _lines(path):
        if not line.isascii():
            for name in votes:
                try:
                    line.decode(name)
                except UnicodeDecodeError:
                    continue
                votes[name] += 1
                break
    if not any(votes.values()):
        raise BadHistory(
            f"{path.name}: 编码不是 UTF-8、GB18030 或 UTF-16, 请在对照表写明 encoding 或另存 / "
            "neither UTF-8, GB18030 nor UTF-16; name its `encoding` in the mapping or save it again"
        )
    return max(votes, key=lambda name: votes[name])


def _lines(path: Path) -> Iterator[bytes]:
    """The lines without their ends: LF, CR LF, or CR alone."""
    rest = b""
    for chunk in chunks(path):
        held = rest + chunk
        # A CR at the very end may be half of a CR LF.
        held, rest = (held[:-1], b"\r") if held.endswith(b"\r") else (held, b"")
        *whole, last = held.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        yield from whole
        rest = last + rest
    if rest:
        yield rest.removesuffix(b"\r")


def decoded_lines(path: Path, encoding: str) -> Iterator[tuple[str, bool]]:
    """The lines of a text file without their ends, each with whether all of its bytes could be read."""
    if encoding.startswith(("utf-16", "utf-32")):
        yield from _wide_lines(path, encoding)
        return
    first = True
    for line in _lines(path):
        text = line
        if first:
            text, first = text.removeprefix(codecs.BOM_UTF8), False
        try:
            yield text.decode(encoding.removesuffix("-sig")), True
        except UnicodeDecodeError:
            yield text.decode(encoding.removesuffix("-sig"), errors="replace"), False


def _wide_lines(path: Path, encoding: str) -> Iterator[tuple[str, bool]]:
    """Lines of UTF-16 or UTF-32, whose line ends are not single bytes; a broken pair shows as U+FFFD."""
    decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder(encoding)(errors="replace"), translate=True)
    rest = ""
    for chunk in chunks(path):
        *whole, rest = (rest + decoder.decode(chunk)).split("\n")
        for line in whole:
            yield line, "�" not in line
    rest += decoder.decode(b"", final=True)
    if rest:
        yield rest.removesuffix("\n"), "�" not in rest
