"""Evidence: why nobody can change the history of a case without being found out.

Every event carries the hash of the one before it (a chain per case).  A *checkpoint* is a file with the head of every
case, the hash of every row that is only ever added (records of other systems, entries of the history of findings), and
one Merkle root over them; once it has left the machine
(printed in an export, signed, handed to the regulator) even someone who owns the database cannot rewrite what it
covers.  Everything here is computed from the values alone and can be repeated offline, without the database, from this
description:

- a *field* is written `<length in bytes>:<bytes>,` in UTF-8 (a netstring), a missing one `-`; so no two different
  lists of fields are ever written alike;
- `event hash = sha256("baozhuang event 1\\0" + fields(prev_hash, case_id, case_seq, type, payload, occurred_at,
  recorded_at, actor, source))`, in hex; the first `prev_hash` is `GENESIS`;
- `row hash = sha256("baozhuang row 1\\0" + fields(every other column))`, in hex, numbers in decimal: of a record of
  another system (id, case_id, content, digest, received_at, received_by), of an entry in the history of a finding (id,
  finding_id, seq, type, at, by, payload);
- `leaf = sha256(0x00 + fields(case_id, seq, hash))`, `node = sha256(0x01 + left + right)` over the heads sorted by case
  id, among which a row that is only ever added stands with its own id, 0 and its hash; a list of n leaves splits at the
  largest power of two below n (the tree of RFC 6962).
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from storage.errors import StorageError
from storage.rows import EventRow, Head, NewEvent

GENESIS = "0" * 64
CHECKPOINT_FORMAT = "baozhuang-checkpoint-3"
WITHOUT_RECORDS, BY_DIGEST = OLDER_FORMATS = ("baozhuang-checkpoint-1", "baozhuang-checkpoint-2")
"""Checkpoints of the first hold cases alone; those of the second also what came in from other systems, by the digest of
its content, and nothing of findings. They still prove what they do hold."""

_ROW = sha256(b"baozhuang row 1\0")
_EVENT = sha256(b"baozhuang event 1\0")  # copied for each event: making one anew costs more than what it hashes
_PERSONAL = b"baozhuang personal 1\0"


def _fields(*values: str | None) -> bytes:
    text = "".join(["-" if value is None else f"{len(value)}:{value}," for value in values])
    if not text.isascii():  # lengths are in bytes, and only some characters take more than one
        text = "".join(["-" if value is None else f"{len(value.encode())}:{value}," for value in values])
    return text.encode()


def event_hash(case_id: str, case_seq: int, event: NewEvent, prev_hash: str) -> str:
    """The hash (hex) of one event: over every stored field and the hash of the event before it."""
    digest = _EVENT.copy()
    digest.update(_fields(prev_hash, case_id, str(case_seq), *event))
    return digest.hexdigest()


def chain(case_id: str, first_seq: int, prev_hash: str, events: Iterable[NewEvent]) -> list[EventRow]:
    """The events as links that follow `prev_hash` (`GENESIS` for a new case), numbered from `first_seq`."""
    links = []
    for case_seq, event in enumerate(events, first_seq):
        link = event_hash(case_id, case_seq, event, prev_hash)
        links.append(EventRow(case_id, case_seq, *event, prev_hash, link))
        prev_hash = link
    return links


def row_hash(row: Iterable[object]) -> str:
    """The hash (hex) of a row that is added and never changed: over every other column of its table, in their order."""
    digest = _ROW.copy()
    digest.update(_fields(*(None if value is None else str(value) for value in row)))
    return digest.hexdigest()


def personal_digest(
    salt: str, customer_id: str | None, customer_name: str | None, phone: str | None, address: str | None
) -> str:
    """What the chained payload holds of a person: a keyed digest (hex). Without the salt it says nothing.

    `salt` is random per case (at least 128 bits) and is erased together with the data.
    """
    return hmac.digest(salt.encode(), _PERSONAL + _fields(customer_id, customer_name, phone, address), "sha256").hex()


class Flaw(NamedTuple):
    """The first thing wrong with one case; `seq` is the event it shows at (0: the case as a whole).

    `code`: gap, foreign, link, altered, head, missing, rewritten or orphan; of a record of another system or an entry
    in the history of a finding, whose id then stands for the case, record_missing or record_changed.
    """

    case_id: str
    seq: int
    code: str

    @property
    def text(self) -> str:
        """The flaw as a sentence, in Chinese and English."""
        return _FLAWS[self.code].format(seq=self.seq)


_FLAWS = {
    "gap": "第 {seq} 号事件缺失 / event {seq} is missing",
    "foreign": "第 {seq} 号事件属于别的申请 / event {seq} belongs to another case",
    "link": "第 {seq} 号事件与前一事件不衔接 / event {seq} does not follow from the one before it",
    "altered": "第 {seq} 号事件的内容被改动 / the contents of event {seq} were changed",
    "head": "申请记录与第 {seq} 号事件不符 / the application does not agree with event {seq}",
    "missing": "检查点中的申请已不存在 / a case of the checkpoint is gone",
    "rewritten": "第 {seq} 号事件与检查点不符 / event {seq} is not the one of the checkpoint",
    "orphan": "有事件而无申请记录 / there are events but no application",
    "record_missing": "检查点中的外部记录或发现经过已不存在 / a record of the checkpoint is gone",
    "record_changed": "外部记录或发现经过与检查点不符 / the record is not the one of the checkpoint",
}


def verify_case(
    case_id: str, events: Iterable[EventRow], head: Head | None = None, checkpoint: Head | None = None
) -> Flaw | None:
    """The first flaw in one case's chain, or None when it holds.

    `events` in stored order.  `head`, when given, is what the application row says its last event is; `checkpoint`
    what a checkpoint said it was when the checkpoint was made: the case may have grown since, its past may not change.
    """
    seq, prev_hash, seen = 0, GENESIS, checkpoint is None
    for seq, event in enumerate(events, 1):
        flaw = _flaw_of_event(case_id, seq, prev_hash, event)
        if flaw is None and checkpoint is not None and checkpoint.seq == seq:
            seen = True
            flaw = None if checkpoint.hash == event.hash else "rewritten"
        if flaw is not None:
            return Flaw(case_id, seq, flaw)
        prev_hash = event.hash
    if head is not None and type(head.seq) is int and seq < head.seq:
        return Flaw(case_id, seq + 1, "gap")
    if checkpoint is not None and not seen:
        return Flaw(case_id, seq + 1, "gap")
    if head is not None and head != (case_id, seq, prev_hash):
        return Flaw(case_id, seq, "head")
    return None


def _flaw_of_event(case_id: str, seq: int, prev_hash: str, event: EventRow) -> str | None:
    if event.case_id != case_id:
        return "foreign"
    if event.case_seq != seq:
        return "gap"
    if event.prev_hash != prev_hash:
        return "link"
    # A field that is no text was put there by hand: nothing we write is of another type.
    if not all(isinstance(field, str) for field in event[2:8]) or event.hash != event_hash(
        case_id, seq, NewEvent(*event[2:8]), prev_hash
    ):
        return "altered"
    return None


def _leaf(head: Head) -> bytes:
    return sha256(b"\0" + _fields(head.case_id, str(head.seq), head.hash)).digest()


def _node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\1" + left + right).digest()


class MerkleTree:
    """A root over leaves that pass by one at a time, in memory that grows with the logarithm of their number."""

    def __init__(self) -> None:
        self.count = 0
        self._peaks: list[bytes] = []  # one complete subtree per set bit of `count`, the largest first

    def add(self, leaf: bytes) -> None:
        """Append one leaf (digest)."""
        carry = self.count
        while carry & 1:
            leaf = _node(self._peaks.pop(), leaf)
            carry >>= 1
        self._peaks.append(leaf)
        self.count += 1

    def root(self) -> str:
        """The root (hex) over the leaves so far; over none, the hash of nothing."""
        if not self._peaks:
            return sha256(b"").hexdigest()
        *rest, digest = self._peaks
        for peak in reversed(rest):
            digest = _node(peak, digest)
        return digest.hex()


def merkle_root(heads: Iterable[Head]) -> str:
    """The Merkle root (hex) over `heads`, which must come sorted by case id, each case once.

    Raises StorageError when they do not: a root over a list in another order proves nothing to anyone else.
    """
    tree = MerkleTree()
    for head in _ordered(heads):
        tree.add(_leaf(head))
    return tree.root()


def _ordered(heads: Iterable[Head]) -> Iterator[Head]:
    last: str | None = None
    for head in heads:
        if last is not None and head.case_id <= last:
            raise StorageError(
                f"检查点未按申请编号排序, 在 {head.case_id} 处",
                f"the heads are not sorted by case id, at {head.case_id}",
            )
        last = head.case_id
        yield head


class Proof(NamedTuple):
    """That one head is under a root: its place among `size` leaves, and the sibling digests (hex) upwards."""

    head: Head
    place: int
    size: int
    siblings: tuple[str, ...]


def inclusion_proof(heads: Iterable[Head], case_id: str) -> Proof | None:
    """The proof for one case of a checkpoint, or None when the case is not in it. `heads` as for `merkle_root`."""
    leaves, found, place = [], None, 0
    for index, head in enumerate(_ordered(heads)):
        leaves.append(_leaf(head))
        if head.case_id == case_id:
            found, place = head, index
    if found is None:
        return None
    siblings: list[str] = []
    low, high = 0, len(leaves)
    while high - low > 1:
        middle = low + _split(high - low)
        if place < middle:
            siblings.append(_root_of(leaves[middle:high]))
            high = middle
        else:
            siblings.append(_root_of(leaves[low:middle]))
            low = middle
    return Proof(found, place, len(leaves), tuple(reversed(siblings)))


def _split(size: int) -> int:
    """The largest power of two below `size`."""
    return 1 << (size - 1).bit_length() - 1


def _root_of(leaves: list[bytes]) -> str:
    tree = MerkleTree()
    for leaf in leaves:
        tree.add(leaf)
    return tree.root()


def verify_inclusion(proof: Proof, root: str) -> bool:
    """Whether `proof` shows that its head is one of the leaves under `root` (hex)."""
    if not 0 <= proof.place < proof.size:
        return False
    turns = []  # from the root down: is the leaf in the left part?
    low, high = 0, proof.size
    while high - low > 1:
        middle = low + _split(high - low)
        left = proof.place < middle
        turns.append(left)
        low, high = (low, middle) if left else (middle, high)
    if len(turns) != len(proof.siblings):
        return False
    digest = _leaf(proof.head)
    for left, sibling in zip(reversed(turns), proof.siblings, strict=True):
        other = bytes.fromhex(sibling)
        digest = _node(digest, other) if left else _node(other, digest)
    return digest.hex() == root


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint file: its header, and its heads, which are read from the file each time they are asked for.

    The file is JSON, laid out one head per line, so that a million cases are written and read without holding them.
    """

    path: Path
    created_at: str
    cases: int
    records: int
    root: str
    format: str = CHECKPOINT_FORMAT

    def heads(self) -> Iterator[Head]:
        """The heads, sorted by case id. Raises StorageError when the file is damaged."""
        with self.path.open(encoding="utf-8") as lines:
            next(lines)
            for number, line in enumerate(lines, 2):
                if line.startswith("]}"):
                    return
                yield _head_of_line(self.path, number, line)
        raise _damaged(self.path, "文件不完整", "the file is cut short")

    def check(self) -> None:
        """Recompute count and root from the heads; raises StorageError when they are not those of the header."""
        tree = MerkleTree()
        for head in _ordered(self.heads()):
            tree.add(_leaf(head))
        if (tree.count, tree.root()) != (self.cases + self.records, self.root):
            raise _damaged(self.path, "根哈希与内容不符", "the root is not that of its contents")


def _head_of_line(path: Path, number: int, line: str) -> Head:
    try:
        case_id, seq, digest = json.loads(line.rstrip().removesuffix(","))
    except ValueError as error:
        raise _damaged(path, f"第 {number} 行无法读取", f"line {number} cannot be read") from error
    if not (isinstance(case_id, str) and type(seq) is int and isinstance(digest, str)):
        raise _damaged(path, f"第 {number} 行无法读取", f"line {number} cannot be read")
    return Head(case_id, seq, digest)


def _damaged(path: Path, zh: str, en: str) -> StorageError:
    return StorageError(f"检查点文件 {path.name}: {zh}", f"checkpoint file {path.name}: {en}")


def write_checkpoint(path: Path, created_at: str, heads: Callable[[], Iterable[Head]]) -> Checkpoint:
    """Write a checkpoint of `heads` (asked for twice: for the root, then for the file) and return it.

    Both passes must see the same heads: call it inside one `Database.read()`.  The file appears whole or not at all.
    Raises StorageError when the heads changed in between.
    """
    tree, cases = MerkleTree(), 0
    for head in _ordered(heads()):
        tree.add(_leaf(head))
        cases += head.seq > 0
    records, root = tree.count - cases, tree.root()
    header = {"format": CHECKPOINT_FORMAT, "created_at": created_at, "cases": cases, "records": records, "root": root}
    draft = path.with_name(path.name + ".part")
    with draft.open("w", encoding="utf-8", newline="\n") as out:
        out.write(json.dumps(header, ensure_ascii=False)[:-1] + ', "heads": [')
        out.writelines(_lines(heads()))
        out.write("\n]}\n")
    Checkpoint(draft, created_at, cases, records, root).check()
    draft.replace(path)
    return Checkpoint(path, created_at, cases, records, root)


def _lines(heads: Iterable[Head]) -> Iterator[str]:
    separator = "\n"
    for head in heads:
        yield separator + json.dumps(list(head), ensure_ascii=False)
        separator = ",\n"


def read_checkpoint(path: Path) -> Checkpoint:
    """Open a checkpoint file and check it against itself. Raises StorageError when it is not one or is damaged."""
    try:
        with path.open(encoding="utf-8") as lines:
            header = json.loads("".join(islice(lines, 1)).rstrip() + "]}")
    except (OSError, ValueError) as error:
        raise _damaged(path, "无法读取", "cannot be read") from error
    written_as = header.get("format") if isinstance(header, dict) else None
    if written_as not in (CHECKPOINT_FORMAT, *OLDER_FORMATS):
        raise _damaged(path, f"格式不是 {CHECKPOINT_FORMAT}", f"its format is not {CHECKPOINT_FORMAT}")
    try:
        records = 0 if written_as == WITHOUT_RECORDS else int(header["records"])
        made, cases, root = str(header["created_at"]), int(header["cases"]), str(header["root"])
        checkpoint = Checkpoint(path, made, cases, records, root, written_as)
    except (KeyError, ValueError, TypeError) as error:
        raise _damaged(path, "缺少字段", "a field is missing") from error
    checkpoint.check()
    return checkpoint
