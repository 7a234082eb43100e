"""CloudEvents 1.0 with an update as their data (docs/contract.md, "CloudEvents")."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from processor.core.moment import milliseconds
from processor.core.shown import shown
from processor.formats.json_grammar import Fault, Mismatch, Reader, read
from processor.formats.json_update import UPDATE, fields_of
from processor.formats.json_values import kept, object_with, string
from processor.formats.telling import CE_VERSION, content_type, header, is_json_type
from processor.ports.log import Headers

_ID: Final = "eventId"
_TIME: Final = "eventTime"


class Event(NamedTuple):
    """The fields of an event's update, completed by its id and its time."""

    fields: Mapping[str, Any]
    contradiction: str | None
    """What the event and its update say otherwise, for people."""


def _time(text: str, at: int) -> tuple[int, int]:
    value, end = string(text, at)
    return _checked(lambda: milliseconds(value), "", end), end


def _checked(of: Any, place: str, end: int = 0) -> Any:
    try:
        return of()
    except ValueError as error:
        raise Mismatch([Fault(place, str(error))], end) from None


_ENVELOPE: Final[Mapping[str, Reader]] = {
    "specversion": string,
    "id": string,
    "time": _time,
    "datacontenttype": string,
    "data_base64": kept,
    "data": UPDATE,
}
_envelope: Final = object_with(_ENVELOPE, "a CloudEvent", open_=True)


def binary(value: bytes, headers: Headers) -> Event:
    """Return the event of a record in binary mode. Raises NotJson and Mismatch."""
    version, identity, time = (_text(headers, name) for name in (CE_VERSION, "ce_id", "ce_time"))
    _require_version(version, CE_VERSION)
    moment = None if time is None else _checked(lambda: milliseconds(time), "ce_time")
    return _completed(fields_of(value), identity, moment, ("ce_id", "ce_time"))


def structured(value: bytes) -> Event:
    """Return the event of a record in structured mode. Raises NotJson and Mismatch."""
    envelope = read(value, _envelope)
    _require_version(envelope.get("specversion"), "specversion")
    media = envelope.get("datacontenttype")
    if media is not None and not is_json_type(content_type(media)):
        raise Mismatch([Fault("datacontenttype", "is no JSON type, as application/json is")], 0)
    if "data_base64" in envelope:
        raise Mismatch([Fault("data_base64", "is not read: put the update into data")], 0)
    if "data" not in envelope:
        raise Mismatch([Fault("data", "is missing")], 0)
    return _completed(envelope["data"], envelope.get("id"), envelope.get("time"), ("id", "time"))


def _require_version(version: str | None, name: str) -> None:
    if version != "1.0":
        raise Mismatch(
            [Fault(name, f'is {shown(version)}, not "1.0"' if version else "is missing")], 0
        )


def _text(headers: Headers, name: str) -> str | None:
    value = header(headers, name)
    if value is None:
        return None
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise Mismatch([Fault(name, "is not UTF-8")], 0) from None


def _completed(
    fields: Mapping[str, Any], identity: str | None, time: int | None, names: tuple[str, str]
) -> Event:
    own = {_ID: identity, _TIME: time}
    given = {name: value for name, value in own.items() if value is not None}
    contradiction = next(
        (
            f"{event} says {_said(given[name])}, and {name} of the update {_said(fields[name])}"
            for event, name in zip(names, own, strict=True)
            if name in given and name in fields and fields[name] != given[name]
        ),
        None,
    )
    return Event({**given, **fields}, contradiction)


def _said(value: object) -> str:
    return shown(value) if isinstance(value, str) else str(value)
