"""Whether values of one schema can be read with another, by Avro's rules, and where they cannot.

Told beforehand, of schemas alone: a reader's enum that lacks a symbol can read every value but
those that have it, and is no match here. No type is inside itself: such a schema is refused when
it is read. Two types are compared once, however often they stand somewhere.
"""

from collections.abc import Iterator, Mapping, Sequence
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

_NAMED: Final = frozenset({"record", "enum", "fixed"})
NOT_WRITTEN: Final = "it is not written, and has no default"
_MEANINGS: Final = ("date", "decimal", "duration", "local-timestamp-", "time-", "timestamp-")
"""How the logical types begin that say what a number means: in another it is another value."""


class Break(NamedTuple):
    """A place in the schemas, as `cartItems[].price`, and what cannot be read there."""

    place: str
    what: str

    def __str__(self) -> str:
        """Return it for people."""
        return f"{self.place or 'the record'}: {self.what}"


def losses(writer: Schema, reader: Schema, *, by_full_names: bool = False) -> list[Break]:
    """Return what `breaks` does, and what could be read by no error and would be lost.

    That is a field by another name, without the alias that says so: the reader takes its default
    for the one that it knows, and passes over the one that it does not. The types tell which
    fields may be one; so two that have nothing to do with each other may be taken for that.
    """
    confused = impostors(writer, reader)
    pair = _Pair(writer, reader, by_full_names=by_full_names, renamed=True)
    return confused or pair.whole()


def breaks(writer: Schema, reader: Schema, *, by_full_names: bool = False) -> list[Break]:
    """Return what keeps a reader from reading the values of a writer; nothing: it reads all.

    A logical type that changes another counts too: the value could be read, and be wrong. By the
    specification a type's last name tells whether it is the one that is read; Avro's library for
    Java asks for an enum's or a fixed type's namespace too, as `by_full_names` does.
    """
    return _Pair(writer, reader, by_full_names=by_full_names).whole()


def same_to_readers(one: Schema, other: Schema) -> bool:
    """Whether both are one schema to every reader.

    A unit of time is not in the canonical form: no reader would see that the numbers are others.
    """
    return one.canonical == other.canonical and not breaks(one, other)


def impostors(writer: Schema, reader: Schema) -> list[Break]:
    """Return the writer's types that have the name of a reader's type and are of another kind.

    To fastavro the name alone tells them: it would read one, and take it for the other.
    """
    return [
        Break(f"the type {_last(old['name'])}", f"{old['type']} is written, {new['type']} is read")
        for old in writer.named.values()
        for new in reader.named.values()
        if old["type"] != new["type"] and _same_name(old, new)
    ]


class _Pair:
    def __init__(
        self, writer: Schema, reader: Schema, *, by_full_names: bool, renamed: bool = False
    ) -> None:
        self._records = writer.parsed, reader.parsed
        self._written, self._read = writer.named, reader.named
        self._by_full_names = by_full_names
        self._renamed = renamed
        self._known: dict[tuple[int, int], Sequence[Break]] = {}

    def whole(self) -> list[Break]:
        """Return the breaks of the two records that the schemas define."""
        found = self.compared(*self._records)
        return [each._replace(place=each.place.removeprefix(".")) for each in found]

    def compared(self, writer: Any, reader: Any) -> Sequence[Break]:
        """Return the breaks of two types, each of which may be a name."""
        old, new = self._written.get(_key(writer), writer), self._read.get(_key(reader), reader)
        if isinstance(old, str) and isinstance(new, str):
            return [*self._compare(old, new)]
        pair = id(old), id(new)  # both live as long as the schemas
        known = self._known.get(pair)
        if known is None:
            known = self._known[pair] = [*self._compare(old, new)]
        return known

    def _compare(self, old: Any, new: Any) -> Iterator[Break]:
        if isinstance(old, list):
            for branch in old:
                yield from self.compared(branch, new)
        elif isinstance(new, list):
            yield from self._branch(old, new)
        else:
            yield from self._alike(old, new)

    def _branch(self, old: Any, new: list[Any]) -> Sequence[Break]:
        """Return the breaks with a union: none where a branch fits, else those of the likeliest."""
        found = [(branch, self.compared(old, branch)) for branch in new]
        if not all(told for _, told in found):
            return ()
        alike = [told for branch, told in found if self._is_alike(old, branch)]
        return alike[0] if len(alike) == 1 else [_mismatch(old, new)]

    def _is_alike(self, old: Any, branch: Any) -> bool:
        return _kind(self._read.get(_key(branch), branch)) == _kind(old)

    def _alike(self, old: Any, new: Any) -> Iterator[Break]:
        kinds = _kind(old), _kind(new)
        meant, read = _meaning(old), _meaning(new)
        if meant and read and meant != read:
            yield Break("", f"{meant} is written, {read} is read")
        elif kinds == ("array", "array"):
            yield from _within("[]", self.compared(old["items"], new["items"]))
        elif kinds == ("map", "map"):
            yield from _within("{}", self.compared(old["values"], new["values"]))
        elif kinds[0] == kinds[1] and kinds[0] in _NAMED and _same_name(old, new):
            if self._by_full_names and kinds[0] != "record" and not _same_full_name(old, new):
                yield Break("", f"{kinds[0]} {old['name']} is written, {new['name']} is read")
            yield from self._named(old, new)
        elif not _is_wider(*kinds):
            yield _mismatch(old, new)

    def _named(self, old: Any, new: Any) -> Iterator[Break]:
        if old["type"] == "record":
            yield from self._fields(old, new)
        elif old["type"] == "enum":
            lacking = [each for each in old["symbols"] if each not in new["symbols"]]
            if lacking and "default" not in new:
                yield Break("", f"the symbols {', '.join(lacking)} are not there")
        elif old["size"] != new["size"]:
            yield Break("", f"{old['size']} bytes were written, {new['size']} are read")

    def _fields(self, old: Any, new: Any) -> Iterator[Break]:
        written = {field["name"]: field for field in old["fields"]}
        for field in new["fields"]:
            names = field["name"], *field.get("aliases", ())
            found = next((written[name] for name in names if name in written), None)
            where = f".{field['name']}"
            if found is not None:
                yield from _within(where, self.compared(found["type"], field["type"]))
            elif "default" not in field:
                yield Break(where, NOT_WRITTEN)
            elif self._renamed and (other := self._renames(field, old, new)):
                told = f"it is not written, and {other}, which is, is not read: its values are lost"
                yield Break(where, told)

    def _renames(self, field: Any, old: Any, new: Any) -> str:
        """Return the written field that may be this one by another name, empty where none may."""
        read = {name for each in new["fields"] for name in (each["name"], *each.get("aliases", ()))}
        for each in old["fields"]:
            if each["name"] not in read and (
                field["name"] in each.get("aliases", ())
                or not self.compared(each["type"], field["type"])
            ):
                return str(each["name"])
        return ""


def _within(place: str, found: Sequence[Break]) -> Iterator[Break]:
    return (each._replace(place=place + each.place) for each in found)


def _is_wider(written: str, read: str) -> bool:
    """Whether a type without a name can read another, or itself."""
    return (written == read and read not in _NAMED) or written in _WIDER.get(read, ())


def _mismatch(old: Any, new: Any) -> Break:
    return Break("", f"{_told(old)} is written, {_told(new)} is read")


def _key(part: Any) -> str:
    return part if isinstance(part, str) else ""


def _kind(part: Any) -> str:
    return str(part["type"]) if isinstance(part, dict) else str(part)


def _meaning(part: Any) -> str | None:
    logical = part.get("logical") if isinstance(part, dict) else None
    return logical if logical is not None and logical.startswith(_MEANINGS) else None


def _same_name(old: Any, new: Any) -> bool:
    """Whether the names are one to fastavro, and to Avro's specification."""
    return _last(old["name"]) == _last(new["name"]) or _same_full_name(old, new)


def _same_full_name(old: Any, new: Any) -> bool:
    return old["name"] in (new["name"], *new.get("aliases", ()))


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def _told(part: Any) -> str:
    if isinstance(part, list):
        return " or ".join(_told(each) for each in part)
    if isinstance(part, dict) and "name" in part:
        return f"{part['type']} {_last(part['name'])}"
    return _last(_kind(part))
