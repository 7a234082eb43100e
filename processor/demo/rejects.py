"""Updates that must be rejected: every reason, each in the many ways in which it comes about."""

from collections.abc import Callable, Mapping, Sequence
from itertools import cycle
from random import Random
from typing import Final, NamedTuple

from processor.core.outcome import Reason
from processor.core.session import session_key
from processor.demo.catalogue import NOT_JSON, PRODUCTS, Document, item
from processor.demo.encoding import EncodeUpdate
from processor.demo.shopper import Shopper

_INF: Final = float("inf")
_NAN: Final = float("nan")
_HUGE_LENGTH: Final = b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01"
"""The varint of 2⁶³ − 1."""


class Scene(NamedTuple):
    """What a rejected update is made from; `ended` is a session that was closed or cancelled."""

    random: Random
    now: int
    open: Shopper
    ended: Shopper
    stranger: Shopper
    """A session that never was."""


Keyed = tuple[bytes | None, bytes | None]
Spoil = Callable[[Random, bytes], bytes | None]


def document_key(update: Document) -> bytes:
    """Return the key that the update must have."""
    return session_key(update["applicationId"], update["integrationId"]).encode()


def _random_bytes(random: Random, _: bytes) -> bytes:
    return random.randbytes(random.randrange(1, 400))


def _flipped(random: Random, value: bytes) -> bytes:
    """Change one byte of the body: most often undecodable, at times only different."""
    place = random.randrange(10, len(value))
    return value[:place] + random.randbytes(1) + value[place + 1 :]


UNDECODABLE: Final[Sequence[Spoil]] = (
    lambda _random, _value: None,
    lambda _random, _value: b"",
    _random_bytes,
    _flipped,
    lambda random, value: value[: random.randrange(1, len(value))],
    lambda random, value: value[:10] + random.randbytes(random.randrange(1, 300)),
    lambda _random, value: value + b"\x00",
    lambda _random, value: value + value,
    lambda random, value: value[:2] + random.randbytes(8) + value[10:],
    lambda _random, value: b"\x00\x00\x00\x00\x07" + value[10:],
    lambda _random, value: value[10:],
    lambda _random, value: value[:10],
    lambda _random, value: value[:10] + _HUGE_LENGTH + value[11:],
    lambda _random, value: value[:10] + b"\x01" + value[11:],
    lambda _random, value: value[:-1] + b"\x02" + _HUGE_LENGTH,
    lambda _random, value: value[:-1] + b"\x02\x01\xff",
    lambda _random, value: value[:-1] + b"\x7e",
    lambda _random, value: value[:11] + b"\xff" + value[12:],
    lambda _random, _value: b'{"eventId": "1", "applicationId": 1}',
)
"""Each spoils the bytes of a valid update whose last field is null."""

FOREIGN_KEYS: Final[Sequence[Callable[[bytes], bytes | None]]] = (
    lambda _key: None,
    lambda _key: b"",
    lambda key: key + b" ",
    lambda key: b"0" + key,
    lambda key: b"9" + key,
    lambda key: key.upper(),
    lambda key: key[:-1] + b"\xff",
    lambda key: key.split(b":")[1],
)


def _goods(**spoilt: object) -> Document:
    return {"cartItems": [PRODUCTS[0], {**PRODUCTS[1], **spoilt}]}


INVALID: Final[Sequence[Document]] = (
    {"eventId": ""},
    {"integrationId": ""},
    {"applicationId": 0},
    {"applicationId": -7},
    {"applicationId": 2**31},
    {"eventTime": -1},
    {"eventTime": 253_402_300_800_000},
    {"eventTime": -(2**63)},
    {"eventTime": 2**63 - 1},
    {"total": _NAN},
    {"total": -_INF, "cartItems": []},
    {"discounts": {"a": 1.0, "b": _NAN}},
    {"discounts": {"a": _INF}},
    _goods(sku=""),
    _goods(quantity=0),
    _goods(quantity=-1),
    _goods(quantity=2**31),
    _goods(quantity=-(2**31) - 1),
    _goods(price=_NAN),
    _goods(price=_INF),
    _goods(weight=_INF),
    _goods(height=_NAN),
    _goods(width=-_INF),
    _goods(length=_NAN),
    _goods(position=_INF),
    {"total": 1.0, **_goods(price=-_INF)},
    {"cartItems": [item("much", "M", 1e308), item("more", "N", 1e308)]},
    {"cartItems": [item("much", "M", 1e308, quantity=2), item("less", "N", -1e308, quantity=2)]},
    *({"attributes": {"fine": "1", "odd": text}} for text in NOT_JSON),
    *(_goods(attributes={"odd": text}) for text in NOT_JSON[:6]),
)

NOT_OPEN: Final[Sequence[Document]] = (
    {"profileId": "p-late"},
    {"profileId": ""},
    {"coupon": "LATE"},
    {"referral": ""},
    {"cartItems": []},
    {"cartItems": [PRODUCTS[2]]},
    {"identifiers": []},
    {"total": 0.0},
    {"attributes": {}},
    {"discounts": {"late": None}},
    {"state": "cancelled", "coupon": "LATE"},
)


class Rejects:
    """Makes one rejected update after another, the reasons and their causes in turn."""

    def __init__(self, encode: EncodeUpdate) -> None:
        self._encode = encode
        self._reasons = cycle(_TURNS)
        self._spoil = cycle(UNDECODABLE)
        self._foreign = cycle(FOREIGN_KEYS)
        self._invalid = cycle(INVALID)
        self._not_open = cycle(NOT_OPEN)

    def __call__(self, scene: Scene) -> Keyed:
        """Return the key and the value of the next."""
        return self._make[next(self._reasons)](self, scene)

    def _undecodable(self, scene: Scene) -> Keyed:
        update = scene.open.blank(scene.now)
        value = self._encode({**update, "coupon": "SUMMER"})
        return document_key(update), next(self._spoil)(scene.random, value)

    def _key_mismatch(self, scene: Scene) -> Keyed:
        update = scene.open.blank(scene.now)
        return next(self._foreign)(document_key(update)), self._encode(update)

    def _invalid_value(self, scene: Scene) -> Keyed:
        return self._keyed({**scene.open.blank(scene.now), **next(self._invalid)})

    def _unknown_session(self, scene: Scene) -> Keyed:
        state = scene.random.choice(("closed", "cancelled"))
        return self._keyed({**scene.stranger.blank(scene.now), "state": state})

    def _transition(self, scene: Scene) -> Keyed:
        state = "closed" if scene.ended.state == "cancelled" else "open"
        coupon = scene.random.choice((None, "AGAIN"))
        return self._keyed({**scene.ended.blank(scene.now), "state": state, "coupon": coupon})

    def _session_not_open(self, scene: Scene) -> Keyed:
        return self._keyed({**scene.ended.blank(scene.now), **next(self._not_open)})

    def too_large(self, scene: Scene, limit: int) -> Keyed:
        """Return an update whose snapshot passes `limit` bytes; every other one names a profile."""
        update = scene.open.blank(scene.now)
        profile = scene.random.choice((None, f"p-large-{scene.now}"))
        text = '"' + "x" * limit + '"'
        return self._keyed({**update, "profileId": profile, "attributes": {"large": text}})

    def _keyed(self, update: Document) -> Keyed:
        return document_key(update), self._encode(update)

    _make: Final[Mapping[Reason, Callable[["Rejects", Scene], Keyed]]] = {
        Reason.UNDECODABLE: _undecodable,
        Reason.KEY_MISMATCH: _key_mismatch,
        Reason.INVALID_VALUE: _invalid_value,
        Reason.UNKNOWN_SESSION: _unknown_session,
        Reason.TRANSITION_NOT_ALLOWED: _transition,
        Reason.SESSION_NOT_OPEN: _session_not_open,
    }


_TURNS: Final = (
    *(Reason.UNDECODABLE, Reason.INVALID_VALUE, Reason.TRANSITION_NOT_ALLOWED),
    *(Reason.INVALID_VALUE, Reason.SESSION_NOT_OPEN, Reason.UNDECODABLE, Reason.KEY_MISMATCH),
    *(Reason.INVALID_VALUE, Reason.UNKNOWN_SESSION, Reason.SESSION_NOT_OPEN),
)
