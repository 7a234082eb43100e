"""How far a redrive has come: the text beside each position that it commits. Pure."""

import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from processor.errors import FailClosed, InputError
from processor.ports.log import Committed

FORMAT: Final = 1
_ANOTHER: Final = "give another --name to start another redrive"


class Mark(NamedTuple):
    """What a redrive remembers beside its position in a partition of the dead letters."""

    selection: str
    """The digest of what was asked for."""
    since: int | None
    until: int | None
    """The times of the selection as they were at the start."""
    topics: tuple[str, str]
    """The ids of the dead letters and of the input."""
    partitions: int
    """How many the redrive reads; the positions of all are committed together."""
    end: int
    """The offset to stop at, from the start of the redrive."""
    sent: int
    """How many letters of this partition were sent."""

    def encode(self) -> str:
        """Return the text."""
        return json.dumps({"format": FORMAT, **self._asdict()}, separators=(",", ":"))

    @classmethod
    def decode(cls, text: str) -> "Mark":
        """Return what the text says. Raises FailClosed for any other text."""
        try:
            found = json.loads(text)
        except ValueError:
            found = None
        fields: dict[str, Any] = found if isinstance(found, dict) else {}
        if fields.get("format", FORMAT) != FORMAT:
            raise FailClosed(
                "it has a format that this version cannot read",
                hint=f"use the version that began it, or {_ANOTHER}",
            )
        if fields.keys() != {"format", *cls._fields}:
            raise FailClosed("it was not committed by a redrive", hint=_ANOTHER)
        del fields["format"]
        return cls(**{**fields, "topics": tuple(fields["topics"])})


class RedrivePosition(NamedTuple):
    """The next offset of a partition to look at, and what is remembered with it."""

    offset: int
    mark: Mark

    @property
    def left(self) -> int:
        """How many offsets are left."""
        return max(0, self.mark.end - self.offset)

    def moved(self, offset: int, sent: int) -> "RedrivePosition":
        """Return the position after so many more letters were sent."""
        return RedrivePosition(offset, self.mark._replace(sent=self.mark.sent + sent))


RedrivePositions = Mapping[int, RedrivePosition]


def going_on(
    name: str, found: Mapping[int, Committed], fresh: RedrivePositions
) -> RedrivePositions:
    """Return where a redrive goes on: `fresh` if it is new, else where it was left.

    Raises InputError where the name is another selection's, and FailClosed where what was sent
    cannot be told.
    """
    if not found:
        return fresh
    positions = {}
    for partition, committed in found.items():
        try:
            positions[partition] = RedrivePosition(
                committed.offset, Mark.decode(committed.metadata)
            )
        except FailClosed as error:
            raise FailClosed(
                f"the position of redrive {name} in partition {partition} is unreadable: "
                f"{error.message}",
                hint=error.hint,
            ) from None
    wanted = next(iter(fresh.values())).mark
    for position in positions.values():
        _require_same(name, position.mark, wanted, len(positions))
    return positions


def _require_same(name: str, mark: Mark, wanted: Mark, known: int) -> None:
    if mark.selection != wanted.selection:
        raise InputError(
            f"redrive {name} was begun with other options: another selection, or --max-attempts",
            hint=f"give the same ones to go on with it, or {_ANOTHER}",
        )
    if mark.topics != wanted.topics:
        raise FailClosed(
            f"redrive {name} is of topics that were deleted and created again", hint=_ANOTHER
        )
    if mark.partitions != known:
        raise FailClosed(
            f"redrive {name} has positions in {known} of {mark.partitions} partitions: the others "
            "expired or were deleted, so what it has sent of them cannot be told",
            hint=f"compare the input with the dead letters, then {_ANOTHER}, with --offsets",
        )


def expired(positions: RedrivePositions, starts: Mapping[int, int]) -> int:
    """Return how many offsets expired before the redrive came to them, by where the logs begin."""
    return sum(
        max(0, min(starts.get(partition, 0), each.mark.end) - each.offset)
        for partition, each in positions.items()
    )


def committed(positions: RedrivePositions) -> dict[int, Committed]:
    """Return what is committed for the positions."""
    return {
        partition: Committed(position.offset, position.mark.encode())
        for partition, position in positions.items()
    }
