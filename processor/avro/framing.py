"""What stands before a value: which schema it was written with.

Single-object encoding: C3 01, then the schema's fingerprint. The Confluent wire format: 00, then
the four bytes of a registry's schema id, or 01, then a GUID's sixteen. The first byte tells which
of them it is. A record may carry the Confluent bytes in a header instead: `framed` puts them
where they else stand, so that nothing but the edge to Kafka knows of headers.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple, Protocol
from uuid import UUID

from processor.avro.schemas import Schema
from processor.ports.log import Headers
from processor.ports.registry import SchemaId

SCHEMA_ID_HEADER: Final = "__value_schema_id"
"""The record header that holds the framing of a value that has none."""

_SINGLE_OBJECT: Final = b"\xc3\x01"
_SINGLE_OBJECT_LENGTH: Final = len(_SINGLE_OBJECT) + 8
_CONFLUENT: Final = b"\x00"
CONFLUENT_LENGTH: Final = len(_CONFLUENT) + 4
_GUID: Final = b"\x01"
_GUID_LENGTH: Final = len(_GUID) + 16
_IN_HEADERS: Final = frozenset({(_CONFLUENT, CONFLUENT_LENGTH), (_GUID, _GUID_LENGTH)})


class DecodeError(Exception):
    """The bytes are not a value that can be read; the message says why, for people."""


class UnframedError(DecodeError):
    """No framing that is known here stands before the value."""


class UnknownSchemaError(DecodeError):
    """The bytes name a schema that is not known here."""


class JsonSchemaError(DecodeError):
    """The bytes name a JSON Schema: what they hold is not Avro."""


class SchemaIds(Protocol):
    """A registry's schemas."""

    def schema(self, schema_id: SchemaId) -> Schema | None:
        """Return the schema under this id, None when the registry answered that it has none.

        Raises JsonSchemaError for a JSON Schema, DecodeError for one that is no Avro schema that
        can be read safely, and RegistryUnavailable while there is no answer: nothing can be said of
        the value then. A caller asks for the same ids again and again, so answers are to be
        remembered, boundedly.
        """


class Framing:
    """Tells the schema of a value by its first bytes.

    `writers` holds schemas by fingerprint. Without `ids` the Confluent format is not known.
    """

    def __init__(self, writers: Mapping[bytes, Schema], ids: SchemaIds | None = None) -> None:
        self._by_header = {single_object(key): schema for key, schema in writers.items()}
        self._ids = ids

    def is_known(self, value: bytes) -> bool:
        """Whether the value is in single-object encoding, of one of the schemas."""
        return value[:_SINGLE_OBJECT_LENGTH] in self._by_header

    def names_json(self, schema_id: SchemaId) -> bool:
        """Whether a registry has a JSON Schema under the id; raises what `SchemaIds` does of none.

        Without a registry it is none.
        """
        if self._ids is None:
            return False
        try:
            self._ids.schema(schema_id)
        except DecodeError as error:
            return isinstance(error, JsonSchemaError)
        return False

    def split(self, value: bytes) -> tuple[Schema, int]:
        """Return the schema and the place where the datum begins. Raises DecodeError."""
        schema = self._by_header.get(value[:_SINGLE_OBJECT_LENGTH])
        if schema is not None:
            return schema, _SINGLE_OBJECT_LENGTH
        if self._ids is None:
            if value.startswith(_CONFLUENT):
                raise UnframedError(
                    "the value has the Confluent framing and there is no schema registry"
                )
        elif (found := schema_id(value)) is not None:
            schema = self._ids.schema(found.schema_id)
            if schema is None:
                raise UnknownSchemaError(f"the schema registry has no schema {found.schema_id}")
            return schema, found.length
        if not value.startswith(_SINGLE_OBJECT):
            raise UnframedError("the value begins like no known framing")
        if len(value) < _SINGLE_OBJECT_LENGTH:
            raise DecodeError("the value ends within its framing")
        fingerprint = value[len(_SINGLE_OBJECT) : _SINGLE_OBJECT_LENGTH]
        raise UnknownSchemaError(f"no schema has the fingerprint {fingerprint.hex()}")


class Reference(NamedTuple):
    """The schema that a registry's framing names, and how long that framing is."""

    schema_id: SchemaId
    length: int


def schema_id(value: bytes) -> Reference | None:
    """Return what a registry's framing says, None where the value has another, or none.

    Raises DecodeError for a value that ends within, and for an id that no registry gives.
    """
    if value.startswith(_CONFLUENT):
        if len(value) < CONFLUENT_LENGTH:
            raise DecodeError("the value ends within its framing")
        number = int.from_bytes(value[len(_CONFLUENT) : CONFLUENT_LENGTH], "big")
        if not number:
            raise DecodeError(
                "the value names the schema 0, which no registry has: Apicurio's ids of 8 bytes "
                "begin so; set its serializer's apicurio.registry.id-handler to ids of 4 bytes"
            )
        return Reference(number, CONFLUENT_LENGTH)
    if value.startswith(_GUID):
        if len(value) < _GUID_LENGTH:
            raise DecodeError("the value ends within its framing")
        return Reference(UUID(bytes=value[len(_GUID) : _GUID_LENGTH]), _GUID_LENGTH)
    return None


def framed(value: bytes, headers: Headers) -> bytes:
    """Return the value behind the framing that a header holds; as it is, where there is none.

    A value in single-object encoding stays as it is, whatever its headers say: no datum of a record
    that begins with a string begins like that. Raises DecodeError for a header that is no framing.
    """
    for name, held in headers:
        if name == SCHEMA_ID_HEADER:
            if value.startswith(_SINGLE_OBJECT):
                return value
            if held is None or (held[:1], len(held)) not in _IN_HEADERS:
                raise DecodeError(f"the header {SCHEMA_ID_HEADER} holds no schema id")
            return held + value
    return value


def names_single_object(value: bytes) -> bool:
    """Whether a value says that it is in single-object encoding."""
    return value.startswith(_SINGLE_OBJECT)


def single_object(fingerprint: bytes) -> bytes:
    """Return what stands before a value in single-object encoding."""
    return _SINGLE_OBJECT + fingerprint


def confluent(number: int) -> bytes:
    """Return what stands before a value in the Confluent wire format."""
    return _CONFLUENT + number.to_bytes(CONFLUENT_LENGTH - len(_CONFLUENT), "big")


def is_confluent(value: bytes) -> bool:
    """Whether a framed value names its schema by a registry's number."""
    return value.startswith(_CONFLUENT)
