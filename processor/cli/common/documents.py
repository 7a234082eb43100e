"""Records as JSON texts: a session, and an update as far as it can be read.

Times are RFC 3339, UTC, to the millisecond. An attribute's text is put in as it stands, since a
parser could change it (`1e999`, a repeated key); the result is valid JSON, in one line.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from math import isfinite
from typing import Any, Final

from processor.core.json_text import is_json_text
from processor.core.session import Session, in_schema
from processor.ports.instants import epoch_ms, iso_time
from processor.ports.log import NO_TIMESTAMP

_OWN: Final = Session._fields.index("previous_state")
DOCUMENT: Final = tuple(map(in_schema, Session._fields[:_OWN]))
"""The fields of a session that are the customer's, in their order."""
_ATTRIBUTES: Final = "attributes"
_CART: Final = "cartItems"
_TIMES: Final = frozenset({"created", "updated", "eventTime", "outputTimestamp"})
_ONE_LINE: Final = str.maketrans("\n\r\t", "   ")


def session_json(fields: Mapping[str, Any], **where: object) -> str:
    """Return a session as one JSON object in one line.

    First the document, then the processor's own fields but the memory, then `where` its record is.
    """
    ours = {name: value for name, value in fields.items() if name not in DOCUMENT}
    texts = ((name, json.dumps(value, ensure_ascii=False)) for name, value in where.items())
    return object_of((*_document(fields), *members(ours), *texts))


def document_json(fields: Mapping[str, Any]) -> str:
    """Return a session's fields that are the customer's, and no other, in the same way."""
    return object_of(_document(fields))


def fields_json(fields: Mapping[str, Any]) -> str:
    """Return an update's or a command's fields as one JSON object in one line, in their order."""
    return object_of(members(fields))


def item_json(item: Mapping[str, Any]) -> str:
    """Return a cart item as one JSON object in one line, without what it lacks."""
    return object_of(members({name: each for name, each in item.items() if each is not None}))


def members(fields: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield each field's name and JSON text.

    The memory of event ids is left out. A number that is not finite becomes a string.
    """
    for name, value in fields.items():
        if isinstance(value, bytes):  # the memory
            continue
        if value is None:
            yield name, "null"
        elif name in _TIMES:
            yield name, json.dumps(json_time(value))
        elif name == _CART:
            yield name, "[" + ", ".join(map(item_json, value)) + "]"
        elif name == _ATTRIBUTES:
            yield name, object_of((each, _embedded(text)) for each, text in value.items())
        else:
            yield name, _text(value)


def json_time(value: int | datetime) -> str | int:
    """Return the time as JSON says it: RFC 3339, or the number of milliseconds past all dates."""
    text = iso_time(value)
    return text if text.endswith("Z") else epoch_ms(value)


def record_time(timestamp: int) -> str | int | None:
    """Return a record's timestamp as JSON says it, None where it has none."""
    return None if timestamp == NO_TIMESTAMP else json_time(timestamp)


def _document(fields: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    return members({name: fields[name] for name in DOCUMENT if name in fields})


def _text(value: object) -> str:
    match value:
        case Mapping():  # amounts by name
            return object_of((name, _text(each)) for name, each in value.items())
        case list() | tuple():
            return "[" + ", ".join(map(_text, value)) + "]"
    plain = str(value) if isinstance(value, float) and not isfinite(value) else value
    return json.dumps(plain, ensure_ascii=False)


def _embedded(text: str | None) -> str:
    """Return the JSON text in one line: outside of strings, line ends and tabs are only space."""
    if text is None:
        return "null"
    return text.translate(_ONE_LINE) if is_json_text(text) else json.dumps(text)


def object_of(members: Iterable[tuple[str, str]]) -> str:
    """Return names and JSON texts as one JSON object in one line."""
    named = (f"{json.dumps(name, ensure_ascii=False)}: {text}" for name, text in members)
    return "{" + ", ".join(named) + "}"
