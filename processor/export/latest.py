"""Each key's last record, and the keys that several partitions have, in bounded memory."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from heapq import nsmallest
from typing import Final, NamedTuple

from processor.ports.log import Record
from processor.replay.spill import scratch

HELD: Final = 64 * 1024 * 1024
"""Bytes of records in memory, about; what is beyond lies on disk."""
_EACH: Final = 200
"""What a record takes besides its value, about."""
_AT_ONCE: Final = 2_000
_BYTES_AT_ONCE: Final = 8 * 1024 * 1024
_KEYS: Final = 200_000


def latest(chunks: Iterable[Sequence[Record]], held: int = HELD) -> Iterator[Sequence[Record]]:
    """Yield the last record of each key of one partition, by offset, without their headers.

    Records are let go of as later ones of their keys come; what is held beyond the bound goes to
    disk, and of each key there its last offset.
    """
    with closing(_Spilled()) as spilled:
        window: dict[bytes, Record] = {}
        size = 0
        for chunk in chunks:
            for record in chunk:
                key = record.key or b""
                former = window.pop(key, None)  # so that the key comes last
                if former is not None:
                    size -= len(former.value or b"")
                window[key] = record
                size += len(record.value or b"")
            if size + len(window) * _EACH > held:
                spilled.add(window.values())
                window.clear()
                size = 0
        if not spilled.rows:
            every = list(window.values())
            yield from (every[at : at + _AT_ONCE] for at in range(0, len(every), _AT_ONCE))
            return
        spilled.add(window.values())
        window.clear()
        yield from spilled.last()


class _Spilled:
    """Records on disk, by offset."""

    def __init__(self) -> None:
        self.rows = 0
        self._database = scratch()
        self._database.execute(
            "CREATE TABLE spilled (at INTEGER PRIMARY KEY, partition, time, key BLOB, value BLOB)"
        )
        self._database.execute(
            "CREATE TABLE latest (key BLOB PRIMARY KEY, at INTEGER) WITHOUT ROWID"
        )

    def add(self, records: Iterable[Record]) -> None:
        rows = [(each[1], each[0], *each[2:5]) for each in records]
        self.rows += len(rows)
        self._database.executemany("INSERT INTO spilled VALUES (?, ?, ?, ?, ?)", rows)
        # In the order of the tree: neighbours are on one page.
        last = sorted((row[3] or b"", row[0]) for row in rows)
        self._database.executemany("INSERT OR REPLACE INTO latest VALUES (?, ?)", last)

    def last(self) -> Iterator[Sequence[Record]]:
        found = self._database.execute(
            "SELECT partition, at, time, key, value FROM spilled"
            " WHERE at IN (SELECT at FROM latest) ORDER BY at"
        )
        chunk: list[Record] = []
        size = 0
        for row in found:
            chunk.append(Record._make((*row, ())))
            size += len(row[-1] or b"")
            if len(chunk) >= _AT_ONCE or size >= _BYTES_AT_ONCE:
                yield chunk
                chunk, size = [], 0
        yield chunk

    def close(self) -> None:
        self._database.close()


class Split(NamedTuple):
    """Sessions in several partitions: how many, and of some the key with its partitions."""

    sessions: int
    some: dict[str, list[int]]


class Places:
    """Remembers in which partitions each key was met, on disk where they are many; to be closed."""

    def __init__(self) -> None:
        self._keys: defaultdict[int, set[bytes]] = defaultdict(set)
        self._saved = False
        self._database = scratch()
        self._database.execute(
            "CREATE TABLE met (key BLOB, partition INTEGER, PRIMARY KEY (key, partition))"
            " WITHOUT ROWID"
        )

    def met(self, partition: int, snapshots: Iterable[Record]) -> None:
        """Take the keys of snapshots of a partition."""
        if sum(map(len, self._keys.values())) > _KEYS:
            self._save()
        self._keys[partition].update([key for _, _, _, key, _, _ in snapshots if key])

    def split(self, examples: int) -> Split:
        """Return the sessions that several partitions have."""
        if not self._saved:
            return self._split_of_held(examples)
        self._save()
        several = "SELECT key, group_concat(partition) FROM met GROUP BY key HAVING count(*) > 1"
        (count,) = self._database.execute(f"SELECT count(*) FROM ({several})").fetchone()  # noqa: S608
        some = self._database.execute(f"{several} LIMIT ?", (examples,))
        return Split(
            count,
            {
                key.decode(errors="backslashreplace"): sorted(map(int, places.split(",")))
                for key, places in some
            },
        )

    def close(self) -> None:
        """Let go of the disk."""
        self._database.close()

    def _split_of_held(self, examples: int) -> Split:
        met: set[bytes] = set()
        several: set[bytes] = set()
        for keys in self._keys.values():
            several |= met & keys
            met |= keys
        some = nsmallest(examples, several)
        return Split(
            len(several),
            {
                key.decode(errors="backslashreplace"): sorted(
                    partition for partition, keys in self._keys.items() if key in keys
                )
                for key in some
            },
        )

    def _save(self) -> None:
        self._saved = True
        for partition, keys in self._keys.items():
            rows = [(key, partition) for key in sorted(keys)]
            self._database.executemany("INSERT OR IGNORE INTO met VALUES (?, ?)", rows)
        self._keys.clear()
