"""Updates of records, whatever their format is."""

from collections.abc import Collection
from contextlib import suppress
from typing import Final, NamedTuple

from processor.avro.apicurio import update_framed
from processor.avro.codec import UpdateCodec
from processor.avro.framing import DecodeError, names_single_object, schema_id
from processor.core.update import SessionUpdate
from processor.formats import cloud_event
from processor.formats.json_grammar import Mismatch, NotJson
from processor.formats.json_update import complete, fields_of, message
from processor.formats.names import FORMATS, Format, joined
from processor.formats.telling import (
    CE_VERSION,
    CONTENT_TYPE,
    STRUCTURED,
    Kind,
    header,
    is_cloud_event,
    is_json,
    json_kind,
    media_of,
    registered,
)
from processor.ports.log import Headers


class Read(NamedTuple):
    """A record's update, as yet unchecked."""

    update: SessionUpdate
    kind: Kind
    contradiction: str | None = None
    """What a CloudEvent and its update say otherwise: no rule is asked of the rest."""


_FORMAT_OF: dict[Kind, Format] = {
    Kind.AVRO: "avro",
    Kind.UPDATE: "json",
    Kind.BINARY: "cloudevents",
    Kind.STRUCTURED: "cloudevents",
}

_NO_EVENTS: Final[tuple[Format, ...]] = ("avro", "json")


class Updates:
    """Reads updates in the formats that are on: all that there are by default."""

    def __init__(self, avro: UpdateCodec, formats: Collection[str] = FORMATS) -> None:
        self.avro = avro
        self.formats = formats

    def of_any_format(self) -> "Updates":
        """Return what reads an update as a service with any setting of the formats does.

        For commands, whose settings may name other formats than the service's.
        """
        return _OfAnyFormat(self.avro)

    def read(self, value: bytes, headers: Headers, offset: int) -> Read:
        """Return the update that stood at this input offset.

        Raises DecodeError and nothing else, whatever the bytes; a registry's own errors pass.
        """
        kind, text = self.told(value, headers)
        if kind is Kind.AVRO:
            return Read(self.avro.read(update_framed(value, headers), offset), kind)
        if _FORMAT_OF[kind] not in self.formats:
            raise DecodeError(
                f"the value is {kind.value}, and PROCESSOR_INPUT_FORMATS does not name "
                f"{_FORMAT_OF[kind]} (it is {joined(self.formats)})"
            )
        try:
            return self._of_json(text, headers, kind, offset)
        except NotJson as error:
            raise DecodeError(f"the value is {kind.value}: {error}") from None
        except Mismatch as mismatch:
            raise DecodeError(
                f"the value is {kind.value}: {message(mismatch)}{_advice(mismatch, kind, headers)}"
            ) from None

    def json_header(self, framed_value: bytes) -> bytes | None:
        """Return the registry's framing that says that JSON stands behind it, None before others.

        A registry's own errors pass.
        """
        try:
            found = schema_id(framed_value)
        except DecodeError:
            return None
        if found is None or not self.avro.names_json(found.schema_id):
            return None
        return framed_value[: found.length]

    def told(self, value: bytes, headers: Headers) -> tuple[Kind, bytes]:
        """Return what the value is, and of JSON its text. Raises DecodeError where it is neither.

        A format that is not on is told too.
        """
        if names_single_object(value):
            return Kind.AVRO, value
        media = media_of(headers)
        named = registered(value, headers)
        if named is not None:
            if not self.avro.names_json(named[0]):
                return Kind.AVRO, value
            text = named[1]
        elif is_json(value, media):
            text = value
        else:
            return Kind.AVRO, value
        return json_kind(media, headers, cloud_events="cloudevents" in self.formats), text

    def format(self, value: bytes, headers: Headers) -> Format:
        """Return the format that a value says it has; what cannot be told is taken for Avro."""
        try:
            return _FORMAT_OF[self.told(value, headers)[0]]
        except DecodeError:
            return "cloudevents" if is_cloud_event(media_of(headers)) else "avro"

    @staticmethod
    def _of_json(text: bytes, headers: Headers, kind: Kind, offset: int) -> Read:
        if kind is Kind.UPDATE:
            return Read(complete(fields_of(text), offset), kind)
        event = (
            cloud_event.binary(text, headers)
            if kind is Kind.BINARY
            else cloud_event.structured(text)
        )
        return Read(complete(event.fields, offset), kind, event.contradiction)


class _OfAnyFormat(Updates):
    def read(self, value: bytes, headers: Headers, offset: int) -> Read:
        try:
            return super().read(value, headers, offset)
        except DecodeError:
            # Where CloudEvents are off, what has their headers is a plain update. Avro alone reads
            # nothing more: what is Avro is told so whatever the formats are.
            with suppress(DecodeError):
                return Updates(self.avro, _NO_EVENTS).read(value, headers, offset)
            raise


def _advice(mismatch: Mismatch, kind: Kind, headers: Headers) -> str:
    """Return what to do where an update in JSON seems to be a CloudEvent; empty for others."""
    if kind is not Kind.UPDATE:
        return ""
    if header(headers, CE_VERSION) is not None:
        return " (its CloudEvent counts where PROCESSOR_INPUT_FORMATS names cloudevents)"
    if any(each.place == "specversion" for each in mismatch.faults):
        return f" (a CloudEvent has the header {CONTENT_TYPE}: {STRUCTURED})"
    return ""
