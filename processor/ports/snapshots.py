"""Snapshots to publish, by columns: no object a record stands between the fold and the client."""

from collections.abc import Sequence
from typing import Final, NamedTuple


class Snapshots(NamedTuple):
    """Columns of one length, or none; the fields are those of `Outgoing`."""

    partitions: Sequence[int] = ()
    timestamps: Sequence[int] = ()
    keys: Sequence[bytes | None] = ()
    values: Sequence[bytes | None] = ()
    headers: Sequence[Sequence[tuple[str, bytes | None]]] = ()


NO_SNAPSHOTS: Final = Snapshots()
