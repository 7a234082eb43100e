"""From which offset to which a replay goes, or why it cannot: decided from what was asked. Pure."""

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

from processor.errors import InputError, NotFound
from processor.ports.log import Extent
from processor.replay.plan import Range

Start = Literal["earliest"] | int | Mapping[int, int]
"""The log's start, a time (ms), or offsets; partitions that have none are left out."""
End = int | Mapping[int, int] | None
"""A time (ms), or offsets; else, and for other partitions, what the live service has done."""
OffsetAt = Callable[[int, int], int]
"""Returns the first offset of a partition at or after a time."""


class RequestedBounds(NamedTuple):
    """What the command line says."""

    start: Start
    end: End


class Standing(NamedTuple):
    """A partition of the live input, and how far the live service has come in it."""

    updates: Extent
    committed: int | None
    promoted: int
    """The offset of the last replay that was made live, 0 without one."""


class Point(NamedTuple):
    """An offset that was asked for and cannot be had, and the first that can."""

    partition: int
    why: str
    earliest: int


def bound(
    asked: RequestedBounds, found: Mapping[int, Standing], offset_at: OffsetAt
) -> tuple[dict[int, Range], list[Point]]:
    """Return the ranges, by partition, and what cannot be had.

    A partition of which the live service has done nothing is left out. Raises InputError for
    offsets beyond what is there, and NotFound where nothing is left to replay.
    """
    if not isinstance(asked.start, int | str):
        _require_known(asked.start, found)
    if isinstance(asked.end, Mapping):
        _require_known(asked.end, found)
    ranges: dict[int, Range] = {}
    refused = []
    for partition, standing in found.items():
        wanted = _start(asked.start, partition, standing, offset_at)
        done = standing.committed
        if wanted is None or done is None:
            continue
        if wanted > done:
            raise InputError(
                f"partition {partition} cannot start at {wanted}: the live service has come to "
                f"{done}",
                hint="a replay goes over what the live service has processed; give a lower offset",
            )
        point = _refusal(asked.start, partition, wanted, standing)
        if point is not None:
            refused.append(point)
        ranges[partition] = Range(wanted, _end(asked.end, partition, wanted, done, offset_at))
    if not ranges:
        raise NotFound(
            "there is nothing to replay: the live service has processed nothing there",
            hint="`session-processor offsets show` tells how far it has come",
        )
    return ranges, refused


def _start(start: Start, partition: int, standing: Standing, offset_at: OffsetAt) -> int | None:
    if isinstance(start, str):
        return standing.updates.start
    if isinstance(start, int):
        return min(offset_at(partition, start), standing.committed or 0)
    return start.get(partition)


def _refusal(start: Start, partition: int, wanted: int, standing: Standing) -> Point | None:
    log_start, promoted = standing.updates.start, standing.promoted
    if wanted < log_start:
        why = f"the log begins at {log_start}: what was before has expired"
    elif isinstance(start, int) and 0 < log_start == wanted:
        why = (
            f"the log begins at {log_start}: records of that time may have expired before it; "
            "to start there nevertheless, use --from-earliest"
        )
    elif wanted < promoted:
        why = f"a replay was made live up to {promoted}: before it the past is another"
    else:
        return None
    return Point(partition, why, max(log_start, promoted))


def _end(end: End, partition: int, start: int, done: int, offset_at: OffsetAt) -> int:
    if end is None:
        return done
    if isinstance(end, int):
        return max(start, min(offset_at(partition, end), done))
    wanted = end.get(partition, done)
    if wanted > done:
        raise InputError(
            f"partition {partition} cannot end at {wanted}: the live service has come to {done}",
            hint="leave the end out to replay all that the live service has processed",
        )
    if wanted < start:
        raise InputError(f"partition {partition} would end at {wanted}, before its start {start}")
    return wanted


def _require_known(given: Mapping[int, int], found: Mapping[int, Standing]) -> None:
    for partition in given:
        if partition not in found:
            raise InputError(
                f"there is no partition {partition}: the input has {len(found)}",
                hint=f"partitions are counted from 0 to {len(found) - 1}",
            )
