"""A customer session, as it is published after each accepted update."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple, NotRequired, TypedDict

from typing_extensions import ReadOnly

State = Literal["open", "closed", "cancelled"]

INITIAL: Final[State] = "open"
SUCCESSORS: Final[Mapping[State, frozenset[State]]] = {
    "open": frozenset({"closed", "cancelled"}),
    "closed": frozenset({"cancelled"}),
    "cancelled": frozenset(),
}

MAX_INT: Final = 2**31 - 1
"""The largest `int` of Avro."""
_KEY: Final = re.compile(r"([1-9][0-9]{0,9}):.+", re.DOTALL)
_NO_ENTRIES: Final[Mapping[str, Any]] = {}


class CartItem(TypedDict):
    """One line of a cart, named as in the schema; the fold passes it on without looking inside.

    `price` is in the currency's unit, `weight` and the measures in the shop's own; each value of
    `attributes` is one JSON text.
    """

    name: ReadOnly[str]
    sku: ReadOnly[str]
    quantity: ReadOnly[int]
    price: ReadOnly[float]
    category: NotRequired[ReadOnly[str | None]]
    weight: NotRequired[ReadOnly[float | None]]
    height: NotRequired[ReadOnly[float | None]]
    width: NotRequired[ReadOnly[float | None]]
    length: NotRequired[ReadOnly[float | None]]
    position: NotRequired[ReadOnly[float | None]]
    attributes: NotRequired[ReadOnly[Mapping[str, str] | None]]


class Session(NamedTuple):
    """The fields of a CustomerSession, in the order of its schema: a customer's, then our own.

    `created` and `updated` are event times in milliseconds since 1970; each value of `attributes`
    is one JSON text; `event_memory` holds the hashes of the last accepted event ids (see `memory`).
    The defaults make a session before its first update: of version 0, empty and anonymous.
    """

    integration_id: str
    created: int
    application_id: int
    profile_id: str = ""
    coupon: str = ""
    referral: str = ""
    state: State = INITIAL
    cart_items: Sequence[CartItem] = ()
    identifiers: Sequence[str] = ()
    total: float = 0.0
    attributes: Mapping[str, str] = _NO_ENTRIES
    first_session: bool = True
    discounts: Mapping[str, float] = _NO_ENTRIES
    previous_state: State | None = None
    version: int = 0
    updated: int = 0
    last_event_id: str = ""
    input_offset: int = -1
    event_memory: bytes = b""


def may_follow(current: State, named: str) -> bool:
    """Whether an update may name `named`. To name the current state is no transition."""
    return named == current or named in SUCCESSORS[current]


def in_schema(name: str) -> str:
    """Return a field's name as the schemas spell it."""
    first, *more = name.split("_")
    return first + "".join(map(str.capitalize, more))


def session_key(application_id: int, integration_id: str) -> str:
    """Return the key of a session's records: `{applicationId}:{integrationId}`."""
    return f"{application_id}:{integration_id}"


def profile_key(application_id: int, profile_id: str) -> str:
    """Return the key of a profile's claim: `{applicationId}:{profileId}`."""
    return f"{application_id}:{profile_id}"


def is_key(text: str) -> bool:
    """Whether a session or a profile can have such a key."""
    form = _KEY.fullmatch(text)
    return form is not None and int(form[1]) <= MAX_INT
