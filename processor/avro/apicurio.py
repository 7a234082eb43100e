"""Apicurio's own headers, by which its serializers name a schema where they are told to."""

from typing import Final

from processor.avro.framing import DecodeError, confluent, framed, names_single_object
from processor.ports.log import Headers

CONTENT_ID: Final = "apicurio.value.contentId"
"""Eight bytes, big-endian: the number that the Confluent API has for a schema, too."""

_OTHERS: Final = (
    "apicurio.value.globalId",
    "apicurio.value.contentHash",
    "apicurio.value.artifactId",
)
_LENGTH: Final = 8
_MOST: Final = 2**32
_TOLD: Final = (b"\x00", b"\x01", b"{")
"""How a value begins that says by itself what it is; no datum of a sound update does."""


def update_framed(value: bytes, headers: Headers) -> bytes:
    """Return an update's value with its schema's id before it, wherever that stood.

    Raises DecodeError as `framed` does, and `framed_by_apicurio`.
    """
    return framed_by_apicurio(framed(value, headers), headers) if headers else value


def framed_by_apicurio(value: bytes, headers: Headers) -> bytes:
    """Return a bare datum behind the framing that Apicurio's header stands for.

    Any other value stays as it is, whatever its headers say. Raises DecodeError for a header that
    holds no id, and where they name the schema only in a way that the Confluent API does not know.
    """
    names = {name: held for name, held in reversed(headers) if name.startswith("apicurio.value.")}
    if not names or value.startswith(_TOLD) or names_single_object(value):
        return value
    held = names.get(CONTENT_ID)
    if held is None:
        other = next((each for each in _OTHERS if names.get(each) is not None), None)
        if other is None:
            return value
        raise DecodeError(
            f"the header {other} names the schema, and the Confluent API does not know it by that: "
            "set the serializer's apicurio.registry.use-id to contentId"
        )
    number = int.from_bytes(held, "big")
    if len(held) != _LENGTH or not 0 < number < _MOST:
        raise DecodeError(f"the header {CONTENT_ID} holds no schema id")
    return confluent(number) + value
