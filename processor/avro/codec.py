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
from typing import Any, Final, NamedTuple

from fastavro import schemaless_reader, schemaless_writer
from fastavro.read import SchemaResolutionError

from processor.avro.compatibility import breaks, impostors
from processor.avro.framing import (
    DecodeError,
    Framing,
    SchemaIds,
    UnframedError,
    UnknownSchemaError,
    single_object,
)
from processor.avro.looks import first_bytes, looks_like, lost_as_text
from processor.avro.schemas import Known, Schema, with_aliases
from processor.core.command import SessionCommand
from processor.core.session import Session, in_schema
from processor.core.update import UPDATE_FIELDS, SessionUpdate
from processor.errors import FailClosed
from processor.ports.registry import SchemaId

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


_CAUSED_BY_SCHEMAS: Final = (SchemaResolutionError, TypeError, KeyError)
"""Those of them that say nothing of the bytes, where a writer's schema does not fit."""

_MOST_WRITERS: Final = 256
"""Of so many it is remembered what does not fit: one sends them all the time, or a few do."""
_MOST_PLACES: Final = 3


class _Exact(BytesIO):
    """Bytes that are read in the amount that was asked for, or not at all."""

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        if len(data) != size:
            raise EOFError(f"expected {size} bytes, read {len(data)}")
        return data


class _Misfit(NamedTuple):
    """Where a writer's schema does not fit, for people, and whether it is not to be tried."""

    places: str
    never: bool


def _misfit(writer: Schema, reader: Schema) -> _Misfit:
    confused = impostors(writer, reader)
    found = confused or breaks(writer, reader)
    return _Misfit("; ".join(map(str, found[:_MOST_PLACES])), bool(confused))


class _Codec:
    """Reads and writes framed records of one kind; what `ids` raises passes through.

    `header` stands before what is written; by default that of single-object encoding.
    """

    def __init__(
        self, known: Known, ids: SchemaIds | None = None, header: bytes | None = None
    ) -> None:
        self._framing = Framing(known.writers, ids)
        self._reader = known.reader
        self._misfits: dict[str, _Misfit] = {}
        self.header = header or single_object(known.reader.fingerprint)

    def own_header(self, value: bytes) -> bytes | None:
        """Return what stands before a datum of this version's schema, None before all else."""
        try:
            writer, start = self._framing.split(value)
        except DecodeError:
            return None
        return value[:start] if self._is_own(writer) else None

    def _is_own(self, writer: Schema) -> bool:
        """Whether a datum has this version's layout.

        A fingerprint would not say: anybody can make a schema that has it.
        """
        return writer.canonical == self._reader.canonical

    def _record(self, value: bytes) -> Any:
        """Return the record's fields by their names. Raises DecodeError."""
        writer, start = self._framing.split(value)
        own = self._is_own(writer)
        if not own and (misfit := self._misfit(writer)).never:
            raise DecodeError(f"a {writer.name} is no {self._reader.name}: {misfit.places}")
        stream = BytesIO(value) if own else _Exact(value)
        stream.seek(start)
        try:
            record = schemaless_reader(stream, writer.parsed, None if own else self._reader.parsed)
        except _CAUSED_BY_BYTES as error:
            raise DecodeError(self._told(writer, error) + lost_as_text(value)) from error
        left = len(value) - stream.tell()
        if left:
            raise DecodeError(f"{left} bytes are left over after the {writer.name}")
        return record

    def _told(self, writer: Schema, error: Exception) -> str:
        """Return why a value cannot be read: the same for the same bytes."""
        if isinstance(error, _CAUSED_BY_SCHEMAS) and not self._is_own(writer):
            places = self._misfit(writer).places
            if places:
                return f"a {writer.name} cannot be read as a {self._reader.name}: {places}"
        return f"the value is not a {writer.name}: {_in_words(error)}"

    def _misfit(self, writer: Schema) -> _Misfit:
        found = self._misfits.get(writer.text)
        if found is None:
            if len(self._misfits) >= _MOST_WRITERS:
                self._misfits.clear()
            found = self._misfits[writer.text] = _misfit(writer, self._reader)
        return found

    def _bytes(self, record: dict[str, Any]) -> bytes:
        """Return the record's bytes, framing included."""
        out = BytesIO()
        out.write(self.header)
        schemaless_writer(out, self._reader.parsed, record)
        return out.getvalue()


def _in_words(error: Exception) -> str:
    """Return what is wrong with the bytes, without any that could be many, or of the process."""
    match error:
        case EOFError():
            return "it ends too early"
        case UnicodeDecodeError():
            wrong = error.object[error.start]
            return f"a text is not UTF-8 at its byte {error.start + 1} ({wrong:02x})"
        case SchemaResolutionError() | TypeError():
            return "it has a value for which there is no place now, such as a symbol"
        case OverflowError():
            return "a length is larger than anything"
    return "a number in it is cut off, or says a length, a symbol or a branch that there is not"


class UpdateCodec(_Codec):
    """SessionUpdates, framed; by what library ever, as far as it is known."""

    def __init__(
        self, known: Known, ids: SchemaIds | None = None, header: bytes | None = None
    ) -> None:
        super().__init__(known._replace(writers=with_aliases(known.writers)), ids, header)

    def read(self, value: bytes, offset: int) -> SessionUpdate:
        """Return the update that stood at this input offset, as yet unchecked.

        Raises DecodeError and nothing else, whatever the bytes; what `ids` raises passes through.
        """
        try:
            record = self._record(value)
        except UnframedError as error:
            # Of a snapshot nothing is told: what stops a partition is logged, a letter is not.
            raise DecodeError(f"{error}: {first_bytes(value)}{self._looks(value)}") from None
        return SessionUpdate._make((*_update_values(record), offset))

    def names_json(self, schema_id: SchemaId) -> bool:
        """Whether the registry has a JSON Schema under the id; what `ids` raises passes through."""
        return self._framing.names_json(schema_id)

    def _looks(self, value: bytes) -> str:
        """Return what a value without a known framing looks like, for people."""
        name = self._reader.name
        looks = looks_like(value)
        if not looks and self._is_bare(value):
            framing = single_object(self._reader.fingerprint).hex(" ")
            looks = f"a {name} without a framing: put {framing} before it"
        return looks and f", which looks like {looks}"

    def _is_bare(self, value: bytes) -> bool:
        """Whether the value is a datum of the present schema, with nothing before it."""
        stream = BytesIO(value)
        try:
            schemaless_reader(stream, self._reader.parsed, None)
        except _CAUSED_BY_BYTES:
            return False
        return stream.tell() == len(value) > 0

    def write(self, update: SessionUpdate) -> bytes:
        """Return the update's bytes, framing included; its offset is not among them."""
        return self._bytes(dict(zip(UPDATE_FIELDS, update, strict=False)))


class CommandCodec(_Codec):
    """SessionCommands, in single-object encoding alone; by what library ever, likewise."""

    def __init__(self, known: Known) -> None:
        super().__init__(known._replace(writers=with_aliases(known.writers)))

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
