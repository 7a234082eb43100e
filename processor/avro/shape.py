"""What a record is made of, told in a form that needs no schema to be read.

A shape is a kind and what it is made of: `text`, `json` (a text that says one value), `int`,
`long`, `time` (milliseconds), `double`, `boolean` and `bytes` of nothing, `symbol` of its names,
`many`, `map` and `optional` of another shape, `record` of names with their shapes.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

Shape = tuple[str, Any]

_PLAIN: Final[Mapping[str, Shape]] = {
    "string": ("text", None),
    **{kind: (kind, None) for kind in ("int", "long", "double", "boolean", "bytes")},
}
_JSON_TEXTS: Final = "attributes"
"""The map of this name has a JSON text under each key."""


def shape_of(text: str) -> Shape:
    """Return the shape of the record that a schema's JSON defines.

    Raises KeyError for a type that the shipped schemas have none of.
    """
    return _shape(json.loads(text), "", dict(_PLAIN))


def _shape(part: Any, field: str, known: dict[str, Shape]) -> Shape:
    found: Shape
    match part:
        case ["null", one]:
            found = "optional", _shape(one, field, known)
        case {"type": "long", "logicalType": "timestamp-millis"}:
            found = "time", None
        case {"type": "map", "values": values}:
            found = "map", ("json", None) if field == _JSON_TEXTS else _shape(values, "", known)
        case {"type": "array", "items": items}:
            found = "many", _shape(items, "", known)
        case {"type": "enum", "name": name, "symbols": symbols}:
            found = known[name] = "symbol", tuple(symbols)
        case {"type": "record", "fields": fields}:
            told = ((each["name"], _shape(each["type"], each["name"], known)) for each in fields)
            found = "record", tuple(told)
        case _:
            found = known[part if isinstance(part, str) else part["type"]]
    return found
