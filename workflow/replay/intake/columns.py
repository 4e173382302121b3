"""One foreign column read by column: what is ours as it stands, and which rows need a closer look.

Whatever is not in doubt has the value that `workflow.replay.intake.values` would give it, by test.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from workflow.replay.intake.faults import LONGEST_CELL
from workflow.replay.intake.values import NO, SHORTENED, YES
from workflow.replay.tables import SENTINELS, Kind

Mask = npt.NDArray[np.bool_]

WORD: Final = pa.dictionary(pa.int32(), pa.string())
TYPES: Final[dict[Kind, pa.DataType]] = {
    "text": WORD,
    "number": pa.float64(),
    "count": pa.int64(),
    "flag": pa.bool_(),
    "date": pa.date32(),
    "moment": pa.timestamp("us"),
}
"""How our columns are held; in a file a dictionary of texts is plain text."""

_DOUBTFUL: Final = (
    r"^[\x00-\x20\x{3000}\x{a0}\x{feff}\x{200b}]|[ \t\r\n\x{3000}\x{a0}\x{feff}\x{200b}]$|\x00|" + SHORTENED
)
_TIME: Final = r"^\d{4}-\d\d-\d\d[ T]([01]\d|2[0-3]):\d\d:\d\d(\.\d{1,6})?$"
_DAY: Final = r"^\d{4}-\d\d-\d\d$"
_NUMBER: Final = r"^-?\d{1,15}(\.\d{1,15})?$"
_COUNT: Final = r"^-?\d{1,15}$"
_DAY_MICROS: Final = 86_400_000_000
_EPOCH: Final = dt.date(1970, 1, 1)
_FIRST, _LAST = ((dt.date(year, 1, 1) - _EPOCH).days * _DAY_MICROS for year in (1949, 2100))
_MOST: Final = 9_000_000_000_000_000


@dataclass(frozen=True, slots=True)
class Column:
    """`values`: as ours; NULL in a row of `doubt`, or anything. `day`: rows that give a date without a time. `codes`,
    `words`: the texts by their places in a dictionary, -1 for none."""

    values: pa.Array
    doubt: Mask
    day: Mask | None = None
    codes: npt.NDArray[np.int32] | None = None
    words: pa.Array | None = None

    def among(self, texts: Iterable[str], empty: bool = False) -> Mask:
        """Rows whose text is one of `texts`; `empty`: what of those without one."""
        return self.by_word(pc.is_in(self.words, pa.array(list(texts), pa.string())), empty)

    def listed(self) -> list[str]:
        """The words of a text."""
        return [] if self.words is None else [str(word) for word in self.words.to_pylist()]

    def by_word(self, said: pa.Array, empty: bool) -> Mask:
        """What `said` says of each word, by row."""
        return np.append(_bools(said), empty)[self.codes]

    def midnight(self) -> Mask:
        """Rows whose moment has no time of day."""
        micros = _filled(self.values.cast(pa.int64()), 1)
        return np.asarray(micros % _DAY_MICROS == 0)


def supported(kind: Kind, given: pa.DataType) -> bool:
    """Whether `read` can read a column of this type as one of ours."""
    if pa.types.is_dictionary(given):
        given = given.value_type
    if pa.types.is_string(given) or pa.types.is_large_string(given) or pa.types.is_null(given):
        return True
    whole = bool(pa.types.is_integer(given) and given != pa.uint64())
    return {
        "text": whole,
        "number": whole or given in (pa.float32(), pa.float64()),
        "count": whole or given in (pa.float32(), pa.float64()),
        "flag": bool(pa.types.is_boolean(given)),
        "date": bool(pa.types.is_date32(given) or pa.types.is_timestamp(given)),
        "moment": bool(pa.types.is_date32(given) or pa.types.is_timestamp(given)),
    }[kind]


def read(kind: Kind, x: pa.Array, blanks: Sequence[str]) -> Column:
    """The column `x` as one of `kind`; `blanks`: texts that say nothing. Raises pyarrow's ArrowException where a piece
    holds what it cannot convert: then every row of it is in doubt."""
    if pa.types.is_null(x.type):
        x = x.cast(pa.string())
    textual = pa.types.is_string(x.type) or pa.types.is_large_string(x.type) or pa.types.is_dictionary(x.type)
    if kind == "text":
        return _text(x if textual else x.cast(pa.string()), blanks)
    if textual:
        x = x.dictionary_decode() if pa.types.is_dictionary(x.type) else x
        x = pc.if_else(pc.is_in(x, pa.array(list(blanks), x.type)), pa.scalar(None, x.type), x)
        return _of_text(kind, x)
    if kind == "flag":
        return Column(x, np.zeros(len(x), dtype=np.bool_))
    if kind in ("number", "count"):
        return _number(kind, x)
    return _moment(kind, x, None)


def _text(x: pa.Array, blanks: Sequence[str]) -> Column:
    coded = x if pa.types.is_dictionary(x.type) else x.dictionary_encode()
    words = coded.dictionary.cast(pa.string())
    words.validate(full=True)  # bytes that are no UTF-8
    if words.null_count:
        raise pa.ArrowInvalid("a dictionary that names nothing")
    blank = _bools(pc.is_in(words, pa.array(list(blanks), pa.string())))
    long = _bools(pc.greater(pc.binary_length(words), LONGEST_CELL))
    bad = (_unclean(words) | long) & ~blank
    codes = _filled(coded.indices.cast(pa.int32()), -1)
    if blank.any():
        codes = np.where(np.append(blank, True)[codes], np.int32(-1), codes)
        indices = pa.array(codes, mask=codes < 0)
    else:
        indices = coded.indices.cast(pa.int32())
    doubt = np.append(bad, False)[codes] if bad.any() else np.zeros(len(codes), dtype=np.bool_)
    return Column(pa.DictionaryArray.from_arrays(indices, words), doubt, codes=codes, words=words)


def _unclean(words: pa.Array) -> Mask:
    """Words that may need trimming, hold a NUL or one of our own marks, or are a code cut short. A look at the first
    two bytes and the last one of each says which need a closer one; searching them all would take longer than reading
    the file."""
    offsets = np.frombuffer(words.buffers()[1], dtype=np.int32)[words.offset : words.offset + len(words) + 1]
    content = words.buffers()[2]
    bad = np.zeros(len(words), dtype=np.bool_)
    if content is None or len(words) == 0 or offsets[0] == offsets[-1]:
        return bad
    data = np.frombuffer(content, dtype=np.uint8)[: offsets[-1]]
    begin, end = data[np.minimum(offsets[:-1], len(data) - 1)], data[offsets[1:] - 1]
    at = np.flatnonzero(
        (begin <= 0x20)
        | np.isin(begin, (0xC2, 0xE2, 0xE3, 0xEF))
        | (end <= 0x20)
        | np.isin(end, (0x80, 0x8B, 0xA0, 0xBF))
        | np.isin(data[np.minimum(offsets[:-1] + 1, len(data) - 1)], (0x2E, 0x45, 0x65))
    )
    if not data[offsets[0] :].all():
        at = np.arange(len(words))
    bad[at] = _bools(pc.match_substring_regex(words.take(pa.array(at)), _DOUBTFUL))
    return bad


def _of_text(kind: Kind, x: pa.Array) -> Column:
    """A text that is written as a program writes it; other ways of writing are in doubt."""
    if kind == "flag":
        yes, no = (pc.is_in(x, pa.array(texts, x.type)) for texts in (YES, NO))
        return Column(
            pc.if_else(pc.or_(yes, no), yes, pa.scalar(None, pa.bool_())), ~_bools(pc.or_(yes, no)) & _given(x)
        )
    if kind in ("number", "count"):
        sound = pc.match_substring_regex(x, _NUMBER if kind == "number" else _COUNT)
        return Column(_where(sound, x).cast(TYPES[kind]), ~_bools(sound) & _given(x))
    day = pc.match_substring_regex(x, _DAY)
    sound = pc.or_(day, pc.match_substring_regex(x, _TIME))
    found = _moment(kind, _where(sound, x).cast(pa.timestamp("us")), _bools(day))
    return Column(found.values, found.doubt | (~_bools(sound) & _given(x)), found.day)


def _number(kind: Kind, x: pa.Array) -> Column:
    broken = pa.types.is_floating(x.type)
    number = x.cast(pa.float64(), safe=False)
    if broken:
        number = pc.if_else(pc.is_nan(number), pa.scalar(None, pa.float64()), number)
    plain = _filled(number, 0)
    if kind == "number":
        return Column(number, ~np.isfinite(plain))
    doubt = ~(np.abs(plain) <= _MOST) | (plain != np.trunc(plain))
    return Column((x if not broken else number).cast(pa.int64(), safe=False), doubt)


def _moment(kind: Kind, x: pa.Array, day: Mask | None) -> Column:
    doubt = np.zeros(len(x), dtype=np.bool_)
    if pa.types.is_date32(x.type):
        day = _given(x)
    elif x.type.tz is not None:
        x = pc.local_timestamp(x.cast(pa.timestamp("us", "Asia/Shanghai")))
    elif x.type.unit == "ns":
        doubt = _filled(x.cast(pa.int64()), 0) % 1000 != 0
    time = x.cast(pa.timestamp("us"), safe=False) if doubt.any() else x.cast(pa.timestamp("us"))
    micros = _filled(time.cast(pa.int64()), 0)
    odd = (micros < _FIRST) | (micros >= _LAST)
    for sentinel in SENTINELS:
        begin = (sentinel - _EPOCH).days * _DAY_MICROS
        odd |= (micros >= begin) & (micros < begin + _DAY_MICROS)
    doubt = doubt | (odd & _given(time))
    return Column(time.cast(pa.date32(), safe=False) if kind == "date" else time, doubt, day)


def _where(sound: pa.Array, x: pa.Array) -> pa.Array:
    return pc.if_else(sound, x, pa.scalar(None, x.type))


def _given(x: pa.Array) -> Mask:
    return _bools(x.is_valid()) if x.null_count else np.ones(len(x), dtype=np.bool_)


def _filled(x: pa.Array, empty: Any) -> Any:
    """As numpy, NULL as `empty`."""
    return (x.fill_null(empty) if x.null_count else x).to_numpy(zero_copy_only=False)


def _bools(x: pa.Array) -> Mask:
    return np.asarray(_filled(x, False), dtype=np.bool_)
