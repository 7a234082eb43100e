"""A poll's records through the pipeline, and what follows a fault of theirs."""

from collections.abc import Callable, Sequence
from typing import Final

from processor.dead_letters.limits import HaltedPartitions
from processor.ports.claims import ClaimsFenced, ClaimsNotReady, ClaimsPending
from processor.ports.clock import Clock
from processor.ports.log import BatchAborted, Membership, ProducerLost, Record
from processor.ports.servers import ServerUnavailable
from processor.ports.sessions import CacheLost
from processor.runtime.assignment import Assignment
from processor.runtime.batch_limit import BatchLimit
from processor.runtime.pacing import Pacing
from processor.runtime.pipeline import Pipeline
from processor.runtime.recovery import Recovery
from processor.stages.batch import PARTITION
from processor.telemetry.observer import Observer

_BATCH_S: Final = 2.0


class Batches:
    """Has the pipeline process records. Raises what no retry mends, and TopicError."""

    def __init__(
        self,
        *,
        pipeline: Pipeline,
        assignment: Assignment,
        recovery: Recovery,
        pacing: Pacing,
        limit: BatchLimit,
        halts: HaltedPartitions,
        stopping: Callable[[], bool],
        clock: Clock,
        observer: Observer,
    ) -> None:
        self._pipeline = pipeline
        self._assignment = assignment
        self._recovery = recovery
        self._pacing = pacing
        self._limit = limit
        self._halts = halts
        self._stopping = stopping
        self._clock = clock
        self._observer = observer
        self._since = 0.0
        """When the call began that left a commit under way (monotonic)."""

    def await_commit(self) -> None:
        """Await the commit that is under way, if there is one."""
        if self._pipeline.committing:
            self.process((), None, more=False)

    def process(
        self, records: Sequence[Record], membership: Membership | None, *, more: bool
    ) -> None:
        """Take records through, and await the commit that is under way.

        With `more` the last commit of these is left under way: the next call follows at once.
        """
        before, now = self._pipeline.committing, self._clock.monotonic()
        concerned = self._pipeline.under_way.union(map(PARTITION, records))
        since, self._since = self._since if before else now, now
        try:
            complete = self._pipeline.process(records, membership, self._enough, more=more)
        except (BatchAborted, ProducerLost) as fault:
            self._failed(max(len(before), len(records)), since)
            if isinstance(fault, ProducerLost):
                self._recovery.lose_producer(fault)
            else:
                self._observer.aborted(str(fault))
                self._recovery.drop_batch()
                self._recovery.rest()
        except (ClaimsFenced, ClaimsPending, ClaimsNotReady) as fault:
            self._observer.aborted(str(fault))
            self._claims_fault(fault)
        except CacheLost as fault:
            # Of the other partitions, too, Redis may lack what was committed.
            self._observer.store_failed(str(fault))
            self._recovery.drop_batch(concerned | fault.partitions)
            self._recovery.rest()
        except ServerUnavailable as fault:
            self._recovery.drop_batch(concerned)
            self._recovery.retreat(fault)
        else:
            if not complete:
                self._recovery.rewind()
            if not self._pipeline.committing:
                self._recovered(len(records), since)

    def _enough(self, since: float) -> bool:
        """Whether the rest of a poll's records is left.

        They have taken so long that the group must be polled first, or a partition has halted.
        """
        late = self._clock.monotonic() - since > _BATCH_S
        return late or self._halts.any_unpaused() or self._stopping()

    def _failed(self, records: int, since: float) -> None:
        """Take fewer records, where those may have been too many for a transaction's time."""
        if self._limit.failed(records, self._clock.monotonic() - since):
            self._observer.batch_halved(self._limit.records)

    def _claims_fault(self, fault: ClaimsFenced | ClaimsPending | ClaimsNotReady) -> None:
        self._recovery.drop_batch(fault.partitions if isinstance(fault, ClaimsFenced) else ())
        if isinstance(fault, ClaimsNotReady):
            self._assignment.restart_claims()
        elif isinstance(fault, ClaimsPending):
            self._pacing.wait_for_others()
        else:
            self._recovery.rest()

    def _recovered(self, records: int, since: float) -> None:
        """Note that all is committed, and stored."""
        self._pacing.recovered()
        self._observer.back("redis")
        self._observer.back("kafka")
        self._pacing.committed(records)
        self._limit.committed(self._clock.monotonic() - since)
