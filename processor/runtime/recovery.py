"""What follows a fault of the loop: what is aborted, taken over anew and read again."""

from collections.abc import Iterable
from contextlib import suppress
from typing import Final

from processor.ports.clock import Clock
from processor.ports.log import BatchAborted, ProducerLost, Publication, Subscription
from processor.ports.servers import ServerUnavailable
from processor.runtime.assignment import Assignment
from processor.runtime.pacing import Pacing
from processor.runtime.stalls import StallWatch
from processor.telemetry.observer import Observer

CHECK_S: Final = 3.0
"""How often all stamps are compared with what stands in Redis, so that idle partitions are too."""


class Recovery:
    """Brings the loop to where it can go on. No commit is under way when it is called."""

    def __init__(
        self,
        *,
        subscription: Subscription,
        publication: Publication,
        assignment: Assignment,
        pacing: Pacing,
        stalls: StallWatch,
        clock: Clock,
        observer: Observer,
    ) -> None:
        self._subscription = subscription
        self._publication = publication
        self._assignment = assignment
        self._pacing = pacing
        self._stalls = stalls
        self._clock = clock
        self._observer = observer
        self.producing = False
        """Whether there is a producer."""
        self.check_at = 0.0
        """When stamps are to be compared next (monotonic)."""

    def produce(self) -> None:
        """See that there is a producer. Raises ProducerLost and LogUnavailable."""
        if not self.producing:
            self._publication.replace()
            self.producing = True

    def drop_batch(self, restart: Iterable[int] = ()) -> None:
        """Abort what is open, take `restart` over anew, and read the rest of the batch again."""
        self._stalls.dropped()
        try:
            with suppress(BatchAborted):
                self._publication.abort()
        except ProducerLost as fault:
            self.lose_producer(fault)
            return
        self._assignment.restart(restart)
        self.rewind()

    def rewind(self) -> None:
        """Make the next record of each running partition the first that is not committed."""
        if not self._assignment.holds_claims:
            self._subscription.seek(self._assignment.flowing())

    def lose_producer(self, fault: ProducerLost) -> None:
        """Have everything taken over anew by the next producer: the committed offsets will tell."""
        self._observer.producer_lost(str(fault))
        self.producing = False
        self.rest()
        self._assignment.restart_all()

    def retreat(self, fault: ServerUnavailable) -> None:
        """Note that a server is away, and let the tasks rest."""
        if fault.server == "redis":
            # The same turn does not wait for it again: the group is to be polled, too.
            self.check_later()
        self._observer.away(fault.server, str(fault), retry_in=self._pacing.backoff)
        self.rest()

    def check_later(self) -> None:
        """Let the time to the next comparison of stamps begin."""
        self.check_at = self._clock.monotonic() + CHECK_S

    def rest(self) -> None:
        """Let the tasks rest for a while."""
        self._pacing.rest(busy=bool(self._assignment.partitions))
