"""Records as JSON texts: a session, and an update as far as it can be read.

Times are milliseconds since 1970. An attribute's text is put in as it stands, since a parser could
change it (`1e999`, a repeated key); the result is valid JSON, in one line.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from math import isfinite
from typing import Any, Final

from processor.core.json_text import is_json_text

_ATTRIBUTES: Final = "attributes"
_MILLISECOND: Final = timedelta(milliseconds=1)
_EPOCH: Final = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
_ONE_LINE: Final = str.maketrans("\n\r\t", "   ")


def json_document(fields: Mapping[str, Any]) -> str:
    """Return a session's or an update's fields as one JSON object in one line, in their order.

    The memory of event ids is left out. A number that is not finite becomes a string.
    """
    return object_of(members(fields))


def members(fields: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield each field's name and JSON text, as above."""
    for name, value in fields.items():
        if isinstance(value, bytes):  # the memory
            continue
        texts = name == _ATTRIBUTES and isinstance(value, Mapping)
        yield name, _attributes(value) if texts else _text(value)


def epoch_ms(value: int | datetime) -> int:
    """Return the time in milliseconds since 1970."""
    return (value - _EPOCH) // _MILLISECOND if isinstance(value, datetime) else value


def iso_time(value: int | datetime) -> str:
    """Return the time in ISO 8601, UTC, to the millisecond; as a number where no date has it."""
    try:
        moment = _EPOCH + timedelta(milliseconds=epoch_ms(value))
    except OverflowError:
        return f"{value} ms"
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _text(value: object) -> str:
    match value:
        case datetime():
            return str(epoch_ms(value))
        case Mapping():  # a cart item, or amounts by name
            return json_document(value)
        case list() | tuple():
            return "[" + ", ".join(map(_text, value)) + "]"
    plain = str(value) if isinstance(value, float) and not isfinite(value) else value
    return json.dumps(plain, ensure_ascii=False)


def _attributes(texts: Mapping[str, str | None]) -> str:
    return object_of((name, _embedded(text)) for name, text in texts.items())


def _embedded(text: str | None) -> str:
    """Return the JSON text in one line: outside of strings, line ends and tabs are only space."""
    if text is None:
        return "null"
    return text.translate(_ONE_LINE) if is_json_text(text) else json.dumps(text)


def object_of(members: Iterable[tuple[str, str]]) -> str:
    """Return names and JSON texts as one JSON object in one line."""
    named = (f"{json.dumps(name, ensure_ascii=False)}: {text}" for name, text in members)
    return "{" + ", ".join(named) + "}"
