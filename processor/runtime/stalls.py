"""Partitions that have records, and deliver none."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from processor.ports.clock import Clock
from processor.ports.log import Ends, Subscription
from processor.telemetry.held_up import HeldUp

STALLED_S: Final = 30.0
"""For how long a partition stands before it counts as stalled, and after each remedy."""
BEHIND_OTHERS_S: Final = 300.0
"""The same while each poll is full: what has arrived may wait behind what came before."""
RENEW_AGAIN_S: Final = 600.0
"""How often the consumer may be renewed, which costs every partition of the process a takeover."""


@dataclass
class _Standing:
    """Where a partition stands with records ahead, and what was done about it."""

    position: int
    since: float
    since_ms: int
    stalled: bool = False
    renewed_at: float | None = None


class StallWatch:
    """Judges by what leaders answered; a partition without an answer is not judged."""

    def __init__(
        self,
        subscription: Subscription,
        flowing: Callable[[], Mapping[int, int]],
        held_up: HeldUp,
        clock: Clock,
        behind_others_s: float = BEHIND_OTHERS_S,
    ) -> None:
        """`flowing` returns the next offset of each partition that nothing of ours holds back."""
        self._subscription = subscription
        self._flowing = flowing
        self._held_up = held_up
        self._clock = clock
        self._behind_others_s = behind_others_s
        self._standing: dict[int, _Standing] = {}
        self._drained_at = clock.monotonic()
        self._dropped = False
        self._renew_consumer_at = clock.monotonic()

    def polled(self, *, full: bool) -> None:
        """Note that records were asked for; `full`: there may be more at hand."""
        if not full:
            self._drained_at = self._clock.monotonic()

    def dropped(self) -> None:
        """Note that a batch was dropped: its records came, so a renewed fetch mends nothing."""
        self._dropped = True

    def look(self, ends: Mapping[int, Ends]) -> bool:
        """Compare with the ends that were answered; return whether the consumer is to be renewed.

        1. Who moved, or has nothing ahead, is well.
        2. Who stands for half a minute is stalled, and its fetch is renewed.
        3. Who still stands half a minute later has the consumer renewed, unless that was lately.
        """
        flowing = dict(self._flowing())
        for partition in self._subscription.blocked():
            flowing.pop(partition, None)
        for partition in self._standing.keys() - flowing.keys():
            del self._standing[partition]
            self._held_up.not_stalled(partition)
        passed = self._subscription.positions(list(flowing))
        stalled = []
        for partition, offset in flowing.items():
            if partition not in ends:
                self._unanswered(partition)
                continue
            position = max(offset, passed.get(partition, 0))
            standing = self._stands(partition, position, ends[partition].stable_end)
            if standing is not None and self._is_stalled(partition, standing, ends[partition]):
                stalled.append(partition)
        dropped, self._dropped = self._dropped, False
        return not dropped and self._renew({each: flowing[each] for each in stalled})

    def _unanswered(self, partition: int) -> None:
        """Begin anew with a partition that was about to be called stalled: that is no evidence."""
        standing = self._standing.get(partition)
        if standing is not None and not standing.stalled:
            del self._standing[partition]

    def _stands(self, partition: int, position: int, stable_end: int) -> _Standing | None:
        standing = self._standing.get(partition)
        if stable_end > position and standing is not None and standing.position == position:
            return standing
        self._held_up.moves(partition)
        self._standing.pop(partition, None)
        if stable_end > position:
            now = self._clock.monotonic()
            self._standing[partition] = _Standing(position, now, self._clock.now_ms())
        return None

    def _is_stalled(self, partition: int, standing: _Standing, ends: Ends) -> bool:
        drained = self._drained_at - standing.since >= STALLED_S / 2
        limit = STALLED_S if drained else self._behind_others_s
        if not standing.stalled and self._clock.monotonic() - standing.since >= limit:
            standing.stalled = True
            self._held_up.stalled(partition, standing.position, ends.stable_end, standing.since_ms)
        return standing.stalled

    def _renew(self, stalled: Mapping[int, int]) -> bool:
        now = self._clock.monotonic()
        again = []
        for partition, offset in stalled.items():
            standing = self._standing[partition]
            if standing.renewed_at is not None and now - standing.renewed_at < STALLED_S:
                continue
            if standing.renewed_at is not None and now >= self._renew_consumer_at:
                again.append(partition)
                continue
            standing.renewed_at = now
            self._subscription.resume({partition: offset})
            self._held_up.fetch_renewed(partition, offset)
        if again:
            self._renew_consumer_at = now + RENEW_AGAIN_S
            self._held_up.consumer_renewed(again)
        return bool(again)
