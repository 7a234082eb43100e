"""What the service and the commands read and write values with."""

from typing import NamedTuple

from processor.avro.codec import SnapshotCodec, UpdateCodec
from processor.avro.compiled import Compiled
from processor.avro.schemas import Known, Schema, Schemas, load_schemas
from processor.config import Settings
from processor.ports.clock import SYSTEM_CLOCK, Clock
from processor.ports.registry import Registry
from processor.registry.ids import RegisteredIds
from processor.registry.own import Own, own, registry_of


class Codecs(NamedTuple):
    """Both codecs, reading either framing where a registry is configured.

    To read a value that names an id asks the registry, and raises what it raises; a 404 is taken at
    its word.
    """

    schemas: Schemas
    ids: RegisteredIds | None
    updates: UpdateCodec
    snapshots: SnapshotCodec
    texts: dict[str, str]
    """The schemas that snapshots can be read by, by fingerprint or id; more may be found."""
    compiled: Compiled | None = None

    @property
    def known(self) -> Known:
        """What is known of snapshots."""
        return self.schemas.snapshots

    def input_offset(self, snapshot: bytes) -> int:
        """Return a snapshot's input offset. Raises FailClosed where there is none."""
        found = None
        if self.compiled is not None:
            found = self.compiled.input_offset(snapshot, self.snapshots.header)
        return self.snapshots.read(snapshot).input_offset if found is None else found


def running_codecs(
    schemas: Schemas,
    compiled: Compiled | None,
    registry: Registry | None,
    own: Own | None,
    clock: Clock,
) -> Codecs:
    """Return the service's codecs; what they write is framed as the registry's own schema says."""
    known, header, texts = None, None, schemas.snapshots.texts()
    if own is not None:
        known, header, texts = own.schemas, own.header, texts | own.texts
    ids = None if registry is None else RegisteredIds(registry, clock, known)
    snapshots = SnapshotCodec(schemas.snapshots, ids, header)
    return Codecs(schemas, ids, UpdateCodec(schemas.updates, ids), snapshots, texts, compiled)


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
    return running_codecs(load_schemas(settings.schemas_dir), None, registry, None, SYSTEM_CLOCK)


def _header(registry: Registry | None, topic: str, writer: Schema) -> bytes | None:
    return None if registry is None else own(registry, topic, writer).header
