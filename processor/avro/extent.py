"""How large a type is, written out: whether its values can be read in steps as many as bytes."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from processor.avro.definition import DEEPEST, HELD, PRIMITIVES, Definition, SchemaError

_MOST_TYPES: Final = 10_000
_MOST_IDLE: Final = 100


class Extent(NamedTuple):
    """How large a type is, with what stands for each name in the name's place.

    `least` is the length of its shortest value; `types` counts all that is inside, and itself;
    `idle` counts what a value makes a reader pass without a byte, items of arrays and maps apart.
    """

    least: int
    types: int
    depth: int
    idle: int


def extent(definition: Definition) -> Extent:
    """Return how large the type is. Raises SchemaError for what a few bytes could blow up.

    That is a type inside itself (nested as deep as the value is long), an array whose items take
    no bytes (as long as its count says) or many steps for few bytes, and what is too large: types
    that have one another twice and again double with each name.
    """
    return _Measure(definition.named).of(definition.type, ())


class _Measure:
    """Measures each name once: how often a name stands somewhere costs nothing."""

    def __init__(self, named: Mapping[str, dict[str, Any]]) -> None:
        self._named = named
        self._known: dict[str, Extent] = {}

    def of(self, part: Any, inside: tuple[str, ...]) -> Extent:
        """Return the extent of a type that stands inside those names."""
        if isinstance(part, list):
            return self._union(part, inside)
        if isinstance(part, str):
            part = {"type": part} if part in PRIMITIVES else self._named[part]
        match part:
            case {"type": "record", "name": name}:
                return self._record(name, inside)
            case {"type": "array" | "map" as kind}:
                return self._items(part[HELD[kind]], kind, inside)
            case {"type": "fixed", "size": size}:
                least = size
            case {"type": "enum"}:
                least = 1
            case _:
                least = PRIMITIVES[part["type"]]
        return Extent(least, 1, 1, int(not least))

    def _record(self, name: str, inside: tuple[str, ...]) -> Extent:
        known = self._known.get(name)
        if known is None:
            if name in inside:
                raise SchemaError(f"the type {name.removeprefix('.')} is inside itself")
            if len(inside) > DEEPEST:
                raise SchemaError("it is nested too deep")
            fields = self._named[name]["fields"]
            found = [self.of(field["type"], (*inside, name)) for field in fields]
            least, idle = sum(each.least for each in found), sum(each.idle for each in found)
            known = self._known[name] = Extent(least, *_around(found), 1 + idle)
        return known

    def _union(self, branches: list[Any], inside: tuple[str, ...]) -> Extent:
        found = [self.of(branch, inside) for branch in branches]
        least = 1 + min((each.least for each in found), default=0)
        return Extent(least, *_around(found), max((each.idle for each in found), default=0))

    def _items(self, part: Any, kind: str, inside: tuple[str, ...]) -> Extent:
        each = self.of(part, inside)
        least = each.least + (kind == "map")  # each has a key
        if not least:
            raise SchemaError("an array's items take no bytes")
        if each.idle > _MOST_IDLE + least:
            raise SchemaError(f"an item of its {kind} has {each.idle} parts that take no bytes")
        return Extent(1, *_around([each]), 0)


def _around(found: Sequence[Extent]) -> tuple[int, int]:
    """Return of what holds those how many types it is, and how deep they are in one another.

    Raises SchemaError where either is too much.
    """
    types = 1 + sum(each.types for each in found)
    depth = 1 + max((each.depth for each in found), default=0)
    if depth > DEEPEST:
        raise SchemaError("it is nested too deep")
    if types > _MOST_TYPES:
        raise SchemaError(f"written out it has more than {_MOST_TYPES} types")
    return types, depth
