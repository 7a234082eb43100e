"""The clock: all that waits or measures takes one, so that a test has time pass as it likes."""

import time
from typing import Final, Protocol


class Clock(Protocol):
    """Time as one process sees it. Any thread calls it."""

    def monotonic(self) -> float:
        """Return seconds that never go back, from an unknown beginning."""

    def now_ms(self) -> int:
        """Return the time of day, in milliseconds since 1970; it may jump."""

    def wait(self, seconds: float) -> None:
        """Return after so many seconds, at once where there are none."""


class SystemClock:
    """The machine's clock."""

    monotonic = staticmethod(time.monotonic)
    wait = staticmethod(time.sleep)

    def now_ms(self) -> int:
        """Return the time of day."""
        return time.time_ns() // 1_000_000


SYSTEM_CLOCK: Final[Clock] = SystemClock()
