"""The bounded cache of the sessions of the partitions that this process owns."""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Final

_ENTRY: Final = 450
"""What an entry takes besides the bytes of its key and its snapshot: objects, links, and the gaps
that evictions leave (measured)."""


class RecordCache:
    """Sessions by partition and record key, the longest unwritten evicted first.

    Only what is committed is put here, and Redis is read only once it has that too: so everything
    here can be evicted. Sessions are immutable: a batch that is dropped leaves no trace.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._partitions: dict[int, OrderedDict[bytes, bytes]] = {}
        self._bytes: dict[int, int] = {}

    @property
    def size(self) -> int:
        """Return the estimated size of all entries, in bytes."""
        return sum(self._bytes.values())

    @property
    def sessions(self) -> int:
        """Return the number of entries."""
        return sum(map(len, self._partitions.values()))

    def own(self, partition: int) -> None:
        """Begin to keep a partition's sessions, from none."""
        # A dict would look for its first entry past all that were removed before it.
        self._partitions[partition] = OrderedDict()
        self._bytes[partition] = 0

    def drop(self, partition: int) -> None:
        """Forget a partition."""
        self._partitions.pop(partition, None)
        self._bytes.pop(partition, None)

    def of(self, partition: int) -> Mapping[bytes, bytes]:
        """Return the snapshots of a partition's cached sessions, as they stand whenever asked."""
        return self._partitions[partition]

    def put(self, partition: int, snapshots: Mapping[bytes, bytes | None]) -> None:
        """Keep sessions' snapshots, without those that ended (None), then evict to the limit.

        Each owned partition has an equal share of the limit.
        """
        entries = self._partitions[partition]
        size = self._bytes[partition]
        for key, snapshot in snapshots.items():
            former = entries.pop(key, None)
            if former is not None:
                size -= _cost(key, former)
            if snapshot is not None:
                entries[key] = snapshot
                size += _cost(key, snapshot)
        share = self._limit // len(self._partitions)
        while size > share:
            size -= _cost(*entries.popitem(last=False))
        self._bytes[partition] = size


def _cost(key: bytes, snapshot: bytes) -> int:
    return _ENTRY + len(key) + len(snapshot)
