"""What the demo's shop sells and what its visitors say, valid and not."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from processor.core.session import CartItem
from processor.core.update import REQUIRED_FIELDS, UPDATE_FIELDS

Document = dict[str, Any]
"""An update or a cart item under the schema's names, as a producer fills it in."""


def item(name: str, sku: str, price: float, quantity: int = 1, **optional: object) -> Document:
    """Return a cart item, with null for each optional field that is not given."""
    return {
        "name": name,
        "sku": sku,
        "quantity": quantity,
        "price": price,
        **dict.fromkeys(CartItem.__optional_keys__),
        **optional,
    }


PRODUCTS: Final[Sequence[Document]] = (
    item("Trail shoe", "SHOE-41-G", 119.9, category="shoes", weight=0.62),
    item("Wool socks", "SOCK-M", 12.5),
    item("Rain jacket", "JACK-L-B", 189.0, category="jackets", attributes={"colour": '"blue"'}),
    item("Head torch", "TORCH-2", 44.95, weight=0.09, height=4.0, width=6.2, length=4.4),
    item("Water bottle", "BOTTLE-1L", 17.0),
    item("Energy bar", "BAR-NUT", 2.3, category="food", attributes={"vegan": "true"}),
    item("Tent", "TENT-2P", 349.0, category="tents", weight=2.1, length=46.0),
    item("Rope, 60 m", "ROPE-60", 154.9, attributes={"norm": '["EN 892", "UIAA 101"]'}),
    item("Gloves", "GLOVE-S", 29.99),
    item("Carte IGN 3630 OT", "MAP-3630OT", 0.1, category="cartes"),
    item("寝袋", "BAG-900", 279.0, category="寝袋", weight=0.94),
    item("Gift card", "GIFT", 50.0),
)
PAGES: Final = tuple(json.dumps(f"/{name}") for name in ("", "shoes", "tents", "sale", "basket"))
DEVICES: Final = ('"phone"', '"tablet"', '"desktop"')
TRAITS: Final[Sequence[tuple[str, str]]] = (
    ("screen", '{"width": 1170, "height": 2532, "touch": true}'),
    ("tests", '[{"name": "checkout", "arm": "b"}]'),
    ("returning", "true"),
    ("score", "0.731"),
    ("region", '"Auvergne-Rhône-Alpes"'),
    ("consent", "null"),
)
COUPONS: Final = ("WELCOME10", "SUMMER", "FREESHIP", "VIP-2024")
REFERRALS: Final = ("newsletter", "friend:b7c1", "search", "https://blog.example/tents")
CHANNELS: Final = (b"web", b"app", b"till")

UNUSUAL_JSON: Final[Sequence[str]] = (
    *("1e999", "-0", "-0.0e-0", '"\\ud800"', '{"a": 1, "a": 2}', " [ ] ", "\t\r\n0\n", '"\x7f"'),
    *("[" * 64 + "]" * 64, '{"a":' * 64 + "1" + "}" * 64, "9" * 5_000, '"\u2028\ufeff"', '""'),
    '"' + "[" * 100 + '"',
)
"""JSON texts that are valid by the grammar, whatever a parser may make of them."""

NOT_JSON: Final[Sequence[str]] = (
    *("", " ", "nan", "NaN", "Infinity", "-Infinity", "tru", "nulll", "01", "1.", ".5", "+1", "1e"),
    *("{", "[1,]", '{"a" 1}', '{"a": 1,}', "{1: 2}", "{[]: 2}", "1 2", "'a'", '"', '"\\x"', '"\n"'),
    *(
        "\ufeff1",
        '"\\ud80"',
        "\xa01",
        "[1 2]",
        "]",
        "/**/1",
        "1_000",
        "٣",
        "-",
        "[" * 65 + "]" * 65,
    ),
    *('{"a":' * 65 + "1" + "}" * 65, "[" * 100_000, '{"":' * 20_000),
)
"""Texts that are not one JSON value nested at most 64 deep."""

BLANK: Final[Mapping[str, None]] = dict.fromkeys(
    name for name in UPDATE_FIELDS if name not in REQUIRED_FIELDS
)
"""The fields of an update that may be null."""
