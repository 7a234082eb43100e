"""The story of a batch: decode → load → fold → encode → publish (one transaction) → store."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import chain
from typing import Final

from processor.ports.claims import ClaimsFenced, ClaimsNotReady, ClaimsPending
from processor.ports.clock import Clock
from processor.ports.log import BatchAborted, Membership, Publication, Record
from processor.ports.sessions import CacheLost, CacheUnavailable
from processor.ports.tracing import NO_TRACING, Sampled, Tracing
from processor.runtime.batch import Batch, gives_up_claims, trace_of
from processor.runtime.commits import Commits
from processor.runtime.fold_part import FoldPart
from processor.stages.batch import Decoded, Folded
from processor.state.checkpoint import Owned
from processor.state.record_cache import RecordCache
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
        commits: Commits,
        records: RecordCache,
        publication: Publication,
        metrics: Metrics,
        clock: Clock,
        fold_limit: int,
        part: int = PART,
        tracing: Tracing = NO_TRACING,
    ) -> None:
        """Take the stages; `part` records go through them at once.

        No part follows in a transaction whose snapshots have passed `fold_limit` bytes.
        """
        self._decode = decode
        self._fold = fold
        self._publish = publish
        self._commits = commits
        self.records = records
        self._publication = publication
        self._metrics = metrics
        self._clock = clock
        self._part = part
        self._fold_limit = fold_limit
        self._tracing = tracing
        self.owned = commits.owned

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
        return self._commits.records

    @property
    def under_way(self) -> set[int]:
        """The partitions of which a commit, or what Redis is to have of one, is under way."""
        return self._commits.partitions

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

        With `more` the last commit is left on the wire, and the store before it. Then nothing else
        is done with partitions or the publication before the next call, which has the records that
        follow or, to await the commit, none. It raises what became of these, too: all of
        `under_way` is concerned.

        After an exception `owned` says what is committed; the rest is to be read again. CacheLost
        and CacheUnavailable may come before or after the commit: either way, a restore follows.
        """
        try:
            return self._process(records, membership, enough, more=more)
        except (BatchAborted, ClaimsFenced, ClaimsNotReady, ClaimsPending):
            # Where Redis lacks what was committed, that is told: the batch's fault comes again.
            self._commits.await_store()
            raise
        except BaseException:
            with suppress(CacheLost, CacheUnavailable):
                self._commits.await_store()
            raise

    def _process(
        self,
        records: Sequence[Record],
        membership: Membership,
        enough: Callable[[float], bool],
        *,
        more: bool,
    ) -> bool:
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
                self._commits.finish()
                return False
        if pending is not None or not more:
            self._commits.finish()
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
           Redis has what was committed before that.
        2. The commit before it is awaited, and is stored beside what follows. If it failed, this
           batch has failed with it.
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
        except (CacheLost, CacheUnavailable):
            # A restore follows, of the commit's partitions too, whatever becomes of it: Redis is
            # not waited for once more, and a fault of the commit's does not hide this one.
            with suppress(BatchAborted, ClaimsNotReady):
                self._commits.await_commit(stores=False)
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
        self._commits.begin(records[: batch.taken], batch, membership)
        if batch.alone:
            self._commits.finish()
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
            self._commits.await_store()
            self._metrics.traced(trace_of(sampled))  # the store had its own
            folded = self._fold(part, updates, self.owned, [*self._commits.batches, batch])
            yield folded, sampled
            if folded.taken < len(part) or batch.size > self._fold_limit:
                return

    def _leaves(self, enough: Callable[[float], bool]) -> bool:
        """Await the commit on the wire; return whether what follows it is to be left."""
        since, awaits = self._clock.monotonic(), bool(self._commits.records)
        self._commits.await_commit()
        return awaits and enough(since)
