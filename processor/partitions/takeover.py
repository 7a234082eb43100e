"""Taking a partition over: who held it, is it ours, where to go on, and by whose leave.

What waits is a generator: it yields True when it got on and False when it has to wait for others,
and the runner, which keeps the group membership alive by polling, asks it again.
"""

from collections.abc import Callable, Generator
from typing import Literal

from processor.errors import FailClosed
from processor.partitions.commit import PositionCommit
from processor.partitions.committed import REPAIR, Found, OffsetFault, partition_name
from processor.partitions.fencing import identity_in, stable_offset
from processor.partitions.published import compare, published_without_offset
from processor.ports.clock import Clock
from processor.ports.log import (
    Committed,
    Coordination,
    Publication,
    Scan,
    Subscription,
    Topic,
)
from processor.state.checkpoint import Position, Stream

Start = Literal["earliest", "latest"] | int
"""Where a virgin partition starts: an end of the log, or a time in milliseconds since 1970."""


First = Callable[[int], Position]
"""Returns where a partition begins that has no history. Asks the brokers."""


class Takeover:
    """Takes partitions over, one call a partition (docs/adr/0002-fencing-and-ownership.md)."""

    def __init__(
        self,
        *,
        stream: Stream,
        topics: Callable[[Topic], str],
        first: First,
        subscription: Subscription,
        publication: Publication,
        coordination: Coordination,
        scan: Scan,
        clock: Clock,
        mixed_framing: bool = False,
    ) -> None:
        """Take the parts; with `mixed_framing` the output may hold values framed otherwise."""
        self._stream = stream
        self._topics = topics
        self._first = first
        self._subscription = subscription
        self._publication = publication
        self._commit = PositionCommit(stream, subscription, publication)
        self._coordination = coordination
        self._scan = scan
        self._clock = clock
        self._mixed_framing = mixed_framing

    def take_over(self, partition: int) -> Generator[bool, None, Position]:
        """Make an assigned partition this process's own; return where it stands.

        1. The membership is captured: whatever is committed below, is committed under it.
        2. A former owner's open transaction is waited for, then fenced.
        3. What is committed is checked against what the topics hold. Raises FailClosed where they
           differ, and the offset is still the one that was compared.
        4. The unchanged offset is committed with this process's own metadata, so that the next
           owner knows whom to fence.

        Raises what committing raises; then it is to be called again.
        """
        if partition >= self._stream.partitions:
            name = partition_name(Topic.UPDATES, partition, self._topics)
            raise FailClosed(
                f"{name} was added: the input had {self._stream.partitions} partitions, and now "
                "keys move between them",
                hint=REPAIR,
            )
        while (membership := self._subscription.confirmed()) is None:
            yield False
        committed = yield from self._stable_offset(partition)
        yield True
        position = yield from self._checked(partition, committed)
        return self._commit.under(membership, {partition: position})[partition]

    def holds(self, partition: int) -> Generator[bool, None, bool]:
        """Return whether what is committed of a partition is still what this process committed."""
        committed = yield from self._stable_offset(partition)
        own = self._publication.identity()
        return committed is not None and identity_in(committed, self._stream.cluster) == own

    def _stable_offset(self, partition: int) -> Generator[bool, None, Committed | None]:
        own = self._publication.identity()
        return stable_offset(partition, self._coordination, self._stream.cluster, self._clock, own)

    def _checked(
        self, partition: int, committed: Committed | None
    ) -> Generator[bool, None, Position]:
        """Return where the offset says that the partition stands.

        This process may have stood still since it was told, while another had the partition: then
        the topics have moved on from the offset, and a later one is committed.
        """
        while isinstance(found := (yield from self._compared(partition, committed)), OffsetFault):
            now = yield from self._stable_offset(partition)
            if now == committed:
                raise FailClosed(found.message, hint=found.hint)
            committed = now
        return found

    def _compared(
        self, partition: int, committed: Committed | None
    ) -> Generator[bool, None, Position | OffsetFault]:
        if committed is None:
            fault = yield from published_without_offset(
                partition, self._coordination, self._topics, self._scan
            )
            return fault or self._first(partition)
        updates = self._coordination.extent(Topic.UPDATES, partition)
        output = self._coordination.extent(Topic.SESSIONS, partition)
        checked = yield from compare(
            Found(partition, committed, updates, output),
            self._stream,
            self._topics,
            self._scan,
            mixed_framing=self._mixed_framing,
        )
        return checked if isinstance(checked, OffsetFault) else checked.position(committed.offset)


def first_position(start: Start, coordination: Coordination) -> First:
    """Return what begins partitions at an end of the log or at a time."""

    def first(partition: int) -> Position:
        updates = coordination.extent(Topic.UPDATES, partition)
        if start == "earliest":
            return Position(updates.start, 0, 0)
        if start == "latest":
            return Position(updates.stable_end, 0, 0)
        return Position(coordination.offset_at(partition, start), 0, 0)

    return first
