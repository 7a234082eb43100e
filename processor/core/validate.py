"""Rule 3: values that no update may carry."""

from collections.abc import Iterable
from math import isfinite
from typing import Final, Protocol

from processor.core.json_text import MAX_DEPTH, is_json_text
from processor.core.money import cart_sum, without_negative_zero
from processor.core.session import MAX_INT, CartItem
from processor.core.shown import shown
from processor.core.update import SessionUpdate

MAX_EVENT_TIME: Final = 253_402_300_799_999
"""9999-12-31T23:59:59.999Z in milliseconds since 1970."""

_MEASURES: Final = ("weight", "height", "width", "length", "position")


def validate(update: SessionUpdate) -> SessionUpdate | str:
    """Return the update with its total settled, or what is wrong with it, for people.

    The total is settled when it is the one given or, for a cart without one, the cart's sum, and
    is not −0.0: nothing after this looks inside a cart item.
    """
    wrong = (
        wrong_identity(update)
        or _wrong_cart(update.cart_items or ())
        or (update.attributes and _wrong_json("attributes", update.attributes.items()))
        or (update.discounts and _wrong_discount(update))
    )
    if wrong:
        return wrong
    total = update.total
    if total is None:
        if update.cart_items is None:
            return update
        total = cart_sum(update.cart_items)
        if not isfinite(total):
            return "the sum of cartItems is not a finite number"
    elif not isfinite(total):
        return f"total is {total}, not a finite number"
    return update._replace(total=without_negative_zero(total))


class _Identified(Protocol):
    @property
    def event_id(self) -> str: ...
    @property
    def event_time(self) -> int: ...
    @property
    def application_id(self) -> int: ...
    @property
    def integration_id(self) -> str: ...


def wrong_identity(update: _Identified) -> str | None:
    """Return what is wrong with what names a record and its session, for people."""
    if not update.event_id:
        return "eventId is empty"
    if not update.integration_id:
        return "integrationId is empty"
    if not 1 <= update.application_id <= MAX_INT:
        return f"applicationId is {update.application_id}, not from 1 to {MAX_INT}"
    if not 0 <= update.event_time <= MAX_EVENT_TIME:
        return f"eventTime is {update.event_time}, outside the years 1970 to 9999"
    return None


def _wrong_cart(items: Iterable[CartItem]) -> str | None:
    for place, item in enumerate(items):
        if not item["sku"]:
            return f"cartItems[{place}].sku is empty"
        if not 1 <= item["quantity"] <= MAX_INT:
            return f"cartItems[{place}].quantity is {item['quantity']}, not from 1 to {MAX_INT}"
        if not isfinite(item["price"]):
            return f"cartItems[{place}].price is {item['price']}, not a finite number"
        for measure in _MEASURES:
            value = item.get(measure)
            if value is not None and not isfinite(value):  # type: ignore[arg-type]  # all doubles
                return f"cartItems[{place}].{measure} is {value}, not a finite number"
        attributes = item.get("attributes")
        if attributes:
            wrong = _wrong_json(f"cartItems[{place}].attributes", attributes.items())
            if wrong:
                return wrong
    return None


def _wrong_json(field: str, values: Iterable[tuple[str, str | None]]) -> str | None:
    for name, text in values:
        if text is not None and not is_json_text(text):
            what = f"is not one JSON text nested at most {MAX_DEPTH} deep"
            return f"{field}[{shown(name)}] {what}: {shown(text)}"
    return None


def _wrong_discount(update: SessionUpdate) -> str | None:
    for name, amount in (update.discounts or {}).items():
        if amount is not None and not isfinite(amount):
            return f"discounts[{shown(name)}] is {amount}, not a finite number"
    return None
