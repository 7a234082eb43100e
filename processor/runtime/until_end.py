"""`run --until-end`: when the end offsets frozen at the start are reached."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

from processor.errors import TooManyDeadLetters
from processor.ports.clock import Clock
from processor.ports.log import Coordination, Record, Scan, Topic
from processor.stages.batch import last_of_each
from processor.telemetry.incidents import HALT_HINT

_ASK_EVERY_S: Final = 1.0
_ASSIGN_S: Final = 3.0
_LOOKS: Final = 20
"""How often it is looked for a record that is left, for 0.1 s each: the loop stands still."""


def frozen_ends(coordination: Coordination, partitions: int) -> dict[int, int]:
    """Return where the input's partitions end now, open transactions left out."""
    return {
        partition: coordination.extent(Topic.UPDATES, partition).stable_end
        for partition in range(partitions)
    }


def group_position(partition: int, end: int, coordination: Coordination, scan: Scan) -> int:
    """Return up to where the group has come, -1 where it has not begun.

    Markers and aborted records below the end are passed, and committed with it; but a former
    version committed no more than its records. Records that expired are not passed.
    """
    found = coordination.committed(partition, stable=False)
    if found is None:
        return -1
    left = scan.read(Topic.UPDATES, partition, found.offset, end)
    for look, records in enumerate(left):
        if records or look >= _LOOKS:
            return found.offset
    if coordination.extent(Topic.UPDATES, partition).start > found.offset:
        # What is no longer there expired before it was read, and nobody has passed it.
        return found.offset
    return max(found.offset, end)


class UntilEnd:
    """Knows the ends, and who has reached them: this process, or another member of its group."""

    def __init__(
        self,
        ends: Mapping[int, int],
        committed: Callable[[int], int],
        clock: Clock,
    ) -> None:
        """Take the ends; `committed` returns up to where the group has come in a partition."""
        self._left = set(ends)
        self._ends = dict(ends)
        self._committed = committed
        self._clock = clock
        self._ask_at = self._clock.monotonic() + _ASSIGN_S

    def cut(self, records: Sequence[Record]) -> Sequence[Record]:
        """Return the records below the ends."""
        last = last_of_each(records)
        if all(each.offset < self._ends[partition] for partition, each in last.items()):
            return records
        return [record for record in records if record.offset < self._ends[record.partition]]

    def at_end(
        self, running: Mapping[int, int], coming: Collection[int], halted: Mapping[int, str]
    ) -> bool:
        """Whether all ends are reached. Raises TooManyDeadLetters where the halted ones cannot be.

        See `reached`; `halted` says why each is.
        """
        if self.reached(running, coming):
            return True
        stuck = self.stuck(running, coming, halted) if halted else []
        if stuck:
            why = "; ".join(f"partition {each}: {halted[each]}" for each in stuck)
            raise TooManyDeadLetters(f"the ends cannot be reached: {why}", hint=HALT_HINT)
        return False

    def reached(self, running: Mapping[int, int], coming: Collection[int]) -> bool:
        """Whether every partition is at its end.

        `running` holds the next offsets of what is owned and not halted, `coming` is what is being
        taken over. Markers at the end have no records: `IdleCommit` moves the offset behind them.
        What is halted or somebody else's is asked for, at most once a second, and not before the
        group has had time to assign.
        """
        for partition, offset in running.items():
            if offset >= self._ends[partition]:
                self._left.discard(partition)
        if self._clock.monotonic() >= self._ask_at:
            self._ask_at = self._clock.monotonic() + _ASK_EVERY_S
            for partition in self._left.difference(running, coming):
                if self._committed(partition) >= self._ends[partition]:
                    self._left.discard(partition)
        return not self._left and not coming

    def stuck(
        self, running: Mapping[int, int], coming: Collection[int], halted: Collection[int]
    ) -> list[int]:
        """Return the halted partitions short of their ends, once nothing else is left here.

        What is somebody else's is not waited for: it may be halted there, and wait for this one.
        """
        if coming or not self._left.isdisjoint(running):
            return []
        return [
            partition
            for partition in sorted(self._left.intersection(halted))
            if self._committed(partition) < self._ends[partition]
        ]
