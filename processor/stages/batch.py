"""What travels between the stages."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from processor.avro.compiled import EncodedUpdate
from processor.core.command import SessionCommand
from processor.core.outcome import Ended, PassedOver, Rejected
from processor.core.update import SessionUpdate
from processor.ports.log import Headers, Record

Decoded = EncodedUpdate | SessionUpdate | SessionCommand | Rejected
"""What decode makes of a record."""

Sessions = Mapping[int, Mapping[bytes, bytes | None]]
"""Sessions' snapshots by partition and record key; None says that there is no such session."""


class Snapshot(NamedTuple):
    """What is published for a record: the session's bytes after it, or its end."""

    record: Record
    value: bytes | None
    """None is a tombstone: a command ended the session."""
    claims: bool
    """Whether it takes the profile that its update names."""
    headers: Headers = ()


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


Changed = Mapping[int, Mapping[bytes, Snapshot]]
"""By partition and record key, the last snapshots that a transaction has so far."""


class Folded(NamedTuple):
    """What became of a part of a batch. The sessions that it was folded upon are as they were."""

    snapshots: Sequence[Snapshot]
    letters: Sequence[RejectedRecord]
    duplicates: int
    commands: Sequence[CommandRecord]
    claims: Mapping[str, str]
    """The claims that the snapshots rest on and that no earlier commit holds, by profile."""
    ended_claims: Mapping[str, str | None]
    """The claims that a command ends, by profile: None removes one, "" leaves it ownerless."""
    taken: int
    """How many of the part's records, from the first on, were folded."""
    size: int
    """The bytes of all snapshots, and of those that were read for updates that are not accepted."""
