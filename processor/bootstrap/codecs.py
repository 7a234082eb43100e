"""What commands read and write values with, by their settings; the service has its own wiring."""

import time
from typing import NamedTuple

from processor.avro.codec import SnapshotCodec, UpdateCodec
from processor.avro.framing import SchemaIds
from processor.avro.schemas import Known, Schema, Schemas, load_schemas
from processor.config import Settings
from processor.ports.registry import Registry
from processor.registry.ids import RegisteredIds
from processor.registry.own import own, registry_of


class Codecs(NamedTuple):
    """Both codecs, reading either framing where a registry is configured.

    To read a value that names an id asks the registry, and raises what it raises; a 404 is taken at
    its word.
    """

    schemas: Schemas
    ids: SchemaIds | None
    updates: UpdateCodec
    snapshots: SnapshotCodec

    @property
    def known(self) -> Known:
        """What is known of snapshots."""
        return self.schemas.snapshots


def codecs_of(settings: Settings) -> Codecs:
    """Return the codecs; what they write is in single-object encoding."""
    return _codecs(settings, registry_of(settings))


def update_header(settings: Settings) -> bytes | None:
    """Return what stands before updates that go to the input; None: single-object encoding.

    Raises ConfigError where a registry is configured and does not have this version's schema.
    """
    writer = load_schemas(settings.schemas_dir).updates.reader
    return _header(registry_of(settings), settings.updates_topic, writer)


def snapshot_writer(settings: Settings) -> SnapshotCodec:
    """Return a codec that writes snapshots as the service with these settings does.

    Raises ConfigError as `update_header` does.
    """
    registry = registry_of(settings)
    codecs = _codecs(settings, registry)
    header = _header(registry, settings.sessions_topic, codecs.known.reader)
    return SnapshotCodec(codecs.known, codecs.ids, header)


def _codecs(settings: Settings, registry: Registry | None) -> Codecs:
    schemas = load_schemas(settings.schemas_dir)
    ids = None if registry is None else RegisteredIds(registry, time.monotonic)
    return Codecs(
        schemas, ids, UpdateCodec(schemas.updates, ids), SnapshotCodec(schemas.snapshots, ids)
    )


def _header(registry: Registry | None, topic: str, writer: Schema) -> bytes | None:
    return None if registry is None else own(registry, topic, writer).header
