"""Updates as people and other programs write them: one JSON object a line.

They are read as the service reads JSON from its input (docs/contract.md, "JSON"), and all that the
fold would refuse is refused; more forms of a time are taken, and a time in another unit is not.
`eventTime` and `eventId` are made where they are absent.
"""

import re
import time
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from math import isfinite
from typing import Final
from uuid import uuid4

from processor.cli.common.moments import iso_ms, refuse_other_unit
from processor.core.session import CartItem
from processor.core.update import UPDATE_FIELDS, SessionUpdate
from processor.core.validate import validate
from processor.formats.json_grammar import Fault, Mismatch, read_text
from processor.formats.json_update import complete, message, time_reader, update_reader
from processor.formats.json_values import double, integer


def parse_update(line: str, made_id: str | None = None) -> SessionUpdate:
    """Return the update that a line says; its values are such as no rule of the fold's refuses.

    `made_id` is the event id of a line that gives none, a random one by default. Raises ValueError
    that says, for people, what is wrong with the line.
    """
    made = {"eventId": made_id or str(uuid4()), "eventTime": time.time_ns() // 1_000_000}
    try:
        update = complete(made | read_text(line, _UPDATE))
    except Mismatch as mismatch:
        meant = Mismatch([each._replace(what=_advised(each)) for each in mismatch.faults], None)
        raise ValueError(message(meant, "the line")) from None
    wrong = validate(update)
    if isinstance(wrong, str):
        raise ValueError(wrong)  # noqa: TRY004  of the line's values, not the caller's types
    return update


_of_text = time_reader(iso_ms)


def _moment(text: str, at: int) -> tuple[int, int]:
    """Read a time; one in another unit than milliseconds is refused as what it is."""
    if text[at : at + 1] == '"':
        found: tuple[int, int] = _of_text(text, at)
        return found
    number, end = double(text, at)
    if isfinite(number):
        try:
            refuse_other_unit(int(number) if text[at:end].isdecimal() else number)
        except ValueError as error:
            raise Mismatch([Fault("", str(error))], end) from None
    return integer(text, at)


_UPDATE: Final = update_reader(_moment)

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


def _advised(fault: Fault) -> str:
    """Return what is wrong, with the field that a name seems to mean."""
    if not fault.no_field:
        return fault.what
    outer, _, name = fault.place.rpartition(".")
    return fault.what + _meant(name, CartItem.__annotations__ if outer else UPDATE_FIELDS)


def _meant(name: str, of: Iterable[str]) -> str:
    fields = {each.lower(): each for each in of}
    bare = re.sub(r"[^a-z]", "", name.lower())
    near = get_close_matches(bare, fields, n=1, cutoff=0.8)
    meant = _MEANT.get(bare, fields[near[0]] if near else None)
    return f" (did you mean {meant}?)" if meant in fields.values() else ""
