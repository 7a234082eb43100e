"""Updates in JSON, by the names and types of the schema (docs/contract.md, "JSON").

`attributes` are any JSON values: each is kept as the text that stood there, letter by letter, so
that no number loses a digit; null removes the name (in a cart item, where nothing is merged, it is
the text null). `eventTime` is milliseconds since 1970, or a text that says a time.
"""

from collections import abc
from collections.abc import Callable, Mapping
from types import NoneType, UnionType
from typing import Any, Final, get_args, get_origin

from typing_extensions import get_type_hints

from processor.core.moment import milliseconds
from processor.core.session import CartItem, State, in_schema
from processor.core.update import REQUIRED_FIELDS, UPDATE_FIELDS, SessionUpdate
from processor.formats.json_grammar import Fault, Mismatch, Reader, read
from processor.formats.json_values import (
    array,
    double,
    integer,
    kept,
    kept_or_null,
    object_of,
    object_with,
    one_of,
    or_null,
    string,
)

_NO_ITEM: Final = dict.fromkeys(CartItem.__annotations__)
_SCALARS: Final[Mapping[Any, Reader]] = {str: string, float: double, int: integer}


def time_reader(of_text: Callable[[str], int]) -> Reader:
    """Return what reads milliseconds since 1970, or a text that `of_text` takes for a time.

    What that says with its ValueError follows on the field's name.
    """

    def reads(text: str, at: int) -> tuple[int, int]:
        if text[at : at + 1] != '"':
            return integer(text, at)
        value, end = string(text, at)
        try:
            return of_text(value), end
        except ValueError as error:
            raise Mismatch([Fault("", str(error))], end) from None

    return reads


TIME: Final = time_reader(milliseconds)


def _reader(kind: Any) -> Reader:
    """Return what reads a value of this type of an update's."""
    if kind is CartItem:
        return _item
    if kind in _SCALARS:
        return _SCALARS[kind]
    inner = get_args(kind)
    match get_origin(kind):
        case abc.Sequence:
            return array(_reader(inner[0]))
        case abc.Mapping:
            return object_of(_reader(inner[1]))
    return or_null(_reader(_present(kind)))


def _present(kind: Any) -> Any:
    """Return the type of a field where it is not null."""
    if not isinstance(kind, UnionType):
        return kind
    (plain,) = (each for each in get_args(kind) if each is not NoneType)
    return plain


def _readers(of: Any, narrowed: Mapping[str, Reader]) -> dict[str, Reader]:
    kinds = get_type_hints(of)
    kinds.pop("offset", None)  # JSON has none
    return {
        in_schema(name): narrowed.get(name) or _reader(_present(kind))
        for name, kind in kinds.items()
    }


_item_fields: Final = object_with(
    _readers(CartItem, {"attributes": object_of(kept)}),
    "a cart item",
    ("name", "sku", "quantity", "price"),
)


def _item(text: str, at: int) -> tuple[dict[str, Any], int]:
    found, end = _item_fields(text, at)
    return {**_NO_ITEM, **found}, end


def update_reader(time: Reader = TIME) -> Reader:
    """Return what reads the fields of an update that are there, by their names in the schema."""
    narrowed = {
        "state": one_of(*get_args(State)),
        "attributes": object_of(kept_or_null),
        "event_time": time,
    }
    return object_with(_readers(SessionUpdate, narrowed), "an update")


UPDATE: Final = update_reader()


def fields_of(value: bytes) -> dict[str, Any]:
    """Return the fields that an update in JSON has. Raises NotJson and Mismatch."""
    found: dict[str, Any] = read(value, UPDATE)
    return found


def complete(fields: Mapping[str, Any], offset: int = -1) -> SessionUpdate:
    """Return the update of these fields. Raises Mismatch where a required one is missing."""
    absent = [Fault(name, "is missing") for name in REQUIRED_FIELDS if name not in fields]
    if absent:
        raise Mismatch(absent, 0)
    return SessionUpdate._make((*map(fields.get, UPDATE_FIELDS), offset))


def message(mismatch: Mismatch, whole: str = "the update") -> str:
    """Return what is wrong, for people; `whole` is what a fault without a place is of."""
    text = "; ".join(f"{each.place or whole} {each.what}" for each in mismatch.faults)
    return text.encode(errors="backslashreplace").decode()
