"""`schemas/SessionUpdate.schema.json`, made of the Avro schema and the contract's rule 3."""

import json
from collections.abc import Callable
from typing import Any, Final

from oracle import SCHEMAS, Document

FILE: Final = SCHEMAS / "SessionUpdate.schema.json"
_TIME: Final = (
    r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])[Tt ]([01][0-9]|2[0-3]):[0-5][0-9]"
    r"(:[0-5][0-9]([.,][0-9]+)?)?([Zz]|[-+]([01][0-9]|2[0-3])(:?[0-5][0-9])?)$"
)
_COUNT: Final = {"type": "integer", "minimum": 1, "maximum": 2**31 - 1}
_NAME: Final = {"type": "string", "minLength": 1}
_NARROWED: Final[dict[str, Document]] = {
    "eventId": _NAME,
    "eventTime": {
        "oneOf": [
            {"type": "integer", "minimum": 0, "maximum": 253_402_300_799_999},
            {"type": "string", "pattern": _TIME},
        ]
    },
    "applicationId": _COUNT,
    "integrationId": _NAME,
    "sku": _NAME,
    "quantity": _COUNT,
    "attributes": {"type": ["object", "null"]},
}
_COMMENT: Final = (
    "A plain update of a session in JSON. The contract has more than a schema can say: no name "
    "twice, whole numbers without fraction and exponent, no number too large for a double, nested "
    "128 deep at most and an attribute 64, whole surrogate pairs, days that there are. In a "
    "CloudEvent eventId and eventTime may be absent."
)
_TYPES: Final = {"string": "string", "int": "integer", "long": "integer", "double": "number"}


def _typed(kind: Any) -> Document:
    if isinstance(kind, list):
        given = _typed(kind[1])
        more = {"enum": [*given["enum"], None]} if "enum" in given else {}
        return {**given, "type": [given["type"], "null"], **more}
    if isinstance(kind, str):
        return {"type": _TYPES[kind]}
    if kind["type"] == "record":
        return _record(kind)
    types: dict[str, Callable[[], Document]] = {
        "array": lambda: {"type": "array", "items": _typed(kind["items"])},
        "map": lambda: {"type": "object", "additionalProperties": _typed(kind["values"])},
        "enum": lambda: {"type": "string", "enum": kind["symbols"]},
    }
    return types.get(kind["type"], lambda: _typed(kind["type"]))()


def _record(schema: Document) -> Document:
    return {
        "type": "object",
        "description": schema["doc"],
        "properties": {
            field["name"]: {
                "description": field["doc"],
                **_NARROWED.get(field["name"], _typed(field["type"])),
            }
            for field in schema["fields"]
        },
        "required": [field["name"] for field in schema["fields"] if "default" not in field],
        "additionalProperties": False,
    }


def text() -> str:
    schema = json.loads((SCHEMAS / "SessionUpdate.avsc").read_text())
    whole = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": schema["name"],
        "$comment": _COMMENT,
        **_record(schema),
    }
    return json.dumps(whole, indent=2) + "\n"
