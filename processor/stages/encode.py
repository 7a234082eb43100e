"""Encode: from a session that the core folded to its snapshot's bytes."""

from processor.avro.codec import SnapshotCodec
from processor.core.session import Session


class Encode:
    """The one encoding of an accepted session; publish and store take the same bytes."""

    def __init__(self, snapshots: SnapshotCodec) -> None:
        self._snapshots = snapshots

    def __call__(self, session: Session) -> bytes:
        """Return the snapshot's bytes, framing included; their length is what rule 8 asks."""
        return self._snapshots.write(session)
