"""The loop: polling, batches, what follows a fault, and the end."""

from collections.abc import Sequence
from contextlib import suppress
from threading import Event
from typing import Final

from processor.dead_letters.limits import HaltedPartitions
from processor.errors import ProcessorError, TopicError
from processor.ports.claims import Claims
from processor.ports.clock import Clock
from processor.ports.log import (
    LogUnavailable,
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
from processor.runtime.batches import Batches
from processor.runtime.garbage import collect_what_a_fault_left
from processor.runtime.identity import IdentityWatch
from processor.runtime.pacing import IDLE_WAIT_S, TASK_WAIT_S, Pacing
from processor.runtime.partition_watch import PartitionWatch
from processor.runtime.pipeline import Pipeline
from processor.runtime.recovery import CHECK_S, Recovery
from processor.runtime.until_end import UntilEnd
from processor.stages.batch import PARTITION
from processor.stages.consume import consume
from processor.telemetry.observer import Observer

STEP_S: Final = 1.0
"""How often tasks are stepped while batch follows batch."""


class Runner:
    """Runs the pipeline over what the group assigns, until stopped. One thread calls it.

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
        self._limit = BatchLimit(max_batch)
        self._until_end = until_end
        self._gate = gate
        self._recovery = Recovery(
            subscription=subscription,
            publication=publication,
            assignment=assignment,
            pacing=pacing,
            stalls=watch.stalls,
            clock=clock,
            observer=observer,
        )
        self._batches = Batches(
            pipeline=pipeline,
            assignment=assignment,
            recovery=self._recovery,
            pacing=pacing,
            limit=self._limit,
            halts=halts,
            stopping=stopping.is_set,
            clock=clock,
            observer=observer,
        )
        self._step_at = 0.0

    def run(self) -> None:
        """Process until stopping is set or, with end offsets, until they are reached."""
        try:
            self._run()
        finally:
            # What becomes of the commit, whoever goes on from there will see.
            with suppress(ProcessorError, ServerUnavailable):
                self._batches.await_commit()

    def _run(self) -> None:
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
            except (TopicError, ServerUnavailable) as fault:
                self._read_again(fault)

    def _read_again(self, fault: TopicError | ServerUnavailable) -> None:
        """Take all that is owned over anew: records may have been taken and not processed."""
        with suppress(TopicError, ServerUnavailable):
            self._batches.await_commit()
        if isinstance(fault, TopicError):
            # One broker may not know for a moment what the others know.
            if self._identity.absent:
                raise fault
            fault = LogUnavailable(str(fault))
        self._recovery.retreat(fault)
        self._assignment.restart(list(self._pipeline.owned))

    def _turn(self) -> None:
        """Step the tasks, then take what has arrived and process it.

        Each part may wait for a server as long as it allows: once told to stop, none follows. While
        a commit is under way there is nothing but records to take.
        """
        progress = True
        if not self._pipeline.committing:
            progress = self._pacing.may_step() and self._step()
            self._step_at = self._clock.monotonic() + STEP_S
            if self._keeps_commit_interval() or self._stopping.is_set():
                return
            if self._gate is not None:
                self._assignment.resume(self._gate.take_due())
        self._take(progress=progress)
        if self._halts.any_unpaused():
            self._subscription.pause(self._halts.take_unpaused())
        checks = self._clock.monotonic() >= self._recovery.check_at
        if checks and not self._pipeline.committing and not self._stopping.is_set():
            self._recovery.check_later()
            self._check()

    def _take(self, *, progress: bool) -> None:
        """Take what has arrived and process it."""
        limit = self._limit.records
        taken = consume(self._subscription, limit, self._wait(progress=progress))
        records, full = taken.records, len(taken.records) >= limit
        self._watch.stalls.polled(full=full)
        if taken.rebalance is None and taken.membership is not None and records:
            if self._until_end is not None:
                records = self._until_end.cut(records)
            # What is paused delivers nothing, but for what the client had at hand; it comes again.
            running = self._assignment.flowing()
            if not running.keys() >= set(map(PARTITION, records)):
                records = [each for each in records if each.partition in running]
            records = self._admitted(records)
            self._batches.process(records, taken.membership, more=full and self._only_takes())
            return
        if taken.rebalance is None:
            self._batches.await_commit()
            if records:
                # Nothing would fence a commit of these records: they come again.
                self._recovery.rewind()
            return
        self._assignment.revoked(taken.rebalance.revoked)
        try:
            self._batches.await_commit()
        finally:
            self._rebalanced(taken.rebalance)

    def _wait(self, *, progress: bool) -> float:
        """Return how long to wait for a record: not at all while there is other work."""
        if progress:
            return 0.0
        coming = self._assignment.at_work
        return (
            TASK_WAIT_S
            if coming or not self._recovery.producing or self._until_end
            else IDLE_WAIT_S
        )

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

    def _only_takes(self) -> bool:
        """Whether the next turn does nothing before it takes records: a commit may be under way."""
        return (
            self._clock.monotonic() < min(self._step_at, self._recovery.check_at)
            and not self._assignment.at_work
            and not self._pacing.limits
            and not (self._gate and self._gate.partitions)
            and self._limit.at_most
        )

    # Ownership

    def _rebalanced(self, change: Rebalance) -> None:
        for partition in change.revoked:
            self._assignment.give_up(partition)
        self._halts.forget(change.revoked)
        if self._gate is not None:
            self._gate.forget(change.revoked)
        self._assignment.restart(change.assigned)
        self._observer.rebalanced(change, {*self._pipeline.owned, *self._assignment.partitions})
        self._recovery.rewind()

    def _step(self) -> bool:
        """See that there is a producer, then step what is being taken over."""
        try:
            self._recovery.produce()
            return self._assignment.step(self._stopping.is_set)
        except ProducerLost as fault:
            self._recovery.lose_producer(fault)
        except ServerUnavailable as fault:
            self._recovery.retreat(fault)
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
