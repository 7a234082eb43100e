"""Sums of carts, in double arithmetic."""

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from values import an_item, items

from processor.core.money import cart_sum, without_negative_zero
from processor.core.session import CartItem


@pytest.mark.parametrize(
    ("lines", "total"),
    [
        ([], 0.0),
        ([(0.1, 1)] * 3, 0.3),
        ([(0.1, 3)], 0.3),
        ([(19.99, 2), (5.0, 1)], 44.98),
        ([(0.0000005, 1)], 0.0),  # half to even
        ([(0.0000015, 1)], 0.000002),
        ([(-0.1, 1)] * 3, -0.3),
        ([(1e300, 2)], 2e300),
        ([(1e305, 1)], 1e305),  # its millionths overflow, it does not
    ],
)
def test_a_sum_is_rounded_to_millionths(lines: list[tuple[float, int]], total: float) -> None:
    assert cart_sum([an_item(price=price, quantity=count) for price, count in lines]) == total


def test_a_sum_with_2_to_the_53_millionths_stays_as_it_is() -> None:
    below, edge = math.nextafter(2**53 / 1e6, 0), 9007199254.740993
    assert abs(below * 1e6) < 2**53 <= edge * 1e6
    assert cart_sum([an_item(price=below)]) == round(below * 1e6) / 1e6
    assert cart_sum([an_item(price=edge)]) == edge


def test_an_overflow_is_not_finite() -> None:
    huge = an_item(price=1.7e308, quantity=2)
    assert cart_sum([huge]) == math.inf
    assert cart_sum([an_item(price=-1.7e308, quantity=2)]) == -math.inf
    assert math.isnan(cart_sum([huge, an_item(price=-1.7e308, quantity=2)]))


def test_the_order_of_items_is_the_order_of_additions() -> None:
    big, small = an_item(price=1e16), an_item(price=1.0)
    assert cart_sum([big, small, small]) == 1e16
    assert cart_sum([small, small, big]) == 1e16 + 2


@given(st.lists(items, max_size=6))
def test_a_sum_is_a_plain_loop_then_a_rounding(cart: list[CartItem]) -> None:
    total = 0.0
    for line in cart:
        total = total + line["price"] * line["quantity"]
    if abs(total * 1e6) < 2**53:
        total = float(round(total * 1e6)) / 1e6
    assert cart_sum(cart) == total


@given(st.floats())
def test_only_negative_zero_is_rewritten(total: float) -> None:
    kept = struct.pack("<d", total) if total or math.isnan(total) else bytes(8)
    after = without_negative_zero(total)
    assert struct.pack("<d", after) == kept or (math.isnan(total) and math.isnan(after))
