"""Decode: from records' bytes to updates. Rules 1 to 3 of the contract."""

from collections.abc import Sequence

from processor.avro.codec import CommandCodec
from processor.avro.compiled import Compiled, EncodedUpdate
from processor.avro.framing import SCHEMA_ID_HEADER, DecodeError, framed
from processor.core.command import SessionCommand, wrong_command
from processor.core.outcome import Reason, Rejected
from processor.core.session import session_key
from processor.core.shown import shown_key
from processor.core.update import SessionUpdate
from processor.core.validate import validate
from processor.formats.updates import Updates
from processor.ports.log import Record, Unreadable
from processor.stages.batch import Decoded


class Decode:
    """Never raises for what a record holds, and allocates no more than in proportion to it."""

    def __init__(
        self, updates: Updates, commands: CommandCodec, compiled: Compiled | None = None
    ) -> None:
        self._updates = updates
        self._commands = commands
        self._compiled = compiled
        self._header = updates.avro.header
        """What stood before the values that came last: for most records, what comes next."""
        self._json_header = b""
        """The same of JSON: a registry's framing, or nothing."""

    def __call__(self, records: Sequence[Record]) -> list[Decoded]:
        """Return what `read` says of each; what the compiled codec finds sound stays as it is."""
        if self._compiled is None:
            return [self.read(record) for record in records]
        updates = self._packed(self._compiled, records)
        return [
            self._alone(self._compiled, record) if update is None else update
            for record, update in zip(records, updates, strict=True)
        ]

    def read(self, record: Record) -> SessionUpdate | SessionCommand | Rejected:
        """Return the record's update or command, valid, or why there is neither."""
        if record.value is not None and self._commands.is_command(record.value):
            return self._command(record, record.value)
        return self.update(record)

    def update(self, record: Record) -> SessionUpdate | Rejected:
        """Return the record's update, valid and with its total settled, or why there is none."""
        if isinstance(record, Unreadable):
            return Rejected(Reason.UNDECODABLE, _of_range(record))
        if record.value is None:
            return Rejected(Reason.UNDECODABLE, "the record has no value")
        try:
            read = self._updates.read(record.value, record.headers, record.offset)
        except DecodeError as error:
            return Rejected(Reason.UNDECODABLE, str(error))
        event = read.update.event_id
        if wrong_key := _wrong_key(record, read.update):
            return Rejected(Reason.KEY_MISMATCH, wrong_key, event_id=event)
        valid = read.contradiction or validate(read.update)
        if isinstance(valid, str):
            return Rejected(Reason.INVALID_VALUE, valid, event_id=event)
        return valid

    def _command(self, record: Record, value: bytes) -> SessionCommand | Rejected:
        try:
            command = self._commands.read(value, record.offset)
        except DecodeError as error:
            return Rejected(Reason.UNDECODABLE, str(error), command=True)
        if wrong_key := _wrong_key(record, command):
            return Rejected(Reason.KEY_MISMATCH, wrong_key, True, command.event_id)
        if wrong_value := wrong_command(command):
            return Rejected(Reason.INVALID_VALUE, wrong_value, True, command.event_id)
        return command

    def _alone(self, compiled: Compiled, record: Record) -> Decoded:
        """Return what becomes of a record that was not read with the others."""
        # Its framing may be another than what stood before the ones that came last.
        try:
            value = framed(record.value or b"", record.headers)
        except DecodeError:
            return self.read(record)
        if header := self._updates.avro.own_header(value):
            self._header = header
        elif header := self._updates.json_header(value):
            self._json_header = header
        else:
            return self.read(record)
        headers = [each for each in record.headers if each[0] != SCHEMA_ID_HEADER]
        (update,) = self._packed(compiled, [record._replace(value=value, headers=headers)])
        return self.read(record) if update is None else update

    def _packed(self, compiled: Compiled, records: Sequence[Record]) -> list[EncodedUpdate | None]:
        return compiled.read(records, self._header, self._updates.formats, self._json_header)


def _wrong_key(record: Record, read: SessionUpdate | SessionCommand) -> str | None:
    key = session_key(read.application_id, read.integration_id)
    return None if record.key == key.encode() else f"the key is {shown_key(record.key)}, not {key}"


def _of_range(record: Unreadable) -> str:
    last = record.end - 1
    offsets = f"offset {last}" if last == record.offset else f"offsets {record.offset} to {last}"
    return f"the batch of {offsets} cannot be unpacked: {record.reason}"
