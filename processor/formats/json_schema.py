"""The JSON Schema of updates: a description for producers, which nothing is read by."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from processor.avro.schemas import Schema, shipped_schemas
from processor.errors import ConfigError

FILE: Final = "SessionUpdate.schema.json"


def read_json_schema(directory: Path | None = None) -> str:
    """Return the text of the schema in a directory; that of this version by default.

    Raises ConfigError where there is none.
    """
    path = (directory or shipped_schemas()) / FILE
    try:
        text = path.read_text("utf-8")
        if not isinstance(json.loads(text), dict):
            raise ValueError("it is no object")  # noqa: TRY004, TRY301  of the file
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: {error}", hint="it goes with SessionUpdate.avsc") from error
    return text


def same(one: str, other: str) -> bool:
    """Whether two texts are one schema."""
    try:
        return bool(json.loads(one) == json.loads(other))
    except (ValueError, RecursionError):
        return False


def differences(text: str, avro: Schema) -> list[str]:
    """Return what the schema says otherwise than Avro's, of which fields there are."""
    return [*_differences(json.loads(text), avro.parsed, "")]


def _differences(schema: Any, avro: Any, place: str) -> Iterator[str]:
    """Compare two types, that may have records in them."""
    match avro:
        case list():
            for part in avro:
                yield from _differences(schema, part, place)
        case {"type": "array", "items": items}:
            yield from _differences(_part(schema, "items"), items, f"{place}[]")
        case {"type": "record", "fields": fields}:
            yield from _of_record(schema, fields, place)


def _of_record(schema: Any, fields: Any, place: str) -> Iterator[str]:
    given, required = _part(schema, "properties"), _part(schema, "required")
    needed = {field["name"] for field in fields if "default" not in field}
    known = {field["name"]: field["type"] for field in fields}
    for name in dict.fromkeys((*known, *given)):
        where = f"{place}.{name}".lstrip(".")
        if name not in given:
            yield f"{where}: is not there"
        elif name not in known:
            yield f"{where}: Avro has none"
        elif (name in needed) != (name in required):
            yield f"{where}: is required in one of them alone"
        else:
            yield from _differences(given[name], known[name], where)


def _part(schema: Any, name: str) -> Any:
    found = schema.get(name) if isinstance(schema, dict) else None
    return found if isinstance(found, dict | list) else {}
