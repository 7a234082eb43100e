"""The bounded cache of the sessions of the partitions that this process owns."""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Final

from processor.batch import State

_ENTRY: Final = 450
"""What an entry takes in memory besides the bytes of its key and its snapshot (measured, with the
gaps that evictions leave: objects, numbers, the dict and its order)."""
_DECODED: Final = 1_500
_DECODED_PER_BYTE: Final = 8
"""What a decoded session takes, over the length of its snapshot (measured: tuples, dicts and
strings of a session with 3 items take 3 to 5 KB for a snapshot of 350 bytes)."""


class RecordCache:
    """Sessions by partition and record key, the longest unwritten evicted first.

    Only what Redis has acknowledged is put here, so everything here can be evicted. Sessions are
    immutable: a batch that is dropped leaves no trace.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._partitions: dict[int, OrderedDict[bytes, tuple[State, int]]] = {}
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

    def get(self, partition: int, key: bytes) -> State | None:
        """Return the session, None where it is not cached."""
        entry = self._partitions[partition].get(key)
        return None if entry is None else entry[0]

    def put(self, partition: int, sessions: Mapping[bytes, tuple[State, int]]) -> None:
        """Keep sessions with the lengths of their snapshots, then evict to the limit.

        Each owned partition has an equal share of the limit.
        """
        entries = self._partitions[partition]
        size = self._bytes[partition]
        for key, (state, length) in sessions.items():
            former = entries.pop(key, None)
            if former is not None:
                size -= former[1]
            if isinstance(state, bytes):
                cost = _ENTRY + len(key) + length
            else:
                cost = _DECODED + _DECODED_PER_BYTE * length
            entries[key] = (state, cost)
            size += cost
        share = self._limit // len(self._partitions)
        while size > share:
            _, (_, cost) = entries.popitem(last=False)
            size -= cost
        self._bytes[partition] = size
