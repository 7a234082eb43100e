"""What the client's `produce` is called with: arguments by their places; names cost a third more.

They are made of columns, in C: to make each call in Python took more than twice as long.
"""

from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any, Final

from processor.ports.log import NO_TIMESTAMP, Outgoing, Topic
from processor.ports.snapshots import Snapshots

Call = tuple[Any, ...]
"""Topic, value, key, partition, callback, its other name, timestamp, and headers if it has any."""
TOPIC: Final = 0
KEY: Final = 2
_PARTITION: Final = 3
_CALLBACK: Final = 4
_PRESENT: Final = 0
"""The timestamp that the client takes for the time of the sending."""
_EARLIEST: Final = 1
"""What stands for a timestamp of 0."""
_ANY: Final = -1
"""The partition that leaves the choice to the partitioner."""


def of_snapshots(snapshots: Snapshots, topic: str) -> list[Call]:
    """Return the call for each snapshot."""
    return _calls([topic] * len(snapshots.keys), snapshots) if snapshots.keys else []


def of_records(records: Sequence[Outgoing], topics: Mapping[Topic, str]) -> list[Call]:
    """Return the call for each record."""
    if not records:
        return []
    parts, partitions, *columns = zip(*records, strict=True)
    places = [_ANY if each is None else each for each in partitions]
    return _calls([topics[part] for part in parts], Snapshots(places, *columns))


def last_of(snapshots: Sequence[Call], records: Sequence[Call], output: str) -> dict[int, int]:
    """Return the place of the last call of each of the output's partitions; records come behind."""
    last = dict(zip(map(itemgetter(_PARTITION), snapshots), range(len(snapshots)), strict=True))
    for at, call in enumerate(records, len(snapshots)):
        if call[TOPIC] == output:
            last[call[_PARTITION]] = at
    return last


def report(calls: list[Call], places: Iterable[int], delivered: Any) -> None:
    """Have these calls reported. A report costs more than its record."""
    for at in places:
        calls[at] = *calls[at][:_CALLBACK], delivered, *calls[at][_CALLBACK + 1 :]


def _calls(topics: Sequence[str], columns: Snapshots) -> list[Call]:
    partitions, times, keys, values, headers = columns
    if min(times) <= 0:
        times = [_PRESENT if each == NO_TIMESTAMP else each or _EARLIEST for each in times]
    nothing = [None] * len(topics)
    given: list[Sequence[Any]] = [topics, values, keys, partitions, nothing, nothing, times]
    if any(headers):
        given.append([list(each) for each in headers])
    return list(zip(*given, strict=True))
