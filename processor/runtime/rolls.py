"""When segments are to roll, so that Kafka cleans what has ended lately."""

from collections.abc import Callable, Mapping
from typing import Final

from processor.ports.clock import Clock
from processor.ports.log import Outgoing, Topic
from processor.ports.segments import rolling
from processor.state.checkpoint import Owned

_MARGIN: Final = 20
"""By what part a turn is longer than a segment: one that is as old to the millisecond stays."""


class SegmentRolls:
    """Asks once in each turn for a tombstone in each partition that has ended something lately.

    Turns are those of the time of day, a bit longer than `segment.ms`, so that it needs no memory:
    a process that begins within a turn leaves that one to whoever was there before. Claims are
    spread over all partitions of their topic, so that each of these gets one, too.
    """

    def __init__(self, clock: Clock, roll_ms: int, gone_ms: int, claims: Callable[[], int]) -> None:
        """Take the topics' `segment.ms`, after what time an end is gone, and what counts claims'.

        `claims` may raise what `Coordination` does.
        """
        self._clock = clock
        self._turn_ms = max(1, roll_ms + roll_ms // _MARGIN)
        self._gone_ms = gone_ms
        self._claims = claims
        self._turn = self._now()

    def due(self, owned: Mapping[int, Owned]) -> list[Outgoing]:
        """Return the tombstones to publish now, until `done` says that they are."""
        if self._now() == self._turn:
            return []
        since = self._clock.now_ms() - self._gone_ms
        lately = [
            partition
            for partition, each in owned.items()
            if each.position.ended is not None and each.position.ended > since
        ]
        if not lately:
            self.done()
            return []
        return [
            *(rolling(Topic.SESSIONS, partition) for partition in lately),
            *(rolling(Topic.CLAIMS, partition) for partition in range(self._claims())),
        ]

    def done(self) -> None:
        """Take note that this turn is over."""
        self._turn = self._now()

    def _now(self) -> int:
        return self._clock.now_ms() // self._turn_ms
