"""Reading a topic for what it says last of each key: what Redis is restored from."""

from collections.abc import Iterator, Sequence
from operator import attrgetter
from typing import Any, Final, NamedTuple, Protocol

from processor.ports.log import Record, Scan, Topic
from processor.ports.segments import NOBODY

_PAIR: Final = attrgetter("key", "value")


class Latest(NamedTuple):
    """The last value of each key among records that were read, None for a tombstone."""

    end: int | None
    """The offset behind them; None where there was none."""
    values: dict[bytes, bytes | None]


class LatestScan(Protocol):
    """A reader of partitions of the output and the claims, outside of the group; read_committed."""

    def latest(self, topic: Topic, partition: int, start: int, end: int) -> Iterator[Latest]:
        """Yield chunk by chunk what `Scan.read` yields, as the last of each key."""


class Reading(Scan, LatestScan, Protocol):
    """Both ways to read a topic."""


def latest_of(records: Sequence[Record]) -> Latest:
    """Return what records say last."""
    return latest(records[-1].next_offset if records else None, dict(map(_PAIR, records)))


def latest(end: int | None, found: dict[Any, bytes | None]) -> Latest:
    """Return what was found, without the keys that are nobody's."""
    for nobody in (None, b"", NOBODY):
        found.pop(nobody, None)
    return Latest(end, found)
