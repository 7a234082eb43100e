"""The loop: polling, batches, what follows a fault, and the end."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from threading import Event
from typing import Final

from processor.dead_letters.limits import HaltedPartitions
from processor.errors import TopicError
from processor.ports.claims import Claims, ClaimsFenced, ClaimsNotReady, ClaimsPending
from processor.ports.clock import Clock
from processor.ports.log import (
    BatchAborted,
    LogUnavailable,
    Membership,
    ProducerLost,
    Publication,
    Rebalance,
    Record,
    Subscription,
)
from processor.ports.servers import ServerUnavailable
from processor.ports.sessions import CacheLost, SessionCache
from processor.registry.gate import SchemaWait
from processor.runtime.assignment import Assignment
from processor.runtime.batch_limit import BatchLimit
from processor.runtime.garbage import collect_what_a_fault_left
from processor.runtime.identity import IdentityWatch
from processor.runtime.pacing import IDLE_WAIT_S, TASK_WAIT_S, Pacing
from processor.runtime.partition_watch import PartitionWatch
from processor.runtime.pipeline import Pipeline
from processor.runtime.until_end import UntilEnd
from processor.stages.consume import consume
from processor.telemetry.observer import Observer

CHECK_S: Final = 3.0
"""How often all stamps are compared with what stands in Redis, so that idle partitions are too."""
_BATCH_S: Final = 2.0


class Runner:
    """Runs the pipeline over what the group assigns, until stopped. One thread.

    A partition is either owned, and then its records come, or it is being taken over, and then it
    is paused; so is one that is owned but halted. Faults that pass are waited out with a backoff,
    polling; a `ProcessorError` ends the loop.
    """

    def __init__(
        self,
        *,
        subscription: Subscription,
        publication: Publication,
        pipeline: Pipeline,
        cache: SessionCache,
        claims: Claims,
        claims_stream: str,
        assignment: Assignment,
        pacing: Pacing,
        identity: IdentityWatch,
        watch: PartitionWatch,
        halts: HaltedPartitions,
        stopping: Event,
        clock: Clock,
        observer: Observer,
        max_batch: int,
        until_end: UntilEnd | None = None,
        gate: SchemaWait | None = None,
    ) -> None:
        self._subscription = subscription
        self._publication = publication
        self._pipeline = pipeline
        self._cache = cache
        self._claims = claims
        self._claims_stream = claims_stream
        self._assignment = assignment
        self._pacing = pacing
        self._identity = identity
        self._watch = watch
        self._halts = halts
        self._stopping = stopping
        self._clock = clock
        self._observer = observer
        self._batch_limit = BatchLimit(max_batch)
        self._until_end = until_end
        self._gate = gate
        self._producing = False
        self._check_at = 0.0

    def run(self) -> None:
        """Process until stopping is set or, with end offsets, until they are reached."""
        while not self._stopping.is_set():
            self._observer.turned()
            if self._pacing.take_rested():
                collect_what_a_fault_left()
            try:
                self._turn()
                if self._until_end and self._until_end.at_end(
                    self._assignment.flowing(),
                    self._assignment.partitions,
                    self._halts.partitions,
                ):
                    return
            except TopicError as fault:
                # One broker may not know for a moment what the others know.
                if self._identity.absent:
                    raise
                self._retreat(LogUnavailable(str(fault)))
                self._assignment.restart(list(self._pipeline.owned))
            except ServerUnavailable as fault:
                # Records may have been taken and not processed: all that is owned is read again.
                self._retreat(fault)
                self._assignment.restart(list(self._pipeline.owned))

    def _turn(self) -> None:
        """Step the tasks, then take what has arrived and process it.

        Each part may wait for a server as long as it allows: once told to stop, none follows.
        """
        progress = self._pacing.may_step() and self._step()
        if self._keeps_commit_interval() or self._stopping.is_set():
            return
        if self._gate is not None:
            self._assignment.resume(self._gate.take_due())
        limit = self._batch_limit.records
        taken = consume(self._subscription, limit, self._wait(progress=progress))
        records = taken.records
        self._watch.stalls.polled(full=len(records) >= limit)
        if taken.rebalance is not None:
            self._rebalanced(taken.rebalance)
        if taken.membership is None or taken.rebalance is not None:
            # Nothing would fence a commit of these records: they come again.
            if records:
                self._rewind()
        elif records:
            if self._until_end is not None:
                records = self._until_end.cut(records)
            # What is paused delivers nothing, but for what the client had at hand; it comes again.
            running = self._assignment.flowing()
            records = [each for each in records if each.partition in running]
            self._process(self._admitted(records), taken.membership)
        if self._halts.any_unpaused():
            self._subscription.pause(self._halts.take_unpaused())
        if self._clock.monotonic() >= self._check_at and not self._stopping.is_set():
            self._check_at = self._clock.monotonic() + CHECK_S
            self._check()

    def _wait(self, *, progress: bool) -> float:
        """Return how long to wait for a record: not at all while there is other work."""
        if progress:
            return 0.0
        coming = self._assignment.at_work
        return TASK_WAIT_S if coming or not self._producing or self._until_end else IDLE_WAIT_S

    def _keeps_commit_interval(self) -> bool:
        """Whether it is too early to take records again; then wait a part of what is left."""
        wait = self._pacing.before_take(busy=bool(self._assignment.partitions))
        if wait <= 0:
            return False
        self._stopping.wait(wait)
        return True

    def _admitted(self, records: Sequence[Record]) -> Sequence[Record]:
        """Return the records that need not wait for a schema; those that do come again."""
        if self._gate is not None:
            records = self._gate.admit(records)
            if self._gate.partitions:
                self._subscription.pause(list(self._gate.partitions))
        return records

    # Batches and their faults

    def _enough(self, since: float) -> bool:
        """Whether the rest of a poll's records is left.

        They have taken so long that the group must be polled first, or a partition has halted.
        """
        late = self._clock.monotonic() - since > _BATCH_S
        return late or self._halts.any_unpaused() or self._stopping.is_set()

    def _process(self, records: Sequence[Record], membership: Membership) -> None:
        since = self._clock.monotonic()
        try:
            complete = self._pipeline.process(records, membership, self._enough)
        except (BatchAborted, ClaimsFenced, ClaimsPending) as fault:
            if isinstance(fault, BatchAborted):
                self._failed(records, since)
            self._observer.aborted(str(fault))
            self._drop_batch(fault.partitions if isinstance(fault, ClaimsFenced) else ())
            if isinstance(fault, ClaimsPending):
                self._pacing.wait_for_others()
            else:
                self._rest()
        except ProducerLost as fault:
            self._failed(records, since)
            self._lose_producer(fault)
        except ClaimsNotReady as fault:
            self._observer.aborted(str(fault))
            self._drop_batch()
            self._assignment.restart_claims()
        except CacheLost as fault:
            # Of the batch's other partitions, too, the record cache lacks what was committed.
            self._observer.store_failed(str(fault))
            self._drop_batch({record.partition for record in records} | fault.partitions)
            self._rest()
        except ServerUnavailable as fault:
            self._drop_batch({record.partition for record in records})
            self._retreat(fault)
        else:
            self._pacing.recovered()
            self._observer.back("redis")
            self._observer.back("kafka")
            self._pacing.committed(len(records))
            self._batch_limit.committed(self._clock.monotonic() - since)
            self._observer.processed(records)
            if not complete:
                self._rewind()

    def _failed(self, records: Sequence[Record], since: float) -> None:
        """Take fewer records, where those may have been too many for a transaction's time."""
        if self._batch_limit.failed(len(records), self._clock.monotonic() - since):
            self._observer.batch_halved(self._batch_limit.records)

    def _drop_batch(self, restart: Iterable[int] = ()) -> None:
        """Abort what is open, take `restart` over anew, and read the rest of the batch again."""
        self._watch.stalls.dropped()
        try:
            with suppress(BatchAborted):
                self._publication.abort()
        except ProducerLost as fault:
            self._lose_producer(fault)
            return
        self._assignment.restart(restart)
        self._rewind()

    def _rewind(self) -> None:
        """Make the next record of each running partition the first that is not committed."""
        if not self._assignment.holds_claims:
            self._subscription.seek(self._assignment.flowing())

    def _lose_producer(self, fault: ProducerLost) -> None:
        """Have everything taken over anew by the next producer: the committed offsets will tell."""
        self._observer.producer_lost(str(fault))
        self._producing = False
        self._rest()
        self._assignment.restart_all()

    def _retreat(self, fault: ServerUnavailable) -> None:
        """Note that a server is away, and let the tasks rest."""
        self._observer.away(fault.server, str(fault), retry_in=self._pacing.backoff)
        if fault.server == "redis":
            # The same turn does not wait for it again: the group is to be polled, too.
            self._check_at = self._clock.monotonic() + CHECK_S
        self._rest()

    def _rest(self) -> None:
        self._pacing.rest(busy=bool(self._assignment.partitions))

    # Ownership

    def _rebalanced(self, change: Rebalance) -> None:
        for partition in change.revoked:
            self._assignment.give_up(partition)
        self._halts.forget(change.revoked)
        if self._gate is not None:
            self._gate.forget(change.revoked)
        self._assignment.restart(change.assigned)
        self._observer.rebalanced(change, {*self._pipeline.owned, *self._assignment.partitions})
        self._rewind()

    def _step(self) -> bool:
        """See that there is a producer, then step what is being taken over."""
        try:
            if not self._producing:
                self._publication.replace()
                self._producing = True
            return self._assignment.step(self._stopping.is_set)
        except ProducerLost as fault:
            self._lose_producer(fault)
        except ServerUnavailable as fault:
            self._retreat(fault)
        return False

    def _check(self) -> None:
        """Compare what stands in Redis with what was written there."""
        try:
            lost = self._cache.check(
                {partition: owned.stamp for partition, owned in self._pipeline.owned.items()}
            )
            if lost:
                self._observer.store_failed(str(CacheLost(lost)))
                self._assignment.restart(lost)
            if self._claims.stream() != self._claims_stream:
                self._assignment.restart_claims()
            self._identity.check()
            self._observer.back("redis")
        except ServerUnavailable as fault:
            self._observer.away(fault.server, str(fault), retry_in=CHECK_S)
        if self._watch.check():
            self._rebalanced(self._subscription.renew())
