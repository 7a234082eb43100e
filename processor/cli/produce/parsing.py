"""Updates as people and other programs write them: one JSON object a line.

The names are the schema's. `attributes` are any JSON values: each becomes the JSON text that stood
in the line, letter by letter, so that no number loses a digit; null removes the name (in a cart
item, where nothing is merged, it is the text null). `eventTime` is ISO 8601 with a zone, or
milliseconds since 1970; it and `eventId` are made where they are absent.
"""

import json
import re
import time
from collections import abc
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import reduce
from math import isfinite
from operator import or_
from types import GenericAlias, NoneType, UnionType
from typing import Annotated, Any, Final, NoReturn, get_args, get_origin
from uuid import uuid4

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    create_model,
)
from pydantic.alias_generators import to_camel
from typing_extensions import get_type_hints

from processor.cli.common.moments import iso_ms, refuse_other_unit
from processor.core.session import MAX_INT, CartItem, State
from processor.core.update import SessionUpdate
from processor.core.validate import MAX_EVENT_TIME, validate

_PUNCTUATION = re.compile(r"[ \t\n\r]*[\[{,:]?[ \t\n\r]*")
_LONGEST_LONG: Final = 20


def parse_update(line: str, made_id: str | None = None) -> SessionUpdate:
    """Return the update that a line says; its values are such as no rule of the fold's refuses.

    `made_id` is the event id of a line that gives none, a random one by default. Raises ValueError
    that says, for people, all that is wrong with the line.
    """
    try:
        update = _update(_Given.model_validate(_document(line)), made_id)
    except ValidationError as error:
        raise ValueError("; ".join(map(_told, error.errors(include_url=False)))) from None
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    wrong = validate(update)
    if isinstance(wrong, str):
        raise ValueError(wrong)  # noqa: TRY004  of the line's values, not the caller's types
    return update


def _moment(value: object) -> object:
    if isinstance(value, str):
        return iso_ms(value)
    if isinstance(value, int | float) and isfinite(value):
        refuse_other_unit(value)
    return value


def _encodable(text: str) -> str:
    """Refuse half of a character, which JSON can escape and UTF-8 cannot say."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("has a surrogate without its other half") from None
    return text


_Text = Annotated[str, AfterValidator(_encodable)]
_Name = Annotated[_Text, Field(min_length=1)]
_Count = Annotated[int, Field(ge=1, le=MAX_INT)]
_Number = Annotated[float, Field(allow_inf_nan=False)]
_Moment = Annotated[int, BeforeValidator(_moment), Field(ge=0, le=MAX_EVENT_TIME)]


class _Strict(BaseModel):
    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        alias_generator=to_camel,
        hide_input_in_errors=True,
    )


_SCALARS: Final[Mapping[Any, Any]] = {str: _Text, float: _Number}
_COLLECTIONS: Final[Mapping[Any, Any]] = {abc.Sequence: list, abc.Mapping: dict}


def _given(kind: Any) -> Any:
    """Return how a value of this type of an update's is given in JSON."""
    inner = tuple(map(_given, get_args(kind)))
    if isinstance(kind, UnionType):
        return reduce(or_, inner)
    if inner:
        return GenericAlias(_COLLECTIONS[get_origin(kind)], inner)
    return _Item if kind is CartItem else _SCALARS.get(kind, kind)


def _model(of: Any, narrowed: Mapping[str, Any]) -> type[_Strict]:
    """Return the model of what has these fields; one that may be None may be absent."""
    kinds = get_type_hints(of)
    kinds.pop("offset", None)  # a line has none
    given = {name: narrowed.get(name) or _given(kind) for name, kind in kinds.items()}
    fields: dict[str, Any] = {
        name: (kind, None if NoneType in get_args(kind) else ...) for name, kind in given.items()
    }
    return create_model(of.__name__, __base__=_Strict, **fields)


_Item: Final = _model(CartItem, {"sku": _Name, "quantity": _Count})
_Given: Final = _model(
    SessionUpdate,
    {
        "event_id": _Name | None,
        "event_time": _Moment | None,
        "application_id": _Count,
        "integration_id": _Name,
        "state": State | None,
    },
)


def _update(given: BaseModel, made_id: str | None) -> SessionUpdate:
    """Return the update, with an id and a time of its own where none was given."""
    update = SessionUpdate(**given.model_dump())
    return update._replace(
        event_id=update.event_id or made_id or str(uuid4()),
        event_time=time.time_ns() // 1_000_000 if update.event_time is None else update.event_time,
    )


_MEANT: Final[Mapping[str, str]] = {
    **dict.fromkeys(("cart", "items", "lineitems", "products", "basket"), "cartItems"),
    **dict.fromkeys(("couponcode", "couponcodes", "promocode", "voucher"), "coupon"),
    **dict.fromkeys(("customerid", "userid", "customer", "user"), "profileId"),
    **dict.fromkeys(("sessionid", "cartid", "session"), "integrationId"),
    **dict.fromkeys(("timestamp", "time", "created", "createdat", "updatedat"), "eventTime"),
    **dict.fromkeys(("status", "closed", "cancelled"), "state"),
    **dict.fromkeys(("amount", "sum", "totalprice"), "total"),
    **dict.fromkeys(("qty", "count"), "quantity"),
    **dict.fromkeys(("unitprice", "cost"), "price"),
    "application": "applicationId",
    "discount": "discounts",
    "referralcode": "referral",
}
"""What others call a field, in small letters alone, and its name here."""

_IN_WORDS: Final[Mapping[str, str]] = {
    "missing": "is missing",
    "too_short": "is empty",
    "string_too_short": "is empty",
    "string_type": "is not a text",
    "string_unicode": "has a surrogate without its other half",
    "int_type": "is not a whole number",
    "int_from_float": "is not a whole number",
    "int_parsing_size": "is not a number of this size",
    "float_type": "is not a number",
    "finite_number": "is not a finite number",
    "list_type": "is not a list",
    "dict_type": "is not an object",
    "model_type": "is not an object",
    "greater_than_equal": "is below {ge}",
    "less_than_equal": "is above {le}",
    "literal_error": "is not {expected}",
}
"""What is wrong by pydantic's kind of error; the braces are of that error's context."""


def _told(error: Any) -> str:
    *outer, last = error["loc"] or ("the line",)
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error["loc"])
    place = place.removeprefix(".") or "the line"
    if last == "[key]":
        place = f"a name in {outer[0]}"
    match error["type"]:
        case "extra_forbidden":
            of, model = ("an update", _Given) if not outer else ("a cart item", _Item)
            return f"{place} is no field of {of}{_meant(str(last), model)}"
        case "value_error":
            return f"{place} {error['ctx']['error']}"
    words = _IN_WORDS.get(error["type"], error["msg"])
    return f"{place} {words.format_map(error.get('ctx', {}))}"


def _meant(name: str, model: type[BaseModel]) -> str:
    """Return the field that a name seems to mean, as the end of a sentence; empty for none."""
    fields = {str(field.alias).lower(): str(field.alias) for field in model.model_fields.values()}
    bare = re.sub(r"[^a-z]", "", name.lower())
    near = get_close_matches(bare, fields, n=1, cutoff=0.8)
    meant = _MEANT.get(bare, fields[near[0]] if near else None)
    return f" (did you mean {meant}?)" if meant in fields.values() else ""


# JSON, with the texts of attributes kept.


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _integer(digits: str) -> int | float:
    """Return the number; beyond any long it only has to be too large (and may be a kept text)."""
    return int(digits) if len(digits) <= _LONGEST_LONG else float(digits)


_GRAMMAR = json.JSONDecoder(parse_constant=_refuse, parse_int=_integer)


def _document(line: str) -> dict[str, Any]:
    """Return the line's object, in which each attribute's value is its JSON text."""
    try:
        document = _GRAMMAR.decode(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"it is not JSON: {error.msg} (column {error.colno})") from None
    if not isinstance(document, dict):
        raise ValueError("it is not a JSON object")  # noqa: TRY004  of the line's
    for name, text in _members(line, "the line").items():
        value = document[name]
        if name == "attributes" and isinstance(value, dict):
            kept = _members(text, name)
            document[name] = {key: None if each == "null" else each for key, each in kept.items()}
        elif name == "cartItems" and isinstance(value, list):
            items = enumerate(_parts(text))
            document[name] = [_item(*item, f"{name}[{place}]") for place, item in items]
        elif isinstance(value, dict):
            _members(text, name)  # tells of a repeated name
    return document


def _item(value: Any, text: str, where: str) -> Any:
    """Return a cart's item with its attributes as texts; what is no item stays as it is."""
    if not isinstance(value, dict):
        return value
    members = _members(text, where)
    if not isinstance(value.get("attributes"), dict):
        return value
    return {**value, "attributes": _members(members["attributes"], f"{where}.attributes")}


def _members(text: str, where: str) -> dict[str, str]:
    """Return the text of each value of an object by its name."""
    found: dict[str, str] = {}
    parts = _parts(text)
    for (name, _), (_, value) in zip(parts, parts, strict=True):
        if name in found:
            raise ValueError(f"{where} has {json.dumps(name)} twice")
        found[name] = value
    return found


def _parts(text: str) -> Iterator[tuple[Any, str]]:
    """Yield what is in an object (names too) or an array of valid JSON: each value and its text."""
    at = _behind(text, 0)
    while text[at] not in "]}":
        value, end = _GRAMMAR.raw_decode(text, at)
        yield value, text[at:end]
        at = _behind(text, end)


def _behind(text: str, at: int) -> int:
    """Return the place behind a bracket, a comma or a colon, if one is next, and its space."""
    found = _PUNCTUATION.match(text, at)
    return found.end() if found else at
