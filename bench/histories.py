"""Labelled histories in the contract's format, written by columns: 1, 10 or 100 million events as Parquet.

Cases are mostly lawful and irregular (rest days, lags, rounds, five classes, six years); a stated share of them is made
guilty of one rule each, and a stated share only looks so.  `labels.parquet` says which: `case_id, rule, guilty`; a case
without a label is clean.  Rows are shuffled inside each part of 60,000 cases, ids are text, and the same seed gives the
same bytes.  100 million events are more such parts: the memory stays that of two.

    python -m bench.histories OUT --events 10000000 [--seed 1] [--rate 0.004]
"""

from __future__ import annotations

import argparse
import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bench.history_parts import HAND, HANDS, ORGS, PART, REGIONS, Ints, Part, Stream, texts
from bench.history_patterns import PATTERNS

EVENTS_PER_CASE = 14.37


WORD = pa.dictionary(pa.int32(), pa.string())
EVENT_SCHEMA = pa.schema(
    [
        ("case_id", WORD), ("activity", WORD), ("lifecycle", WORD), ("occurred_at", pa.timestamp("us")),
        ("recorded_at", pa.timestamp("us")), ("actor", WORD), ("source", WORD), ("value", WORD), ("old_value", WORD),
        ("new_value", WORD), ("ref", WORD), ("batch", WORD), ("amount", pa.float64()),
    ]
)  # fmt: skip
"""As it is made; in the file every text is plain text."""
CASE_SCHEMA = pa.schema(
    [
        ("case_id", pa.string()), ("case_no", pa.string()), ("customer_id", pa.string()), ("premises_id", pa.string()),
        ("customer_kind", pa.string()), ("enterprise_size", pa.string()), ("capacity_kw", pa.float64()),
        ("voltage", pa.string()), ("supply_count", pa.int32()), ("area", pa.string()), ("region", pa.string()),
        ("org", pa.string()), ("manager", pa.string()), ("user_class", pa.string()), ("business_type", pa.string()),
        ("important_customer", pa.bool_()), ("prior_capacity_kw", pa.float64()), ("account_opened_on", pa.date32()),
    ]
)  # fmt: skip
LABEL_SCHEMA = pa.schema([("case_id", pa.string()), ("rule", pa.string()), ("guilty", pa.bool_())])


def _dictionary(codes: Ints, words: pa.Array) -> pa.DictionaryArray:
    """`words` by code, -1 for none: Parquet takes it as it is, without looking at each text again. Words that no row
    has are left out, as any other writer would."""
    used = np.zeros(len(words) + 1, dtype=np.bool_)
    used[codes] = True  # -1: the last, which is no word
    place = np.cumsum(used[:-1], dtype=np.int32) - 1
    indices = pa.array(np.append(place, np.int32(-1))[codes], mask=codes < 0)
    return pa.DictionaryArray.from_arrays(indices, words.filter(pa.array(used[:-1])))


def _by_stream(streams: list[Stream], codes: Ints, name: str) -> pa.DictionaryArray:
    """A text that is the same in every row of a stream."""
    words = sorted({text for one in streams if (text := getattr(one, name)) is not None})
    place = np.array([words.index(text) if (text := getattr(one, name)) is not None else -1 for one in streams])
    return _dictionary(place[codes], pa.array(words, type=pa.string()))


def _by_row(part: Part, streams: list[Stream], order: Ints, name: str) -> pa.DictionaryArray:
    """A text that differs by row: the id of a case where numbers are given, else as written."""
    words: list[pa.Array] = [part.texts]
    pieces, known = [], part.n
    for one in streams:
        column = getattr(one, name)
        if column is None:
            pieces.append(np.full(one.case.size, -1))
        elif column.dtype != object:
            pieces.append(column)
        else:
            given = pa.array(column, type=pa.string()).dictionary_encode()
            codes = given.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
            pieces.append(np.where(codes < 0, -1, codes + known))
            words.append(given.dictionary)
            known += len(given.dictionary)
    return _dictionary(np.concatenate(pieces)[order], pa.concat_arrays(words))


def _actors(part: Part, streams: list[Stream], order: Ints, cases: Ints, codes: Ints) -> pa.DictionaryArray:
    """Some forty hands per organisation and kind of work; `HAND` and above is one person for a whole case."""
    hand = np.concatenate([one.actor if one.actor is not None else np.full(one.case.size, -1) for one in streams])
    seats = len(streams) * HANDS
    number = part.org[cases] * seats + codes * HANDS + hand
    number = np.where(hand >= HAND, ORGS * seats + hand - HAND, number)
    number = np.where(hand < 0, -1, number)[order]
    names = np.concatenate([np.arange(ORGS * seats), 900_000_000 + part.ids])
    return _dictionary(number, texts("E", names))


def events_of(part: Part) -> pa.Table:
    """All rows of the part, shuffled."""
    streams = [one for one in (*part.streams.values(), *part.extra) if one.case.size]
    sizes = [one.case.size for one in streams]
    order = part.rng.permutation(sum(sizes))
    cases = np.concatenate([one.case for one in streams])
    codes = np.repeat(np.arange(len(streams)), sizes)
    amounts = np.array([np.nan if one.amount is None else one.amount for one in streams])
    shuffled = codes[order]

    def time_of(name: str) -> pa.Array:
        return pa.array(
            (np.concatenate([getattr(one, name) for one in streams])[order] * 1_000_000).view("datetime64[us]")
        )

    table = {
        "case_id": _dictionary(cases[order], part.texts),
        "activity": _by_stream(streams, shuffled, "activity"),
        "lifecycle": _by_stream(streams, shuffled, "lifecycle"),
        "occurred_at": time_of("occurred"),
        "recorded_at": time_of("recorded"),
        "actor": _actors(part, streams, order, cases, codes),
        "source": _by_stream(streams, shuffled, "source"),
        "value": _by_stream(streams, shuffled, "value"),
        "old_value": _by_row(part, streams, order, "old_value"),
        "new_value": _by_row(part, streams, order, "new_value"),
        "ref": _by_row(part, streams, order, "ref"),
        "batch": _by_row(part, streams, order, "batch"),
        "amount": pa.array(amounts[shuffled], from_pandas=True),
    }
    return pa.table(table, schema=EVENT_SCHEMA)


def cases_of(part: Part) -> pa.Table:
    """The case rows of the part."""
    order = part.rng.permutation(part.n)
    numbers, org = part.ids[order], part.org[order]
    columns = {name: column[order] for name, column in part.columns.items()}
    # A series of serial numbers for each part, so that serial and date rise together in it.
    serial = texts(f"XK{part.first // PART:04d}-", part.serial[order])
    table = {
        "case_id": texts("BZ42-", numbers),
        "case_no": pc.if_else(pa.array(~part.no_serial[order]), serial, pa.nulls(part.n, pa.string())),
        "customer_id": texts("U", columns.pop("customer")),
        "premises_id": texts("P", columns.pop("premises")),
        "region": pa.array(REGIONS).take(pa.array(org % len(REGIONS))),
        "org": texts("42", org, 4),
        "manager": texts("M", org * 10 + numbers % 10, 5),
        "important_customer": pa.array(np.zeros(part.n, dtype=bool)),
        "prior_capacity_kw": pa.array(columns.pop("prior_capacity_kw"), from_pandas=True),
        "account_opened_on": pa.array(columns.pop("account_opened_on"), type=pa.date32()),
    }
    table |= {name: pa.array(column) for name, column in columns.items()}
    return pa.table({name: table[name] for name in CASE_SCHEMA.names}, schema=CASE_SCHEMA)


def labels_of(part: Part) -> pa.Table:
    """Which cases the part made guilty, and which it only made look so."""
    numbers = np.concatenate([label[0] for label in part.labels])
    sizes = [label[0].size for label in part.labels]
    rules = pa.array([label[1] for label in part.labels]).take(pa.array(np.repeat(np.arange(len(sizes)), sizes)))
    faults = np.repeat([label[2] for label in part.labels], sizes)
    return pa.table([texts("BZ42-", numbers), rules, pa.array(faults)], schema=LABEL_SCHEMA)


def part_of(seed: int, first: int, n: int, rate: float) -> Part:
    """One part, guilty and innocent patterns applied; the same for the same arguments."""
    part = Part(np.random.default_rng((seed, first)), first, n, rate)
    for change in PATTERNS:
        change(part)
    return part


def write(out: Path, events: int, seed: int = 1, rate: float = 0.004) -> dict[str, Any]:
    """Write `cases.parquet`, `events.parquet` and `labels.parquet` of about `events` events into `out`; answers the
    counts and the rate at which they were made. One thread makes the next part while the last one is written."""
    out.mkdir(parents=True, exist_ok=True)
    words = [name for name in EVENT_SCHEMA.names if EVENT_SCHEMA.field(name).type == WORD]
    began = time.perf_counter()
    total = max(20, round(events / EVENTS_PER_CASE))
    firsts = range(0, total, PART)
    written = 0

    def made(first: int) -> tuple[pa.Table, pa.Table, pa.Table]:
        part = part_of(seed, first, min(PART, total - first), rate)
        return events_of(part), cases_of(part), labels_of(part)

    with (
        pq.ParquetWriter(out / "events.parquet", EVENT_SCHEMA, use_dictionary=words, store_schema=False) as to_events,
        pq.ParquetWriter(out / "cases.parquet", CASE_SCHEMA) as to_cases,
        pq.ParquetWriter(out / "labels.parquet", LABEL_SCHEMA) as to_labels,
        ThreadPoolExecutor(1) as ahead,
    ):
        following = ahead.submit(made, firsts[0])
        for at in range(len(firsts)):
            tables = following.result()
            if at + 1 < len(firsts):
                following = ahead.submit(made, firsts[at + 1])
            for writer, table in zip((to_events, to_cases, to_labels), tables, strict=True):
                writer.write_table(table)
            written += tables[0].num_rows
    seconds = time.perf_counter() - began
    return {
        "events": written,
        "cases": total,
        "seconds": round(seconds, 2),
        "events_per_second": round(written / seconds),
    }


def main() -> None:
    """Write a history from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=float, default=0.004)
    given = parser.parse_args()
    print(json.dumps(write(given.out, given.events, given.seed, given.rate)))


if __name__ == "__main__":
    main()
