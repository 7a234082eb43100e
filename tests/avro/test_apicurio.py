"""What Apicurio's serializers write: ids in headers of their own, and ids of eight bytes."""

import json
from uuid import UUID

import pytest
from avro_bytes import SCHEMAS
from fakes.clock import FakeClock
from fakes.registry import FakeRegistry

from processor.avro.apicurio import CONTENT_ID
from processor.avro.codec import UpdateCodec
from processor.avro.framing import DecodeError, single_object
from processor.core.update import SessionUpdate
from processor.formats.updates import Updates
from processor.ports.log import Headers
from processor.registry.ids import RegisteredIds

READER = SCHEMAS.updates.reader
PLAIN = UpdateCodec(SCHEMAS.updates)
FRAME = single_object(READER.fingerprint)
GLOBAL, HASH, ARTIFACT = (
    f"apicurio.value.{each}" for each in ("globalId", "contentHash", "artifactId")
)
"""The ways that the Confluent API does not know."""


def eight(number: int) -> bytes:
    return number.to_bytes(8, "big")


@pytest.fixture
def update() -> SessionUpdate:
    return PLAIN.read(FRAME + bytes.fromhex("06652d31d0e7ee96ef66020e636172742d3137" + "00" * 9), 5)


@pytest.fixture
def datum(update: SessionUpdate) -> bytes:
    return PLAIN.write(update)[len(FRAME) :]


@pytest.fixture
def updates() -> Updates:
    fake = FakeRegistry()
    fake.texts = {7: READER.text, 8: json.dumps({"type": "enum", "name": "E", "symbols": ["a"]})}
    fake.texts[UUID(int=7)] = READER.text
    return Updates(UpdateCodec(SCHEMAS.updates, RegisteredIds(fake, FakeClock())))


@pytest.mark.parametrize(
    ("before", "headers"),
    [
        (b"", [(CONTENT_ID, eight(7))]),
        (b"", [("a", None), (CONTENT_ID, eight(7)), (CONTENT_ID, eight(8))]),
        (b"", [(GLOBAL, eight(9)), (CONTENT_ID, eight(7))]),
        (b"", [("apicurio.value.encoding", b"BINARY"), (CONTENT_ID, eight(7))]),
        # A value that says by itself what it is does not ask the header.
        (FRAME, [(CONTENT_ID, eight(8))]),
        (b"\0\0\0\0\7", [(CONTENT_ID, eight(8)), (GLOBAL, eight(9))]),
        (b"\1" + UUID(int=7).bytes, [(GLOBAL, eight(9))]),
        (b"", [("__value_schema_id", b"\0\0\0\0\7"), (CONTENT_ID, eight(8))]),
    ],
)
def test_an_id_in_apicurios_header_is_read(
    updates: Updates, update: SessionUpdate, datum: bytes, before: bytes, headers: Headers
) -> None:
    assert updates.read(before + datum, headers, 5).update == update


@pytest.mark.parametrize(
    ("before", "headers", "why"),
    [
        (b"", [(GLOBAL, eight(7))], "globalId names the schema.*use-id to contentId"),
        (b"", [(HASH, b"ab")], "contentHash names the schema"),
        (b"", [(ARTIFACT, b"ab"), ("apicurio.value.version", b"1")], "artifactId names the schema"),
        (b"", [(CONTENT_ID, b"\0\0\0\7")], "contentId holds no schema id"),
        (b"", [(CONTENT_ID, eight(2**32))], "contentId holds no schema id"),
        (b"", [(CONTENT_ID, eight(0))], "contentId holds no schema id"),
        (b"", [(CONTENT_ID, eight(8))], "schema 8 of the registry cannot be used"),
        (b"", [(CONTENT_ID, eight(6))], "the schema registry has no schema 6"),
        (b"", [("apicurio.value.encoding", b"BINARY")], "begins like no known framing"),
        (b"\0" + eight(7), [], "names the schema 0.*ids of 8 bytes"),
        (b"", [("__value_schema_id", b"\0" * 5)], "names the schema 0"),
    ],
)
def test_what_names_no_schema_that_can_be_had_is_told(
    updates: Updates, datum: bytes, before: bytes, headers: Headers, why: str
) -> None:
    with pytest.raises(DecodeError, match=why):
        updates.read(before + datum, headers, 5)


def test_json_is_json_whatever_apicurios_headers_say(updates: Updates) -> None:
    value = b'{"eventId":"e","eventTime":0,"applicationId":1,"integrationId":"a"}'
    assert updates.read(value, [(CONTENT_ID, eight(7))], 5).update.event_id == "e"
