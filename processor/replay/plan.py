"""What a replay is to do, as it is kept beside it: read by whoever goes on with it."""

import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from processor.errors import FailClosed
from processor.formats.names import AVRO_ALONE
from processor.state.checkpoint import Stream

FORMAT: Final = 1
_WITH_FORMATS: Final = 2
"""Where updates are read in other formats than Avro, which a former version would reject."""


class Range(NamedTuple):
    """The input offsets of one partition, from `start` to below `end`."""

    start: int
    end: int

    @property
    def offsets(self) -> int:
        """How many there are; markers are among them."""
        return self.end - self.start

    def left(self, at: int | None) -> int:
        """How many are left for who has come up to there; None is not begun."""
        return max(0, self.end - (at or self.start))


class LiveOutput(NamedTuple):
    """How a partition of the live output stands by what is committed."""

    end: int
    former: int
    """Snapshots below answer an input that was deleted since; 0 where there are none."""


class Plan(NamedTuple):
    """A replay's bounds, frozen when it was begun, and what they were taken of."""

    name: str
    created: int
    """In milliseconds since 1970."""
    stream: Stream
    """The live stream: with other topics under the same names the bounds mean nothing. Its formats
    are those that the replay reads, whatever the live service reads by now."""
    ranges: Mapping[int, Range]
    """By input partition; one that is not among them is left out."""
    output_ends: Mapping[int, int]
    """Of the live output: the starting state is in the snapshots below them."""
    claims_ends: Mapping[int, int]
    """Of the live claims: those below stand in the replay."""
    promoted: bool = False
    former_ends: Mapping[int, int] = {}
    """Of the live output: snapshots below answer an input that was deleted since. They are a part
    of the starting state, wherever it starts."""

    def former(self, partition: int) -> int:
        """Return below which live output offset snapshots answer a former input."""
        return self.former_ends.get(partition, 0)

    def seeded(self, partition: int) -> bool:
        """Whether a partition begins with sessions."""
        return self.ranges[partition].start > 0 or self.former(partition) > 0

    @property
    def offsets(self) -> int:
        """How many input offsets are to be passed."""
        return sum(each.offsets for each in self.ranges.values())

    def left(self, places: Mapping[int, int | None]) -> int:
        """Return how many are left where each partition has come up to its place."""
        return sum(each.left(places[partition]) for partition, each in self.ranges.items())

    def ends(self, partitions: int) -> dict[int, int]:
        """Return up to where each partition of the input goes; one that is left out, to nowhere."""
        return {
            partition: self.ranges[partition].end if partition in self.ranges else 0
            for partition in range(partitions)
        }

    def encode(self) -> bytes:
        """Return the plan as JSON."""
        stream, number = self.stream._asdict(), _WITH_FORMATS
        if self.stream.formats == AVRO_ALONE:
            number = FORMAT
            del stream["formats"]
        fields = {"format": number, **self._asdict(), "stream": stream}
        return json.dumps(fields, separators=(",", ":")).encode()

    @classmethod
    def decode(cls, value: bytes) -> "Plan":
        """Read a plan. Raises FailClosed for what this version cannot read."""
        try:
            fields: dict[str, Any] = json.loads(value)
            found = fields.pop("format")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise FailClosed(
                "the plan of the replay is not one of the session processor",
                hint="somebody else wrote into its topic: drop the replay and begin another",
            ) from error
        if found not in {FORMAT, _WITH_FORMATS}:
            raise FailClosed(
                "the plan of the replay has a format that this version cannot read",
                hint="use the version that began it, or drop it and begin another",
            )
        return cls(
            name=fields["name"],
            created=fields["created"],
            stream=Stream(**fields["stream"]),
            ranges={int(each): Range(*of) for each, of in fields["ranges"].items()},
            output_ends=_by_partition(fields["output_ends"]),
            claims_ends=_by_partition(fields["claims_ends"]),
            promoted=fields["promoted"],
            former_ends=_by_partition(fields.get("former_ends", {})),
        )


def _by_partition(found: Mapping[str, int]) -> dict[int, int]:
    return {int(partition): offset for partition, offset in found.items()}
