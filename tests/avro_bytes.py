"""Bytes for tests of the codec: varints by hand, and records of any schema."""

import json
from io import BytesIO
from typing import Any

from fastavro import schemaless_writer

from processor.avro.framing import single_object
from processor.avro.schemas import Known, Schema, load_schemas, read_schema

SCHEMAS = load_schemas()
HEADER = single_object(SCHEMAS.updates.reader.fingerprint)
KEY = b"7:visit"


def varint(number: int) -> bytes:
    """Return a long as Avro writes it: zigzag, then 7 bits a byte."""
    left = (number << 1) ^ (number >> 63)
    out = bytearray()
    while left > 0x7F:
        out.append(left & 0x7F | 0x80)
        left >>= 7
    return bytes([*out, left])


def text(value: str) -> bytes:
    encoded = value.encode()
    return varint(len(encoded)) + encoded


def required(application_id: int = 7, integration_id: str = "visit") -> bytes:
    """Return the header and the four fields that every update has."""
    return (
        HEADER
        + text("e-1")
        + varint(1_700_000_000_000)
        + varint(application_id)
        + text(integration_id)
    )


def written(schema: Schema, datum: dict[str, Any]) -> bytes:
    """Return the datum in single-object encoding under any schema."""
    out = BytesIO()
    out.write(single_object(schema.fingerprint))
    schemaless_writer(out, schema.parsed, datum)
    return out.getvalue()


def changed(known: Known, *more: dict[str, Any], **types: Any) -> Schema:
    """Return the reader's schema with more fields, and with other types of those it has."""
    document = json.loads(known.reader.text)
    for field in document["fields"]:
        field["type"] = types.get(field["name"], field["type"])
    document["fields"] += more
    return read_schema(json.dumps(document))


def with_writer(known: Known, schema: Schema) -> Known:
    """Return what is known with one more writer."""
    return known._replace(writers={**known.writers, schema.fingerprint: schema})
