"""Rule 3, value by value."""

import math
from typing import Any

import pytest
from hypothesis import given
from values import OPTIONAL, an_item, an_update, updates

from processor.core.money import cart_sum, without_negative_zero
from processor.core.update import SessionUpdate
from processor.core.validate import validate

LAST_MILLISECOND = 253_402_300_799_999
NOT_FINITE = (math.nan, math.inf, -math.inf)


def valid(**changes: Any) -> SessionUpdate:
    update = validate(an_update(**changes))
    assert isinstance(update, SessionUpdate), update
    return update


INVALID: list[tuple[dict[str, Any], str]] = [
    ({"event_id": ""}, "eventId"),
    ({"integration_id": ""}, "integrationId"),
    *(({"application_id": number}, "applicationId") for number in (0, -1, 2**31, -(2**63))),
    *(({"event_time": time}, "eventTime") for time in (-1, LAST_MILLISECOND + 1, 2**63 - 1)),
    ({"cart_items": [an_item(), an_item(sku="")]}, "cartItems[1].sku"),
    *(
        ({"cart_items": [an_item(quantity=number)]}, "cartItems[0].quantity")
        for number in (0, -1, 2**31)
    ),
    *(({"cart_items": [an_item(price=number)]}, "cartItems[0].price") for number in NOT_FINITE),
    *(
        ({"cart_items": [an_item(**{measure: number})], "total": 1.0}, f"cartItems[0].{measure}")
        for measure in OPTIONAL
        for number in NOT_FINITE
    ),
    ({"cart_items": [an_item(attributes={"a": "1", "b": "x"})]}, 'cartItems[0].attributes["b"]'),
    ({"attributes": {"a": "1", "b": ""}}, 'attributes["b"]'),
    *(({"total": number}, "total") for number in NOT_FINITE),
    *(({"discounts": {"a": 1.0, "b": number}}, 'discounts["b"]') for number in NOT_FINITE),
    ({"cart_items": [an_item(price=1e308, quantity=2)]}, "the sum of cartItems"),
    (
        {"cart_items": [an_item(price=1e308 * sign, quantity=2) for sign in (1, -1)]},
        "the sum of cartItems",
    ),
]


@pytest.mark.parametrize(("changes", "named"), INVALID)
def test_an_invalid_value_is_named(changes: dict[str, Any], named: str) -> None:
    wrong = validate(an_update(**changes))
    assert isinstance(wrong, str)
    assert wrong.startswith(named)


@pytest.mark.parametrize(
    "changes",
    [
        {"application_id": 1},
        {"application_id": 2**31 - 1},
        {"event_time": 0},
        {"event_time": LAST_MILLISECOND},
        {"profile_id": "", "coupon": "", "referral": ""},
        {"identifiers": [""]},
        {"attributes": {"": "1", "gone": None}},
        {"discounts": {"": -1.5, "gone": None}},
        {"total": -math.ulp(0.0)},
        {"cart_items": [an_item(name="", price=-1.0, category="")], "total": 1.7e308},
        {"cart_items": [an_item(attributes={"": "{}"}, weight=-1.0)], "total": 0.5},
        {"cart_items": [{"name": "", "sku": "a", "quantity": 1, "price": 1.0}], "total": 1.0},
    ],
)
def test_a_value_at_the_edge_is_valid(changes: dict[str, Any]) -> None:
    assert valid(**changes) == an_update(**changes)


def test_a_sum_that_overflows_is_not_used_beside_a_total() -> None:
    assert valid(cart_items=[an_item(price=1e308, quantity=2)], total=3.0).total == 3.0


def test_a_cart_without_a_total_sets_it() -> None:
    assert valid(cart_items=[an_item(price=0.1)] * 3).total == 0.3
    assert valid(cart_items=[]).total == 0.0
    assert valid().total is None


def test_a_total_of_negative_zero_given_or_summed_is_zero() -> None:
    for update in (valid(total=-0.0), valid(cart_items=[an_item(price=-0.0)])):
        assert update.total == 0.0
        assert math.copysign(1.0, update.total) == 1.0


@given(updates())
def test_nothing_but_the_total_of_a_valid_update_is_settled(update: SessionUpdate) -> None:
    total = update.total
    if total is None and update.cart_items is not None:
        total = cart_sum(update.cart_items)
    expected = None if total is None else without_negative_zero(total)
    assert validate(update) == update._replace(total=expected)
