"""Between bytes and the domain's values, by fastavro.

A value of this version's own schema is read as it stands; any other known writer's is resolved to
the reader's schema. Hostile bytes can make fastavro raise, never loop or allocate beyond a small
multiple of their length:

- While it reads it checks every length against what is there, and each item of an array takes a
  byte or more (see `schemas`), so a count of 2⁶⁰ ends with the bytes.
- While it skips a field that the reader lacks it checks nothing: a truncated value would pass, and
  2⁶⁰ doubles be skipped beyond the end. So what is resolved is read through `_Exact`.
"""

from io import BytesIO
from operator import itemgetter
from typing import Any, Final

from fastavro import schemaless_reader, schemaless_writer
from fastavro.read import SchemaResolutionError

from processor.avro.framing import (
    DecodeError,
    Framing,
    SchemaIds,
    UnknownSchemaError,
    single_object,
)
from processor.avro.schemas import Known
from processor.core.command import SessionCommand
from processor.core.session import Session, in_schema
from processor.core.update import SessionUpdate
from processor.errors import FailClosed

UPDATE_FIELDS: Final = tuple(in_schema(name) for name in SessionUpdate._fields if name != "offset")
"""The record's fields in the order of `SessionUpdate`, whose last one is no field."""

SESSION_FIELDS: Final = tuple(map(in_schema, Session._fields))
"""The record's fields in the order of `Session`."""

COMMAND_FIELDS: Final = tuple(
    in_schema(name) for name in SessionCommand._fields if name != "offset"
)
"""The record's fields in the order of `SessionCommand`, whose last one is no field."""

_command_values = itemgetter(*COMMAND_FIELDS)
_update_values = itemgetter(*UPDATE_FIELDS)
_session_values = itemgetter(*SESSION_FIELDS)

_CAUSED_BY_BYTES: Final = (
    EOFError,  # they end too early
    LookupError,  # they end within a varint; the index of an enum or a union is out of range
    ValueError,  # a string is not UTF-8
    SchemaResolutionError,  # the reader lacks a symbol, or the branch of a union
    TypeError,  # the same, where fastavro compares a named type with an unnamed one
    OverflowError,  # a length that no platform's size can hold
)


class _Exact(BytesIO):
    """Bytes that are read in the amount that was asked for, or not at all."""

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        if len(data) != size:
            raise EOFError(f"expected {size} bytes, read {len(data)}")
        return data


class _Codec:
    """Reads and writes framed records of one kind; what `ids` raises passes through.

    `header` stands before what is written; by default that of single-object encoding.
    """

    def __init__(
        self, known: Known, ids: SchemaIds | None = None, header: bytes | None = None
    ) -> None:
        self._framing = Framing(known.writers, ids)
        self._reader = known.reader
        self.header = header or single_object(known.reader.fingerprint)

    def own_header(self, value: bytes) -> bytes | None:
        """Return what stands before a datum of this version's schema, None before all else."""
        try:
            writer, start = self._framing.split(value)
        except DecodeError:
            return None
        return value[:start] if writer.fingerprint == self._reader.fingerprint else None

    def _record(self, value: bytes) -> Any:
        """Return the record's fields by their names. Raises DecodeError."""
        writer, start = self._framing.split(value)
        own = writer.fingerprint == self._reader.fingerprint
        stream = BytesIO(value) if own else _Exact(value)
        stream.seek(start)
        try:
            record = schemaless_reader(stream, writer.parsed, None if own else self._reader.parsed)
        except _CAUSED_BY_BYTES as error:
            # Not its repr, which may hold every byte, nor the address of what it was read from: the
            # same bytes make the same dead letter.
            why = f"{type(error).__name__}: {error}".partition(" from <")[0]
            raise DecodeError(f"the value is not a {writer.name}: {why}") from error
        left = len(value) - stream.tell()
        if left:
            raise DecodeError(f"{left} bytes are left over after the {writer.name}")
        return record

    def _bytes(self, record: dict[str, Any]) -> bytes:
        """Return the record's bytes, framing included."""
        out = BytesIO()
        out.write(self.header)
        schemaless_writer(out, self._reader.parsed, record)
        return out.getvalue()


class UpdateCodec(_Codec):
    """SessionUpdates, framed."""

    def read(self, value: bytes, offset: int) -> SessionUpdate:
        """Return the update that stood at this input offset, as yet unchecked.

        Raises DecodeError and nothing else, whatever the bytes; what `ids` raises passes through.
        """
        return SessionUpdate._make((*_update_values(self._record(value)), offset))

    def write(self, update: SessionUpdate) -> bytes:
        """Return the update's bytes, framing included; its offset is not among them."""
        return self._bytes(dict(zip(UPDATE_FIELDS, update, strict=False)))


class CommandCodec(_Codec):
    """SessionCommands, in single-object encoding alone."""

    def __init__(self, known: Known) -> None:
        super().__init__(known)

    def is_command(self, value: bytes) -> bool:
        """Whether the value says that it is a command."""
        return self._framing.is_known(value)

    def read(self, value: bytes, offset: int) -> SessionCommand:
        """Return the command that stood at this input offset, as yet unchecked.

        Raises DecodeError and nothing else, whatever the bytes.
        """
        return SessionCommand._make((*_command_values(self._record(value)), offset))

    def write(self, command: SessionCommand) -> bytes:
        """Return the command's bytes, framing included; its offset is not among them."""
        return self._bytes(dict(zip(COMMAND_FIELDS, command, strict=False)))


class SnapshotCodec(_Codec):
    """CustomerSessions, framed: the bytes that Kafka and Redis both hold."""

    def write(self, session: Session) -> bytes:
        """Return the snapshot's bytes, framing included: the same ones for the same session."""
        record: dict[str, Any] = dict(zip(SESSION_FIELDS, session, strict=True))
        record["cartItems"] = list(session.cart_items)
        return self._bytes(record)

    def read(self, snapshot: bytes) -> Session:
        """Return the session. Raises FailClosed where the bytes are no snapshot that is known."""
        try:
            return Session._make(_session_values(self._record(snapshot)))
        except UnknownSchemaError as error:
            raise FailClosed(
                f"a snapshot was written with an unknown schema: {error}",
                hint="a newer version of the processor wrote it: run that version, or put its"
                " CustomerSession.avsc into PROCESSOR_SCHEMAS_DIR; an id is one of the schema"
                " registry's, which must not forget it",
            ) from error
        except DecodeError as error:
            raise FailClosed(
                f"a snapshot cannot be read: {error}",
                hint="If a schema registry is in use, PROCESSOR_SCHEMA_REGISTRY_URL must say where"
                " it is, also where values in single-object encoding are written by now.",
            ) from error
