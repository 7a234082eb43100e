"""Schemas of a registry, and what the service makes of a datum under one."""

import json
from typing import Any

from avro_bytes import HEADER, KEY, SCHEMAS, decode_and_fold, required
from fakes.clock import FakeClock
from fakes.registry import FakeRegistry
from values import NOON, an_update

from processor.avro.codec import SnapshotCodec, UpdateCodec
from processor.avro.framing import SchemaIds, confluent
from processor.core.outcome import Rejected
from processor.core.update import SessionUpdate
from processor.ports.log import Record
from processor.registry.ids import RegisteredIds

READER = SCHEMAS.updates.reader
UPDATES = UpdateCodec(SCHEMAS.updates)
ENCODE = SnapshotCodec(SCHEMAS.snapshots)
DATUM = UPDATES.write(an_update())[len(HEADER) :]
FIRST = required()[len(HEADER) :]
"""The fields of an update that cannot be null."""


def decoded(text: str, datum: bytes = DATUM) -> SessionUpdate | Rejected:
    """Return what the service makes of a datum that the registry has this schema for."""
    fake = FakeRegistry()
    fake.texts[7] = text
    return read_with(RegisteredIds(fake, FakeClock(100.0)), datum)


def read_with(ids: SchemaIds, datum: bytes) -> SessionUpdate | Rejected:
    decode, _ = decode_and_fold(None, 900_000, ids=ids)
    found = decode.read(Record(0, 40, NOON, KEY, confluent(7) + datum, ()))
    assert isinstance(found, SessionUpdate | Rejected)
    return found


def record(*fields: Any, **more: Any) -> str:
    return json.dumps(
        {"type": "record", "name": "SessionUpdate", "namespace": "sessions", "fields": fields}
        | more
    )


REQUIRED: list[Any] = [
    {"name": "eventId", "type": "string"},
    {"name": "eventTime", "type": "long"},
    {"name": "applicationId", "type": "int"},
    {"name": "integrationId", "type": "string"},
]


def named(kind: str, name: str, **more: Any) -> dict[str, Any]:
    return {"type": kind, "name": name, **more}
