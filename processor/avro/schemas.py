"""The Avro schemas: what this version reads and writes, and those of every writer that is known."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import fastavro
from fastavro.schema import SchemaParseException, parse_schema

from processor.avro.canonical import aliases, canonical, crc_64
from processor.avro.definition import Definition, SchemaError, defined
from processor.avro.extent import extent
from processor.errors import ConfigError

UPDATE: Final = "SessionUpdate"
SNAPSHOT: Final = "CustomerSession"
COMMAND: Final = "SessionCommand"
_RECORDS: Final = (UPDATE, SNAPSHOT, COMMAND)

_PACKAGE = Path(__file__).parents[1]


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


def with_aliases(writers: Mapping[bytes, Schema]) -> dict[bytes, Schema]:
    """Return the schemas by their fingerprints, and by what other libraries have for those."""
    found = dict(writers)
    for schema in writers.values():
        for alias in aliases(schema.text):
            found.setdefault(alias, schema)
    return found


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
    readers = {name: read_reader_file(shipped / f"{name}.avsc") for name in _RECORDS}
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
    """Return the schema of a record that the text defines. Raises SchemaError.

    It may be anybody's: the defaults of its fields are kept as they are, since nothing that was
    written is read by them.
    """
    definition = defined(text)
    whole = definition.type
    if not isinstance(whole, dict) or whole["type"] != "record":
        raise SchemaError("it does not define a record")
    extent(definition)
    named: dict[str, dict[Any, Any]] = {}
    try:
        parsed = parse_schema(whole, named)
    except (SchemaParseException, LookupError, TypeError, ValueError) as error:
        raise SchemaError(f"it is not an Avro schema: {error}") from error
    _put_defaults(definition, named)
    form = canonical(definition)
    return Schema(whole["name"].removeprefix("."), crc_64(form), form, text, parsed, named)


def _put_defaults(definition: Definition, named: Mapping[str, dict[Any, Any]]) -> None:
    for record, defaults in definition.defaults.items():
        for field in named[record]["fields"]:
            if field["name"] in defaults:
                field["default"] = defaults[field["name"]]


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


def read_reader_file(path: Path) -> Schema:
    """Return the schema that a file defines, by which others' values are to be read.

    So its defaults count. Raises ConfigError, naming the file.
    """
    schema = read_schema_file(path)
    try:
        parse_schema(json.loads(schema.text))
    except (SchemaParseException, LookupError, TypeError, ValueError) as error:
        raise ConfigError(f"{path}: {error}") from error
    return schema
