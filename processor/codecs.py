"""What commands read and write values with, by their settings; the service has its own wiring."""

import time
from typing import NamedTuple

from processor.avro.codec import SnapshotCodec, UpdateCodec
from processor.avro.framing import SchemaIds
from processor.avro.schemas import Known, Schemas, load_schemas
from processor.config import Settings
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
    schemas = load_schemas(settings.schemas_dir)
    registry = registry_of(settings)
    ids = None if registry is None else RegisteredIds(registry, time.monotonic)
    return Codecs(
        schemas, ids, UpdateCodec(schemas.updates, ids), SnapshotCodec(schemas.snapshots, ids)
    )


def update_header(settings: Settings) -> bytes | None:
    """Return what stands before updates that go to the input; None: single-object encoding.

    Raises ConfigError where a registry is configured and does not have this version's schema.
    """
    registry = registry_of(settings)
    if registry is None:
        return None
    writer = load_schemas(settings.schemas_dir).updates.reader
    return own(registry, settings.updates_topic, writer).header


def snapshot_writer(settings: Settings) -> SnapshotCodec:
    """Return a codec that writes snapshots as the service with these settings does.

    Raises ConfigError as `update_header` does.
    """
    codecs = codecs_of(settings)
    registry = registry_of(settings)
    if registry is None:
        return codecs.snapshots
    header = own(registry, settings.sessions_topic, codecs.known.reader).header
    return SnapshotCodec(codecs.known, codecs.ids, header)
