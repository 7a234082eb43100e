"""Which keys were erased, as the output still shows: what came before is not sent again."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from processor.ports.log import Record
from processor.replay.spill import scratch
from processor.state.ends import end_of

_ERASE: Final = "erase"
_ALWAYS: Final = 2**63 - 1

Extents = Callable[[int], tuple[int, int]]
"""Where a partition of the output begins, and where it ends for now."""
Read = Callable[[int, int, int], Iterable[Sequence[Record]]]
"""Yields what the output has in a partition between two offsets."""
Former = Callable[[int], int | None]
"""The output offset below which a partition answers a former input, None where there was none."""


class Erases:
    """The last erase of each key, of the partitions that were asked for, on disk. To be closed.

    A partition is read when it is first asked for. Raises what its parts raise.
    """

    def __init__(self, extents: Extents, read: Read, former: Former) -> None:
        self._extents = extents
        self._read = read
        self._former = former
        self._next: dict[int, int] = {}
        """The first output offset that was not looked at."""
        self._current: set[int] = set()
        self._database = scratch()
        self._database.execute(
            "CREATE TABLE erase (partition INTEGER, key BLOB, at INTEGER, "
            "PRIMARY KEY (partition, key)) WITHOUT ROWID"
        )

    def covers(self, partition: int, key: bytes | None, offset: int) -> bool:
        """Whether the key was erased behind this offset of the input partition."""
        if partition not in self._current:
            self._look(partition)
        found = self._database.execute(
            "SELECT at FROM erase WHERE partition = ? AND key = ?", (partition, key or b"")
        ).fetchone()
        return found is not None and offset < found[0]

    def read_on(self) -> None:
        """Have what was published meanwhile looked at before the next answer."""
        self._current.clear()

    def close(self) -> None:
        """Let go of the disk."""
        self._database.close()

    def _look(self, partition: int) -> None:
        start, end = self._extents(partition)
        start = max(start, self._next.get(partition, 0))
        if start < end:
            former = self._former(partition)
            for records in self._read(partition, start, end):
                self._keep(partition, _erased(records, former))
            self._next[partition] = end
        self._current.add(partition)

    def _keep(self, partition: int, found: Iterator[tuple[bytes, int]]) -> None:
        rows = [(partition, key, at) for key, at in found]
        if rows:
            self._database.execute("BEGIN")
            self._database.executemany(
                "INSERT INTO erase VALUES (?, ?, ?) ON CONFLICT (partition, key) "
                "DO UPDATE SET at = max(at, excluded.at)",
                rows,
            )
            self._database.execute("COMMIT")


def _erased(records: Sequence[Record], former: int | None) -> Iterator[tuple[bytes, int]]:
    """Yield each erased key, with the input offset below which a letter of it is older."""
    for record in records:
        end = end_of(record.headers) if record.value is None else None
        if end is not None and end.command == _ERASE:
            # A letter does not tell which input its offset is of: it may be the former one's.
            of_new = former is not None and record.offset >= former
            yield record.key or b"", _ALWAYS if of_new else end.input_offset
