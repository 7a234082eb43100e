"""`run --until-end`: when the end offsets frozen at the start are reached."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from processor.ports.log import Record, Subscription

_ASK_EVERY_S: Final = 1.0


class UntilEnd:
    """Knows the ends, and who has reached them: this process, or another member of its group."""

    def __init__(
        self,
        ends: Mapping[int, int],
        subscription: Subscription,
        committed: Callable[[int], int],
    ) -> None:
        """Take the ends; `committed` returns the group's committed offset of a partition, -1 without one."""
        self._left = dict(ends)
        self._ends = dict(ends)
        self._subscription = subscription
        self._committed = committed
        self._ask_at = 0.0

    def cut(self, records: Sequence[Record]) -> Sequence[Record]:
        """Return the records below the ends."""
        return [record for record in records if record.offset < self._ends[record.partition]]

    def reached(self, running: Mapping[int, int]) -> bool:
        """Whether every partition is at its end, given the next offsets of those that are owned.

        Markers at the end have no records: the position tells, where it has passed them. What is
        not owned is asked for, at most once a second.
        """
        positions = self._subscription.positions(list(running))
        for partition, offset in running.items():
            if max(offset, positions.get(partition, 0)) >= self._ends[partition]:
                self._left.pop(partition, None)
        elsewhere = [partition for partition in self._left if partition not in running]
        if elsewhere and time.monotonic() >= self._ask_at:
            self._ask_at = time.monotonic() + _ASK_EVERY_S
            for partition in elsewhere:
                if self._committed(partition) >= self._ends[partition]:
                    del self._left[partition]
        return not self._left
