"""One text of a schema whose types are defined in others: what readers of one text can take."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from processor.avro.definition import (
    DEEPEST,
    HELD,
    NAMED,
    PRIMITIVES,
    SchemaError,
    full_name,
)


class _Elsewhere(NamedTuple):
    """A type's definition in another text, and the namespace that stands around it there."""

    part: dict[str, Any]
    space: str


def whole(text: str, others: Iterable[str]) -> str:
    """Return the text with each type that others define, where it is named first.

    What nobody defines stays a name, and what is no schema stays as it is: who reads the text says
    what is wrong. Raises SchemaError for what is no JSON, or nested too deep.
    """
    elsewhere: dict[str, _Elsewhere] = {}
    for other in others:
        _collect(_parsed(other), "", elsewhere, 0)
    return json.dumps(_Writing(elsewhere).take(_parsed(text), "", 0))


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except RecursionError:
        raise SchemaError("it is nested too deep") from None
    except ValueError as error:
        raise SchemaError(f"it is not JSON: {error}") from error


def _collect(part: Any, space: str, found: dict[str, _Elsewhere], depth: int) -> None:
    """Add what the part defines, by full names; the first definition of a name counts."""
    if depth > DEEPEST:
        raise SchemaError("it is nested too deep")
    if isinstance(part, list):
        for each in part:
            _collect(each, space, found, depth + 1)
    elif isinstance(part, dict):
        if _has_name(part):
            name, inner = _names(part, space)
            found.setdefault(name, _Elsewhere(part, space))
            for field in _fields(part):
                _collect(field.get("type"), inner, found, depth + 1)
        for key in ("type", "items", "values"):
            _collect(part.get(key), space, found, depth + 1)


class _Writing:
    def __init__(self, elsewhere: Mapping[str, _Elsewhere]) -> None:
        self._elsewhere = elsewhere
        self._defined: set[str] = set()

    def take(self, part: Any, space: str, depth: int, *, borrowed: bool = False) -> Any:
        """Return a part in this namespace, `borrowed` if it came from another text."""
        if depth > DEEPEST:
            raise SchemaError("it is nested too deep")
        if isinstance(part, str):
            return self._reference(part, space, depth)
        if isinstance(part, list):
            return [self.take(each, space, depth + 1, borrowed=borrowed) for each in part]
        if not isinstance(part, dict):
            return part
        if _has_name(part):
            return self._named(part, space, depth, borrowed=borrowed)
        kind = part.get("type")
        within = HELD[kind] if isinstance(kind, str) and kind in HELD else "type"
        taken = self.take(part.get(within), space, depth + 1, borrowed=borrowed)
        return {**part, within: taken}

    def _reference(self, name: str, space: str, depth: int) -> Any:
        if name in PRIMITIVES:
            return name
        for full in (name,) if "." in name else (f"{space}.{name}", f".{name}"):
            if full in self._defined:
                return name
            if full in self._elsewhere:
                part, around = self._elsewhere[full]
                return self.take(part, around, depth + 1, borrowed=True)
        return name

    def _named(
        self, part: dict[str, Any], space: str, depth: int, *, borrowed: bool
    ) -> dict[str, Any] | str:
        name, inner = _names(part, space)
        if borrowed:
            if name in self._defined:
                return name.removeprefix(".")
            part = {**part, "name": name.rpartition(".")[2], "namespace": inner}
        self._defined.add(name)
        fields = [
            {**each, "type": self.take(each.get("type"), inner, depth + 1, borrowed=borrowed)}
            for each in _fields(part)
        ]
        return {**part, "fields": fields} if fields else part


def _has_name(part: Mapping[str, Any]) -> bool:
    return isinstance(part.get("type"), str) and part["type"] in NAMED


def _names(part: Mapping[str, Any], space: str) -> tuple[str, str]:
    """Return a type's full name and the namespace of what is inside it."""
    own = part.get("namespace")
    return full_name(part.get("name"), own if isinstance(own, str) else space)


def _fields(part: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a record's fields; none where one of them is none, which its reader tells."""
    fields = part.get("fields")
    if not isinstance(fields, list) or not all(isinstance(each, dict) for each in fields):
        return []
    return fields
