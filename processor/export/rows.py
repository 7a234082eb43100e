"""Output records as rows: the session's fields, then where the record stood, then what ended it."""

from typing import Any, Final

from processor.avro.codec import SESSION_FIELDS, SnapshotCodec
from processor.avro.compiled import Export
from processor.avro.shape import Shape, shape_of
from processor.core.session import is_key
from processor.ports.log import Record
from processor.state.ends import end_of

MEMORY: Final = "eventMemory"
ENDED_BY: Final = "endedBy"
UNKNOWN: Final = "unknown"
"""What ended a session whose tombstone does not say: it is not the processor's."""


class Rows:
    """Makes rows of records; reads are by the compiled codec where there is one and it can."""

    def __init__(self, schema: str, codec: SnapshotCodec, compiled: Export | None = None) -> None:
        """Take the present schema's JSON."""
        self.schema = schema
        self.shape: Shape = shape_of(schema)
        self.compiled = compiled
        self.headers = [codec.header]
        """What stands before snapshots of the present schema, as far as was met."""
        self._codec = codec

    def row(self, record: Record) -> dict[str, Any]:
        """Return a record's row by names: times in milliseconds, the memory only where it has one.

        Of a tombstone all of a session is None but what its key and its headers say. Raises
        FailClosed.
        """
        if record.value is None:
            return _of_end(record)
        self._learn(record.value)
        fields = dict(zip(SESSION_FIELDS, self._codec.read(record.value), strict=True))
        return {**fields, **place_of(record), ENDED_BY: None}

    def _learn(self, value: bytes) -> None:
        header = self._codec.own_header(value)
        if header is not None and header not in self.headers:
            self.headers.append(header)


def place_of(record: Record) -> dict[str, Any]:
    """Return where the record stood."""
    return {
        "outputKey": _text(record.key),
        "outputPartition": record.partition,
        "outputOffset": record.offset,
        "outputTimestamp": record.timestamp if record.timestamp >= 0 else None,
    }


def _of_end(record: Record) -> dict[str, Any]:
    fields: dict[str, Any] = dict.fromkeys(each for each in SESSION_FIELDS if each != MEMORY)
    key = _text(record.key) or ""
    if is_key(key):
        application, _, fields["integrationId"] = key.partition(":")
        fields["applicationId"] = int(application)
    end = end_of(record.headers)
    if end is not None:
        fields["version"] = end.version
    ended_by = UNKNOWN if end is None else end.command
    return {**fields, **place_of(record), ENDED_BY: ended_by}


def _text(key: bytes | None) -> str | None:
    return None if key is None else key.decode(errors="backslashreplace")
