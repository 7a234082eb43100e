"""An export's formats: the compiled codec and fastavro write the same, or the export stops."""

import gc
import json
import math
from collections.abc import Callable, Sequence
from io import BytesIO
from typing import Any
from unittest.mock import patch

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from avro_bytes import SCHEMAS, SNAPSHOTS, needs_compiled
from hypothesis import given
from hypothesis import strategies as st
from values import NOON, STATES, a_session, doubles, items, json_texts, states_or_none, texts

from processor.avro.choice import chosen
from processor.avro.codec import SnapshotCodec
from processor.avro.compiled import Export
from processor.avro.framing import single_object
from processor.avro.schemas import Known, read_schema
from processor.cli.common.documents import session_json
from processor.core.session import Session
from processor.errors import FailClosed, InputError
from processor.export.files import AvroFile, ExportFile, JsonLines
from processor.export.parquet import ParquetFile
from processor.export.rows import Rows
from processor.ports.log import NO_TIMESTAMP, Record
from processor.state.ends import End

READER = SCHEMAS.snapshots.reader
COMPILED = chosen("auto", SCHEMAS).export
FORMER = read_schema(READER.text.replace('"symbols": ["open"', '"symbols": ["held", "open"'))
"""Another writer's schema: its states have other numbers, so no byte of it may pass as it is."""
CODEC = SnapshotCodec(
    Known(READER, {READER.fingerprint: READER, FORMER.fingerprint: FORMER}),
)
FORMATS: dict[str, Callable[[BytesIO, Rows], ExportFile]] = {
    "avro": lambda file, rows: AvroFile(file, rows, {"a": "b"}, deflate=True),
    "jsonl": lambda file, rows: JsonLines(file, rows, session_json),
    "parquet": lambda file, rows: ParquetFile(file, rows, {"a": "b"}),
}

longs = st.integers(-(2**63), 2**63 - 1)
sessions = st.builds(
    a_session,
    integration_id=texts,
    created=st.integers(0, 253_402_300_799_999) | longs,
    application_id=st.integers(-(2**31), 2**31 - 1),
    profile_id=texts,
    coupon=texts,
    state=st.sampled_from(STATES),
    cart_items=st.lists(items, max_size=3),
    identifiers=st.lists(texts, max_size=3),
    total=st.floats(),
    attributes=st.dictionaries(texts, json_texts | texts, max_size=3),
    first_session=st.booleans(),
    discounts=st.dictionaries(texts, doubles, max_size=3),
    previous_state=states_or_none,
    version=longs,
    last_event_id=texts,
    event_memory=st.binary(max_size=9),
)


def written(session: Session, writer: Any = READER) -> bytes:
    out = BytesIO()
    names = [field["name"] for field in json.loads(READER.text)["fields"]]
    fastavro.schemaless_writer(out, writer.parsed, dict(zip(names, session, strict=True)))
    return out.getvalue()


def padded(session: Session) -> bytes:
    """Return the snapshot with its first length written longer than it need be."""
    body = written(session)
    return bytes([body[0] | 0x80, 0]) + body[1:]


values = st.one_of(
    sessions.map(lambda each: SNAPSHOTS.header + written(each)),
    sessions.map(lambda each: SNAPSHOTS.header + padded(each)),
    sessions.map(lambda each: single_object(FORMER.fingerprint) + written(each, FORMER)),
)
END = End("erase", 12, "e", 3).headers()
keys = st.sampled_from([b"7:visit", b"7:\xff", '1:\x00\u20ac\U0001f600"\\'.encode(), b"", None])
times = st.sampled_from([NO_TIMESTAMP, 0, NOON, 253_402_300_800_000])
snapshots = st.builds(Record, st.integers(0, 9), longs, times, keys, values, st.just(()))
ends = st.builds(Record, st.just(1), longs, times, keys, st.none(), st.sampled_from([(), END]))


def exported(form: str, records: Sequence[Record], compiled: Export | None) -> bytes:
    file = BytesIO()
    writing = FORMATS[form](file, Rows(READER.text, CODEC, compiled))
    half = len(records) // 2
    for part in (records[:half], records[half:]):
        if part:
            writing.add(part)
    writing.close()
    return file.getvalue()


def read(form: str, content: bytes) -> Any:
    if form == "avro":
        as_number = {"long-timestamp-millis": lambda milliseconds, *_: milliseconds}
        with patch.dict(fastavro.read.LOGICAL_READERS, as_number):  # some are past all dates
            return repr(list(fastavro.reader(BytesIO(content))))  # of numbers that are none, too
    if form == "parquet":
        table = pq.read_table(BytesIO(content))
        return table.schema, [
            column.combine_chunks().to_string() for column in table.cast(_plain(table))
        ]
    return content


def _plain(table: pa.Table) -> pa.Schema:
    """Return the schema with times as numbers: some are past all dates."""
    return pa.schema(
        [(f.name, pa.int64() if pa.types.is_timestamp(f.type) else f.type) for f in table.schema]
    )


@needs_compiled
@pytest.mark.parametrize("form", FORMATS)
@given(data=st.data())
def test_the_compiled_codec_and_fastavro_write_the_same(form: str, data: st.DataObject) -> None:
    rows = snapshots if form == "avro" else snapshots | ends
    records = data.draw(st.lists(rows, max_size=6))
    fast, plain = (read(form, exported(form, records, each)) for each in (COMPILED, None))
    assert fast == plain


@needs_compiled
def test_letters_and_digits_are_the_same_wherever_they_stand() -> None:
    """The compiled codec looks at eight letters at a time, and has a way of its own for prices."""
    letters = [*map(chr, range(0x30)), "\\", "\x7f", "\x80", "\u20ac", "\U0001f600"]
    around = [("a" * at, end) for at in range(17) for end in ("", '-b"')]
    texts = [f"{start}{each}{end}" for start, end in around for each in letters]
    whole = [10**power + more for power in range(18) for more in (-1, 0, 1, 10, 50)]
    prices = [sign * each / 100 for each in (0, *whole) for sign in (1, -1)]
    near = [math.nextafter(each, to) for each in prices for to in (-math.inf, math.inf)]
    ties = [2.0**power + each / 512 for power in range(30, 54) for each in range(257)]
    odd = [(power, 2**each) for power in range(-30, 60) for each in range(1, 40)]
    ties += [(math.floor(2.0**power * 1.29 * each) | 1) / each for power, each in odd]
    session = a_session(
        identifiers=texts,
        attributes={text: json.dumps(text) for text in texts},
        discounts={str(at): each for at, each in enumerate(prices + near + ties)},
    )
    records = [Record(0, 1, NOON, b"7:visit", SNAPSHOTS.write(session), ())]
    assert exported("jsonl", records, COMPILED) == exported("jsonl", records, None)


@needs_compiled
@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("keys", [2, 20])
def test_a_map_that_has_a_key_twice_is_left_to_fastavro(form: str, keys: int) -> None:
    names = [f"key-{at:02}" for at in range(keys)]
    value = SNAPSHOTS.write(a_session(discounts=dict.fromkeys(names, 1.5)))
    twice = value.replace(b"key-01", b"key-00")
    records = [Record(0, at, NOON, b"7:visit", each, ()) for at, each in enumerate((value, twice))]
    fast, plain = (read(form, exported(form, records, each)) for each in (COMPILED, None))
    assert fast == plain


@needs_compiled
@pytest.mark.parametrize("form", FORMATS)
def test_what_is_as_this_version_writes_it_never_comes_to_fastavro(form: str) -> None:
    def refuse(_: bytes) -> Session:
        raise AssertionError

    codec = SnapshotCodec(SCHEMAS.snapshots)
    codec.read = refuse  # type: ignore[method-assign, assignment]
    rows = Rows(READER.text, codec, COMPILED)
    writing = FORMATS[form](BytesIO(), rows)
    value = SNAPSHOTS.write(a_session(total=0.1, created=NOON, attributes={"a": ' {"b":\n1}'}))
    writing.add([Record(0, 1, NOON, b"7:visit", value, ())])
    writing.close()


@needs_compiled
def test_what_the_compiled_codec_reads_is_no_value_of_python(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """To make one array of values, pyarrow imports pandas where it is installed."""
    monkeypatch.delattr(pa, "array")
    value = SNAPSHOTS.write(a_session())
    content = exported("parquet", [Record(0, 1, NOON, b"7:visit", value, ())] * 2, COMPILED)
    assert pq.read_metadata(BytesIO(content)).num_rows == 2


@pytest.mark.parametrize("compiled", [None, COMPILED], ids=["fastavro", "compiled"])
@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("damage", [lambda v: v[:-1], lambda v: v + b"\x00", lambda _: b"\x07"])
def test_a_snapshot_that_cannot_be_read_ends_the_export(
    form: str, damage: Callable[[bytes], bytes], compiled: Export | None
) -> None:
    value = damage(SNAPSHOTS.write(a_session()))
    with pytest.raises(FailClosed, match="snapshot"):
        exported(form, [Record(0, 1, NOON, b"7:visit", value, ())], compiled)


def test_rows_are_as_they_are_documented() -> None:
    value = SNAPSHOTS.write(a_session(attributes={"huge": "1e999"}, discounts={"d": 1.5}))
    records = [
        Record(2, 5, NOON, b"7:visit", value, ()),
        Record(2, 6, NO_TIMESTAMP, b"7:visit", None, END),
        Record(2, 8, NOON, b"by hand", None, ()),
    ]
    table = pq.read_table(BytesIO(exported("parquet", records, COMPILED)))
    assert table.schema.metadata[b"a"] == b"b"
    types = {field.name: str(field.type) for field in table.schema}
    assert types["created"] == "timestamp[ms, tz=UTC]"
    assert types["state"] == "dictionary<values=string, indices=int8, ordered=0>"
    assert types["attributes"].startswith("map<string, string")
    assert "eventMemory" not in types
    session, end, other = table.to_pylist()
    assert session["attributes"] == [("huge", "1e999")]
    assert session["discounts"] == [("d", 1.5)]
    assert session["outputTimestamp"].timestamp() * 1000 == NOON
    known = {name: each for name, each in end.items() if each is not None}
    stood = {"outputKey": "7:visit", "outputPartition": 2, "outputOffset": 6}
    its = {"integrationId": "visit", "applicationId": 7, "version": 3, "endedBy": "erase"}
    assert known == its | stood
    assert other["endedBy"] == "unknown"
    lines = exported("jsonl", records, COMPILED).splitlines()
    assert {name for name, each in json.loads(lines[1]).items() if each is not None} == set(known)
    assert json.loads(lines[0])["outputTimestamp"].endswith("Z")
    assert b'{"huge": 1e999}' in lines[0]
    (row,) = fastavro.reader(BytesIO(exported("avro", records[:1], COMPILED)))
    assert isinstance(row, dict)
    assert row["outputKey"] == "7:visit"


@pytest.mark.parametrize(
    ("bound", "groups"), [({"_GROUP_ROWS": 10}, [10, 10, 5]), ({"_GROUP_BYTES": 1}, [5] * 5)]
)
def test_many_rows_make_several_groups(
    bound: dict[str, int], groups: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, at_most in bound.items():
        monkeypatch.setattr(f"processor.export.parquet.{name}", at_most)
    value = SNAPSHOTS.write(a_session())
    records = [Record(0, at, NOON, b"7:visit", value, ()) for at in range(25)]
    file = BytesIO()
    writing = ParquetFile(file, Rows(READER.text, CODEC, COMPILED), {})
    for at in range(0, 25, 5):
        writing.add(records[at : at + 5])
    writing.close()
    found = pq.ParquetFile(file).metadata
    assert [found.row_group(at).num_rows for at in range(found.num_row_groups)] == groups
    assert pq.read_table(file)["outputOffset"].to_pylist() == list(range(25))


@pytest.mark.parametrize(("block", "blocks"), [(1, [1] * 25), (1 << 20, [25])])
def test_many_records_make_several_blocks(
    block: int, blocks: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("processor.avro.container._BLOCK", block)
    value = SNAPSHOTS.write(a_session())
    records = [Record(0, at, NOON, b"7:visit", value, ()) for at in range(25)]
    content = exported("avro", records, COMPILED)
    found = fastavro.block_reader(BytesIO(content))
    assert [each.num_records for each in found] == blocks
    rows = [row for row in fastavro.reader(BytesIO(content)) if isinstance(row, dict)]
    assert [row["outputOffset"] for row in rows] == list(range(25))


def test_without_pyarrow_it_is_said_what_to_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow.parquet", None)
    with pytest.raises(InputError, match="needs pyarrow") as raised:
        exported("parquet", [], None)
    assert "pip install 'session-processor[analytics]'" in str(raised.value.hint)


def test_what_is_cut_short_does_not_look_whole() -> None:
    """pyarrow ends a file that it was writing when it forgets it."""
    file = BytesIO()
    writing = ParquetFile(file, Rows(READER.text, CODEC, COMPILED), {"next": "0:2"})
    value = SNAPSHOTS.write(a_session())
    writing.add([Record(0, 1, NOON, b"7:visit", value, ())])
    with pytest.raises(FailClosed):
        writing.add([Record(0, 2, NOON, b"7:visit", b"?", ())])
    del writing
    gc.collect()
    with pytest.raises(pa.ArrowInvalid):
        pq.read_table(BytesIO(file.getvalue()))
