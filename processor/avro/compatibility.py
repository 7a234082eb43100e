"""Whether values of one schema can be read with another, by Avro's rules, and where they cannot.

Told beforehand, of schemas alone: a reader's enum that lacks a symbol can read every value but
those that have it, and is no match here. No type is inside itself: such a schema is refused when
it is read.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from processor.avro.schemas import Schema

_WIDER: Final[Mapping[str, frozenset[str]]] = {
    "long": frozenset({"int"}),
    "float": frozenset({"int", "long"}),
    "double": frozenset({"int", "long", "float"}),
    "string": frozenset({"bytes"}),
    "bytes": frozenset({"string"}),
}
"""What else than its own a type can read."""


class Break(NamedTuple):
    """A place in the schemas, as `cartItems[].price`, and what cannot be read there."""

    place: str
    what: str

    def __str__(self) -> str:
        """Return it for people."""
        return f"{self.place}: {self.what}"


def breaks(writer: Schema, reader: Schema) -> list[Break]:
    """Return what keeps a reader from reading the values of a writer; nothing: it reads all."""
    return [*_Pair(writer, reader).compare(writer.parsed, reader.parsed, "")]


class _Pair:
    def __init__(self, writer: Schema, reader: Schema) -> None:
        self._written, self._read = writer.named, reader.named

    def compare(self, writer: Any, reader: Any, place: str) -> Iterator[Break]:
        """Yield the breaks of two types, each of which may be a name."""
        old, new = self._written.get(_key(writer), writer), self._read.get(_key(reader), reader)
        if isinstance(old, list):
            for branch in old:
                yield from self.compare(branch, new, place)
        elif isinstance(new, list):
            if not any(self._fits(old, branch) for branch in new):
                yield self._mismatch(old, new, place)
        else:
            yield from self._alike(old, new, place)

    def _fits(self, writer: Any, branch: Any) -> bool:
        return not any(self.compare(writer, branch, ""))

    def _alike(self, old: Any, new: Any, place: str) -> Iterator[Break]:
        kinds = _kind(old), _kind(new)
        match kinds:
            case ("record", "record") if _same_name(old, new):
                yield from self._fields(old, new, place)
            case ("enum", "enum") if _same_name(old, new):
                lacking = [each for each in old["symbols"] if each not in new["symbols"]]
                if lacking and "default" not in new:
                    yield Break(_at(place), f"the symbols {', '.join(lacking)} are not there")
            case ("fixed", "fixed") if _same_name(old, new):
                if old["size"] != new["size"]:
                    sizes = f"{old['size']} bytes were written, {new['size']} are read"
                    yield Break(_at(place), sizes)
            case ("array", "array"):
                yield from self.compare(old["items"], new["items"], f"{place}[]")
            case ("map", "map"):
                yield from self.compare(old["values"], new["values"], f"{place}{{}}")
            case (one, other) if one == other and one not in {"record", "enum", "fixed"}:
                pass
            case (one, other) if one in _WIDER.get(other, ()):
                pass
            case _:
                yield self._mismatch(old, new, place)

    def _fields(self, old: Any, new: Any, place: str) -> Iterator[Break]:
        written = {field["name"]: field for field in old["fields"]}
        for field in new["fields"]:
            names = field["name"], *field.get("aliases", ())
            found = next((written[name] for name in names if name in written), None)
            where = f"{place}.{field['name']}".lstrip(".")
            if found is not None:
                yield from self.compare(found["type"], field["type"], where)
            elif "default" not in field:
                yield Break(where, "it is not written, and has no default")

    def _mismatch(self, old: Any, new: Any, place: str) -> Break:
        return Break(_at(place), f"{_told(old)} is written, {_told(new)} is read")


def _key(part: Any) -> str:
    return part if isinstance(part, str) else ""


def _kind(part: Any) -> str:
    return str(part["type"]) if isinstance(part, dict) else str(part)


def _same_name(old: Any, new: Any) -> bool:
    names = {new["name"], *new.get("aliases", ())}
    return old["name"].rpartition(".")[2] in {name.rpartition(".")[2] for name in names}


def _told(part: Any) -> str:
    if isinstance(part, list):
        return " or ".join(_told(each) for each in part)
    if isinstance(part, dict) and "name" in part:
        return f"{part['type']} {part['name'].rpartition('.')[2]}"
    return _kind(part)


def _at(place: str) -> str:
    return place or "the record"
