"""Updates to bytes, as a producer would send them."""

import json
from functools import cache
from io import BytesIO
from typing import Any

from fastavro import parse_schema, schemaless_writer

from processor.avro.framing import single_object
from processor.avro.schemas import load_schemas
from processor.demo.catalogue import Document

_MEANINGLESS = ("doc", "logicalType")


class EncodeUpdate:
    """Writes documents in single-object encoding, out of range or not: nothing is checked."""

    def __init__(self) -> None:
        self._schema, self._header = _writer()

    def __call__(self, update: Document) -> bytes:
        """Return the update's bytes."""
        out = BytesIO()
        out.write(self._header)
        schemaless_writer(out, self._schema, update)
        return out.getvalue()


def reframed(value: bytes | None, header: bytes | None) -> bytes | None:
    """Return the value behind another header; what is no whole update stays as it is."""
    former = _single_object()
    if value is None or header is None or not value.startswith(former):
        return value
    return header + value[len(former) :]


@cache
def _writer() -> tuple[Any, bytes]:
    schema = load_schemas().updates.reader
    parsed = parse_schema(_with_longs(json.loads(schema.text)), {})
    return parsed, single_object(schema.fingerprint)


@cache
def _single_object() -> bytes:
    return single_object(load_schemas().updates.reader.fingerprint)


def _with_longs(schema: Any) -> Any:
    """Return the schema with each int as a long, whose bytes are the same, without a range."""
    if isinstance(schema, dict):
        return {key: _with_longs(part) for key, part in schema.items() if key not in _MEANINGLESS}
    if isinstance(schema, list):
        return [_with_longs(part) for part in schema]
    return "long" if schema == "int" else schema
