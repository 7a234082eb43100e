"""How the format of a record is told (docs/contract.md, "Formats of the input")."""

from enum import Enum
from typing import Final

from processor.avro.framing import DecodeError, framed, schema_id
from processor.ports.log import Headers
from processor.ports.registry import SchemaId

CONTENT_TYPE: Final = "content-type"
CE_VERSION: Final = "ce_specversion"
STRUCTURED: Final = "application/cloudevents+json"
_BATCH: Final = "application/cloudevents-batch+json"
_CLOUD_EVENT: Final = "application/cloudevents"


class Kind(Enum):
    """What a value is. In JSON a CloudEvent is told from an update by the headers."""

    AVRO = "Avro"
    UPDATE = "an update in JSON"
    BINARY = "a CloudEvent in binary mode"
    STRUCTURED = "a CloudEvent in structured mode"


def header(headers: Headers, name: str) -> bytes | None:
    """Return the value of the first header of this name, None where it has none."""
    return next((value for each, value in headers if each == name), None)


def content_type(text: bytes | str | None) -> str:
    """Return a media type without its parameters, in lower case; empty where there is none."""
    if text is None or not text.isascii():
        return ""
    plain = text if isinstance(text, str) else text.decode()
    return plain.partition(";")[0].strip(" \t").lower()


def is_json_type(media: str) -> bool:
    """Whether a content type says that something is JSON."""
    return media in ("application/json", "text/json") or (
        media.startswith("application/") and media.endswith("+json")
    )


def registered(value: bytes, headers: Headers) -> tuple[SchemaId, bytes] | None:
    """Return the registry's id that a record names, and what stands behind it.

    None where it names none. Raises DecodeError for a framing that is broken.
    """
    whole = framed(value, headers)
    found = schema_id(whole)
    return None if found is None else (found.schema_id, whole[found.length :])


def media_of(headers: Headers) -> str:
    """Return the content type of a record, empty where it has none."""
    return content_type(header(headers, CONTENT_TYPE)) if headers else ""


def is_json(value: bytes, media: str) -> bool:
    """Whether a value of this content type is JSON, where it does not name its schema.

    Raises DecodeError for a CloudEvent in a format that is not read.
    """
    if "avro" in media:
        return False
    if is_json_type(media):
        return True
    if is_cloud_event(media):
        raise DecodeError(f"the CloudEvent is {media}, which is not read; JSON is")
    return value.startswith(b"{")


def is_cloud_event(media: str) -> bool:
    """Whether the content type is one of CloudEvents."""
    return media.startswith(_CLOUD_EVENT)


def json_kind(media: str, headers: Headers, *, cloud_events: bool) -> Kind:
    """Return what JSON of this content type is. Raises DecodeError for a batch of events."""
    if media == _BATCH:
        raise DecodeError("the record holds a batch of CloudEvents: send one event in a record")
    if media == STRUCTURED:
        return Kind.STRUCTURED
    if cloud_events and header(headers, CE_VERSION) is not None:
        return Kind.BINARY
    return Kind.UPDATE
