"""The starting state of a replay: copied from the live output into the replay's own.

A generator, as in `processor.partitions.takeover`: True is progress, False is waiting.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Final

from processor.partitions.commit import PositionCommit
from processor.ports.log import (
    Coordination,
    Outgoing,
    Publication,
    Record,
    Scan,
    Subscription,
    Topic,
)
from processor.replay.plan import Plan
from processor.state.checkpoint import Position, Stream

_BATCH: Final = 5_000
_BATCH_BYTES: Final = 16 * 1024 * 1024


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
    """Copies, of one partition at a time, each live snapshot of an input offset below the start.

    What answers a former input is before any start.

    The last one of a key is its state; those before it are left out where they come close to it. A
    transaction commits how far it has come with what it copied, under the group's membership: so
    nobody copies after another has begun to process.
    """

    def __init__(
        self,
        *,
        plan: Plan,
        input_offset: Callable[[bytes], int],
        live: Scan,
        subscription: Subscription,
        publication: Publication,
        stream: Stream,
    ) -> None:
        """Take the replay's own stream; `live` reads the live topics.

        `input_offset` returns a snapshot's.
        """
        self._plan = plan
        self._input_offset = input_offset
        self._live = live
        self._commit = PositionCommit(stream, subscription, publication)

    def __call__(self, partition: int, position: Position) -> Generator[bool, None, Position]:
        """Copy what is left to copy; return the position after it.

        Raises what committing raises, and FailClosed for a snapshot that cannot be read; then the
        partition is to be taken over anew.
        """
        if position.seeding is None:
            return position
        end = self._plan.output_ends[partition]
        records = self._live.read(Topic.SESSIONS, partition, position.seeding, end)
        for done, batch in self._batches(partition, records):
            if batch:
                after = position._replace(seeding=done)
                position = yield from self._commit(partition, after, batch)
            yield bool(batch)
        # What was copied of a former input may have any input offset.
        former = position.output if self._plan.former(partition) else None
        whole = position._replace(seeding=None, former=former)
        return (yield from self._commit(partition, whole, ()))

    def _batches(
        self, partition: int, chunks: Iterator[Sequence[Record]]
    ) -> Iterator[tuple[int, Sequence[Outgoing]]]:
        """Yield the live offset after each batch, with its last snapshot of each key."""
        start, former = self._plan.ranges[partition].start, self._plan.former(partition)
        batch: dict[bytes | None, Outgoing] = {}
        size = done = 0
        for chunk in chunks:
            for record in chunk:
                done = record.offset + 1
                answers_this = record.value is not None and record.offset >= former
                if answers_this and self._input_offset(record.value or b"") >= start:
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
