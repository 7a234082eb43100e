"""What commands read is what a service reads, with whatever formats it reads."""

from itertools import combinations

import pytest
from avro_bytes import SCHEMAS, SNAPSHOTS

from processor.avro.codec import CommandCodec, UpdateCodec
from processor.avro.framing import DecodeError
from processor.bootstrap.codecs import running_codecs
from processor.core.update import SessionUpdate
from processor.erasure.named_ids import Values
from processor.formats.json_update import complete, fields_of
from processor.formats.names import FORMATS
from processor.formats.updates import Updates
from processor.ports.clock import SYSTEM_CLOCK
from processor.ports.log import Headers, Record

CODEC = UpdateCodec(SCHEMAS.updates)
WHOLE = (
    b'{"eventId":"e","eventTime":1,"applicationId":1,"integrationId":"a","profileId":"p",'
    b'"identifiers":["i"]}'
)
AVRO = CODEC.write(complete(fields_of(WHOLE), 0))
NO_ID = WHOLE.replace(b'"eventId":"e",', b"")
EVENT = b'{"specversion":"1.0","id":"e","data":' + NO_ID + b"}"
STRUCTURED = (("content-type", b"application/cloudevents+json"),)
VERSION = ("ce_specversion", b"1.0")
SETTINGS = [each for count in (1, 2, 3) for each in combinations(FORMATS, count)]


def read(updates: Updates, value: bytes, headers: Headers) -> SessionUpdate | None:
    try:
        return updates.read(value, headers, 0).update
    except DecodeError:
        return None


@pytest.mark.parametrize(
    ("value", "headers"),
    [
        (WHOLE, ()),
        (WHOLE, [("ce_specversion", b"0.3")]),
        (WHOLE, [("ce_specversion", b"")]),
        (WHOLE, [("ce_specversion", None)]),
        (WHOLE, [("ce_specversion", b"\xff")]),
        (WHOLE, [VERSION, ("ce_time", b"yesterday")]),
        (WHOLE, [VERSION, ("ce_time", b"\xff")]),
        (WHOLE, [VERSION, ("ce_id", b"\xff")]),
        (WHOLE, [VERSION, ("ce_id", b"other"), ("ce_time", b"2026-03-01T00:00:00Z")]),
        (WHOLE, [("content-type", b"application/json"), ("ce_specversion", b"2")]),
        (NO_ID, [VERSION, ("ce_id", b"e")]),
        (EVENT, STRUCTURED),
        (EVENT, [*STRUCTURED, ("ce_specversion", b"0.3")]),
        (AVRO, ()),
        (AVRO, [("ce_specversion", b"0.3")]),
        (AVRO, STRUCTURED),
        (AVRO, [("content-type", b"application/cloudevents-batch+json")]),
        (AVRO, [("content-type", b"application/cloudevents+protobuf")]),
    ],
)
def test_what_a_service_reads_is_read_whatever_formats_a_command_names(
    value: bytes, headers: Headers
) -> None:
    live = [read(Updates(CODEC, each), value, headers) for each in SETTINGS]
    (wanted,) = {each and each.event_id: each for each in live if each is not None}.values()
    assert all(each in (None, wanted) for each in live)

    record = Record(0, 0, 0, b"1:a", value, headers)
    for formats in SETTINGS:
        codecs = running_codecs(SCHEMAS, None, None, None, SYSTEM_CLOCK, formats=",".join(formats))
        assert read(codecs.updates.of_any_format(), value, headers) == wanted
        assert codecs.event_id(record) == "e"
        values = Values(codecs.updates, CommandCodec(SCHEMAS.commands), SNAPSHOTS)
        named = values.of_input(record)
        assert named is not None
        assert named.identifiers == ["i"]


@pytest.mark.parametrize(
    ("value", "headers", "why"),
    [
        (NO_ID, [("ce_specversion", b"0.3")], 'ce_specversion is "0.3", not "1.0"'),
        (NO_ID, (), "eventId"),
        (WHOLE, [("content-type", b"application/cloudevents-batch+json")], "batch"),
        (WHOLE, [("content-type", b"application/cloudevents+protobuf")], "which is not read"),
        (WHOLE, STRUCTURED, "specversion"),
        (b"\xc3\x01", [VERSION], "ends within"),
    ],
)
def test_what_no_service_reads_is_refused_as_one_with_all_formats_does(
    value: bytes, headers: Headers, why: str
) -> None:
    with pytest.raises(DecodeError) as wanted:
        Updates(CODEC).read(value, headers, 0)
    with pytest.raises(DecodeError, match=why) as raised:
        Updates(CODEC).of_any_format().read(value, headers, 0)
    assert str(raised.value) == str(wanted.value)
