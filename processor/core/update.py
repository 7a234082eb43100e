"""One change to a session, as it came in."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from processor.core.session import CartItem


class SessionUpdate(NamedTuple):
    """A SessionUpdate record. None leaves a field as it is, a present value replaces it.

    `event_time` is in milliseconds since 1970. `offset` is the record's offset in its input
    partition. In `attributes` and `discounts` a None value removes the key.
    """

    event_id: str
    event_time: int
    application_id: int
    integration_id: str
    profile_id: str | None
    coupon: str | None
    referral: str | None
    state: str | None
    cart_items: Sequence[CartItem] | None
    identifiers: Sequence[str] | None
    total: float | None
    attributes: Mapping[str, str | None] | None
    discounts: Mapping[str, float | None] | None
    offset: int

    @property
    def changes_fields(self) -> bool:
        """Whether any field besides the state is present; an empty one counts."""
        return not (
            self.profile_id is None
            and self.coupon is None
            and self.referral is None
            and self.cart_items is None
            and self.identifiers is None
            and self.total is None
            and self.attributes is None
            and self.discounts is None
        )
