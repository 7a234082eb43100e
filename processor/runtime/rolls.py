"""When segments are to roll, so that Kafka cleans what has ended lately."""

from collections.abc import Callable, Mapping
from typing import Final

from processor.ports.clock import Clock
from processor.ports.log import Outgoing, Topic
from processor.ports.segments import rolling
from processor.state.checkpoint import Owned

_MARGIN: Final = 20
"""By what part two turns are longer than a segment: one that is as old to the millisecond stays."""


class SegmentRolls:
    """Asks once in each turn for a tombstone in each partition that has ended something lately.

    Turns are those of the time of day, a bit longer than half of `segment.ms`: so a segment is
    closed once it is one and a half times as old at the latest, which the topics' dates allow. It
    needs no memory: whoever begins to own a partition does its turn once more. Claims are spread
    over all partitions of their topic, so that each of these gets one, too.
    """

    def __init__(self, clock: Clock, roll_ms: int, gone_ms: int, claims: Callable[[], int]) -> None:
        """Take the topics' `segment.ms`, after what time an end is gone, and what counts claims'.

        `claims` may raise what `Coordination` does.
        """
        self._clock = clock
        self._turn_ms = max(1, (roll_ms + roll_ms // _MARGIN) // 2)
        self._gone_ms = gone_ms
        self._claims = claims
        self._turns: dict[int, int] = {}
        """The turn that is over, by owned partition."""
        self._lately: list[int] = []
        self._claims_turn = -1

    def due(self, owned: Mapping[int, Owned]) -> list[Outgoing]:
        """Return the tombstones to publish now, until `done` says that they are."""
        turn = self._now()
        since = self._clock.now_ms() - self._gone_ms
        before = self._turns
        self._turns = {each: before.get(each, turn - 1) for each in owned}
        self._lately = []
        for partition, each in owned.items():
            if self._turns[partition] != turn:
                ended = each.position.ended
                if ended is not None and ended > since:
                    self._lately.append(partition)
                else:
                    self._turns[partition] = turn
        if not self._lately:
            return []
        claims = 0 if self._claims_turn == turn else self._claims()
        return [
            *(rolling(Topic.SESSIONS, partition) for partition in self._lately),
            *(rolling(Topic.CLAIMS, partition) for partition in range(claims)),
        ]

    def done(self) -> None:
        """Take note that this turn is over."""
        self._claims_turn = self._now()
        self._turns.update(dict.fromkeys(self._lately, self._claims_turn))

    def _now(self) -> int:
        return self._clock.now_ms() // self._turn_ms
