"""The formats of an export that are a record behind another: a container of Avro, lines of JSON."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, BinaryIO, Protocol

from processor.avro.container import Container
from processor.export.background import Background
from processor.export.rows import ENDED_BY, Rows
from processor.ports.log import Record


class ExportFile(Protocol):
    """A file that is being written."""

    def add(self, records: Sequence[Record]) -> None:
        """Add records, in their order. Raises FailClosed for one that cannot be read."""

    def close(self) -> None:
        """Write what is left; the file itself stays open."""


class AvroFile:
    """A container; the bytes of the present schema go on as they are. It takes no tombstones."""

    def __init__(
        self, file: BinaryIO, rows: Rows, about: Mapping[str, str], *, deflate: bool
    ) -> None:
        """Begin the file; `about` stands in its header."""
        self._rows = rows
        self._background = Background(file)
        self._container = Container(file, rows.schema, about, self._background.run, deflate=deflate)

    def add(self, records: Sequence[Record]) -> None:
        """Add snapshots."""
        compiled, headers = self._rows.compiled, self._rows.headers
        found = compiled.datums(records, headers) if compiled else [None] * len(records)
        self._container.add(_whole(found, records, self._datum))

    def _datum(self, record: Record) -> bytes:
        row = self._rows.row(record)
        del row[ENDED_BY]
        return self._container.datum(row)

    def close(self) -> None:
        """Write the last block."""
        self._container.end_block()
        self._background.close()


class JsonLines:
    """A JSON object in each line."""

    def __init__(
        self, file: BinaryIO, rows: Rows, document: Callable[[Mapping[str, Any]], str]
    ) -> None:
        """Begin the file; `document` returns a row's text."""
        self._file = file
        self._rows = rows
        self._document = document
        self._background = Background(file)

    def add(self, records: Sequence[Record]) -> None:
        """Add records."""
        compiled, headers = self._rows.compiled, self._rows.headers
        found = compiled.lines(records, headers) if compiled else [None] * len(records)
        self._background.run(self._file.write, b"".join(_whole(found, records, self._line)))

    def _line(self, record: Record) -> bytes:
        return f"{self._document(self._rows.row(record))}\n".encode("utf-8", "backslashreplace")

    def close(self) -> None:
        """Return once all is written."""
        self._background.close()


def _whole(
    found: Sequence[bytes | None], records: Sequence[Record], plain: Callable[[Record], bytes]
) -> list[bytes]:
    """Return what was found, and in the places of the rest what is found plainly."""
    pairs = zip(found, records, strict=True)
    return [plain(record) if part is None else part for part, record in pairs]
