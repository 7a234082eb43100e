"""When the loop does what: how long it waits for records, between commits and after faults."""

import time
from typing import Final

TASK_WAIT_S: Final = 0.05
IDLE_WAIT_S: Final = 0.5
_FIRST_BACKOFF_S: Final = 0.1
_LONGEST_BACKOFF_S: Final = 5.0


class Pacing:
    """Says when; waits for nothing itself. `busy` is whether partitions are being taken over."""

    def __init__(self, min_commit_interval: float) -> None:
        self._min_commit_interval = min_commit_interval
        self.backoff = _FIRST_BACKOFF_S
        self._step_from = 0.0
        self._take_from = 0.0

    def may_step(self) -> bool:
        """Whether the rest after a fault is over, so that servers may be asked again."""
        return time.monotonic() >= self._step_from

    def before_take(self, *, busy: bool) -> float:
        """Return how long to wait before asking again whether to take; not above 0: take now."""
        left = self._take_from - time.monotonic()
        return min(left, TASK_WAIT_S if busy else IDLE_WAIT_S)

    def committed(self) -> None:
        """Let the least interval between two commits begin."""
        self._take_from = time.monotonic() + self._min_commit_interval

    def rest(self, *, busy: bool) -> None:
        """Step nothing for a while that doubles, up to a few seconds, and take nothing for a bit.

        Polling goes on soon: what the group has to say is often the cure.
        """
        now = time.monotonic()
        self._step_from = now + self.backoff
        if not busy:
            self._take_from = now + min(self.backoff, IDLE_WAIT_S)
        self.backoff = min(self.backoff * 2, _LONGEST_BACKOFF_S)

    def recovered(self) -> None:
        """Let the next rest be a short one: what had failed has succeeded."""
        self.backoff = _FIRST_BACKOFF_S
