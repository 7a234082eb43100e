"""What travels between the stages."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from processor.avro.compiled import EncodedUpdate
from processor.core.outcome import Rejected
from processor.core.update import SessionUpdate
from processor.ports.log import Record

Decoded = EncodedUpdate | SessionUpdate | Rejected
"""What decode makes of a record."""

Sessions = Mapping[int, Mapping[bytes, bytes | None]]
"""Sessions' snapshots by partition and record key; None says that there is no such session."""


class Snapshot(NamedTuple):
    """An accepted update: its record, and the bytes of the session after it."""

    record: Record
    value: bytes
    claims: bool
    """Whether it takes the profile that its update names."""


class RejectedRecord(NamedTuple):
    """A rejected update: its record, and why."""

    record: Record
    rejected: Rejected


Changed = Mapping[int, Mapping[bytes, Snapshot]]
"""By partition and record key, the last snapshots that a transaction has so far."""


class Folded(NamedTuple):
    """What became of a part of a batch. The sessions that it was folded upon are as they were."""

    snapshots: Sequence[Snapshot]
    letters: Sequence[RejectedRecord]
    duplicates: int
    claims: Mapping[str, str]
    """The claims that the snapshots rest on and that no earlier commit holds, by profile."""
    taken: int
    """How many of the part's records, from the first on, were folded."""
    size: int
    """The bytes of all snapshots, and of those that were read for updates that are not accepted."""
