"""An export in Parquet: typed columns, by pyarrow, which the extra `analytics` brings."""

import os
from array import array
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from itertools import accumulate
from typing import Any, BinaryIO, Final, NamedTuple

from processor.avro.compiled import Column
from processor.avro.shape import Shape
from processor.errors import InputError
from processor.export.background import Background
from processor.export.rows import ENDED_BY, Rows
from processor.ports.log import Record

_GROUP_ROWS: Final = 50_000
_GROUP_BYTES: Final = 64 * 1024 * 1024
"""A group of rows ends at the first of both: it is in memory twice, filled and being written."""
_PLACE: Final[Mapping[str, Shape]] = {
    "outputKey": ("text", None),
    "outputPartition": ("int", None),
    "outputOffset": ("long", None),
    "outputTimestamp": ("time", None),
    ENDED_BY: ("text", None),
}
"""The columns behind those of the session."""


def expect_pyarrow() -> None:
    """Raise InputError where pyarrow is not installed; it is not imported, which takes a while."""
    if find_spec("pyarrow") is None:
        raise _lacking("it is not installed")


def require_pyarrow() -> Any:
    """Return pyarrow. Raises InputError, with what to run, where it cannot be imported."""
    # numpy, which pyarrow imports, would have a thread for each core spin for work at the start.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        import_module("pyarrow.parquet")
        return import_module("pyarrow")
    except ImportError as error:
        raise _lacking(str(error)) from None


def _lacking(why: str) -> InputError:
    return InputError(
        f"Parquet needs pyarrow, which cannot be imported: {why}",
        hint="run `pip install 'session-processor[analytics]'`; avro and jsonl need nothing",
    )


def columns(shape: Shape) -> Any:
    """Return the columns of an export, as Arrow's schema: the session's fields, then its place."""
    arrow = require_pyarrow()
    named = (*_fields(shape), *_PLACE.items())
    return arrow.schema([(name, _type(arrow, each)) for name, each in named])


def _fields(shape: Shape) -> list[tuple[str, Shape]]:
    """Return the session's fields that are columns: all but the memory."""
    return [each for each in shape[1] if each[1][0] != "bytes"]


class _Size(NamedTuple):
    rows: int
    bytes: int


class ParquetFile:
    """Writes rows in groups, each while the next one is filled."""

    def __init__(
        self, file: BinaryIO, rows: Rows, about: Mapping[str, str], *, snappy: bool = True
    ) -> None:
        """Begin the file; `about` stands in its metadata."""
        self._arrow = require_pyarrow()
        self._rows = rows
        self._fields = _fields(rows.shape)
        self._schema = columns(rows.shape).with_metadata(dict(about))
        writer = import_module("pyarrow.parquet").ParquetWriter
        self._sink = _Sink(file)
        self._writer = writer(self._sink, self._schema, compression="snappy" if snappy else "none")
        self._batches: list[Any] = []
        self._size = _Size(0, 0)
        self._background = Background(file)

    def add(self, records: Sequence[Record]) -> None:
        """Add records."""
        batch = self._batch(records)
        self._batches.append(batch)
        rows, size = self._size
        self._size = _Size(rows + batch.num_rows, size + batch.get_total_buffer_size())
        if self._size.rows >= _GROUP_ROWS or self._size.bytes >= _GROUP_BYTES:
            self._write()

    def close(self) -> None:
        """Write what is left, and the file's end; the file itself stays open."""
        self._write()
        self._background.close()
        self._writer.close()
        self._sink.complete = True

    def __del__(self) -> None:
        """Let nothing follow what was written, unless it is complete.

        pyarrow's writer closes itself when it is collected: a part would look like all of it.
        """
        if "_sink" in vars(self):
            self._sink.drops = not self._sink.complete

    def _write(self) -> None:
        if self._batches:
            group = self._arrow.Table.from_batches(self._batches, self._schema)
            self._batches, self._size = [], _Size(0, 0)
            self._background.run(self._writer.write_table, group, len(group))

    def _batch(self, records: Sequence[Record]) -> Any:
        """Return the records as a batch of columns, in their order."""
        if self._rows.compiled is None:
            return self._plain(records)
        column, left = self._rows.compiled.columns(records, self._rows.headers)
        batch = self._compiled(column)
        if not left:
            return batch
        plain = self._plain([records[place] for place in left])
        apart = set(left)
        places = [place for place in range(len(records)) if place not in apart] + left
        order = sorted(range(len(places)), key=places.__getitem__)
        both = self._arrow.Table.from_batches([batch, plain], self._schema).combine_chunks()
        return both.take(order).combine_chunks().to_batches()[0]

    def _plain(self, records: Sequence[Record]) -> Any:
        rows = [self._rows.row(each) for each in records]
        shapes = (*self._fields, *_PLACE.items())
        columns = [self._values(shape, [row[name] for row in rows]) for name, shape in shapes]
        return self._arrow.record_batch(columns, schema=self._schema)

    def _values(self, shape: Shape, values: list[Any]) -> Any:
        """Return values as an array; of symbols all are in the dictionary, met or not."""
        kind, more = shape
        if kind == "optional":
            return self._values(more, values)
        if kind == "symbol":
            places = [None if each is None else more.index(each) for each in values]
            indices = self._arrow.array(places, self._arrow.int8())
            return self._arrow.DictionaryArray.from_arrays(indices, list(more))
        return self._arrow.array(values, _type(self._arrow, shape))

    def _compiled(self, column: Column) -> Any:
        shapes = [shape for _, shape in (*self._fields, *_PLACE.items())][:-1]
        columns = [self._array(*each) for each in zip(shapes, column[5], strict=True)]
        columns.append(self._arrow.nulls(column[0], self._schema.types[-1]))
        return self._arrow.record_batch(columns, schema=self._schema)

    def _array(self, shape: Shape, column: Column) -> Any:
        """Return a column's buffers as an array."""
        kind, more = shape
        if kind == "optional":
            return self._array(more, column)
        rows, nulls, valid, offsets, data, children = column
        arrow = self._arrow
        held = None if valid is None else arrow.py_buffer(valid)
        inner: list[Any] = []
        buffers = [held, arrow.py_buffer(data)]
        match kind:
            case "text" | "json":
                buffers = [held, arrow.py_buffer(offsets), arrow.py_buffer(data)]
            case "symbol":
                places = arrow.Array.from_buffers(arrow.int8(), rows, buffers, nulls)
                return arrow.DictionaryArray.from_arrays(places, _symbols(arrow, more))
            case "many":
                buffers, inner = [held, arrow.py_buffer(offsets)], [self._array(more, children[0])]
            case "map":
                pair = self._array(("text", None), children[0]), self._array(more, children[1])
                fields = _type(self._arrow, shape)
                entries = arrow.struct([fields.key_field, fields.item_field])
                buffers = [held, arrow.py_buffer(offsets)]
                inner = [
                    arrow.Array.from_buffers(entries, len(pair[0]), [None], 0, children=[*pair])
                ]
            case "record":
                buffers = [held]
                pairs = zip(more, children, strict=True)
                inner = [self._array(each, child) for (_, each), child in pairs]
        return arrow.Array.from_buffers(
            _type(self._arrow, shape), rows, buffers, nulls, children=inner or None
        )


def _symbols(arrow: Any, names: Sequence[str]) -> Any:
    """Return symbols, which are ASCII, as an array.

    `arrow.array` would first import pandas, where it is installed, which takes a second.
    """
    offsets = array("i", accumulate(map(len, names), initial=0))
    buffers = map(arrow.py_buffer, (offsets, "".join(names).encode()))
    return arrow.StringArray.from_buffers(len(names), *buffers)


def _type(arrow: Any, shape: Shape) -> Any:
    """Return Arrow's type of a shape."""
    match shape:
        case "record", fields:
            return arrow.struct([(name, _type(arrow, each)) for name, each in fields])
        case "many", each:
            return arrow.list_(_type(arrow, each))
        case "map", value:
            return arrow.map_(arrow.string(), _type(arrow, value))
        case "optional", one:
            return _type(arrow, one)
    return {
        "symbol": arrow.dictionary(arrow.int8(), arrow.string()),
        "text": arrow.string(),
        "json": arrow.string(),
        "int": arrow.int32(),
        "long": arrow.int64(),
        "time": arrow.timestamp("ms", tz="UTC"),
        "double": arrow.float64(),
        "boolean": arrow.bool_(),
    }[shape[0]]


class _Sink:
    """What pyarrow writes to: a file that need not tell its position, as a pipe does not."""

    closed = False
    complete = drops = False

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._at = 0

    def write(self, data: bytes) -> int:
        """Write, and count."""
        if not self.drops:
            self._file.write(data)
        self._at += len(data)
        return len(data)

    def tell(self) -> int:
        """Return how much was written."""
        return self._at

    def flush(self) -> None:
        """Write what the file holds back."""
        self._file.flush()

    def close(self) -> None:
        """Leave the file open."""
