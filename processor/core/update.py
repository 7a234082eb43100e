"""One change to a session, as it came in."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from processor.core.session import CartItem, in_schema


class SessionUpdate(NamedTuple):
    """A SessionUpdate record, in the order of its schema. None leaves a field as it is.

    `event_time` is in milliseconds since 1970. In the fields that are `MERGED` a None value removes
    the key. `offset` is the record's offset in its input partition, -1 where it has none as yet.
    """

    event_id: str
    event_time: int
    application_id: int
    integration_id: str
    profile_id: str | None = None
    coupon: str | None = None
    referral: str | None = None
    state: str | None = None
    cart_items: Sequence[CartItem] | None = None
    identifiers: Sequence[str] | None = None
    total: float | None = None
    attributes: Mapping[str, str | None] | None = None
    discounts: Mapping[str, float | None] | None = None
    offset: int = -1

    @property
    def changed(self) -> list[str]:
        """The fields besides the state that are present; an empty one counts."""
        return [in_schema(name) for name in _CHANGES if getattr(self, name) is not None]


MERGED: Final = ("attributes", "discounts")
"""The fields that an update changes key by key."""

UPDATE_FIELDS: Final = tuple(in_schema(name) for name in SessionUpdate._fields if name != "offset")
"""The record's fields in the order of `SessionUpdate`, whose last one is no field."""

REQUIRED_FIELDS: Final = tuple(
    in_schema(name) for name in SessionUpdate._fields if name not in SessionUpdate._field_defaults
)
"""Those of them that are never null."""

REPLACED: Final = tuple(
    name for name in SessionUpdate._field_defaults if name not in {*MERGED, "state", "offset"}
)
"""The fields that a present value replaces: all others that may be None, besides the state."""

_CHANGES: Final = (*REPLACED, *MERGED)
