"""When the loop does what: how long it waits for records, between commits and after faults."""

from typing import Final

from processor.ports.clock import Clock

TASK_WAIT_S: Final = 0.05
IDLE_WAIT_S: Final = 0.5
_FIRST_BACKOFF_S: Final = 0.1
_LONGEST_BACKOFF_S: Final = 5.0


class Pacing:
    """Says when; waits for nothing itself. `busy` is whether partitions are being taken over."""

    def __init__(
        self, clock: Clock, min_commit_interval: float, max_rate: float | None = None
    ) -> None:
        """Take the least seconds between two commits, and the most records a second."""
        self._clock = clock
        self._min_commit_interval = min_commit_interval
        self._max_rate = max_rate
        self.backoff = _FIRST_BACKOFF_S
        self._step_from = 0.0
        self._take_from = 0.0
        self._rested = False

    @property
    def limits(self) -> bool:
        """Whether records may have to wait after a commit."""
        return bool(self._min_commit_interval or self._max_rate)

    def may_step(self) -> bool:
        """Whether the rest after a fault is over, so that servers may be asked again."""
        return self._clock.monotonic() >= self._step_from

    def before_take(self, *, busy: bool) -> float:
        """Return how long to wait before asking again whether to take; not above 0: take now."""
        left = self._take_from - self._clock.monotonic()
        return min(left, TASK_WAIT_S if busy else IDLE_WAIT_S)

    def committed(self, records: int) -> None:
        """Let the least interval between two commits begin, and the time that so many may take."""
        now = self._clock.monotonic()
        # What a slow batch was late by is not made up for: the rate holds at any time.
        due = max(self._take_from, now - 1) + records / self._max_rate if self._max_rate else now
        self._take_from = max(now + self._min_commit_interval, due)

    def rest(self, *, busy: bool) -> None:
        """Step nothing for a while that doubles, up to a few seconds, and take nothing for a bit.

        Polling goes on soon: what the group has to say is often the cure.
        """
        now = self._clock.monotonic()
        self._step_from = now + self.backoff
        if not busy:
            self._take_from = now + min(self.backoff, IDLE_WAIT_S)
        self.backoff = min(self.backoff * 2, _LONGEST_BACKOFF_S)
        self._rested = True

    def wait_for_others(self) -> None:
        """Take nothing for a bit: what was taken waits for another partition.

        Steps go on: that one may be among those that are yet to be taken over.
        """
        self._take_from = max(self._take_from, self._clock.monotonic() + IDLE_WAIT_S)

    def take_rested(self) -> bool:
        """Whether a rest was begun since this was asked last."""
        rested, self._rested = self._rested, False
        return rested

    def recovered(self) -> None:
        """Let the next rest be a short one: what had failed has succeeded."""
        self.backoff = _FIRST_BACKOFF_S
