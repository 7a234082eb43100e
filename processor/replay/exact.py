"""From which input offset on the state is known exactly, by the snapshots that compaction left.

The state as of offset S is each key's last snapshot of an input offset below S. It was published,
but a later snapshot of its key lets compaction remove it. What `version` tells: if the first one
that is left at or after S follows the last one below S without a gap, or is the key's first of all,
nothing is absent between them. Where no snapshot follows up to the topic's end as of now, the last
one below S is left for sure.
"""

from collections.abc import Callable, MutableMapping
from typing import Final, NamedTuple

from processor.ports.log import Record

FORMER: Final = -1
"""The input offset of a snapshot that answers a former input: it is before all of the present."""


class Seen(NamedTuple):
    """A key's last snapshot so far."""

    offset: int
    """Its input offset, or `FORMER`."""
    version: int


class ExactStart:
    """Told every snapshot of one output partition, in order, it knows where a replay can start."""

    def __init__(self, start: int, seen: MutableMapping[bytes, Seen]) -> None:
        """Take the input offset that is wished for, and where to remember a line for each key."""
        self._seen = seen
        self.wished = start
        self.earliest = start
        """The least offset from the one wished for on, as of which the state is exact."""
        self.key: bytes | None = None
        """The key that moved it last: a snapshot of it is absent."""

    @property
    def exact(self) -> bool:
        """Whether the state is exact as of the offset that was wished for."""
        return self.earliest == self.wished

    @property
    def why(self) -> str:
        """What keeps it from being exact, for people."""
        named = f"a snapshot of {self.key!r}" if self.key else "a snapshot"
        return f"compaction has removed {named} that the state needs"

    def take(self, record: Record, seen: Callable[[bytes], Seen], former: int) -> int:
        """Take the next record; return the input offset that it answers, `FORMER` for none.

        Below the output offset `former` snapshots answer a former input.
        """
        key = record.key or b""
        if record.value is None:
            self.removed(key)
            return FORMER
        found = seen(record.value)
        if record.offset < former:
            found = found._replace(offset=FORMER)
        self.saw(key, found)
        return found.offset

    def saw(self, key: bytes, snapshot: Seen) -> None:
        """Take the key's next snapshot; before it, another one of the key may be absent."""
        before = self._seen.get(key)
        self._seen[key] = snapshot
        follows = 1 if before is None else before.version + 1
        if snapshot.version == follows:
            return
        left = FORMER if before is None else before.offset
        if left < self.earliest <= snapshot.offset:
            self.earliest = snapshot.offset + 1
            self.key = key

    def removed(self, key: bytes) -> None:
        """Take note of a tombstone: the key begins anew."""
        self._seen.pop(key, None)
