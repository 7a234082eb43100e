"""Commits of batches, and the stores that follow them, beside the thread of the loop (ADR 19)."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future
from typing import NamedTuple

from processor.partitions.commit import next_output, with_metadata
from processor.ports.claims import Claims, ClaimsNotReady
from processor.ports.clock import Clock
from processor.ports.log import Membership, Publication, Record
from processor.ports.sessions import Stamp
from processor.ports.tracing import NO_TRACING, Tracing
from processor.runtime.batch import Batch, trace_of
from processor.stages.batch import PARTITION, Changed, RejectedRecord, last_of_each
from processor.state.checkpoint import Owned, Position, Stream
from processor.state.record_cache import RecordCache
from processor.state.restore import Restore
from processor.telemetry.metrics import Metrics


class _Commit(NamedTuple):
    """A batch whose commit is on the wire."""

    records: Sequence[Record]
    batch: Batch
    positions: Future[dict[int, Position]]
    """Where its partitions stand once it is committed."""


class _Store(NamedTuple):
    """A committed batch that Redis is about to have."""

    partitions: set[int]
    batch: Batch
    seconds: Future[float]
    """How long that took."""


class Commits:
    """Commits one batch at a time, then has it stored, which may last into the next one's commit.

    One thread calls it. Where what is under way may fail, its fault comes from the call that awaits
    it.
    """

    def __init__(
        self,
        *,
        executor: Executor,
        publication: Publication,
        claims: Claims,
        stream: Stream,
        restore: Restore,
        records: RecordCache,
        store: Callable[[Changed, Mapping[int, tuple[Stamp, bytes]]], None],
        metrics: Metrics,
        clock: Clock,
        count: Callable[[Sequence[Record], Sequence[RejectedRecord]], None] | None = None,
        tell_committed: Callable[[Sequence[Record], Sequence[RejectedRecord]], None],
        tracing: Tracing = NO_TRACING,
    ) -> None:
        """Take the parts; `count` is told each committed batch's records and dead letters.

        `executor` does one thing at a time, in turn, beside the caller's thread. `tell_committed`
        is told records and dead letters too, those of commands included.
        """
        self._executor = executor
        self._publication = publication
        self._claims = claims
        self._stream = stream
        self._restore = restore
        self._records = records
        self._store = store
        self._metrics = metrics
        self._clock = clock
        self._count = count
        self._tell_committed = tell_committed
        self._tracing = tracing
        self.owned: dict[int, Owned] = {}
        """Where each owned partition stands; a stamp may be one that Redis is about to have."""
        self._commit: _Commit | None = None
        self._storing: _Store | None = None

    @property
    def records(self) -> Sequence[Record]:
        """The records whose commit is on the wire: `owned` does not know of them yet."""
        return () if self._commit is None else self._commit.records

    @property
    def batches(self) -> Sequence[Batch]:
        """The batch whose commit is on the wire, if there is one."""
        return () if self._commit is None else (self._commit.batch,)

    @property
    def partitions(self) -> set[int]:
        """The partitions of what is under way."""
        stored = set() if self._storing is None else self._storing.partitions
        return stored.union(map(PARTITION, self.records))

    def begin(self, records: Sequence[Record], batch: Batch, membership: Membership) -> None:
        """Begin the commit of a batch that was sent; none is on the wire."""
        positions = self._executor.submit(self._committed, records, batch, membership)
        self._commit = _Commit(records, batch, positions)

    def finish(self) -> None:
        """Await all that is under way."""
        self.await_commit()
        self.await_store()

    def await_commit(self, *, stores: bool = True) -> None:
        """Await the commit that is on the wire, if there is one.

        What is committed is noted and counted and, unless a restore follows, its store begins;
        claims that an erase removed go then. Raises what became of it, and of the store before it.
        """
        if self._commit is None:
            return
        records, batch, waiting = self._commit
        self._commit = None
        try:
            positions = waiting.result()
        finally:
            del waiting  # it has what it raises, whose traceback has this frame
        if self._count is not None:
            self._count(*batch.updates(records))
        checkpoints = self._noted(batch, positions) if stores else {}
        self._metrics.traced(trace_of(batch.traced))
        self._tell_committed(records, batch.letters)
        seconds = self._clock.monotonic() - batch.start
        batch.count(self._metrics, seconds)
        if batch.traced:
            self._tracing.committed(batch.traced, batch.taken, seconds)
        self._metrics.cache(
            hits=batch.hits,
            misses=batch.misses,
            held_bytes=self._records.size,
            sessions=self._records.sessions,
        )
        if stores:
            self.await_store()
            storing = self._executor.submit(self._stored, batch.changed, checkpoints)
            self._storing = _Store(set(positions), batch, storing)
        if batch.ended_claims:
            for partition, position in positions.items():
                self._claims.finish_removals(partition, position.offset)

    def await_store(self) -> None:
        """Wait until Redis has what was committed before. Raises CacheLost and CacheUnavailable."""
        if self._storing is None:
            return
        _, batch, waiting = self._storing
        self._storing = None
        try:
            seconds = waiting.result()
        finally:
            del waiting
        self._metrics.traced(trace_of(batch.traced))
        self._metrics.stored(seconds)

    def _committed(
        self, records: Sequence[Record], batch: Batch, membership: Membership
    ) -> dict[int, Position]:
        """Commit a batch that was sent; return where its partitions stand then.

        1. All is flushed: the brokers have each record, and tell where the output's ends are.
        2. The claims that it was folded upon still hold.
        3. The input offsets after the batch, with metadata that names the output's ends, are
           committed with it under the membership that the records were fetched under.
        """
        before_commit = self._clock.monotonic()
        # 1. Flush
        ends = self._publication.flush()
        # 2. Claims
        if batch.claimed and not self._claims.is_current(batch.generation):
            raise ClaimsNotReady("the claims were lost while the batch was published")
        # 3. Commit
        positions = self._positions(records, ends, batch)
        offsets = with_metadata(positions, self._stream, self._publication.identity())
        self._publication.commit(offsets, membership)
        batch.commit_seconds = self._clock.monotonic() - before_commit
        if records[0].timestamp > 0:
            batch.waited_ms = max(0, self._clock.now_ms() - records[0].timestamp)
        return positions

    def _positions(
        self, records: Sequence[Record], ends: Mapping[int, int], batch: Batch
    ) -> dict[int, Position]:
        """Return where each partition of a batch stands once it is committed."""
        positions = {}
        for partition, record in last_of_each(records).items():
            before = self.owned[partition].position
            positions[partition] = before._replace(
                offset=record.next_offset,
                output=next_output(partition, before, ends),
                commands=before.commands or partition in batch.commanded,
                ended=self._clock.now_ms() if partition in batch.ended else before.ended,
            )
        return positions

    def _noted(
        self, batch: Batch, positions: Mapping[int, Position]
    ) -> dict[int, tuple[Stamp, bytes]]:
        """Note what is committed; return what its store is to write."""
        checkpoints = self._checkpoints(positions)
        for partition, (stamp, checkpoint) in checkpoints.items():
            self.owned[partition] = self.owned[partition]._replace(
                position=positions[partition], stamp=Stamp(stamp.generation, checkpoint)
            )
        for partition, snapshots in batch.changed.items():
            self._records.put(partition, snapshots)
        return checkpoints

    def _checkpoints(self, positions: Mapping[int, Position]) -> dict[int, tuple[Stamp, bytes]]:
        """Return the stamp that stands of each partition, and the checkpoint that is to follow."""
        identity = self._publication.identity()
        return {
            partition: (
                self.owned[partition].stamp,
                self._restore.checkpoint(position, identity).encode(),
            )
            for partition, position in positions.items()
        }

    def _stored(self, changed: Changed, checkpoints: Mapping[int, tuple[Stamp, bytes]]) -> float:
        since = self._clock.monotonic()
        self._store(changed, checkpoints)
        return self._clock.monotonic() - since
