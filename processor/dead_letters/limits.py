"""When a partition's dead letters are too many, and the partitions that are halted for it.

Two limits, each off as None. The ratio is taken over a window of time, which is kept as buckets:
the oldest leaves as a whole, so that the window is up to one bucket shorter than it is set.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from processor.ports.clock import Clock
from processor.ports.log import Record
from processor.stages.batch import RejectedRecord
from processor.telemetry.observer import Observer

BUCKETS: Final = 60
"""Into how many parts a window is cut."""


class FloodLimits(NamedTuple):
    """How many dead letters one partition may have. A limit is passed by more than its value."""

    ratio: float | None = None
    window: float = 300.0
    minimum: int = 1000
    consecutive: int | None = None

    @property
    def on(self) -> bool:
        """Whether there is anything to count for."""
        return self.ratio is not None or self.consecutive is not None


class Excess(NamedTuple):
    """The limit that was passed, `ratio` or `consecutive`, and by what: a text for people."""

    limit: str
    text: str


class LetterCount:
    """Counts one partition's records."""

    def __init__(self, limits: FloodLimits) -> None:
        self._limits = limits
        self._width = limits.window / BUCKETS
        self._run = 0
        self.records: Counter[int] = Counter()
        """Records in the window, by bucket."""
        self.letters: Counter[int] = Counter()
        """Those of them that became dead letters."""

    def add(self, rejected: Sequence[bool], now: float) -> Excess | None:
        """Count a commit's records, in their order; return the limit that they passed, if any.

        `now` is in seconds and never goes back. A run of dead letters counts however long ago it
        began, and also where records that were good ended it within this commit.
        """
        limits = self._limits
        if limits.consecutive is not None:
            longest = self._longest_run(rejected)
            if longest > limits.consecutive:
                return Excess(
                    "consecutive",
                    f"{longest:,} dead letters in a row, more than "
                    f"PROCESSOR_MAX_CONSECUTIVE_DEAD_LETTERS={limits.consecutive}",
                )
        if limits.ratio is not None:
            self._count(rejected, now)
            records, letters = self.records.total(), self.letters.total()
            if records > limits.minimum and letters > limits.ratio * records:
                return Excess(
                    "ratio",
                    f"{letters:,} dead letters among {records:,} records within "
                    f"{limits.window:g} s, more than "
                    f"PROCESSOR_MAX_DEAD_LETTER_RATIO={limits.ratio:g}",
                )
        return None

    def _longest_run(self, rejected: Sequence[bool]) -> int:
        run = longest = self._run
        for each in rejected:
            run = run + 1 if each else 0
            longest = max(longest, run)
        self._run = run
        return longest

    def _count(self, rejected: Sequence[bool], now: float) -> None:
        number = int(now // self._width)
        for counted in (self.records, self.letters):
            for gone in [each for each in counted if each <= number - BUCKETS]:
                del counted[gone]
        self.records[number] += len(rejected)
        self.letters[number] += sum(rejected)


class HaltedPartitions:
    """Counts what is committed, and says who halts. One thread calls it.

    A halted partition stays owned: its cache is checked and restored like that of an idle one, but
    its records do not come. It is so until the partition is assigned anew, here or elsewhere.
    """

    def __init__(self, limits: FloodLimits, clock: Clock, observer: Observer) -> None:
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
        now = self._clock.monotonic()
        for partition, which in outcomes.items():
            tally = self._tallies.get(partition)
            if tally is None:
                tally = self._tallies[partition] = LetterCount(self._limits)
            excess = tally.add(which, now)
            if excess is not None:
                self.partitions[partition] = excess.text
                self._unpaused.append(partition)
                self._observer.halted(partition, excess.limit, excess.text)

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
