"""The story of a batch: decode → load → fold → encode → publish (one transaction) → store."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from itertools import chain
from typing import Final

from processor.partitions.commit import next_output, with_metadata
from processor.ports.claims import Claims, ClaimsNotReady, ClaimsPending
from processor.ports.clock import Clock
from processor.ports.log import Membership, Publication, Record
from processor.ports.sessions import CacheUnavailable, Stamp
from processor.ports.tracing import NO_TRACING, Sampled, Tracing
from processor.runtime.batch import Batch, Commit, gives_up_claims, trace_of
from processor.runtime.fold_part import FoldPart
from processor.stages.batch import Changed, Decoded, Folded, RejectedRecord
from processor.state.checkpoint import Owned, Position, Stream
from processor.state.record_cache import RecordCache
from processor.state.restore import Restore
from processor.telemetry.metrics import Metrics

PART: Final = 4_000
"""Records that are decoded, loaded, folded and sent at once."""


class Pipeline:
    """Takes batches of owned partitions through the stages. One thread calls it.

    While a batch's commit is on the wire, the next batch is folded (ADR 19).
    """

    def __init__(
        self,
        *,
        decode: Callable[[Sequence[Record]], list[Decoded]],
        fold: FoldPart,
        publish: Callable[[Folded], None],
        store: Callable[[Changed, Mapping[int, tuple[Stamp, bytes]]], dict[int, Stamp]],
        claims: Claims,
        stream: Stream,
        restore: Restore,
        records: RecordCache,
        publication: Publication,
        commits: Executor,
        metrics: Metrics,
        clock: Clock,
        count: Callable[[Sequence[Record], Sequence[RejectedRecord]], None] | None = None,
        tell_committed: Callable[[Sequence[Record], Sequence[RejectedRecord]], None],
        fold_limit: int,
        part: int = PART,
        tracing: Tracing = NO_TRACING,
    ) -> None:
        """Take the stages; `count` is told each committed batch's records and dead letters.

        `commits` makes one commit at a time, beside the caller's thread. `tell_committed` is told
        its records and dead letters, those of commands included. `part` records go
        through the stages at once, and no part follows in a transaction whose snapshots have passed
        `fold_limit` bytes.
        """
        self._decode = decode
        self._fold = fold
        self._publish = publish
        self._store = store
        self._claims = claims
        self._stream = stream
        self._restore = restore
        self.records = records
        self._publication = publication
        self._commits = commits
        self._commit: Commit | None = None
        self._metrics = metrics
        self._clock = clock
        self._count = count
        self._tell_committed = tell_committed
        self._part = part
        self._fold_limit = fold_limit
        self._tracing = tracing
        self.owned: dict[int, Owned] = {}

    def own(self, partition: int, owned: Owned) -> None:
        """Begin to process a partition."""
        self.records.own(partition)
        self.owned[partition] = owned

    def disown(self, partition: int) -> None:
        """Forget a partition."""
        self.records.drop(partition)
        self.owned.pop(partition, None)

    def offsets(self) -> dict[int, int]:
        """Return the next offset of each owned partition."""
        return {partition: owned.position.offset for partition, owned in self.owned.items()}

    @property
    def committing(self) -> Sequence[Record]:
        """The records whose commit is on the wire: `owned` does not know of them yet."""
        return () if self._commit is None else self._commit.records

    def process(
        self,
        records: Sequence[Record],
        membership: Membership,
        enough: Callable[[float], bool] = lambda _since: False,
        *,
        more: bool = False,
    ) -> bool:
        """Take a poll's records through, in one transaction or, if they are large, in several.

        Between two, `enough` is asked with the (monotonic) time of the beginning: if it says so,
        the rest is left, to be read again. Returns whether all were taken through: a partition with
        an erase that has to wait is left as it is. Raises ClaimsPending where that was all.

        With `more` the last commit is left on the wire. Then nothing else is done with partitions
        or the publication before the next call, which has the records that follow or, to await the
        commit, none. It raises what became of that commit, too: all of `committing` is concerned.

        After an exception `owned` says what is committed; the rest is to be read again. CacheLost
        and CacheUnavailable may come before or after the commit: either way, a restore follows.
        """
        since = self._clock.monotonic()
        committed = False
        pending: ClaimsPending | None = None
        while records:
            try:
                taken = self._transact(records, membership, enough)
            except ClaimsPending as fault:
                pending, waiting = fault, records[0].partition
                records = [each for each in records if each.partition != waiting]
            else:
                committed, records = committed or taken > 0, records[taken:]
            if records and enough(since):
                self._await_commit()
                return False
        if pending is not None or not more:
            self._await_commit()
        if pending is not None and not committed:
            raise pending
        return pending is None

    def _transact(
        self,
        records: Sequence[Record],
        membership: Membership,
        enough: Callable[[float], bool],
    ) -> int:
        """Take a batch through, or as much of it as the limits allow; return how much it was.

        1. Its first part is decoded, loaded and folded, upon what the batch before it has changed.
        2. The commit before it is awaited. If that failed, this batch has failed with it.
        3. The transaction is opened. Whatever is raised from here on, the caller aborts.
        4. Part by part is sent: the brokers take its snapshots while the next one is folded.
        5. The commit begins.

        Raises ClaimsPending with nothing sent: it is of the first record, which is to wait. Returns
        0 where, after the commit before it, `enough` says that the rest is to be left.
        """
        batch = Batch(self._clock.monotonic())
        parts = self._parts(records, batch, enough)
        # 1. Fold
        try:
            first = next(parts, None)
        except CacheUnavailable:
            # A restore follows: Redis is not waited for once more.
            self._await_commit(stores=False)
            raise
        finally:
            # 2. Await
            leaves = self._leaves(enough)
        if first is None or leaves:
            return 0
        # 3. Open
        self._publication.begin()
        # 4. Send
        for folded, sampled in chain((first,), parts):
            self._metrics.traced(trace_of(sampled))
            self._publish(folded)
            batch.add(folded, sampled)
        # 5. Commit
        records = records[: batch.taken]
        positions = self._commits.submit(self._committed, records, batch, membership)
        self._commit = Commit(records, batch, positions)
        if batch.alone:
            self._await_commit()
        return batch.taken

    def _parts(
        self, records: Sequence[Record], batch: Batch, enough: Callable[[float], bool]
    ) -> Iterator[tuple[Folded, Sequence[Sampled]]]:
        """Yield what becomes of each part: it is added to the batch before the next is folded."""
        while batch.taken < len(records) and not batch.alone:
            part = records[batch.taken : batch.taken + self._part]
            sampled = self._tracing.sampled(part)
            self._metrics.traced(trace_of(sampled))
            updates = self._decode(part)
            # A batch that failed would be folded again upon claims that are given up.
            if gives_up_claims(updates[0]) and self._leaves(enough):
                return
            uncommitted = [batch] if self._commit is None else [self._commit.batch, batch]
            folded = self._fold(part, updates, self.owned, uncommitted)
            yield folded, sampled
            if folded.taken < len(part) or batch.size > self._fold_limit:
                return

    def _leaves(self, enough: Callable[[float], bool]) -> bool:
        """Await the commit on the wire; return whether what follows it is to be left."""
        since, awaits = self._clock.monotonic(), self._commit is not None
        self._await_commit()
        return awaits and enough(since)

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

    def _await_commit(self, *, stores: bool = True) -> None:
        """Await the commit that is on the wire, if there is one.

        What is committed is noted and, unless a restore follows, stored in Redis; claims that an
        erase removed go then.
        """
        if self._commit is None:
            return
        records, batch, waiting = self._commit
        self._commit = None
        try:
            positions = waiting.result()
        finally:
            del waiting  # it has what it raises, whose traceback has this frame
        self._metrics.traced(trace_of(batch.traced))
        if self._count is not None:
            self._count(*batch.updates(records))
        if stores:
            self._keep(batch.changed, positions)
        if batch.ended_claims:
            for partition, position in positions.items():
                self._claims.finish_removals(partition, position.offset)
        self._tell_committed(records, batch.letters)
        seconds = self._clock.monotonic() - batch.start
        batch.count(self._metrics, seconds)
        if batch.traced:
            self._tracing.committed(batch.traced, batch.taken, seconds)
        self._metrics.cache(
            hits=batch.hits,
            misses=batch.misses,
            held_bytes=self.records.size,
            sessions=self.records.sessions,
        )

    def _positions(
        self, records: Sequence[Record], ends: Mapping[int, int], batch: Batch
    ) -> dict[int, Position]:
        """Return where each partition of a batch stands once it is committed."""
        last = {record.partition: record for record in records}
        positions = {}
        for partition, record in last.items():
            before = self.owned[partition].position
            positions[partition] = before._replace(
                offset=record.next_offset,
                output=next_output(partition, before, ends),
                commands=before.commands or partition in batch.commanded,
                ended=self._clock.now_ms() if partition in batch.ended else before.ended,
            )
        return positions

    def _keep(self, changed: Changed, positions: Mapping[int, Position]) -> None:
        """Note what is committed, then store it."""
        checkpoints = dict[int, tuple[Stamp, bytes]]()
        for partition, position in positions.items():
            stamp = self.owned[partition].stamp
            self.owned[partition] = self.owned[partition]._replace(position=position)
            checkpoint = self._restore.checkpoint(position, self._publication.identity())
            checkpoints[partition] = stamp, checkpoint.encode()
        for partition, stamp in self._store(changed, checkpoints).items():
            self.owned[partition] = self.owned[partition]._replace(stamp=stamp)
