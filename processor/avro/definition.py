"""A schema's JSON as it came from anybody, checked and brought into one form.

Registries hold more than fastavro takes, or than is safe to read by: what fastavro does not
understand, or understands as a program's own mark, does not come into this form. Nothing but
SchemaError is raised, whatever the text, and the time is in proportion to its length.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

PRIMITIVES: Final[Mapping[str, int]] = {
    "null": 0,
    "boolean": 1,
    "int": 1,
    "long": 1,
    "float": 4,
    "double": 8,
    "bytes": 1,
    "string": 1,
}
"""The types without a name, and the bytes of the shortest value of each."""

NAMED: Final[Mapping[str, str]] = {
    "record": "record",
    "error": "record",
    "enum": "enum",
    "fixed": "fixed",
}
"""The kinds of types with a name. An `error` is a record by another word."""

HELD: Final[Mapping[str, str]] = {"array": "items", "map": "values"}
DEEPEST: Final = 100
"""How deep types may be inside one another: each reads the one inside it."""
_LONGEST_SHOWN: Final = 60
_LONGEST_SPACE: Final = 1_000
"""Letters of a namespace: each name inside it has it."""


class SchemaError(ValueError):
    """A text is not an Avro schema, or one by which hostile bytes could exhaust the process."""


@dataclass(frozen=True, slots=True)
class Definition:
    """A type, and all that it defines by their full names.

    A reference is a full name, which begins with a dot where there is no namespace: fastavro would
    else put it into the one around it. There are no attributes that reading does not ask for;
    `logical` stands for a logical type, `bare` marks a name that was written without any namespace.
    Defaults stand apart, by record and field: nobody has checked them.
    """

    type: Any
    named: dict[str, dict[str, Any]] = field(default_factory=dict)
    defaults: dict[str, dict[str, Any]] = field(default_factory=dict)


def defined(text: str) -> Definition:
    """Return what the text defines. Raises SchemaError."""
    try:
        document = json.loads(text)
    except RecursionError:
        raise SchemaError("it is nested too deep") from None
    except (TypeError, ValueError) as error:  # it may be no text
        raise SchemaError(f"it is not JSON: {error}") from error
    definition = Definition(None)
    whole = _Reading(definition).take(document, "", 0)
    return Definition(whole, definition.named, definition.defaults)


class _Reading:
    def __init__(self, into: Definition) -> None:
        self._into = into

    def take(self, part: Any, space: str, depth: int) -> Any:
        """Return one type of the document, whose names are in the namespace."""
        if depth > DEEPEST:
            raise SchemaError("it is nested too deep")
        if isinstance(part, str):
            return self._reference(part, space)
        if isinstance(part, list):
            return self._union(part, space, depth)
        if not isinstance(part, dict) or "type" not in part:
            raise SchemaError(f"{_shown(part)} is no Avro type")
        kind = part["type"]
        if not isinstance(kind, str):
            return self.take(kind, space, depth + 1)  # written twice around one type
        if kind in NAMED:
            return self._name(part, NAMED[kind], space, depth)
        return self._plain(part, space, depth)

    def _plain(self, part: dict[str, Any], space: str, depth: int) -> Any:
        """Return an object that has no name: a container, a primitive type or a reference."""
        kind = part["type"]
        if kind in HELD:
            held = HELD[kind]
            return {"type": kind, held: self.take(part.get(held), space, depth + 1)}
        if kind in PRIMITIVES:
            return {"type": kind, **_logical(part)} if len(part) > 1 else kind
        return self._reference(kind, space)

    def _reference(self, name: str, space: str) -> str:
        if name in PRIMITIVES:
            return name
        for full in (name,) if "." in name else (f"{space}.{name}", f".{name}"):
            if full in self._into.named:
                return full
        raise SchemaError(
            f"it does not define the type {_shown(name)}, nor does a schema that it refers to"
        )

    def _union(self, branches: list[Any], space: str, depth: int) -> list[Any]:
        taken = [self.take(branch, space, depth + 1) for branch in branches]
        told = [_told(branch) for branch in taken]
        if "union" in told:
            raise SchemaError("a union stands within a union")
        if len({*told}) < len(told):
            raise SchemaError("a union has one type twice")
        return taken

    def _name(self, part: dict[str, Any], kind: str, space: str, depth: int) -> dict[str, Any]:
        own = part.get("namespace")
        name, space = full_name(part.get("name"), _space(own) if isinstance(own, str) else space)
        if name in self._into.named:
            raise SchemaError(f"it defines the type {name.removeprefix('.')} twice")
        made: dict[str, Any] = {"type": kind, "name": name}
        if not isinstance(own, str) and "." not in part["name"]:
            made["bare"] = True
        aliases = part.get("aliases")
        if isinstance(aliases, list):
            made["aliases"] = [full_name(each, space)[0] for each in aliases]
        self._into.named[name] = made
        match kind:
            case "record":
                made["fields"] = self._fields(part.get("fields"), name, space, depth)
            case "enum":
                made["symbols"] = _symbols(part.get("symbols"))
                if part.get("default") in made["symbols"]:
                    made["default"] = part["default"]
            case _:
                made["size"] = _size(part.get("size"))
        return made | _logical(part)

    def _fields(self, parts: Any, record: str, space: str, depth: int) -> list[dict[str, Any]]:
        if not isinstance(parts, list):
            raise SchemaError(f"the record {record.removeprefix('.')} has no list of fields")
        fields: dict[str, dict[str, Any]] = {}
        for part in parts:
            if not isinstance(part, dict) or "type" not in part:
                raise SchemaError(f"{_shown(part)} is no field")
            name = _name(part.get("name"))
            if name in fields:
                raise SchemaError(f"a record has the field {name} twice")
            aliases = part.get("aliases")
            fields[name] = {"name": name, "type": self.take(part["type"], space, depth + 1)}
            if isinstance(aliases, list):
                fields[name]["aliases"] = [_name(each) for each in aliases]
            if "default" in part:
                self._into.defaults.setdefault(record, {})[name] = part["default"]
        return list(fields.values())


def full_name(name: Any, space: str) -> tuple[str, str]:
    """Return a full name and its namespace, as the specification makes it of both."""
    before, dot, last = _name(name).rpartition(".")
    space = _space(before) if dot else space
    if not last:
        raise SchemaError(f"{_shown(name)} is no name")
    return f"{space}.{last}", space


def _space(space: str) -> str:
    whole = not space or (all(space.split(".")) and _is_plain(space))
    if not whole or len(space) > _LONGEST_SPACE:
        raise SchemaError(f"{_shown(space)} is no namespace")
    return space


def _name(name: Any) -> str:
    if not isinstance(name, str) or not name or not _is_plain(name):
        raise SchemaError(f"{_shown(name)} is no name")
    return name


def _is_plain(text: str) -> bool:
    """Whether a text is the same within JSON, and has bytes at all: half a letter has none."""
    return text.isprintable() and not {*'"\\'} & {*text}


def _symbols(symbols: Any) -> list[str]:
    if not isinstance(symbols, list) or not symbols:
        raise SchemaError("an enum has no list of symbols")
    return [_name(each) for each in symbols]


def _size(size: Any) -> int:
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size < 2**31:
        raise SchemaError(f"a fixed type has the size {_shown(size)}")
    return size


def _logical(part: dict[str, Any]) -> dict[str, str]:
    """Return the logical type of a part, with what belongs to it, if it can be one."""
    name = part.get("logicalType")
    if not isinstance(name, str):
        return {}
    if name == "decimal":
        name = f"decimal({_shown(part.get('precision'))}, {_shown(part.get('scale', 0))})"
    return {"logical": name} if _is_plain(name) else {}


def _told(branch: Any) -> str:
    """Return what a union may have once: a kind, or a name."""
    if isinstance(branch, dict):
        return str(branch.get("name", branch["type"]))
    return "union" if isinstance(branch, list) else str(branch)


def _shown(part: Any) -> str:
    """Return a part of the document for people, in few characters."""
    try:
        told = json.dumps(part)
    except (RecursionError, ValueError):
        told = type(part).__name__
    return told if len(told) <= _LONGEST_SHOWN else f"{told[:_LONGEST_SHOWN]}..."
