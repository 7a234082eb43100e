"""The benchmark's stream: small, valid and alike, so that only the processor is measured.

Sessions of ten updates each; a visit's cart grows from one item to five (three in the mean) and is
closed with the last; about 200 bytes an update.
"""

from collections.abc import Iterator
from random import Random
from typing import Final

from processor.demo.catalogue import BLANK, Document, item
from processor.demo.encoding import EncodeUpdate
from processor.demo.rejects import document_key
from processor.demo.traffic import START, DemoUpdate, Partitioner

UPDATES_A_SESSION: Final = 10
_NAMES: Final = ("Trail shoe", "Wool socks", "Rain jacket", "Head torch", "Bottle", "Rope")


def lean_updates(
    count: int,
    *,
    seed: int,
    sessions_at_once: int = 1_000,
    start: int = START,
    partition: Partitioner | None = None,
) -> Iterator[DemoUpdate]:
    """Yield `count` updates, every one of which is accepted; one session in five has a profile."""
    encode = EncodeUpdate()
    for update in lean_documents(count, seed, start, sessions_at_once):
        key = document_key(update)
        yield DemoUpdate(
            key, encode(update), (), update["eventTime"], partition(key) if partition else None
        )


def lean_documents(
    count: int, seed: int, start: int, sessions_at_once: int = 1_000
) -> Iterator[Document]:
    """Yield those updates as their fields."""
    random = Random(seed)
    goods = [item(name, f"SKU-{number:04d}", 9.99 + number) for number, name in enumerate(_NAMES)]
    visits = [(number, 0) for number in range(sessions_at_once)]
    born = sessions_at_once
    for number in range(count):
        place = random.randrange(sessions_at_once)
        session, step = visits[place]
        yield _update(session, step, start + number, goods)
        visits[place] = (session, step + 1)
        if step + 1 == UPDATES_A_SESSION:
            visits[place] = (born, 0)
            born += 1


def _update(session: int, step: int, now: int, goods: list[Document]) -> Document:
    first = session % len(goods)
    return {
        "eventId": f"{session:08x}-{step:04x}-4000-8000-{session:012x}",
        "eventTime": now,
        "applicationId": 1,
        "integrationId": f"s-{session:08d}",
        **BLANK,
        "cartItems": (goods[first:] + goods[:first])[: step // 2 + 1],
        "profileId": f"p-{session // 2:07d}" if step == 1 and session % 5 == 0 else None,
        "attributes": {"page": '"/basket"'},
        "state": "closed" if step == UPDATES_A_SESSION - 1 else None,
    }
