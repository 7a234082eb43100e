"""One visitor of the demo's shop: the session that they drive, update by update."""

from collections.abc import Callable
from itertools import accumulate
from random import Random
from typing import ClassVar, Final

from processor.demo.catalogue import (
    BLANK,
    COUPONS,
    DEVICES,
    PAGES,
    PRODUCTS,
    REFERRALS,
    TRAITS,
    UNUSUAL_JSON,
    Document,
    item,
)

_LENGTHS: Final = (2, 3, 4, 5, 6, 6, 8, 8, 10, 12, 14, 18, 25, 40)
_LATE_MS: Final = 240_000

_Change = Callable[["Shopper", Document], None]


class Shopper:
    """A session and what was sent for it. `profile` is set some way into the visit, if at all."""

    def __init__(self, random: Random, application: int, number: int, profile: str | None) -> None:
        self._random = random
        self._profile = profile
        self._events = 0
        self._cart: list[Document] = []
        self.application_id = application
        self.integration_id = f"s-{number:06d}-{random.getrandbits(24):06x}"
        self.steps_left = random.choice(_LENGTHS)
        self.next_profile: str | None = None
        self.state = "open"
        self.sent: list[tuple[bytes, int]] = []
        """Each ordinary update's bytes and timestamp."""

    def blank(self, now: int) -> Document:
        """Return an update of this session that changes nothing, with the next event id."""
        self._events += 1
        return {
            "eventId": f"{self.integration_id}/{self._events}",
            "eventTime": now,
            "applicationId": self.application_id,
            "integrationId": self.integration_id,
            **BLANK,
        }

    def step(self, now: int) -> Document:
        """Return the next update of an ordinary visit; some arrive late."""
        late = self._random.random() < 0.05  # noqa: PLR2004  a share
        update = self.blank(now - self._random.randrange(_LATE_MS) if late else now)
        self.steps_left -= 1
        if self._events == 1:
            self._arrive(update)
        elif self.state != "open":
            self._after_the_end(update)
        elif self.steps_left <= 0:
            self._end(update)
        else:
            [change] = self._random.choices(self._changes, cum_weights=self._cumulative)
            change(self, update)
        return update

    def _arrive(self, update: Document) -> None:
        update["attributes"] = {"page": PAGES[0], "device": self._random.choice(DEVICES)}
        update["state"] = self._random.choice((None, "open"))
        if self._random.random() < 0.3:  # noqa: PLR2004  a share
            update["referral"] = self._random.choice(REFERRALS)

    def _end(self, update: Document) -> None:
        update["state"] = self._random.choice(("closed", "closed", "closed", "cancelled"))
        if self._random.random() < 0.3:  # noqa: PLR2004  a share
            update["attributes"] = {"paid": '{"by": "card", "last": "4242"}'}
        self.state = update["state"]

    def _after_the_end(self, update: Document) -> None:
        """Cancel what was bought, or say again how it ended."""
        update["state"] = self._random.choice((self.state, "cancelled"))
        self.state = update["state"]

    def _visit(self, update: Document) -> None:
        update["attributes"] = {"page": self._random.choice(PAGES)}
        if self._random.random() < 0.3:  # noqa: PLR2004  a share
            update["attributes"].update([self._random.choice(TRAITS)])

    def _forget_trait(self, update: Document) -> None:
        update["attributes"] = {self._random.choice(TRAITS)[0]: None, "device": None}

    def _add(self, update: Document) -> None:
        quantity = self._random.choice((1, 1, 1, 2, 3))
        self._cart = [*self._cart, {**self._random.choice(PRODUCTS), "quantity": quantity}]
        update["cartItems"] = self._cart

    def _take_out(self, update: Document) -> None:
        self._cart = self._cart[1:]
        update["cartItems"] = self._cart

    def _price(self, update: Document) -> None:
        """Give the total, with or without the cart, instead of leaving it to be summed."""
        update["total"] = round(self._random.uniform(5, 900), 2)
        update["cartItems"] = self._random.choice((None, self._cart))

    def _coupon(self, update: Document) -> None:
        update["coupon"] = self._random.choice((*COUPONS, ""))
        update["discounts"] = {self._random.choice(COUPONS): -5.0, "shipping": -4.9}

    def _drop_discounts(self, update: Document) -> None:
        update["discounts"] = {"shipping": None, self._random.choice(COUPONS): None}

    def _refer(self, update: Document) -> None:
        update["referral"] = self._random.choice((*REFERRALS, ""))

    def _identify(self, update: Document) -> None:
        """Sign in; the second time as somebody else where there is one, or sign out."""
        update["profileId"] = self._profile
        if self._profile is None:
            update["identifiers"] = [f"device:{self.integration_id[-6:]}"]
        elif self.next_profile is not None:
            self._profile, self.next_profile = self.next_profile, None

    def _identifiers(self, update: Document) -> None:
        numbers = (self._random.randrange(10_000) for _ in range(self._random.randrange(4)))
        update["identifiers"] = [f"loyalty:{number:04d}" for number in numbers]

    def _still_open(self, update: Document) -> None:
        update["state"] = "open"

    def _nothing(self, update: Document) -> None:
        """Leave every field null: accepted all the same."""

    def _unusual(self, update: Document) -> None:
        """Say something valid that few would say."""
        update.update(self._random.choice(_UNUSUAL))
        if update["attributes"] is None and self._random.random() < 0.5:  # noqa: PLR2004
            update["attributes"] = {"odd": self._random.choice(UNUSUAL_JSON)}

    _weights: ClassVar[dict[_Change, int]] = {
        _visit: 30,
        _add: 26,
        _identify: 14,
        _take_out: 5,
        _coupon: 5,
        _price: 4,
        _refer: 3,
        _identifiers: 3,
        _forget_trait: 3,
        _drop_discounts: 3,
        _unusual: 4,
        _still_open: 2,
        _nothing: 2,
    }
    _changes: ClassVar[tuple[_Change, ...]] = tuple(_weights)
    _cumulative: ClassVar[tuple[int, ...]] = tuple(accumulate(_weights.values()))


_TENTHS: Final = [item(f"tenth {n}", f"T{n}", 0.1) for n in range(3)]
_UNUSUAL: Final[tuple[Document, ...]] = (
    {"cartItems": _TENTHS},
    {"cartItems": [item("refund", "R", -25.0), item("bag", "B", 25.0)]},
    {"cartItems": [item("nothing", "N", -0.0)]},
    {"cartItems": [item("palace", "P", 1.2345678912345e17, quantity=3)]},
    {"cartItems": [item("too much", "M", 1.7e308, quantity=9)], "total": 1.0},
    {"cartItems": [item("crumb", "C", 5e-7), item("tick", "K", 2.5e-6, attributes={})]},
    {"cartItems": [item("most", "Q", 0.01, quantity=2**31 - 1, position=-0.0)]},
    {"cartItems": [], "total": -0.0},
    {"total": -1e-300},
    {"total": 1.7976931348623157e308},
    {"eventTime": 0},
    {"eventTime": 253_402_300_799_999},
    {"profileId": ""},
    {"coupon": "", "referral": "", "identifiers": [], "attributes": {}, "discounts": {}},
    {"coupon": "\x00\n\u200b𝄞" * 20},
    {"identifiers": ["", "", "\ufeff"]},
    {"discounts": {"": -0.0, "never given": None, "tiny": 5e-324}},
    {"attributes": {"": "0", "never given": None}},
)
