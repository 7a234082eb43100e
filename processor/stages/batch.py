"""What travels between the stages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Final, NamedTuple

from processor.avro.compiled import EncodedUpdate, FoldedUpdates
from processor.core.command import SessionCommand
from processor.core.outcome import Ended, PassedOver, Rejected
from processor.core.update import SessionUpdate
from processor.ports.log import Headers, Record

Decoded = EncodedUpdate | SessionUpdate | SessionCommand | Rejected
"""What decode makes of a record."""

Sessions = Mapping[int, Mapping[bytes, bytes | None]]
"""Sessions' snapshots by partition and record key; None says that there is no such session."""


PARTITION: Final = attrgetter("partition")


def last_of_each(records: Sequence[Record]) -> dict[int, Record]:
    """Return the last record of each partition."""
    return dict(zip(map(PARTITION, records), records, strict=True))


class RejectedRecord(NamedTuple):
    """A rejected update: its record, and why."""

    record: Record
    rejected: Rejected


class CommandRecord(NamedTuple):
    """A command's record, and what became of it."""

    record: Record
    command: SessionCommand
    outcome: Ended | PassedOver

    @property
    def ends(self) -> bool:
        """Whether it ended a session; it may have ended claims alone."""
        return isinstance(self.outcome, Ended) and self.outcome.version is not None


Changed = Mapping[int, Mapping[bytes, bytes | None]]
"""By partition and record key, the last snapshots that a transaction has so far; None is an end."""


@dataclass(slots=True)
class Folded(FoldedUpdates):
    """What became of a part of a batch. The sessions that it was folded upon are as they were."""

    letters: list[RejectedRecord] = field(default_factory=list)
    commands: list[CommandRecord] = field(default_factory=list)
    ends: dict[int, Headers] = field(default_factory=dict)
    """The headers of the ends, by their places among the snapshots."""
    ended_claims: dict[str, str | None] = field(default_factory=dict)
    """The claims that a command ends, by profile: None removes one, "" leaves it ownerless."""

    def add(self, record: Record, snapshot: bytes | None) -> None:
        """Take what is published for a record."""
        self.accepted.append(record)
        self.snapshots.append(snapshot)
        self.changed[record.partition][record.key or b""] = snapshot
        self.size += len(snapshot or b"")
