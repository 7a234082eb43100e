"""A seeded stream of updates as a shop's traffic would make it, with all that goes wrong."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Final, NamedTuple

from processor.demo.catalogue import CHANNELS
from processor.demo.encoding import EncodeUpdate
from processor.demo.rejects import Rejects, Scene, document_key
from processor.demo.shopper import Shopper

START: Final = 1_717_200_000_000
"""2024-06-01T00:00:00Z in milliseconds: when a stream begins unless told otherwise."""

REMEMBERED: Final = 16
_APPLICATIONS: Final = (1, 1, 2, 7)
_PROFILES_AT_ONCE: Final = 12
_GAP_MS: Final = 90
_INHERITED: Final = (("source", None), ("__streams.errors.exception", b"an earlier attempt's"))

Headers = tuple[tuple[str, bytes | None], ...]


class DemoUpdate(NamedTuple):
    """One record to produce. `timestamp` is in milliseconds; no partition: by the key."""

    key: bytes | None
    value: bytes | None
    headers: Headers
    timestamp: int
    partition: int | None


Partitioner = Callable[[bytes | None], int]


@dataclass(frozen=True, slots=True)
class Mix:
    """What a stream is made of. Shares are of all updates; the rest is ordinary traffic."""

    rejects: float = 0.04
    duplicates: float = 0.04
    too_large_every: int = 8_000
    snapshot_limit: int = 900_000
    sessions_at_once: int = 300


REALISTIC: Final = Mix()


def updates(
    count: int,
    *,
    seed: int,
    mix: Mix = REALISTIC,
    start: int = START,
    partition: Partitioner | None = None,
) -> Iterator[DemoUpdate]:
    """Yield `count` updates: the same ones for the same arguments.

    `partition` chooses by key; without it the producer's partitioner does.
    """
    traffic = _Traffic(Random(seed), mix, start)  # noqa: S311  seeded so as to be repeated
    for number in range(count):
        key, value, headers, timestamp = traffic.next(number)
        yield DemoUpdate(key, value, headers, timestamp, partition(key) if partition else None)


_Sent = tuple[bytes | None, bytes | None, Headers, int]


class _Traffic:
    """The visits under way, the sessions that ended lately, and the profiles to come again."""

    def __init__(self, random: Random, mix: Mix, start: int) -> None:
        self._random = random
        self._mix = mix
        self._now = start
        self._encode = EncodeUpdate()
        self._rejects = Rejects(self._encode)
        self._shoppers = 0
        self._profiles_made = 0
        self._profiles: dict[int, list[tuple[str, int]]] = {}
        self._ended: deque[Shopper] = deque(maxlen=mix.sessions_at_once)
        self._visits = [self._arrival() for _ in range(mix.sessions_at_once)]

    def next(self, number: int) -> _Sent:
        self._now += self._random.randrange(_GAP_MS)
        if number % self._mix.too_large_every == self._mix.too_large_every // 2:
            return *self._rejects.too_large(self._scene(), self._mix.snapshot_limit), (), self._now
        kind = self._random.random()
        if kind < self._mix.rejects:
            return self._reject()
        if kind < self._mix.rejects + self._mix.duplicates:
            return self._again() or self._ordinary()
        return self._ordinary()

    def _ordinary(self) -> _Sent:
        place = self._random.randrange(len(self._visits))
        shopper = self._visits[place]
        update = shopper.step(self._now)
        value, timestamp = self._encode(update), update["eventTime"]
        shopper.sent.append((value, timestamp))
        if shopper.steps_left < 0 or (shopper.state != "open" and self._random.random() < 0.7):  # noqa: PLR2004
            self._visits[place] = self._arrival()
            if shopper.state != "open":
                self._ended.append(shopper)
        return document_key(update), value, self._headers(), timestamp

    def _again(self) -> _Sent | None:
        """Send again, as a retry does, one of the last 16 of a session, or one long forgotten."""
        visits = self._ended if self._ended and self._random.random() < 0.3 else self._visits  # noqa: PLR2004
        shopper = self._random.choice(visits)
        far = len(shopper.sent) > REMEMBERED and self._random.random() < 0.5  # noqa: PLR2004
        candidates = shopper.sent[:-REMEMBERED] if far else shopper.sent[-REMEMBERED:]
        if not candidates:
            return None
        value, timestamp = self._random.choice(candidates)
        key = f"{shopper.application_id}:{shopper.integration_id}".encode()
        return key, value, self._headers(), timestamp

    def _reject(self) -> _Sent:
        key, value = self._rejects(self._scene())
        headers = _INHERITED if self._random.random() < 0.1 else self._headers()  # noqa: PLR2004
        return key, value, headers, self._now

    def _scene(self) -> Scene:
        visit = self._random.choice([each for each in self._visits if each.state == "open"])
        ended = self._random.choice(self._ended) if self._ended else visit
        self._shoppers += 1
        stranger = Shopper(self._random, 1, self._shoppers, None)
        return Scene(self._random, self._now, visit, ended, stranger)

    def _headers(self) -> Headers:
        return (("source", self._random.choice(CHANNELS)),)

    def _arrival(self) -> Shopper:
        self._shoppers += 1
        application = self._random.choice(_APPLICATIONS)
        known = self._random.random() < 0.6  # noqa: PLR2004
        profile = self._profile(application) if known else None
        shopper = Shopper(self._random, application, self._shoppers, profile)
        if profile and self._random.random() < 0.15:  # noqa: PLR2004
            shopper.next_profile = self._random.choice(("", self._profile(application)))
        return shopper

    def _profile(self, application: int) -> str:
        """Return a new profile, or one that is to come again: each in two to six sessions."""
        known = self._profiles.setdefault(application, [])
        if known and (len(known) == _PROFILES_AT_ONCE or self._random.random() < 0.7):  # noqa: PLR2004
            place = self._random.randrange(len(known))
            profile, left = known[place]
            known[place] = (profile, left - 1)
            if left == 1:
                del known[place]
            return profile
        self._profiles_made += 1
        profile = f"p-{self._profiles_made:05d}"
        known.append((profile, self._random.randint(1, 5)))
        return profile
