"""What a shop's topic holds, with all that makes counts wrong, as the rows of an export."""

import io
from itertools import chain
from pathlib import Path
from typing import Final
from zlib import crc32

import fastavro
import oracle
import pyarrow as pa
from oracle import Document, Entry, Expected, Snapshot
from pyarrow import parquet
from session_commands import commanded

from processor.avro.shape import shape_of
from processor.demo.traffic import START, updates
from processor.export.parquet import columns

LATE: Final = 25_000
"""Openings before the first attribute and transition: who guesses types looks at fewer rows."""
LATE_CLOSED: Final = 3_000
_SLOWER: Final = 2_000
"""What the demo's minutes are stretched by, so that they are days."""
_GAP_MS: Final = 45 * _SLOWER
_UPDATE_FRAME: Final = oracle.frames(oracle.SCHEMAS / "SessionUpdate.avsc")[0]
_BLANK: Final = dict.fromkeys(each["name"] for each in oracle.READER["fields"])


def _encoded(update: Document) -> bytes:
    out = io.BytesIO()
    out.write(_UPDATE_FRAME)
    fastavro.schemaless_writer(out, oracle.READER, {**_BLANK, **update})
    return out.getvalue()


def _late_keys() -> list[Document]:
    """Return openings of sessions, then closings, of which every third has the first attribute.

    The sessions differ in their names alone, so one of each kind is folded for all.
    """
    opened = {"applicationId": 9, "integrationId": "1", "total": 0.1}
    scanned = {"attributes": {"device": '"scanner"'}}
    kinds = [
        _folded([opened, {"state": "closed"}]),
        _folded([opened, scanned, {"state": "closed"}]),
    ]
    found = [kinds[0][0]] * LATE
    for number in range(LATE_CLOSED):
        found += kinds[number % 3 == 0][1:]
    names = chain(
        range(LATE), *(2 * [each] if each % 3 == 0 else [each] for each in range(LATE_CLOSED))
    )
    return [
        {
            **row,
            "integrationId": f"late {name}",
            "outputKey": f"9:late {name}",
            "outputOffset": place,
        }
        for place, (row, name) in enumerate(zip(found, names, strict=True))
    ]


def _folded(changes: list[Document]) -> list[Document]:
    """Return the rows of one session of the first partition, a second apart."""
    log = []
    for number, change in enumerate(changes):
        at = START + number * 1_000
        update = {**changes[0], "total": None, "eventId": str(number), "eventTime": at, **change}
        log.append(Entry(number, at, b"9:1", _encoded(update)))
    told = oracle.expected(log, None).snapshots
    return [row(each, 0, place) for place, each in enumerate(told)]


def _stretched(value: bytes | None) -> bytes | None:
    """Return an update of the demo with its time stretched, all else as it is."""
    try:
        update = oracle.decode_update(value)
        oracle.check(dict(update))
    except oracle.Rejection:
        return value
    late = update["eventTime"] - START
    if abs(late) < oracle.DAY_MS:
        update["eventTime"] = START + late * _SLOWER
    return _encoded(update)


def _shop(seed: int, count: int) -> list[list[Entry]]:
    """Return two partitions of a shop's traffic, with ends and further lives."""
    logs: list[list[Entry]] = [[], []]
    stream = updates(count, seed=seed, partition=lambda key: crc32(key or b"") % 2)
    for number, each in enumerate(commanded(stream, seed, share=0.05)):
        log = logs[each.partition or 0]
        log.append(Entry(len(log), START + number * _GAP_MS, each.key, _stretched(each.value)))
    return logs


def rows(seed: int, count: int = 5_000) -> list[Document]:
    """Return what `sessions export --all --ends` would, by partition and offset.

    The third partition waited until the second was done: a backlog.
    """
    shop = _shop(seed, count)
    second = oracle.expected(shop[0], None)
    third = Expected(claims=second.claims)
    oracle.expected(shop[1], None, before=third)
    return _late_keys() + [
        row(snapshot, partition, 2 * place)
        for partition, each in enumerate((second, third), 1)
        for place, snapshot in enumerate(each.snapshots)
    ]


def row(snapshot: Snapshot, partition: int, offset: int) -> Document:
    """Return a record of the output as a row."""
    place: Document = {
        "outputKey": snapshot.key.decode(),
        "outputPartition": partition,
        "outputOffset": offset,
        "outputTimestamp": snapshot.timestamp,
    }
    if snapshot.value is not None:
        session = oracle.decode_session(snapshot.value)
        del session["eventMemory"]
        return {**session, **place, "endedBy": None}
    application, _, integration = place["outputKey"].partition(":")
    told = {name.removeprefix("session-processor."): value for name, value in snapshot.end}
    return {
        **dict.fromkeys(name for name in COLUMNS.names),
        "integrationId": integration,
        "applicationId": int(application),
        "version": int(told["version"]),
        **place,
        "endedBy": told["ended-by"].decode(),
    }


COLUMNS: Final = columns(shape_of((oracle.SCHEMAS / "CustomerSession.avsc").read_text()))
"""Those of an export to Parquet."""


def write_parquet(file: Path, history: list[Document]) -> None:
    """Write rows as `sessions export` does."""
    with parquet.ParquetWriter(file, COLUMNS) as writer:
        for start in range(0, len(history), 10_000):
            writer.write_table(pa.Table.from_pylist(history[start : start + 10_000], COLUMNS))


def latest(history: list[Document]) -> list[Document]:
    """Return what an export without --all would: the last row of each key that has not ended."""
    last = {each["outputKey"]: each for each in history}
    return [each for each in last.values() if each["endedBy"] is None]
