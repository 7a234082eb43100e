"""What stands before a value, in both framings."""

from uuid import UUID

import pytest
from avro_bytes import SCHEMAS
from values import a_session, an_update

from processor.avro.codec import SnapshotCodec, UpdateCodec
from processor.avro.framing import (
    SCHEMA_ID_HEADER,
    DecodeError,
    Framing,
    UnknownSchemaError,
    confluent,
    framed,
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


GUID = UUID(int=258)


def test_one_then_a_guid() -> None:
    class ByGuid:
        def schema(self, schema_id: SchemaId) -> Schema | None:
            return READER if schema_id == GUID else None

    value = b"\x01" + GUID.bytes + b"datum"
    assert Framing(WRITERS, ByGuid()).split(value) == (READER, 17)
    with pytest.raises(DecodeError, match="ends within"):
        Framing(WRITERS, ByGuid()).split(value[:10])
    with pytest.raises(DecodeError, match="no known framing"):
        Framing(WRITERS).split(value)


@pytest.mark.parametrize("header", [confluent(258), b"\x01" + GUID.bytes])
def test_a_header_stands_where_it_else_would(header: bytes) -> None:
    assert framed(b"datum", ((SCHEMA_ID_HEADER, header),)) == header + b"datum"
    assert framed(b"\x00datum", (("a", b"b"), (SCHEMA_ID_HEADER, header))) == header + b"\x00datum"


def test_single_object_encoding_counts_whatever_the_headers_say() -> None:
    value = single_object(READER.fingerprint) + b"datum"
    assert framed(value, ((SCHEMA_ID_HEADER, confluent(258)),)) is value


def test_without_a_header_the_value_stands_as_it_is() -> None:
    assert framed(b"\x00\x00", (("other", None),)) == b"\x00\x00"


@pytest.mark.parametrize(
    "header", [None, b"", b"\x00", confluent(1) + b"\x00", b"\x02" * 5, GUID.bytes]
)
def test_a_header_that_holds_no_id_is_refused(header: bytes | None) -> None:
    with pytest.raises(DecodeError, match="holds no schema id"):
        framed(b"datum", ((SCHEMA_ID_HEADER, header),))
