"""What stands before a value: which schema it was written with.

Single-object encoding: C3 01, then the schema's fingerprint. The Confluent wire format: 00, then
the four bytes of a registry's schema id. The first bytes tell which of the two it is.
"""

from collections.abc import Mapping
from typing import Final, Protocol

from processor.avro.schemas import Schema

_SINGLE_OBJECT: Final = b"\xc3\x01"
_SINGLE_OBJECT_LENGTH: Final = len(_SINGLE_OBJECT) + 8
_CONFLUENT: Final = b"\x00"
_CONFLUENT_LENGTH: Final = len(_CONFLUENT) + 4


class DecodeError(Exception):
    """The bytes are not a value that can be read; the message says why, for people."""


class UnknownSchemaError(DecodeError):
    """The bytes name a schema that is not known here."""


class SchemaIds(Protocol):
    """A registry's schemas."""

    def schema(self, schema_id: int) -> Schema | None:
        """Return the schema under this id, None when the registry answered that it has none.

        Raises while there is no answer: nothing can be said of the value then. A caller asks for
        the same ids again and again, so answers are to be remembered, boundedly.
        """


class Framing:
    """Tells the schema of a value by its first bytes.

    `writers` holds schemas by fingerprint. Without `ids` the Confluent format is not known.
    """

    def __init__(self, writers: Mapping[bytes, Schema], ids: SchemaIds | None = None) -> None:
        self._by_header = {single_object(key): schema for key, schema in writers.items()}
        self._ids = ids

    def split(self, value: bytes) -> tuple[Schema, int]:
        """Return the schema and the place where the datum begins. Raises DecodeError."""
        schema = self._by_header.get(value[:_SINGLE_OBJECT_LENGTH])
        if schema is not None:
            return schema, _SINGLE_OBJECT_LENGTH
        if value.startswith(_CONFLUENT):
            return self._registered(value), _CONFLUENT_LENGTH
        if not value.startswith(_SINGLE_OBJECT):
            raise DecodeError("the value begins like no known framing")
        if len(value) < _SINGLE_OBJECT_LENGTH:
            raise DecodeError("the value ends within its framing")
        fingerprint = value[len(_SINGLE_OBJECT) : _SINGLE_OBJECT_LENGTH]
        raise UnknownSchemaError(f"no schema has the fingerprint {fingerprint.hex()}")

    def _registered(self, value: bytes) -> Schema:
        if self._ids is None:
            raise DecodeError("the value has the Confluent framing and there is no schema registry")
        if len(value) < _CONFLUENT_LENGTH:
            raise DecodeError("the value ends within its framing")
        schema_id = int.from_bytes(value[len(_CONFLUENT) : _CONFLUENT_LENGTH], "big")
        schema = self._ids.schema(schema_id)
        if schema is None:
            raise UnknownSchemaError(f"the schema registry has no schema {schema_id}")
        return schema


def single_object(fingerprint: bytes) -> bytes:
    """Return what stands before a value in single-object encoding."""
    return _SINGLE_OBJECT + fingerprint


def confluent(schema_id: int) -> bytes:
    """Return what stands before a value in the Confluent wire format."""
    return _CONFLUENT + schema_id.to_bytes(_CONFLUENT_LENGTH - len(_CONFLUENT), "big")
