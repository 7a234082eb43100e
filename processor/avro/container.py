"""Snapshots in a file that any Avro library reads: an object container."""

import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from secrets import token_bytes
from typing import Any, BinaryIO, Final

from fastavro import parse_schema, schemaless_writer
from fastavro.types import Schema
from fastavro.write import Writer

PLACE: Final = (
    {
        "name": "outputKey",
        "type": ["null", "string"],
        "default": None,
        "doc": "The record's key: applicationId and integrationId.",
    },
    {"name": "outputPartition", "type": "int", "doc": "Where the snapshot was published."},
    {"name": "outputOffset", "type": "long", "doc": "Orders the snapshots of a partition."},
    {
        "name": "outputTimestamp",
        "type": ["null", {"type": "long", "logicalType": "timestamp-millis"}],
        "default": None,
        "doc": "The record's time: that of the update's record.",
    },
)
"""The fields after those of the schema: a file has no partitions and no offsets of its own."""

_BLOCK: Final = 1024 * 1024
"""Bytes of records before a block ends: it is compressed as a whole, and read as one."""
_FASTEST: Final = 1
_RAW: Final = -15
_MARK: Final = 16


_Block = Sequence[bytes]
_Do = Callable[[Callable[[Sequence[_Block]], None], Sequence[_Block]], None]


class Container:
    """Writes records under one schema, as their bytes, in blocks."""

    def __init__(
        self, file: BinaryIO, schema: str, about: Mapping[str, str], do: _Do, *, deflate: bool
    ) -> None:
        """Begin the file; `schema` is a snapshot's, `about` stands in the file's header.

        `do` has blocks written, in their order, now or later.
        """
        described: dict[str, Any] = json.loads(schema)
        described["fields"] += PLACE
        self._schema: Schema = parse_schema(described)
        self._file = file
        self._do = do
        self._deflate = deflate
        self._mark = token_bytes(_MARK)
        codec = "deflate" if deflate else "null"
        Writer(file, self._schema, codec, metadata=dict(about), sync_marker=self._mark)
        self._waiting: list[bytes] = []
        self._bytes = 0

    def datum(self, record: Mapping[str, Any]) -> bytes:
        """Return a record of the file, with the fields of `PLACE`, as its bytes."""
        out = BytesIO()
        schemaless_writer(out, self._schema, dict(record))
        return out.getvalue()

    def add(self, datums: Sequence[bytes]) -> None:
        """Add records as their bytes."""
        full: list[_Block] = []
        for datum in datums:
            self._waiting.append(datum)
            self._bytes += len(datum)
            if self._bytes >= _BLOCK:
                full.append(self._waiting)
                self._waiting, self._bytes = [], 0
        if full:
            self._do(self._write, full)

    def end_block(self) -> None:
        """Have what is left written; the file itself stays open."""
        if self._waiting:
            block, self._waiting, self._bytes = self._waiting, [], 0
            self._do(self._write, [block])

    def _write(self, blocks: Sequence[_Block]) -> None:
        for datums in blocks:
            block = b"".join(datums)
            if self._deflate:
                block = zlib.compress(block, _FASTEST, _RAW)
            head = BytesIO()
            for number in (len(datums), len(block)):
                schemaless_writer(head, "long", number)
            self._file.write(b"".join((head.getvalue(), block, self._mark)))
