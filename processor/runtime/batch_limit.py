"""How many records are taken at once: fewer, where a transaction's time does not do for them."""

from typing import Final

SLOW_S: Final = 7.5
"""Half of the time that a transaction may last; what took longer may have failed for its size."""
_QUICK_S: Final = SLOW_S / 2


class BatchLimit:
    """Halves after a batch that failed late, and doubles after each that was committed quickly.

    Twice as many take about twice as long, so that it settles where batches are committed in time.
    """

    def __init__(self, most: int) -> None:
        """Take the limit to begin with, which is never passed."""
        self._most = most
        self.records = most
        """The present limit."""

    @property
    def at_most(self) -> bool:
        """Whether it is what it was to begin with."""
        return self.records == self._most

    def committed(self, seconds: float) -> None:
        """Take note of a poll's records that were committed within so many seconds."""
        if seconds < _QUICK_S:
            self.records = min(self._most, self.records * 2)

    def failed(self, records: int, seconds: float) -> bool:
        """Take note of so many records that were not; return whether fewer are taken now."""
        if seconds < SLOW_S or records < 2:  # noqa: PLR2004  one cannot be halved
            return False
        self.records = records // 2
        return True
