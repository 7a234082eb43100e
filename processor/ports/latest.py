"""Reading the output for what it says last of each session: what a restore needs of Kafka."""

from collections.abc import Iterator, Sequence
from operator import attrgetter
from typing import Any, Final, NamedTuple, Protocol

from processor.ports.log import Record
from processor.ports.segments import NOBODY

_SESSION: Final = attrgetter("key", "value")


class Latest(NamedTuple):
    """The last snapshot of each key among records that were read, None for an end."""

    end: int | None
    """The offset behind them; None where there was none."""
    snapshots: dict[bytes, bytes | None]


class LatestScan(Protocol):
    """A reader of the output's partitions, outside of the group; read_committed."""

    def latest(self, partition: int, start: int, end: int) -> Iterator[Latest]:
        """Yield chunk by chunk what `Scan.read` yields, as the last of each key."""


def latest_of(records: Sequence[Record]) -> Latest:
    """Return what records say last."""
    return latest(records[-1].next_offset if records else None, dict(map(_SESSION, records)))


def latest(end: int | None, found: dict[Any, bytes | None]) -> Latest:
    """Return what was found, without the keys that are no session's."""
    for nobody in (None, b"", NOBODY):
        found.pop(nobody, None)
    return Latest(end, found)
