"""Snapshots in a file that any Avro library reads: an object container."""

import json
from collections.abc import Mapping
from typing import Any, BinaryIO, Final

from fastavro import parse_schema
from fastavro.write import Writer

from processor.avro.codec import SESSION_FIELDS, SnapshotCodec
from processor.avro.framing import SchemaIds
from processor.avro.schemas import Known

PLACE: Final = (
    {"name": "outputPartition", "type": "int", "doc": "Where the snapshot was published."},
    {"name": "outputOffset", "type": "long", "doc": "Orders the snapshots of a partition."},
)
"""The fields after those of the schema: a file has no partitions and no offsets of its own."""


class SnapshotContainer:
    """Writes snapshots under the present schema, whichever known one they were published with."""

    def __init__(
        self,
        file: BinaryIO,
        known: Known,
        about: Mapping[str, str],
        *,
        deflate: bool,
        ids: SchemaIds | None = None,
    ) -> None:
        """Begin the file; `about` stands in its header."""
        schema: dict[str, Any] = json.loads(known.reader.text)
        schema["fields"] += PLACE
        self._codec = SnapshotCodec(known, ids)
        self._writer = Writer(
            file, parse_schema(schema), "deflate" if deflate else "null", metadata=dict(about)
        )

    def add(self, snapshot: bytes, partition: int, offset: int) -> None:
        """Add a snapshot as it was published, framing included. Raises FailClosed."""
        fields = dict(zip(SESSION_FIELDS, self._codec.read(snapshot), strict=True))
        self._writer.write({**fields, "outputPartition": partition, "outputOffset": offset})

    def close(self) -> None:
        """Write what is left; the file itself stays open."""
        self._writer.flush()
