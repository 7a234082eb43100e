"""The Avro schemas: what this version reads and writes, and those of every writer that is known."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import fastavro
from fastavro.schema import (
    SchemaParseException,
    fingerprint,
    parse_schema,
    to_parsing_canonical_form,
)

from processor.errors import ConfigError

UPDATE: Final = "SessionUpdate"
SNAPSHOT: Final = "CustomerSession"
COMMAND: Final = "SessionCommand"
_RECORDS: Final = (UPDATE, SNAPSHOT, COMMAND)

_PACKAGE = Path(__file__).parents[1]
_LEAST_BYTES: Final[Mapping[str, int]] = {
    "null": 0,
    "boolean": 1,
    "int": 1,
    "long": 1,
    "float": 4,
    "double": 8,
    "bytes": 1,
    "string": 1,
    "enum": 1,
}


class SchemaError(ValueError):
    """A text is not an Avro schema, or one by which hostile bytes could exhaust the process."""


class Schema(NamedTuple):
    """One record's schema.

    `fingerprint` is CRC-64-AVRO as 8 little-endian bytes; `text` is the schema's JSON as it came;
    `parsed` is what fastavro takes, without logical types: timestamps are plain longs, so that
    every long can be read.
    """

    name: str
    fingerprint: bytes
    canonical: str
    text: str
    parsed: fastavro.types.Schema
    named: Mapping[str, Any]
    """The types that it defines, by their full names."""


class Known(NamedTuple):
    """What is read as one record: the reader's schema and, by fingerprint, every writer's.

    The reader's own is among the writers'.
    """

    reader: Schema
    writers: Mapping[bytes, Schema]

    def texts(self) -> dict[str, str]:
        """Return each writer schema's JSON by the hex of its fingerprint."""
        return {key.hex(): schema.text for key, schema in self.writers.items()}


class Schemas(NamedTuple):
    """Everything that is known of the three records."""

    updates: Known
    snapshots: Known
    commands: Known


def shipped_schemas() -> Path:
    """Return the directory of the schemas that came with this version."""
    installed = _PACKAGE / "schemas"
    return installed if installed.is_dir() else _PACKAGE.parent / "schemas"


def load_schemas(extra: Path | None = None) -> Schemas:
    """Read the shipped schemas, their history, and the writers' schemas in `extra`.

    Raises ConfigError, naming the file, for one that cannot be read, is no schema or an unsafe one,
    is none of the three records, or has the fingerprint of another schema.
    """
    shipped = shipped_schemas()
    readers = {name: read_schema_file(shipped / f"{name}.avsc") for name in _RECORDS}
    known = {name: {reader.fingerprint: reader} for name, reader in readers.items()}
    for path in _files(shipped / "history", extra):
        schema = read_schema_file(path)
        writers = known.get(schema.name.rpartition(".")[2])
        if writers is None:
            raise ConfigError(f"{path}: the record {schema.name} is none of {', '.join(_RECORDS)}")
        other = writers.setdefault(schema.fingerprint, schema)
        if other.canonical != schema.canonical:
            raise ConfigError(f"{path}: its fingerprint is that of another schema of {schema.name}")
    return Schemas(*(Known(readers[name], known[name]) for name in _RECORDS))


def read_schema(text: str) -> Schema:
    """Return the schema of a record that the text defines. Raises SchemaError."""
    named: dict[str, dict[Any, Any]] = {}
    try:
        parsed = parse_schema(_without_logical_types(json.loads(text)), named)
        canonical = to_parsing_canonical_form(parsed)
    except RecursionError:
        raise SchemaError("it is nested too deep") from None
    except (SchemaParseException, LookupError, TypeError, AttributeError, ValueError) as error:
        raise SchemaError(f"it is not an Avro schema: {error!r}") from error
    if not isinstance(parsed, dict) or parsed.get("type") != "record":
        raise SchemaError("it does not define a record")
    _least_bytes(parsed, named, ())
    key = bytes.fromhex(fingerprint(canonical, "CRC-64-AVRO"))
    return Schema(parsed["name"], key, canonical, text, parsed, named)


def _files(history: Path, extra: Path | None) -> Iterator[Path]:
    yield from sorted(history.glob("*.avsc"))
    if extra is not None:
        if not extra.is_dir():
            raise ConfigError(f"{extra}: the directory of writers' schemas does not exist")
        yield from sorted(extra.glob("*.avsc"))


def read_schema_file(path: Path) -> Schema:
    """Return the schema of a record that a file defines. Raises ConfigError, naming the file."""
    try:
        return read_schema(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: {error}") from error


def _without_logical_types(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_without_logical_types(part) for part in schema]
    if isinstance(schema, dict):
        return {
            key: part if key == "default" else _without_logical_types(part)
            for key, part in schema.items()
            if key != "logicalType"
        }
    return schema


def _least_bytes(schema: Any, named: Mapping[str, Any], inside: tuple[str, ...]) -> int:
    """Return the length of the shortest value of a parsed schema.

    Raises SchemaError for what a few bytes could blow up: a type inside itself (nested as deep as
    the value is long) and an array whose items take no bytes (as long as its count says).
    """
    if isinstance(schema, list):
        return 1 + min((_least_bytes(branch, named, inside) for branch in schema), default=0)
    match schema if isinstance(schema, dict) else {"type": schema}:
        case {"type": "record", "name": name, "fields": fields}:
            if name in inside:
                raise SchemaError(f"the type {name} is inside itself")
            return sum(_least_bytes(field["type"], named, (*inside, name)) for field in fields)
        case {"type": "array", "items": items}:
            if not _least_bytes(items, named, inside):
                raise SchemaError("an array's items take no bytes")
            least = 1
        case {"type": "map", "values": values}:
            _least_bytes(values, named, inside)
            least = 1
        case {"type": "fixed", "size": size}:
            least = int(size)
        case {"type": kind} if kind in _LEAST_BYTES:
            least = _LEAST_BYTES[kind]
        case {"type": name}:
            least = _least_bytes(named[name], named, inside)
    return least
