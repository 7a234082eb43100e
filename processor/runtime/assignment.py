"""What is being taken over: each assigned partition until it is owned, and the claims."""

from collections.abc import Callable, Collection, Generator, Iterable
from contextlib import suppress
from typing import Final

from processor.dead_letters.limits import HaltedPartitions
from processor.errors import TopicError
from processor.ports.claims import ClaimsNotReady
from processor.ports.clock import Clock
from processor.ports.log import BatchAborted, Publication, Subscription
from processor.ports.servers import ServerUnavailable
from processor.ports.sessions import CacheLost
from processor.runtime.garbage import return_free_memory
from processor.runtime.idle import IdleCommit
from processor.runtime.pacing import Pacing
from processor.runtime.pipeline import Pipeline
from processor.runtime.retention import Retention
from processor.state.checkpoint import Owned
from processor.telemetry.observer import Observer

_STEP_S: Final = 1.0


class Assignment:
    """Steps the tasks that restore partitions and claims; their records are held back meanwhile.

    A task yields whether it got on, and returns when it is done. Whatever goes wrong with a
    partition gives it a new task: there is one way to come to own one.
    """

    def __init__(
        self,
        *,
        subscription: Subscription,
        publication: Publication,
        pipeline: Pipeline,
        take_over: Callable[[int], Generator[bool, None, Owned]],
        rebuild_claims: Callable[[], Generator[bool, None, None]],
        commit_idle: IdleCommit,
        observer: Observer,
        pacing: Pacing,
        halts: HaltedPartitions,
        clock: Clock,
        held_back: Callable[[], Collection[int]] = tuple,
        retention: Retention | None = None,
    ) -> None:
        """Take the parts; `held_back` are owned partitions whose records wait for a schema."""
        self._subscription = subscription
        self._publication = publication
        self._pipeline = pipeline
        self._take_over = take_over
        self._rebuild_claims = rebuild_claims
        self._commit_idle = commit_idle
        self._observer = observer
        self._pacing = pacing
        self._halts = halts
        self._clock = clock
        self._held_back = held_back
        self._retention = retention
        self._tasks: dict[int, Generator[bool, None, Owned]] = {}
        self._claims_task: Generator[bool, None, None] | None = None
        self._revoked: set[int] = set()

    @property
    def partitions(self) -> Collection[int]:
        """The partitions that are being taken over."""
        return self._tasks.keys()

    @property
    def holds_claims(self) -> bool:
        """Whether the claims are being rebuilt, and all records are held back for that."""
        return self._claims_task is not None

    @property
    def at_work(self) -> bool:
        """Whether a step is to follow soon, be it of a task or of a sweep."""
        sweeping = self._retention is not None and self._retention.sweeping
        return bool(self._tasks) or self.holds_claims or sweeping

    def flowing(self) -> dict[int, int]:
        """Return the next offset of each owned partition that is not halted or held back."""
        offsets = self._pipeline.offsets()
        for partition in (*self._halts.partitions, *self._held_back(), *self._revoked):
            offsets.pop(partition, None)
        return offsets

    def resume(self, partitions: Iterable[int]) -> None:
        """Let records come of those of the partitions that nothing holds back."""
        flowing = self.flowing() if self._claims_task is None else {}
        self._subscription.resume(
            {partition: flowing[partition] for partition in partitions if partition in flowing}
        )

    def restart(self, partitions: Iterable[int]) -> None:
        """Give partitions that are assigned a new task, and hold their records back until done."""
        for partition in [each for each in partitions if each not in self._revoked]:
            self._close(partition)
            if partition in self._pipeline.owned:
                self._pipeline.disown(partition)
                self._subscription.pause([partition])
            self._tasks[partition] = self._take_over(partition)
            self._observer.restarted(partition)

    def restart_all(self) -> None:
        """Give all that is owned or being taken over a new task."""
        self.restart([*self._pipeline.owned, *self._tasks])

    def restart_claims(self) -> None:
        """Hold all records back until the claims are rebuilt."""
        if self._claims_task is None:
            self._subscription.pause(list(self._pipeline.owned))
            self._claims_task = self._rebuild_claims()
            self._observer.claims_lost()

    def revoked(self, partitions: Iterable[int]) -> None:
        """Have nothing restarted or read of partitions that are not assigned any more.

        They are owned until `give_up`, for the commit that is under way.
        """
        self._revoked.update(partitions)

    def give_up(self, partition: int) -> None:
        """Forget a partition that is not assigned any more."""
        self._revoked.discard(partition)
        self._close(partition)
        self._pipeline.disown(partition)

    def step(self, stopping: Callable[[], bool]) -> bool:
        """Step tasks, each once; return whether one got on.

        It leaves off after a second, since the group is not polled meanwhile; when a server does
        not answer, which it raises; and when a partition is owned now: what the group has to say
        comes first then. The next call begins with those that were not reached.

        Before, it commits what owned partitions have passed without a record, and has retention
        take a step.
        """
        self._pass_records()
        progress = self._step_claims()
        if self._retention is not None:
            progress |= self._retention.step(dict if self.holds_claims else self.flowing)
        until = self._clock.monotonic() + _STEP_S
        for partition in list(self._tasks):
            self._tasks[partition] = self._tasks.pop(partition)
            progress = self._step_task(partition) or progress
            owned = partition in self._pipeline.owned
            if owned or self._clock.monotonic() > until or stopping():
                break
        return progress

    def _step_task(self, partition: int) -> bool:
        try:
            return next(self._tasks[partition])
        except StopIteration as done:
            self._own(partition, done.value)
            return True
        except BatchAborted as fault:
            self._observer.aborted(str(fault))
            with suppress(BatchAborted):
                self._publication.abort()
        except CacheLost as fault:
            self._observer.store_failed(str(fault))
        except ClaimsNotReady:
            self.restart_claims()
        except (ServerUnavailable, TopicError):
            self.restart([partition])
            raise
        self.restart([partition])
        self._pacing.rest(busy=True)
        return False

    def _pass_records(self) -> None:
        # While the claims are rebuilt, records that were taken are dropped.
        try:
            self._commit_idle(tuple if self.holds_claims else self.flowing)
        except BatchAborted as fault:
            self._observer.aborted(str(fault))
            with suppress(BatchAborted):
                self._publication.abort()
            self._pacing.rest(busy=bool(self._tasks))

    def _own(self, partition: int, owned: Owned) -> None:
        del self._tasks[partition]
        self._pipeline.own(partition, owned)
        if not self._tasks:
            return_free_memory()
        if self._claims_task is None:
            self.resume([partition])
        self._observer.owned(partition, owned.position.offset)
        self._pacing.recovered()
        self._observer.back("redis")
        self._observer.back("kafka")
        if not self._held_back():
            self._observer.back("registry")

    def _step_claims(self) -> bool:
        if self._claims_task is None:
            return False
        try:
            return next(self._claims_task)
        except StopIteration:
            self._claims_task = None
            self._subscription.resume(self.flowing())
            self._observer.claims_rebuilt()
            return True
        except ClaimsNotReady:
            self._claims_task = self._rebuild_claims()
        except (ServerUnavailable, TopicError):
            self._claims_task = self._rebuild_claims()
            raise
        return False

    def _close(self, partition: int) -> None:
        task = self._tasks.pop(partition, None)
        if task is not None:
            task.close()
