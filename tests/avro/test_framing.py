"""What stands before a value, in both framings."""

import pytest
from avro_bytes import SCHEMAS
from values import a_session, an_update

from processor.avro.codec import SnapshotCodec, UpdateCodec
from processor.avro.framing import (
    DecodeError,
    Framing,
    UnknownSchemaError,
    confluent,
    single_object,
)
from processor.avro.schemas import Schema
from processor.ports.registry import SchemaId

READER = SCHEMAS.updates.reader
WRITERS = SCHEMAS.updates.writers


class Registry:
    def __init__(self, **schemas: Schema) -> None:
        self.schemas = schemas

    def schema(self, schema_id: SchemaId) -> Schema | None:
        return self.schemas.get(f"id_{schema_id}")


def test_the_marker_then_eight_bytes_of_fingerprint() -> None:
    header = single_object(READER.fingerprint)
    assert header == b"\xc3\x01" + READER.fingerprint
    assert len(header) == 10
    assert Framing(WRITERS).split(header + b"datum") == (READER, 10)


def test_zero_then_a_big_endian_id() -> None:
    assert confluent(258) == b"\x00\x00\x00\x01\x02"
    framing = Framing(WRITERS, Registry(id_258=READER))
    assert framing.split(confluent(258) + b"datum") == (READER, 5)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (b"", "no known framing"),
        (b"\xc3", "no known framing"),
        (b"\x01\xc3" + READER.fingerprint, "no known framing"),
        (b"\xc3\x01", "ends within"),
        (b"\xc3\x01" + READER.fingerprint[:7], "ends within"),
        (b"\x00", "no schema registry"),
        (b"\x00\x00\x00\x00\x01datum", "no schema registry"),
    ],
)
def test_what_has_no_known_framing_is_refused(value: bytes, message: str) -> None:
    with pytest.raises(DecodeError, match=message):
        Framing(WRITERS).split(value)


def test_a_short_id_is_refused_though_there_is_a_registry() -> None:
    with pytest.raises(DecodeError, match="ends within"):
        Framing(WRITERS, Registry()).split(b"\x00\x00\x00\x01")


@pytest.mark.parametrize(
    ("value", "named"),
    [(b"\xc3\x01" + bytes(range(8)), "0001020304050607"), (b"\x00\x00\x00\x00\x09", "9")],
)
def test_an_unknown_schema_is_named(value: bytes, named: str) -> None:
    with pytest.raises(UnknownSchemaError, match=named):
        Framing(WRITERS, Registry()).split(value)


def test_the_input_takes_either_framing_by_its_first_bytes() -> None:
    codec = UpdateCodec(SCHEMAS.updates, Registry(id_1=READER))
    value = codec.write(an_update(coupon="A"))
    assert codec.read(value, 40) == an_update(coupon="A")
    assert codec.read(confluent(1) + value[10:], 40) == an_update(coupon="A")


def test_snapshots_can_stand_under_another_header() -> None:
    reader = SCHEMAS.snapshots.reader
    codec = SnapshotCodec(SCHEMAS.snapshots, Registry(id_1=reader), confluent(1))
    plain = SnapshotCodec(SCHEMAS.snapshots).write(a_session())
    value = codec.write(a_session())
    assert value == confluent(1) + plain[10:]
    assert codec.read(value) == codec.read(plain) == a_session()
