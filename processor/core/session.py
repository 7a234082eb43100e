"""A customer session, as it is published after each accepted update."""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, NotRequired, TypedDict

from typing_extensions import ReadOnly

State = Literal["open", "closed", "cancelled"]


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
    """The 13 fields of the CustomerSession document, then the processor's own.

    `created` and `updated` are event times in milliseconds since 1970; each value of `attributes`
    is one JSON text; `memory` holds the hashes of the last accepted event ids (see `memory`).
    """

    integration_id: str
    created: int
    application_id: int
    profile_id: str
    coupon: str
    referral: str
    state: State
    cart_items: Sequence[CartItem]
    identifiers: Sequence[str]
    total: float
    attributes: Mapping[str, str]
    first_session: bool
    discounts: Mapping[str, float]
    previous_state: State | None
    version: int
    updated: int
    last_event_id: str
    input_offset: int
    memory: bytes


def session_key(application_id: int, integration_id: str) -> str:
    """Return the key of a session's records: `{applicationId}:{integrationId}`."""
    return f"{application_id}:{integration_id}"


def profile_key(application_id: int, profile_id: str) -> str:
    """Return the key of a profile's claim: `{applicationId}:{profileId}`."""
    return f"{application_id}:{profile_id}"
