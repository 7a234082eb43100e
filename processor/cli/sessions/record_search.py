"""Finding a session's records in the output without reading all of it.

A snapshot says when its life began: `created`. Records carry the time of their input, which is
seldom before the event that they tell of. So what stands before that time is of other sessions,
mostly; that the session was seen from version 1 on shows it.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Final

from processor.core.session import Session
from processor.ports.chunks import Passed
from processor.ports.log import Coordination, Record, Scan, Topic

WINDOW: Final = 20_000
"""How many offsets of each partition are read first, from its end backwards."""
_WIDER: Final = 2
_SKEW_MS: Final = 3_600_000
"""By how much the time of a record may be before that of its event, for want of a right clock."""


@dataclass(slots=True)
class _Span:
    """A partition: its extent, and from where on all records were looked at."""

    start: int
    end: int
    looked: int
    first: int | None = None
    """The session's first record from there on, and the last one."""
    last: int = 0
    created: int | None = None
    """When the life of its newest snapshot began."""


class RecordSearch:
    """Looks for one session in the partitions of the output."""

    def __init__(
        self,
        scan: Scan,
        coordination: Coordination,
        session_of: Callable[[Record], Session],
        key: bytes,
    ) -> None:
        self._scan = scan
        self._coordination = coordination
        self._session_of = session_of
        self._key = key
        self._spans: dict[int, _Span] = {}
        self.began: dict[int, int] = {}
        """Where each partition was read from, once `records` has been asked for."""

    def look(self, extents: Mapping[int, tuple[int, int]], passed: Passed) -> bool:
        """Read backwards, all partitions alike, until a snapshot is met or all is read.

        `passed` is told how many offsets were read. Returns whether there is any record.
        """
        spans = {each: _Span(start, end, end) for each, (start, end) in extents.items()}
        self._spans = spans
        window = WINDOW
        while any(each.looked > each.start for each in spans.values()) and self._created() is None:
            for partition, span in spans.items():
                low = max(span.start, span.looked - window)
                self._note(span, self._of(partition, low, span.looked))
                passed(span.looked - low)
                span.looked = low
            window *= _WIDER
        return any(each.first is not None for each in spans.values())

    def records(
        self, partition: int, *, whole: bool = False, until: int | None = None
    ) -> Iterator[Record]:
        """Yield the session's records in a partition, in their order.

        From where its newest life began, wherever that is seen from version 1 on. Else, for
        `whole`, and where it does not reach back to the time `until`, from the partition's start.
        """
        span = self._spans[partition]
        begin = span.start if whole else self._begin(partition, until)
        self.began[partition] = begin
        rest = self._rest(partition, begin)
        first = next(rest, None)
        if first is None:
            return
        if begin > span.start and not self._is_birth(first, until):
            self.began[partition] = span.start
            yield from self._of(partition, span.start, begin)
        yield from chain([first], rest)

    def _rest(self, partition: int, begin: int) -> Iterator[Record]:
        """Yield the session's records from `begin` on, of what was looked at only where it has."""
        span = self._spans[partition]
        yield from self._of(partition, begin, span.looked)
        if span.first is not None:
            yield from self._of(partition, span.first, span.last + 1)

    def _begin(self, partition: int, until: int | None) -> int:
        """Return the offset from which on the records of the newest life are, if clocks are right.

        Where the time that is asked for is before that life it is the partition's start.
        """
        span, created = self._spans[partition], self._created()
        if created is None or (until is not None and until < created):
            return span.start
        time = max(0, created - _SKEW_MS)
        at = self._coordination.offset_at(partition, time, Topic.SESSIONS)
        return max(span.start, min(at, span.looked))

    def _is_birth(self, record: Record, until: int | None) -> bool:
        """Whether nothing before the record is needed: it is a session's first, and in time."""
        in_time = until is None or record.timestamp <= until
        return in_time and record.value is not None and self._session_of(record).version == 1

    def _created(self) -> int | None:
        times = [each.created for each in self._spans.values() if each.created is not None]
        return min(times, default=None)

    def _note(self, span: _Span, records: Iterator[Record]) -> None:
        """Take what was met in a window; it is before all that was met so far."""
        newest: Record | None = None
        first: int | None = None
        for record in records:
            first = record.offset if first is None else first
            span.last = max(span.last, record.offset)
            newest = newest if record.value is None else record
        if first is not None:
            span.first = first
        if newest is not None:
            span.created = self._session_of(newest).created

    def _of(self, partition: int, start: int, end: int) -> Iterator[Record]:
        chunks = self._scan.read(Topic.SESSIONS, partition, start, end)
        return (each for each in chain.from_iterable(chunks) if each.key == self._key)
