"""When a partition's dead letters are too many: counted in bounded memory, without a clock.

Two limits, each off as None. The ratio is taken over a window of time, which is kept as buckets:
the oldest leaves as a whole, so that the window is up to one bucket shorter than it is set.
"""

from collections import deque
from collections.abc import Sequence
from typing import Final, NamedTuple

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


class _Bucket:
    """What was counted in one part of the window."""

    __slots__ = ("letters", "number", "records")

    def __init__(self, number: int) -> None:
        self.number = number
        self.records = 0
        self.letters = 0


class LetterCount:
    """Counts one partition's records."""

    def __init__(self, limits: FloodLimits) -> None:
        self._limits = limits
        self._width = limits.window / BUCKETS
        self._buckets: deque[_Bucket] = deque()
        self._run = 0
        self.records = 0
        """Records in the window."""
        self.letters = 0
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
            if self.records > limits.minimum and self.letters > limits.ratio * self.records:
                return Excess(
                    "ratio",
                    f"{self.letters:,} dead letters among {self.records:,} records within "
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
        while self._buckets and self._buckets[0].number <= number - BUCKETS:
            gone = self._buckets.popleft()
            self.records -= gone.records
            self.letters -= gone.letters
        if not self._buckets or self._buckets[-1].number != number:
            self._buckets.append(_Bucket(number))
        letters = sum(rejected)
        self._buckets[-1].records += len(rejected)
        self._buckets[-1].letters += letters
        self.records += len(rejected)
        self.letters += letters
