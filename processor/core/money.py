"""Sums in double arithmetic, the same on every platform."""

from collections.abc import Iterable
from math import isfinite

from processor.core.session import CartItem

_MICROS = 1e6
_EXACT = 2.0**53


def cart_sum(items: Iterable[CartItem]) -> float:
    """Return price × quantity, added in item order and rounded half to even at 10⁻⁶.

    Beyond 2⁵³ millionths a double has no such digit left and the sum stays as it is. The result is
    not finite when the sum overflows. (A plain loop: `sum` compensates from Python 3.12 on.)
    """
    total = 0.0
    for item in items:
        total += item["price"] * item["quantity"]
    micros = total * _MICROS
    return round(micros) / _MICROS if isfinite(micros) and abs(micros) < _EXACT else total


def without_negative_zero(total: float) -> float:
    """Return the total with −0.0 written as 0.0."""
    return total + 0.0
