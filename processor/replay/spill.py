"""What a replay must remember of each key, on disk: memory stays bounded at any number of keys."""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, MutableMapping
from typing import Final

from processor.ports.log import Record
from processor.replay.exact import Gap, Seen

_CACHE_KIB: Final = 64 * 1024


def scratch() -> sqlite3.Connection:
    """Open an empty database that is gone once it is closed; past 64 MiB it lies on disk."""
    database = sqlite3.connect("", isolation_level=None)
    database.execute("PRAGMA journal_mode = OFF")
    database.execute("PRAGMA synchronous = OFF")
    database.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    return database


class SpilledLacking:
    """What an `ExactStart` has not explained as yet; to be closed."""

    def __init__(self) -> None:
        self._database = scratch()
        self._database.execute(
            "CREATE TABLE command (key BLOB, at INTEGER, PRIMARY KEY (key, at)) WITHOUT ROWID"
        )
        self._database.execute("CREATE TABLE gap (before INTEGER, until INTEGER, key BLOB)")

    def add(self, records: Iterable[Record], is_command: Callable[[Record], bool]) -> None:
        """Take those of the input's records that are commands."""
        found = [(each.key or b"", each.offset) for each in records if is_command(each)]
        if found:
            self._database.execute("BEGIN")
            self._database.executemany("INSERT INTO command VALUES (?, ?)", found)
            self._database.execute("COMMIT")

    def met(self, key: bytes, offset: int) -> None:
        """Let go of a key's commands from this offset on."""
        self._database.execute("DELETE FROM command WHERE key = ? AND at >= ?", (key, offset))

    def last(self) -> tuple[int, bytes] | None:
        """Return the last command of all that are left, with its key."""
        found: tuple[int, bytes] | None = self._database.execute(
            "SELECT at, key FROM command ORDER BY at DESC LIMIT 1"
        ).fetchone()
        return found

    def gap(self, gap: Gap) -> None:
        """Keep a gap."""
        self._database.execute("INSERT INTO gap VALUES (?, ?, ?)", gap)

    def gaps(self) -> Iterator[Gap]:
        """Yield the gaps, as they came."""
        for found in self._database.execute("SELECT * FROM gap ORDER BY rowid"):
            yield Gap(*found)

    def close(self) -> None:
        """Let go of the disk."""
        self._database.close()


class SpilledSeen(MutableMapping[bytes, Seen]):
    """A mapping from key to its last snapshot; to be closed."""

    def __init__(self) -> None:
        self._database = scratch()
        self._database.execute(
            "CREATE TABLE seen (key BLOB PRIMARY KEY, at INTEGER, version INTEGER) WITHOUT ROWID"
        )

    def __getitem__(self, key: bytes) -> Seen:
        """Return the key's last snapshot. Raises KeyError."""
        found = self._database.execute(
            "SELECT at, version FROM seen WHERE key = ?", (key,)
        ).fetchone()
        if found is None:
            raise KeyError(key)
        return Seen(*found)

    def __setitem__(self, key: bytes, seen: Seen) -> None:
        """Remember the key's last snapshot."""
        self._database.execute("INSERT OR REPLACE INTO seen VALUES (?, ?, ?)", (key, *seen))

    def __delitem__(self, key: bytes) -> None:
        """Forget the key. Raises KeyError."""
        if self._database.execute("DELETE FROM seen WHERE key = ?", (key,)).rowcount == 0:
            raise KeyError(key)

    def __iter__(self) -> Iterator[bytes]:
        """Yield the keys."""
        for (key,) in self._database.execute("SELECT key FROM seen"):
            yield key

    def __len__(self) -> int:
        """Return how many keys are remembered."""
        found: tuple[int] = self._database.execute("SELECT count(*) FROM seen").fetchone()
        return found[0]

    def close(self) -> None:
        """Let go of the disk."""
        self._database.close()
