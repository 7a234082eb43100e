"""The partitions that stand still because their dead letters passed a limit."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from processor.dead_letters.limits import FloodLimits, LetterCount
from processor.ports.log import Record
from processor.stages.batch import RejectedRecord
from processor.telemetry.observer import Observer


class HaltedPartitions:
    """Counts what is committed, and says who halts. One thread calls it.

    A halted partition stays owned: its cache is checked and restored like that of an idle one, but
    its records do not come. It is so until the partition is assigned anew, here or elsewhere.
    """

    def __init__(self, limits: FloodLimits, clock: Callable[[], float], observer: Observer) -> None:
        self._limits = limits
        self._clock = clock
        self._observer = observer
        self._tallies: dict[int, LetterCount] = {}
        self._unpaused: list[int] = []
        self.partitions: dict[int, str] = {}
        """The halted partitions, each with what it passed."""

    def count(self, records: Sequence[Record], letters: Sequence[RejectedRecord]) -> None:
        """Count a committed batch; `letters` are those of its records that were rejected, in order.

        Owed for each commit, right after it, where a limit is set.
        """
        outcomes: defaultdict[int, list[bool]] = defaultdict(list)
        rejected = iter(letters)
        letter = next(rejected, None)
        for record in records:
            is_letter = letter is not None and letter.record is record
            outcomes[record.partition].append(is_letter)
            if is_letter:
                letter = next(rejected, None)
        now = self._clock()
        for partition, which in outcomes.items():
            tally = self._tallies.get(partition)
            if tally is None:
                tally = self._tallies[partition] = LetterCount(self._limits)
            excess = tally.add(which, now)
            if excess is not None:
                self.partitions[partition] = excess.text
                self._unpaused.append(partition)
                self._observer.halted(partition, excess)

    def any_unpaused(self) -> bool:
        """Whether a partition has halted whose records were not held back yet."""
        return bool(self._unpaused)

    def take_unpaused(self) -> list[int]:
        """Return those partitions, once: the caller pauses them."""
        taken, self._unpaused = self._unpaused, []
        return taken

    def forget(self, partitions: Iterable[int]) -> None:
        """Begin anew with partitions that are revoked, and may come back."""
        for partition in partitions:
            self._tallies.pop(partition, None)
            if self.partitions.pop(partition, None) is not None and partition in self._unpaused:
                self._unpaused.remove(partition)
