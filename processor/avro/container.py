"""Snapshots in a file that any Avro library reads: an object container."""

import json
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, Final

from fastavro import parse_schema
from fastavro.write import Writer

from processor.avro.codec import SESSION_FIELDS
from processor.avro.schemas import Schema
from processor.core.session import Session

PLACE: Final = (
    {"name": "outputPartition", "type": "int", "doc": "Where the snapshot was published."},
    {"name": "outputOffset", "type": "long", "doc": "Orders the snapshots of a partition."},
)
"""The fields after those of the schema: a file has no partitions and no offsets of its own."""


class SnapshotContainer:
    """Writes snapshots under one schema, whichever they were published with."""

    def __init__(
        self,
        file: BinaryIO,
        schema: Schema,
        read: Callable[[bytes], Session],
        about: Mapping[str, str],
        *,
        deflate: bool,
    ) -> None:
        """Begin the file; `read` reads snapshots, `about` stands in the file's header."""
        described: dict[str, Any] = json.loads(schema.text)
        described["fields"] += PLACE
        self._read = read
        self._writer = Writer(
            file, parse_schema(described), "deflate" if deflate else "null", metadata=dict(about)
        )

    def add(self, snapshot: bytes, partition: int, offset: int) -> None:
        """Add a snapshot as it was published, framing included. Raises FailClosed."""
        fields = dict(zip(SESSION_FIELDS, self._read(snapshot), strict=True))
        self._writer.write({**fields, "outputPartition": partition, "outputOffset": offset})

    def close(self) -> None:
        """Write what is left; the file itself stays open."""
        self._writer.flush()
