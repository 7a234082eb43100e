"""The starting state of a replay: copied from the live output into the replay's own.

A generator, as in `processor.partitions.takeover`: True is progress, False is waiting.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from typing import Final, NamedTuple

from processor.errors import FailClosed
from processor.partitions.commit import PositionCommit
from processor.ports.latest import Reading
from processor.ports.log import (
    Coordination,
    Outgoing,
    Publication,
    Record,
    Subscription,
    Topic,
)
from processor.replay.exact import ExactStart, Values
from processor.replay.plan import Plan
from processor.replay.spill import SpilledLacking, SpilledSeen
from processor.state.checkpoint import Position, Stream

_BATCH: Final = 5_000
_BATCH_BYTES: Final = 16 * 1024 * 1024


class LiveTopics(NamedTuple):
    """The live topics, asked and read."""

    coordination: Coordination
    scan: Reading


def processed(live: Coordination, partition: int) -> int:
    """Return up to which input offset the live service has come: beyond, nothing has ended."""
    committed = live.committed(partition, stable=False)
    if committed is None:
        return live.extent(Topic.UPDATES, partition).stable_end
    return committed.offset


def first_position(plan: Plan, coordination: Coordination) -> Callable[[int], Position]:
    """Return where partitions of a replay begin: with all to copy, unless nothing came before.

    One that is left out stands at the input's end, and goes nowhere.
    """

    def first(partition: int) -> Position:
        if partition not in plan.ranges:
            return Position(coordination.extent(Topic.UPDATES, partition).stable_end, 0, 0)
        start = plan.ranges[partition].start
        return Position(start, 0, 0, seeding=0 if plan.seeded(partition) else None)

    return first


class Seed:
    """Copies, of one partition at a time, each live record of an input offset below the start.

    What answers a former input is before any start.

    The last one of a key is its state; those before it are left out where they come close to it.
    That none was compacted away since the plan was made, is seen by what there is to copy. A
    transaction commits how far it has come with what it copied, under the group's membership: so
    nobody copies after another has begun to process.
    """

    def __init__(
        self,
        *,
        plan: Plan,
        values: Values,
        live: LiveTopics,
        subscription: Subscription,
        publication: Publication,
        stream: Stream,
    ) -> None:
        """Take the replay's own stream, and the live topics with how their values are read."""
        self._plan = plan
        self._values = values
        self._live = live
        self._commit = PositionCommit(stream, subscription, publication)

    def __call__(self, partition: int, position: Position) -> Generator[bool, None, Position]:
        """Copy what is left to copy; return the position after it.

        Raises what committing raises; then the partition is to be taken over anew. Raises
        FailClosed for a snapshot that cannot be read, and where one is gone that the state needs.
        """
        if position.seeding is None:
            return position
        end = self._plan.output_ends[partition]
        # What was copied before is read once more: a later snapshot may tell that one was gone.
        records = self._live.scan.read(Topic.SESSIONS, partition, 0, end)
        with closing(SpilledSeen()) as before, closing(SpilledLacking()) as lacking:
            start = self._plan.ranges[partition].start
            exact = ExactStart(start, before, lacking)
            end_of_input = processed(self._live.coordination, partition)
            for found in self._live.scan.read(Topic.UPDATES, partition, start, end_of_input):
                lacking.add(found, self._values.is_command)
                yield bool(found)
            for done, batch in self._batches(partition, records, position.seeding, exact):
                if batch:
                    after = position._replace(seeding=done)
                    position = yield from self._commit(partition, after, batch)
                yield bool(batch)
            yield from self._beyond(partition, end, exact)
            exact.finish()
        if not exact.exact:
            raise FailClosed(
                f"the replay's partition {partition} cannot begin at {exact.wished}, as it "
                f"could when it was asked for: {exact.why}",
                hint="drop the replay and begin another: `replay plan` tells the earliest start",
            )
        # What was copied of a former input may have any input offset.
        former = position.output if self._plan.former(partition) else None
        whole = position._replace(seeding=None, former=former)
        return (yield from self._commit(partition, whole, ()))

    def _beyond(self, partition: int, end: int, exact: ExactStart) -> Generator[bool, None, None]:
        """Tell `exact` what was published since: for that, too, what is older is compacted."""
        now = self._live.coordination.extent(Topic.SESSIONS, partition).end
        for records in self._live.scan.read(Topic.SESSIONS, partition, end, now):
            for record in records:
                exact.take(record, self._values.seen, 0)
            yield False

    def _batches(
        self,
        partition: int,
        chunks: Iterator[Sequence[Record]],
        copied: int,
        exact: ExactStart,
    ) -> Iterator[tuple[int, Sequence[Outgoing]]]:
        """Yield the live offset after each batch, with its last snapshot of each key.

        Up to `copied` they were copied before.
        """
        start, former = self._plan.ranges[partition].start, self._plan.former(partition)
        batch: dict[bytes | None, Outgoing] = {}
        size = done = 0
        for chunk in chunks:
            for record in chunk:
                done = record.offset + 1
                if exact.take(record, self._values.seen, former) >= start or record.offset < copied:
                    continue
                batch[record.key] = _copy(record)
                size += len(record.value or b"")
            if len(batch) >= _BATCH or size >= _BATCH_BYTES:
                yield done, [*batch.values()]
                batch, size = {}, 0
            else:
                yield done, ()
        if batch:
            yield done, [*batch.values()]


def _copy(record: Record) -> Outgoing:
    return Outgoing(
        Topic.SESSIONS, record.partition, record.timestamp, record.key, record.value, record.headers
    )
