"""Positions that are committed though no record came: what was passed, and what stands still."""

from collections.abc import Callable, Collection, Mapping
from typing import Final, NamedTuple

from processor.partitions.commit import PositionCommit
from processor.ports.clock import Clock
from processor.ports.log import Subscription, Topic
from processor.runtime.pipeline import Pipeline
from processor.runtime.rolls import SegmentRolls
from processor.state.checkpoint import Position

LOOK_S: Final = 3.0
"""How long a partition stands at what it passed before that is committed: a busy one's next batch
commits more."""
RECOMMIT_S: Final = 3_600.0
"""After how long an offset that stands still is committed again. Brokers forget one that is as old
as `offsets.retention.minutes`, a week by default: with `group.protocol=consumer` by the age of the
commit itself, however long the group lives (KIP-848)."""


class _Standing(NamedTuple):
    """How a partition stood when it was last looked at."""

    committed: int
    passed: int
    since: float
    """Since when this is committed, as far as known."""


class IdleCommit:
    """Commits positions of owned partitions between batches, as fenced as a batch is.

    Markers and aborted records have offsets and no records: an offset that stays before them would
    show lag for ever, and lie outside the log once retention has emptied it, as if updates had
    expired that were not processed. With them go the tombstones that let segments roll.
    """

    def __init__(
        self,
        *,
        pipeline: Pipeline,
        subscription: Subscription,
        commit: PositionCommit,
        clock: Clock,
        rolls: SegmentRolls,
        interval: float = 0.0,
        ends: Mapping[int, int] | None = None,
    ) -> None:
        """Take the least seconds between two commits; with `ends`, the offsets not to go beyond.

        Towards ends there is nothing to wait for, no offset grows old, and no segment is to roll.
        """
        self._pipeline = pipeline
        self._subscription = subscription
        self._commit = commit
        self._clock = clock
        self._rolls = rolls
        self._interval = max(LOOK_S, interval)
        self._ends = ends
        self._look_at = 0.0
        self._known: dict[int, _Standing] = {}

    def __call__(self, flowing: Callable[[], Collection[int]]) -> None:
        """Commit what is due; `flowing` are partitions of which all that was taken is processed.

        What is owned besides is committed as it stands. Raises what committing raises.
        """
        now = self._clock.monotonic()
        if self._ends is None and now < self._look_at:
            return
        membership = self._subscription.confirmed()
        if membership is None:
            return
        self._look_at = now + self._interval
        due = self._due(flowing(), now)
        tombstones = self._rolls.due(self._pipeline.owned) if self._ends is None else ()
        for each in tombstones:
            if each.topic is Topic.SESSIONS and each.partition is not None:
                due.setdefault(each.partition, self._pipeline.owned[each.partition].position)
        if due:
            for partition, position in self._commit.under(membership, due, tombstones).items():
                owned = self._pipeline.owned[partition]
                self._pipeline.owned[partition] = owned._replace(position=position)
                self._known[partition] = _Standing(position.offset, position.offset, now)
        if tombstones:
            self._rolls.done()

    def _due(self, flowing: Collection[int], now: float) -> dict[int, Position]:
        passed = self._subscription.positions(list(flowing))
        due, known = {}, {}
        for partition, owned in self._pipeline.owned.items():
            position = owned.position
            at = passed.get(partition, 0)
            if self._ends is not None:
                at = min(at, self._ends[partition])
            at = max(at, position.offset)
            before = self._known.get(partition)
            if before is None or before.committed != position.offset:
                before = _Standing(position.offset, -1, now)
            old = self._ends is None and now - before.since >= RECOMMIT_S
            rests = at == before.passed if self._ends is None else at == self._ends[partition]
            if old or (rests and at > position.offset):
                due[partition] = position._replace(offset=at)
            known[partition] = before._replace(passed=at)
        self._known = known
        return due
