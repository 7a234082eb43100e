"""What the service and the commands read and write values with."""

from typing import NamedTuple

from processor.avro.codec import CommandCodec, SnapshotCodec, UpdateCodec
from processor.avro.compiled import Compiled
from processor.avro.framing import DecodeError
from processor.avro.schemas import Known, Schema, Schemas, load_schemas
from processor.config import Settings
from processor.core.command import SessionCommand
from processor.formats.names import AVRO_ALONE, split
from processor.formats.updates import Updates
from processor.ports.clock import SYSTEM_CLOCK, Clock
from processor.ports.log import Record
from processor.ports.registry import Registry
from processor.registry.ids import RegisteredIds
from processor.registry.own import Own, own, registry_of
from processor.replay.exact import Seen, Values
from processor.stages.decode import Decode


class Codecs(NamedTuple):
    """All codecs, reading either framing where a registry is configured.

    To read a value that names an id asks the registry, and raises what it raises; a 404 is taken at
    its word.
    """

    known: Known
    """What is known of snapshots."""
    ids: RegisteredIds | None
    updates: Updates
    commands: CommandCodec
    snapshots: SnapshotCodec
    texts: dict[str, str]
    """The schemas that snapshots can be read by, by fingerprint or id; more may be found."""
    compiled: Compiled | None = None

    @property
    def values(self) -> Values:
        """How values of the live topics are read."""
        decode = Decode(self.updates, self.commands)

        def is_command(record: Record) -> bool:
            named = record.value is not None and self.commands.is_command(record.value)
            return named and isinstance(decode.read(record), SessionCommand)

        return Values(self.seen, is_command)

    def seen(self, snapshot: bytes) -> Seen:
        """Return a snapshot's input offset and version. Raises FailClosed where there is none."""
        session = self.snapshots.read(snapshot)
        return Seen(session.input_offset, session.version)

    def answered(self, snapshot: bytes) -> tuple[int, str]:
        """Return the input offset and the event id of the update that a snapshot answers.

        Raises FailClosed where there is none.
        """
        session = self.snapshots.read(snapshot)
        return session.input_offset, session.last_event_id

    def event_id(self, record: Record) -> str | None:
        """Return an update's or a command's event id, None where it cannot be read."""
        value = record.value or b""
        try:
            if self.commands.is_command(value):
                return self.commands.read(value, 0).event_id
            return self.updates.of_any_format().read(value, record.headers, 0).update.event_id
        except DecodeError:
            return None


def running_codecs(
    schemas: Schemas,
    compiled: Compiled | None,
    registry: Registry | None,
    own: Own | None,
    clock: Clock,
    *,
    formats: str = AVRO_ALONE,
) -> Codecs:
    """Return the service's codecs; what they write is framed as the registry's own schema says."""
    known, header, texts = None, None, schemas.snapshots.texts()
    if own is not None:
        known, header, texts = own.schemas, own.header, texts | own.texts
    ids = None if registry is None else RegisteredIds(registry, clock, known)
    snapshots = SnapshotCodec(schemas.snapshots, ids, header)
    updates = Updates(UpdateCodec(schemas.updates, ids), split(formats))
    commands = CommandCodec(schemas.commands)
    return Codecs(schemas.snapshots, ids, updates, commands, snapshots, texts, compiled)


def codecs_of(settings: Settings) -> Codecs:
    """Return the codecs of commands; what they write is in single-object encoding."""
    schemas = load_schemas(settings.schemas_dir)
    registry, formats = registry_of(settings), settings.input_formats
    return running_codecs(schemas, None, registry, None, SYSTEM_CLOCK, formats=formats)


def update_header(settings: Settings) -> bytes | None:
    """Return what stands before updates that go to the input; None: single-object encoding.

    Raises ConfigError where a registry is configured and does not have this version's schema.
    """
    writer = load_schemas(settings.schemas_dir).updates.reader
    found = _own(registry_of(settings), settings.updates_topic, writer)
    return None if found is None else found.header


def snapshot_writer(settings: Settings) -> SnapshotCodec:
    """Return a codec that writes snapshots as the service with these settings does.

    Raises ConfigError as `update_header` does.
    """
    schemas, registry = load_schemas(settings.schemas_dir), registry_of(settings)
    found = _own(registry, settings.sessions_topic, schemas.snapshots.reader)
    return running_codecs(schemas, None, registry, found, SYSTEM_CLOCK).snapshots


def _own(registry: Registry | None, topic: str, writer: Schema) -> Own | None:
    return None if registry is None else own(registry, topic, writer)
