"""The loop: polling, ownership, what follows a fault, and the end."""

import time
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import suppress
from threading import Event
from typing import Final

import structlog

from processor.pipeline import Owned, Pipeline
from processor.ports.claims import Claims, ClaimsNotReady
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
from processor.ports.sessions import CacheLost, CacheUnavailable, SessionCache
from processor.stages.consume import consume
from processor.telemetry.observer import Observer
from processor.until_end import UntilEnd

CHECK_S: Final = 3.0
"""How often all stamps are compared with what stands in Redis, so that idle partitions are too."""
_IDLE_WAIT_S: Final = 0.5
_TASK_WAIT_S: Final = 0.05
_STEP_S: Final = 1.0
_BATCH_S: Final = 2.0
_FIRST_BACKOFF_S: Final = 0.1
_LONGEST_BACKOFF_S: Final = 5.0

_log: Final = structlog.get_logger(__name__)


class Runner:
    """Runs the pipeline over what the group assigns, until stopped. One thread.

    A partition is either owned, and then its records come, or it has a task that takes it over and
    restores it, and then it is paused. Whatever goes wrong with a partition leads back to its
    task: there is one way to come to own a partition. Faults that pass are waited out with a
    backoff, polling; a `ProcessorError` ends the loop.
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
        take_over: Callable[[int], Generator[bool, None, Owned]],
        rebuild_claims: Callable[[], Generator[bool, None, None]],
        stopping: Event,
        observer: Observer,
        max_batch: int,
        min_commit_interval: float,
        until_end: UntilEnd | None = None,
    ) -> None:
        self._subscription = subscription
        self._publication = publication
        self._pipeline = pipeline
        self._cache = cache
        self._claims = claims
        self._claims_stream = claims_stream
        self._take_over = take_over
        self._rebuild_claims = rebuild_claims
        self._stopping = stopping
        self._observer = observer
        self._max_batch = max_batch
        self._min_commit_interval = min_commit_interval
        self._until_end = until_end
        self._tasks: dict[int, Generator[bool, None, Owned]] = {}
        self._claims_task: Generator[bool, None, None] | None = None
        self._producing = False
        self._backoff = _FIRST_BACKOFF_S
        self._tasks_from = 0.0
        self._take_from = 0.0
        self._check_at = 0.0

    def run(self) -> None:
        """Process until stopping is set or, with end offsets, until they are reached."""
        while not self._stopping.is_set():
            self._observer.turned()
            try:
                self._turn()
                if self._until_end and self._until_end.reached(self._running(), self._tasks):
                    return
            except LogUnavailable as fault:
                # Records may have been taken and not processed: all that is owned is read again.
                self._retreat("kafka", fault)
                self._restart(list(self._pipeline.owned))

    def _turn(self) -> None:
        """Step the tasks, then take what has arrived and process it.

        Each part may wait for a server as long as it allows: once told to stop, none follows.
        """
        progress = time.monotonic() >= self._tasks_from and self._step()
        if self._keeps_commit_interval() or self._stopping.is_set():
            return
        taken = consume(self._subscription, self._max_batch, self._wait(progress=progress))
        records = taken.records
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
            owned = self._pipeline.owned
            self._process([each for each in records if each.partition in owned], taken.membership)
        if time.monotonic() >= self._check_at and not self._stopping.is_set():
            self._check_at = time.monotonic() + CHECK_S
            self._check()

    def _wait(self, *, progress: bool) -> float:
        """Return how long to wait for a record: not at all while there is other work."""
        if progress:
            return 0.0
        waiting = self._tasks or self._claims_task or not self._producing or self._until_end
        return _TASK_WAIT_S if waiting else _IDLE_WAIT_S

    def _keeps_commit_interval(self) -> bool:
        """Whether the least interval since the last commit is not over; then wait a part of it."""
        left = self._take_from - time.monotonic()
        if left <= 0:
            return False
        self._stopping.wait(min(left, _TASK_WAIT_S if self._tasks else _IDLE_WAIT_S))
        return True

    # Batches and their faults

    def _enough(self, since: float) -> bool:
        """Whether a poll's records have taken so long that the group must be polled first."""
        return time.monotonic() - since > _BATCH_S or self._stopping.is_set()

    def _process(self, records: Sequence[Record], membership: Membership) -> None:
        try:
            complete = self._pipeline.process(records, membership, self._enough)
        except BatchAborted as fault:
            self._observer.aborted(str(fault))
            self._drop_batch()
            self._rest()
        except ProducerLost as fault:
            self._lose_producer(fault)
        except ClaimsNotReady as fault:
            self._observer.aborted(str(fault))
            self._drop_batch()
            self._restart_claims()
        except CacheLost as fault:
            # Of the batch's other partitions, too, the record cache lacks what was committed.
            self._observer.store_failed(str(fault))
            self._drop_batch({record.partition for record in records} | fault.partitions)
            self._rest()
        except CacheUnavailable as fault:
            self._drop_batch({record.partition for record in records})
            self._retreat("redis", fault)
        else:
            self._recovered("redis", "kafka")
            self._take_from = time.monotonic() + self._min_commit_interval
            self._observer.processed(records)
            if not complete:
                self._rewind()

    def _drop_batch(self, restart: Iterable[int] = ()) -> None:
        """Abort what is open, take `restart` over anew, and read the rest of the batch again."""
        try:
            with suppress(BatchAborted):
                self._publication.abort()
        except ProducerLost as fault:
            self._lose_producer(fault)
            return
        self._restart(restart)
        self._rewind()

    def _rewind(self) -> None:
        """Make the next record of each running partition the first that is not committed."""
        if not self._claims_task:
            self._subscription.seek(self._running())

    def _running(self) -> dict[int, int]:
        """Return the next offset of each owned partition."""
        return {
            partition: owned.position.offset for partition, owned in self._pipeline.owned.items()
        }

    def _lose_producer(self, fault: ProducerLost) -> None:
        """Have everything taken over anew by the next producer: the committed offsets will tell."""
        self._observer.producer_lost(str(fault))
        self._producing = False
        self._rest()
        self._restart(list(self._pipeline.owned) + list(self._tasks))

    def _retreat(self, server: str, fault: Exception) -> None:
        """Note that a server is away, and let the tasks rest."""
        self._observer.away(server, str(fault), retry_in=self._backoff)
        self._rest()

    def _rest(self) -> None:
        """Step no task for a while that doubles, up to a few seconds, and take nothing for a bit.

        Polling goes on soon: what the group has to say is often the cure.
        """
        now = time.monotonic()
        self._tasks_from = now + self._backoff
        if not self._tasks:
            self._take_from = now + min(self._backoff, _IDLE_WAIT_S)
        self._backoff = min(self._backoff * 2, _LONGEST_BACKOFF_S)

    def _recovered(self, *servers: str) -> None:
        self._backoff = _FIRST_BACKOFF_S
        for server in servers:
            self._observer.back(server)

    # Ownership

    def _rebalanced(self, change: Rebalance) -> None:
        for partition in change.revoked:
            self._close_task(partition)
            self._pipeline.disown(partition)
        self._restart(change.assigned)
        self._observer.rebalanced(change, {*self._pipeline.owned, *self._tasks})
        self._rewind()

    def _restart(self, partitions: Iterable[int]) -> None:
        """Give partitions that are assigned a new task, and hold their records back until done."""
        for partition in partitions:
            self._close_task(partition)
            if partition in self._pipeline.owned:
                self._pipeline.disown(partition)
                self._subscription.pause([partition])
            self._tasks[partition] = self._take_over(partition)
            self._observer.restarted(partition)

    def _restart_claims(self) -> None:
        """Hold all records back until the claims are rebuilt."""
        if self._claims_task is None:
            self._subscription.pause(list(self._pipeline.owned))
            self._claims_task = self._rebuild_claims()
            self._observer.claims_lost()

    def _close_task(self, partition: int) -> None:
        task = self._tasks.pop(partition, None)
        if task is not None:
            task.close()

    def _step(self) -> bool:
        """Step tasks, each once; return whether one got on.

        It leaves off after a second, since the group is not polled meanwhile; when a server does
        not answer; and when a partition is owned now: what the group has to say comes first then.
        The next turn begins with those that were not reached.
        """
        try:
            if not self._producing:
                self._publication.replace()
                self._producing = True
            progress = self._step_claims()
            until = time.monotonic() + _STEP_S
            for partition in list(self._tasks):
                self._tasks[partition] = self._tasks.pop(partition)
                progress = self._step_task(partition) or progress
                owned = partition in self._pipeline.owned
                if owned or time.monotonic() > until or self._stopping.is_set():
                    break
        except ProducerLost as fault:
            self._lose_producer(fault)
        except LogUnavailable as fault:
            self._retreat("kafka", fault)
        except CacheUnavailable as fault:
            self._retreat("redis", fault)
        else:
            return progress
        return False

    def _step_task(self, partition: int) -> bool:
        try:
            return next(self._tasks[partition])
        except StopIteration as done:
            del self._tasks[partition]
            self._pipeline.own(partition, done.value)
            if self._claims_task is None:
                self._subscription.resume({partition: done.value.position.offset})
            self._observer.owned(partition, done.value.position.offset)
            self._recovered("redis", "kafka")
            return True
        except BatchAborted as fault:
            self._observer.aborted(str(fault))
            with suppress(BatchAborted):
                self._publication.abort()
        except CacheLost as fault:
            self._observer.store_failed(str(fault))
        except (LogUnavailable, CacheUnavailable):
            self._restart([partition])
            raise
        self._restart([partition])
        self._rest()
        return False

    def _step_claims(self) -> bool:
        if self._claims_task is None:
            return False
        try:
            return next(self._claims_task)
        except StopIteration:
            self._claims_task = None
            self._subscription.resume(self._running())
            self._observer.claims_rebuilt()
            return True
        except ClaimsNotReady:
            self._claims_task = self._rebuild_claims()
        except (LogUnavailable, CacheUnavailable):
            self._claims_task = self._rebuild_claims()
            raise
        return False

    def _check(self) -> None:
        """Compare what stands in Redis with what was written there."""
        try:
            lost = self._cache.check(
                {partition: owned.stamp for partition, owned in self._pipeline.owned.items()}
            )
            if lost:
                self._observer.store_failed(str(CacheLost(lost)))
                self._restart(lost)
            if self._claims.stream() != self._claims_stream:
                self._restart_claims()
            self._observer.back("redis")
        except CacheUnavailable as fault:
            self._observer.away("redis", str(fault), retry_in=CHECK_S)
        self._observer.look(self._subscription, self._running())
