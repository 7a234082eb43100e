"""Which dead letters are meant. Pure."""

import json
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Final, NamedTuple

from processor.dead_letters.letter import DeadLetter

Ranges = Sequence[tuple[int, int]]
"""Offsets from the first to the second, both included; in order, with gaps between."""

_DIGEST_BYTES: Final = 6


class Selection(NamedTuple):
    """Letters that satisfy each criterion that is given; within one, any of its values does."""

    reasons: frozenset[str] = frozenset()
    partitions: frozenset[int] = frozenset()
    since: int | None = None
    """The first timestamp that is meant, in milliseconds since 1970."""
    until: int | None = None
    """The first timestamp that is too late."""
    keys: frozenset[str] = frozenset()
    """As a list shows them."""
    places: Mapping[int, Ranges] | None = None

    def chooses(self, letter: DeadLetter) -> bool:
        """Whether the letter is meant."""
        return (
            (not self.reasons or letter.reason in self.reasons)
            and (not self.partitions or letter.partition in self.partitions)
            and (self.since is None or letter.timestamp >= self.since)
            and (self.until is None or letter.timestamp < self.until)
            and (not self.keys or letter.key in self.keys)
            and (self.places is None or _within(letter.offset, self._ranges(letter.partition)))
        )

    def within(self, partition: int, start: int, end: int) -> tuple[int, int] | None:
        """Return the part of the offsets from `start` to below `end` that may have such letters."""
        if self.partitions and partition not in self.partitions:
            return None
        if self.places is None:
            return start, end
        ranges = self._ranges(partition)
        if not ranges:
            return None
        start, end = max(start, ranges[0][0]), min(end, ranges[-1][1] + 1)
        return (start, end) if start < end else None

    def named(self) -> frozenset[int]:
        """Return the partitions that it names, none where it means all."""
        return self.partitions | frozenset(self.places or ())

    def _ranges(self, partition: int) -> Ranges:
        return (self.places or {}).get(partition, ())


def merged(offsets: Iterable[tuple[int, int]]) -> Ranges:
    """Return ranges of offsets in order, those that meet or overlap as one."""
    ranges: list[tuple[int, int]] = []
    for first, last in sorted(offsets):
        if ranges and first <= ranges[-1][1] + 1:
            ranges[-1] = ranges[-1][0], max(ranges[-1][1], last)
        else:
            ranges.append((first, last))
    return ranges


def digest(
    selection: Selection,
    since: str | None,
    until: str | None,
    attempts: int,
    *,
    commands: bool = False,
) -> str:
    """Return a short name of what was asked for: the same for the same options.

    `since` and `until` are the times as they were asked for: a duration ago means another moment
    each time, and is the same option.
    """
    places = selection.places
    asked = [
        sorted(selection.reasons),
        sorted(selection.partitions),
        since,
        until,
        sorted(selection.keys),
        None if places is None else sorted((each, [*map(list, places[each])]) for each in places),
        attempts,
        # Not `False`: without commands it is the same name as before there were any.
        *(["commands"] if commands else []),
    ]
    return blake2b(json.dumps(asked).encode(), digest_size=_DIGEST_BYTES).hexdigest()


def _within(offset: int, ranges: Ranges) -> bool:
    place = bisect_right(ranges, offset, key=lambda each: each[0]) - 1
    return place >= 0 and offset <= ranges[place][1]
